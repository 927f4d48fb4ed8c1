/* pool.h - equal bytes are kept once: bytes in, a number out.
 *
 * The explorer meets the same record, the same reply and the same content of
 * Redis a million times. A pool keeps each of them once, so that a state holds
 * numbers and is compared as bytes.  Number 0 is the empty text.  What a pool
 * returns lives as long as the pool.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_POOL_H
#define FLOTILLA_TESTS_EXPLORE_POOL_H

#include "common/core/base.h"
#include "common/core/buf.h"

struct pool;
struct pool *pool_new(void);
void pool_free(struct pool *p);
/* Its number; added when it is new, which is when pool_count grows. */
uint32_t pool_id(struct pool *p, const void *bytes, size_t n);
/* The same for a text that is a NUL-terminated string. */
uint32_t pool_text(struct pool *p, const char *text);
/* The bytes end with a NUL that does not count. */
struct span pool_bytes(const struct pool *p, uint32_t id);
uint32_t pool_count(const struct pool *p);

/* 64 bits of these bytes. */
uint64_t hash_of(const void *bytes, size_t n);

#endif
