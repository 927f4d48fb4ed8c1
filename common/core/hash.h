/* hash.h - FNV-1a, and uthash with memory from xalloc.h, so that a table that cannot grow says so in the log
 * like everything else.  The macros (HASH_ADD_STR, HASH_FIND, HASH_ITER, ...) are uthash's own. */
#ifndef FLOTILLA_HASH_H
#define FLOTILLA_HASH_H

#include "common/core/base.h"
#include "common/core/xalloc.h"

#define uthash_malloc(n)  xmalloc(n)
#define uthash_free(p, n) free(p)

#include <uthash.h>

/* FNV-1a of h, HASH_BASIS at first, and more bytes. */
#define HASH_BASIS UINT64_C(0xcbf29ce484222325)
static inline uint64_t hash_fnv(uint64_t h, const void *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)bytes)[i]) * UINT64_C(0x100000001b3);
    return h;
}

#endif
