/* holds.c - see holds.h.
 *
 *   holds_make, hold_settle --> open batch --end of turn, or full--> sent --answered--> callbacks, freed
 *                                                                     |  lost
 *                                              unsent, in order <-----+
 *                                                 |  reconnected, or "that is not the period"
 *                                                 +--> sent
 *
 * Redis's clock, which names the periods, is learned from every answer.
 *
 * Redis refuses (a key is of another type): holds get that answer and are not kept, for jobs must not keep
 * slots meanwhile; until the next try new ones get it at once.
 *
 * A Redis that lost its last moments (a crash with appendfsync everysec, a failover) may have an
 * open hold again whose settlement it had acknowledged.  So the last settlements are kept, and sent
 * again at each connect: settling twice changes nothing.
 *
 * A hold that is given up before it was answered is dropped behind its request, and not asked for
 * when the request has to be sent (again).  So when this process has a new id, whose calls these
 * would be, nothing is asked for any more that was wanted under the old one. */
#include "worker/budget/holds.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "common/queue/scripts.h"
#include "worker/budget/holds_private.h"
#include "worker/env.h"

enum {
    BATCH_MAX = 256,
    RECENT_MAX = 2048, /* settlements that are sent again after a reconnect, */
    RECENT_MS = 10000, /* when they are not older than this */
    GRACE_MS = 5000    /* between the hold and the call: the limiter's wait */
};

struct holds {
    const struct env *env;
    struct hold_batch *open;
    struct batcher batcher;
    struct resender sent;
    int64_t offset_ms; /* Redis's clock, less ours */
    uint64_t made;
    struct hold *recent[RECENT_MAX]; /* settled last, a ring; NULL: none */
    size_t recent_next;
};

static void holds_send(struct batch *batch);
static void holds_close(void *arg);

struct holds *holds_new(const struct env *env)
{
    struct holds *s = xcalloc(1, sizeof *s);

    s->env = env;
    s->batcher = (struct batcher){.loop = env->loop, .flush = holds_close, .arg = s};
    resender_init(&s->sent, env, holds_send);
    return s;
}

/* ---- references ---- */

void hold_unref(struct hold *h)
{
    if (--h->refs > 0)
        return;
    free(h->note);
    free(h);
}

void hold_list_add(struct hold_list *l, struct hold *h)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? 2 * l->cap : 8;
        l->items = xrealloc(l->items, l->cap * sizeof(struct hold *));
    }
    l->items[l->count++] = h;
    h->refs++;
}

void hold_list_clear(struct hold_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        hold_unref(l->items[i]);
    free(l->items);
    *l = (struct hold_list){0};
}

static void free_batch(struct hold_batch *b)
{
    hold_list_clear(&b->made);
    hold_list_clear(&b->settled);
    free(b->rows);
    free(b);
}

void holds_free(struct holds *s)
{
    struct batch *b;

    if (!s)
        return;
    batcher_cancel(&s->batcher);
    while ((b = resender_end(&s->sent)))
        free_batch((struct hold_batch *)b);
    if (s->open)
        free_batch(s->open);
    for (size_t i = 0; i < RECENT_MAX; i++)
        if (s->recent[i])
            hold_unref(s->recent[i]);
    free(s);
}

/* ---- what Redis may forget ---- */

static void remember(struct holds *s, const struct hold_list *settled)
{
    for (size_t i = 0; i < settled->count; i++) {
        struct hold **place = &s->recent[s->recent_next++ % RECENT_MAX], *h = settled->items[i];

        if (*place)
            hold_unref(*place);
        *place = h;
        h->refs++;
        h->settled_ms = clock_mono_ms();
        free(TAKE(h->note));
    }
}

/* ---- answers ---- */

static struct hold_batch *open_batch(struct holds *s);

/* The alerts are in Redis already. */
static void log_alerts(const struct reply *alerts)
{
    for (size_t i = 0; i + 3 < reply_count(alerts); i += 4) {
        struct span sum = reply_span(reply_at(alerts, i));

        log_event(LOG_WARN, "budget", "sum=%s percent=%" PRId64 " spent_nanousd=%" PRId64,
                  log_quote_n(sum.p, sum.n), reply_int(reply_at(alerts, i + 1)),
                  reply_int(reply_at(alerts, i + 2)));
    }
}

/* What is left of it waits for the retry. */
static void holds_refuse(struct hold_batch *b)
{
    struct holds *s = b->s;

    hold_batch_refuse(b, s->sent.pause_ms);
    if (b->settled.count)
        return;
    resender_drop(&s->sent, &b->batch);
    free_batch(b);
}

static void holds_on_refusal(struct hold_batch *b, bool first, const struct err *err)
{
    struct holds *s = b->s;

    log_err(first ? LOG_WARN : LOG_DEBUG, "budget.refused", err);
    if (first && reply_error(err, "WRONGTYPE"))
        alert_send(s->env->redis, &s->env->keys, "wrong_type", key(&s->env->keys, KEY_BUDGET),
                   "a key that budgets need is of another type, so jobs with budgets wait: delete "
                   "or rename it (TYPE shows which of budget, holds and holds-due it is)");
    holds_refuse(b);
}

