/* cache.h - answers kept in Redis: fl:{0}:<kind>:<tenant>:<model>:<hash>.
 *
 *   cache_look   GETs; a Redis that is slow (cache.wait_ms) or away is a miss
 *   cache_keep   SET with the TTL of the kind; and, at most ten times a second, one script that
 *                keeps the sum of all entries under cache.max_bytes (those that expire first go)
 *
 * The cache is an optimization: each failure of it is a miss.
 */
#ifndef FLOTILLA_CACHE_H
#define FLOTILLA_CACHE_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "worker/cache/entry.h"
#include "worker/env.h"

struct cache;
struct cache_look;
struct config;

enum cache_kind {
#define X(KIND, name, ttl) CACHE_##KIND,
#include "worker/cache/kinds.def"
    CACHE_KIND_COUNT
};
const char *cache_kind_name(enum cache_kind kind);
int64_t cache_ttl_ms(const struct config *cfg, enum cache_kind kind);

/* Append a key's name.  root: "fl:{0}:"; tenant: raw (a JSON string without escapes, as job_check
 * admits it, or absent: "-"); model and hash: text.  Characters with a meaning in the name are
 * percent-encoded. */
void cache_key(struct buf *out, const char *root, enum cache_kind kind, struct span tenant,
               struct span model, const char *hash);

struct cache *cache_new(const struct env *env);
/* After redis_free(env->redis), which has ended all looks. */
void cache_free(struct cache *c);

/* What was found under some keys, shared by counting its users. */
struct found {
    unsigned users;
    size_t n, known;     /* keys, and how many of them have an entry */
    struct entry *whole; /* the answer that they make, once somebody has made it; or NULL */
    struct entry *each[];
};
struct found *found_new(size_t n);
/* A copy that shares the entries.  f NULL, or with another number of keys: nothing is known. */
struct found *found_copy(const struct found *f, size_t n);
/* f may be NULL in these two. */
size_t found_bytes(const struct found *f);   /* of the whole, else of all entries */
size_t found_missing(const struct found *f); /* a key that has no entry, else the last */
struct found *found_use(struct found *f);
void found_drop(struct found **f); /* NULL is fine; *f becomes NULL */

/* answered: Redis answered for every key.  Else it was silent for cache.wait_ms, or is away, and the
 * rest counts as missing.  found is borrowed. */
typedef void cache_look_cb(void *arg, struct found *found, bool answered);
/* cb comes once, on a later turn; not after cache_look_cancel.  The handle is dead when cb starts.
 * n >= 1. */
struct cache_look *cache_look(struct cache *c, const char *const *keys, size_t n, cache_look_cb *cb,
                              void *arg);
void cache_look_cancel(struct cache_look **l); /* NULL is fine; *l becomes NULL */

void cache_flush(struct cache *c); /* what was kept is added to the sum now */

/* False: it is too large (cache.max_entry_bytes). */
bool cache_keep(struct cache *c, enum cache_kind kind, const char *key, const struct entry *e);

#endif
