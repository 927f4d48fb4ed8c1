/* health.h - which routes work: what this process and the whole fleet see of them.
 *
 * A route is a model at a provider.  Per call, in this order:
 *
 *     says = health_gate(h, route, &call)   GO, PROBE: make the call; WAIT: take another route
 *     health_began(h, &call)                it is sent
 *     health_answered / health_failed / health_gone (one of them, once)
 *     health_drop(h, &call)                 always, at the end: a call that was not made, or cut
 *
 * Failures in a row, a share of failures and slowness (calls that are late already included) close
 * a route for this process at once; what all processes saw is added up once a second through
 * lua/health.lua, and closes it for the fleet.  Then one call at a time in the whole fleet probes
 * it: whoever asks first.  A probe that dies with its process is replaced.
 *
 * Nothing is asked of Redis per call.  With a heartbeat goes one script call when there is
 * something to tell, when jobs asked since the last one, or while a route is not closed; a shift,
 * and a job that comes after a silence, ask at once.  When Redis is away the last known state holds
 * for routing.stale_ms; then only what this process saw itself.
 *
 * Each shift is logged, and is an alert of the process that brought it about: route_opened,
 * route_closed, route_gone, route_back.
 *
 * Names come from users: at most 512 routes are known here, and as many in Redis.  One that only
 * jobs know makes room when nothing is known of it and no call has a ticket of it.
 *
 * Which failures count is in common/route/health_kinds.def: the job's own never do.
 */
#ifndef FLOTILLA_HEALTH_H
#define FLOTILLA_HEALTH_H

#include "common/core/err.h"
#include "common/route/health_state.h"
#include "worker/env.h"

struct health;
struct health_route;

enum health_gate { HEALTH_GO, HEALTH_PROBE, HEALTH_WAIT };
struct health_says {
    enum health_gate gate;
    int64_t wait_ms;           /* WAIT: it may change then */
    enum health_reason reason; /* WAIT, PROBE: why.  HEALTH_SLOW: it works, but others are better */
    bool asked; /* WAIT: the probe was asked for, for this call; it will be there then */
};

/* A call's ticket, in the caller's memory, zeroed at first; must not move between began and drop.
 */
struct health_call {
    struct health_route *route;
    struct health_call *next, *prev; /* those under way, oldest first */
    int64_t began_ms;
    bool under_way, late;
    enum { HEALTH_NO_PROBE, HEALTH_FLEET_PROBE, HEALTH_OWN_PROBE } probe;
};

struct health *health_new(const struct env *env);
void health_free(struct health *h);

/* The route, made when it is new; good as long as h: look it up once.  NULL (which all functions
 * here take, and let through) when there are too many or its name is too long. */
struct health_route *health_route(struct health *h, const char *provider, struct span model);
/* The same for a name that only a job knows: look it up each time, for it makes room for others
 * when nothing is known of it and no call has a ticket of it. */
struct health_route *health_job_route(struct health *h, const char *provider, struct span model);
/* The p50 that the configuration expects of it; 0: nothing (the default). */
void health_expect(struct health_route *t, int64_t p50_ms);

/* May a call be made now?  PROBE: the ticket is the probe, so ask only when the call is really
 * wanted.  Cheap: nothing is waited for. */
struct health_says health_gate(struct health *h, struct health_route *t, struct health_call *call);
/* The same for choosing among routes: nothing is taken.  PROBE: a gate would give one. */
struct health_says health_peek(struct health *h, struct health_route *t);
/* The fleet's p50 of late, else this process's; 0: unknown.  The 90th percentile alike. */
int64_t health_p50(const struct health_route *t);
int64_t health_p90(const struct health_route *t);
/* The long-run p50, when it works; 0: unknown. */
int64_t health_norm(const struct health_route *t);

void health_began(struct health *h, struct health_call *call);
/* latency_ms: -1 = since it began. */
void health_answered(struct health *h, struct health_call *call, int64_t latency_ms);
/* Any failure of a call: the table knows which ones count. */
void health_failed(struct health *h, struct health_call *call, enum err_kind kind);
/* The provider does not have the model: out for routing.gone_ms, fleet-wide.  message: the
 * provider's; replacement: what is used instead, {NULL, 0}: nothing. */
void health_gone(struct health *h, struct health_call *call, const char *message,
                 struct span replacement);
void health_drop(struct health *h, struct health_call *call);

/* By the heartbeat, before or after its own call: goes out in the same write. */
void health_sync(struct health *h);

#endif
