/* report.c - what happened, for a person; and whether it is what must have happened.
 *
 * Every line with a mark is a claim of README that was looked up in what was
 * gathered.  One that does not hold makes the demo fail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "deploy/demo/demo.h"

static const char *usd(int64_t nanousd)
{
    static char texts[8][32];
    static unsigned at;
    char *text = texts[at++ % 8];

    snprintf(text, sizeof texts[0], "$%lld.%06lld", (long long)(nanousd / 1000000000),
             (long long)((nanousd % 1000000000 + 500) / 1000));
    return text;
}

/* ---- results ---- */

static const char *wanted_status(const struct planned *p)
{
    return p->must == MUST_FAIL ? "failed" : "completed";
}

static bool came_as_planned(const struct planned *p)
{
    return p->results == 1 && strcmp(p->status, wanted_status(p)) == 0 &&
           (!p->code || strcmp(p->code, p->result_code) == 0);
}

static bool is_job(const struct planned *p)
{
    return p->must == MUST_COMPLETE || p->must == MUST_FAIL;
}

static void tell_wrong(const struct planned *p)
{
    printf("    %s: %d results, the last one %s %s; expected one, %s %s\n", p->id, p->results,
           p->results ? p->status : "-", p->result_code, wanted_status(p), p->code ? p->code : "");
}

static size_t count_status(const struct demo *d, const char *status)
{
    size_t n = 0;

    for (size_t i = 0; i < d->count; i++)
        n += is_job(&d->plan[i]) && strcmp(d->plan[i].status, status) == 0;
    return n;
}

static void report_failures(const struct demo *d)
{
    for (size_t i = 0; i < d->count; i++) {
        const struct planned *p = &d->plan[i];

        if (is_job(p) && strcmp(p->status, "failed") == 0)
            printf("    %s%-14s%s %s after %d attempt%s\n", tint(TINT_DIM), p->id, tint(TINT_NONE),
                   p->result_code, p->attempts, p->attempts == 1 ? "" : "s");
    }
}

static void report_results(struct demo *d)
{
    size_t jobs = 0, as_planned = 0, single = 0, questions = 0, right = 0, repeats = 0;

    for (size_t i = 0; i < d->count; i++) {
        const struct planned *p = &d->plan[i];

        repeats += p->must == MUST_CHANGE_NOTHING;
        if (!is_job(p))
            continue;
        jobs++;
        single += p->results == 1;
        as_planned += came_as_planned(p);
        if (p->question_answer && strcmp(p->status, "completed") == 0) {
            questions++;
            right += p->right;
        }
    }
    show_heading("Results");
    printf("  %s%zu completed%s, %zu failed, %zu rejected, of %zu documents in %.1f s\n",
           tint(TINT_BOLD), count_status(d, "completed"), tint(TINT_NONE),
           count_status(d, "failed"), d->refused_count, d->count, (double)d->took_ms / 1000);
    report_failures(d);
    show_claim(single == jobs && d->unknown_results == 0,
               "each of %zu jobs has exactly one result; %zu repeated documents changed "
               "nothing",
               jobs, repeats);
    if (d->real)
        return;
    show_claim(as_planned == jobs, "each ended as it had to");
    for (size_t i = 0; i < d->count; i++)
        if (is_job(&d->plan[i]) && !came_as_planned(&d->plan[i]))
            tell_wrong(&d->plan[i]);
    show_claim(right == questions && questions > 0, "%zu of %zu %s came back with their own answer",
               right, questions, d->gsm8k ? "GSM8K questions" : "questions");
}

/* ---- rejected documents ---- */

static bool was_refused(const struct demo *d, const struct planned *p)
{
    for (size_t i = 0; i < d->refused_count; i++)
        if (strcmp(d->refused[i].name, p->id) == 0 && strcmp(d->refused[i].code, p->code) == 0)
            return true;
    return false;
}

static void report_refused(struct demo *d)
{
    size_t bad = 0, told = 0;

    show_heading("Rejected documents");
    for (size_t i = 0; i < d->refused_count; i++) {
        const struct refused *r = &d->refused[i];

        printf("  %-14s %s%-13s%s %s\n", r->name, tint(TINT_WARN), r->code, tint(TINT_NONE),
               r->message);
    }
    for (size_t i = 0; i < d->count; i++)
        if (d->plan[i].must == MUST_BE_REJECTED) {
            bad++;
            told += was_refused(d, &d->plan[i]);
        }
    show_claim(told == bad && d->refused_count == bad,
               "all %zu bad documents became a result that "
               "says why",
               bad);
}

/* ---- trouble ---- */

static void report_kill(struct demo *d)
{
    const struct killed *k = &d->killed;
    size_t single = 0;

    for (size_t i = 0; i < k->count; i++) {
        const struct planned *p = plan_find(d, k->held[i].id);

        single += p ? p->results == 1 : k->held[i].back; /* a webhook's job has no result */
    }
    if (k->pid == 0) {
        show_claim(false, "a worker process was killed");
        return;
    }
    printf(
        "  kill -9 of a worker     %zu jobs and %lld calls in its hands; all in other hands after "
        "%s%lld ms%s\n",
        k->count, (long long)d->cut_by_kill, tint(TINT_BOLD), (long long)k->back_ms,
        tint(TINT_NONE));
    show_claim(k->count > 0 && k->back == k->count && single == k->count,
               "each of these %zu jobs has exactly one result", k->count);
}

