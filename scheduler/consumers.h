/* consumers.h - do registered consumers of the cost stream keep up with its trimming? */
#ifndef FLOTILLA_CONSUMERS_H
#define FLOTILLA_CONSUMERS_H

#include "scheduler/scheduler.h"

/* After a trim: a consumer group whose last delivered entry is older than the newest deleted one
 * has lost cost events: alert `costs_lost`, with the group as its subject. */
void consumers_check(struct scheduler *s);
/* Stream ids "ms-seq" in order: <0, 0, >0. */
int consumers_compare(struct span a, struct span b);

#endif
