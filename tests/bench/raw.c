/* raw.c - the least that a queue which loses nothing can do: LMOVE, then LREM.
 *
 *   LMOVE ready active  --a job-->  LREM active 1 job  --done-->  LMOVE ...   x 8
 *
 * One job a command, eight jobs in flight on one connection, no result kept.
 * Two ways of writing: `pipelined` writes what has come together when all that
 * was read is dealt with, the best that a C loop can do; else each command goes
 * out at once, as a client does whose jobs know nothing of each other. */
#include <check.h>
#include <sys/resource.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { IN_FLIGHT = 8, DATABASE = 2 };

static void write_out(redisContext *c)
{
    int done = 0;

    while (!done)
        if (redisBufferWrite(c, &done) != REDIS_OK)
            ck_abort_msg("raw: %s", c->errstr);
}

static void take(redisContext *c)
{
    redisAppendCommand(c, "LMOVE raw:ready raw:active RIGHT LEFT");
}

/* Returns how many jobs were done. */
static int64_t drain(redisContext *c, bool pipelined)
{
    int64_t done = 0;
    int moving = IN_FLIGHT, removing = 0;

    for (int i = 0; i < IN_FLIGHT; i++)
        take(c);
    while (moving + removing > 0) {
        void *p = NULL;
        redisReply *r;

        if (redisGetReply(c, &p) != REDIS_OK)
            ck_abort_msg("raw: %s", c->errstr);
        r = p;
        if (r->type == REDIS_REPLY_STRING) {
            redisAppendCommand(c, "LREM raw:active 1 %b", r->str, r->len);
            moving--;
            removing++;
        } else if (r->type == REDIS_REPLY_INTEGER) {
            done += r->integer;
            take(c);
            removing--;
            moving++;
        } else { /* nil: nothing is left */
            ck_assert_int_eq(r->type, REDIS_REPLY_NIL);
            moving--;
        }
        freeReplyObject(r);
        if (!pipelined)
            write_out(c);
    }
    return done;
}

double raw_drain(struct world *w, bool pipelined, int64_t count, struct usage *ret_used)
{
    const struct party p = {.redis = w->redis->pid, .workers = {getpid()}, .count = 1};
    redisContext *c = bench_connect(w, DATABASE);
    struct usage before;

    push_documents(c, "raw:ready", noop_document, 0, count);
    before = usage_now(&p);
    ck_assert_int_eq(drain(c, pipelined), count);
    *ret_used = usage_since(&p, &before);
    ck_assert_int_eq(bench_int(c, "EXISTS raw:ready raw:active"), 0);
    redisFree(c);
    return (double)count * 1e6 / (double)ret_used->mono_us;
}
