/* dims.h - by what the costs of a batch are summed: total, model, type, tenant, tags.
 *
 *     total   model:openai/gpt-oss-20b   type:inference   tenant:acme   tag:team=search
 *
 * These are a set; an event names its set by number, from 1, so that a script sums all events of a
 * batch before it touches the spend hash.  `sets` are the arguments that tell them: per set how
 * many there are, and then each. */
#ifndef FLOTILLA_DIMS_H
#define FLOTILLA_DIMS_H

#include "common/core/buf.h"
#include "common/io/redis.h"
#include "common/model/cost.h"

struct dims {
    struct redis_args sets;
    size_t count;
    /* its own */
    struct dim_set *set;
    size_t cap;
    struct buf scratch;
};

void dims_init(struct dims *d);
void dims_done(struct dims *d);
/* The number of the set of an event, which is added when it is a new one.  Texts are copied. */
size_t dims_of(struct dims *d, const struct cost_event *e);

#endif
