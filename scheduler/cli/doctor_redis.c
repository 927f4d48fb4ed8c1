/* doctor_redis.c - the checks of the Redis server: see doctor.h.
 *
 * What a user has no right to see is not known: no guess is made from an answer that is not there.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/doctor.h"

static const struct reply *call(struct cli *c, struct redis_args *a, struct err *err)
{
    if (c->redis && !c->lost)
        return redis_call(c->redis, a, err);
    redis_args_done(a);
    err->kind = ERR_REDIS_LOST;
    return NULL;
}

/* Said in the words of an operator. */
static void say_unknown(struct cli *c, const char *command, const struct err *err, char *said,
                        size_t size)
{
    char why[400];

    if (err->kind == ERR_REDIS_LOST) {
        c->lost = c->redis != NULL;
        return;
    }
    cli_why_refused(err, why, sizeof why);
    snprintf(said, size, "not known: %s refused (%.200s)", command,
             reply_error(err, "NOPERM") ? "ACL" : why);
}

const struct reply *doctor_ask(struct cli *c, char *said, size_t size, ...)
{
    const struct reply *reply;
    struct err err = {0};
    struct redis_args a;
    char command[32];
    va_list ap;

    va_start(ap, size);
    redis_args_words(&a, ap);
    va_end(ap);
    redis_args_name(&a, command, sizeof command);
    reply = call(c, &a, &err);
    if (!reply)
        say_unknown(c, command, &err, said, size);
    return reply;
}

/* ---- INFO ---- */

struct info {
    char *text;
};

static bool info_read(struct cli *c, const char *section, struct info *ret, char *said, size_t size)
{
    const struct reply *r = doctor_ask(c, said, size, "INFO", section, NULL);
    struct span s = reply_span(r);

    ret->text = r ? xstrndup(s.p, s.n) : NULL;
    return r != NULL;
}

static void info_get(const struct info *i, const char *field, char *value, size_t size)
{
    char needle[64];
    const char *at;

    snprintf(needle, sizeof needle, "\n%s:", field);
    at = strstr(i->text, needle);
    at = at ? at + strlen(needle) : "";
    snprintf(value, size, "%.*s", (int)strcspn(at, "\r\n"), at);
}

static int64_t info_number(const struct info *i, const char *field)
{
    char text[32];
    int64_t v;

    info_get(i, field, text, sizeof text);
    return parse_int64(text, strlen(text), 0, INT64_MAX, &v) ? v : 0;
}

/* ---- checks ---- */

enum verdict doctor_version(struct cli *c, char *said, size_t size)
{
    struct info i;
    int64_t major = 0;
    char v[64];

    if (!info_read(c, "server", &i, said, size))
        return SKIPPED;
    info_get(&i, "redis_version", v, sizeof v);
    free(i.text);
    snprintf(said, size, "%s", v);
    return parse_int64(v, strcspn(v, "."), 0, 1000, &major) && major >= 7 ? GOOD : BAD;
}

enum verdict doctor_eviction(struct cli *c, char *said, size_t size)
{
    struct info i;
    char v[64];

    if (!info_read(c, "memory", &i, said, size))
        return SKIPPED;
    info_get(&i, "maxmemory_policy", v, sizeof v);
    free(i.text);
    snprintf(said, size, "%s", v);
    return !strcmp(v, "noeviction") ? GOOD : BAD;
}

enum verdict doctor_memory_limit(struct cli *c, char *said, size_t size)
{
    struct info i;
    char most[64];

    if (!info_read(c, "memory", &i, said, size))
        return SKIPPED;
    info_get(&i, "maxmemory_human", most, sizeof most);
    free(i.text);
    snprintf(said, size, "maxmemory is %s", !strcmp(most, "0B") ? "not set" : most);
    return strcmp(most, "0B") != 0 ? GOOD : WARN;
}

/* The scheduler stops intake by the same figures (housekeeper.c). */
enum verdict doctor_memory(struct cli *c, char *said, size_t size)
{
    const int64_t percent = c->cfg->limits_memory_percent;
    struct info i;
    int64_t used, most;
    char text[64];

    if (!info_read(c, "memory", &i, said, size))
        return SKIPPED;
    used = info_number(&i, "used_memory");
    most = info_number(&i, "maxmemory");
    info_get(&i, "used_memory_human", text, sizeof text);
    free(i.text);
    if (most > 0 && used > most) {
        snprintf(said, size, "%s used: Redis is full and refuses new jobs", text);
        return BAD;
    }
    if (most > 0 && used / 100 >= most / 10000 * percent) {
        snprintf(said, size, "%s used, over %" PRId64 " %% of maxmemory: intake is stopped", text,
                 percent);
        return BAD;
    }
    snprintf(said, size, "%s used", text);
    return GOOD;
}

/* Why Redis refuses to write, by the first word of its answer. */
static const struct {
    const char *code, *why;
} refusals[] = {
    {"MISCONF", "Redis refuses all writes, because its last save to disk failed"},
    {"READONLY", "Redis refuses all writes, because it is a replica"},
    {"NOREPLICAS", "Redis refuses all writes, because too few replicas are connected"},
};

/* A write that changes nothing, and that needs no memory. */
enum verdict doctor_writes(struct cli *c, char *said, size_t size)
{
    struct redis_args a;
    struct err err = {0};

    redis_args_make(&a, "HDEL", key(&c->keys, KEY_PAUSED));
    redis_arg_str(&a, "-"); /* no queue's name */
    if (call(c, &a, &err)) {
        snprintf(said, size, "Redis takes writes");
        return GOOD;
    }
    if (err.kind == ERR_REDIS_LOST || reply_error(&err, "NOPERM")) {
        say_unknown(c, "HDEL", &err, said, size);
        return SKIPPED;
    }
    snprintf(said, size, "%.300s", err.msg);
    for (size_t i = 0; i < ARRAY_LEN(refusals); i++)
        if (reply_error(&err, refusals[i].code))
            snprintf(said, size, "%s", refusals[i].why);
    return BAD;
}

enum verdict doctor_persistence(struct cli *c, char *said, size_t size)
{
    char written[16], saved[16];
    struct info i;
    bool aof;

    if (!info_read(c, "persistence", &i, said, size))
        return SKIPPED;
    aof = info_number(&i, "aof_enabled") == 1;
    info_get(&i, "aof_last_write_status", written, sizeof written);
    info_get(&i, "rdb_last_bgsave_status", saved, sizeof saved);
    free(i.text);
    snprintf(said, size, "append-only file %s, last write %s, last snapshot %s", aof ? "on" : "off",
             written, saved);
    if (strcmp(written, "ok") != 0 || strcmp(saved, "ok") != 0)
        return BAD;
    return aof ? GOOD : WARN;
}
