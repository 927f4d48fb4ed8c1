/* batcher.h - when to send what is collected during a turn of the loop.
 *
 *   batcher_soon ──▶ end of the turn, every_ms after the last flush at the earliest ──▶ flush
 *
 * What is collected, and how it is sent, is the owner's: its flush function sends all of it.
 */
#ifndef FLOTILLA_BATCHER_H
#define FLOTILLA_BATCHER_H

#include "common/core/base.h"
#include "common/io/loop.h"

struct batcher {
    struct loop *loop;
    int64_t every_ms; /* 0: at the end of each turn */
    loop_cb *flush;
    void *arg;
    /* private */
    int64_t flushed_ms; /* monotonic */
    struct loop_timer *timer;
    bool deferred;
};

void batcher_soon(struct batcher *b);   /* something was added */
void batcher_flush(struct batcher *b);  /* calls flush now, whether something was added or not */
void batcher_cancel(struct batcher *b); /* what was to come does not; may be called twice */

#endif
