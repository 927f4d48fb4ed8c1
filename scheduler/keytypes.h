/* keytypes.h - private keys that are of another type are deleted.
 *
 * Somebody wrote `SET fl:{0}:health x`, or restored another file: every script that needs the key
 * is refused, and that part of the fleet stands still.  The fleet goes on without what such keys
 * hold (keys.def says which), so they are removed, with an alert `wrong_type`.  Keys that hold
 * jobs or money are left to the team.  The lease itself is lua/lease.lua's. */
#ifndef FLOTILLA_KEYTYPES_H
#define FLOTILLA_KEYTYPES_H

#include "scheduler/scheduler.h"

void keytypes_check(struct scheduler *s);

#endif
