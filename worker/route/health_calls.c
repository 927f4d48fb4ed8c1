/* health_calls.c - calls are counted for their routes; see health.h.
 *
 * Calls under way hang on their route, oldest first.  A call that takes longer
 * than a slow answer counts as slow before it is answered.
 *
 * Each call is counted twice: in this process's own record, which is judged at
 * once after a failure and else every JUDGE_MS, and in `tell`, which
 * health_sync.c sends to Redis.  So is the end of a probe. */
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "worker/env.h"
#include "worker/route/health_private.h"

enum {
    PATIENCE_MS = 1000, /* a shorter time-out does not count against a route without a norm */
    JUDGE_MS = 100      /* between two looks at a route */
};

/* ---- what this process saw ---- */

static void judge_own(const struct health *h, struct health_route *t, int64_t now_ms)
{
    struct health_rules rules = health_rules_of(h, t);
    struct buf why = BUF(512);
    bool was_open = t->own.breaker != HEALTH_CLOSED;

    t->judged_ms = now_ms;
    if (!was_open)
        health_say_why(&t->own, &rules, now_ms, &why);
    if (health_judge(&t->own, &rules, now_ms, random_below) == HEALTH_SHIFTS)
        log_event(LOG_INFO, was_open ? "route.closed_here" : "route.opened_here",
                  "route=%s reason=%s msg=%s", log_quote(t->name),
                  health_reason_name(t->own.reason), log_quote(why.n ? why.p : "it works again"));
    health_refresh(t);
    buf_done(&why);
}

/* The fleet's probe ended in this process. */
static void report_probe(struct health *h, struct health_route *t, enum health_probe how,
                         int64_t ms)
{
    t->has_outcome = true;
    t->outcome = how;
    t->outcome_ms = ms;
    health_sync_soon(h);
}

static void end_probe(struct health *h, struct health_call *call, enum health_probe how, int64_t ms)
{
    struct health_route *t = call->route;
    struct health_rules rules = health_rules_of(h, t);

    if (call->probe == HEALTH_FLEET_PROBE)
        report_probe(h, t, how, ms);
    else if (call->probe == HEALTH_OWN_PROBE && t->own.breaker != HEALTH_CLOSED)
        health_probe_end(&t->own, how, &rules, clock_mono_ms(), random_below);
    call->probe = HEALTH_NO_PROBE;
}

/* Latency above which an answer is slow, by what this process saw; 0: unknown. */
static int64_t own_slow_ms(const struct health *h, const struct health_route *t)
{
    const struct health_rules rules = health_rules_of(h, t);

    return health_slow_ms(&t->own, &rules);
}

/* Calls that have been under way for longer than a slow answer takes.  They count with half as much
 * again: they are not over, and at the bound itself the width of a bin would decide. */
static void look_for_late(struct health *h, struct health_route *t, int64_t now_ms)
{
    int64_t slow_ms = own_slow_ms(h, t);

    for (struct health_call *c = t->first; c && slow_ms > 0 && now_ms - c->began_ms > slow_ms;
         c = c->next) {
        if (c->late)
            continue;
        c->late = true;
        health_tally_latency(&t->own.now, (now_ms - c->began_ms) * 3 / 2);
        health_tally_latency(&t->tell, (now_ms - c->began_ms) * 3 / 2);
        if (c->probe == HEALTH_FLEET_PROBE && t->fleet.reason == HEALTH_SLOW)
            end_probe(h, c, HEALTH_PROBE_BAD, 0);
    }
}

void health_look(struct health *h, struct health_route *t, int64_t now_ms)
{
    if (now_ms - t->judged_ms < JUDGE_MS)
        return;
    look_for_late(h, t, now_ms);
    judge_own(h, t, now_ms);
}

void health_look_all(struct health *h)
{
    int64_t now_ms = clock_mono_ms();
    struct health_route *t, *tmp;

    HASH_ITER(hh, h->routes, t, tmp)
    {
        if (t->first || !health_tally_is_empty(&t->own.now))
            health_look(h, t, now_ms);
    }
}

/* ---- calls ---- */

void health_began(struct health *h, struct health_call *call)
{
    struct health_route *t = call->route;

    (void)h;
    if (!t || call->under_way)
        return;
    call->began_ms = clock_mono_ms();
    call->under_way = true;
    call->late = false;
    call->next = NULL;
    call->prev = t->last;
    if (t->last)
        t->last->next = call;
    else
        t->first = call;
    t->last = call;
}

