/* health.h - the circuit breakers of the routes: what this process and the fleet see of them.
 *
 * A route is a model at a provider.  Per call, in this order:
 *
 *     says = health_gate(h, route, &call)   GO, PROBE: make the call; WAIT: take another route
 *     health_began(h, &call)                the call is sent
 *     health_answered / health_failed / health_gone (one of them, once)
 *     health_drop(h, &call)                 always, at the end: also if no call was made
 *
 * Failures in a row, a share of failures and slowness open the breaker of this process at once;
 * calls that are late count before they are answered.  lua/health.lua adds up once a second what
 * all processes saw, and that opens the breaker of the fleet.  The sum matters: in a fleet of many
 * processes each one makes too few calls to judge a route by.  An open route is probed by one call
 * at a time in the whole fleet, by the process that asks first.  A probe that dies with its process
 * is replaced.
 *
 * No call waits for Redis.  One script call goes with a heartbeat when this process has counts to
 * add, or when jobs asked for routes since the last one.  While a route is not closed and there is
 * nothing to send, the heartbeat brings the records.  A shift, and a job that comes after a silence,
 * send the script call at once.  While Redis is away, the last known state
 * holds for routing.stale_ms; then each process relies on what it saw itself.
 *
 * Each shift is logged, and the process that caused it sends the alert: route_opened,
 * route_closed, route_gone, route_back.
 *
 * Names come from users: at most 512 routes are known here, and as many in Redis.  A route that
 * only jobs name makes room when nothing is known of it and no call has a ticket of it.
 *
 * The column `route` of common/core/err_kinds.def says which failures count: the job's own never
 * do.
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
    int64_t wait_ms;           /* WAIT: ask again then */
    enum health_reason reason; /* WAIT, PROBE: why.  HEALTH_SLOW: it works, but others are better */
    bool asked; /* WAIT: the probe was requested for this call; it will be granted by then */
};

/* A call's ticket, in the caller's memory, zeroed at first; must not move between began and drop.
 */
struct health_call {
    struct health_route *route;
    struct health_call *next, *prev; /* the calls under way, oldest first */
    int64_t began_ms;
    bool under_way, late;
    enum { HEALTH_NO_PROBE, HEALTH_FLEET_PROBE, HEALTH_OWN_PROBE } probe;
};

struct health *health_new(const struct env *env);
void health_free(struct health *h);

/* The route, created when it is new.  It lives as long as h, so look it up once.  NULL when there
 * are too many routes or the name is too long; all functions here accept NULL and say GO. */
struct health_route *health_route(struct health *h, const char *provider, struct span model);
/* The same for a name that only a job knows.  Look it up each time: it makes room for others when
 * nothing is known of it and no call has a ticket of it. */
struct health_route *health_job_route(struct health *h, const char *provider, struct span model);
/* The p50 that the configuration expects of the route; 0, the default: none. */
void health_expect(struct health_route *t, int64_t p50_ms);

/* May a call be made now?  PROBE: the ticket is the probe, so ask only to make the call.  Answers
 * at once. */
struct health_says health_gate(struct health *h, struct health_route *t, struct health_call *call);
/* The same for choosing among routes: takes no probe.  PROBE: the gate would grant one. */
struct health_says health_peek(struct health *h, struct health_route *t);
/* The recent p50 of the fleet, else of this process; 0: unknown. */
int64_t health_p50(const struct health_route *t);
/* The long-run p50 of the working route; 0: unknown. */
int64_t health_norm(const struct health_route *t);

void health_began(struct health *h, struct health_call *call);
/* latency_ms: -1 = the time since it began. */
void health_answered(struct health *h, struct health_call *call, int64_t latency_ms);
/* Any failure of a call; the table decides whether it counts. */
void health_failed(struct health *h, struct health_call *call, enum err_kind kind);
/* The provider does not have the model: the route is open for routing.gone_ms, fleet-wide.
 * message: the provider's.  replacement: the model that is used instead; {NULL, 0}: none. */
void health_gone(struct health *h, struct health_call *call, const char *message,
                 struct span replacement);
void health_drop(struct health *h, struct health_call *call);

/* Before a heartbeat is sent: shall its answer bring the records of all routes? */
bool health_asks_beat(struct health *h);
/* They came; now_ms: Redis's clock. */
void health_heard(struct health *h, const struct reply *pairs, int64_t now_ms);
/* Called after each heartbeat; the script call goes out in the same write. */
void health_sync(struct health *h);

#endif
