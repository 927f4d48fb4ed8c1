/* consumers.h - do registered consumers of the cost stream keep up with its trimming? */
#ifndef FLOTILLA_CONSUMERS_H
#define FLOTILLA_CONSUMERS_H

#include "scheduler/scheduler.h"

/* After a trim: a consumer group that has read fewer entries than were ever trimmed has lost cost
 * events: alert `costs_lost`, with the group as its subject. */
void consumers_check(struct scheduler *s);

#endif
