/* schema_cache.h - schemas of users, compiled once for the many jobs that carry the same one.
 *
 * At most SCHEMA_CACHE_ENTRIES, of SCHEMA_CACHE_BYTES together, until others take their place. */
#ifndef FLOTILLA_SCHEMA_CACHE_H
#define FLOTILLA_SCHEMA_CACHE_H

#include "common/schema/schema.h"

enum { SCHEMA_CACHE_ENTRIES = 128, SCHEMA_CACHE_BYTES = 1024 * 1024 }; /* of texts */

/* schema_new_theirs(), remembered by the bytes of the text: the least recently used are forgotten.
 * Borrowed until the next call.  NULL: err says what is wrong with it, or that it is too large. */
const struct schema *schema_cached(struct span json_text, bool lenient, struct err *err);
/* How many had to be compiled so far, for tests. */
size_t schema_cache_misses(void);
void schema_cache_clear(void);

#endif
