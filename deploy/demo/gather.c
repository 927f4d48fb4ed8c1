/* gather.c - reads back everything that was written about the 500 documents:
 * the results stream, the records, the costs stream and the daily sums, and
 * from the simulator its own account and the webhooks that it received. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/queue/record.h"
#include "deploy/demo/demo.h"
#include "worker/webhook/signature.h"

enum { DAY_MS = 86400000, SETTLE_MS = 3000 };

static const char *text_at(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

static int64_t int_at(const json_t *o, const char *name)
{
    return json_integer_value(json_object_get(o, name));
}

/* The documents of a stream, one call of `each` for each. */
static void each_entry(struct demo *d, enum key_id stream, void (*each)(struct demo *, struct span))
{
    const struct reply *r = talk(d, "XRANGE", key(&d->keys, stream), "-", "+", NULL);

    for (size_t i = 0; i < reply_count(r); i++) {
        const struct reply *fields = reply_at(reply_at(r, i), 1);

        for (size_t f = 0; f + 1 < reply_count(fields); f += 2) {
            if (reply_is(reply_at(fields, f), "doc"))
                each(d, reply_span(reply_at(fields, f + 1)));
        }
    }
}

/* ---- results ---- */

/* The text at a path, "" when it is not there or too long.  By spans: an answer may hold numbers
 * (a `seed` of 64 bits) that no tree of jansson takes. */
static void copy_text(struct span doc, const char *path, char *text, size_t size)
{
    text[0] = '\0';
    if (!json_read_text(json_at(doc, path), text, size))
        text[0] = '\0';
}

static int64_t number_at(struct span doc, const char *path)
{
    int64_t v = 0;

    return json_read_int(json_at(doc, path), &v) ? v : 0;
}

static struct planned *planned_of(struct demo *d, struct span doc, const char *path)
{
    char id[80];

    copy_text(doc, path, id, sizeof id);
    return plan_find(d, id);
}

static void take_refusal(struct demo *d, struct span doc)
{
    struct refused *r;

    if (d->refused_count == REFUSED_MAX)
        return;
    r = &d->refused[d->refused_count++];
    copy_text(doc, json_absent(json_at(doc, "submitted_id")) ? "id" : "submitted_id", r->name,
              sizeof r->name);
    copy_text(doc, "error.code", r->code, sizeof r->code);
    copy_text(doc, "error.message", r->message, sizeof r->message);
}

static bool answers(struct span doc, const char *want)
{
    struct buf got = BUF(65536);
    bool same = want && json_read_string(json_at(doc, "output.choices.0.message.content"), &got) &&
                got.n == strlen(want) && memcmp(got.p, want, got.n) == 0;

    buf_done(&got);
    return same;
}

static void take_result(struct demo *d, struct span doc)
{
    struct planned *p = planned_of(d, doc, "id");

    if (json_equals(json_at(doc, "status"), "rejected")) {
        take_refusal(d, doc);
        return;
    }
    if (!p) {
        d->unknown_results++;
        return;
    }
    p->results++;
    copy_text(doc, "status", p->status, sizeof p->status);
    copy_text(doc, "error.code", p->result_code, sizeof p->result_code);
    p->attempts = (int)number_at(doc, "attempts");
    p->cost_nanousd = number_at(doc, "cost_nanousd");
    p->right = answers(doc, p->question_answer);
    d->money.results += p->cost_nanousd;
}

static void read_records(struct demo *d)
{
    for (size_t i = 0; i < d->count; i++) {
        struct planned *p = &d->plan[i];
        struct record rec;
        char name[256];
        struct span s;

        if (p->results == 0)
            continue;
        snprintf(name, sizeof name, "%s%s", d->keys.job, p->id);
        s = reply_span(talk(d, "GET", name, NULL));
        if (s.p && record_read(s.p, s.n, &rec))
            p->parks = rec.parks;
    }
}

/* ---- money ---- */

static struct model_sum *sum_of(struct demo *d, const char *name)
{
    for (size_t i = 0; i < d->model_count; i++)
        if (strcmp(d->models[i].name, name) == 0)
            return &d->models[i];
    if (d->model_count == MODELS_MAX)
        return &d->models[MODELS_MAX - 1];
    snprintf(d->models[d->model_count].name, sizeof d->models[0].name, "%s", name);
    return &d->models[d->model_count++];
}

static bool has_flag(struct span doc, const char *flag)
{
    struct span flags = json_at(doc, "flags");
    struct json_iter it;

    if (!flags.p || !json_iter_init(&it, flags.p, flags.n))
        return false;
    while (json_next(&it))
        if (json_equals(it.value, flag))
            return true;
    return false;
}

