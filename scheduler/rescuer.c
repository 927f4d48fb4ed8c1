/* rescuer.c - finds unfinished jobs that nothing names, and puts them back.
 *
 *   DBSIZE, names --> SCAN a portion, headers --> ... --> SCAN, cursor 0 --> rest of unnamed_ms
 *     ^                    | a live record without a name: a suspect
 *     |                    v
 *     +---- names anew, a while later: still unnamed? --> restore.lua, alert
 *
 * Ids in lists are hints and records are the truth, so a job that no list, timer or worker names
 * is never run, and nothing says so.  No fault should lead to this; when one does, it is found
 * here.  One round looks at all records within scheduler.unnamed_ms, at the pace that DBSIZE asks
 * for: portions are TICK_MS apart, or of PORTION_MAX records, but at least PAUSE_MS apart: about 1 %
 * of Redis's time.  What is named is
 * read beforehand (names.h), so that a live job costs Redis its share of SCAN, however long the
 * lists are; one that has ended, one GETRANGE more.
 *
 * A job between two names looks the same for a moment.  It is put back only if it was unnamed in
 * two readings of all names, and if its record is still the same at the end.
 *
 * Redis keeps where a round has come to, so the next holder of the lease continues there.  It is
 * kept only while there are no suspects: those of a dead scheduler are found again.
 *
 * Jobs that wait for children or a batch (state waiting) are named by their carrier: a row for
 * them belongs into is_suspect(). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "scheduler/scheduler.h"
#include "scheduler/suspects.h"

enum { TICK_MS = 2000, PAUSE_MS = 250, PORTION = 50, PORTION_MAX = 500, RETRY_MS = 1000 };
enum { CONFIRM_MIN_MS = 500, CONFIRM_MAX_MS = 5000 };

struct rescuer {
    struct scheduler *s;
    bool running;
    struct loop_timer *timer;
    struct names_walk *walk;
    struct names *names; /* NULL: to be read */
    int64_t keys;        /* of the database */
    int64_t since_ms;    /* monotonic: when this round began */
    char cursor[24];     /* of the next portion; "": Redis knows */
    char **ids;          /* of the portion that nothing names: most have ended */
    size_t count;
    struct suspects *suspects;
    bool confirming; /* names are read for the suspects */
};

static void start_round(void *arg);
static void read_names(void *arg);
static void scan(void *arg);

/* ---- pace ---- */

static int64_t round_ms(const struct rescuer *r) { return r->s->cfg->scheduler_unnamed_ms; }

/* The rest of the round is for suspects. */
static int64_t scan_ms(const struct rescuer *r) { return round_ms(r) / 4 * 3; }

/* Keys per portion; portions that are small come less often than TICK_MS. */
static int64_t portion(const struct rescuer *r)
{
    int64_t n = r->keys * TICK_MS / scan_ms(r) + 1;

    return n < PORTION ? PORTION : n > PORTION_MAX ? PORTION_MAX : n;
}

static int64_t interval_ms(const struct rescuer *r)
{
    int64_t ms = scan_ms(r) * portion(r) / (r->keys + 1);

    return max64(ms, PAUSE_MS);
}

static int64_t confirm_ms(const struct rescuer *r)
{
    int64_t ms = round_ms(r) / 20;

    return clamp64(ms, CONFIRM_MIN_MS, CONFIRM_MAX_MS);
}

static void later(struct rescuer *r, int64_t ms, loop_cb *step)
{
    loop_cancel(&r->timer);
    if (r->running)
        r->timer = loop_after(r->s->loop, ms, step, r);
}

static void forget_ids(struct rescuer *r)
{
    for (size_t i = 0; i < r->count; i++)
        free(r->ids[i]);
    free(r->ids);
    r->ids = NULL;
    r->count = 0;
}

static void forget_names(struct rescuer *r)
{
    names_free(r->names);
    r->names = NULL;
}

/* All that was read is old. */
static void forget_all(struct rescuer *r)
{
    forget_ids(r);
    forget_names(r);
    suspects_clear(r->suspects);
    r->confirming = false;
}

