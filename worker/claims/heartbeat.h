/* heartbeat.h - shows the fleet that this process lives, and reads the answer: heartbeat.c. */
#ifndef FLOTILLA_HEARTBEAT_H
#define FLOTILLA_HEARTBEAT_H

#include "worker/claims/claimer.h"

struct heartbeat;

/* on_beat: called each time, whether Redis is there or not: what it sends goes out in the same
 * write. */
struct heartbeat *heartbeat_new(struct claimer *h, void (*on_beat)(void *arg), void *arg);
void heartbeat_free(struct heartbeat *h);
void heartbeat_now(struct heartbeat *h); /* register at once (after a connect or with a new id) */
int64_t heartbeat_age_ms(const struct heartbeat *h); /* since the last acknowledged one was sent */
/* Remove the registration at exit, if nothing is active; else the scheduler reaps. */
void heartbeat_leave(struct heartbeat *h);

#endif
