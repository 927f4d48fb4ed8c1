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
 * jobs still hears the bell of a realtime one.  `maybe` says of a class that
 * it may have work; only then is it claimed from.
 *
 * What is lost with a connection: a start without answer is sent again with
 * the same token (the script answers the same); a claim without answer has put
 * ids into this worker's active set, so that set is read and what nobody here
 * knows is started. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/newer.h"
#include "worker/process.h"
#include "worker/quota.h"
#include "worker/run.h"
#include "worker/strays.h"

enum { REALTIME, OTHERS, CLASSES };
enum { WAIT_MS = 5000, LOOK_MS = 60000 };

/* A start call on its way. */
struct starting {
    struct pull *u;
    char token[RECORD_TOKEN + 1];
    char **ids;
    size_t n;
    bool sent;
    bool found; /* ids from the active set: those that answer "runs here" go back */
    struct starting *prev, *next;
};

struct pull {
    struct process *p;
    struct quota quota;
    bool maybe[CLASSES], waiting[CLASSES];
    bool rung[CLASSES];  /* a token came since the claim under way was sent */
    bool claiming, look; /* look: read the active set before claiming */
    uint64_t era;        /* +1 with each new id: older answers are not ours */
    uint32_t starts;
    int asked, pending; /* ids asked for; ids claimed and not yet started */
    struct starting *starting;
    struct newer *newer;
    struct loop_timer *look_timer;
};

static void start(struct pull *u, char **take_ids, size_t n, bool found);
static void send_start(struct starting *s);

static int class_of(enum queue_id q) { return q == QUEUE_INFERENCE_REALTIME ? REALTIME : OTHERS; }

static int slots(const struct pull *u) { return (int)u->p->group->concurrency; }

static int reserved(const struct pull *u)
{
    return quota_has_realtime(&u->quota) && u->quota.count > 1
               ? (int)(slots(u) * u->p->cfg->workers_realtime_percent / 100)
               : 0;
}

/* Slots that a class may fill now. */
static int room(const struct pull *u, int class)
{
    int used = (int)u->p->running + u->pending + (int)newer_count(u->newer);
    int most = class == REALTIME ? slots(u) : slots(u) - reserved(u);

    return most > used ? most - used : 0;
}

/* ---- start ---- */

static void free_starting(struct starting *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->ids[i]);
    free(s->ids);
    free(s);
}

static void go(struct pull *u, struct starting *s, size_t i, struct span record, int64_t now)
{
    struct run *r;

    if (run_find(u->p, s->ids[i])) /* it lay twice in the list */
        return;
    r = run_new(u->p, s->ids[i], record, s->token, now);
    if (r)
        run_go(r);
}

static void on_started(void *arg, const struct reply *reply, const struct err *err)
{
    struct starting *s = arg;
    struct pull *u = s->u;
    int64_t now = reply_int(reply_at(reply, 1));

    s->sent = false;
    if (!reply) {
        if (err->kind == ERR_REDIS)
            log_err(LOG_WARN, "start", err);
        return; /* kept; the reconnect or the kick of the next heartbeat sends it again */
    }
    DL_DELETE(u->starting, s);
    u->pending -= (int)s->n;
    if (work_is_gone(reply)) {
        process_gone(u->p);
    } else {
        for (size_t i = 0; i < s->n; i++) {
            struct span record = reply_span(reply_at(reply, i + 2));

            if (record.p)
                go(u, s, i, record, now);
            else if (reply_type(reply_at(reply, i + 2)) == REPLY_INT &&
                     reply_int(reply_at(reply, i + 2)) > 0)
                newer_hold(u->newer, s->ids[i], (int)reply_int(reply_at(reply, i + 2)));
            else if (s->found && reply_type(reply_at(reply, i + 2)) == REPLY_NIL)
                strays_give_back(u->p, s->ids[i]);
        }
    }
    free_starting(s);
    process_kick(u->p);
}

static void send_start(struct starting *s)
{
    s->sent = true;
    work_start(s->u->p->redis, &s->u->p->keys, s->u->p->id, s->token, (const char *const *)s->ids,
               s->n, on_started, s);
}

