/* wire.c - see wire.h: the functions of redis.h that the linked parts of the
 * programs call. */
#include "tests/explore/wire.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>

#include "common/core/xalloc.h"
#include "common/io/redis_private.h"

enum { NOTED_MAX = 64 };

char wire_mark;

static struct noted {
    struct packet *packet;
    redis_cb *cb;
    void *arg;
} noted[NOTED_MAX];
static size_t count;

void wire_open(void)
{
    for (size_t i = 0; i < count; i++)
        packet_drop(&noted[i].packet);
    count = 0;
}

size_t wire_count(void) { return count; }

struct span wire_bytes(size_t n)
{
    assert(n < count);
    return (struct span){noted[n].packet->p, noted[n].packet->n};
}

bool wire_waits(size_t n) { return noted[n].cb != NULL; }

const struct reply *wire_reply(struct span resp)
{
    redisReader *reader = redisReaderCreate();
    void *got = NULL;

    redisReaderFeed(reader, resp.p, resp.n);
    if (redisReaderGetReply(reader, &got) != REDIS_OK || !got)
        abort(); /* it was written here */
    redisReaderFree(reader);
    return got;
}

void wire_done(const struct reply *reply) { freeReplyObject((void *)(uintptr_t)reply); }

void wire_answer(size_t n, struct span resp)
{
    const struct reply *reply = wire_reply(resp);
    redis_cb *cb = TAKE(noted[n].cb);
    struct err err = {0};

    if (cb && reply_type(reply) == REPLY_ERROR) {
        err_set(&err, ERR_REDIS, "%.*s", (int)reply_span(reply).n, reply_span(reply).p);
        cb(noted[n].arg, NULL, &err);
    } else if (cb) {
        cb(noted[n].arg, reply, NULL);
    }
    wire_done(reply);
}

void wire_lose(size_t n)
{
    redis_cb *cb = TAKE(noted[n].cb);
    struct err err = {0};

    err_set(&err, ERR_REDIS_LOST, "the connection was cut");
    if (cb)
        cb(noted[n].arg, NULL, &err);
}

/* ---- redis.h ---- */

static void note(struct packet *packet, redis_cb *cb, void *arg)
{
    assert(count < NOTED_MAX && packet);
    noted[count++] = (struct noted){packet, cb, arg};
}

void redis_send(struct redis *r, struct redis_args *a, redis_cb *cb, void *arg)
{
    (void)r;
    note(redis_args_close(a, NULL, 0), cb, arg);
}

void redis_send_blocking(struct redis *r, struct redis_args *a, int64_t block_ms, redis_cb *cb,
                         void *arg)
{
    (void)block_ms;
    redis_send(r, a, cb, arg);
}

void redis_script(struct redis *r, const struct redis_script *s, size_t nkeys, struct redis_args *a,
                  redis_cb *cb, void *arg)
{
    (void)r;
    note(redis_args_close(a, s->sha1, nkeys), cb, arg);
}

void redis_sendv(struct redis *r, redis_cb *cb, void *arg, ...)
{
    struct redis_args a;
    va_list words;

    va_start(words, arg);
    redis_args_words(&a, words);
    va_end(words);
    redis_send(r, &a, cb, arg);
}

/* Linked parts name these, and nothing here calls them. */
void redis_forget(struct redis *r, const void *arg)
{
    (void)r;
    (void)arg;
}

bool redis_is_ready(const struct redis *r) { return r != NULL; }

struct redis *redis_new(struct loop *borrow_loop, const struct redis_options *opt, struct err *err)
{
    (void)borrow_loop;
    (void)opt;
    err_set(err, ERR_INTERNAL, "the explorer has no connections");
    return NULL;
}

void redis_free(struct redis *r) { (void)r; }

const struct reply *redis_call(struct redis *r, struct redis_args *a, struct err *err)
{
    (void)r;
    redis_args_done(a);
    err_set(err, ERR_INTERNAL, "the explorer has no connections");
    return NULL;
}
