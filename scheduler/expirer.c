/* expirer.c - jobs that were not started before their expiry end as `expired`.
 *
 * The zset `expiring` holds the ids of jobs with an expiry.  Twice a second the
 * due ones are looked up; those that were never started end through the same
 * script as every other ending (a worker that starts one in between wins or
 * loses by the transition number).  start.lua's callers check the expiry as
 * well, so a job that is late here does not run either. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "scheduler/scheduler.h"

enum { LOOK_MS = 500, MOST = 256 };

struct expirer {
    struct scheduler *s;
    struct job_defaults defaults;
    struct loop_timer *timer;
    bool running, busy;
    char *ids[MOST];
    size_t count;
};

static void expirer_look(void *arg);

static void later(struct expirer *e, int64_t ms)
{
    e->busy = false;
    if (!e->running)
        return;
    loop_cancel(&e->timer);
    e->timer = loop_after(e->s->loop, ms, expirer_look, e);
}

static void forget_ids(struct expirer *e)
{
    for (size_t i = 0; i < e->count; i++)
        free(e->ids[i]);
    e->count = 0;
}

static void remove_ids(struct expirer *e)
{
    struct redis_args a;

    redis_args_make(&a, "ZREM", key(&e->s->keys, KEY_EXPIRING));
    for (size_t i = 0; i < e->count; i++)
        redis_arg_str(&a, e->ids[i]);
    redis_send(e->s->redis, &a, NULL, NULL);
}

static void on_ended(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct expirer *e = arg;

    settle_free(s);
    if (codes)
        remove_ids(e);
    else if (err->kind == ERR_REDIS && strcmp(err->msg, "deposed") == 0)
        lease_lost(e->s->lease);
    later(e, codes && e->count == MOST ? 0 : LOOK_MS);
    forget_ids(e);
}

static void expire(struct expirer *e, struct settle *batch, const char *id, struct span bytes)
{
    struct record rec;
    struct job job;
    struct result r;
    struct ending end;
    struct err err = {0};

    if (!record_read(bytes.p, bytes.n, &rec) || rec.state != JOB_STATE_READY || rec.started_ms ||
        !rec.expires_ms || !job_read(record_doc(&rec, bytes.p, bytes.n), &e->defaults, &job))
        return;
    err_set(&err, ERR_EXPIRED, "not started within expires_in_ms = %lld",
            (long long)(rec.expires_ms - rec.submitted_ms));
    result_from(&r, id, &rec, &job, bytes);
    r.status = JOB_STATE_EXPIRED;
    r.err = &err;
    r.finished_ms = clock_wall_ms();
    ending_make(&end, id, &rec, &job, &r, e->s->cfg->webhooks_output_bytes);
    settle_finish(batch, &end.finish, NULL);
    ending_done(&end);
}

static void on_records(void *arg, const struct reply *reply, const struct err *err)
{
    struct expirer *e = arg;
    const struct settle_who who = {.keys = &e->s->keys,
                                   .lease = lease_token(e->s->lease),
                                   .ids_ms = e->s->cfg->retention_ids_ms,
                                   .dead_ms = e->s->cfg->retention_dead_ms,
                                   .reply_ms = e->s->cfg->limits_reply_ttl_ms};
    struct settle *batch;

    (void)err;
    if (!reply || !e->running) {
        forget_ids(e);
        later(e, LOOK_MS);
        return;
    }
    batch = settle_new(SETTLE_FINISH);
    for (size_t i = 0; i < e->count; i++)
        expire(e, batch, e->ids[i], reply_span(reply_at(reply, i)));
    settle_send(batch, e->s->redis, &who, on_ended, e);
}

static void on_due(void *arg, const struct reply *reply, const struct err *err)
{
    struct expirer *e = arg;
    struct redis_args a;

    (void)err;
    if (reply_count(reply) == 0 || !e->running) {
        later(e, LOOK_MS);
        return;
    }
    redis_args_init(&a);
    redis_arg_str(&a, "MGET");
    for (size_t i = 0; i < reply_count(reply) && i < MOST; i++) {
        struct span id = reply_span(reply_at(reply, i));

        e->ids[e->count++] = xstrndup(id.p, id.n);
        keys_arg(&a, e->s->keys.job, e->ids[i]);
    }
    redis_send(e->s->redis, &a, on_records, e);
}

/* Redis's own time decides what is due. */
static void on_time(void *arg, const struct reply *reply, const struct err *err)
{
    struct expirer *e = arg;
    struct redis_args a;

    (void)err;
    if (reply_count(reply) != 2 || !e->running) {
        later(e, LOOK_MS);
        return;
    }
    redis_args_make(&a, "ZRANGE", key(&e->s->keys, KEY_EXPIRING), "-inf",
                    reply_int(reply_at(reply, 0)) * 1000 + reply_int(reply_at(reply, 1)) / 1000,
                    "BYSCORE", "LIMIT", "0", MOST);
    redis_send(e->s->redis, &a, on_due, e);
}

static void expirer_look(void *arg)
{
    struct expirer *e = arg;

    e->timer = NULL;
    if (e->busy)
        return;
    e->busy = true;
    redis_sendv(e->s->redis, on_time, e, "TIME", NULL);
}

struct expirer *expirer_new(struct scheduler *s)
{
    struct expirer *e = xcalloc(1, sizeof *e);

    e->s = s;
    job_defaults_from(&e->defaults, s->cfg);
    return e;
}

void expirer_start(struct expirer *e)
{
    e->running = true;
    if (!e->busy)
        later(e, LOOK_MS);
}

void expirer_stop(struct expirer *e)
{
    e->running = false;
    loop_cancel(&e->timer);
}

void expirer_free(struct expirer *e)
{
    if (!e)
        return;
    expirer_stop(e);
    forget_ids(e);
    free(e);
}
