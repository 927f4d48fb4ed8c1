/* drain.c - see drain.h.
 *
 *   drain_begin --drain_ms--> calls given back --all is written--> loop_stop
 *                                  |
 *                                  +--DRAIN_END_MS, or no Redis--> loop_stop, and `left` is logged
 *
 * It leaves when it holds nothing and has written every outcome, and owes nobody: a claim whose
 * answer was lost, a dead process to take over, the rest of streamed answers.  What it owes is left
 * to the scheduler when drain_ms is over. */
#include "worker/drain.h"

#include <inttypes.h>
#include <stdlib.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/budget/holds.h"
#include "worker/claims/heartbeat.h"
#include "worker/claims/outbox.h"
#include "worker/claims/pull.h"
#include "worker/claims/takeover.h"
#include "worker/inference/chunks.h"
#include "worker/process.h"
#include "worker/run.h"

struct drain {
    struct process *p;
    enum child_stop why;
    bool give_up; /* drain_ms is over: what is still owed is left to the scheduler */
    bool left;
    struct loop_timer *over, *end, *orphan;
};

static void look(void *arg);

static void stop_loop(struct drain *d)
{
    d->p->leave = true;
    loop_stop(d->p->env.loop);
}

/* ---- giving back ---- */

static void give_all_back(struct drain *d)
{
    struct run *r, *tmp;

    d->give_up = true;
    HASH_ITER(hh, d->p->runs, r, tmp)
    {
        if (!r->ended)
            run_requeue(r);
    }
    claimer_kick(&d->p->claimer);
}

/* Those that wait in memory make no call that would be lost: another worker may serve them now. */
static void give_waiting_back(struct process *p)
{
    struct run *r, *tmp;

    HASH_ITER(hh, p->runs, r, tmp)
    {
        if (r->waits && !r->ended)
            run_requeue(r);
    }
}

/* ---- ending ---- */

static void drain_end(struct drain *d)
{
    const struct process *p = d->p;

    if (p->leave)
        return;
    give_all_back(d);
    d->left = p->runs || !outbox_is_empty(p->outbox) || !pull_is_idle(p->pull);
    if (d->left)
        log_event(LOG_WARN, "left", "unwritten=%zu redis=%d heartbeat_age_ms=%" PRId64 " msg=%s",
                  outbox_waiting(p->outbox), redis_is_ready(p->env.redis),
                  heartbeat_age_ms(p->heartbeat),
                  log_quote("Redis did not take these outcomes: their jobs come back after the "
                            "lease, and their calls are unconfirmed costs"));
    stop_loop(d);
}

static void on_end(void *arg)
{
    struct drain *d = arg;

    d->end = NULL;
    drain_end(d);
}

static void end_soon(struct drain *d)
{
    if (!redis_is_ready(d->p->env.redis))
        drain_end(d);
    else if (!d->end)
        d->end = loop_after(d->p->env.loop, DRAIN_END_MS, on_end, d);
}

static void on_over(void *arg)
{
    struct drain *d = arg;

    d->over = NULL;
    log_event(LOG_WARN, "drain.over", "given_back=%zu", d->p->slots.running);
    give_all_back(d);
    if (d->why >= CHILD_DRAIN)
        end_soon(d);
}

/* Redis was away for orphan_ms: no heartbeat that was sent since then has been acknowledged. */
static void on_orphan(void *arg)
{
    struct drain *d = arg;
    int64_t left_ms = d->p->env.cfg->workers_orphan_ms - heartbeat_age_ms(d->p->heartbeat);

    d->orphan = NULL;
    if (left_ms <= 0)
        drain_end(d);
    else
        d->orphan = loop_after(d->p->env.loop, left_ms, on_orphan, d);
}

static void look(void *arg)
{
    struct drain *d = arg;
    struct process *p = d->p;
    bool owes = takeovers_owe(p->takeovers) || pull_must_look(p->pull) || chunks_wait(p->chunks);

    if (p->leave || p->runs || !outbox_is_empty(p->outbox) || !pull_is_idle(p->pull) ||
        (owes && !d->give_up))
        return;
    holds_flush(p->holds); /* notes of calls that were not made: with one it could not leave */
    heartbeat_leave(p->heartbeat);
    stop_loop(d);
}

void drain_look(struct drain *d)
{
    loop_undefer(d->p->env.loop, look, d);
    if (d->p->claimer.draining)
        loop_defer(d->p->env.loop, look, d);
}

void drain_begin(struct drain *d, enum child_stop why)
{
    struct process *p = d->p;

    log_event(LOG_INFO, "drain", "running=%zu waiting=%zu reason=%s", p->slots.running, p->waiting,
              child_stop_text(why));
    d->why = why;
    if (!p->claimer.draining) {
        p->claimer.draining = true;
        give_waiting_back(p);
    }
    loop_cancel(&d->over);
    if (why == CHILD_NOW) {
        give_all_back(d);
        end_soon(d);
    } else {
        d->over = loop_after(p->env.loop, p->env.cfg->workers_drain_ms, on_over, d);
    }
    if (why == CHILD_ORPHANED)
        d->orphan = loop_after(p->env.loop, 0, on_orphan, d);
    claimer_kick(&p->claimer);
}

bool drain_left_something(const struct drain *d) { return d->left; }

/* ---- life ---- */

struct drain *drain_new(struct process *p)
{
    struct drain *d = xcalloc(1, sizeof *d);

    d->p = p;
    return d;
}

void drain_free(struct drain *d)
{
    if (!d)
        return;
    loop_cancel(&d->over);
    loop_cancel(&d->end);
    loop_cancel(&d->orphan);
    loop_undefer(d->p->env.loop, look, d);
    free(d);
}
