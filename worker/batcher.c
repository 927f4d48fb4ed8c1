/* batcher.c - see batcher.h. */
#include "worker/batcher.h"

#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/random.h"

enum { RETRY_MS = 200, RETRY_MAX_MS = 5000 };

/* ---- when ---- */

static void batcher_on_due(void *arg)
{
    struct batcher *b = arg;

    b->timer = NULL;
    b->deferred = false;
    batcher_flush(b);
}

void batcher_soon(struct batcher *b)
{
    int64_t wait;

    if (b->timer || b->deferred)
        return;
    wait = b->every_ms > 0 ? b->flushed_ms + b->every_ms - clock_mono_ms() : 0;
    batcher_in(b, wait > 0 ? wait : 0);
}

void batcher_in(struct batcher *b, int64_t ms)
{
    batcher_cancel(b);
    if (ms > 0) {
        b->timer = loop_after(b->loop, ms, batcher_on_due, b);
        return;
    }
    b->deferred = true;
    loop_defer(b->loop, batcher_on_due, b);
}

void batcher_cancel(struct batcher *b)
{
    loop_cancel(&b->timer);
    if (b->deferred)
        loop_undefer(b->loop, batcher_on_due, b);
    b->deferred = false;
}

void batcher_flush(struct batcher *b)
{
    batcher_cancel(b);
    b->flushed_ms = clock_mono_ms();
    b->flush(b->arg);
}

/* ---- and again ---- */

void resender_init(struct resender *s, const struct env *env, void (*send)(struct batch *b))
{
    *s = (struct resender){.env = env, .send = send, .pause_ms = RETRY_MS};
}

static void resender_send(struct resender *s, struct batch *b)
{
    b->sent = true;
    s->send(b);
}

void resender_keep(struct resender *s, struct batch *b) { DL_APPEND(s->batches, b); }

void resender_add(struct resender *s, struct batch *b)
{
    resender_keep(s, b);
    if (redis_is_ready(s->env->redis))
        resender_send(s, b);
}

void resender_resend(struct resender *s)
{
    struct batch *b, *tmp;

    loop_cancel(&s->retry);
    DL_FOREACH_SAFE(s->batches, b, tmp)
    {
        if (!b->sent)
            resender_send(s, b);
    }
}

static void resender_on_retry(void *arg)
{
    struct resender *s = arg;

    s->retry = NULL;
    s->pause_ms = min64(2 * s->pause_ms, RETRY_MAX_MS);
    if (redis_is_ready(s->env->redis))
        resender_resend(s);
}

void resender_postpone(struct resender *s, struct batch *b)
{
    int64_t half = s->pause_ms / 2;

    b->sent = false;
    if (!s->retry)
        s->retry = loop_after(s->env->loop, half + random_below(half + 1), resender_on_retry, s);
}

void resender_answered(struct resender *s, struct batch *b)
{
    s->refused = false;
    s->pause_ms = RETRY_MS;
    resender_drop(s, b);
}

void resender_drop(struct resender *s, struct batch *b) { DL_DELETE(s->batches, b); }

bool resender_failed(struct resender *s, struct batch *b, const struct err *err)
{
    bool first = !s->refused;

    b->sent = false;
    if (err->kind == ERR_REDIS_LOST)
        return false;
    s->refused = true;
    resender_postpone(s, b);
    return first;
}

struct batch *resender_end(struct resender *s)
{
    struct batch *b = s->batches;

    loop_cancel(&s->retry);
    if (!b)
        return NULL;
    DL_DELETE(s->batches, b);
    if (s->env->redis)
        redis_forget(s->env->redis, b);
    return b;
}
