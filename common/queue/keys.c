/* keys.c - names of keys, built once from the prefix.
 *
 *     fl:{0}:intake         one of keys.def
 *     fl:{0}:ready:eval     one per queue
 *     fl:{0}:job:<id>       a prefix here, the id by keys_arg()
 *     fl:{0}:infer:...      a cache: worker/cache/ adds the rest to the root
 *
 * The hash tag puts all keys into one slot of a cluster, as scripts need it. */
#include "common/queue/keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/xalloc.h"

static const char *const names[KEY_COUNT] = {
#define X(NAME, name, type) [KEY_##NAME] = (name),
#include "common/queue/keys.def"
};

static char *make(const char *prefix, const char *middle, const char *name)
{
    struct buf b = BUF(256);

    buf_printf(&b, "%s:{0}:%s%s", prefix, middle, name);
    return buf_take(&b);
}

void keys_init(struct keys *k, const char *prefix)
{
    *k = (struct keys){0};
    for (int i = 0; i < KEY_COUNT; i++)
        k->fixed[i] = make(prefix, "", names[i]);
    for (int q = 1; q <= QUEUE_COUNT; q++) {
        k->ready[q] = make(prefix, "ready:", queue_name((enum queue_id)q));
        k->wake[q] = make(prefix, "wake:", queue_name((enum queue_id)q));
    }
    k->root = make(prefix, "", "");
    k->job = make(prefix, "job:", "");
    k->reply = make(prefix, "reply:", "");
    k->active = make(prefix, "active:", "");
    k->spend = make(prefix, "spend:", "");
    k->gather = make(prefix, "gather:", "");
    k->models = make(prefix, "models:", "");
    k->chunks = make(prefix, "chunks:", "");
    k->flight = make(prefix, "flight:", "");
    k->calls = make(prefix, "calls:", "");
    k->room = make(prefix, "room:", "");
}

void keys_done(struct keys *k)
{
    for (int i = 0; i < KEY_COUNT; i++)
        free(k->fixed[i]);
    for (int q = 1; q <= QUEUE_COUNT; q++) {
        free(k->ready[q]);
        free(k->wake[q]);
    }
    free(k->root);
    free(k->job);
    free(k->reply);
    free(k->active);
    free(k->spend);
    free(k->gather);
    free(k->models);
    free(k->chunks);
    free(k->flight);
    free(k->calls);
    free(k->room);
    *k = (struct keys){0};
}

void keys_arg(struct redis_args *a, const char *prefix, const char *id)
{
    const struct span pieces[2] = {{prefix, strlen(prefix)}, {id, strlen(id)}};

    redis_arg_pieces(a, pieces, 2);
}

struct redis_word key_word(const char *prefix, const char *id)
{
    return (struct redis_word){.text = {prefix, strlen(prefix)}, .rest = {id, strlen(id)}};
}

void keys_arg_queues(struct redis_args *a, const struct keys *k)
{
    for (int q = 1; q <= QUEUE_COUNT; q++)
        redis_arg_str(a, k->ready[q]);
    for (int q = 1; q <= QUEUE_COUNT; q++)
        redis_arg_str(a, k->wake[q]);
}
