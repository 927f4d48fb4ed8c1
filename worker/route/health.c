/* health.c - calls and their routes in this process; see health.h.
 *
 * Each route has two records of one form (common/route/health_state.h): the
 * fleet's, as last heard, and this process's own.  The gate asks the fleet's
 * first; when that is closed, or too old to be believed, the own one decides:
 * so a process reacts to what it sees before the fleet has heard of it, and
 * when Redis is away.  When the fleet's breaker changes, the own one starts
 * anew.
 *
 * Calls under way hang on their route, oldest first: one that takes longer than
 * a slow answer would counts as slow before it is answered.
 *
 * What every call adds to `tell` goes to Redis by health_sync.c. */
#include "worker/route/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"
#include "worker/process.h"
#include "worker/route/health_private.h"

enum {
    PATIENCE_MS = 1000, /* a time-out below that says nothing of a route whose norm is not known */
    JUDGE_MS = 100,     /* between two looks at a route that is called */
    ASK_MS = 100,       /* until a probe that was asked for may be ours */
    LOOK_MS = 1000,     /* until somebody else's probe may be over */
    OLD_MS = 2000       /* jobs ask: what was heard must not be older */
};

struct health_rules health_rules_of(const struct health *h, const struct health_route *t)
{
    const struct config *c = h->p->cfg;

    return (struct health_rules){.window_ms = c->routing_breaker_window_ms,
                                 .errors_percent = c->routing_breaker_errors_percent,
                                 .min_calls = c->routing_breaker_min_calls,
                                 .failures = c->routing_breaker_failures,
                                 .slow_factor = c->routing_slow_factor,
                                 .slow_min_ms = c->routing_slow_min_ms,
                                 .probe_min_ms = c->routing_probe_min_ms,
                                 .probe_max_ms = c->routing_probe_max_ms,
                                 .gone_ms = c->routing_gone_ms,
                                 .expected_ms = t->expected_ms};
}

/* ---- routes ---- */

struct health *health_new(struct process *p)
{
    struct health *h = xcalloc(1, sizeof *h);

    h->p = p;
    return h;
}

static void free_route(struct health *h, struct health_route *t)
{
    HASH_DEL(h->routes, t);
    free(t->gone);
    free(t);
}

void health_free(struct health *h)
{
    if (!h)
        return;
    health_sync_done(h);
    while (h->routes)
        free_route(h, h->routes);
    free(h);
}

static struct health_route *find(const struct health *h, const char *name)
{
    struct health_route *t = NULL;

    HASH_FIND_STR(h->routes, name, t);
    return t;
}

static struct health_route *add(struct health *h, const char *name, size_t provider_n)
{
    struct health_route *t = xcalloc(1, sizeof *t);

    snprintf(t->name, sizeof t->name, "%s", name);
    t->model = t->name + provider_n + 1;
    t->own.begun_ms = clock_mono_ms();
    HASH_ADD_STR(h->routes, name, t);
    h->count++;
    return t;
}

struct health_route *health_route(struct health *h, const char *provider, struct span model)
{
    struct health_route *t;
    char name[HEALTH_NAME];
    int n = snprintf(name, sizeof name, "%s %.*s", provider, (int)model.n, model.p);

    if (n < 0 || (size_t)n >= sizeof name || memchr(name, '|', (size_t)n))
        return NULL;
    t = find(h, name);
    return t || h->count == HEALTH_ROUTES_MAX ? t : add(h, name, strlen(provider));
}

void health_expect(struct health_route *t, int64_t p50_ms)
{
    if (t)
        t->expected_ms = p50_ms;
}

static int64_t percentile(const struct health_route *t, int percent)
{
    int64_t ms = health_percentile(&t->fleet, percent);

    return ms > 0 ? ms : health_percentile(&t->own, percent);
}

void health_refresh(struct health_route *t)
{
    t->p50_ms = percentile(t, 50);
    t->p90_ms = percentile(t, 90);
}

int64_t health_p50(const struct health_route *t) { return t ? t->p50_ms : 0; }
int64_t health_p90(const struct health_route *t) { return t ? t->p90_ms : 0; }

int64_t health_norm(const struct health_route *t)
{
    if (!t)
        return 0;
    return t->fleet.norm_ms > 0 ? t->fleet.norm_ms : t->own.norm_ms;
}

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

/* The fleet's probe is over, as far as this process is concerned. */
static void tell_probe(struct health *h, struct health_route *t, enum health_probe how, int64_t ms)
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
        tell_probe(h, t, how, ms);
    else if (call->probe == HEALTH_OWN_PROBE && t->own.breaker != HEALTH_CLOSED)
        health_probe_end(&t->own, how, &rules, clock_mono_ms(), random_below);
    call->probe = HEALTH_NO_PROBE;
}

/* Calls under way for longer than a slow answer would take.  They take longer still: at the bound
 * itself the width of a bin would decide. */
static void look_for_late(struct health *h, struct health_route *t, int64_t now_ms)
{
    struct health_rules rules = health_rules_of(h, t);
    int64_t slow_ms = health_slow_ms(&t->own, &rules);

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

static void look(struct health *h, struct health_route *t, int64_t now_ms)
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
            look(h, t, now_ms);
    }
}

/* ---- the gate ---- */