static void start(struct pull *u, char **take_ids, size_t n, bool found)
{
    struct starting *s = xcalloc(1, sizeof *s);

    s->u = u;
    s->ids = take_ids;
    s->n = n;
    s->found = found;
    snprintf(s->token, sizeof s->token, "%.8s%08x", work_tag(u->p->id), ++u->starts);
    DL_APPEND(u->starting, s);
    u->pending += (int)n;
    send_start(s);
}

/* ---- the active set ---- */

static bool knows(struct pull *u, const char *id)
{
    struct starting *s;

    if (run_find(u->p, id) || newer_has(u->newer, id))
        return true;
    DL_FOREACH(u->starting, s)
    {
        for (size_t i = 0; i < s->n; i++)
            if (!strcmp(s->ids[i], id))
                return true;
    }
    return false;
}

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

        if (knows(u, text))
            free(text);
        else
            ids[found++] = text;
    }
    if (found > 0) {
        log_event(LOG_WARN, "pull.found", "jobs=%zu", found);
        start(u, ids, found, true);
    } else {
        free(ids);
    }
    process_kick(u->p);
}

static void look_at_active(struct pull *u)
{
    struct redis_args a;

    u->claiming = true;
    redis_args_init(&a);
    redis_arg_str(&a, "SMEMBERS");
    keys_arg(&a, u->p->keys.active, u->p->id);
    redis_send(u->p->redis, &a, on_active, u);
}

static void on_look_timer(void *arg)
{
    struct pull *u = arg;

    u->look_timer = loop_after(u->p->loop, LOOK_MS, on_look_timer, u);
    u->look = true;
    pull_kick(u);
}

/* ---- claim ---- */

struct claim {
    struct pull *u;
    uint64_t era;
    int asked[CLASSES];
    size_t n;
    struct work_want wants[QUEUE_COUNT];
};

static size_t collect(const struct claim *c, const struct reply *reply, char **ids,
                      int got[CLASSES])
{
    size_t total = 0;

    for (size_t q = 0; q < c->n; q++) {
        const struct reply *list = reply_at(reply, q + 1);

        got[class_of(c->wants[q].queue)] += (int)reply_count(list);
        for (size_t i = 0; i < reply_count(list); i++) {
            struct span id = reply_span(reply_at(list, i));

            ids[total++] = xstrndup(id.p, id.n);
        }
    }
    return total;
}

static void on_claimed(void *arg, const struct reply *reply, const struct err *err)
{
    struct claim *c = arg;
    struct pull *u = c->u;
    int got[CLASSES] = {0};
    size_t n, asked = (size_t)(c->asked[REALTIME] > c->asked[OTHERS] ? c->asked[REALTIME]
                                                                     : c->asked[OTHERS]);
    char **ids;

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
        process_gone(u->p);
        return;
    }
    ids = xcalloc(asked + 1, sizeof *ids);
    n = collect(c, reply, ids, got);
    /* a class that gave less than it could is dry, unless work came since */
    for (int class = 0; class < CLASSES; class ++)
        if (got[class] < c->asked[class] && n < asked && !u->rung[class])
            u->maybe[class] = false;
    u->rung[REALTIME] = u->rung[OTHERS] = false;
    free(c);
    if (n > 0)
        start(u, ids, n, false);
    else
        free(ids);
    pull_kick(u);
}

static void claim(struct pull *u)
{
    struct claim *c = xcalloc(1, sizeof *c);
    int batch = (int)u->p->cfg->workers_batch_jobs, total;

    c->u = u;
    c->era = u->era;
    for (int class = 0; class < CLASSES; class ++) {
        c->asked[class] = u->maybe[class] ? room(u, class) : 0;
        if (c->asked[class] > batch)
            c->asked[class] = batch;
    }
    total = c->asked[REALTIME] > c->asked[OTHERS] ? c->asked[REALTIME] : c->asked[OTHERS];
    c->n = quota_share(&u->quota, total, u->maybe[REALTIME] ? c->asked[REALTIME] : 0,
                       c->asked[OTHERS], c->wants);
    u->claiming = true;
    work_claim(u->p->redis, &u->p->keys, u->p->id, c->wants, c->n, total, on_claimed, c);
}

/* ---- wait ---- */

struct waiting {
    struct pull *u;
    int class;
};

