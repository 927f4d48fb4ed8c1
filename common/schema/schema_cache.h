/* schema_cache.h - schemas of users, compiled once for the many jobs that carry the same one.
 *
 * At most SCHEMA_CACHE_ENTRIES; their texts and compiled patterns take at most SCHEMA_CACHE_BYTES.
 * A new one replaces the least recently used. */
#ifndef FLOTILLA_SCHEMA_CACHE_H
#define FLOTILLA_SCHEMA_CACHE_H

#include "common/schema/schema.h"

enum { SCHEMA_CACHE_ENTRIES = 128, SCHEMA_CACHE_BYTES = 16 << 20 }; /* texts, patterns */

/* schema_new_theirs(), cached by the bytes of the text.  Borrowed until the next call.  NULL: err says what is wrong with it, or that it is too large. */
const struct schema *schema_cached(struct span json_text, bool lenient, struct err *err);
/* Schemas compiled so far, for tests. */
size_t schema_cache_misses(void);
void schema_cache_clear(void);

#endif
