/* submit.c - see submit.h and lua/submit.lua.
 *
 * The record of a new job is cut in two around its times, which are Redis's:
 * head (70 bytes) .. due .. submitted .. expires .. tail (the rest and the document).
 *
 * A document that names a webhook may be refused by the script, because of its id, or here.
 * Its entry brings the webhook's job along, and the script adds the result and stores it. */
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
#include "common/queue/webhook_job.h"

enum { TIMES_AT = 70, TIMES_END = 103 };
enum { BEGINS = 200 }; /* what a refusal shows of a document without an id */

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

/* The id of the job that would call the webhook: nobody has it. */
struct hook {
    char id[64]; /* "" without a webhook */
};

static struct hook add_keys(struct submit *s, const struct job_checked *c)
{
    struct hook hook = {.id = ""};
    char made[37];

    keys_arg(&s->key_part, s->keys->job, c->id);
    if (c->wants_reply)
        keys_arg(&s->key_part, s->keys->reply, c->id);
    if (c->job.webhook_url.n) {
        snprintf(hook.id, sizeof hook.id, "%s~w", random_uuid7(made));
        keys_arg(&s->key_part, s->keys->job, hook.id);
    }
    return hook;
}

static void add_flags(struct submit *s, const struct job_checked *c, bool own)
{
    char flags[4] = "", *p = flags;

    if (own)
        *p++ = 'o';
    if (c->wants_reply)
        *p++ = 'r';
    if (c->job.webhook_url.n)
        *p++ = 'w';
    redis_arg_str(&s->job_part, *flags ? flags : "-");
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

static void add_hook(struct submit *s, const struct job_checked *c, const struct hook *hook,
                     int64_t now)
{
    if (!*hook->id)
        return;
    redis_args_add(&s->job_part, (int64_t)number_of(s, QUEUE_WEBHOOK), hook->id);
    buf_clear(&s->scratch);
    webhook_job_begin(&s->scratch, &c->job, JOB_STATE_REJECTED, now);
    redis_arg_span(&s->job_part, buf_span(&s->scratch));
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
    struct hook hook;
    char header[RECORD_HEADER];

    record_of(c, &rec);
    record_write(&rec, header);
    hook = add_keys(s, c);
    redis_args_add(a, "J", c->id);
    add_flags(s, c, false);
    redis_args_add(a, (int64_t)number_of(s, c->queue), queue_name(c->queue));
    redis_arg(a, header, TIMES_AT);
    redis_args_add(a, c->job.delay_ms, c->job.run_at_ms, c->job.expires_in_ms);
    redis_arg_pieces(
        a, (const struct span[]){{header + TIMES_END, RECORD_HEADER - TIMES_END}, c->job.doc}, 2);
    add_hook(s, c, &hook, *hook.id ? clock_wall_ms() : 0);
    s->count++;
}

/* Whole characters, and no NUL, which many readers of JSON do not take: like any byte that is no
 * text it becomes U+FFFD. */
static struct span beginning(struct span doc, char text[BEGINS])
{
    size_t n = doc.n < BEGINS ? doc.n : BEGINS;

    while (n < doc.n && n > BEGINS - 4 && ((unsigned char)doc.p[n] & 0xc0) == 0x80)
        n--;
    for (size_t i = 0; i < n; i++)
        text[i] = doc.p[i] ? doc.p[i] : '\xff';
    return (struct span){text, n};
}

static void write_refusal(const struct job_checked *c, const struct err *why, const char *id,
                          const char *submitted, int64_t now, struct buf *out)
{
    char begins[BEGINS];
    struct result r = {.id = id,
                       .submitted_id = submitted,
                       .submitted =
                           c->made_id ? beginning(c->job.doc, begins) : (struct span){NULL, 0},
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
    struct hook hook;
    char header[RECORD_HEADER], made[37];
    bool own = !c->made_id;

    record_of(c, &rec);
    rec.state = JOB_STATE_REJECTED;
    rec.doc_bytes = 0;
    /* of its bytes as they came: what was mended since, even in vain, is another document */
    digest_text(c->job.doc, rec.digest);
    rec.submitted_ms = rec.due_ms = now;
    record_write(&rec, header);
    hook = add_keys(s, c);
    redis_args_add(a, "R", c->id);
    add_flags(s, c, own);
    redis_arg(a, header, RECORD_HEADER);
    write_refusal(c, why, c->id, submitted, now, &s->scratch);
    redis_arg_span(a, buf_span(&s->scratch));
    if (own) /* in case a job lives under that id */
        write_refusal(c, why, random_uuid7(made), c->id, now, &s->scratch);
    redis_arg_span(a, own ? buf_span(&s->scratch) : (struct span){"", 0});
    add_hook(s, c, &hook, now);
    s->count++;
}

static void submit_on_answer(void *arg, const struct reply *reply, const struct err *redis_err)
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
    redis_args_add(&a, how->lease, (int64_t)how->drop, how->drop_value, how->ids_ms, how->reply_ms,
                   random_uuid7(made), (int64_t)s->queue_count);
    redis_args_append(&a, &s->job_part);
    s->cb = cb;
    s->arg = arg;
    redis_script(r, script(SCRIPT_SUBMIT), nkeys, &a, submit_on_answer, s);
}
