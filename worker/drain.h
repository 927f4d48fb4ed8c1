/* drain.h - how a worker process ends.
 *
 *     why                what runs      after drain_ms               it ends
 *     orphaned           is finished    is given back                when all is written, or when
 *                                                                    Redis was away for orphan_ms
 *     drain (TERM)       is finished    is given back, and it ends   when all is written
 *     now (second TERM)  is given back                               when all is written, or after
 *                                                                    DRAIN_END_MS
 *
 * To end without Redis leaves outcomes unwritten.  They are logged (`left`); the jobs come back by
 * the protocol after the lease, and calls without an outcome are unconfirmed costs. */
#ifndef FLOTILLA_DRAIN_H
#define FLOTILLA_DRAIN_H

#include "worker/child.h"

enum { DRAIN_END_MS = 1000 }; /* what Redis may take to acknowledge what was requeued */

struct process;
struct drain;

struct drain *drain_new(struct process *p);
void drain_free(struct drain *d);
/* The process begins to end, or has a stronger reason than before. */
void drain_begin(struct drain *d, enum child_stop why);
/* Something ended: is it time to leave?  Looks at the end of this turn; nothing before
 * drain_begin. */
void drain_look(struct drain *d);
/* It ended with outcomes unwritten. */
bool drain_left_something(const struct drain *d);

#endif
