/* returns.h - claimed ids that this worker does not start: they go back to their queues. */
#ifndef FLOTILLA_RETURNS_H
#define FLOTILLA_RETURNS_H

#include "worker/claims/claimer.h"

struct returns;

/* Which ids, and how they go back. */
struct return_kind {
    const char *event, *text; /* a warning at each call; NULL: none */
    int64_t pause_ms;         /* between the id's arrival here and the call; 0: end of the turn */
    bool front;               /* before what waits in the queue, else behind it */
};

/* kind must live as long as the returns. */
struct returns *returns_new(struct claimer *h, const struct return_kind *kind);
void returns_free(struct returns *n);
/* Put this id (copied) back to its queue. */
void returns_add(struct returns *n, const char *id, int queue);
/* Is it here, or its way back not confirmed?  Such an id must not be started: the call may be sent
 * again. */
bool returns_has(const struct returns *n, const char *id);
size_t returns_count(const struct returns *n);
/* The worker has a new id: what the old one claimed is not its to give back. */
void returns_reset(struct returns *n);

#endif
