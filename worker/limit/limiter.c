/* limiter.c - who waits for which bucket, and for how long; see limiter.h.
 *
 * A bucket has two queues per class: calls that ask for a ticket, and calls that
 * wait until theirs is due, in the order of the numbers.  Everything that may
 * change that (tickets, time, a call's end) ends in limiter_serve. */
#include "worker/limit/limiter_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/io/http_client.h"
#include "worker/limit/limit_headers.h"

#define NEVER_US      (INT64_MAX / 2)
#define RECHECK_US    1000000
#define ANSWER_TOKENS 256  /* of an answer, before one came */
#define ANSWER_PART   0.05 /* of each answer in the mean */

struct limiter *limiter_new(const struct env *env, struct rooms *rooms)
{
    struct limiter *l = xcalloc(1, sizeof *l);

    l->env = env;
    l->rooms = rooms;
    return l;
}

void limiter_free(struct limiter *l)
{
    struct limiter_bucket *b, *tmp;

    if (!l)
        return;
    limiter_sync_free(l);
    HASH_ITER(hh, l->buckets, b, tmp) { limiter_forget(b); }
    free(l);
}

char *limiter_name(const char *fingerprint, struct span model, char name[LIMITER_NAME])
{
    int n = snprintf(name, LIMITER_NAME, "%s:%.*s", fingerprint,
                     (int)(model.n < LIMITER_NAME ? model.n : LIMITER_NAME), model.p);

    for (int i = 0; i < n && i < LIMITER_NAME - 1; i++)
        if (name[i] == '#') /* limit.lua's mark of another field */
            name[i] = '_';
    return name;
}

struct limiter_bucket *limiter_bucket_of(struct limiter *l, const char *name)
{
    struct limiter_bucket *b = NULL;

    HASH_FIND_STR(l->buckets, name, b);
    if (b)
        return b;
    if (HASH_COUNT(l->buckets) >= LIMITER_BUCKETS)
        limiter_make_room(l);
    b = xcalloc(1, sizeof *b);
    b->l = l;
    b->used_us = clock_mono_us();
    snprintf(b->name, sizeof b->name, "%s", name);
    b->answer_tokens = ANSWER_TOKENS;
    slice_init(&b->slice);
    limiter_postponed_init(b);
    HASH_ADD_STR(l->buckets, name, b);
    return b;
}

bool limiter_is_untried(const struct limiter_call *c)
{
    return c->bucket && !c->bucket->tried && c->bucket->slice.b.cuts == 0;
}

const char *limiter_bucket_name(const struct limiter_call *c)
{
    return c->bucket ? c->bucket->name : "";
}

/* ---- the states of a call ---- */

static void enqueue(struct limiter_bucket *b, struct limiter_call *c)
{
    struct limiter_call **list = &b->waits[c->ticket.class], *at;
    double number = c->ticket.number[BUCKET_CALLS];

    c->state = LIMITER_WAITS;
    if (!*list || (*list)->prev->ticket.number[BUCKET_CALLS] <= number) {
        DL_APPEND(*list, c);
        return;
    }
    for (at = *list; at->ticket.number[BUCKET_CALLS] <= number; at = at->next)
        ;
    DL_PREPEND_ELEM(*list, at, c);
}

static void unlink_call(struct limiter_call *c)
{
    struct limiter_bucket *b = c->bucket;
    enum bucket_class k = c->ticket.class;

    if (c->state == LIMITER_ASKS)
        DL_DELETE(b->asks[k], c);
    else if (c->state == LIMITER_WAITS)
        DL_DELETE(b->waits[k], c);
}

static void out(struct limiter_call *c)
{
    c->state = LIMITER_OUT;
    c->bucket->calls--;
}

static void go(struct limiter_call *c)
{
    struct limiter_bucket *b = c->bucket;

    c->state = LIMITER_GOES;
    c->has_ticket = false;
    c->cuts = b->slice.b.cuts;
    c->epoch = b->slice.b.epoch;
    b->going++;
    if (b->starved_us)
        limiter_spend(b, clock_mono_us());
    slice_sent(&b->slice, c->tokens);
    limiter_sync_later(b->l);
}

/* ---- who may go ---- */

static bool has_room(const struct limiter_bucket *b) { return !b->most || b->going < b->granted; }

/* us until the ticket is due; lapsed ones of a bucket that lacked room are as good as due. */
static int64_t wait_us(struct limiter_bucket *b, const struct limiter_call *c, int64_t now)
{
    int64_t wait = slice_wait_us(&b->slice, &c->ticket, now);

    return wait < 0 && b->most ? 0 : wait;
}

