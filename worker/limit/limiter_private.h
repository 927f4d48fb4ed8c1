/* limiter_private.h - shared by limiter.c (who waits), limiter_sync.c (the exchange with Redis) and
 * their helpers. */
#ifndef FLOTILLA_LIMITER_PRIVATE_H
#define FLOTILLA_LIMITER_PRIVATE_H

#include "common/core/hash.h"
#include "common/io/loop.h"
#include "worker/env.h"
#include "worker/limit/limiter.h"
#include "worker/limit/slice.h"

/* The waiting room of one class: limiter_postponed.c. */
struct limiter_postponed {
    struct limiter_bucket *b;
    bool waits;      /* somebody waits there, as far as it is known */
    bool looking;    /* an answer is to come */
    int64_t look_us; /* the next look is due */
};

struct limiter_bucket {
    struct limiter *l;
    char name[LIMITER_NAME];
    struct slice slice;
    struct limiter_call *asks[BUCKET_CLASSES], *waits[BUCKET_CLASSES]; /* utlist, first is next */
    struct limiter_postponed away[BUCKET_CLASSES]; /* jobs that were postponed */
    struct loop_timer *timer;                      /* when the first of those that wait may go */
    size_t calls;                                  /* that are not OUT */
    int64_t going;                                 /* that are GOES */
    bool tried;                                    /* a call was refused, at some time */
    int64_t most, granted; /* calls at once: of the fleet (0: any), of this process */
    int64_t starved_us;    /* since when a call has been waiting for a ticket; 0: none */
    int64_t spent_us;      /* while Redis is away: this process's share is used up to then */
    double answer_tokens;  /* mean of the answers */
    int64_t used_us;       /* when somebody entered last */
    UT_hash_handle hh;
};

struct limiter {
    const struct env *env;
    struct rooms *rooms;            /* of postponed jobs */
    struct limiter_bucket *buckets; /* uthash by name */
    struct loop_timer *timer;       /* the next round */
    struct limiter_round *round;    /* the one under way; NULL none */
    int64_t asked_us;
    bool soon;    /* a deferred round is on its way */
    bool refused; /* Redis answered the last round with an error */
};

void limiter_forget(struct limiter_bucket *b);
/* One of those that nobody needs goes: the one that was not used for the longest time, and first
 * those of which nothing was learned. */
void limiter_make_room(struct limiter *l);
bool limiter_somebody_asks(const struct limiter_bucket *b);
struct limiter_bucket *limiter_bucket_of(struct limiter *l, const char *name);
/* Tickets came, or time passed: calls whose turn it is go. */
void limiter_serve(struct limiter_bucket *b);
/* limiter_offline.c: Redis does not answer, and calls wait for tickets. */
enum { LIMITER_STARVED_US = 500000 };
/* us until a call may go without a ticket; INT64_MAX/2 never. */
int64_t limiter_offline_us(struct limiter_bucket *b, int64_t now);
void limiter_spend(struct limiter_bucket *b, int64_t now); /* one goes, with a ticket or without */
/* limiter_postponed.c: after each round, postponed jobs whose turn is near are called back. */
void limiter_postponed_init(struct limiter_bucket *b);
void limiter_postponed_free(struct limiter_bucket *b);
void limiter_recall(struct limiter_bucket *b);
void limiter_postponed_find(struct limiter *l); /* what other processes postponed */
/* Ask Redis: with the next round; as soon as it is fair; at the end of this turn. */
void limiter_sync_later(struct limiter *l);
void limiter_sync_soon(struct limiter *l);
void limiter_sync_now(struct limiter *l);
void limiter_sync_free(struct limiter *l);

#endif
