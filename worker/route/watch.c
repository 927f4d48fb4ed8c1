/* watch.c - see watch.h.
 *
 * The health of a route is looked up by name once, and kept by the route's
 * index.
 *
 * A route whose key is missing or stopped counts as open: else a job that may
 * go anywhere would try only routes of one provider, all with the same key.
 *
 * The table `told` remembers alerts by a hash; a newer one replaces an older.  A
 * forgotten alert is sent to Redis again, which remembers all of them.
 */
#include "worker/route/watch.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "worker/env.h"
#include "worker/route/health.h"
#include "worker/route/stops.h"

enum { TOLD = 256 };

struct watch {
    const struct env *env;
    struct health *health;
    struct stops *stops;
    struct health_route *routes[ROUTES_MAX]; /* by index; NULL: not looked up, or not watched */
    struct {
        uint64_t hash;
        int64_t at_ms;
    } told[TOLD];
};

struct watch *watch_new(const struct env *env, struct health *health, struct stops *stops)
{
    struct watch *w = xcalloc(1, sizeof *w);

    w->env = env;
    w->health = health;
    w->stops = stops;
    return w;
}

void watch_free(struct watch *w) { free(w); }

struct health_route *watch_health(struct watch *w, const struct route *r)
{
    if (!w->routes[r->index]) {
        w->routes[r->index] = health_route(w->health, r->model.provider,
                                           (struct span){r->model.id, strlen(r->model.id)});
        health_expect(w->routes[r->index], r->model.p50_ms);
    }
    return w->routes[r->index];
}

/* The key is missing or must not be used now: a route of another provider is better. */
static bool lacks_key(const struct watch *w, const struct config_provider *p)
{
    if (!p->api_key && !p->loopback)
        return true;
    return stops_holds(w->stops, p->api_key ? p->api_key : "");
}

static struct route_health health_of(void *arg, const struct route *r)
{
    struct watch *w = arg;
    struct health_route *t = watch_health(w, r);
    struct health_says says = health_peek(w->health, t);
    struct route_health ret = {ROUTE_FINE, health_p50(t)};
    bool gone = says.gate == HEALTH_WAIT && says.reason == HEALTH_GONE;

    if (!gone && lacks_key(w, r->provider))
        ret.state = ROUTE_OPEN;
    else if (says.gate ==
             HEALTH_PROBE) /* with the latency of the working route, or it would never be tried */
        ret = (struct route_health){ROUTE_PROBE, health_norm(t)};
    else if (says.gate == HEALTH_WAIT)
        ret.state = says.reason == HEALTH_SLOW   ? ROUTE_SLOW
                    : says.reason == HEALTH_GONE ? ROUTE_GONE
                                                 : ROUTE_OPEN;
    return ret;
}

struct route_view watch_view(struct watch *w) { return (struct route_view){health_of, w}; }

void watch_tell(struct watch *w, const char *code, const char *subject, const char *message)
{
    uint64_t hash = hash_fnv(HASH_BASIS, code, strlen(code) + 1);
    int64_t now = clock_mono_ms();

    hash = hash_fnv(hash, subject, strlen(subject));
    if (w->told[hash % TOLD].hash == hash && now - w->told[hash % TOLD].at_ms < ALERT_AGAIN_MS)
        return;
    w->told[hash % TOLD].hash = hash;
    w->told[hash % TOLD].at_ms = now;
    alert_send(w->env->redis, &w->env->keys, code, subject, message);
}
