/* life.c - one worker process: wiring and life cycle; the picture is in process.h.
 *
 * life_start() makes the parts, which know each other through struct process alone, and life_stop()
 * ends them in an order that matters: what still has to be said to Redis is said first, and
 * callbacks of a connection that is freed must find the parts that they belong to.
 *
 * Between them stands one question, asked whenever something ended (life_kick): claim more,
 * take a new id, or leave (drain.c)?
 *
 * To add a part: a pointer in struct process, a line in life_start() and one in life_stop(). */
#include "worker/life.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/program.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/connect.h"
#include "common/queue/scripts.h"
#include "common/route/routes.h"
#include "worker/budget/budget_room.h"
#include "worker/budget/holds.h"
#include "worker/claims/heartbeat.h"
#include "worker/claims/outbox.h"
#include "worker/claims/pull.h"
#include "worker/claims/rooms.h"
#include "worker/claims/takeover.h"
#include "worker/clients.h"
#include "worker/drain.h"
#include "worker/inference/chunks.h"
#include "worker/inference/inference_cached.h"
#include "worker/limit/limiter.h"
#include "worker/route/habits.h"
#include "worker/route/health.h"
#include "worker/route/market.h"
#include "worker/route/stops.h"
#include "worker/route/watch.h"
#include "worker/run.h"
#include "worker/webhook/hooks.h"

enum { FENCED_GRACE_MS = 1000, LAST_WORDS_MS = 1000 };

/* ---- connections ---- */

static void on_ready(void *arg)
{
    struct process *p = arg;

    log_event(LOG_INFO, "redis.ready", "connection=scripts");
    takeovers_next(p->takeovers);
    heartbeat_now(p->heartbeat);
    holds_reconnected(p->holds);
    budget_room_try_all(p->budget_rooms);
    outbox_resend(p->outbox);
    limiter_reconnected(p->limiter);
    chunks_reconnected(p->chunks);
    pull_reconnected(p->pull);
}

static void on_lost(void *arg, const struct err *why)
{
    (void)arg;
    log_err(LOG_WARN, "redis.lost", why);
}

static void on_wait_ready(void *arg) { pull_kick(((struct process *)arg)->pull); }

static struct redis *connect_redis(struct process *p, const char *name, bool main_one,
                                   struct err *err)
{
    struct redis_options o = connect_options(p->env.cfg, name);

    o.scripts = main_one ? scripts_all() : NULL;
    o.on_ready = main_one ? on_ready : on_wait_ready;
    o.on_lost = main_one ? on_lost : NULL;
    o.arg = p;
    return redis_new(p->env.loop, &o, err);
}

/* ---- life ---- */

static void take_id(struct process *p)
{
    work_new_id(p->env.id);
    p->claimer.registered = false;
    log_context("worker", p->env.id);
}

static void close_fenced(void *arg)
{
    struct process *p = arg;
    struct run *r, *tmp;

    HASH_ITER(hh, p->runs, r, tmp)
    {
        if (r->fenced && !r->ended)
            run_requeue(r);
    }
}

void life_gone(struct process *p)
{
    struct run *r, *tmp;

    if (!p->claimer.registered)
        return;
    log_event(LOG_ERROR, "gone", "reason=reaped running=%zu", p->slots.running);
    p->claimer.registered = false;
    p->claimer.fenced = true;
    HASH_ITER(hh, p->runs, r, tmp) { r->fenced = true; }
    /* Answers that have arrived are still booked; then the calls are closed. */
    loop_after(p->env.loop, FENCED_GRACE_MS, close_fenced, p);
    pull_reset(p->pull);
    life_kick(p);
}

/* Not earlier: the same jobs may come again, and what the old id still writes must not touch what
 * the new one holds. */
static void come_back(struct process *p)
{
    if (p->runs || !outbox_is_empty(p->outbox))
        return;
    p->claimer.fenced = false;
    take_id(p);
    heartbeat_now(p->heartbeat);
}

void life_kick(struct process *p)
{
    run_serve_slots(p);
    if (p->claimer.draining) {
        pull_kick(p->pull); /* it claims nothing, but may have to look */
        drain_look(p->drain);
    } else if (p->claimer.fenced) {
        come_back(p);
    } else {
        pull_kick(p->pull);
    }
}

static void on_stop(void *arg, enum child_stop why) { drain_begin(arg, why); }

static void on_hup(void *arg)
{
    struct process *p = arg;

    if (program_reload(&p->env.cfg)) {
        const struct config_group *g = config_group(p->env.cfg, p->env.group->name);

        if (g)
            p->env.group = g;
        job_defaults_from(&p->defaults, p->env.cfg);
        routes_configure(p->routes, p->env.cfg);
        hooks_reload(p->hooks);
        pull_reload(p->pull);
        budget_room_try_all(p->budget_rooms);
    }
}

static void on_usr1(void *arg)
{
    const struct process *p = arg;

    log_event(LOG_INFO, "state",
              "running=%zu waiting=%zu waits_for_slot=%zu unwritten=%zu calls=%zu "
              "registered=%d draining=%d fenced=%d heartbeat_age_ms=%lld",
              p->slots.running, p->waiting, p->slots.waiters, outbox_waiting(p->outbox),
              clients_in_flight(p->clients), p->claimer.registered, p->claimer.draining,
              p->claimer.fenced, (long long)heartbeat_age_ms(p->heartbeat));
}

