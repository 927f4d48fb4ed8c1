/* limiter_offline.c - while Redis is away: calls without a ticket.
 *
 *   the last answer ──▶ tickets in memory, here and elsewhere, are used up
 *                   ──▶ each process goes on at its share of the last known rate
 *                   ──▶ limits.stale_ms: only what has a ticket
 *
 * All tickets in memory together go at the whole rate, so calls without one wait
 * for their end, as this process computes it.  What is due later than IN_HAND_US
 * belongs to postponed jobs, which cannot be claimed now.  Calls with a
 * ticket are counted in the share as well: no process makes up for a pause. */
#include "worker/limit/limiter_private.h"

#define NEVER_US   (INT64_MAX / 2)
#define IN_HAND_US 5000000 /* longer waits are not spent in memory (inference_pace.c) */
#define LOOK_US    100000
#define LEAST      0.01 /* per second */

void limiter_spend(struct limiter_bucket *b, int64_t now)
{
    double per_s = b->slice.b.lane[BUCKET_CALLS].rate * b->slice.share;

    b->spent_us = max64(b->spent_us, now) + (int64_t)(1e6 / (per_s > LEAST ? per_s : LEAST));
}

int64_t limiter_offline_us(struct limiter_bucket *b, int64_t now)
{
    const struct slice *l = &b->slice;

    if (!b->starved_us || now - b->starved_us < LIMITER_STARVED_US)
        return b->starved_us ? b->starved_us + LIMITER_STARVED_US - now : NEVER_US;
    if (!l->heard_us || now - l->heard_us > b->l->env->cfg->limits_stale_ms * 1000)
        return NEVER_US;
    bucket_advance(&b->slice.b, now + l->offset_us);
    if (bucket_is_queued(&l->b.lane[BUCKET_CALLS]) && now - l->heard_us < IN_HAND_US)
        return LOOK_US;
    return b->spent_us > now ? b->spent_us - now : 0;
}
