/* limiter_sync.c - one round: everything that Redis is to know of all buckets, and back.
 *
 * Rounds come every limits.sync_ms while calls are made; sooner, but not more
 * often than every SOON_MS, while somebody has no ticket; at once after a
 * refusal.  An idle process makes none, and neither does one without Redis.  A
 * round whose answer is lost reports again with the next; tickets that it may
 * have taken lapse. */
#include <stdio.h>
#include <stdlib.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/limit/limiter_private.h"

#define SOON_MS     20
#define SLOTS_MS    1000 /* rounds that only keep slots */
#define REFUSED_MS  1000 /* after one that Redis answered with an error */
#define BUSY_US     INT64_C(2000000)
#define FORGET_US   INT64_C(600000000)
#define HOUR_US     INT64_C(3600000000)
#define ROUND_MAX   64
#define SLOTS_AHEAD 4

struct limiter_round {
    struct limiter *l; /* NULL: the limiter has gone */
    size_t n;
    struct {
        struct limiter_bucket *b;
        struct slice_ask ask;
    } items[];
};

static void begin(struct limiter *l);

/* ---- what is to be said ---- */

static int64_t count_calls(const struct limiter_call *list, double *tokens, int64_t most)
{
    const struct limiter_call *c;
    int64_t n = 0;

    DL_FOREACH(list, c)
    {
        n++;
        *tokens += c->tokens;
        if (n == most)
            break;
    }
    return n;
}

static void needs_of(const struct limiter_bucket *b, double needs[BUCKET_LANES][BUCKET_CLASSES])
{
    for (int k = 0; k < BUCKET_CLASSES; k++) {
        double tokens = 0;

        needs[BUCKET_CALLS][k] = (double)count_calls(b->asks[k], &tokens, INT64_MAX);
        needs[BUCKET_TOKENS][k] = b->slice.b.lane[BUCKET_TOKENS].rate > 0 ? tokens : 0;
    }
}

/* Calls that would like to be under way. */
static int64_t slots_wanted(const struct limiter_bucket *b)
{
    int64_t n = b->going;
    double tokens = 0;

    for (int k = 0; k < BUCKET_CLASSES; k++)
        n += count_calls(b->asks[k], &tokens, b->most) + count_calls(b->waits[k], &tokens, b->most);
    return n > b->going || b->going > 0 ? n + SLOTS_AHEAD : n;
}

static bool is_waited_for(const struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        if (b->asks[k] || b->waits[k] || b->away[k].waits)
            return true;
    return false;
}

static bool is_busy(const struct limiter_bucket *b, int64_t now)
{
    return is_waited_for(b) || slice_has_news(&b->slice) || now - b->used_us < BUSY_US;
}

static bool keeps_slots(const struct limiter_bucket *b)
{
    return b->most > 0 && (b->going > 0 || b->granted > 0);
}

static void add_bucket(struct redis_args *a, const struct limiter_bucket *b,
                       const struct slice_ask *k)
{
    const double *const lists[] = {k->sent,
                                   &k->refused,
                                   k->wants[BUCKET_CALLS],
                                   k->wants[BUCKET_TOKENS],
                                   k->back[BUCKET_CALLS],
                                   k->back[BUCKET_TOKENS]};
    const int counts[] = {BUCKET_LANES,  1, BUCKET_CLASSES, BUCKET_CLASSES, BUCKET_CLASSES,
                          BUCKET_CLASSES};
    struct buf seen = BUF(BUCKET_TEXT);
    char text[32];

    redis_arg_str(a, b->name);
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (int j = 0; j < counts[i]; j++)
            redis_arg_int(a, (int64_t)lists[i][j]);
    redis_arg(a, &k->change, 1);
    redis_args_add(a, k->expects, k->pause_us);
    for (int i = 0; i < BUCKET_LANES; i++) {
        snprintf(text, sizeof text, "%.9g", k->rate[i]);
        redis_arg_str(a, text);
    }
    redis_arg_str(a, k->control);
    if (k->seen)
        bucket_write(k->seen, &seen);
    redis_arg(a, seen.p, seen.n);
    buf_done(&seen);
    redis_args_add(a, b->most, b->most > 0 ? slots_wanted(b) : 0);
}

