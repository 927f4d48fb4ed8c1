/* pull.h - takes as many jobs as there are free slots; pull.c has the picture. */
#ifndef FLOTILLA_PULL_H
#define FLOTILLA_PULL_H

#include "common/queue/job.h"
#include "worker/claims/claimer.h"

struct pull;

/* waits: the connections for BLPOP on the wake lists; of realtime's queue, of the others.  They are
 * read when they are needed. */
struct pull *pull_new(struct claimer *h, struct redis *const waits[2]);
void pull_free(struct pull *u);
void pull_kick(struct pull *u);
/* May a job of that queue, which is in hand, have a slot now? */
bool pull_has_slot(const struct pull *u, enum queue_id queue);
void pull_reset(struct pull *u); /* a new id: forget what the old one claimed */
/* Resend a start without answer, look for ids whose claim was lost. */
void pull_reconnected(struct pull *u);
void pull_look(struct pull *u);   /* an outcome was stale: see what is active under our name */
void pull_reload(struct pull *u); /* the group's queues may have changed */
bool pull_is_idle(const struct pull *u);
/* A claim's answer was lost: which ids it took is not known yet. */
bool pull_must_look(const struct pull *u);

#endif
