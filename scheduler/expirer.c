/* expirer.c - jobs that were not started before their expiry end as `expired`.
 *
 * The zset `expiring` holds the ids of jobs with an expiry.  The due ones are
 * looked up at the earliest expiry that is known: expired.lua returns the next
 * one, and the intake reports those of new jobs.  Looks are at least LOOK_MS
 * apart, and at most NET_MS, in case a report was lost.
 *
 * Jobs that were never started end through the same script as every other
 * ending (a worker that starts one in between wins or loses by the transition
 * number).  start.lua's callers check the expiry as well, so a job that is late
 * here does not run either. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "common/queue/scripts.h"
#include "scheduler/scheduler.h"

enum { LOOK_MS = 500, NET_MS = 5000, MOST = 256 };

struct expirer {
    struct scheduler *s;
    struct job_defaults defaults;
    struct loop_timer *timer;
    int64_t at_ms;     /* monotonic: when the timer fires */
    int64_t looked_ms; /* monotonic: when the last look was sent */
    bool running, busy;
    bool again; /* the timer fired during a look */
    char *ids[MOST];
    size_t count;
    int64_t next_ms; /* from the look to the next expiry */
};

static void expirer_look(void *arg);

static void look_at(struct expirer *e, int64_t at_ms)
{
    if (!e->running || (e->timer && e->at_ms <= at_ms))
        return;
    loop_cancel(&e->timer);
    e->at_ms = at_ms;
    e->timer = loop_after(e->s->loop, max64(at_ms - clock_mono_ms(), 0), expirer_look, e);
}

void expirer_due_in(struct expirer *e, int64_t ms)
{
    look_at(e, max64(clock_mono_ms() + ms, e->looked_ms + LOOK_MS));
}

/* This look has ended. */
static void later(struct expirer *e, int64_t ms)
{
    e->busy = false;
    look_at(e, clock_mono_ms() + (e->again ? 0 : ms));
    e->again = false;
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
    later(e, !codes ? LOOK_MS : e->count == MOST ? 0 : e->next_ms);
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

static void read_records(struct expirer *e, const struct reply *ids)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, "MGET");
    for (size_t i = 0; i < reply_count(ids) && i < MOST; i++) {
        struct span id = reply_span(reply_at(ids, i));

        e->ids[e->count++] = xstrndup(id.p, id.n);
        keys_arg(&a, e->s->keys.job, e->ids[i]);
    }
    redis_send(e->s->redis, &a, on_records, e);
}

static void on_due(void *arg, const struct reply *reply, const struct err *err)
{
    struct expirer *e = arg;
    int64_t next = reply_int(reply_at(reply, 0));

    (void)err;
    e->next_ms = next < 0 ? NET_MS : clamp64(next, LOOK_MS, NET_MS);
    if (!reply || !e->running)
        later(e, LOOK_MS);
    else if (reply_count(reply_at(reply, 1)) == 0)
        later(e, e->next_ms);
    else
        read_records(e, reply_at(reply, 1));
}

/* Redis's own time decides what is due. */
static void expirer_look(void *arg)
{
    struct expirer *e = arg;
    struct redis_args a;

    e->timer = NULL;
    if (e->busy) {
        e->again = true;
        return;
    }
    e->busy = true;
    e->looked_ms = clock_mono_ms();
    redis_args_make(&a, key(&e->s->keys, KEY_EXPIRING), MOST);
    redis_script(e->s->redis, script(SCRIPT_EXPIRED), 1, &a, on_due, e);
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
    look_at(e, clock_mono_ms() + LOOK_MS);
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