static void on_chunks_idle(void *arg)
{
    struct process *p = arg;

    if (p->claimer.draining)
        claimer_kick_later(&p->claimer); /* it may leave now */
}

static void flush_holds(void *arg) { holds_flush(arg); }

static void on_beat(void *arg) { health_sync(((struct process *)arg)->health); }

static bool life_start(struct process *p, const struct child_options *o, struct err *err)
{
    keys_init(&p->env.keys, p->env.cfg->redis_prefix);
    job_defaults_from(&p->defaults, p->env.cfg);
    p->child = child_new(p->env.loop, o);
    p->claimer = (struct claimer){.ops = &life_claimer_ops,
                                  .arg = p,
                                  .env = &p->env,
                                  .child = p->child,
                                  .slots = &p->slots,
                                  .defaults = &p->defaults,
                                  .started_ms = clock_wall_ms()};
    p->drain = drain_new(p);
    child_on_stop(p->child, on_stop, p->drain);
    take_id(p);
    p->clients = clients_new(p->env.loop, (size_t)p->env.group->concurrency);
    p->stops = stops_new(&p->env);
    p->health = health_new(&p->env);
    p->routes = routes_new(p->env.cfg);
    p->market = market_new(&p->env, p->routes);
    p->watch = watch_new(&p->env, p->health, p->stops);
    p->habits = habits_new();
    p->rooms = rooms_new(&p->env);
    p->budget_rooms = budget_rooms_new(&p->env, p->rooms);
    p->limiter = limiter_new(&p->env, p->rooms);
    p->holds = holds_new(&p->env);
    rooms_on_send(p->rooms, flush_holds, p->holds);
    p->hooks = hooks_new(&p->env);
    hooks_reload(p->hooks);
    p->cache = cache_new(&p->env);
    p->shares = shares_new(&p->env, p->cache, &inference_share_ops);
    p->chunks = chunks_new(&p->env, on_chunks_idle, p);
    p->heartbeat = heartbeat_new(&p->claimer, on_beat, p);
    p->outbox = outbox_new(&p->claimer);
    p->strays = (struct strays){&p->claimer, p->outbox, p->routes};
    p->pull = pull_new(&p->claimer, p->wait);
    p->takeovers = takeovers_new(&p->claimer, o->takes_over);
    p->env.redis = connect_redis(p, "flotilla-worker", true, err);
    if (p->env.redis)
        p->wait[0] = connect_redis(p, "flotilla-worker-realtime", false, err);
    if (p->wait[0])
        p->wait[1] = connect_redis(p, "flotilla-worker-wait", false, err);
    loop_on_signal(p->env.loop, SIGHUP, on_hup, p);
    loop_on_signal(p->env.loop, SIGUSR1, on_usr1, p);
    return p->wait[1] != NULL;
}

/* What Redis takes soon is said; nobody is waited for any more. */
static void say_last_words(struct process *p)
{
    int64_t until_ms = clock_mono_ms() + LAST_WORDS_MS;

    shares_flush(p->shares);
    cache_flush(p->cache);
    chunks_flush(p->chunks);
    while (redis_is_ready(p->env.redis) && clock_mono_ms() < until_ms &&
           (redis_outstanding(p->env.redis) || chunks_wait(p->chunks))) {
        loop_turn(p->env.loop, 10);
        chunks_flush(p->chunks);
    }
}

static void life_stop(struct process *p)
{
    if (!drain_left_something(p->drain))
        say_last_words(p);
    runs_forget(p);
    redis_free(p->wait[0]);
    redis_free(p->wait[1]);
    clients_free(p->clients);
    outbox_free(p->outbox);
    limiter_free(p->limiter); /* before the connection reports what is lost: no call may go now */
    redis_free(p->env.redis); /* pull and heartbeat hear of what it has not answered */
    p->env.redis = NULL;
    pull_free(p->pull);
    heartbeat_free(p->heartbeat);
    stops_free(p->stops);
    health_free(p->health);
    watch_free(p->watch);
    habits_free(p->habits);
    market_free(p->market);
    routes_free(p->routes);
    rooms_on_send(p->rooms, NULL, NULL);
    holds_free(p->holds);
    budget_rooms_free(p->budget_rooms);
    rooms_free(p->rooms);
    hooks_free(p->hooks);
    shares_free(p->shares);
    cache_free(p->cache);
    chunks_free(p->chunks);
    takeovers_free(p->takeovers);
    drain_free(p->drain);
    child_free(p->child);
    keys_done(&p->env.keys);
}

int life_main(const struct child_options *o, struct config *cfg,
              const struct job_type *const types[JOB_TYPE_COUNT])
{
    struct process *p = xcalloc(1, sizeof *p);
    struct err err = {0};
    bool left;

    random_reseed();
    p->env.cfg = cfg;
    p->types = types;
    p->env.group = config_group(cfg, o->group);
    if (!p->env.group) {
        log_event(LOG_ERROR, "start", "msg=%s", log_quote("no such worker group"));
        return 78;
    }
    p->env.loop = loop_new();
    if (!life_start(p, o, &err)) {
        log_err(LOG_ERROR, "start", &err);
        return 78;
    }
    loop_run(p->env.loop);
    left = drain_left_something(p->drain);
    life_stop(p);
    loop_free(p->env.loop);
    program_end(p->env.cfg);
    free(p);
    return left ? 69 : 0;
}
