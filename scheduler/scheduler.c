/* scheduler.c - puts the parts together; the picture is in scheduler.h.
 *
 * Three connections: one for scripts and short commands, and two that block, on the intake and on
 * the bell of delayed jobs, so that neither waits behind the other.  Parts are made here once and
 * started and stopped by the lease; every answer of a script may say `deposed`, and
 * scheduler_deposed() is where that is heard.
 *
 * To add a part: x_new, x_free here, x_start and x_stop in lease.c. */
#include "scheduler/scheduler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/queue/alert.h"
#include "common/queue/connect.h"
#include "common/queue/scripts.h"

static void on_ready(void *arg)
{
    struct scheduler *s = arg;

    log_event(LOG_INFO, "redis.ready", "connection=scripts");
    lease_on_ready(s->lease);
}

static void on_lost(void *arg, const struct err *why)
{
    struct scheduler *s = arg;

    log_err(LOG_WARN, "redis.lost", why);
    reaper_stop(s->reaper); /* its clocks start anew */
    if (lease_is_held(s->lease))
        reaper_start(s->reaper);
}

/* Bells that rang while nobody listened are heard now. */
static void on_bell_ready(void *arg)
{
    struct scheduler *s = arg;

    promoter_due_in(s->promoter, 0);
}

static struct redis *connect_redis(struct scheduler *s, const char *name, void (*ready)(void *),
                                   struct err *err)
{
    bool main_one = ready == on_ready;
    struct redis_options o = connect_options(s->cfg, name);

    o.scripts = main_one ? scripts_all() : NULL;
    o.on_ready = ready;
    o.on_lost = main_one ? on_lost : NULL;
    o.arg = s;
    return redis_new(s->loop, &o, err);
}

bool scheduler_start(struct scheduler *s, struct err *err)
{
    keys_init(&s->keys, s->cfg->redis_prefix);
    s->redis = connect_redis(s, "flotilla-scheduler", on_ready, err);
    if (s->redis)
        s->intake_wait = connect_redis(s, "flotilla-scheduler-intake", NULL, err);
    if (s->intake_wait)
        s->bell_wait = connect_redis(s, "flotilla-scheduler-bell", on_bell_ready, err);
    if (!s->bell_wait)
        return false;
    s->intake = intake_new(s);
    s->promoter = promoter_new(s);
    s->reaper = reaper_new(s);
    s->expirer = expirer_new(s);
    s->housekeeper = housekeeper_new(s);
    s->rescuer = rescuer_new(s);
    s->herald = herald_new(s);
    s->clerk = clerk_new(s);
    s->lease = lease_new(s);
    return true;
}

void scheduler_stop(struct scheduler *s)
{
    if (s->lease)
        lease_release(s->lease);
    redis_free(s->intake_wait);
    redis_free(s->bell_wait);
    redis_free(s->redis);
    intake_free(s->intake);
    promoter_free(s->promoter);
    reaper_free(s->reaper);
    expirer_free(s->expirer);
    housekeeper_free(s->housekeeper);
    rescuer_free(s->rescuer);
    herald_free(s->herald);
    clerk_free(s->clerk);
    lease_free(s->lease);
    keys_done(&s->keys);
}

void scheduler_alert(struct scheduler *s, const char *code, const char *subject,
                     const char *message)
{
    log_event(LOG_ERROR, "alert", "code=%s subject=%s msg=%s", code, subject, log_quote(message));
    alert_send(s->redis, &s->keys, code, subject, message);
}

bool scheduler_deposed(struct scheduler *s, const struct reply *reply)
{
    if (!reply_is(reply_type(reply) == REPLY_ARRAY ? reply_at(reply, 0) : reply, "deposed"))
        return false;
    lease_lost(s->lease);
    return true;
}
