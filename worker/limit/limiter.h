/* limiter.h - every call to a provider waits here for its turn: the rate of its key and model.
 *
 *     switch of states of one call
 *
 *     OUT --enter--> ASKS --a ticket came--> WAITS --due--> GOES --answered, lost--> OUT
 *                      \_______________________/              (limiter_end)
 *                         limiter_leave: OUT again
 *
 * The rate is one for the whole fleet (common/limit/bucket.h); this process holds a slice of the
 * tickets (slice.h) and asks Redis for all its buckets together, some times a second while there is
 * something to say (limits.sync_ms).  When Redis does not answer, calls go on at the last known
 * rate for limits.stale_ms.
 *
 * Model names come from users: at most LIMITER_BUCKETS buckets are kept, and more only while calls
 * wait, are under way or were postponed; one that nobody used for ten minutes goes.  Redis keeps
 * 512 of the whole fleet (lua/limit.lua).
 *
 * A call in the state GOES must be ended with limiter_end, once, whatever became of it.
 * One timer per bucket; nothing spins. */
#ifndef FLOTILLA_LIMITER_H
#define FLOTILLA_LIMITER_H

#include "common/core/base.h"
#include "common/limit/bucket.h"
#include "common/queue/record.h"
#include "worker/env.h"

struct http_reply;
struct rooms;
struct limiter;
struct limiter_bucket;

enum { LIMITER_BUCKETS = 256 };
enum limiter_state { LIMITER_OUT, LIMITER_ASKS, LIMITER_WAITS, LIMITER_GOES };

/* One call; zero at first, embedded in what waits. */
struct limiter_call {
    struct limiter_bucket *bucket;
    enum limiter_state state;
    struct bucket_ticket ticket; /* its class is the caller's to set */
    bool has_ticket;             /* the number was kept from before, or given here */
    double tokens;               /* of the request; limiter_enter adds those expected in answer */
    double answer_tokens;        /* private: these */
    int64_t cuts, epoch;         /* private: to distinguish answers */
    /* It has a place now (or the place is another), and its turn is in so many ms.  It may leave
     * here. */
    void (*on_place)(void *arg, int64_t wait_ms);
    void (*on_turn)(void *arg); /* it is in the state GOES */
    void *arg;
    struct limiter_call *prev, *next;
};

struct limiter *limiter_new(const struct env *env, struct rooms *rooms);
void limiter_free(struct limiter *l);
void limiter_reconnected(struct limiter *l);

/* The bucket's field in Redis, "<fingerprint>:<model>", cut to size; returns name. */
#define LIMITER_NAME 160
char *limiter_name(const char *fingerprint, struct span model, char name[LIMITER_NAME]);
/* most: calls at once in the whole fleet, 0: any.  The caller's class, tokens, callbacks and, when
 * it has one, ticket are set.  0: it goes now, without a callback.  > 0: it waits for so many ms.
 * -1: not known yet; on_place is called with it. */
int64_t limiter_enter(struct limiter *l, struct limiter_call *c, const char *name, int64_t most);
/* It does not wait any longer.  keep: its ticket is kept for when it comes back; else it is given
 * back.  Nothing when it is OUT; what GOES is ended. */
void limiter_leave(struct limiter_call *c, bool keep);
/* A job with this ticket is postponed, and that is written: it is called back when its turn is
 * near. */
void limiter_postpone(struct limiter *l, const char *bucket, const struct bucket_ticket *t,
                      enum queue_id queue, const char *id);
/* ms until the turn of a call that waits: > 0; INT64_MAX: not known (it asks, or waits for one of
 * the calls at once). */
int64_t limiter_wait_ms(const struct limiter_call *c);
/* Nothing is known of the bucket yet, or nobody has ever refused a call: its rate grows quickly. */
bool limiter_is_untried(const struct limiter_call *c);
const char *limiter_bucket_name(const struct limiter_call *c);

/* ---- what became of a call that went ---- */
enum limiter_end {
    LIMITER_LOST,       /* no answer, or one that says nothing about the rate */
    LIMITER_WELL,       /* 200: tokens_used of it, < 0 unknown */
    LIMITER_REFUSED,    /* 429: wait_ms is what the server asked, -1 nothing */
    LIMITER_TOKENS,     /* 429, because of its tokens */
    LIMITER_OVERLOADED, /* 503 */
};
struct limiter_outcome {
    enum limiter_end end;
    double tokens_used;
    int64_t wait_ms;
    const struct http_reply *reply; /* its headers may state a limit; or NULL */
};
void limiter_end(struct limiter_call *c, const struct limiter_outcome *o);

#endif
