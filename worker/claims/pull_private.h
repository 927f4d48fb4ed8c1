/* pull_private.h - what pull.c, pull_look.c and pull_wait.c share; see pull.h. */
#ifndef FLOTILLA_PULL_PRIVATE_H
#define FLOTILLA_PULL_PRIVATE_H

#include "worker/claims/ahead.h"
#include "worker/claims/bells.h"
#include "worker/claims/pull.h"

enum { REALTIME, OTHERS, CLASSES };

struct pull {
    struct claimer *claimer;
    struct redis *const *waits;
    struct quota quota;
    struct bells bells;
    bool waiting[CLASSES];
    bool quiet;          /* on_quiet is to come */
    bool claiming, look; /* look: read the active set before claiming */
    uint64_t era;        /* +1 with each new id: older answers are not ours */
    struct starts *starts;
    struct ahead *ahead;
    char guess[JOB_ID_MAX + 8]; /* from the bell that is being answered */
    struct loop_timer *look_timer;
};

int pull_class(enum queue_id q);
queue_set pull_queues(const struct pull *u, int class);
/* Slots that a class may fill now with new jobs. */
int pull_room(const struct pull *u, int class);
bool pull_may_take(const struct pull *u);

/* ---- pull_look.c ---- */
void pull_look_send(struct pull *u); /* the answer calls claimer_kick */

/* ---- pull_wait.c ---- */
/* Waits for the bells of those classes that have room and no work; at the end of the turn, for the
 * jobs in hand go out first: a waiting connection wakes Redis. */
void pull_wait_soon(struct pull *u);
void pull_wait_cancel(struct pull *u);

#endif
