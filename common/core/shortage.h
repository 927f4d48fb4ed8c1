/* shortage.h - did jansson lack memory?
 *
 * It answers NULL then, as it does for text that is no JSON, and often with the message of the
 * latter.  A document must not be refused for that, so its allocations are watched:
 *
 *     shortage_clear();
 *     root = json_loadb(...);
 *     if (!root && shortage_seen()) try again later;
 */
#ifndef FLOTILLA_SHORTAGE_H
#define FLOTILLA_SHORTAGE_H

#include "common/core/base.h"

/* Forget what was seen, and watch from now on (jansson's allocator of this process is set). */
void shortage_clear(void);
/* An allocation failed since the last shortage_clear(). */
bool shortage_seen(void);
/* For tests: n more allocations succeed, then none; -1: as memory has it. */
void shortage_after(long n);

#endif
