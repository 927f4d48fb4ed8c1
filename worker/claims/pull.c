/* pull.c - takes as many jobs as there are free slots, and sleeps when there are none.
 *
 *        wake token, freed slots, 5 s net
 *                   |
 *   idle --> claim (ids) --> start (documents) --> runs
 *     ^         |   \--> ahead --slot free--> start
 *     |         | fewer than asked: nothing is left
 *     +--wait---+
 *
 * A tenth of the slots is kept for realtime jobs, so there are two classes of
 * queues, each with its own connection to wait on: a worker full of standard
 * jobs still hears the bell of a realtime one.  bells.h knows which queues may
 * have work; only those are claimed from.  A bell of a single new job has its
 * id, so that its start follows the claim at once (starts.h).  A busy worker
 * claims a few jobs ahead of its slots (ahead.h).
 *
 * What is lost with a connection: a start without answer is sent again with
 * the same token (the script answers the same); a claim without answer has put
 * ids into this worker's active set, so that set is read and what nobody here
 * knows is started. */
#include <stdlib.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/claims/pull_private.h"

enum { LOOK_MS = 60000 };

int pull_class(enum queue_id q) { return q == QUEUE_INFERENCE_REALTIME ? REALTIME : OTHERS; }

queue_set pull_queues(const struct pull *u, int class)
{
    return quota_queues(&u->quota, class == REALTIME);
}

static queue_set all_queues(const struct pull *u)
{
    return pull_queues(u, REALTIME) | pull_queues(u, OTHERS);
}

static int slots(const struct pull *u) { return (int)u->claimer->env->group->concurrency; }

static int reserved(const struct pull *u)
{
    return quota_has_realtime(&u->quota) && u->quota.count > 1
               ? (int)(slots(u) * u->claimer->env->cfg->workers_realtime_percent / 100)
               : 0;
}

static int free_slots(const struct pull *u, int class)
{
    int used = (int)u->claimer->slots->running + starts_count(u->starts);
    int most = class == REALTIME ? slots(u) : slots(u) - reserved(u);

    return most > used ? most - used : 0;
}

/* The runs in hand come first, as far as they may have the slots. */
int pull_room(const struct pull *u, int class)
{
    const struct slots *s = u->claimer->slots;
    int left = free_slots(u, class), realtime = (int)s->realtime_waiters,
        others = (int)s->waiters - realtime;

    if (class == REALTIME && others > free_slots(u, OTHERS))
        others = free_slots(u, OTHERS);
    return left > realtime + others ? left - realtime - others : 0;
}

bool pull_has_slot(const struct pull *u, enum queue_id queue)
{
    return free_slots(u, pull_class(queue)) > 0;
}

/* ---- claim ---- */

struct claim {
    struct pull *u;
    uint64_t era;
    int64_t sent_us;
    int total;
    size_t n;
    struct work_want wants[QUEUE_COUNT];
};

/* A slot that is free now is for realtime jobs first: the claim's queues are in that order. */
static void place(struct pull *u, char *take_id, enum queue_id queue, char **starts, size_t *n)
{
    int class = pull_class(queue);

    if (starts_guessed(u->starts, take_id) || starts_returning(u->starts, take_id))
        free(take_id);
    else if (pull_room(u, class) > (int)*n)
        starts[(*n)++] = take_id;
    else
        ahead_add(u->ahead, take_id, queue, class == REALTIME);
}

static void place_all(const struct claim *c, const struct reply *reply)
{
    struct pull *u = c->u;
    char **starts = xcalloc((size_t)c->total + 1, sizeof *starts);
    size_t n = 0;

    for (size_t q = 0; q < c->n; q++) {
        const struct reply *list = reply_at(reply, q + 1);

        for (size_t i = 0; i < reply_count(list); i++) {
            struct span id = reply_span(reply_at(list, i));

            place(u, xstrndup(id.p, id.n), c->wants[q].queue, starts, &n);
        }
    }
    if (n > 0)
        starts_add(u->starts, starts, n, false);
    else
        free(starts);
}

static void note_dry(const struct claim *c, const struct reply *reply)
{
    struct span letters = reply_span(reply_at(reply, c->n + 1));
    queue_set asked = 0, dry = 0;

    for (size_t i = 0; i < c->n; i++) {
        asked |= QUEUE_BIT(c->wants[i].queue);
        if (i < letters.n && letters.p[i] == 'd')
            dry |= QUEUE_BIT(c->wants[i].queue);
    }
    bells_claimed(&c->u->bells, asked, dry);
}

static void on_claimed(void *arg, const struct reply *reply, const struct err *err)
{
    struct claim *c = arg;
    struct pull *u = c->u;

    u->claiming = false;
    if (!reply || c->era != u->era) {
        u->look = true; /* it may have run */
        if (err && err->kind == ERR_REDIS)
            log_err(LOG_WARN, "claim", err);
        free(c);
        return;
    }
    if (work_is_gone(reply)) {
        free(c);
        claimer_gone(u->claimer);
        return;
    }
    ahead_claimed(u->ahead, clock_mono_us() - c->sent_us);
    place_all(c, reply);
    note_dry(c, reply);
    free(c);
    pull_kick(u);
}

