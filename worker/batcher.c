/* batcher.c - see batcher.h. */
#include "worker/batcher.h"

#include "common/core/clock.h"

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
    if (wait > 0) {
        b->timer = loop_after(b->loop, wait, batcher_on_due, b);
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