/* Events are numbered <transition>.<n> at their end; n = 0: told by whoever took the job over. */
static bool is_of_dead_worker(struct span doc)
{
    char id[192];
    size_t n;

    copy_text(doc, "event_id", id, sizeof id);
    n = strlen(id);
    return n > 2 && strcmp(id + n - 2, ".0") == 0;
}

static void take_cost(struct demo *d, struct span doc)
{
    struct model_sum *sum;
    int64_t cost = number_at(doc, "cost_nanousd"), estimate = number_at(doc, "estimate_nanousd");
    char model[80];

    copy_text(doc, json_absent(json_at(doc, "model")) ? "requested_model" : "model", model,
              sizeof model);
    sum = sum_of(d, model);
    sum->calls++;
    sum->cost_nanousd += cost;
    sum->estimate_nanousd += estimate;
    d->money.confirmed += cost;
    d->money.estimated += estimate;
    if (has_flag(doc, "unconfirmed")) {
        d->money.unconfirmed_calls++;
        d->cut_by_kill += is_of_dead_worker(doc);
    }
    if (has_flag(doc, "duplicate"))
        d->money.duplicates += cost;
}

/* Today and yesterday: the demo may run at midnight. */
static void read_days(struct demo *d)
{
    for (int back = 0; back < 2; back++) {
        char day[9], name[256];

        clock_day(clock_wall_ms() - (int64_t)back * DAY_MS, day);
        snprintf(name, sizeof name, "%s%s", d->keys.spend, day);
        d->money.days += talk_int(d, "HGET", name, "total|cost", NULL);
    }
}

/* The account is complete once no call is open: the simulator has to notice who has gone. */
static json_t *settled_ledger(struct demo *d, struct err *err)
{
    int64_t until = clock_mono_ms() + SETTLE_MS;
    json_t *ledger = talk_sim(d, "ledger", NULL, err);

    while (ledger && int_at(ledger, "in_flight") > 0 && clock_mono_ms() < until) {
        json_decref(ledger);
        loop_turn(d->loop, 20);
        ledger = talk_sim(d, "ledger", NULL, err);
    }
    return ledger;
}

static bool read_ledger(struct demo *d, struct err *err)
{
    json_t *ledger, *item;
    size_t i;

    if (d->real)
        return true;
    ledger = settled_ledger(d, err);
    if (!ledger)
        return false;
    d->money.billed = int_at(ledger, "billed_nanousd");
    d->money.requests = int_at(ledger, "requests");
    json_array_foreach (json_object_get(ledger, "items"), i, item) {
        d->throttled += int_at(item, "status") == 429;
        d->failed_500 += int_at(item, "status") == 500;
    }
    json_decref(ledger);
    return true;
}

/* ---- webhooks ---- */

/* What a receiver must do: the same HMAC over the same bytes, with the shared secret. */
static bool is_signed(struct demo *d, const json_t *hook)
{
    const char *body = text_at(hook, "body"), *at = text_at(hook, "timestamp");
    struct buf want = BUF(1024);
    bool ok = signature_add(&want, d->cfg->webhooks_secret, text_at(hook, "id"),
                            strtoll(at, NULL, 10), (struct span){body, strlen(body)}) &&
              strcmp(want.p, text_at(hook, "signature")) == 0;

    buf_done(&want);
    return ok;
}

static void take_hook(struct demo *d, const json_t *hook)
{
    const char *body = text_at(hook, "body");
    struct span doc = {body, strlen(body)};
    struct planned *p = planned_of(d, doc, "data.id");
    char type[64];

    d->hooks++;
    d->hooks_verified += is_signed(d, hook);
    if (int_at(hook, "status") != 200) {
        d->hooks_refused++;
    } else if (p) {
        snprintf(type, sizeof type, "job.%s", p->status);
        if (json_equals(json_at(doc, "type"), type))
            d->hooks_again += p->webhooks++ > 0;
    }
}

static bool read_hooks(struct demo *d, struct err *err)
{
    json_t *hooks = talk_sim(d, "hooks", NULL, err), *hook;
    size_t i;

    if (!hooks)
        return false;
    json_array_foreach (json_object_get(hooks, "hooks"), i, hook)
        take_hook(d, hook);
    json_decref(hooks);
    return true;
}

bool gather(struct demo *d, struct err *err)
{
    each_entry(d, KEY_RESULTS, take_result);
    each_entry(d, KEY_COSTS, take_cost);
    read_records(d);
    read_days(d);
    return read_ledger(d, err) && read_hooks(d, err);
}
