/* batcher.h - work that is collected, sent together, kept until it is answered, and sent again.
 *
 *   struct batcher   when to send what a turn of the loop has collected:
 *       batcher_soon ──▶ end of the turn, every_ms after the last flush at the earliest ──▶ flush
 *
 *   struct resender  batches that must not be lost:
 *       resender_add ──▶ sent ──answered──▶ resender_answered: it is the owner's again
 *                          │ resender_failed
 *                          └──▶ unsent, in order ──reconnected; refused: after a pause──▶ sent
 *
 * What is collected, and how it is sent, is the owner's.
 */
#ifndef FLOTILLA_BATCHER_H
#define FLOTILLA_BATCHER_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "worker/env.h"

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

void batcher_soon(struct batcher *b);           /* something was added */
void batcher_in(struct batcher *b, int64_t ms); /* in that many ms; 0: at the end of this turn */
void batcher_flush(struct batcher *b);  /* calls flush now, whether something was added or not */
void batcher_cancel(struct batcher *b); /* what was to come does not; may be called twice */

/* The beginning of the owner's own struct. */
struct batch {
    bool sent;
    struct batch *prev, *next;
};
struct resender {
    const struct env *env;
    void (*send)(struct batch *b);
    /* private */
    struct batch *batches; /* in the order they were added */
    struct loop_timer *retry;
    int64_t pause_ms; /* before the next retry: 0.2 to 5 s */
    bool refused;     /* the last answer was an error */
};

void resender_init(struct resender *s, const struct env *env, void (*send)(struct batch *b));
void resender_add(struct resender *s, struct batch *b);  /* sent at once if Redis is ready */
void resender_keep(struct resender *s, struct batch *b); /* sent with the next retry */
void resender_answered(struct resender *s, struct batch *b);
void resender_drop(struct resender *s, struct batch *b); /* one that is not under way */
/* No answer: it is sent again when the connection is back (ERR_REDIS_LOST), or after a pause.
 * True: it is the first refusal, which is worth a warning. */
bool resender_failed(struct resender *s, struct batch *b, const struct err *err);
void resender_postpone(struct resender *s, struct batch *b); /* sent again after a pause */
void resender_resend(struct resender *s);                    /* the connection is back */
struct batch *resender_end(struct resender *s); /* take one out, its answer forgotten; NULL: none */

#endif
