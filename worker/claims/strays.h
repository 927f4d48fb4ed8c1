/* strays.h - active jobs of this worker that nobody here runs go back. */
#ifndef FLOTILLA_STRAYS_H
#define FLOTILLA_STRAYS_H

#include "worker/claims/claimer.h"

struct outbox;
struct routes;

struct strays {
    const struct claimer *claimer;
    struct outbox *outbox;
    const struct routes *routes; /* what its call may have cost */
};

/* The record says that this worker has that job, the process knows nothing of it: give it back to
 * the front. */
void strays_give_back(const struct strays *s, const char *id);

#endif