/* Its number is worth nothing any more: another, before all others. */
static void ask_again(struct limiter_bucket *b, struct limiter_call *c)
{
    c->has_ticket = false;
    c->ticket.class = BUCKET_FRONT;
    c->state = LIMITER_ASKS;
    DL_APPEND(b->asks[BUCKET_FRONT], c);
}

static void turn(struct limiter_call *c)
{
    unlink_call(c);
    go(c);
    c->on_turn(c->arg);
}

/* Those who ask get what there is in stock. */
static void give_tickets(struct limiter_bucket *b, int64_t now)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        while (b->asks[k] && slice_take(&b->slice, b->asks[k]->ticket.class, b->asks[k]->tokens,
                                        &b->asks[k]->ticket)) {
            struct limiter_call *c = b->asks[k];
            int64_t wait;

            unlink_call(c);
            c->has_ticket = true;
            enqueue(b, c);
            wait = wait_us(b, c, now);
            if (wait > 0 && wait < NEVER_US)
                c->on_place(c->arg, (wait + 999) / 1000);
        }
}

/* Let those of a class go whose time has come; returns the us until the next. */
static int64_t serve_class(struct limiter_bucket *b, int k, int64_t now)
{
    while (b->waits[k]) {
        struct limiter_call *c = b->waits[k];
        int64_t wait = wait_us(b, c, now);

        if (wait > 0 && wait < NEVER_US)
            return wait;
        if (wait == 0 && !has_room(b))
            return NEVER_US;
        if (wait == 0) {
            turn(c);
        } else {
            unlink_call(c);
            ask_again(b, c);
            limiter_sync_soon(b->l);
        }
    }
    return NEVER_US;
}

static void limiter_on_timer(void *arg)
{
    struct limiter_bucket *b = arg;

    b->timer = NULL;
    limiter_serve(b);
}

bool limiter_somebody_asks(const struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        if (b->asks[k])
            return true;
    return false;
}

static int64_t serve_starved(struct limiter_bucket *b, int64_t now)
{
    if (!limiter_somebody_asks(b)) {
        b->starved_us = 0;
        return NEVER_US;
    }
    if (!b->starved_us)
        b->starved_us = b->spent_us = now;
    for (int k = 0; k < BUCKET_CLASSES; k++)
        while (b->asks[k] && has_room(b) && limiter_offline_us(b, now) == 0)
            turn(b->asks[k]);
    return limiter_somebody_asks(b) && has_room(b) ? limiter_offline_us(b, now) : NEVER_US;
}

/* The first refusal: waits were computed from an unlimited rate, and are longer now. */
static void tell_places(struct limiter_bucket *b, int64_t now)
{
    struct limiter_call *c, *tmp;

    for (int k = 0; k < BUCKET_CLASSES; k++)
        DL_FOREACH_SAFE(b->waits[k], c, tmp)
        {
            int64_t wait = wait_us(b, c, now);

            if (wait > 0 && wait < NEVER_US)
                c->on_place(c->arg, (wait + 999) / 1000); /* it may leave, it alone */
        }
}

void limiter_serve(struct limiter_bucket *b)
{
    int64_t now = clock_mono_us(), next;

    loop_cancel(&b->timer);
    if (!b->tried && b->slice.b.cuts > 0) {
        b->tried = true;
        tell_places(b, now);
    }
    give_tickets(b, now);
    next = serve_starved(b, now);
    for (int k = 0; k < BUCKET_CLASSES; k++)
        next = min64(next, serve_class(b, k, now));
    if (limiter_somebody_asks(b))
        limiter_sync_soon(b->l);
    if (next < NEVER_US && !b->timer) {
        next = min64(next, RECHECK_US); /* the rate may grow meanwhile */
        b->timer = loop_after(b->l->env->loop, (next + 999) / 1000, limiter_on_timer, b);
    }
}

/* ---- in and out ---- */

/* A postponed call has taken what was expected then.  What it does not use of that comes back when
 * it is answered, so this is still what is expected of it. */
static void expect_tokens(struct limiter_call *c)
{
    c->answer_tokens = c->has_ticket && c->ticket.took > c->tokens ? c->ticket.took - c->tokens
                                                                   : c->bucket->answer_tokens;
    c->tokens += c->answer_tokens;
}

