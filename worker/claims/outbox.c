/* outbox.c - see outbox.h.
 *
 *   open batch ──end of turn, or full──▶ resender (batcher.h) ──answered──▶ runs settled
 *
 * When completions trickle in one by one at a high rate, a batch is held open for up to HOLD_MS so
 * that they share a script call.  At a low rate it goes at the end of the turn.  While starts are
 * under way it waits 1 ms longer, twice at most: Redis would answer them after it has run the whole
 * batch, and slots would be empty for that long.  A realtime job whose producer waits for the reply
 * waits for none of this. */
#include "worker/claims/outbox.h"

#include <stdlib.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/batcher.h"

enum { HOLD_MS = 3, YIELD_MS = 1, YIELDS = 2, FULL_BYTES = 1 << 20 };

struct outbox_batch {
    struct batch batch;
    struct outbox *o;
    struct settle *settle;
};

struct outbox {
    struct claimer *claimer;
    struct settle *open[SETTLE_KINDS];
    struct batcher batcher;
    struct resender sent;
    size_t waiting;
    int yields; /* to starts, of the open batch */
};

static void outbox_send(struct batch *batch);
static void outbox_on_due(void *arg);

struct outbox *outbox_new(struct claimer *h)
{
    struct outbox *o = xcalloc(1, sizeof *o);

    o->claimer = h;
    o->batcher = (struct batcher){
        .loop = h->env->loop, .every_ms = HOLD_MS, .flush = outbox_on_due, .arg = o};
    resender_init(&o->sent, h->env, outbox_send);
    return o;
}

/* Its runs are gone, or never were.  Reports of costs still have an owner. */
static void outbox_drop(struct outbox *o, struct settle *s)
{
    for (size_t i = 0; s && settle_kind_of(s) == SETTLE_TELL && i < settle_count(s); i++)
        o->claimer->ops->costs_reported(o->claimer, settle_item(s, i), SETTLE_STALE);
    settle_free(s);
}

void outbox_free(struct outbox *o)
{
    struct outbox_batch *b;

    if (!o)
        return;
    batcher_cancel(&o->batcher);
    while ((b = (struct outbox_batch *)resender_end(&o->sent))) {
        redis_forget(o->claimer->env->redis, b->settle);
        outbox_drop(o, b->settle);
        free(b);
    }
    for (int kind = 0; kind < SETTLE_KINDS; kind++)
        outbox_drop(o, o->open[kind]);
    free(o);
}

bool outbox_is_empty(const struct outbox *o) { return o->waiting == 0; }
size_t outbox_waiting(const struct outbox *o) { return o->waiting; }

/* ---- sending ---- */

static void outbox_on_settled(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct outbox_batch *b = arg;
    struct outbox *o = b->o;
    struct claimer *h = o->claimer;
    size_t n = settle_count(s);

    if (!codes) {
        if (resender_failed(&o->sent, &b->batch, err)) /* and not for each batch at each retry */
            log_err(LOG_WARN, "outbox.refused", err);
        return;
    }
    if (o->sent.refused)
        log_event(LOG_INFO, "outbox.written", "waiting=%zu", o->waiting);
    resender_answered(&o->sent, &b->batch);
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

static void outbox_send(struct batch *batch)
{
    struct outbox_batch *b = (struct outbox_batch *)batch;
    const struct env *env = b->o->claimer->env;
    const struct settle_who who = {.keys = &env->keys,
                                   .worker = env->id,
                                   .ids_ms = env->cfg->retention_ids_ms,
                                   .dead_ms = env->cfg->retention_dead_ms,
                                   .reply_ms = env->cfg->limits_reply_ttl_ms};

    settle_send(b->settle, env->redis, &who, outbox_on_settled, b);
}

void outbox_resend(struct outbox *o) { resender_resend(&o->sent); }

static void close_kind(struct outbox *o, enum settle_kind kind)
{
    struct outbox_batch *b;

    if (!o->open[kind])
        return;
    b = xcalloc(1, sizeof *b);
    b->o = o;
    b->settle = TAKE(o->open[kind]);
    resender_add(&o->sent, &b->batch);
}

/* Costs first: behind the end of their job they would be taken for those of somebody else's. */
static void outbox_close(struct outbox *o, enum settle_kind kind)
{
    close_kind(o, SETTLE_TELL);
    close_kind(o, kind);
}

static void outbox_on_due(void *arg)
{
    struct outbox *o = arg;

    if (o->claimer->starting > 0 && o->yields++ < YIELDS) {
        batcher_in(&o->batcher, YIELD_MS);
        return;
    }
    o->yields = 0;
    for (int kind = 0; kind < SETTLE_KINDS; kind++)
        outbox_close(o, (enum settle_kind)kind);
}

/* ---- adding ---- */

/* For one more outcome of so many bytes.  A large one begins a batch of its own: a batch that is
 * larger than a command may be would be refused for ever. */
static struct settle *outbox_open(struct outbox *o, enum settle_kind kind, size_t bytes)
{
    if (o->open[kind] && settle_bytes(o->open[kind]) + bytes > FULL_BYTES)
        outbox_close(o, kind);
    if (!o->open[kind])
        o->open[kind] = settle_new(kind);
    o->waiting++;
    return o->open[kind];
}

static void outbox_added(struct outbox *o, enum settle_kind kind)
{
    const struct settle *s = o->open[kind];

    if (settle_count(s) >= (size_t)o->claimer->env->cfg->workers_batch_jobs ||
        settle_bytes(s) >= FULL_BYTES)
        outbox_close(o, kind);
    batcher_soon(&o->batcher);
    claimer_kick_later(o->claimer); /* the slot is free already: claim behind the outcome */
}

void outbox_finish(struct outbox *o, const struct finish *f, struct run *r)
{
    const size_t bytes = f->result.n + f->doc.n + f->webhook_record.n;

    settle_finish(outbox_open(o, SETTLE_FINISH, bytes), f, r);
    outbox_added(o, SETTLE_FINISH);
    if (f->reply && f->held->queue == QUEUE_INFERENCE_REALTIME) {
        o->yields = YIELDS;
        batcher_in(&o->batcher, 0);
    }
}

void outbox_defer(struct outbox *o, const struct defer *d, struct run *r)
{
    settle_defer(outbox_open(o, SETTLE_DEFER, d->body.n), d, r);
    outbox_added(o, SETTLE_DEFER);
}

void outbox_tell(struct outbox *o, const struct tell *t, struct cost_report *report)
{
    settle_tell(outbox_open(o, SETTLE_TELL, 0), t, report);
    outbox_added(o, SETTLE_TELL);
}
