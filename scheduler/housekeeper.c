/* housekeeper.c - bounds on what grows, and back-pressure before Redis is full.
 *
 * Every second one script, inspect.lua, deletes keys of another type, and returns what Redis says
 * of its memory, the heartbeats for the reaper and the newest alert for the herald.  Nothing is
 * taken in
 *   - while its eviction policy is another than noeviction: it would delete jobs
 *     (alert `eviction_policy`);
 *   - while more of maxmemory is used than limits.memory_percent (alert
 *     `redis_memory`), until it is RELIEF_PERCENT less.
 * Every sweep_ms: streams and the dead set are trimmed, the sums of the day get
 * their end, and what stands in `active` and `calls` of a worker that
 * nobody knows is recovered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/queue/recover.h"
#include "common/queue/scripts.h"
#include "scheduler/consumers.h"
#include "scheduler/keytypes.h"
#include "scheduler/scheduler.h"

enum { MEMORY_MS = 1000, RELIEF_PERCENT = 2 };

struct housekeeper {
    struct scheduler *s;
    struct loop_timer *memory, *sweep;
    bool running, scanning;
    const char *prefix; /* of the keys that are looked for: active, or calls */
    bool looked;        /* Redis has told about its memory since the start */
    const char *code;   /* of the alert while intake is stopped; NULL: it is not */
};

/* ---- memory ---- */

/* The text behind "name:"; {NULL, 0} when it is not there. */
static struct span info_field(struct span info, const char *name)
{
    size_t n = strlen(name);

    for (const char *p = info.p, *end = p + info.n; p && p < end;) {
        const char *nl = memchr(p, '\n', (size_t)(end - p)), *stop = nl ? nl : end;

        if (stop > p && stop[-1] == '\r')
            stop--;
        if ((size_t)(stop - p) > n && !memcmp(p, name, n) && p[n] == ':')
            return (struct span){p + n + 1, (size_t)(stop - p) - n - 1};
        p = nl ? nl + 1 : end;
    }
    return (struct span){NULL, 0};
}

static int64_t info_number(struct span info, const char *name)
{
    struct span text = info_field(info, name);
    int64_t v = 0;

    return text.p && parse_int64(text.p, text.n, 0, INT64_MAX, &v) ? v : 0;
}

static bool evicts(struct span info, char *text, size_t size)
{
    struct span policy = info_field(info, "maxmemory_policy");

    if (!policy.p || span_is(policy, "noeviction"))
        return false;
    snprintf(text, size,
             "Redis's maxmemory-policy is %.*s: it would delete jobs.  Intake is stopped until "
             "CONFIG SET maxmemory-policy noeviction",
             (int)(policy.n > 40 ? 40 : policy.n), policy.p);
    return true;
}

static bool is_full(const struct housekeeper *h, struct span info, char *text, size_t size)
{
    int64_t used = info_number(info, "used_memory"), most = info_number(info, "maxmemory");
    int64_t percent = h->s->cfg->limits_memory_percent;
    bool already = h->code && !strcmp(h->code, "redis_memory");

    if (already && percent > RELIEF_PERCENT)
        percent -= RELIEF_PERCENT;
    if (most == 0 || used / 100 < most / 10000 * percent)
        return false;
    snprintf(text, size,
             "Redis uses %lld of maxmemory %lld bytes: intake is stopped until it is under %lld %%",
             (long long)used, (long long)most, (long long)percent);
    return true;
}

static void judge(struct housekeeper *h, const char *code, const char *subject, const char *text)
{
    const char *before = h->code;

    h->code = code;
    intake_block(h->s->intake, code);
    if (code && (!before || strcmp(code, before) != 0))
        scheduler_alert(h->s, code, subject, text);
    else if (before && !code)
        log_event(LOG_WARN, "intake.open", "was=%s", before);
}

static bool is_unknown(struct span info)
{
    return !info_field(info, "used_memory").p && !info_field(info, "maxmemory_policy").p;
}

/* why: Redis does not answer INFO. */
static void judge_memory(struct housekeeper *h, struct span info, const char *why)
{
    char text[240];

    if (why && !h->looked)
        log_event(LOG_WARN, "memory.unknown", "msg=%s", log_quote(why));
    h->looked = true;
    if (evicts(info, text, sizeof text))
        judge(h, "eviction_policy", "maxmemory-policy", text);
    else if (is_full(h, info, text, sizeof text))
        judge(h, "redis_memory", "maxmemory", text);
    else
        judge(h, NULL, NULL, NULL);
}

