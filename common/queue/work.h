/* work.h - how a worker process takes jobs: heartbeat, claim, start.
 *
 * A worker id is "<host>-<tag>", tag = 8 hex digits; a token is the tag and 8
 * hex digits that count the start calls of this worker.
 *
 * Each function with a callback sends one command: arguments are copied before it returns, cb is
 * called once on a later turn of the loop, with the answer as the script's own comment tells it
 * (lua/claim.lua, start.lua, heartbeat.lua, giveback.lua), or with NULL and err.  A script whose
 * answer was lost may be sent again as it was.
 */
#ifndef FLOTILLA_WORK_H
#define FLOTILLA_WORK_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/queue/keys.h"

#define WORKER_TAG    8
#define WORKER_ID_MAX 80

/* A fresh worker id for this host. */
void work_new_id(char id[WORKER_ID_MAX]);
/* The tag of a worker id: its last 8 characters. */
const char *work_tag(const char *worker_id);

/* One queue in a claim. */
struct work_want {
    enum queue_id queue;
    int quota;         /* its share while others have work too */
    const char *class; /* queues of one class share `most` */
    int most;          /* never more than this of all of them */
};
struct work_claim {
    const char *worker;
    const struct work_want *wants;
    size_t n;
    int total;
};
/* At most `total` ids, of the queues in order of preference. */
void work_claim(struct redis *r, const struct keys *k, const struct work_claim *c, redis_cb *cb,
                void *arg);
struct work_start {
    const char *worker, *token;
    const char *const *ids;
    size_t n;
    bool guess; /* one id that may not have been claimed: then nothing happens */
};
void work_start(struct redis *r, const struct keys *k, const struct work_start *w, redis_cb *cb,
                void *arg);
struct work_heartbeat {
    const char *worker;
    struct span what; /* a JSON object that `flotilla workers` shows */
    bool first;       /* register; else it must be registered */
    bool health;      /* the answer has the health of all routes */
};
void work_heartbeat(struct redis *r, const struct keys *k, const struct work_heartbeat *w,
                    redis_cb *cb, void *arg);
struct work_give_back {
    const char *worker;
    const char *const *ids;
    const int *queues; /* of each id */
    size_t n;
    bool front; /* they go before what waits, in their order; else behind it */
};
/* Claimed ids that were not started go back to their queues. */
void work_give_back(struct redis *r, const struct keys *k, const struct work_give_back *g,
                    redis_cb *cb, void *arg);
/* True when a reply of these scripts says that this worker is not registered (any more). */
bool work_is_gone(const struct reply *reply);
/* Wait for work on these queues, at most block_ms. */
void work_wait(struct redis *r, const struct keys *k, const struct work_want *wants, size_t n,
               int64_t block_ms, redis_cb *cb, void *arg);

#endif
