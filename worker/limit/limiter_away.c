/* limiter_away.c - jobs that were put off until their turn, as this process remembers them.
 *
 * A job is put off by the rate of that moment.  When the rate grows its ticket
 * is due earlier than the job comes back, and that part of the rate would be
 * nobody's.  So after each round those whose turn has come near are called
 * back.  It is a help, not a promise: what this process does not remember
 * (another put it off, there are too many) comes back at its own time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/limit/limiter_private.h"

#define NEAR_US  INT64_C(1200000) /* so long before its turn a job is called back */
#define GAIN_US  INT64_C(500000)  /* unless it comes by itself about then */
#define AWAY_MAX 200000           /* per bucket and class */
#define CALL_MAX 500              /* per round */

struct limiter_away {
    struct bucket_ticket ticket;
    int64_t back_us; /* when it comes by itself */
    struct limiter_away *prev, *next;
    char member[]; /* "<queue>/<id>" */
};

/* In the order of the numbers: new ones come last, those that were away before come first. */
static void insert(struct limiter_away **list, struct limiter_away *w)
{
    double number = w->ticket.number[BUCKET_CALLS];
    struct limiter_away *at = *list;

    if (!at || at->prev->ticket.number[BUCKET_CALLS] <= number) {
        DL_APPEND(*list, w);
        return;
    }
    while (at->ticket.number[BUCKET_CALLS] <= number)
        at = at->next;
    DL_PREPEND_ELEM(*list, at, w);
}

void limiter_put_off(struct limiter_call *c, enum queue_id queue, const char *id, int64_t in_ms)
{
    struct limiter_bucket *b = c->bucket;
    enum bucket_class k = c->ticket.class;
    size_t n = strlen(queue_name(queue)) + strlen(id) + 2;
    struct limiter_away *w;

    if (!b || !c->has_ticket || b->away_count[k] >= AWAY_MAX)
        return;
    w = xmalloc(sizeof *w + n);
    w->ticket = c->ticket;
    w->back_us = clock_mono_us() + in_ms * 1000;
    snprintf(w->member, n, "%s/%s", queue_name(queue), id);
    insert(&b->away[k], w);
    b->away_count[k]++;
}

static void forget(struct limiter_bucket *b, int k)
{
    struct limiter_away *w = b->away[k];

    DL_DELETE(b->away[k], w);
    b->away_count[k]--;
    free(w);
}

static void add(struct redis_args *keys, struct redis_args *members, const struct limiter_bucket *b,
                const struct limiter_away *w)
{
    keys_arg(keys, b->l->p->keys.job, strchr(w->member, '/') + 1);
    redis_arg_str(members, w->member);
}

/* Those at the head of a class whose turn is near; how many were added. */
static size_t collect(struct limiter_bucket *b, int k, int64_t now, struct redis_args *keys,
                      struct redis_args *members)
{
    size_t n = 0;

    while (b->away[k] && members->count < CALL_MAX) {
        const struct limiter_away *w = b->away[k];
        int64_t wait = slice_wait_us(&b->slice, &w->ticket, now);

        if (wait > NEAR_US && wait < INT64_MAX / 2 && w->back_us > now)
            break;
        if (w->back_us > now + GAIN_US) {
            add(keys, members, b, w);
            n++;
        }
        forget(b, k);
    }
    return n;
}

void limiter_call_back(struct limiter_bucket *b)
{
    struct redis_args a, members;
    size_t n = 0;

    if (!b->away[BUCKET_FRONT] && !b->away[BUCKET_STANDARD] && !b->away[BUCKET_BATCH])
        return;
    redis_args_init(&a);
    redis_args_init(&members);
    redis_arg_str(&a, key(&b->l->p->keys, KEY_DELAYED));
    redis_arg_str(&a, key(&b->l->p->keys, KEY_BELL));
    for (int k = 0; k < BUCKET_CLASSES; k++)
        n += collect(b, k, clock_mono_us(), &a, &members);
    redis_args_append(&a, &members);
    redis_args_done(&members);
    if (n > 0)
        redis_script(b->l->p->redis, script(SCRIPT_SOONER), n + 2, &a, NULL, NULL);
    else
        redis_args_done(&a);
}

void limiter_away_free(struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        while (b->away[k])
            forget(b, k);
}