static void unlink_call(struct health_call *call)
{
    struct health_route *t = call->route;

    if (!call->under_way)
        return;
    if (call->prev)
        call->prev->next = call->next;
    else
        t->first = call->next;
    if (call->next)
        call->next->prev = call->prev;
    else
        t->last = call->prev;
    call->under_way = false;
    call->next = call->prev = NULL;
}

static bool is_quick(const struct health *h, const struct health_route *t, int64_t latency_ms)
{
    int64_t slow_ms = own_slow_ms(h, t);

    return slow_ms == 0 || latency_ms <= slow_ms;
}

void health_answered(struct health *h, struct health_call *call, int64_t latency_ms)
{
    struct health_route *t = call->route;
    int64_t now_ms = clock_mono_ms();
    enum health_reason reason;

    if (!t || !call->under_way)
        return;
    if (latency_ms < 0)
        latency_ms = now_ms - call->began_ms;
    unlink_call(call);
    health_tally_good(&t->own.now, call->began_ms);
    health_tally_good(&t->tell, call->began_ms);
    if (!call->late) {
        health_tally_latency(&t->own.now, latency_ms);
        health_tally_latency(&t->tell, latency_ms);
    }
    reason = call->probe == HEALTH_OWN_PROBE ? t->own.reason : t->fleet.reason;
    end_probe(h, call,
              reason != HEALTH_SLOW || is_quick(h, t, latency_ms) ? HEALTH_PROBE_GOOD
                                                                  : HEALTH_PROBE_BAD,
              latency_ms);
    health_look(h, t, now_ms);
}

/* The time-out of the job is shorter than a slow answer: the route is not to blame. */
static bool was_impatient(const struct health *h, const struct health_call *call)
{
    int64_t slow_ms = own_slow_ms(h, call->route);

    return clock_mono_ms() - call->began_ms < (slow_ms > 0 ? slow_ms : PATIENCE_MS);
}

void health_failed(struct health *h, struct health_call *call, enum err_kind kind)
{
    struct health_route *t = call->route;
    enum health_kind counts = health_kind_of(kind);

    if (!t || !call->under_way)
        return;
    if (kind == ERR_TIMEOUT && was_impatient(h, call))
        counts = HEALTH_KIND_NONE;
    unlink_call(call);
    health_tally_failed(&t->own.now, counts, clock_mono_ms());
    health_tally_failed(&t->tell, counts, clock_mono_ms());
    end_probe(h, call, counts == HEALTH_KIND_NONE ? HEALTH_PROBE_UNCLEAR : HEALTH_PROBE_BAD, 0);
    if (counts != HEALTH_KIND_NONE)
        judge_own(h, t, clock_mono_ms());
}

void health_gone(struct health *h, struct health_call *call, const char *message,
                 struct span replacement)
{
    struct health_route *t = call->route;
    struct health_rules rules;
    struct buf b = BUF(4096);

    if (!t || !call->under_way)
        return;
    unlink_call(call);
    call->probe = HEALTH_NO_PROBE; /* `gone` says more than the outcome of a probe */
    rules = health_rules_of(h, t);
    health_take_out(&t->own, &rules, clock_mono_ms());
    buf_printf(&b, "the provider does not have it (%s)", message);
    if (replacement.n)
        buf_printf(&b, "; %.*s is used instead", (int)replacement.n, replacement.p);
    buf_puts(&b, "; change it in `models:` of the configuration");
    free(t->gone);
    t->gone = buf_take(&b);
    health_sync_soon(h);
}

void health_drop(struct health *h, struct health_call *call)
{
    struct health_route *t = call->route;

    if (!t)
        return;
    t->tickets--;
    unlink_call(call);
    if (call->probe == HEALTH_FLEET_PROBE) {
        t->granted = t->fleet.breaker == HEALTH_HALF_OPEN && !strcmp(t->fleet.owner, h->env->id);
        t->granted_ms = clock_mono_ms();
    } else if (call->probe == HEALTH_OWN_PROBE && t->own.breaker == HEALTH_HALF_OPEN) {
        t->own.breaker = HEALTH_OPEN;
        t->own.next_ms = clock_mono_ms();
    }
    *call = (struct health_call){0};
}
