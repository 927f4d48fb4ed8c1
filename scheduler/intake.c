/* intake.c - from LPUSHed bytes to stored jobs.
 *
 *             +------------------ some taken ------------------+
 *             v                                                |
 *   IDLE --> take --none--> WAITING (BLMOVE intake taken) --one--> check, submit, take
 *
 * One batch is in hand at a time.  Its entries lie in `taken` until submit has
 * stored them, so at any death they are seen again by whoever takes next; a
 * submit that ran although its answer was lost has emptied `taken`, so nothing
 * is stored twice.  A single entry goes the short way: BLMOVE brings it, submit
 * stores it (dropping it from `taken` by value), and a take behind it in the
 * same pipeline looks for more.  An entry over the limit goes the long way,
 * where it is cut.  A wait that brought nothing ends in a take as well: the
 * BLMOVE of a scheduler that was frozen when it lost the lease may still have
 * moved an entry to `taken`.
 *
 * An error answer (a key of another type, no memory) is tried again ever more
 * slowly, and told once.
 *
 * Memory of this process that is short is no document's fault: the entry stays in `taken` and is
 * tried again.  After SHORT_TRIES, or when schedulers ended over it (take.lua counts that), it is
 * set aside in `aside`, with an alert.  It is not refused by a result, as it may be a good job: who
 * moves it back to the intake has it run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "common/queue/job.h"
#include "common/queue/scripts.h"
#include "common/queue/submit.h"
#include "scheduler/scheduler.h"

enum { WAIT_MS = 5000, RETRY_MS = 200, RETRY_MAX_MS = 5000, QUIET_MS = 2 };
enum { BATCH_BYTES = 16 << 20 }; /* of one submit */
enum { SHORT_TRIES = 6 };        /* of an entry that memory does not suffice for */
enum { TRIM_BYTES = 64 << 10 };  /* a tree may take a hundred times the bytes of its document */
enum { BEGINS = 200 };

struct intake {
    struct scheduler *s;
    struct job_defaults defaults;
    bool running;
    const char *blocked;    /* why nothing is taken; NULL: it is */
    bool busy;              /* a take is under way */
    bool waiting;           /* BLMOVE is under way */
    bool crossed;           /* a take was sent meanwhile: it may show what BLMOVE brings */
    bool took;              /* the last take was answered */
    unsigned takes;         /* numbers those that follow one without answer */
    int short_tries;        /* of the oldest entry, without memory for it */
    char aside[BEGINS + 1]; /* how the entry begins that is to be set aside; "" none */
    bool failed; /* the last submit failed: pause before what it left in `taken` is tried again */
    int64_t moved_ms;   /* when BLMOVE last brought an entry */
    size_t submits;     /* under way */
    int64_t expires_ms; /* the shortest expires_in_ms of their jobs; INT64_MAX: none */
    int64_t pause_ms;   /* before the next try */
    struct loop_timer *retry;
};

static void intake_take(struct intake *i);
static void next(struct intake *i);

static void on_retry(void *arg)
{
    struct intake *i = arg;

    i->retry = NULL;
    intake_take(i);
}

static void later(struct intake *i)
{
    if (!i->retry && i->running)
        i->retry = loop_after(i->s->loop, i->pause_ms, on_retry, i);
}

/* Redis refuses: more slowly from now on, and say so once. */
static void refused(struct intake *i, const char *what, const struct err *err)
{
    bool first = i->pause_ms == RETRY_MS;

    log_err(first ? LOG_WARN : LOG_DEBUG, what, err);
    if (first && reply_error(err, "WRONGTYPE"))
        scheduler_alert(i->s, "wrong_type", key(&i->s->keys, KEY_INTAKE),
                        "a key that the intake needs is of another type, so nothing is taken in: "
                        "delete or rename it (TYPE tells which of intake, taken, delayed, "
                        "expiring, results, alerts or ready:... it is)");
    i->pause_ms = i->pause_ms * 2 < RETRY_MAX_MS ? i->pause_ms * 2 : RETRY_MAX_MS;
}

/* ---- submit ---- */