static void report_faults(const struct demo *d, size_t parked)
{
    printf("  429 from the provider   %lld calls; %zu jobs were parked until the time it named\n",
           (long long)d->throttled, parked);
    printf("  500 from the provider   %lld calls\n", (long long)d->failed_500);
    printf("  connections lost        %lld calls without an answer\n",
           (long long)(d->money.unconfirmed_calls - d->cut_by_kill));
}

static void report_trouble(struct demo *d)
{
    size_t retried = 0, parked = 0, gave_up = 0, spent = 0;

    for (size_t i = 0; i < d->count; i++) {
        const struct planned *p = &d->plan[i];

        retried += p->attempts > 1;
        gave_up += p->attempts > 1 && strcmp(p->status, "failed") == 0;
        parked += p->parks > 0;
        spent += !p->troubled && p->attempts > 1;
    }
    show_heading("Trouble");
    if (!d->real)
        report_faults(d, parked);
    report_kill(d);
    printf("  retries                 %zu jobs were tried again, %zu of them gave up\n", retried,
           gave_up);
    if (!d->real)
        show_claim(d->throttled > 0 && parked > 0 && retried > 0 && spent == 0,
                   "only a job's own failures spend its attempts; 429s and dead workers do not");
}

/* ---- money ---- */

static int by_cost(const void *a, const void *b)
{
    const struct model_sum *x = a, *y = b;

    return (x->cost_nanousd < y->cost_nanousd) - (x->cost_nanousd > y->cost_nanousd);
}

static void report_money(struct demo *d)
{
    const struct money *m = &d->money;

    show_heading("Cost by model");
    qsort(d->models, d->model_count, sizeof d->models[0], by_cost);
    for (size_t i = 0; i < d->model_count; i++)
        printf("  %-42s %4lld calls  %s\n", d->models[i].name, (long long)d->models[i].calls,
               usd(d->models[i].cost_nanousd));
    printf("  %-42s             %s%s%s\n", "total, confirmed", tint(TINT_BOLD), usd(m->confirmed),
           tint(TINT_NONE));
    show_claim(m->results + m->duplicates == m->confirmed && m->days == m->confirmed,
               "results, cost events and daily sums are the same to the nano-dollar");
    if (d->real) {
        printf("  the provider's bill lies between %s and %s (%lld calls without an answer)\n",
               usd(m->confirmed), usd(m->confirmed + m->estimated),
               (long long)m->unconfirmed_calls);
        return;
    }
    show_claim(m->confirmed <= m->billed && m->billed <= m->confirmed + m->estimated &&
                   m->billed > 0,
               "confirmed %s <= billed %s <= %s with estimates", usd(m->confirmed), usd(m->billed),
               usd(m->confirmed + m->estimated));
}

/* ---- webhooks ---- */

static void report_webhooks(struct demo *d)
{
    size_t delivered = 0;

    for (size_t i = 0; i < d->count; i++)
        delivered += d->plan[i].webhook && d->plan[i].webhooks > 0;
    show_heading("Webhooks");
    printf("  %zu requests: %zu jobs delivered", d->hooks, delivered);
    if (d->hooks_refused)
        printf(", %zu answered 500 by the receiver and sent again", d->hooks_refused);
    if (d->hooks_again)
        printf(", %zu delivered twice (same webhook-id)", d->hooks_again);
    putchar('\n');
    show_claim(delivered == d->want_webhooks,
               "each of %zu jobs with a webhook was delivered to its "
               "receiver",
               d->want_webhooks);
    show_claim(d->hooks_verified == d->hooks && d->hooks > 0, "%zu of %zu signatures verified",
               d->hooks_verified, d->hooks);
}

void report_alerts(struct demo *d)
{
    const struct reply *r = talk(d, "XRANGE", key(&d->keys, KEY_ALERTS), "-", "+", NULL);

    for (size_t i = 0; i < reply_count(r); i++) {
        const struct reply *fields = reply_at(reply_at(r, i), 1);
        struct span doc = reply_span(reply_at(fields, reply_count(fields) - 1));

        printf("    alert: %.*s\n", (int)doc.n, doc.p);
    }
}

bool report(struct demo *d)
{
    report_results(d);
    report_refused(d);
    report_trouble(d);
    report_webhooks(d);
    report_money(d);
    putchar('\n');
    if (show_claims_failed() == 0)
        printf("%s%sAll %zu claims hold.%s\n", tint(TINT_GOOD), tint(TINT_BOLD), show_claims(),
               tint(TINT_NONE));
    else
        printf("%s%s%zu of %zu claims do not hold.%s\n", tint(TINT_BAD), tint(TINT_BOLD),
               show_claims_failed(), show_claims(), tint(TINT_NONE));
    return show_claims_failed() == 0;
}
