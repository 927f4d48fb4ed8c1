/* redis_send.c - the ways to give a command: plain, blocking, script, short, synchronous.
 *
 * All of them end in pipe_give().  A script goes out as EVALSHA; its SHA-1 is
 * computed once per connection object and kept in a short list, found by the
 * script's address (a dozen scripts: a scan costs less than a map). */
#include "common/io/redis_private.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <hiredis/hiredis.h>
#include <openssl/sha.h>

#include "common/core/xalloc.h"

enum { MAX_BLOCK_MS = 1 << 30 };

const char *redis_sha1(struct redis *r, const struct redis_script *s)
{
    unsigned char digest[SHA_DIGEST_LENGTH];
    struct script_sha *sha;

    if (s->sha1[0])
        return s->sha1;
    for (size_t i = 0; i < r->sha_count; i++)
        if (r->shas[i].script == s)
            return r->shas[i].hex;
    r->shas = xrealloc(r->shas, (r->sha_count + 1) * sizeof(*r->shas));
    sha = &r->shas[r->sha_count++];
    sha->script = s;
    SHA1((const unsigned char *)s->text, strlen(s->text), digest);
    for (size_t i = 0; i < sizeof(digest); i++) {
        sha->hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
        sha->hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
    }
    sha->hex[40] = '\0';
    return sha->hex;
}

void redis_send(struct redis *r, struct redis_args *a, redis_cb *cb, void *arg)
{
    redis_send_blocking(r, a, 0, cb, arg);
}

void redis_send_blocking(struct redis *r, struct redis_args *a, int64_t block_ms, redis_cb *cb,
                         void *arg)
{
    struct command c = {.kind = COMMAND_PLAIN, .cb = cb, .arg = arg};

    assert(block_ms >= 0);
    c.block_ms = block_ms < MAX_BLOCK_MS ? block_ms : MAX_BLOCK_MS;
    pipe_give(r, &c, redis_args_close(a, NULL, 0));
}

void redis_script(struct redis *r, const struct redis_script *s, size_t nkeys, struct redis_args *a,
                  redis_cb *cb, void *arg)
{
    struct command c = {.kind = COMMAND_SCRIPT, .cb = cb, .arg = arg, .script = s};

    assert(nkeys <= a->count);
    pipe_give(r, &c, redis_args_close(a, redis_sha1(r, s), nkeys));
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

void redis_forget(struct redis *r, const void *arg)
{
    struct ring *rings[] = {&r->pipe, &r->waiting, &r->refused};

    for (size_t k = 0; k < ARRAY_LEN(rings); k++)
        for (size_t i = 0; i < rings[k]->count; i++)
            if (ring_at(rings[k], i)->arg == arg)
                ring_at(rings[k], i)->cb = NULL;
}

/* ---- synchronous ---- */

struct call {
    struct redis *r;
    struct err *err;
    bool answered, ok;
};

static void on_called(void *arg, const struct reply *reply, const struct err *err)
{
    struct call *call = arg;

    call->answered = true;
    call->ok = reply;
    call->r->keep_reply = reply;
    if (err)
        *call->err = *err;
}

const struct reply *redis_call(struct redis *r, struct redis_args *a, struct err *err)
{
    struct call call = {.r = r, .err = err};
    unsigned losses = r->losses;
    const struct reply *reply;

    if (r->kept)
        freeReplyObject(r->kept);
    r->kept = NULL;
    redis_enter(r);
    while (!redis_is_ready(r) && r->losses == losses && !r->closing)
        loop_turn(r->loop, -1);
    redis_send(r, a, on_called, &call); /* refused with the reason when not ready */
    while (!call.answered)
        loop_turn(r->loop, -1);
    reply = call.ok ? (const struct reply *)r->kept : NULL;
    redis_leave(r);
    return reply;
}