/* False: there is no memory for it now. */
static bool check_entry(struct intake *i, struct submit *batch, struct span entry)
{
    struct job_checked c;
    struct err err = {0};

    if (job_check(entry, &i->defaults, &c, &err)) {
        if (c.job.expires_in_ms > 0)
            i->expires_ms = min64(i->expires_ms, c.job.expires_in_ms);
        submit_job(batch, &c);
    } else if (err.kind == ERR_MEMORY) {
        return false;
    } else {
        submit_refusal(batch, &c, &err);
        log_event(LOG_DEBUG, "intake.rejected", "job=%s code=%s msg=%s", log_quote(c.id),
                  err_code(err.kind), log_quote(err.msg));
    }
    if (entry.n > TRIM_BYTES)
        loop_trim_memory(i->s->loop);
    return true;
}

/* Of the oldest entry. */
static void no_memory(struct intake *i, struct span entry)
{
    const struct err err = {.kind = ERR_MEMORY, .msg = "no memory to check a document"};

    loop_trim_memory(i->s->loop);
    refused(i, "intake.check", &err);
    if (++i->short_tries >= SHORT_TRIES) {
        i->short_tries = 0;
        snprintf(i->aside, sizeof i->aside, "%.*s", (int)(entry.n < BEGINS ? entry.n : BEGINS),
                 entry.p);
    }
    later(i);
}

static void on_submitted(void *arg, struct submit *batch, const char *codes, int64_t due_ms,
                         const struct err *err)
{
    struct intake *i = arg;

    submit_free(batch);
    i->submits--;
    if (i->expires_ms < INT64_MAX)
        expirer_due_in(i->s->expirer, i->expires_ms);
    if (i->submits == 0)
        i->expires_ms = INT64_MAX;
    if (codes) {
        i->pause_ms = RETRY_MS;
        if (due_ms >= 0)
            promoter_due_in(i->s->promoter, due_ms);
        return;
    }
    if (err->kind == ERR_REDIS && strcmp(err->msg, "deposed") == 0)
        lease_lost(i->s->lease);
    else if (err->kind == ERR_REDIS_LOST)
        log_err(LOG_WARN, "intake.submit", err); /* they are still in `taken`, or stored */
    else
        refused(i, "intake.submit", err); /* they are still in `taken` */
    i->failed = true;
    if (!i->busy)
        later(i);
}

static void send_submit(struct intake *i, struct submit *batch, size_t drop, struct span value)
{
    const struct submit_how how = {.lease = lease_token(i->s->lease),
                                   .drop = drop,
                                   .drop_value = value,
                                   .ids_ms = i->s->cfg->retention_ids_ms,
                                   .reply_ms = i->s->cfg->limits_reply_ttl_ms};

    i->submits++;
    submit_send(batch, i->s->redis, &how, on_submitted, i);
}

/* ---- take ---- */

static void on_taken(void *arg, const struct reply *reply, const struct err *err)
{
    struct intake *i = arg;
    const struct reply *entries = reply_at(reply, 2);
    size_t n = reply_count(entries);
    struct submit *batch;
    size_t done = 0, bytes = 0;

    i->busy = false;
    if (!reply) {
        if (err->kind == ERR_REDIS)
            refused(i, "intake.take", err);
        else
            i->took = false;
        later(i);
        return;
    }
    if (scheduler_deposed(i->s, reply) || !i->running)
        return;
    i->took = true;
    i->aside[0] = '\0';
    if (i->failed) {
        i->failed = false;
        later(i);
        return;
    }
    if (i->submits > 0) { /* its script was not loaded: what was shown is being stored */
        intake_take(i);
        return;
    }
    if (n == 0) {
        i->pause_ms = RETRY_MS;
        next(i);
        return;
    }
    batch = submit_new(&i->s->keys);
    for (; done < n && bytes < BATCH_BYTES; done++) { /* the oldest is the last */
        struct span entry = reply_span(reply_at(entries, n - 1 - done));

        if (!check_entry(i, batch, entry))
            break;
        bytes += entry.n;
    }
    if (done == 0) {
        submit_free(batch);
        no_memory(i, reply_span(reply_at(entries, n - 1)));
        return;
    }
    i->short_tries = 0;
    send_submit(i, batch, done, (struct span){"", 0});
    intake_take(i);
}

