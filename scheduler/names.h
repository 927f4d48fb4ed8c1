/* names.h - which jobs something names: a list, a timer, or a worker.
 *
 * The ids of `delayed`, of the ready lists and of the active sets of registered workers are read
 * in portions into a Bloom filter: 16 bits per key of the database, 8 MB at most.  An id that was
 * named throughout is always found.  One that was not is taken for named by chance: in 3 of 1,000
 * cases, and in half of them when there are 30 million names; each filter has a seed of its own,
 * so that another one finds it. */
#ifndef FLOTILLA_NAMES_H
#define FLOTILLA_NAMES_H

#include "scheduler/scheduler.h"

struct names;
void names_free(struct names *n); /* NULL is fine */
bool names_has(const struct names *n, struct span id);
void names_add(struct names *n, struct span id);
/* Redis's time when reading began: a job that came later may be missing here. */
int64_t names_since_ms(const struct names *n);
/* The id of the registered worker with this tag (8 characters), or NULL. */
const char *names_worker(const struct names *n, const char *tag);
/* An empty filter for a database of so many keys. */
struct names *names_new(int64_t keys, uint64_t seed);

struct names_walk;
/* names: the caller's; NULL: Redis failed.  The walk has ended and is freed after the callback. */
typedef void names_cb(void *arg, struct names *take_n);
struct names_walk *names_read(struct scheduler *s, int64_t keys, names_cb *cb, void *arg);
/* Give up: no callback. */
void names_cancel(struct names_walk **w);

#endif