static void holds_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct hold_batch *b = arg;
    struct holds *s = b->s;

    if (!reply) {
        bool first = resender_failed(&s->sent, &b->batch, err);

        if (err->kind != ERR_REDIS_LOST)
            holds_on_refusal(b, first, err);
        return;
    }
    s->offset_ms = reply_int(reply_at(reply, 1)) - clock_wall_ms();
    if (reply_is(reply_at(reply, 0), "period")) {
        if (b->tries < 5)
            holds_send(&b->batch);
        else
            resender_postpone(&s->sent, &b->batch);
        return;
    }
    resender_answered(&s->sent, &b->batch);
    log_alerts(reply_at(reply, 3));
    hold_batch_hear(b, reply);
    remember(s, &b->settled);
    free_batch(b);
}

/* ---- sending ---- */

static void holds_send(struct batch *batch)
{
    struct hold_batch *b = (struct hold_batch *)batch;
    struct redis_args a;

    b->tries++;
    hold_batch_write(b, b->s->env, clock_wall_ms() + b->s->offset_ms, &a);
    redis_script(b->s->env->redis, script(SCRIPT_BUDGET), 7, &a, holds_on_answer, b);
}

static void settle_again(struct holds *s)
{
    int64_t since_ms = clock_mono_ms() - RECENT_MS;

    for (size_t i = 0; i < RECENT_MAX; i++) {
        struct hold *h = TAKE(s->recent[i]);

        if (h && h->settled_ms >= since_ms)
            hold_list_add(&open_batch(s)->settled, h);
        if (h)
            hold_unref(h);
    }
}

void holds_reconnected(struct holds *s)
{
    settle_again(s);
    resender_resend(&s->sent);
}

static void holds_close(void *arg)
{
    struct holds *s = arg;
    struct hold_batch *b = TAKE(s->open);

    if (!b)
        return;
    if (b->made.count + b->settled.count == 0) { /* all was taken back */
        free_batch(b);
    } else if (s->sent.refused && s->sent.retry) {
        resender_keep(&s->sent, &b->batch);
        holds_refuse(b);
    } else {
        resender_add(&s->sent, &b->batch);
    }
}

void holds_flush(struct holds *s) { batcher_flush(&s->batcher); }

static struct hold_batch *open_batch(struct holds *s)
{
    if (s->open && s->open->made.count + s->open->settled.count >= BATCH_MAX)
        holds_close(s);
    if (!s->open) {
        s->open = xcalloc(1, sizeof *s->open);
        s->open->s = s;
    }
    batcher_soon(&s->batcher);
    return s->open;
}

/* ---- what callers do ---- */

struct hold *holds_make(struct holds *s, const struct hold_want *w, hold_cb *cb, void *arg)
{
    const struct config *cfg = s->env->cfg;
    struct hold *h = xcalloc(1, sizeof *h);

    *h = (struct hold){.s = s,
                       .refs = 1,
                       .cb = cb,
                       .arg = arg,
                       .asked = true,
                       .amount_nanousd = w->amount_nanousd,
                       .ttl_ms = w->call_ms + cfg->workers_lease_ms + GRACE_MS,
                       .count = w->count,
                       .note = xstrndup(w->note.n ? w->note.p : "", w->note.n),
                       .cfg = cfg};
    if (w->count)
        memcpy(h->budgets, w->budgets, w->count);
    snprintf(h->id, sizeof h->id, "%s:%s.%" PRIu64, w->job, w->token, ++s->made);
    snprintf(h->tenant, sizeof h->tenant, "%.*s", (int)w->tenant.n, w->tenant.n ? w->tenant.p : "");
    hold_list_add(&open_batch(s)->made, h);
    return h;
}

/* In one call of the script settling comes first, so a hold that is still in the open batch is only
 * taken out of it. */
static bool take_back(struct hold *h)
{
    struct hold_list *l = h->asked && h->s->open ? &h->s->open->made : NULL;

    for (size_t i = 0; l && i < l->count; i++)
        if (l->items[i] == h) {
            memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(struct hold *));
            l->count--;
            h->refs--; /* the batch's; the owner's is still there */
            return true;
        }
    return false;
}

static void give_up(struct hold *h)
{
    h->cb = NULL;
    h->given_up = true;
    hold_unref(h);
}

/* A note alone goes with the cost of its call: there is nothing to settle. */
void hold_settle(struct hold **take_h, int64_t cost_nanousd)
{
    struct hold *h = TAKE(*take_h);

    if (!h)
        return;
    h->cost_nanousd = cost_nanousd;
    h->called = true;
    if (h->count)
        hold_list_add(&open_batch(h->s)->settled, h);
    give_up(h);
}

void hold_drop(struct hold **take_h)
{
    struct hold *h = TAKE(*take_h);

    if (!h)
        return;
    if (!take_back(h)) {
        h->may_come |= h->asked;
        hold_list_add(&open_batch(h->s)->settled, h);
    }
    give_up(h);
}

const char *hold_name(const struct hold *h) { return h->id; }

void hold_abandon(struct hold **take_h)
{
    struct hold *h = TAKE(*take_h);

    if (!h)
        return;
    (void)take_back(h);
    give_up(h);
}
