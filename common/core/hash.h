/* hash.h - uthash with memory from xalloc.h, so that a table that cannot grow says so in the log
 * like everything else.  The macros (HASH_ADD_STR, HASH_FIND, HASH_ITER, ...) are uthash's own. */
#ifndef FLOTILLA_HASH_H
#define FLOTILLA_HASH_H

#include "common/core/xalloc.h"

#define uthash_malloc(n)  xmalloc(n)
#define uthash_free(p, n) free(p)

#include <uthash.h>

#endif
