/* health.c - the routes, and the gate before each; see health.h.
 *
 * Each route has two records of one form (common/route/health_state.h): the
 * fleet's, as last received, and this process's own.  The gate asks the fleet's
 * record first.  When that is closed, or too old, the own record decides: so a
 * process reacts to what it sees before the fleet knows, and when Redis is
 * away.  When the fleet's breaker changes, the own record is reset.
 *
 * health_calls.c counts calls; health_propose.c and health_sync.c talk to the
 * fleet. */
#include "worker/route/health.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "worker/env.h"
#include "worker/route/health_private.h"

enum {
    ASK_MS = 100,   /* until a requested probe may be granted */
    LOOK_MS = 1000, /* until the probe of another call may be over */
    OLD_MS = 2000   /* a job asks: a state that is older is refreshed at once */
};

struct health_rules health_rules_of(const struct health *h, const struct health_route *t)
{
    const struct config *c = h->env->cfg;

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

struct health *health_new(const struct env *env)
{
    struct health *h = xcalloc(1, sizeof *h);

    h->env = env;
    return h;
}

static void free_route(struct health *h, struct health_route *t)
{
    HASH_DEL(h->routes, t);
    h->count--;
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

static struct health_route *health_find(const struct health *h, const char *name)
{
    struct health_route *t = NULL;

    HASH_FIND_STR(h->routes, name, t);
    return t;
}

static struct health_route *health_add(struct health *h, const char *name, size_t provider_n)
{
    struct health_route *t = xcalloc(1, sizeof *t);

    snprintf(t->name, sizeof t->name, "%s", name);
    t->model = t->name + provider_n + 1;
    t->own.begun_ms = clock_mono_ms();
    HASH_ADD_STR(h->routes, name, t);
    h->count++;
    return t;
}

static bool is_idle(const struct health_route *t)
{
    return !t->kept && !t->tickets && !t->fleet.seq && !t->gone &&
           t->own.breaker == HEALTH_CLOSED && health_tally_is_empty(&t->tell);
}

/* Remove the oldest route without use; none while a script call is under way, which names routes. */
static void make_room(struct health *h)
{
    struct health_route *t, *tmp;

    if (h->count < HEALTH_ROUTES_MAX || h->waiting)
        return;
    HASH_ITER(hh, h->routes, t, tmp)
    {
        if (is_idle(t)) {
            free_route(h, t);
            return;
        }
    }
}

static struct health_route *look_up(struct health *h, const char *provider, struct span model,
                                    bool makes_room)
{
    struct health_route *t;
    char name[HEALTH_NAME];
    int n = snprintf(name, sizeof name, "%s %.*s", provider, (int)model.n, model.p);

    if (n < 0 || (size_t)n >= sizeof name || memchr(name, '|', (size_t)n))
        return NULL;
    t = health_find(h, name);
    if (t)
        return t;
    if (makes_room)
        make_room(h);
    return h->count < HEALTH_ROUTES_MAX ? health_add(h, name, strlen(provider)) : NULL;
}

struct health_route *health_route(struct health *h, const char *provider, struct span model)
{
    struct health_route *t = look_up(h, provider, model, true);

    if (t)
        t->kept = true;
    return t;
}

struct health_route *health_job_route(struct health *h, const char *provider, struct span model)
{
    return look_up(h, provider, model, true);
}

struct health_route *health_heard_route(struct health *h, const char *provider, struct span model)
{
    return look_up(h, provider, model, false);
}

void health_expect(struct health_route *t, int64_t p50_ms)
{
    if (t)
        t->expected_ms = p50_ms;
}

void health_refresh(struct health_route *t)
{
    int64_t ms = health_median(&t->fleet);

    t->p50_ms = ms > 0 ? ms : health_median(&t->own);
}

int64_t health_p50(const struct health_route *t) { return t ? t->p50_ms : 0; }

int64_t health_norm(const struct health_route *t)
{
    if (!t)
        return 0;
    return t->fleet.norm_ms > 0 ? t->fleet.norm_ms : t->own.norm_ms;
}

/* ---- the gate ---- */

/* Shorter than the lease of a probe: most probes end much sooner. */
static struct health_says wait_for(const struct health_state *s, int64_t now_ms)
{
    int64_t ms = s->next_ms - now_ms;

    if (s->breaker == HEALTH_HALF_OPEN && ms > LOOK_MS)
        ms = LOOK_MS;
    return (struct health_says){HEALTH_WAIT, ms > 0 ? ms : 1, s->reason, false};
}

/* A probe is due and not granted yet: request it, or, for a peek, say that it may be requested. */
static struct health_says ask(struct health *h, struct health_route *t, bool take)
{
    bool first = !t->wants_probe;

    if (!take)
        return (struct health_says){HEALTH_PROBE, 0, t->fleet.reason, false};
    t->wants_probe = true;
    health_sync_soon(h);
    return (struct health_says){HEALTH_WAIT, ASK_MS, t->fleet.reason, first};
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
        return (struct health_says){HEALTH_PROBE, 0, t->fleet.reason, false};
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
    return (struct health_says){HEALTH_PROBE, 0, t->own.reason, false};
}

static struct health_says says(struct health *h, struct health_route *t, struct health_call *call)
{
    int64_t now_ms = clock_mono_ms();

    if (!t)
        return (struct health_says){.gate = HEALTH_GO};
    h->asked = true;
    if (now_ms - h->heard_ms > OLD_MS)
        health_sync_soon(h);
    health_look(h, t, now_ms);
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
    if (t)
        t->tickets++;
    return says(h, t, call);
}
