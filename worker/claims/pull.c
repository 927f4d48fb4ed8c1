/* pull.c - takes as many jobs as there are free slots, and sleeps when there are none.
 *
 *        wake token, freed slots, 5 s net
 *                   |
 *   idle --> claim (ids) --> start (documents) --> runs
 *     ^         | fewer than asked: nothing is left
 *     +--wait---+
 *
 * A tenth of the slots is kept for realtime jobs, so there are two classes of
 * queues, each with its own connection to wait on: a worker full of standard
 * jobs still hears the bell of a realtime one.  bells.h knows which queues may
 * have work; only those are claimed from.  A bell of a single new job has its
 * id, so that its start follows the claim at once (starts.h).
 *
 * What is lost with a connection: a start without answer is sent again with
 * the same token (the script answers the same); a claim without answer has put
 * ids into this worker's active set, so that set is read and what nobody here
 * knows is started. */
#include "worker/claims/pull.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/claims/bells.h"
#include "worker/claims/starts.h"

enum { REALTIME, OTHERS, CLASSES };
enum { WAIT_MS = 5000, LOOK_MS = 60000 };

struct pull {
    struct claimer *claimer;
    struct redis *const *waits;
    struct quota quota;
    struct bells bells;
    bool waiting[CLASSES];
    bool quiet;          /* on_quiet is to come */
    bool claiming, look; /* look: read the active set before claiming */
    uint64_t era;        /* +1 with each new id: older answers are not ours */
    struct starts *starts;
    char guess[JOB_ID_MAX + 8]; /* from the bell that is being answered */
    struct loop_timer *look_timer;
};

static int class_of(enum queue_id q) { return q == QUEUE_INFERENCE_REALTIME ? REALTIME : OTHERS; }

static queue_set queues_of(const struct pull *u, int class)
{
    return quota_queues(&u->quota, class == REALTIME);
}

static queue_set all_queues(const struct pull *u)
{
    return queues_of(u, REALTIME) | queues_of(u, OTHERS);
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

/* Slots that a class may fill now with new jobs: those in hand come first, as far as they may have
 * them. */
static int room(const struct pull *u, int class)
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
    return free_slots(u, class_of(queue)) > 0;
}

/* ---- the active set ---- */

static void on_active(void *arg, const struct reply *reply, const struct err *err)
{
    struct pull *u = arg;
    size_t n = reply_count(reply), found = 0;
    char **ids;

    (void)err;
    u->claiming = false;
    if (!reply)
        return;
    u->look = false;
    ids = xcalloc(n + 1, sizeof *ids);
    for (size_t i = 0; i < n; i++) {
        struct span id = reply_span(reply_at(reply, i));
        char *text = xstrndup(id.p, id.n);

        if (u->claimer->ops->has(u->claimer, text) || starts_know(u->starts, text))
            free(text);
        else
            ids[found++] = text;
    }
    if (found > 0) {
        log_event(LOG_WARN, "pull.found", "jobs=%zu", found);
        starts_add(u->starts, ids, found, true);
    } else {
        free(ids);
    }
    claimer_kick(u->claimer);
}

static void look_at_active(struct pull *u)
{
    struct redis_args a;

    u->claiming = true;
    redis_args_make(&a, "SMEMBERS", key_word(u->claimer->env->keys.active, u->claimer->env->id));
    redis_send(u->claimer->env->redis, &a, on_active, u);
}

static void on_look_timer(void *arg)
{
    struct pull *u = arg;

    u->look_timer = loop_after(u->claimer->env->loop, LOOK_MS, on_look_timer, u);
    u->look = true;
    pull_kick(u);
}

/* ---- claim ---- */

struct claim {
    struct pull *u;
    uint64_t era;
    int total;
    size_t n;
    struct work_want wants[QUEUE_COUNT];
};

/* The ids to be started. */
static size_t collect(const struct claim *c, const struct reply *reply, char **ids)
{
    size_t n = 0;

    for (size_t q = 0; q < c->n; q++) {
        const struct reply *list = reply_at(reply, q + 1);

        for (size_t i = 0; i < reply_count(list); i++) {
            struct span id = reply_span(reply_at(list, i));
            char *text = xstrndup(id.p, id.n);

            if (starts_guessed(c->u->starts, text))
                free(text);
            else
                ids[n++] = text;
        }
    }
    return n;
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
    char **ids;
    size_t n;

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
    ids = xcalloc((size_t)c->total + 1, sizeof *ids);
    n = collect(c, reply, ids);
    note_dry(c, reply);
    free(c);
    if (n > 0)
        starts_add(u->starts, ids, n, false);
    else
        free(ids);
    pull_kick(u);
}

