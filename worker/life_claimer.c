/* life_claimer.c - what the process answers to the parts of claims/ (claims/claimer.h). */
#include <string.h>

#include "common/core/parse.h"
#include "worker/claims/heartbeat.h"
#include "worker/life.h"
#include "worker/route/health.h"
#include "worker/route/market.h"
#include "worker/route/stops.h"
#include "worker/run.h"

static bool has(const struct claimer *h, const char *id) { return run_find(h->arg, id) != NULL; }
static void settled(struct claimer *h, struct run *r, char code) { (void)h, run_settled(r, code); }
static void gone(struct claimer *h) { life_gone(h->arg); }
static void kick(struct claimer *h) { life_kick(h->arg); }

static bool may_call(const struct claimer *h)
{
    const struct process *p = h->arg;

    return h->registered && heartbeat_age_ms(p->heartbeat) < h->env->cfg->workers_lease_ms / 2;
}

static void claimer_start(struct claimer *h, const struct started *s)
{
    struct run *r = run_new(h->arg, s);

    if (r)
        run_start(r);
}

static void cancel(struct process *p, struct span id)
{
    char text[JOB_ID_MAX + 1];
    struct run *r;

    if (id.n >= sizeof text)
        return;
    memcpy(text, id.p, id.n);
    text[id.n] = '\0';
    r = run_find(p, text);
    if (r)
        run_cancel(r);
}

static void costs_reported(struct claimer *h, struct cost_report *take_c, char code)
{
    (void)h;
    run_costs_reported(take_c, code);
}

static void stray(struct claimer *h, const char *id)
{
    strays_give_back(&((struct process *)h->arg)->strays, id);
}

/* Never 0: without a process the next number would not be heard. */
static void hear_scale(struct process *p, const struct reply *pairs)
{
    const char *own = p->env.group->name;
    int64_t v;

    for (size_t i = 0; i + 1 < reply_count(pairs); i += 2) {
        struct span n = reply_span(reply_at(pairs, i + 1));

        if (reply_is(reply_at(pairs, i), own) && parse_int64(n.p, n.n, 1, 256, &v))
            child_tell_scale(p->child, own, v);
    }
}

static bool wants_health(struct claimer *h)
{
    return health_asks_beat(((struct process *)h->arg)->health);
}

static void heard(struct claimer *h, const struct reply *beat)
{
    struct process *p = h->arg;
    const struct reply *cancelled = reply_at(beat, 2);

    for (size_t i = 0; i < reply_count(cancelled); i++)
        cancel(p, reply_span(reply_at(cancelled, i)));
    hear_scale(p, reply_at(beat, 3));
    stops_hear(p->stops, reply_at(beat, 4), reply_int(reply_at(beat, 1)));
    market_hear(p->market, reply_at(beat, 5), reply_span(reply_at(beat, 6)));
    if (reply_count(beat) > 7)
        health_heard(p->health, reply_at(beat, 7), reply_int(reply_at(beat, 1)));
    run_requeue_slotless(p);
}

const struct claimer_ops life_claimer_ops = {.may_call = may_call,
                                             .has = has,
                                             .start = claimer_start,
                                             .settled = settled,
                                             .costs_reported = costs_reported,
                                             .stray = stray,
                                             .wants_health = wants_health,
                                             .heard = heard,
                                             .gone = gone,
                                             .kick = kick};