/* A token came that cannot be used here any more: ring for somebody else. */
static void ring_on(struct pull *u, struct span wake)
{
    struct redis_args a;

    redis_args_init(&a);
    redis_arg_str(&a, "LPUSH");
    redis_arg_span(&a, wake);
    redis_arg_str(&a, "1");
    redis_send(u->p->redis, &a, NULL, NULL);
}

static void on_woken(void *arg, const struct reply *reply, const struct err *err)
{
    struct waiting *w = arg;
    struct pull *u = w->u;
    int class = w->class;

    (void)err;
    free(w);
    u->waiting[class] = false;
    u->maybe[class] = true; /* a token, the net, or a lost connection: look */
    u->rung[class] = u->claiming;
    if (!reply)
        return; /* pull_reconnected */
    if (reply_count(reply) == 2 &&
        (room(u, class) == 0 || u->p->draining || !process_may_call(u->p)))
        ring_on(u, reply_span(reply_at(reply, 0)));
    pull_kick(u);
}

static void wait_for(struct pull *u, int class)
{
    struct work_want wants[QUEUE_COUNT];
    size_t n = 0;
    struct waiting *w;

    for (size_t i = 0; i < u->quota.count; i++)
        if (class_of(u->quota.queues[i].queue) == class)
            wants[n++].queue = u->quota.queues[i].queue;
    if (n == 0 || u->waiting[class] || !redis_is_ready(u->p->wait[class]))
        return;
    w = xcalloc(1, sizeof *w);
    w->u = u;
    w->class = class;
    u->waiting[class] = true;
    work_wait(u->p->wait[class], &u->p->keys, wants, n, WAIT_MS, on_woken, w);
}

/* ---- the decision ---- */

/* Those that were refused, or whose connection was lost. */
static void send_starts(struct pull *u)
{
    struct starting *s;

    DL_FOREACH(u->starting, s)
    {
        if (!s->sent)
            send_start(s);
    }
}

void pull_kick(struct pull *u)
{
    bool any = false;

    if (!u->p->registered || !redis_is_ready(u->p->redis))
        return;
    send_starts(u);
    if (u->claiming)
        return;
    if (u->look) { /* while draining as well: what is found goes back */
        look_at_active(u);
        return;
    }
    if (u->p->draining || !process_may_call(u->p))
        return;
    for (int class = 0; class < CLASSES; class ++) {
        if (room(u, class) == 0)
            continue;
        if (u->maybe[class])
            any = true;
        else
            wait_for(u, class);
    }
    if (any)
        claim(u);
}

void pull_reconnected(struct pull *u)
{
    send_starts(u);
    u->look = true;
    u->maybe[REALTIME] = u->maybe[OTHERS] = true;
    pull_kick(u);
}

static void forget_starting(struct pull *u, struct starting *s)
{
    DL_DELETE(u->starting, s);
    u->pending -= (int)s->n;
    free_starting(s);
}

void pull_reset(struct pull *u)
{
    u->era++;
    u->look = false;
    while (u->starting) {
        redis_forget(u->p->redis, u->starting);
        forget_starting(u, u->starting);
    }
    newer_reset(u->newer);
    u->maybe[REALTIME] = u->maybe[OTHERS] = true;
}

void pull_look(struct pull *u) { u->look = true; }

void pull_reload(struct pull *u)
{
    quota_init(&u->quota, u->p->group);
    u->maybe[REALTIME] = quota_has_realtime(&u->quota);
    u->maybe[OTHERS] = true;
    pull_kick(u);
}

bool pull_is_idle(const struct pull *u)
{
    return !u->claiming && !u->starting && newer_count(u->newer) == 0;
}

bool pull_must_look(const struct pull *u) { return u->look && u->p->registered; }

struct pull *pull_new(struct process *p)
{
    struct pull *u = xcalloc(1, sizeof *u);

    u->p = p;
    u->newer = newer_new(p);
    quota_init(&u->quota, p->group);
    u->maybe[REALTIME] = quota_has_realtime(&u->quota);
    u->maybe[OTHERS] = true;
    u->look_timer = loop_after(p->loop, LOOK_MS, on_look_timer, u);
    return u;
}

void pull_free(struct pull *u)
{
    if (!u)
        return;
    loop_cancel(&u->look_timer);
    newer_free(u->newer);
    while (u->starting)
        forget_starting(u, u->starting);
    free(u);
}