static void claim(struct pull *u)
{
    struct claim *c = xcalloc(1, sizeof *c);
    const queue_set sets[CLASSES] = {queues_of(u, REALTIME), queues_of(u, OTHERS)};
    queue_set of = bells_claim(&u->bells, sets, CLASSES, clock_mono_ms());
    int batch = (int)u->claimer->env->cfg->workers_batch_jobs, most[CLASSES];

    c->u = u;
    c->era = u->era;
    for (int class = 0; class < CLASSES; class ++)
        most[class] = of & sets[class] ? (int)min64(room(u, class), batch) : 0;
    c->total = most[REALTIME] > most[OTHERS] ? most[REALTIME] : most[OTHERS];
    c->n = quota_share(&u->quota, of, c->total, most[REALTIME], most[OTHERS], c->wants);
    u->claiming = true;
    work_claim(u->claimer->env->redis, &u->claimer->env->keys,
               &(struct work_claim){u->claimer->env->id, c->wants, c->n, c->total}, on_claimed, c);
    if (u->guess[0])
        starts_guess(u->starts, u->guess);
}

/* ---- wait ---- */

struct waiting {
    struct pull *u;
    int class;
};

/* A token came that cannot be used here any more: ring for somebody else. */
static void ring_on(struct pull *u, struct span wake, struct span token)
{
    struct redis_args a;

    redis_args_make(&a, "LPUSH", wake, token);
    redis_send(u->claimer->env->redis, &a, NULL, NULL);
}

static queue_set rung_queue(const struct pull *u, struct span wake)
{
    for (int q = 1; q <= QUEUE_COUNT; q++)
        if (strlen(u->claimer->env->keys.wake[q]) == wake.n &&
            !memcmp(u->claimer->env->keys.wake[q], wake.p, wake.n))
            return QUEUE_BIT(q);
    return 0;
}

static void on_woken(void *arg, const struct reply *reply, const struct err *err)
{
    struct waiting *w = arg;
    struct pull *u = w->u;
    int class = w->class;
    struct span wake = reply_span(reply_at(reply, 0)), token = reply_span(reply_at(reply, 1));

    (void)err;
    free(w);
    u->waiting[class] = false;
    /* a token, or the net, or a lost connection: look everywhere */
    bells_rang(&u->bells, wake.p ? rung_queue(u, wake) : queues_of(u, class), u->claiming);
    if (!reply)
        return; /* pull_reconnected */
    if (wake.p && (room(u, class) == 0 || u->claimer->draining || !claimer_may_call(u->claimer)))
        ring_on(u, wake, token);
    else if (token.n > 1 && token.n < sizeof u->guess) /* "1" is no id */
        snprintf(u->guess, sizeof u->guess, "%.*s", (int)token.n, token.p);
    pull_kick(u);
    u->guess[0] = '\0';
}

static void wait_for(struct pull *u, int class)
{
    struct work_want wants[QUEUE_COUNT];
    size_t n = 0;
    struct waiting *w;

    for (size_t i = 0; i < u->quota.count; i++)
        if (class_of(u->quota.queues[i].queue) == class)
            wants[n++].queue = u->quota.queues[i].queue;
    if (n == 0 || u->waiting[class] || !redis_is_ready(u->waits[class]))
        return;
    w = xcalloc(1, sizeof *w);
    w->u = u;
    w->class = class;
    u->waiting[class] = true;
    work_wait(u->waits[class], &u->claimer->env->keys, wants, n, WAIT_MS, on_woken, w);
}

/* ---- the decision ---- */

static bool may_take(const struct pull *u)
{
    return u->claimer->registered && redis_is_ready(u->claimer->env->redis) && !u->look &&
           !u->claimer->draining && claimer_may_call(u->claimer);
}

static void on_quiet(void *arg)
{
    struct pull *u = arg;

    u->quiet = false;
    for (int class = 0; class < CLASSES; class ++)
        if (may_take(u) && room(u, class) > 0 && !(u->bells.maybe & queues_of(u, class)))
            wait_for(u, class);
}

/* The jobs in hand go out first: to wait wakes Redis. */
static void wait_soon(struct pull *u)
{
    if (u->quiet)
        return;
    u->quiet = true;
    loop_defer(u->claimer->env->loop, on_quiet, u);
}

void pull_kick(struct pull *u)
{
    bool any = false;

    if (!u->claimer->registered || !redis_is_ready(u->claimer->env->redis))
        return;
    starts_resend(u->starts);
    if (u->claiming)
        return;
    if (u->look) { /* while draining as well: what is found goes back */
        look_at_active(u);
        return;
    }
    if (!may_take(u))
        return;
    for (int class = 0; class < CLASSES; class ++) {
        if (room(u, class) == 0)
            continue;
        if (u->bells.maybe & queues_of(u, class))
            any = true;
        else if (!u->waiting[class])
            wait_soon(u);
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

bool pull_is_idle(const struct pull *u) { return !u->claiming && starts_count(u->starts) == 0; }

bool pull_must_look(const struct pull *u) { return u->look && u->claimer->registered; }

struct pull *pull_new(struct claimer *h, struct redis *const waits[2])
{
    struct pull *u = xcalloc(1, sizeof *u);

    u->claimer = h;
    u->waits = waits;
    u->starts = starts_new(h);
    quota_init(&u->quota, h->env->group);
    u->bells.maybe = all_queues(u);
    u->look_timer = loop_after(h->env->loop, LOOK_MS, on_look_timer, u);
    return u;
}

void pull_free(struct pull *u)
{
    if (!u)
        return;
    loop_cancel(&u->look_timer);
    loop_undefer(u->claimer->env->loop, on_quiet, u);
    starts_free(u->starts);
    free(u);
}
