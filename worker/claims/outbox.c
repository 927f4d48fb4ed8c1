/* outbox.c - see outbox.h.
 *
 *   open batch --end of turn, or full--> sent --answered--> runs settled
 *                                         |  lost
 *                                         +--> unsent, in order --reconnected--> sent
 *
 * When completions trickle in one by one at a high rate, a batch is held open
 * for up to HOLD_MS so that they share a script call; at a low rate it goes at
 * the end of the turn. */
#include "worker/claims/outbox.h"

#include <stdlib.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"

enum { HOLD_MS = 2, RETRY_MS = 200, RETRY_MAX_MS = 5000, FULL_BYTES = 1 << 20 };

struct batch {
    struct outbox *o;
    struct settle *settle;
    bool sent;
    struct batch *prev, *next;
};

struct outbox {
    struct claimer *claimer;
    struct settle *open[SETTLE_KINDS];
    struct batch *batches; /* sent or to be sent again, in order */
    size_t waiting;
    bool deferred;
    bool refused; /* Redis refused the last one; said once */
    int64_t last_flush_us;
    struct loop_timer *hold, *retry;
    int64_t pause_ms; /* before the next retry: Redis refuses */
};

static void outbox_on_turn_end(void *arg);

struct outbox *outbox_new(struct claimer *h)
{
    struct outbox *o = xcalloc(1, sizeof *o);

    o->claimer = h;
    o->pause_ms = RETRY_MS;
    return o;
}

/* Its runs are gone, or never were; of costs something is left. */
static void drop(struct outbox *o, struct settle *s)
{
    for (size_t i = 0; s && settle_kind_of(s) == SETTLE_TELL && i < settle_count(s); i++)
        o->claimer->ops->costs_reported(o->claimer, settle_item(s, i), SETTLE_STALE);
    settle_free(s);
}

void outbox_free(struct outbox *o)
{
    struct batch *b, *tmp;

    if (!o)
        return;
    loop_cancel(&o->hold);
    loop_cancel(&o->retry);
    loop_undefer(o->claimer->env->loop, outbox_on_turn_end, o);
    DL_FOREACH_SAFE(o->batches, b, tmp)
    {
        redis_forget(o->claimer->env->redis, b->settle);
        drop(o, b->settle);
        free(b);
    }
    for (int kind = 0; kind < SETTLE_KINDS; kind++)
        drop(o, o->open[kind]);
    free(o);
}

bool outbox_is_empty(const struct outbox *o) { return o->waiting == 0; }
size_t outbox_waiting(const struct outbox *o) { return o->waiting; }

/* ---- answers ---- */

static void resend_later(struct outbox *o);

/* Once, and not for each batch five times a second. */
static void note(struct outbox *o, const struct err *refusal)
{
    if (refusal && !o->refused)
        log_err(LOG_WARN, "outbox.refused", refusal);
    else if (!refusal && o->refused)
        log_event(LOG_INFO, "outbox.written", "waiting=%zu", o->waiting);
    o->refused = refusal != NULL;
}

static void on_settled(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct batch *b = arg;
    struct outbox *o = b->o;
    struct claimer *h = o->claimer;
    size_t n = settle_count(s);

    if (!codes) {
        b->sent = false;
        if (err->kind != ERR_REDIS_LOST) {
            note(o, err);
            resend_later(o);
        }
        return; /* a lost connection: outbox_resend comes when it is back */
    }
    note(o, NULL);
    o->pause_ms = RETRY_MS;
    DL_DELETE(o->batches, b);
    o->waiting -= n;
    for (size_t i = 0; i < n; i++) {
        if (settle_kind_of(s) == SETTLE_TELL)
            h->ops->costs_reported(h, settle_item(s, i), codes[i]);
        else
            h->ops->settled(h, settle_item(s, i), codes[i]);
    }
    settle_free(s);
    free(b);
    claimer_kick(h);
}

