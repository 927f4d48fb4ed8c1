/* starts.h - claimed ids on their way to being runs. */
#ifndef FLOTILLA_STARTS_H
#define FLOTILLA_STARTS_H

#include "worker/claims/claimer.h"

struct starts;

struct starts *starts_new(struct claimer *h);
void starts_free(struct starts *s);
/* Start ids of this worker's active set (the list and its texts are taken over); each becomes a
 * run, or is dropped.  found: they were read from the set, so one that runs here already but is
 * not known here goes back. */
void starts_add(struct starts *s, char **take_ids, size_t n, bool found);
/* Start an id that the claim sent just before will probably bring: it saves a round trip. */
void starts_guess(struct starts *s, const char *id);
/* Is the start of that id under way, by a guess? */
bool starts_guessed(const struct starts *s, const char *id);
/* Send those again that were refused, or whose connection was lost. */
void starts_resend(struct starts *s);
/* Is it on its way, or on its way back? */
bool starts_know(const struct starts *s, const char *id);
/* Slots that they occupy. */
int starts_count(const struct starts *s);
bool starts_are_idle(const struct starts *s); /* none is on its way, in either direction */
/* A claimed id (copied) that is not to be started goes back to the front of its queue. */
void starts_return(struct starts *s, const char *id, enum queue_id queue);
/* Is it on its way back?  When it is claimed again meanwhile, it goes back again. */
bool starts_returning(const struct starts *s, const char *id);
/* The worker has a new id: forget what the old one claimed. */
void starts_reset(struct starts *s);

#endif
