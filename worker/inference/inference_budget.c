/* inference_budget.c - no call before its worst case fits into every budget that speaks of it, nor
 * before a note of it is written for the recovery of this worker.
 *
 *   budgets that apply --none, and the call is plain------------------> next step
 *        | some, or it is not
 *   their money is set aside, the call noted (holds.h) --held---------> next step
 *        | refused
 *        |-- close: calls under way hold it; they will settle for less --> postponed
 *        |-- full: not in this period --------> the policy of the budget that refuses:
 *        |                                        wait       postponed
 *        |                                        downgrade  a cheaper route; none: postponed
 *        |                                        batch      to inference.batch; there: postponed
 *        |                                        reject     the job fails: over_budget
 *        |-- unknown: Redis refuses to say ----> postponed
 *        |-- gone: this worker was reaped -----> given back; others have the job by now
 *        +-- never: the worst case of this call alone is over the limit: a cheaper route when
 *            the policy is downgrade; else the job fails, for no period would help
 *
 * A call is plain when its model, provider and price follow from the job's document: the first
 * provider of the model that it names, or of its task's default model.  Most calls are, and cost no
 * round trip to Redis here.  Any other is noted: what is free to choose (`auto`), a fallback, a
 * further provider, what replaces a model, a cheaper route.
 *
 * A postponed job spends no attempt and is not bounded by retry.max_wait_ms, for a month's
 * budget may be a month away; its expiry ends it.  It waits in the room of the budget
 * (worker/budget/budget_room.h), and is called back when a call that ended gives money back, or a
 * job before it found room.  Its own time is a net: pauses are about as long as all before them,
 * from retry.park_min_ms to 10 s; when the budget is full, to ten times park_max_ms or a moment
 * after the next period begins.  The more jobs wait, the longer they are.
 *
 * When the call ended, what it cost, or may have cost, takes the place of the
 * worst case.  What the provider may bill of an unpriced model is not known:
 * nothing is set aside for it; an alert says so, and the cost that is found counts.
 *
 * A new policy is a row in policies[]. */
#include <inttypes.h>
#include <stdio.h>

#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "worker/inference/inference.h"
#include "worker/route/watch.h"
#include "worker/run_private.h"

enum { FULL_PAUSES = 10, CLOSE_MAX_MS = 10000, AFTER_START_MS = 2000 };
enum { APART_MS = 100 }; /* between the own times of two jobs that wait for the same */

/* ---- refused ---- */

/* When the waiting began; now, if this is the first time. */
static int64_t since_ms(const struct run *r)
{
    int64_t since;

    return json_read_int(json_at(run_progress(r), "over_budget_since"), &since) &&
                   since < r->started_ms
               ? since
               : r->started_ms;
}

static int64_t pause_ms(const struct run *r, const struct hold_answer *a)
{
    const struct config *c = r->p->env.cfg;
    bool full = a->word != HOLD_CLOSE;
    int64_t apart = APART_MS * budget_room_count(r->p->budget_rooms, a->budget, r->job.tenant);
    int64_t most = min64(max64(c->retry_park_min_ms, r->started_ms - since_ms(r)),
                         full ? c->retry_park_max_ms * FULL_PAUSES
                              : min64(c->retry_park_max_ms, CLOSE_MAX_MS));
    int64_t pause = most / 2 + random_below(most - most / 2 + 1);

    pause = max64(
        pause, min64(apart / 2 + random_below(apart / 2 + 1), c->retry_park_max_ms * FULL_PAUSES));
    if (full && pause >= a->next_period_ms)
        pause = a->next_period_ms + random_below(max64(AFTER_START_MS, apart));
    return max64(pause, 1);
}

static void enter_room(struct run *r)
{
    const struct inference *i = r->state;

    budget_room_enter(r->p->budget_rooms, &i->refused, r->held.queue, r->id);
}

/* a->sum: that has no room; NULL: not known. */
static void put_off(struct run *r, const struct hold_answer *a, int64_t in_ms)
{
    struct inference *i = r->state;
    struct buf progress = BUF(4096);

    buf_putc(&progress, '{');
    json_add_int(&progress, "over_budget_since", since_ms(r));
    if (a->sum)
        json_add_str(&progress, "budget", a->sum);
    if (a->word == HOLD_FULL) /* for `flotilla why`; periods begin with a second, clocks differ */
        json_add_int(&progress, "full_until",
                     (run_now_ms(r) + a->next_period_ms + 500) / 1000 * 1000);
    if (i->invalid) /* inference_check.c counts on */
        json_add_int(&progress, "invalid", i->invalid);
    buf_putc(&progress, '}');
    log_event(LOG_DEBUG, "job.over_budget", "job=%s budget=%s wait_ms=%" PRId64, r->id,
              log_quote(a->sum ? a->sum : "unknown"), in_ms);
    if (a->budget) {
        budget_wait_init(&i->refused, a, r->job.tenant, since_ms(r));
        r->on_deferred = enter_room;
    }
    budget_room_expect(r->p->budget_rooms, in_ms);
    run_postpone_once(r, in_ms, buf_span(&progress));
    buf_done(&progress);
}

