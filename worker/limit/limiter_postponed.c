/* limiter_postponed.c - jobs that were postponed until their turn: the waiting rooms of a bucket.
 *
 * The time of a turn is known by the rate of one moment only, so a postponed job is called back
 * when its turn is near by the rate of now.  Its own time is a good deal later: it is for jobs that
 * nobody calls back, and a rate that fell brings few jobs too early.
 *
 * Each class of a bucket has a room (rooms.h): the entries stand there in the order of their
 * tickets, whichever process postponed the jobs.  Each process that uses the bucket looks there a few times a
 * second while somebody waits, and seldom while nobody does; a process that begins looks into all
 * rooms that there are.  One look hands out what may be called in 0.4 s. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "worker/claims/rooms.h"
#include "worker/limit/limiter_private.h"

#define LOOK_US   INT64_C(200000)
#define SELDOM_US INT64_C(5000000) /* between looks into a room that was empty */
#define AGAIN_US  INT64_C(1000000) /* when those that came are too early: the rate may grow */
#define BACK_US   INT64_C(200000)  /* how long before its turn a job is called back */
#define MOST      500              /* entries of one look */
#define NEVER_US  (INT64_MAX / 2)

static char *room_name(const struct limiter_postponed *w, char name[ROOM_NAME])
{
    snprintf(name, ROOM_NAME, "rate:%d:%s", (int)(w - w->b->away), w->b->name);
    return name;
}

void limiter_postponed_init(struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        b->away[k] = (struct limiter_postponed){.b = b};
}

void limiter_postponed_free(struct limiter_bucket *b)
{
    for (int k = 0; k < BUCKET_CLASSES; k++)
        rooms_forget(b->l->rooms, &b->away[k]);
}

/* A room of that name has entries. */
static void on_room(void *arg, const char *name)
{
    struct limiter *l = arg;
    int k = -1, n = 0;

    if (sscanf(name, "rate:%d:%n", &k, &n) != 1 || !n || k < 0 || k >= BUCKET_CLASSES ||
        strlen(name + n) >= LIMITER_NAME || HASH_COUNT(l->buckets) >= LIMITER_BUCKETS)
        return;
    limiter_bucket_of(l, name + n)->away[k].waits = true;
    limiter_sync_later(l);
}

void limiter_postponed_find(struct limiter *l) { rooms_list(l->rooms, on_room, l); }

/* ---- in ---- */

void limiter_postpone(struct limiter *l, const char *bucket, const struct bucket_ticket *t,
                      enum queue_id queue, const char *id)
{
    struct limiter_postponed *w = &limiter_bucket_of(l, bucket)->away[t->class];
    char name[ROOM_NAME], entry[ROOM_ENTRY];

    snprintf(entry, sizeof entry, "%s/%s/%.0f", queue_name(queue), id, t->number[BUCKET_TOKENS]);
    rooms_enter(l->rooms, room_name(w, name), t->number[BUCKET_CALLS], entry, NULL);
    if (!w->waits)
        w->look_us = clock_mono_us() + LOOK_US;
    w->waits = true;
    limiter_sync_later(l);
}

/* ---- out ---- */

/* A job that is called back now is there BACK_US before its turn, after this round and the next. */
static int64_t near_us(const struct limiter_bucket *b)
{
    return BACK_US + 2 * max64(LOOK_US, b->l->env->cfg->limits_sync_ms * 1000);
}

static struct bucket_ticket ticket_of(const struct limiter_postponed *w, const struct room_entry *e)
{
    const char *tokens = strrchr(e->text, '/');
    struct bucket_ticket t = {.class = (enum bucket_class)(w - w->b->away)};

    t.number[BUCKET_CALLS] = e->place;
    t.number[BUCKET_TOKENS] = tokens ? strtod(tokens + 1, NULL) : 0;
    return t;
}

static void on_look(void *arg, const struct room_seen *seen)
{
    struct limiter_postponed *w = arg;
    struct limiter_bucket *b = w->b;
    int64_t now = clock_mono_us(), first_us = 0;

    w->looking = false;
    if (seen->left >= 0)
        w->waits = seen->left > 0;
    for (size_t i = 0; i < seen->count; i++) {
        const struct room_entry *e = &seen->entries[i];
        const struct bucket_ticket t = ticket_of(w, e);
        int64_t wait = slice_wait_us(&b->slice, &t, now);

        if (wait <= near_us(b) || wait >= NEVER_US) { /* soon, lapsed, or never: it asks again */
            rooms_recall(b->l->rooms, seen->name, e->text);
            continue;
        }
        rooms_enter(b->l->rooms, seen->name, e->place, e->text, NULL);
        w->waits = true;
        first_us = first_us ? first_us : wait;
    }
    if (first_us) /* tokens or other classes have the rate: not again at once */
        w->look_us = now + min64(first_us - near_us(b), AGAIN_US);
}

/* As many as may be called until the next look but one. */
static int most_of(const struct limiter_bucket *b)
{
    double n = b->most ? (double)(b->granted - b->going) + 1
                       : b->slice.b.lane[BUCKET_CALLS].rate * (double)(2 * LOOK_US) / 1e6 + 1;

    return n < 1 ? 1 : n > MOST ? MOST : (int)n;
}

static void limiter_postponed_look(struct limiter_postponed *w, int64_t now)
{
    struct limiter_bucket *b = w->b;
    enum bucket_class k = (enum bucket_class)(w - b->away);
    const struct bucket_lane *lane = &b->slice.b.lane[BUCKET_CALLS];
    const struct bucket_ticket next = {.class = k, .number = {lane->pos[k]}};
    struct room_look l = {.most = most_of(b)};
    char name[ROOM_NAME];

    if (slice_wait_us(&b->slice, &next, now) > near_us(b)) /* nothing moves */
        return;
    l.last = lane->pos[k] + lane->rate * (double)near_us(b) / 1e6;
    w->looking = true;
    w->look_us = now + (w->waits ? LOOK_US : SELDOM_US);
    rooms_look(b->l->rooms, room_name(w, name), &l, on_look, w);
}

void limiter_recall(struct limiter_bucket *b)
{
    int64_t now = clock_mono_us();

    for (int k = 0; k < BUCKET_CLASSES; k++) {
        struct limiter_postponed *w = &b->away[k];

        if (!w->looking && now >= w->look_us)
            limiter_postponed_look(w, now);
    }
}
