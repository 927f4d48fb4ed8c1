/* errand.c - see errand.h and lua/errand.lua.
 *
 * The record is made here as a whole: such a job has no producer, so there is
 * no id to compare, no delay, no reply, and its times are this scheduler's. */
#include "scheduler/errand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"

enum { AT_MAX = 64 };

struct errand {
    struct scheduler *s;
    char what[80];
    enum queue_id queue;
    bool needs_worker;
    struct redis_args key_part, job_part;
    char to[AT_MAX];
    errand_cb *cb;
    void *arg;
};

struct errand *errand_new(struct scheduler *s, const char *what, enum queue_id queue)
{
    struct errand *e = xcalloc(1, sizeof *e);

    e->s = s;
    snprintf(e->what, sizeof e->what, "%s", what);
    e->queue = queue;
    redis_args_init(&e->key_part);
    redis_args_init(&e->job_part);
    return e;
}

void errand_needs_worker(struct errand *e) { e->needs_worker = true; }

void errand_job(struct errand *e, enum job_type_id type, const char *id, struct span doc,
                int64_t expires_ms)
{
    int64_t now = clock_wall_ms();
    struct record rec = {.version = RECORD_VERSION,
                         .state = JOB_STATE_READY,
                         .run = 1,
                         .due_ms = now,
                         .submitted_ms = now,
                         .expires_ms = expires_ms,
                         .type = type,
                         .queue = e->queue,
                         .doc_bytes = doc.n,
                         .digest = "0000000000000000"};
    char header[RECORD_HEADER];

    memset(rec.token, '0', RECORD_TOKEN);
    record_write(&rec, header);
    keys_arg(&e->key_part, e->s->keys.job, id);
    redis_arg_str(&e->job_part, id);
    redis_arg_pieces(&e->job_part, (const struct span[]){{header, RECORD_HEADER}, doc}, 2);
}

static void errand_finish(struct errand *e, enum errand_end how, const char *at)
{
    e->cb(e->arg, how, at);
    free(e);
}

static void errand_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct errand *e = arg;
    const struct reply *word = reply_at(reply, 0);
    struct span at = reply_span(reply_at(reply, 1));
    char text[AT_MAX];

    if (!reply && err->kind == ERR_REDIS)
        log_err(LOG_WARN, "errand", err);
    if (!reply || scheduler_deposed(e->s, reply)) {
        errand_finish(e, ERRAND_LOST, "");
    } else if (reply_is(word, "moved")) {
        snprintf(text, sizeof text, "%.*s", (int)(at.n < AT_MAX ? at.n : AT_MAX - 1), at.p);
        errand_finish(e, ERRAND_MOVED, text);
    } else {
        errand_finish(e, reply_is(word, "ok") ? ERRAND_MADE : ERRAND_NOBODY, e->to);
    }
}

void errand_send(struct errand *e, const char *from, const char *to, errand_cb *cb, void *arg)
{
    const struct keys *k = &e->s->keys;
    struct redis_args a;
    size_t nkeys;

    e->cb = cb;
    e->arg = arg;
    snprintf(e->to, sizeof e->to, "%s", to);
    redis_args_make(&a, key(k, KEY_LEASE), key(k, KEY_ERRANDS), key(k, KEY_WORKERS),
                    k->ready[e->queue], k->wake[e->queue]);
    redis_args_append(&a, &e->key_part);
    nkeys = a.count;
    redis_args_add(&a, lease_token(e->s->lease), e->what, from, to, e->needs_worker ? "1" : "0");
    redis_args_append(&a, &e->job_part);
    redis_args_done(&e->key_part);
    redis_args_done(&e->job_part);
    redis_script(e->s->redis, script(SCRIPT_ERRAND), nkeys, &a, errand_on_answer, e);
}