static void wait(struct run *r, const struct hold_answer *a) { put_off(r, a, pause_ms(r, a)); }

/* At once when it can be known, but not all at once. */
static void wait_blindly(struct run *r, const struct hold_answer *a)
{
    put_off(r, a, a->again_ms + random_below(a->again_ms / 2 + 1));
}

static void reject(struct run *r, const struct hold_answer *a)
{
    const struct inference *i = r->state;
    struct failure f = {.server_wait_ms = -1};
    char usd[3][BUDGET_USD];

    if (a->word == HOLD_NEVER)
        err_set(&f.err, ERR_OVER_BUDGET,
                "this call may cost %s USD, more than the whole limit of budget %s (%s); a smaller "
                "max_tokens may help",
                budget_usd(i->worst_nanousd, usd[0]), a->budget->name,
                budget_usd(a->budget->limit_nanousd, usd[1]));
    else
        err_set(&f.err, ERR_OVER_BUDGET,
                "budget %s: %s of %s USD are spent, and this call may cost %s", a->sum,
                budget_usd(a->spent_nanousd, usd[2]), budget_usd(a->budget->limit_nanousd, usd[1]),
                budget_usd(i->worst_nanousd, usd[0]));
    run_fail(r, &f);
}

/* The place of the next route that costs less at worst and can do it, though the list may have
 * others that were named; the list's end: there is none. */
static size_t cheaper(const struct run *r)
{
    const struct inference *i = r->state;
    size_t at = i->at + 1;
    bool unpriced;

    for (; at < i->routes.count; at++) {
        const struct candidate *c = &i->routes.of[at];

        if (c->route && inference_may_take(r, at) && c->health.state <= ROUTE_SLOW &&
            inference_suits(r, &c->route->model) &&
            budget_worst(&c->route->model, i->req.task, buf_span(&i->req.body), &unpriced) <
                i->worst_nanousd &&
            !unpriced)
            break;
    }
    return at;
}

/* False: there is no cheaper route. */
static bool downgraded(struct run *r, const struct hold_answer *a)
{
    const struct inference *i = r->state;
    size_t at = cheaper(r);

    if (at == i->routes.count)
        return false;
    log_event(LOG_INFO, "call.downgrade", "job=%s budget=%s from=%s", r->id, log_quote(a->sum),
              log_quote_n(i->req.model.p, i->req.model.n));
    if (inference_take(r, at))
        run_enter(r, INFERENCE_BUDGET);
    return true;
}

static void downgrade_or_wait(struct run *r, const struct hold_answer *a)
{
    if (!downgraded(r, a))
        wait(r, a);
}

static void downgrade_or_reject(struct run *r, const struct hold_answer *a)
{
    if (!downgraded(r, a))
        reject(r, a);
}

static void to_batch_or_wait(struct run *r, const struct hold_answer *a)
{
    if (r->held.queue != QUEUE_INFERENCE_STANDARD) {
        wait(r, a);
        return;
    }
    log_event(LOG_INFO, "job.overflow", "job=%s budget=%s", r->id, log_quote(a->sum));
    run_move(r, QUEUE_INFERENCE_BATCH);
}

static const struct {
    void (*full)(struct run *r, const struct hold_answer *a);
    void (*never)(struct run *r, const struct hold_answer *a);
} policies[] = {
    [BUDGET_WAIT] = {wait, reject},
    [BUDGET_DOWNGRADE] = {downgrade_or_wait, downgrade_or_reject},
    [BUDGET_BATCH] = {to_batch_or_wait, reject},
    [BUDGET_REJECT] = {reject, reject},
};

/* The next heartbeat would get the same answer. */
static void leave(struct run *r)
{
    claimer_gone(&r->p->claimer);
    run_requeue(r);
}

static void refused(struct run *r, const struct hold_answer *a)
{
    if (a->word == HOLD_FULL)
        policies[a->budget->policy].full(r, a);
    else if (a->word == HOLD_NEVER)
        policies[a->budget->policy].never(r, a);
    else if (a->word == HOLD_UNKNOWN)
        wait_blindly(r, a);
    else if (a->word == HOLD_GONE)
        leave(r);
    else
        wait(r, a);
}

/* ---- the step ---- */

