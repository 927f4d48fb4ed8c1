/* starts.c - see starts.h and lua/start.lua.
 *
 *   ids --start (documents)--> runs
 *    |         ^    \--no answer: kept, and sent again with the same token
 *    |         |
 *   guess: the id that came with a wake token; sent behind the claim, in the same write
 *
 * The script answers an equal token equally, so what is sent twice is started
 * once.  A guess is started only if the claim before it brought that id. */
#include "worker/claims/starts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "worker/claims/returns.h"

/* During a rolling upgrade old and new workers share the queues.  The pause keeps an old one from
 * spinning over a queue that is full of jobs it cannot read: it claims a slotful per pause. */
static const struct return_kind newer_kind = {.event = "newer.give_back",
                                              .text =
                                                  "a newer version wrote them: upgrade this worker",
                                              .pause_ms = 1000};
static const struct return_kind unstarted_kind = {.front = true};

/* A start call on its way. */
struct starting {
    struct starts *owner;
    char token[RECORD_TOKEN + 1];
    char **ids;
    size_t n;
    bool sent, found, guess;
    struct starting *prev, *next;
};

struct starts {
    struct claimer *claimer;
    struct starting *list;
    struct returns *newer;  /* jobs of a newer program; each occupies a slot until it is back */
    struct returns *others; /* jobs whose queue is paused, or for which no slot came */
    uint32_t calls;
    int pending; /* ids in the list */
};

static void starting_free(struct starting *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->ids[i]);
    free(s->ids);
    free(s);
}

static void set_sent(struct starting *s, bool sent)
{
    s->owner->claimer->starting += sent - s->sent;
    s->sent = sent;
}

static void starting_drop(struct starting *s)
{
    set_sent(s, false);
    DL_DELETE(s->owner->list, s);
    s->owner->pending -= (int)s->n;
}

static void go(struct starting *s, size_t i, struct span record, int64_t now)
{
    struct claimer *h = s->owner->claimer;

    if (!h->ops->has(h, s->ids[i])) /* else its id was in the list twice */
        h->ops->start(h, &(struct started){s->ids[i], s->token, record, now});
}

static void on_id(struct starting *s, size_t i, const struct reply *answer, int64_t now)
{
    struct claimer *h = s->owner->claimer;
    struct span record = reply_span(answer);
    bool is_number = reply_type(answer) == REPLY_INT;

    if (record.p)
        go(s, i, record, now);
    else if (is_number && reply_int(answer) < 0)
        starts_return(s->owner, s->ids[i], (enum queue_id) - reply_int(answer));
    else if (is_number && reply_int(answer) > 0 && reply_int(answer) <= QUEUE_COUNT)
        returns_add(s->owner->newer, s->ids[i], (int)reply_int(answer));
    else if (s->found && !is_number)
        h->ops->stray(h, s->ids[i]);
}

static void on_started(void *arg, const struct reply *reply, const struct err *err)
{
    struct starting *s = arg;
    struct claimer *h = s->owner->claimer;

    set_sent(s, false);
    if (!reply) {
        if (err->kind == ERR_REDIS)
            log_err(LOG_WARN, "start", err);
        return; /* kept; the reconnect or the kick of the next heartbeat sends it again */
    }
    starting_drop(s);
    if (work_is_gone(reply))
        claimer_gone(h);
    else
        for (size_t i = 0; i < s->n; i++)
            on_id(s, i, reply_at(reply, i + 2), reply_int(reply_at(reply, 1)));
    starting_free(s);
    claimer_kick(h);
}

static void starts_send(struct starting *s)
{
    const struct env *e = s->owner->claimer->env;
    const struct work_start w = {.worker = e->id,
                                 .token = s->token,
                                 .ids = (const char *const *)s->ids,
                                 .n = s->n,
                                 .guess = s->guess};

    set_sent(s, true);
    work_start(e->redis, &e->keys, &w, on_started, s);
}

static void starts_put(struct starts *o, char **take_ids, size_t n, bool found, bool guess)
{
    struct starting *s = xcalloc(1, sizeof *s);

    s->owner = o;
    s->ids = take_ids;
    s->n = n;
    s->found = found;
    s->guess = guess;
    snprintf(s->token, sizeof s->token, "%.8s%08x", work_tag(o->claimer->env->id), ++o->calls);
    DL_APPEND(o->list, s);
    o->pending += (int)n;
    starts_send(s);
}

void starts_add(struct starts *s, char **take_ids, size_t n, bool found)
{
    starts_put(s, take_ids, n, found, false);
}

void starts_guess(struct starts *s, const char *id)
{
    char **ids;

    if (s->claimer->ops->has(s->claimer, id) || starts_know(s, id))
        return;
    ids = xcalloc(1, sizeof *ids);
    ids[0] = xstrdup(id);
    starts_put(s, ids, 1, false, true);
}

void starts_resend(struct starts *o)
{
    struct starting *s;

    DL_FOREACH(o->list, s)
    {
        if (!s->sent)
            starts_send(s);
    }
}

bool starts_guessed(const struct starts *o, const char *id)
{
    const struct starting *s;

    DL_FOREACH(o->list, s)
    {
        if (s->guess && !strcmp(s->ids[0], id))
            return true;
    }
    return false;
}

bool starts_know(const struct starts *o, const char *id)
{
    const struct starting *s;

    if (returns_has(o->newer, id) || returns_has(o->others, id))
        return true;
    DL_FOREACH(o->list, s)
    {
        for (size_t i = 0; i < s->n; i++)
            if (!strcmp(s->ids[i], id))
                return true;
    }
    return false;
}

int starts_count(const struct starts *s) { return s->pending + (int)returns_count(s->newer); }

bool starts_are_idle(const struct starts *s)
{
    return starts_count(s) == 0 && returns_count(s->others) == 0;
}

void starts_return(struct starts *s, const char *id, enum queue_id queue)
{
    returns_add(s->others, id, (int)queue);
}

bool starts_returning(const struct starts *s, const char *id) { return returns_has(s->others, id); }

/* ---- life ---- */

static void drop_all(struct starts *o)
{
    while (o->list) {
        struct starting *s = o->list;

        starting_drop(s);
        starting_free(s);
    }
}

void starts_reset(struct starts *o)
{
    struct starting *s;

    DL_FOREACH(o->list, s) { redis_forget(o->claimer->env->redis, s); }
    drop_all(o);
    returns_reset(o->newer);
    returns_reset(o->others);
}

struct starts *starts_new(struct claimer *h)
{
    struct starts *s = xcalloc(1, sizeof *s);

    s->claimer = h;
    s->newer = returns_new(h, &newer_kind);
    s->others = returns_new(h, &unstarted_kind);
    return s;
}

void starts_free(struct starts *s)
{
    if (!s)
        return;
    returns_free(s->newer);
    returns_free(s->others);
    drop_all(s);
    free(s);
}
