/* settle.h - batches of outcomes on their way to Redis: finish and defer; and costs, before the
 * end.
 *
 * Whoever holds jobs (a worker; a scheduler that reaps; a command that cancels)
 * adds outcomes to a batch and sends it as one script call.  The batch keeps
 * its bytes, so when the answer is lost it is sent again as it is: every
 * outcome names the transition it starts from (tnum and token), and the
 * scripts answer `again` or `stale` instead of writing twice.
 *
 *     struct settle *s = settle_new(SETTLE_FINISH);
 *     settle_finish(s, &f, item);  ...
 *     settle_send(s, q, &who, cb, arg);       cb: one letter per item, in order
 *     settle_free(s);
 */
#ifndef FLOTILLA_SETTLE_H
#define FLOTILLA_SETTLE_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/io/redis.h"
#include "common/model/cost.h"
#include "common/queue/keys.h"
#include "common/queue/record.h"

enum settle_kind { SETTLE_FINISH, SETTLE_DEFER, SETTLE_TELL, SETTLE_KINDS };

/* What became of one item (the scripts' letters). */
enum settle_code {
    SETTLE_WRITTEN = 'k',
    SETTLE_AGAIN = 'a', /* it had been written: the answer to an earlier send was lost */
    SETTLE_STALE = 's', /* the job is not ours any more; its costs were added */
    SETTLE_CANCEL =
        'c' /* defer only: cancel was asked; nothing was written, finish it as cancelled */
};

struct finish {
    const char *id;
    const struct record *held; /* as this party last read or wrote it */
    struct record next;        /* what the record becomes; tnum and token are set here */
    bool taken;                /* from a dead worker: what it still sends of the job is stale */
    struct span doc;           /* kept behind the header for a replay; absent: dropped */
    struct span result;
    bool publish; /* an entry in the results stream */
    bool dead;    /* into the dead set */
    bool reply;
    const char *webhook_id;       /* NULL: none */
    const char *webhook_spare_id; /* when a job of an earlier life of this id has that one */
    struct span webhook_record;   /* header and document of the webhook's job */
    const struct cost_event *costs;
    size_t cost_count;
};

struct defer {
    const char *id;
    const struct record *held;
    struct record next; /* attempts, crashes, parks, step, parked_ms...; state, tnum, token and due
                           are set here */
    bool taken;         /* as above */
    int64_t delay_ms;   /* 0: ready at once */
    bool front;         /* before what is ready, not behind it */
    struct span body; /* what replaces document and progress behind the header; absent: unchanged */
    const struct cost_event *costs;
    size_t cost_count;
};

/* What calls of a job cost that goes on: told at once, so that nobody forgets it who dies later. */
struct tell {
    const char *id;
    const struct record *held;
    const struct cost_event *costs;
    size_t cost_count;
};

struct settle;
struct settle *settle_new(enum settle_kind kind);
void settle_free(struct settle *s);
/* Append.  Everything is copied; item comes back through settle_item. */
void settle_finish(struct settle *s, const struct finish *f, void *item);
void settle_defer(struct settle *s, const struct defer *d, void *item);
void settle_tell(struct settle *s, const struct tell *t, void *item);
enum settle_kind settle_kind_of(const struct settle *s);
size_t settle_count(const struct settle *s);
size_t settle_bytes(const struct settle *s);
void *settle_item(const struct settle *s, size_t i);

/* Who settles, and the times that records are kept. */
struct settle_who {
    const struct keys *keys;
    const char *worker; /* whose active ids shrink; NULL: nobody's */
    const char *lease;  /* the scheduler's token, or NULL */
    int64_t ids_ms, dead_ms, reply_ms;
};
/* The keys and the worker's id are borrowed until the callback; the lease is copied (63 bytes).
 * codes: settle_count() letters, or NULL with err.  ERR_REDIS_LOST: send the same batch again.
 * ERR_REDIS "deposed": the lease is another's. */
typedef void settle_cb(void *arg, struct settle *s, const char *codes, const struct err *err);
void settle_send(struct settle *s, struct redis *r, const struct settle_who *who, settle_cb *cb,
                 void *arg);
/* This time by Redis's clock, as far as it is known: a script that was given the key of another day
 * has said so.  It decides to which day costs belong. */
int64_t settle_redis_ms(int64_t wall_ms);
/* The script's answer (of redis_call, for commands): the letters, or NULL with err. */
const char *settle_codes(const struct settle *s, const struct reply *reply,
                         const struct err *redis_err, struct err *err);
/* The command as arguments, and its script: for redis_call in commands. */
void settle_args(const struct settle *s, const struct settle_who *who, struct redis_args *ret);

#endif
