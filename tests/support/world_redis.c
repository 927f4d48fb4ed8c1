/* world_redis.c - the private redis-server of a world, and commands to it.
 *
 * The server is a program of the world like the others (REDIS_SERVER names
 * another binary than redis-server, to try Valkey).  Commands go over a
 * synchronous connection of the test's own, opened when it is needed and
 * dropped whenever the server is killed, stopped or does not answer.
 */
#include "tests/support/world_private.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 10000, ANSWER_MS = 5000 };

/* ---- the server ------------------------------------------------------------- */
static bool answers(struct world *w)
{
    redisReply *r = world_redis_try(w, "PING");

    return r && r->type == REDIS_REPLY_STATUS && strcmp(r->str, "PONG") == 0;
}

void world_redis_start(struct world *w)
{
    const struct world_options *o = &w->private->options;
    const char *server = getenv("REDIS_SERVER");
    const char *const args[] = {"--port",
                                world_text(w, "%d", w->redis_port),
                                "--bind",
                                "127.0.0.1",
                                "--unixsocket",
                                w->redis_socket,
                                "--unixsocketperm",
                                "700",
                                "--dir",
                                w->dir,
                                "--save",
                                "",
                                "--appendonly",
                                o->appendfsync ? "yes" : "no",
                                "--appendfsync",
                                o->appendfsync ? o->appendfsync : "no",
                                "--maxmemory",
                                world_text(w, "%lld", (long long)o->maxmemory_bytes),
                                "--maxmemory-policy",
                                "noeviction",
                                "--daemonize",
                                "no",
                                NULL};
    struct run_spec run = {server ? server : "redis-server", args, NULL, NULL};

    world_redis_disconnect(w);
    w->redis = world_run(w, &run);
    WAIT_UNTIL(w, START_MS, answers(w));
}

void world_redis_kill(struct world *w)
{
    program_kill(w->redis);
    world_redis_disconnect(w);
    w->redis = NULL;
}

void world_redis_stop(struct world *w)
{
    program_stop(w->redis, START_MS);
    world_redis_disconnect(w);
    w->redis = NULL;
}

void world_redis_freeze(struct world *w) { program_signal(w->redis, SIGSTOP); }
void world_redis_thaw(struct world *w) { program_signal(w->redis, SIGCONT); }

/* ---- commands --------------------------------------------------------------- */
void world_redis_disconnect(struct world *w)
{
    struct world_private *pr = w->private;

    for (size_t i = 0; i < REPLIES_KEPT; i++) {
        if (pr->replies[i])
            freeReplyObject(pr->replies[i]);
        pr->replies[i] = NULL;
    }
    if (pr->redis)
        redisFree(pr->redis);
    pr->redis = NULL;
}

static bool connected(struct world *w)
{
    struct world_private *pr = w->private;
    int ms = patience_ms(ANSWER_MS);
    struct timeval limit = {ms / 1000, (ms % 1000) * 1000L};

    if (pr->redis && pr->redis->err)
        world_redis_disconnect(w);
    if (!pr->redis)
        pr->redis = redisConnectUnixWithTimeout(w->redis_socket, limit);
    if (!pr->redis || pr->redis->err)
        return false;
    redisSetTimeout(pr->redis, limit);
    return true;
}

static redisReply *command(struct world *w, const char *fmt, va_list ap)
{
    struct world_private *pr = w->private;
    size_t at = pr->reply_at++ % REPLIES_KEPT;

    if (!connected(w))
        return NULL;
    if (pr->replies[at])
        freeReplyObject(pr->replies[at]);
    pr->replies[at] = redisvCommand(pr->redis, fmt, ap);
    return pr->replies[at];
}

redisReply *world_redis_try(struct world *w, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = command(w, fmt, ap);
    va_end(ap);
    return r;
}

/* The reply, or the end of the test. */
static redisReply *good(struct world *w, const char *fmt, redisReply *r)
{
    if (!r)
        world_fail(w, "Redis did not answer to: %s (%s)", fmt,
                   w->private->redis ? w->private->redis->errstr : "no connection");
    if (r->type == REDIS_REPLY_ERROR)
        world_fail(w, "Redis answered '%s' to: %s", r->str, fmt);
    return r;
}

redisReply *world_redis(struct world *w, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = good(w, fmt, command(w, fmt, ap));
    va_end(ap);
    return r;
}

int64_t world_int(struct world *w, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = good(w, fmt, command(w, fmt, ap));
    va_end(ap);
    if (r->type != REDIS_REPLY_INTEGER && r->type != REDIS_REPLY_NIL)
        world_fail(w, "no integer answers: %s", fmt);
    return r->type == REDIS_REPLY_INTEGER ? r->integer : 0;
}

const char *world_string(struct world *w, const char *fmt, ...)
{
    redisReply *r;
    va_list ap;

    va_start(ap, fmt);
    r = good(w, fmt, command(w, fmt, ap));
    va_end(ap);
    if (r->type != REDIS_REPLY_STRING && r->type != REDIS_REPLY_STATUS &&
        r->type != REDIS_REPLY_NIL)
        world_fail(w, "no string answers: %s", fmt);
    return r->type == REDIS_REPLY_NIL ? NULL : r->str;
}