static void outbox_send(struct outbox *o, struct batch *b)
{
    const struct config *c = o->claimer->env->cfg;
    const struct settle_who who = {.keys = &o->claimer->env->keys,
                                   .worker = o->claimer->env->id,
                                   .ids_ms = c->retention_ids_ms,
                                   .dead_ms = c->retention_dead_ms,
                                   .reply_ms = c->limits_reply_ttl_ms};

    b->sent = true;
    settle_send(b->settle, o->claimer->env->redis, &who, on_settled, b);
}

void outbox_resend(struct outbox *o)
{
    struct batch *b, *tmp;

    loop_cancel(&o->retry);
    DL_FOREACH_SAFE(o->batches, b, tmp)
    {
        if (!b->sent)
            outbox_send(o, b);
    }
}

static void on_retry(void *arg)
{
    struct outbox *o = arg;

    o->retry = NULL;
    if (redis_is_ready(o->claimer->env->redis))
        outbox_resend(o);
}

static void resend_later(struct outbox *o)
{
    if (o->retry)
        return;
    o->retry = loop_after(o->claimer->env->loop,
                          o->pause_ms / 2 + random_below(o->pause_ms / 2 + 1), on_retry, o);
    o->pause_ms = min64(2 * o->pause_ms, RETRY_MAX_MS);
}

/* ---- flushing ---- */

static void close_batch(struct outbox *o, enum settle_kind kind)
{
    struct batch *b;

    if (!o->open[kind])
        return;
    b = xcalloc(1, sizeof *b);
    b->o = o;
    b->settle = TAKE(o->open[kind]);
    DL_APPEND(o->batches, b);
    if (redis_is_ready(o->claimer->env->redis))
        outbox_send(o, b);
}

void outbox_flush(struct outbox *o)
{
    loop_cancel(&o->hold);
    o->last_flush_us = clock_mono_us();
    close_batch(o, SETTLE_FINISH);
    close_batch(o, SETTLE_DEFER);
    close_batch(o, SETTLE_TELL);
}

static void on_hold_over(void *arg)
{
    struct outbox *o = arg;

    o->hold = NULL;
    outbox_flush(o);
}

static void outbox_on_turn_end(void *arg)
{
    struct outbox *o = arg;

    o->deferred = false;
    if (clock_mono_us() - o->last_flush_us >= HOLD_MS * INT64_C(1000))
        outbox_flush(o);
    else if (!o->hold)
        o->hold = loop_after(o->claimer->env->loop, HOLD_MS, on_hold_over, o);
    o->claimer->ops->kick(
        o->claimer); /* the slots are free already: claim behind the outcomes, not after them */
}

static struct settle *open_batch(struct outbox *o, enum settle_kind kind)
{
    if (!o->open[kind])
        o->open[kind] = settle_new(kind);
    o->waiting++;
    return o->open[kind];
}

static void added(struct outbox *o, enum settle_kind kind)
{
    const struct settle *s = o->open[kind];

    if (settle_count(s) >= (size_t)o->claimer->env->cfg->workers_batch_jobs ||
        settle_bytes(s) >= FULL_BYTES)
        close_batch(o, kind);
    if (!o->deferred) {
        o->deferred = true;
        loop_defer(o->claimer->env->loop, outbox_on_turn_end, o);
    }
}

void outbox_finish(struct outbox *o, const struct finish *f, struct run *r)
{
    settle_finish(open_batch(o, SETTLE_FINISH), f, r);
    added(o, SETTLE_FINISH);
}

void outbox_defer(struct outbox *o, const struct defer *d, struct run *r)
{
    settle_defer(open_batch(o, SETTLE_DEFER), d, r);
    added(o, SETTLE_DEFER);
}

void outbox_tell(struct outbox *o, const struct tell *t, struct cost_report *report)
{
    settle_tell(open_batch(o, SETTLE_TELL), t, report);
    added(o, SETTLE_TELL);
}
