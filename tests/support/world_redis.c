/* world_redis.c - the private redis-server of a world, and commands to it.
 *
 * The server is a program of the world like the others (REDIS_SERVER names
 * another binary than redis-server, to try Valkey).  Commands go over a
 * synchronous connection of the test's own, opened when it is needed and
 * dropped whenever the server is killed, stopped or does not answer.
 *
 * The server has the users of deploy/redis/users.acl, and each program logs in as its own, so that
 * a right that is missing there fails the tests.  The default user may do everything: it is the
 * test's own.
 */
#include "tests/support/world_private.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { START_MS = 10000, ANSWER_MS = 5000 };

/* ---- users ------------------------------------------------------------------ */
#define ACL_SAMPLE "deploy/redis/users.acl"
#define ACL_HASH   "#SHA256-OF-"
#define ACL_WORD   "-of-the-tests"

/* The sample with passwords in place of the hashes: ">worker-of-the-tests". */
static void put_user(FILE *out, const char *line)
{
    const char *hash = strstr(line, ACL_HASH), *user = hash ? hash + strlen(ACL_HASH) : NULL;
    int n = user ? (int)strcspn(user, " ") : 0;

    if (strncmp(line, "user default ", 13) == 0)
        fputs("user default on nopass ~* &* +@all\n", out);
    else if (user)
        fprintf(out, "%.*s>%.*s" ACL_WORD "%s", (int)(hash - line), line, n, user, user + n);
}

static const char *acl_file(struct world *w)
{
    const char *path = world_text(w, "%s/users.acl", w->dir);
    char *line = NULL;
    size_t size = 0;
    FILE *in = fopen(ACL_SAMPLE, "re"), *out = fopen(path, "we");

    if (!in || !out)
        world_fail(w, "cannot read " ACL_SAMPLE " (run it at the top of the tree), or write %s",
                   path);
    while (getline(&line, &size, in) > 0)
        put_user(out, line);
    free(line);
    fclose(in);
    fclose(out);
    return path;
}

const char *world_redis_url_as(struct world *w, const char *user)
{
    return world_text(w, "unix://%s:%s" ACL_WORD "@%s", user, user,
                      w->redis_url + strlen("unix://"));
}

/* Of an entry of ACL LOG: names and values in turn. */
static const char *of_refusal(const redisReply *entry, const char *name)
{
    for (size_t i = 0; i + 1 < entry->elements; i += 2)
        if (strcmp(entry->element[i]->str, name) == 0 && entry->element[i + 1]->str)
            return entry->element[i + 1]->str;
    return "?";
}

void world_check_rights(struct world *w)
{
    const redisReply *log =
        w->redis && program_runs(w->redis) ? world_redis_try(w, "ACL LOG") : NULL;

    for (size_t i = 0; log && log->type == REDIS_REPLY_ARRAY && i < log->elements; i++)
        if (strcmp(of_refusal(log->element[i], "reason"), "auth") != 0) /* a wrong password */
            world_fail(w, "user %s of Redis lacks the right to this %s: %s",
                       of_refusal(log->element[i], "username"),
                       of_refusal(log->element[i], "reason"),
                       of_refusal(log->element[i], "object"));
}

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
                                "--aclfile",
                                acl_file(w),
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