/* Redis failed, or refuses: then it may refuse for long. */
static void again(struct rescuer *r, const char *what, const struct err *err)
{
    if (err->kind == ERR_REDIS)
        log_err(LOG_WARN, what, err);
    forget_all(r);
    later(r, err->kind == ERR_REDIS ? round_ms(r) / 10 : RETRY_MS, start_round);
}

static void end_round(struct rescuer *r)
{
    int64_t now = clock_mono_ms(), left = r->since_ms + round_ms(r) - now;

    log_event(LOG_DEBUG, "rescue.round", "keys=%lld ms=%lld", (long long)r->keys,
              (long long)(now - r->since_ms));
    forget_names(r);
    later(r, max64(left, RETRY_MS), start_round);
}

/* ---- suspects ---- */

/* An unnamed id: should something name it? */
static bool is_suspect(const struct rescuer *r, struct span header, struct record *ret)
{
    return record_read(header.p, header.n, ret) &&
           (ret->state == JOB_STATE_READY || ret->state == JOB_STATE_ACTIVE) &&
           ret->submitted_ms < names_since_ms(r->names);
}

static void proceed(struct rescuer *r)
{
    if (strcmp(r->cursor, "0") == 0)
        end_round(r);
    else
        later(r, interval_ms(r), scan);
}

static void on_restored(void *arg, const struct err *err)
{
    struct rescuer *r = arg;

    r->confirming = false;
    if (!err)
        proceed(r);
    else if (err->kind == ERR_REDIS && strcmp(err->msg, "deposed") == 0)
        lease_lost(r->s->lease);
    else
        again(r, "rescue", err);
}

/* ---- a portion ---- */

static void judge(struct rescuer *r, const struct reply *headers)
{
    for (size_t i = 0; i < r->count; i++) {
        struct record rec;

        if (is_suspect(r, reply_span(reply_at(headers, i + 1)), &rec))
            suspects_add(r->suspects, r->ids[i], &rec);
    }
}

/* Now, or when some more of the round has passed: each time costs a reading of all names. */
static bool is_time_to_confirm(const struct rescuer *r)
{
    size_t n = suspects_count(r->suspects);

    return n > 0 && (strcmp(r->cursor, "0") == 0 || n == SUSPECTS_MAX ||
                     suspects_age_ms(r->suspects) >= round_ms(r) / 10);
}

static void next_portion(struct rescuer *r)
{
    forget_ids(r);
    if (is_time_to_confirm(r)) {
        forget_names(r);
        r->confirming = true;
        later(r, confirm_ms(r), read_names);
    } else {
        proceed(r);
    }
}

static void on_headers(void *arg, const struct reply *reply, const struct err *err)
{
    struct rescuer *r = arg;

    if (!reply) {
        again(r, "rescue.peek", err);
        return;
    }
    if (scheduler_deposed(r->s, reply))
        return;
    judge(r, reply);
    next_portion(r);
}

/* done: where the portions before this one ended. */
static void peek(struct rescuer *r, const char *done)
{
    struct redis_args a;

    redis_args_make(&a, key(&r->s->keys, KEY_LEASE), key(&r->s->keys, KEY_SWEEP));
    for (size_t i = 0; i < r->count; i++)
        keys_arg(&a, r->s->keys.job, r->ids[i]);
    redis_args_add(&a, lease_token(r->s->lease), suspects_count(r->suspects) == 0 ? done : "");
    redis_script(r->s->redis, script(SCRIPT_PEEK), 2 + r->count, &a, on_headers, r);
}