static void hear_memory(struct housekeeper *h, struct span info)
{
    char why[200];

    snprintf(why, sizeof why, "%.*s", (int)info.n, info.p ? info.p : "");
    judge_memory(h, info, is_unknown(info) ? why : NULL);
}

static void inspect(void *arg);

static void on_inspected(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;

    if (!h->running)
        return;
    loop_cancel(&h->memory);
    h->memory = loop_after(h->s->loop, MEMORY_MS, inspect, h);
    if (reply && !scheduler_deposed(h->s, reply)) {
        keytypes_deleted(h->s, reply_at(reply, 1));
        hear_memory(h, reply_span(reply_at(reply, 2)));
        reaper_see(h->s->reaper, reply_at(reply, 4));
        herald_newest(h->s->herald, reply_span(reply_at(reply, 3)));
    } else if (!reply && err->kind != ERR_REDIS_LOST) {
        judge_memory(h, (struct span){NULL, 0}, err->msg);
    }
}

static void inspect(void *arg)
{
    struct housekeeper *h = arg;
    struct redis_args a;
    size_t keys = keytypes_args(h->s, &a);

    h->memory = NULL;
    redis_script(h->s->redis, script(SCRIPT_INSPECT), keys, &a, on_inspected, h);
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

static void check_owner(struct housekeeper *h, struct span name)
{
    size_t n = strlen(h->prefix);
    struct orphan *o;

    if (name.n <= n || memcmp(name.p, h->prefix, n) != 0)
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
    h->scanning = false;
    if (!h->running || !cursor.p)
        return;
    for (size_t i = 0; i < reply_count(names); i++)
        check_owner(h, reply_span(reply_at(names, i)));
    snprintf(text, sizeof text, "%.*s", (int)cursor.n, cursor.p);
    if (strcmp(text, "0") != 0) {
        scan(h, text);
    } else if (h->prefix == h->s->keys.active) {
        h->prefix = h->s->keys.calls;
        scan(h, "0");
    }
}

static void scan(struct housekeeper *h, const char *cursor)
{
    char pattern[128];

    h->scanning = true;
    snprintf(pattern, sizeof pattern, "%s*", h->prefix);
    redis_sendv(h->s->redis, on_scan, h, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
}

/* A dead job that was pushed out of the set stays as long as any that ended.  XX: not when it was
 * replayed meanwhile, which has no end. */
static void shorten_record(struct housekeeper *h, struct span id)
{
    struct redis_args a;
    char name[96];

    snprintf(name, sizeof name, "%.*s", (int)id.n, id.p);
    redis_args_make(&a, "PEXPIRE", key_word(h->s->keys.job, name), h->s->cfg->retention_ids_ms,
                    "XX");
    redis_send(h->s->redis, &a, NULL, NULL);
}

static void trim(struct housekeeper *h);

static void on_trimmed(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;
    const struct reply *gone = reply_at(reply, 1);

    if (!reply && err->kind == ERR_REDIS)
        log_err(LOG_WARN, "sweep.trim", err);
    if (!reply || !h->running || scheduler_deposed(h->s, reply))
        return;
    for (size_t i = 0; i < reply_count(gone); i++)
        shorten_record(h, reply_span(reply_at(gone, i)));
    if (reply_count(gone) >= 1000 || reply_int(reply_at(reply, 2)) > 0) /* there is more */
        trim(h);
}

/* The day is that of Redis's clock, as it is for those who add to it. */
static void on_time(void *arg, const struct reply *reply, const struct err *err)
{
    struct housekeeper *h = arg;
    struct redis_args a;
    char day[9];

    (void)err;
    if (!reply || !h->running)
        return;
    redis_args_make(
        &a, "PEXPIRE",
        key_word(h->s->keys.spend, clock_day(reply_int(reply_at(reply, 0)) * 1000, day)),
        h->s->cfg->retention_spend_ms);
    redis_send(h->s->redis, &a, NULL, NULL);
}

static void limit_spend(struct housekeeper *h)
{
    redis_sendv(h->s->redis, on_time, h, "TIME", NULL);
}

static void trim(struct housekeeper *h)
{
    static const enum key_id keys[] = {KEY_LEASE, KEY_RESULTS, KEY_COSTS,   KEY_ALERTS,
                                       KEY_DEAD,  KEY_LATE,    KEY_ALERTED, KEY_STOPS};
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
    limit_spend(h);
    consumers_check(h->s);
    if (!h->scanning) { /* many keys may take longer than sweep_ms */
        h->prefix = h->s->keys.active;
        scan(h, "0");
    }
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
    h->looked = false;
    h->code = NULL;
    h->memory = loop_after(h->s->loop, 0, inspect, h);
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
