/* keys.h - the one place that spells a key.
 *
 * All keys share the hash tag {0}, the caches too: fl:{0}:<name>.  One rule ~fl:{0}:* of an access
 * control list admits them all, and a Cluster keeps them in one slot.
 */
#ifndef FLOTILLA_KEYS_H
#define FLOTILLA_KEYS_H

#include "common/core/base.h"
#include "common/io/redis.h"
#include "common/queue/record.h"

enum key_id {
#define X(NAME, name, type) KEY_##NAME,
#include "common/queue/keys.def"
    KEY_COUNT
};

struct keys {
    char *fixed[KEY_COUNT];
    char *ready[QUEUE_COUNT + 1], *wake[QUEUE_COUNT + 1]; /* by queue number, from 1 */
    char *root;                                           /* "fl:{0}:" */
    /* prefixes: "fl:{0}:job:" */
    char *job, *reply, *active, *spend, *gather, *chunks, *flight, *calls, *models, *room;
};

void keys_init(struct keys *k, const char *prefix);
void keys_done(struct keys *k);
static inline const char *key(const struct keys *k, enum key_id id) { return k->fixed[id]; }
/* Add prefix + id as one argument: keys_arg(a, k->job, id). */
void keys_arg(struct redis_args *a, const char *prefix, const char *id);
/* The same as a word of redis_args_add. */
struct redis_word key_word(const char *prefix, const char *id);
/* ready 1..8, then wake 1..8: sixteen arguments. */
void keys_arg_queues(struct redis_args *a, const struct keys *k);

#endif