/* Not to the end of a probe's lease: it is mostly over much sooner. */
static struct health_says wait_for(const struct health_state *s, int64_t now_ms)
{
    int64_t ms = s->next_ms - now_ms;

    if (s->breaker == HEALTH_HALF_OPEN && ms > LOOK_MS)
        ms = LOOK_MS;
    return (struct health_says){HEALTH_WAIT, ms > 0 ? ms : 1, s->reason};
}

/* The probe is due but not ours yet: ask, or, as a peek, say that one may ask. */
static struct health_says ask(struct health *h, struct health_route *t, bool take)
{
    if (!take)
        return (struct health_says){HEALTH_PROBE, 0, t->fleet.reason};
    t->wants_probe = true;
    health_sync_soon(h);
    return (struct health_says){HEALTH_WAIT, ASK_MS, t->fleet.reason};
}

static struct health_says by_fleet(struct health *h, struct health_route *t,
                                   struct health_call *call)
{
    int64_t now_ms = health_fleet_now(h);

    if (t->granted) {
        if (call) {
            t->granted = false;
            call->probe = HEALTH_FLEET_PROBE;
        }
        return (struct health_says){HEALTH_PROBE, 0, t->fleet.reason};
    }
    if (health_probe_is_due(&t->fleet, now_ms))
        return ask(h, t, call != NULL);
    return wait_for(&t->fleet, now_ms);
}

static struct health_says by_own(struct health *h, struct health_route *t, int64_t now_ms,
                                 struct health_call *call)
{
    struct health_rules rules = health_rules_of(h, t);

    if (t->own.breaker == HEALTH_CLOSED)
        return (struct health_says){.gate = HEALTH_GO};
    if (!health_probe_is_due(&t->own, now_ms))
        return wait_for(&t->own, now_ms);
    if (call) {
        health_probe_begin(&t->own, "", &rules, now_ms);
        call->probe = HEALTH_OWN_PROBE;
    }
    return (struct health_says){HEALTH_PROBE, 0, t->own.reason};
}

static struct health_says says(struct health *h, struct health_route *t, struct health_call *call)
{
    int64_t now_ms = clock_mono_ms();

    if (!t)
        return (struct health_says){.gate = HEALTH_GO};
    h->asked = true;
    if (now_ms - h->heard_ms > OLD_MS)
        health_sync_soon(h);
    look(h, t, now_ms);
    if (t->fleet.breaker != HEALTH_CLOSED && health_is_fresh(h))
        return by_fleet(h, t, call);
    return by_own(h, t, now_ms, call);
}

struct health_says health_peek(struct health *h, struct health_route *t)
{
    h->asked = true;
    if (t && t->fleet.breaker == HEALTH_CLOSED && t->own.breaker == HEALTH_CLOSED)
        return (struct health_says){.gate = HEALTH_GO};
    return says(h, t, NULL);
}

struct health_says health_gate(struct health *h, struct health_route *t, struct health_call *call)
{
    if (call->route)
        health_drop(h, call);
    call->route = t;
    return says(h, t, call);
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
    struct health_rules rules = health_rules_of(h, t);
    int64_t slow_ms = health_slow_ms(&t->own, &rules);

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
    health_tally_good(&t->own.now, latency_ms, call->began_ms);
    health_tally_good(&t->tell, latency_ms, call->began_ms);
    if (!call->late) {
        health_tally_latency(&t->own.now, latency_ms);
        health_tally_latency(&t->tell, latency_ms);
    }
    reason = call->probe == HEALTH_OWN_PROBE ? t->own.reason : t->fleet.reason;
    end_probe(h, call,
              reason != HEALTH_SLOW || is_quick(h, t, latency_ms) ? HEALTH_PROBE_GOOD
                                                                  : HEALTH_PROBE_BAD,
              latency_ms);
    look(h, t, now_ms);
}

/* A job that waits for less than a slow answer takes has nobody to blame. */
static bool was_impatient(const struct health *h, const struct health_call *call)
{
    struct health_rules rules = health_rules_of(h, call->route);
    int64_t slow_ms = health_slow_ms(&call->route->own, &rules);

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
    if (kind == ERR_RATE_LIMITED) {
        t->own.now.limited++;
        t->tell.limited++;
    }
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
    call->probe = HEALTH_NO_PROBE; /* what is proposed says more than its outcome */
    rules = health_rules_of(h, t);
    health_take_out(&t->own, &rules, clock_mono_ms());
    buf_printf(&b, "the provider does not have it (%s)", message);
    if (replacement.n)
        buf_printf(&b, "; %.*s is used instead", (int)replacement.n, replacement.p);
    buf_puts(&b, "; please change it in `models:` of the configuration");
    free(t->gone);
    t->gone = buf_take(&b);
    health_sync_soon(h);
}

void health_drop(struct health *h, struct health_call *call)
{
    struct health_route *t = call->route;

    if (!t)
        return;
    unlink_call(call);
    if (call->probe == HEALTH_FLEET_PROBE) {
        t->granted = t->fleet.breaker == HEALTH_HALF_OPEN && !strcmp(t->fleet.owner, h->p->id);
        t->granted_ms = clock_mono_ms();
    } else if (call->probe == HEALTH_OWN_PROBE && t->own.breaker == HEALTH_HALF_OPEN) {
        t->own.breaker = HEALTH_OPEN;
        t->own.next_ms = clock_mono_ms();
    }
    *call = (struct health_call){0};
}
