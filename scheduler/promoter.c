/* promoter.c - jobs become ready at their time, to the millisecond.
 *
 * One timer stands at the earliest due time that is known.  It is learnt from
 * three sides: promote.lua says when the next one is, submit says when a new
 * one is earlier, and workers that put a job aside ring the bell, on which a
 * connection of its own waits.  Nothing is polled; every 5 s a look is taken
 * all the same, in case a ring was lost. */
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "scheduler/scheduler.h"

enum { NET_MS = 5000, RETRY_MS = 200 };

struct promoter {
    struct scheduler *s;
    bool running, busy, again, listening;
    struct loop_timer *timer;
    int64_t at_ms; /* monotonic, when the timer fires */
};

static void promote(struct promoter *p);
static void listen_bell(struct promoter *p);

static void promoter_on_timer(void *arg)
{
    struct promoter *p = arg;

    p->timer = NULL;
    listen_bell(p);
    promote(p);
}

void promoter_due_in(struct promoter *p, int64_t ms)
{
    int64_t at = clock_mono_ms() + ms;

    if (!p->running || (p->timer && p->at_ms <= at))
        return;
    loop_cancel(&p->timer);
    p->at_ms = at;
    p->timer = loop_after(p->s->loop, ms, promoter_on_timer, p);
}

static void on_promoted(void *arg, const struct reply *reply, const struct err *err)
{
    struct promoter *p = arg;
    int64_t next = reply_int(reply_at(reply, 2));

    p->busy = false;
    if (!p->running)
        return;
    if (!reply) {
        if (err->kind == ERR_REDIS)
            log_err(LOG_WARN, "promote", err);
        promoter_due_in(p, RETRY_MS);
        return;
    }
    if (scheduler_deposed(p->s, reply))
        return;
    if (p->again || (next == 0 && reply_int(reply_at(reply, 1)) > 0)) {
        p->again = false;
        promote(p); /* a full batch: more is due */
        return;
    }
    promoter_due_in(p, next < 0 ? NET_MS : clamp64(next, 1, NET_MS));
}

static void promote(struct promoter *p)
{
    struct redis_args a;
    const struct keys *k = &p->s->keys;

    if (!p->running)
        return;
    if (p->busy) {
        p->again = true;
        return;
    }
    p->busy = true;
    redis_args_make(&a, key(k, KEY_LEASE), key(k, KEY_DELAYED));
    keys_arg_queues(&a, k);
    redis_args_add(&a, lease_token(p->s->lease), p->s->cfg->scheduler_promote_jobs);
    for (int q = 1; q <= QUEUE_COUNT; q++)
        redis_arg_str(&a, queue_name((enum queue_id)q));
    redis_script(p->s->redis, script(SCRIPT_PROMOTE), 2 + 2 * QUEUE_COUNT, &a, on_promoted, p);
}

static void on_bell(void *arg, const struct reply *reply, const struct err *err)
{
    struct promoter *p = arg;

    (void)err;
    p->listening = false;
    if (!p->running)
        return;
    if (!reply) { /* the net's timer listens again */
        promoter_due_in(p, RETRY_MS);
        return;
    }
    listen_bell(p);
    if (reply_count(reply))
        promote(p);
}

static void listen_bell(struct promoter *p)
{
    struct redis_args a;

    if (!p->running || p->listening || !redis_is_ready(p->s->bell_wait))
        return;
    p->listening = true;
    redis_args_make(&a, "BLPOP", key(&p->s->keys, KEY_BELL), "5");
    redis_send_blocking(p->s->bell_wait, &a, NET_MS, on_bell, p);
}

struct promoter *promoter_new(struct scheduler *s)
{
    struct promoter *p = xcalloc(1, sizeof *p);

    p->s = s;
    return p;
}

void promoter_free(struct promoter *p)
{
    if (!p)
        return;
    loop_cancel(&p->timer);
    free(p);
}

void promoter_start(struct promoter *p)
{
    p->running = true;
    p->again = false;
    promoter_due_in(p, 0);
}

void promoter_stop(struct promoter *p)
{
    p->running = false;
    loop_cancel(&p->timer);
}
