/* keytypes.h - private keys that are of another type are deleted.
 *
 * Somebody wrote `SET fl:{0}:health x`, or restored another file: every script that needs the key
 * is refused, and that part of the fleet stands still.  The fleet goes on without what such keys
 * hold (keys.def says which), so they are removed, with an alert `wrong_type`.  Keys that hold
 * jobs or money are left to the team.  The lease itself is lua/lease.lua's. */
#ifndef FLOTILLA_KEYTYPES_H
#define FLOTILLA_KEYTYPES_H

#include "scheduler/scheduler.h"

/* The call of lua/inspect.lua: its keys and arguments.  Returns the number of keys. */
size_t keytypes_args(struct scheduler *s, struct redis_args *a);
/* Its list of deleted keys: an alert for each. */
void keytypes_deleted(struct scheduler *s, const struct reply *deleted);

#endif
