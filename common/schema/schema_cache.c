/* schema_cache.c - see schema_cache.h.
 *
 * One table per process, for its one thread.  The key is the text itself behind a letter for
 * lenient, so no two schemas can be confused.  uthash keeps the order of insertion: each hit is
 * removed and added again, so the first entry is the least recently used one. */
#include "common/schema/schema_cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/hash.h"
#include "common/core/xalloc.h"

struct entry {
    struct schema *schema;
    UT_hash_handle hh;
    size_t key_n, bytes; /* bytes: with its compiled patterns */
    char key[];
};

static struct entry *entries;
static size_t bytes, misses;

static void entry_forget(struct entry *e)
{
    HASH_DEL(entries, e);
    bytes -= e->bytes;
    schema_free(e->schema);
    free(e);
}

void schema_cache_clear(void)
{
    while (entries)
        entry_forget(entries);
}

size_t schema_cache_misses(void) { return misses; }

static struct entry *new_entry(struct span text, bool lenient)
{
    struct entry *e = xcalloc(1, sizeof *e + text.n + 1);

    e->key_n = text.n + 1;
    e->key[0] = lenient ? 'l' : 's';
    memcpy(e->key + 1, text.p, text.n);
    return e;
}

const struct schema *schema_cached(struct span json_text, bool lenient, struct err *err)
{
    struct entry *e, *found = NULL;

    if (json_text.n > SCHEMA_THEIRS_BYTES) {
        err_set(err, ERR_CONFIG, "larger than %d bytes", SCHEMA_THEIRS_BYTES);
        return NULL;
    }
    e = new_entry(json_text, lenient);
    HASH_FIND(hh, entries, e->key, e->key_n, found);
    if (found) {
        free(e);
        HASH_DEL(entries, found);
        HASH_ADD(hh, entries, key, found->key_n, found);
        return found->schema;
    }
    misses++;
    e->schema = schema_new_theirs(json_text, lenient, err);
    if (!e->schema) {
        free(e);
        return NULL;
    }
    e->bytes = e->key_n + schema_pattern_bytes(e->schema);
    while (entries &&
           (HASH_COUNT(entries) >= SCHEMA_CACHE_ENTRIES || bytes + e->bytes > SCHEMA_CACHE_BYTES))
        entry_forget(entries);
    HASH_ADD(hh, entries, key, e->key_n, e);
    bytes += e->bytes;
    return e->schema;
}