static void on_scanned(void *arg, const struct reply *reply, const struct err *err)
{
    struct rescuer *r = arg;
    struct span next = reply_span(reply_at(reply, 0));
    const struct reply *names = reply_at(reply, 1);
    size_t prefix = strlen(r->s->keys.job);
    char done[sizeof r->cursor]; /* everything before this portion */

    if (!reply) {
        again(r, "rescue.scan", err);
        return;
    }
    snprintf(done, sizeof done, "%s", r->cursor);
    snprintf(r->cursor, sizeof r->cursor, "%.*s", (int)next.n, next.p ? next.p : "0");
    r->ids = xcalloc(reply_count(names) + 1, sizeof *r->ids);
    for (size_t i = 0; i < reply_count(names); i++) {
        struct span key = reply_span(reply_at(names, i));

        if (key.n > prefix && !names_has(r->names, (struct span){key.p + prefix, key.n - prefix}))
            r->ids[r->count++] = xstrndup(key.p + prefix, key.n - prefix);
    }
    if (reply_count(names) > 0)
        peek(r, done);
    else
        next_portion(r);
}

static void scan(void *arg)
{
    struct rescuer *r = arg;
    struct redis_args a;
    char pattern[128];

    r->timer = NULL;
    snprintf(pattern, sizeof pattern, "%s*", r->s->keys.job);
    redis_args_make(&a, "SCAN", r->cursor, "MATCH", pattern, "COUNT", portion(r));
    redis_send(r->s->redis, &a, on_scanned, r);
}

/* ---- a round ---- */

static void on_names(void *arg, struct names *take_n)
{
    static const struct err lost = {.kind = ERR_REDIS_LOST};
    struct rescuer *r = arg;

    r->walk = NULL;
    r->names = take_n;
    if (!take_n)
        again(r, "rescue.names", &lost);
    else if (r->confirming)
        suspects_restore(r->suspects, r->names, on_restored, r);
    else
        scan(r);
}

static void read_names(void *arg)
{
    struct rescuer *r = arg;

    r->timer = NULL;
    r->walk = names_read(r->s, r->keys, on_names, r);
}

static void on_size(void *arg, const struct reply *reply, const struct err *err)
{
    struct rescuer *r = arg;

    if (!reply) {
        again(r, "rescue.size", err);
        return;
    }
    r->keys = reply_int(reply);
    read_names(r);
}

static void ask_size(struct rescuer *r) { redis_sendv(r->s->redis, on_size, r, "DBSIZE", NULL); }

static void on_cursor(void *arg, const struct reply *reply, const struct err *err)
{
    struct rescuer *r = arg;
    struct span at = reply_span(reply);

    if (!reply && err->kind == ERR_REDIS_LOST) {
        again(r, "rescue.cursor", err);
        return;
    }
    snprintf(r->cursor, sizeof r->cursor, "%.*s", (int)at.n, at.p ? at.p : "");
    if (strspn(r->cursor, "0123456789") != at.n || at.n == 0)
        snprintf(r->cursor, sizeof r->cursor, "0");
    ask_size(r);
}

static void start_round(void *arg)
{
    struct rescuer *r = arg;

    r->timer = NULL;
    r->since_ms = clock_mono_ms();
    if (!redis_is_ready(r->s->redis))
        later(r, RETRY_MS, start_round);
    else if (r->cursor[0])
        ask_size(r);
    else
        redis_sendv(r->s->redis, on_cursor, r, "GET", key(&r->s->keys, KEY_SWEEP), NULL);
}

/* ---- life ---- */

struct rescuer *rescuer_new(struct scheduler *s)
{
    struct rescuer *r = xcalloc(1, sizeof *r);

    r->s = s;
    r->suspects = suspects_new(s);
    return r;
}

void rescuer_start(struct rescuer *r)
{
    if (r->running)
        return;
    r->running = true;
    later(r, RETRY_MS, start_round);
}

void rescuer_stop(struct rescuer *r)
{
    if (!r->running)
        return;
    r->running = false;
    loop_cancel(&r->timer);
    names_cancel(&r->walk);
    redis_forget(r->s->redis, r);
    suspects_free(r->suspects);
    r->suspects = suspects_new(r->s);
    r->cursor[0] = '\0';
    forget_all(r);
}

void rescuer_free(struct rescuer *r)
{
    if (!r)
        return;
    rescuer_stop(r);
    suspects_free(r->suspects);
    free(r);
}