/* ---- the answer ---- */

static bool hear(struct limiter_bucket *b, const struct slice_ask *ask, const struct reply *reply,
                 size_t i, int64_t now)
{
    if (!slice_hear(&b->slice, ask, reply_span(reply_at(reply, 1 + 2 * i)), now))
        return false;
    b->granted = reply_int(reply_at(reply, 2 + 2 * i));
    b->starved_us = 0;
    return true;
}

static void limiter_sync_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct limiter_round *o = arg;
    struct limiter *l = o->l;
    int64_t now = clock_mono_us();

    if (!l) {
        free(o);
        return;
    }
    l->round = NULL;
    if (!reply && err->kind == ERR_REDIS && !l->refused)
        log_err(LOG_WARN, "limit", err);
    l->refused = !reply && err->kind == ERR_REDIS;
    for (size_t i = 0; i < o->n; i++) {
        struct limiter_bucket *b = o->items[i].b;
        int64_t cuts = b->slice.b.cuts;

        if (!reply || !hear(b, &o->items[i].ask, reply, i, now))
            slice_lost(&b->slice, &o->items[i].ask, now);
        else if (o->items[i].ask.change == 'c' && b->slice.b.cuts == cuts + 1)
            log_event(LOG_INFO, "rate.cut", "bucket=%s per_s=%.1f met=%.1f", b->name,
                      b->slice.b.lane[BUCKET_CALLS].rate, b->slice.rate[BUCKET_CALLS].line.met);
    }
    for (size_t i = 0; i < o->n; i++) {
        limiter_recall(o->items[i].b);
        limiter_serve(o->items[i].b);
        if (o->items[i].b->slice.cut) /* it came while this round was on its way */
            limiter_sync_now(l);
    }
    free(o);
    limiter_sync_later(l);
}

/* ---- rounds ---- */

static void send_round(struct limiter *l, struct limiter_round *o)
{
    struct redis_args a;

    redis_args_make(&a, key(&l->env->keys, KEY_BUCKET), l->env->id, l->env->cfg->workers_lease_ms);
    for (size_t i = 0; i < o->n; i++)
        add_bucket(&a, o->items[i].b, &o->items[i].ask);
    l->round = o;
    l->asked_us = clock_mono_us();
    redis_script(l->env->redis, script(SCRIPT_LIMIT), 1, &a, limiter_sync_on_answer, o);
}

void limiter_forget(struct limiter_bucket *b)
{
    HASH_DEL(b->l->buckets, b);
    loop_cancel(&b->timer);
    limiter_postponed_free(b);
    free(b);
}

static bool is_under_way(const struct limiter_round *o, const struct limiter_bucket *b)
{
    for (size_t i = 0; o && i < o->n; i++)
        if (o->items[i].b == b)
            return true;
    return false;
}

/* Calls that taught nothing of a rate need not be reported; and postponed jobs come without it. */
static bool is_needed(const struct limiter_bucket *b)
{
    return b->calls || keeps_slots(b) ||
           (slice_has_learned(&b->slice) && slice_has_news(&b->slice));
}

void limiter_make_room(struct limiter *l)
{
    struct limiter_bucket *b, *oldest = NULL;
    int64_t least = INT64_MAX;

    for (b = l->buckets; b; b = b->hh.next) {
        int64_t rank = b->used_us - (slice_has_learned(&b->slice) ? 0 : HOUR_US);

        if (rank < least && !is_needed(b) && !is_under_way(l->round, b)) {
            oldest = b;
            least = rank;
        }
    }
    if (oldest)
        limiter_forget(oldest);
}

