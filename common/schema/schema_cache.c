/* schema_cache.c - see schema_cache.h.
 *
 * One table per process, for its one thread.  The key is the text itself behind
 * a letter for lenient, so that no two schemas can be mistaken for each other.
 * uthash keeps what was added in order: who is asked for is added anew, so the
 * first one is the one that was not used for the longest time. */
#include "common/schema/schema_cache.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/hash.h"
#include "common/core/xalloc.h"

struct entry {
    struct schema *schema;
    UT_hash_handle hh;
    size_t n;
    char key[];
};

static struct entry *entries;
static size_t bytes, misses;

static void forget(struct entry *e)
{
    HASH_DEL(entries, e);
    bytes -= e->n;
    schema_free(e->schema);
    free(e);
}

void schema_cache_clear(void)
{
    while (entries)
        forget(entries);
}

size_t schema_cache_misses(void) { return misses; }

static struct entry *new_entry(struct span text, bool lenient)
{
    struct entry *e = xcalloc(1, sizeof *e + text.n + 1);

    e->n = text.n + 1;
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
    HASH_FIND(hh, entries, e->key, e->n, found);
    if (found) {
        free(e);
        HASH_DEL(entries, found);
        HASH_ADD(hh, entries, key, found->n, found);
        return found->schema;
    }
    misses++;
    e->schema = schema_new_theirs(json_text, lenient, err);
    if (!e->schema) {
        free(e);
        return NULL;
    }
    while (entries &&
           (HASH_COUNT(entries) >= SCHEMA_CACHE_ENTRIES || bytes + e->n > SCHEMA_CACHE_BYTES))
        forget(entries);
    HASH_ADD(hh, entries, key, e->n, e);
    bytes += e->n;
    return e->schema;
}
