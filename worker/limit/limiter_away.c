/* limiter_away.c - jobs that were put off until their turn, as this process remembers them.
 *
 * A job is put off by the rate of that moment.  When the rate grows its ticket
 * is due earlier than the job comes back, and that part of the rate would be
 * nobody's.  So after each round those whose turn has come near are called
 * back.  When the rate falls they would come back long before their turn, all
 * at once, and take the slots of those whose turn it is; so those who are about
 * to come too early come later, and are not put off once more.
 *
 * It is a help, not a promise: what this process does not remember (another put
 * it off, there are too many) comes back at its own time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "worker/limit/limiter_private.h"

#define NEAR_US   INT64_C(1200000)  /* so long before its turn a job is called back */
#define GAIN_US   INT64_C(500000)   /* unless it comes by itself about then */
#define EARLY_US  INT64_C(2000000)  /* so long before its turn it comes too early ... */
#define LOOK_US   INT64_C(1000000)  /* which is looked for so often */
#define LATER_US  INT64_C(60000000) /* and later at most by this: this process may end */
#define AWAY_MAX  200000            /* per bucket and class */
#define MOVES_MAX 500               /* per round */
#define NEVER_US  (INT64_MAX / 2)

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

struct moves {
    struct redis_args keys, args;
    size_t count;
};

static void add(struct moves *m, const struct limiter_bucket *b, const struct limiter_away *w,
                int64_t in_us)
{
    keys_arg(&m->keys, b->l->p->keys.job, strchr(w->member, '/') + 1);
    redis_arg_str(&m->args, w->member);
    redis_arg_int(&m->args, in_us / 1000);
    m->count++;
}

/* Those at the head of a class whose turn is near come now. */
static void call_back(struct limiter_bucket *b, int k, int64_t now, struct moves *m)
{
    while (b->away[k] && m->count < MOVES_MAX) {
        const struct limiter_away *w = b->away[k];
        int64_t wait = slice_wait_us(&b->slice, &w->ticket, now);

        if (wait > NEAR_US && wait < NEVER_US && w->back_us > now)
            break;
        if (w->back_us > now + GAIN_US)
            add(m, b, w, 0);
        forget(b, k);
    }
}

/* Those who come long before their turn come later. */
static void postpone(struct limiter_bucket *b, int k, int64_t now, struct moves *m)
{
    struct limiter_away *w;

    DL_FOREACH(b->away[k], w)
    {
        int64_t wait;

        if (m->count >= MOVES_MAX)
            break;
        if (w->back_us > now + 2 * LOOK_US)
            continue;
        wait = slice_wait_us(&b->slice, &w->ticket, now);
        if (wait >= NEVER_US || now + wait < w->back_us + EARLY_US)
            continue;
        wait = min64(wait - NEAR_US, LATER_US);
        w->back_us = now + wait;
        add(m, b, w, wait);
    }
}

void limiter_retime(struct limiter_bucket *b)
{
    int64_t now = clock_mono_us();
    struct moves m = {.count = 0};
    struct redis_args a;

    if (!b->away[BUCKET_FRONT] && !b->away[BUCKET_STANDARD] && !b->away[BUCKET_BATCH])
        return;
    redis_args_init(&m.keys);
    redis_args_init(&m.args);
    redis_args_init(&a);
    redis_arg_str(&a, key(&b->l->p->keys, KEY_DELAYED));
    redis_arg_str(&a, key(&b->l->p->keys, KEY_BELL));
    for (int k = 0; k < BUCKET_CLASSES; k++)
        call_back(b, k, now, &m);
    if (now - b->looked_us >= LOOK_US) {
        b->looked_us = now;
        for (int k = 0; k < BUCKET_CLASSES; k++)
            postpone(b, k, now, &m);
    }
    redis_args_append(&a, &m.keys);
    redis_args_append(&a, &m.args);
    redis_args_done(&m.keys);
    redis_args_done(&m.args);
    if (m.count > 0)
        redis_script(b->l->p->redis, script(SCRIPT_RETIME), m.count + 2, &a, NULL, NULL);
    else
        redis_args_done(&a);
}

void limiter_away_free(struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        while (b->away[k])
            forget(b, k);
}