/* Behind all others: when there are more than one round takes, the next begins with those. */
static void put_last(struct limiter *l, const struct limiter_round *o)
{
    for (size_t i = 0; i < o->n; i++) {
        HASH_DEL(l->buckets, o->items[i].b);
        HASH_ADD_STR(l->buckets, name, o->items[i].b);
    }
}

static void add_to_round(struct limiter_round *o, struct limiter_bucket *b, int64_t now)
{
    double needs[BUCKET_LANES][BUCKET_CLASSES];

    needs_of(b, needs);
    o->items[o->n].b = b;
    slice_ask(&b->slice, needs, (double)o->l->env->cfg->limits_start_rate, now,
              &o->items[o->n++].ask);
}

/* Those for which somebody asks come first. */
static void begin(struct limiter *l)
{
    struct limiter_round *o;
    struct limiter_bucket *b, *tmp;
    int64_t now = clock_mono_us();

    if (l->round || !redis_is_ready(l->env->redis))
        return;
    o = xcalloc(1, sizeof *o + ROUND_MAX * sizeof o->items[0]);
    o->l = l;
    HASH_ITER(hh, l->buckets, b, tmp)
    {
        if (!b->calls && now - b->used_us > FORGET_US)
            limiter_forget(b);
        else if (o->n < ROUND_MAX && limiter_somebody_asks(b))
            add_to_round(o, b, now);
    }
    for (b = l->buckets; b && o->n < ROUND_MAX; b = b->hh.next)
        if (!limiter_somebody_asks(b) && (is_busy(b, now) || keeps_slots(b)))
            add_to_round(o, b, now);
    if (o->n == ROUND_MAX)
        put_last(l, o);
    if (o->n > 0)
        send_round(l, o);
    else
        free(o);
}

static void limiter_sync_on_timer(void *arg)
{
    struct limiter *l = arg;

    l->timer = NULL;
    begin(l);
    if (!l->round)
        limiter_sync_later(l);
}

static void on_turn(void *arg)
{
    struct limiter *l = arg;

    l->soon = false;
    begin(l);
}

/* ms until the next round is due; -1: none. */
static int64_t pause_ms(const struct limiter *l)
{
    const struct limiter_bucket *b;
    int64_t now = clock_mono_us(), pause = -1;

    for (b = l->buckets; b; b = b->hh.next) {
        if (is_busy(b, now))
            return l->refused ? REFUSED_MS : l->env->cfg->limits_sync_ms;
        if (keeps_slots(b))
            pause = SLOTS_MS;
    }
    return pause;
}

void limiter_sync_later(struct limiter *l)
{
    int64_t pause, since;

    if (l->timer || l->round || !redis_is_ready(l->env->redis))
        return; /* limiter_reconnected() begins again */
    pause = pause_ms(l);
    if (pause < 0)
        return;
    since = (clock_mono_us() - l->asked_us) / 1000;
    l->timer =
        loop_after(l->env->loop, pause > since ? pause - since : 1, limiter_sync_on_timer, l);
}

void limiter_sync_now(struct limiter *l)
{
    if (l->refused)
        limiter_sync_later(l);
    if (l->round || l->soon || l->refused)
        return;
    l->soon = true;
    loop_defer(l->env->loop, on_turn, l);
}

void limiter_sync_soon(struct limiter *l)
{
    int64_t since = (clock_mono_us() - l->asked_us) / 1000;

    if (l->round || l->soon)
        return;
    if (l->refused || since >= SOON_MS) {
        limiter_sync_now(l);
        return;
    }
    loop_cancel(&l->timer);
    l->timer = loop_after(l->env->loop, SOON_MS - since, limiter_sync_on_timer, l);
}

void limiter_reconnected(struct limiter *l)
{
    l->refused = false;
    limiter_postponed_find(l);
    limiter_sync_now(l);
}

void limiter_sync_free(struct limiter *l)
{
    loop_cancel(&l->timer);
    loop_undefer(l->env->loop, on_turn, l);
    if (l->round && l->env->redis) /* its answer is never wanted */
        l->round->l = NULL;
}
