/* ahead.h - ids claimed before a slot is free for them, so that a freed slot need not wait for a
 * claim.
 *
 * Without it a slot is empty for two round trips per job, the claim and the start; with it for the
 * start alone.  Such a job is claimed and not started: Redis has no token, attempt or note for it,
 * a recovery puts it back to the front of its queue, a cancellation ends it at once, and its start
 * refuses it when it has expired or its queue is paused.
 *
 * How many: what ends within a claim's round trip and the pause between two claims.  Both are
 * measured, so a worker of long calls claims none ahead, and a fast one a few.  An id that waits here
 * never goes before a realtime job. */
#ifndef FLOTILLA_AHEAD_H
#define FLOTILLA_AHEAD_H

#include "worker/claims/starts.h"

/* An id that waited here for longer goes back to the front of its queue. */
enum { AHEAD_MAX_MS = 200, AHEAD_SLOTS_PERCENT = 5 };

struct ahead;

struct ahead *ahead_new(struct claimer *h, struct starts *s);
void ahead_free(struct ahead *a);
/* Takes over the id.  Realtime jobs stand first. */
void ahead_add(struct ahead *a, char *take_id, enum queue_id queue, bool realtime);
int ahead_realtime(const struct ahead *a); /* how many are realtime jobs */
/* Starts the first n, or all. */
void ahead_start(struct ahead *a, int n);
void ahead_return_all(struct ahead *a); /* to the front of their queues, in their order */
int ahead_count(const struct ahead *a);
bool ahead_has(const struct ahead *a, const char *id);
/* The worker has a new id: what the old one claimed is not its to start. */
void ahead_reset(struct ahead *a);
/* How many to claim ahead now; 0 while enough are here. */
int ahead_wanted(struct ahead *a);
/* A claim was answered after that long. */
void ahead_claimed(struct ahead *a, int64_t trip_us);

/* Pure.  How many ids are worth having before the slots are free: `most` after a claim, and the next
 * claim when `least` or fewer are left.  Both 0: none. */
struct ahead_marks {
    int least, most;
};
struct ahead_marks ahead_marks(double ends_per_ms, double trip_ms, int slots);

#endif
