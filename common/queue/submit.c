/* submit.c - see submit.h and lua/submit.lua.
 *
 * The record of a new job is cut in two around its times, which are Redis's:
 * head (70 bytes) .. due .. submitted .. expires .. tail (the rest and the document). */
#include "common/queue/submit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/clock.h"
#include "common/core/digest.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/result.h"
#include "common/queue/scripts.h"

enum { TIMES_AT = 70, TIMES_END = 103 };

struct submit {
    const struct keys *keys;
    struct redis_args key_part, job_part;
    size_t count;
    enum queue_id queues[QUEUE_COUNT]; /* those that jobs go to, as the script numbers them */
    size_t queue_count;
    struct buf scratch;
    submit_cb *cb;
    void *arg;
};

struct submit *submit_new(const struct keys *borrow_keys)
{
    struct submit *s = xcalloc(1, sizeof *s);

    s->keys = borrow_keys;
    redis_args_init(&s->key_part);
    redis_args_init(&s->job_part);
    buf_init(&s->scratch, 64 << 20);
    return s;
}

void submit_free(struct submit *s)
{
    if (!s)
        return;
    redis_args_done(&s->key_part);
    redis_args_done(&s->job_part);
    buf_done(&s->scratch);
    free(s);
}

size_t submit_count(const struct submit *s) { return s->count; }

static void add_keys(struct submit *s, const struct job_checked *c)
{
    keys_arg(&s->key_part, s->keys->job, c->id);
    if (c->wants_reply)
        keys_arg(&s->key_part, s->keys->reply, c->id);
}

/* The script gets the keys of those queues only that are needed: 1, 2, ... */
static size_t number_of(struct submit *s, enum queue_id queue)
{
    for (size_t i = 0; i < s->queue_count; i++)
        if (s->queues[i] == queue)
            return i + 1;
    s->queues[s->queue_count++] = queue;
    return s->queue_count;
}

static void record_of(const struct job_checked *c, struct record *ret)
{
    *ret = (struct record){.version = RECORD_VERSION, .state = JOB_STATE_READY, .run = 1};
    memset(ret->token, '0', RECORD_TOKEN);
    memcpy(ret->digest, c->digest, sizeof ret->digest);
    ret->type = c->job.type;
    ret->queue = c->queue;
    ret->doc_bytes = c->job.doc.n;
}

void submit_job(struct submit *s, const struct job_checked *c)
{
    struct redis_args *a = &s->job_part;
    struct record rec;
    char header[RECORD_HEADER];

    record_of(c, &rec);
    record_write(&rec, header);
    add_keys(s, c);
    redis_arg_str(a, "J");
    redis_arg_str(a, c->id);
    redis_arg_str(a, c->wants_reply ? "r" : "-");
    redis_arg_int(a, (int64_t)number_of(s, c->queue));
    redis_arg_str(a, queue_name(c->queue));
    redis_arg(a, header, TIMES_AT);
    redis_arg_int(a, c->job.delay_ms);
    redis_arg_int(a, c->job.run_at_ms);
    redis_arg_int(a, c->job.expires_in_ms);
    redis_arg_pieces(
        a, (const struct span[]){{header + TIMES_END, RECORD_HEADER - TIMES_END}, c->job.doc}, 2);
    s->count++;
}

static void write_refusal(const struct job_checked *c, const struct err *why, const char *id,
                          const char *submitted, int64_t now, struct buf *out)
{
    struct result r = {.id = id,
                       .submitted_id = submitted,
                       .run = 1,
                       .type = c->job.type,
                       .status = JOB_STATE_REJECTED,
                       .tenant = c->job.tenant,
                       .tags = c->job.tags,
                       .err = why,
                       .submitted_ms = now,
                       .finished_ms = now};

    buf_clear(out);
    result_write(&r, out);
}

void submit_refusal(struct submit *s, const struct job_checked *c, const struct err *why)
{
    struct redis_args *a = &s->job_part;
    const char *submitted = c->submitted_id[0] ? c->submitted_id : NULL;
    int64_t now = clock_wall_ms();
    struct record rec;
    char header[RECORD_HEADER], made[37];
    bool own = !c->made_id;

    record_of(c, &rec);
    rec.state = JOB_STATE_REJECTED;
    rec.doc_bytes = 0;
    /* of its bytes as they came: what was mended since, even in vain, is another document */
    digest_text(c->job.doc, rec.digest);
    rec.submitted_ms = rec.due_ms = now;
    record_write(&rec, header);
    add_keys(s, c);
    redis_arg_str(a, "R");
    redis_arg_str(a, c->id);
    redis_arg_str(a, own ? c->wants_reply ? "or" : "o" : c->wants_reply ? "r" : "-");
    redis_arg(a, header, RECORD_HEADER);
    write_refusal(c, why, c->id, submitted, now, &s->scratch);
    redis_arg_span(a, buf_span(&s->scratch));
    if (own) /* in case a job lives under that id */
        write_refusal(c, why, random_uuid7(made), c->id, now, &s->scratch);
    redis_arg_span(a, own ? buf_span(&s->scratch) : (struct span){"", 0});
    s->count++;
}

static void on_answer(void *arg, const struct reply *reply, const struct err *redis_err)
{
    struct submit *s = arg;
    struct span codes = reply_span(reply_at(reply, 1));
    struct err err = {0};

    if (!reply)
        s->cb(s->arg, s, NULL, -1, redis_err);
    else if (!reply_is(reply_at(reply, 0), "ok") || codes.n != s->count) {
        err_set(&err, ERR_REDIS, "deposed");
        s->cb(s->arg, s, NULL, -1, &err);
    } else
        s->cb(s->arg, s, s->count ? codes.p : "", reply_int(reply_at(reply, 2)), NULL);
}

void submit_send(struct submit *s, struct redis *r, const struct submit_how *how, submit_cb *cb,
                 void *arg)
{
    static const enum key_id fixed[] = {KEY_LEASE,   KEY_TAKEN,   KEY_RESULTS, KEY_ALERTS,
                                        KEY_ALERTED, KEY_DELAYED, KEY_EXPIRING};
    struct redis_args a;
    size_t nkeys;
    char made[37];

    redis_args_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(fixed); i++)
        redis_arg_str(&a, key(s->keys, fixed[i]));
    for (size_t i = 0; i < s->queue_count; i++)
        redis_arg_str(&a, s->keys->ready[s->queues[i]]);
    for (size_t i = 0; i < s->queue_count; i++)
        redis_arg_str(&a, s->keys->wake[s->queues[i]]);
    redis_args_append(&a, &s->key_part);
    nkeys = a.count;
    redis_arg_str(&a, how->lease);
    redis_arg_int(&a, (int64_t)how->drop);
    redis_arg_span(&a, how->drop_value);
    redis_arg_int(&a, how->ids_ms);
    redis_arg_int(&a, how->reply_ms);
    redis_arg_str(&a, random_uuid7(made));
    redis_arg_int(&a, (int64_t)s->queue_count);
    redis_args_append(&a, &s->job_part);
    s->cb = cb;
    s->arg = arg;
    redis_script(r, script(SCRIPT_SUBMIT), nkeys, &a, on_answer, s);
}
