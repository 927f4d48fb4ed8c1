/* inference_health.c - whether the route works: checked before the call, updated after it.
 *
 * When a route is out, the next one is tried.  Without one the job is parked
 * until this one may be probed; the pause grows with what the job has waited,
 * up to the longest pause between two probes, so that many jobs do not come all
 * at once.  The one for which the probe was asked waits for it in memory, once: the probe is this
 * process's, and a parked job is claimed by another one.  A route that is slow, or that
 * the provider did not have a while ago, is called all the same when nothing better follows.  So is
 * one by a job that could not wait any longer: none ends without having asked. */
#include <string.h>

#include "common/core/random.h"
#include "worker/child.h"
#include "worker/inference/inference.h"
#include "worker/route/watch.h"
#include "worker/run_private.h"

enum { ASKED_WAITS = 2 }; /* it is back when the probe is there for certain */

static int64_t pause_ms(const struct run *r, const struct health_says *says)
{
    const struct config *c = r->p->env.cfg;
    int64_t wait_ms = says->asked ? ASKED_WAITS * says->wait_ms : says->wait_ms;
    int64_t waited = r->held.parked_ms ? run_now_ms(r) - r->held.parked_ms : 0;
    int64_t pause = min64(waited, c->routing_probe_max_ms);

    pause = pause / 2 + random_below(pause / 2 + 1);
    if (pause < wait_ms || says->asked)
        pause = wait_ms + random_below(wait_ms / 4 + 1);
    return min64(pause, c->retry_park_max_ms);
}

static struct health_route *health_at(const struct run *r, size_t at)
{
    const struct inference *i = r->state;
    const struct route *route = i->routes.of[at].route;

    return route ? watch_health(r->p->watch, route)
                 : health_job_route(r->p->health, i->provider->name, i->routes.of[at].name);
}

static bool better_follows(const struct run *r)
{
    const struct inference *i = r->state;
    const struct route_view view = watch_view(r->p->watch);

    for (size_t at = i->at + 1; at < i->routes.count; at++) {
        const struct route *route = i->routes.of[at].route;

        if (!inference_may_take(r, at))
            continue;
        if (route ? view.of(view.arg, route).state <= ROUTE_PROBE
                  : health_peek(r->p->health, health_at(r, at)).gate != HEALTH_WAIT)
            return true;
    }
    return false;
}

static void on_probe(void *arg)
{
    struct run *r = arg;
    struct inference *i = r->state;
    RUN_SCOPE(r);

    i->probe = NULL;
    inference_send(r);
}

/* True: it waits for the probe that was asked for it, without a slot if memory has room. */
static bool expects_probe(struct run *r, const struct health_says *says)
{
    struct inference *i = r->state;

    if (!says->asked || i->probe_expected || better_follows(r))
        return false;
    i->probe_expected = true;
    (void)run_release_slot(r, RUN_WAITS_SHORT);
    i->probe = loop_after(r->p->env.loop, ASKED_WAITS * says->wait_ms, on_probe, r);
    return true;
}

bool inference_may_go(struct run *r)
{
    struct inference *i = r->state;
    struct health_says says = health_gate(r->p->health, health_at(r, i->at), &i->health);
    bool may_work = says.reason == HEALTH_SLOW || says.reason == HEALTH_GONE;
    struct err why;
    int64_t pause;

    if (says.gate != HEALTH_WAIT || (may_work && !better_follows(r)))
        return true;
    if (expects_probe(r, &says))
        return false;
    pause = pause_ms(r, &says);
    if (i->at + 1 >= i->routes.count && !run_may_park(r, ERR_ROUTE_OPEN, pause))
        return true;
    err_set(&why, ERR_ROUTE_OPEN, "%.*s at %s is out (%s) until a probe succeeds",
            (int)i->req.model.n, i->req.model.p, i->provider->name,
            health_reason_name(says.reason));
    inference_blocked(r, &why, pause);
    return false;
}

/* Not of models that only the job knows: its name may be a slip of the pen. */
static void gone(struct run *r, const char *message)
{
    struct inference *i = r->state;
    const struct route_view view = watch_view(r->p->watch);
    struct route_list l = i->routes;
    bool replaced = route_list_replace(r->p->routes, &l, i->at, &view);

    if (i->model)
        health_gone(r->p->health, &i->health, message,
                    replaced ? l.of[i->at + 1].name : (struct span){NULL, 0});
}

void inference_report_failed(struct run *r, enum err_kind kind, const char *message)
{
    struct inference *i = r->state;

    if (kind == ERR_MODEL_UNAVAILABLE)
        gone(r, message);
    health_failed(r->p->health, &i->health, kind); /* of a ticket that has ended: nothing */
}
