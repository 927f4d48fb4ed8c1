/* notes.h - calls that a worker has noted before it made them: fl:{0}:calls:<worker>.
 *
 * A hash: the name of a note -> the cost document of the `unconfirmed` event that is true if the
 * worker dies now: which model at which provider is called, and what that may cost at the prices
 * of the call.  lua/budget.lua writes a note before the call, for workers that are registered; the
 * script that adds the call's cost deletes it; a call that was not made after all has its note
 * deleted by budget.lua.  So a note that a dead worker has left is a call whose cost nobody knows,
 * and whoever recovers its jobs adds the event.  bury.lua forgets no worker that has notes.
 *
 * Calls whose model and price follow from the job's document alone are not noted: see
 * worker/inference/inference_budget.c.
 *
 * A name is "<job>:<token>.<number>", after the claim; it is also that of the money that is set
 * aside for the call, if any (holds).  The number of notes is that of the calls of one worker that
 * are under way or whose costs are on their way to Redis.
 */
#ifndef FLOTILLA_NOTES_H
#define FLOTILLA_NOTES_H

#include "common/io/redis.h"
#include "common/model/cost.h"

struct note;
struct notes {
    struct note **of;
    size_t count;
    struct cost_event *events; /* scratch of notes_of_job */
};

/* The event ".0<n>" of a call of this claim as a document; e: all but its event_id.  n from 1. */
void note_write(struct cost_event *e, const struct record *held, int n, struct buf *out);

/* reply: of HGETALL; NULL: there are none. */
void notes_read(struct notes *ret, const struct reply *reply);
void notes_done(struct notes *n);
/* The events of that job's calls, each given out once; *ret is good until the next call.  at_ms:
 * their time from now on. */
size_t notes_of_job(struct notes *n, const char *job, int64_t at_ms, const struct cost_event **ret);
/* Any event that was not given out yet; NULL: there is none. */
const struct cost_event *notes_rest(struct notes *n, int64_t at_ms);

#endif