/* How many of each class.  Jobs are claimed ahead of others' slots alone; where realtime jobs have
 * no slots of their own, they are asked for as well and come first. */
static queue_set claim_sizes(struct pull *u, int most[CLASSES])
{
    const queue_set sets[CLASSES] = {pull_queues(u, REALTIME), pull_queues(u, OTHERS)};
    queue_set of = bells_claim(&u->bells, sets, CLASSES, clock_mono_ms());
    int batch = (int)u->claimer->env->cfg->workers_batch_jobs;
    int early = of & sets[OTHERS] ? ahead_wanted(u->ahead) : 0;

    if (early > 0 && reserved(u) == 0)
        of |= sets[REALTIME];
    for (int class = 0; class < CLASSES; class ++) {
        int n = pull_room(u, class) + (class == OTHERS || reserved(u) == 0 ? early : 0);

        most[class] = of & sets[class] ? (int)min64(n, batch) : 0;
    }
    return of;
}

static void claim(struct pull *u)
{
    struct claim *c = xcalloc(1, sizeof *c);
    int most[CLASSES];
    queue_set of = claim_sizes(u, most);

    c->u = u;
    c->era = u->era;
    c->sent_us = clock_mono_us();
    c->total = most[REALTIME] > most[OTHERS] ? most[REALTIME] : most[OTHERS];
    c->n = quota_share(&u->quota, of, c->total, most[REALTIME], most[OTHERS], c->wants);
    u->claiming = true;
    work_claim(u->claimer->env->redis, &u->claimer->env->keys,
               &(struct work_claim){u->claimer->env->id, c->wants, c->n, c->total}, on_claimed, c);
    if (u->guess[0])
        starts_guess(u->starts, u->guess);
}

/* ---- the decision ---- */

bool pull_may_take(const struct pull *u)
{
    return u->claimer->registered && redis_is_ready(u->claimer->env->redis) && !u->look &&
           !u->claimer->draining && claimer_may_call(u->claimer);
}

/* Slots are free: for ids that were claimed before, unless a realtime job may want them. */
static void start_early(struct pull *u)
{
    int realtime = ahead_realtime(u->ahead);

    if (realtime > 0)
        ahead_start(u->ahead, (int)min64(pull_room(u, REALTIME), realtime));
    if (ahead_realtime(u->ahead) == 0 && !(u->bells.maybe & pull_queues(u, REALTIME)))
        ahead_start(u->ahead, pull_room(u, OTHERS));
}

static bool wants_claim(struct pull *u, int class)
{
    return pull_room(u, class) > 0 || (class == OTHERS && ahead_wanted(u->ahead) > 0);
}

void pull_kick(struct pull *u)
{
    bool any = false;

    if (!u->claimer->registered || !redis_is_ready(u->claimer->env->redis))
        return;
    starts_resend(u->starts);
    if (u->claimer->draining)
        ahead_return_all(u->ahead);
    if (pull_may_take(u))
        start_early(u);
    if (u->claiming)
        return;
    if (u->look) { /* while draining as well: what is found goes back */
        pull_look_send(u);
        return;
    }
    if (!pull_may_take(u))
        return;
    for (int class = 0; class < CLASSES; class ++) {
        if (u->bells.maybe & pull_queues(u, class))
            any |= wants_claim(u, class);
        else if (pull_room(u, class) > 0 && !u->waiting[class])
            pull_wait_soon(u);
    }
    if (any)
        claim(u);
}

void pull_reconnected(struct pull *u)
{
    starts_resend(u->starts);
    u->look = true;
    u->bells.maybe = all_queues(u);
    pull_kick(u);
}

void pull_reset(struct pull *u)
{
    u->era++;
    u->look = false;
    ahead_reset(u->ahead);
    starts_reset(u->starts);
    u->bells.maybe = all_queues(u);
}

void pull_look(struct pull *u) { u->look = true; }

void pull_reload(struct pull *u)
{
    quota_init(&u->quota, u->claimer->env->group);
    u->bells.maybe = all_queues(u);
    pull_kick(u);
}

bool pull_is_idle(const struct pull *u)
{
    return !u->claiming && ahead_count(u->ahead) == 0 && starts_are_idle(u->starts);
}

bool pull_must_look(const struct pull *u) { return u->look && u->claimer->registered; }

static void pull_on_look_timer(void *arg)
{
    struct pull *u = arg;

    u->look_timer = loop_after(u->claimer->env->loop, LOOK_MS, pull_on_look_timer, u);
    u->look = true;
    pull_kick(u);
}

struct pull *pull_new(struct claimer *h, struct redis *const waits[2])
{
    struct pull *u = xcalloc(1, sizeof *u);

    u->claimer = h;
    u->waits = waits;
    u->starts = starts_new(h);
    u->ahead = ahead_new(h, u->starts);
    quota_init(&u->quota, h->env->group);
    u->bells.maybe = all_queues(u);
    u->look_timer = loop_after(h->env->loop, LOOK_MS, pull_on_look_timer, u);
    return u;
}

void pull_free(struct pull *u)
{
    if (!u)
        return;
    loop_cancel(&u->look_timer);
    pull_wait_cancel(u);
    ahead_free(u->ahead);
    starts_free(u->starts);
    free(u);
}