int64_t limiter_enter(struct limiter *l, struct limiter_call *c, const char *name, int64_t most)
{
    struct limiter_bucket *b = limiter_bucket_of(l, name);
    int64_t now = clock_mono_us(), wait = -1;

    assert(c->state == LIMITER_OUT);
    c->bucket = b;
    b->calls++;
    b->used_us = now;
    b->most = most;
    expect_tokens(c);
    if (c->has_ticket || (!b->asks[c->ticket.class] &&
                          slice_take(&b->slice, c->ticket.class, c->tokens, &c->ticket))) {
        c->has_ticket = true;
        wait = b->slice.heard_us ? wait_us(b, c, now) : NEVER_US;
    }
    if (wait == 0 && has_room(b) && !b->waits[c->ticket.class]) {
        go(c);
        return 0;
    }
    if (wait >= 0 && wait < NEVER_US) {
        enqueue(b, c);
        if (!b->timer || b->waits[c->ticket.class] == c) {
            loop_cancel(&b->timer);
            b->timer = loop_after(l->env->loop, (wait + 999) / 1000, limiter_on_timer, b);
        }
        if (!has_room(b)) /* of an idle bucket, a round must get it */
            limiter_sync_soon(l);
        return wait > 0 ? (wait + 999) / 1000 : 1;
    }
    if (c->has_ticket) {
        ask_again(b, c);
    } else {
        c->state = LIMITER_ASKS;
        DL_APPEND(b->asks[c->ticket.class], c);
    }
    if (!b->timer)
        b->timer = loop_after(l->env->loop, LIMITER_STARVED_US / 1000, limiter_on_timer, b);
    limiter_sync_soon(l);
    return -1;
}

int64_t limiter_wait_ms(const struct limiter_call *c)
{
    int64_t wait = c->state == LIMITER_WAITS && has_room(c->bucket)
                       ? wait_us(c->bucket, c, clock_mono_us())
                       : NEVER_US;

    return wait >= NEVER_US ? INT64_MAX : max64(wait / 1000, 1);
}

void limiter_leave(struct limiter_call *c, bool keep)
{
    if (c->state == LIMITER_OUT)
        return;
    if (c->state == LIMITER_GOES) {
        limiter_end(c, &(struct limiter_outcome){.end = LIMITER_LOST});
        return;
    }
    unlink_call(c);
    if (!keep && c->has_ticket) {
        slice_return(&c->bucket->slice, &c->ticket, c->tokens);
        c->has_ticket = false;
    }
    out(c);
}

/* ---- what became of it ---- */

static void hear_headers(struct limiter_bucket *b, const struct http_reply *reply, int64_t now)
{
    struct limit_headers h;

    if (!reply || !limit_headers_read(reply->headers, &h))
        return;
    for (int i = 0; i < BUCKET_LANES; i++)
        slice_told(&b->slice, i, h.limit[i],
                   h.remaining[i] == 0 && h.reset_s > 0 ? (int64_t)(h.reset_s * 1e6) : 0, now);
}

void limiter_end(struct limiter_call *c, const struct limiter_outcome *o)
{
    struct limiter_bucket *b = c->bucket;
    struct slice *l;
    int64_t now;

    if (c->state != LIMITER_GOES)
        return;
    l = &b->slice;
    now = clock_mono_us();
    b->going--;
    out(c);
    hear_headers(b, o->reply, now);
    if (o->end != LIMITER_LOST)
        slice_answered(l, c->epoch);
    switch (o->end) {
    case LIMITER_LOST: break;
    case LIMITER_WELL:
        slice_well(
            l, c->ticket.class, c->cuts,
            &(struct slice_tokens){c->tokens, o->tokens_used >= 0 ? o->tokens_used : c->tokens});
        if (o->tokens_used >= 0)
            b->answer_tokens +=
                ANSWER_PART * (o->tokens_used - c->tokens + c->answer_tokens - b->answer_tokens);
        break;
    case LIMITER_REFUSED:
    case LIMITER_TOKENS:
        if (slice_refused(l, o->end == LIMITER_TOKENS ? BUCKET_TOKENS : BUCKET_CALLS, c->cuts,
                          o->wait_ms * 1000, now))
            limiter_sync_now(b->l);
        break;
    case LIMITER_OVERLOADED: slice_overloaded(l, now); break;
    }
    if (b->most && !b->timer) /* a slot is free */
        b->timer = loop_after(b->l->env->loop, 0, limiter_on_timer, b);
    limiter_sync_later(b->l);
}
