/* takeover.h - what dead processes of this slot held is given back before anybody misses it.
 *
 * The supervisor names them (--takes-over); recover.h does each.  One after the other; what Redis
 * could not be asked is asked again. */
#ifndef FLOTILLA_TAKEOVER_H
#define FLOTILLA_TAKEOVER_H

#include "worker/claims/claimer.h"

/* ids: "id,id=job,..." as in struct child_options, NULL for none; the job is the one that is blamed
 * for the death.  Nothing is done before takeovers_next(). */
struct takeovers *takeovers_new(struct claimer *h, const char *ids);
void takeovers_free(struct takeovers *t);
/* Go on with the first that is left; at each connect to Redis. */
void takeovers_next(struct takeovers *t);
/* Is one left?  The process does not leave before. */
bool takeovers_owe(const struct takeovers *t);

#endif