static void intake_take(struct intake *i)
{
    struct redis_args a;
    char word[64];

    if (i->busy || !i->running || i->blocked)
        return;
    i->busy = true;
    i->crossed = i->waiting;
    snprintf(word, sizeof word, "%s-%u", lease_token(i->s->lease), i->takes++);
    redis_args_make(&a, key(&i->s->keys, KEY_LEASE), key(&i->s->keys, KEY_INTAKE),
                    key(&i->s->keys, KEY_TAKEN), key(&i->s->keys, KEY_PORTION),
                    key(&i->s->keys, KEY_ASIDE), key(&i->s->keys, KEY_ALERTS),
                    key(&i->s->keys, KEY_ALERTED), lease_token(i->s->lease),
                    i->s->cfg->scheduler_take_jobs, i->s->cfg->scheduler_take_bytes,
                    i->s->cfg->limits_job_bytes + 1, i->took ? "" : word, i->aside, ALERT_AGAIN_MS);
    redis_script(i->s->redis, script(SCRIPT_TAKE), 7, &a, on_taken, i);
}

/* ---- wait ---- */

/* Entries that come now and then are waited for again at once: a take for each would only stand in
 * the way of the worker that wants this one.  BLMOVE answers a burst at once, and then it is taken.
 */
static void look_for_more(struct intake *i)
{
    int64_t now = clock_mono_ms();
    bool quiet = now - i->moved_ms > QUIET_MS;

    i->moved_ms = now;
    if (quiet)
        next(i);
    else
        intake_take(i);
}

static void on_moved(void *arg, const struct reply *reply, const struct err *err)
{
    struct intake *i = arg;
    struct span entry = reply_span(reply);
    struct submit *batch;

    (void)err;
    i->waiting = false;
    if (!reply) {
        later(i); /* unknown: the take will tell */
        return;
    }
    if (!i->running)
        return;
    if (entry.n && entry.n <= (size_t)i->s->cfg->limits_job_bytes && !i->busy && !i->crossed &&
        redis_is_ready(i->s->redis)) { /* an empty one cannot be dropped by value */
        batch = submit_new(&i->s->keys);
        if (check_entry(i, batch, entry)) {
            send_submit(i, batch, 0, entry);
            look_for_more(i);
        } else {
            submit_free(batch);
            intake_take(i);
        }
    } else {
        intake_take(i);
    }
}

static void wait_for_one(struct intake *i)
{
    struct redis_args a;

    if (!redis_is_ready(i->s->intake_wait)) {
        later(i);
        return;
    }
    i->waiting = true;
    redis_args_make(&a, "BLMOVE", key(&i->s->keys, KEY_INTAKE), key(&i->s->keys, KEY_TAKEN),
                    "RIGHT", "LEFT", "5");
    redis_send_blocking(i->s->intake_wait, &a, WAIT_MS, on_moved, i);
}

/* Nothing in hand: wait, unless something failed; then look first. */
static void next(struct intake *i)
{
    if (!i->running || i->blocked || i->busy || i->waiting || i->retry)
        return;
    if (!redis_is_ready(i->s->redis))
        later(i);
    else
        wait_for_one(i);
}

struct intake *intake_new(struct scheduler *s)
{
    struct intake *i = xcalloc(1, sizeof *i);

    i->s = s;
    i->pause_ms = RETRY_MS;
    i->expires_ms = INT64_MAX;
    job_defaults_from(&i->defaults, s->cfg);
    return i;
}

void intake_free(struct intake *i)
{
    if (!i)
        return;
    loop_cancel(&i->retry);
    free(i);
}

/* Nothing is taken before the housekeeper has looked at Redis. */
void intake_start(struct intake *i)
{
    i->running = true;
    i->took = false;
    i->blocked = "not looked at yet";
    i->pause_ms = RETRY_MS;
}

void intake_stop(struct intake *i)
{
    i->running = false;
    loop_cancel(&i->retry);
}

void intake_block(struct intake *i, const char *why)
{
    bool was = i->blocked != NULL;

    i->blocked = why;
    if (was && !why && i->running)
        intake_take(i);
}