static size_t applying(const struct run *r, unsigned char budgets[CONFIG_BUDGETS_MAX])
{
    const struct inference *i = r->state;
    const struct config *cfg = r->p->env.cfg;
    const struct budget_who who = {r->job.tenant, r->job.tags, i->req.model};

    return cfg->budget_count ? budget_applying(cfg, &who, budgets) : 0;
}

/* There may be room for others. */
static void wake(const struct run *r)
{
    unsigned char budgets[CONFIG_BUDGETS_MAX];

    budget_room_wake(r->p->budget_rooms, budgets, applying(r, budgets), r->job.tenant);
}

static void settle(struct run *r, int64_t cost_nanousd)
{
    struct inference *i = r->state;

    if (!i->hold)
        return;
    hold_settle(&i->hold, cost_nanousd);
    wake(r);
}

/* Its call was not made. */
static void drop(struct run *r)
{
    struct inference *i = r->state;

    if (!i->hold)
        return;
    hold_drop(&i->hold);
    wake(r);
}

static bool has_waited(const struct run *r)
{
    return json_at(run_progress(r), "over_budget_since").p != NULL;
}

static void inference_budget_on_answer(void *arg, const struct hold_answer *a)
{
    struct run *r = arg;
    struct inference *i = r->state;
    RUN_SCOPE(r);

    if (a->word == HOLD_HELD) {
        i->covered = true;
        if (has_waited(r))
            wake(r);
        run_next(r);
    } else {
        i->hold = NULL;
        refused(r, a);
    }
}

static void alert_unpriced(struct run *r, const char *budget)
{
    const struct inference *i = r->state;
    char model[256], text[400];

    snprintf(model, sizeof model, "%.*s", (int)min64((int64_t)i->req.model.n, sizeof model - 1),
             i->req.model.p);
    snprintf(text, sizeof text,
             "the prices of %s are not known: budget %s cannot bound what its calls cost", model,
             budget);
    watch_tell(r->p->watch, "unpriced", model, text);
}

static void set_aside(struct run *r, const unsigned char *budgets, size_t count)
{
    struct inference *i = r->state;
    struct hold_want w = {.job = r->id,
                          .token = r->held.token,
                          .tenant = r->job.tenant,
                          .budgets = budgets,
                          .count = count,
                          .call_ms = i->req.stream ? r->p->env.cfg->limits_stream_max_ms
                                                   : r->job.timeout_ms};
    const struct run_call call = inference_call(i);
    struct buf note = BUF(1 << 20);
    struct cost worst;

    cost_of_lost(&worst, i->model, i->req.task, buf_span(&i->req.body));
    i->worst_nanousd = worst.estimate_nanousd;
    /* not of a name that may be a slip of the pen: of that when it is answered */
    if (count && (worst.flags & COST_UNPRICED) && i->model)
        alert_unpriced(r, r->p->env.cfg->budgets[budgets[0]].name);
    w.amount_nanousd = i->worst_nanousd;
    run_note(r, &worst, &call, &note);
    w.note = buf_span(&note);
    i->hold = holds_make(r->p->holds, &w, inference_budget_on_answer, r);
    buf_done(&note);
}

struct run_call inference_call(const struct inference *i)
{
    return (struct run_call){.provider = i->provider->name,
                             .model = i->req.model,
                             .requested = i->req.requested ? i->req.named : (struct span){NULL, 0}};
}

/* The recovery finds the same route from the document alone. */
static bool is_plain(const struct run *r)
{
    const struct inference *i = r->state;
    const struct routes *t = r->p->routes;

    if (i->at > 0 || i->req.automatic)
        return false;
    if (i->req.requested)
        return i->route == routes_find(t, i->req.named.p, i->req.named.n);
    return r->p->env.cfg->routing_unnamed == 0 &&
           i->route == t->defaults[task_index((enum task_bit)i->req.task)];
}

void inference_budget(struct run *r)
{
    struct inference *i = r->state;
    unsigned char budgets[CONFIG_BUDGETS_MAX];
    size_t n = applying(r, budgets);

    drop(r); /* of a call that was not made after all */
    i->covered = n == 0 && is_plain(r);
    if (i->covered)
        run_next(r);
    else
        set_aside(r, budgets, n);
}

void inference_budget_abort(struct run *r) { drop(r); }

/* ---- afterwards ---- */

void inference_settle(struct run *r, const struct cost *c)
{
    struct inference *i = r->state;

    i->covered = false;
    settle(r, add64(c->cost_nanousd, c->estimate_nanousd));
}

void inference_release_money(struct run *r)
{
    struct inference *i = r->state;

    if (!i->hold)
        return;
    i->covered = false;
    drop(r);
}

void inference_release(struct run *r)
{
    struct inference *i = r->state;

    if (r->fenced) /* the recovery has recorded that a call may be paid */
        hold_abandon(&i->hold);
    else
        drop(r);
}
