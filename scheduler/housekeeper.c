/* housekeeper.c - bounds on what grows, and back-pressure before Redis is full.
 *
 * Every second: used_memory against maxmemory; above limits.memory_percent the
 * intake stops (alert `redis_memory`), below it goes on.  Every sweep_ms:
 * streams and the dead set are trimmed, and `active` sets whose worker nobody
 * knows are recovered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/queue/recover.h"
#include "common/queue/scripts.h"
#include "scheduler/consumers.h"
#include "scheduler/scheduler.h"

enum { MEMORY_MS = 1000 };

struct housekeeper {
    struct scheduler *s;
    struct loop_timer *memory, *sweep;
    bool running;
};

/* ---- memory ---- */

static int64_t info_number(struct span info, const char *name)
{
    size_t n = strlen(name);
    int64_t v = 0;

    for (const char *p = info.p, *end = p + info.n; p && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

        if (stop > p && stop[-1] == '\r')
            stop--;
        if ((size_t)(stop - p) > n && !memcmp(p, name, n) && p[n] == ':' &&
            parse_int64(p + n + 1, (size_t)(stop - p) - n - 1, 0, INT64_MAX, &v))
            return v;
        p = nl ? nl + 1 : end;
    }
    return 0;
}

static void look_at_memory(void *arg);

static void on_memory(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;
    struct span info = reply_span(reply);
    int64_t used, most;
    char text[160];

    (void)err;
    if (!h->running)
        return;
    h->memory = loop_after(h->s->loop, MEMORY_MS, look_at_memory, h);
    if (!info.p)
        return;
    used = info_number(info, "used_memory");
    most = info_number(info, "maxmemory");
    if (most > 0 && used / 100 >= most / 10000 * h->s->cfg->limits_memory_percent) {
        intake_block(h->s->intake, true);
        snprintf(text, sizeof text, "Redis uses %lld of maxmemory %lld bytes: intake is stopped",
                 (long long)used, (long long)most);
        scheduler_alert(h->s, "redis_memory", "maxmemory", text);
    } else {
        intake_block(h->s->intake, false);
    }
}

static void look_at_memory(void *arg)
{
    struct housekeeper *h = arg;

    h->memory = NULL;
    redis_sendv(h->s->redis, on_memory, h, "INFO", "memory", NULL);
}

/* ---- sweep ---- */

struct orphan {
    struct housekeeper *h;
    char *id;
};

static void on_recovered(void *arg, const struct recover_report *report, const struct err *err)
{
    char *id = arg;

    if (!err)
        log_event(LOG_WARN, "sweep.recovered", "dead=%s given_back=%zu ended=%zu", id,
                  report->given_back, report->ended);
    free(id);
}

static void on_known(void *arg, const struct reply *reply, const struct err *err)
{
    struct orphan *o = arg;
    struct scheduler *s = o->h->s;

    (void)err;
    if (reply_type(reply) == REPLY_INT && reply_int(reply) == 0 && o->h->running) {
        const struct recover_options r = {.redis = s->redis,
                                          .keys = &s->keys,
                                          .cfg = s->cfg,
                                          .worker = o->id,
                                          .lease = lease_token(s->lease)};

        recover_start(&r, on_recovered, o->id);
    } else {
        free(o->id);
    }
    free(o);
}

static void check_active(struct housekeeper *h, struct span name)
{
    size_t n = strlen(h->s->keys.active);
    struct orphan *o;

    if (name.n <= n || memcmp(name.p, h->s->keys.active, n) != 0)
        return;
    o = xcalloc(1, sizeof *o);
    o->h = h;
    o->id = xstrndup(name.p + n, name.n - n);
    redis_sendv(h->s->redis, on_known, o, "HEXISTS", key(&h->s->keys, KEY_WORKERS), o->id, NULL);
}

static void scan(struct housekeeper *h, const char *cursor);

static void on_scan(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;
    const struct reply *names = reply_at(reply, 1);
    struct span cursor = reply_span(reply_at(reply, 0));
    char text[32];

    (void)err;
    if (!h->running || !cursor.p)
        return;
    for (size_t i = 0; i < reply_count(names); i++)
        check_active(h, reply_span(reply_at(names, i)));
    snprintf(text, sizeof text, "%.*s", (int)cursor.n, cursor.p);
    if (strcmp(text, "0") != 0)
        scan(h, text);
}

static void scan(struct housekeeper *h, const char *cursor)
{
    char pattern[128];

    snprintf(pattern, sizeof pattern, "%s*", h->s->keys.active);
    redis_sendv(h->s->redis, on_scan, h, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
}

static void on_trimmed(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;

    if (reply && h->running)
        scheduler_deposed(h->s, reply);
    else if (err && err->kind == ERR_REDIS)
        log_err(LOG_WARN, "sweep.trim", err);
}

static void trim(struct housekeeper *h)
{
    static const enum key_id keys[] = {KEY_LEASE, KEY_RESULTS, KEY_COSTS,  KEY_ALERTS,
                                       KEY_DEAD,  KEY_LATE,    KEY_ALERTED};
    const struct config *c = h->s->cfg;
    const int64_t numbers[] = {c->retention_results_entries, c->retention_costs_entries,
                               c->retention_alerts_entries,  c->retention_stream_ms,
                               c->retention_dead_jobs,       c->retention_dead_ms};
    struct redis_args a;

    redis_args_init(&a);
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        redis_arg_str(&a, key(&h->s->keys, keys[i]));
    redis_arg_str(&a, lease_token(h->s->lease));
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        redis_arg_int(&a, numbers[i]);
    redis_script(h->s->redis, script(SCRIPT_HOUSE), ARRAY_LEN(keys), &a, on_trimmed, h);
}

static void sweep(void *arg)
{
    struct housekeeper *h = arg;

    h->sweep = loop_after(h->s->loop, h->s->cfg->scheduler_sweep_ms, sweep, h);
    trim(h);
    consumers_check(h->s);
    scan(h, "0");
}

struct housekeeper *housekeeper_new(struct scheduler *s)
{
    struct housekeeper *h = xcalloc(1, sizeof *h);

    h->s = s;
    return h;
}

void housekeeper_start(struct housekeeper *h)
{
    if (h->running)
        return;
    h->running = true;
    h->memory = loop_after(h->s->loop, 0, look_at_memory, h);
    h->sweep = loop_after(h->s->loop, 1000, sweep, h);
}

void housekeeper_stop(struct housekeeper *h)
{
    h->running = false;
    loop_cancel(&h->memory);
    loop_cancel(&h->sweep);
}

void housekeeper_free(struct housekeeper *h)
{
    if (!h)
        return;
    housekeeper_stop(h);
    free(h);
}
