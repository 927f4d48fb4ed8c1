/* returns.c - see returns.h and lua/giveback.lua.
 *
 *   returns_add --pause--> sent --answered--> forgotten
 *                  ^         | no answer
 *                  +--1 s----+
 *
 * Giving back twice moves an id once, so a call whose answer was lost is sent again. */
#include "worker/claims/returns.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"

enum { RETRY_MS = 1000 };

struct returns {
    struct claimer *claimer;
    const struct return_kind *kind;
    char **ids;
    int *queues;
    size_t n, room, sent; /* the first `sent` are on their way */
    struct loop_timer *timer;
};

static void returns_on_time(void *arg);

struct returns *returns_new(struct claimer *h, const struct return_kind *kind)
{
    struct returns *n = xcalloc(1, sizeof *n);

    n->claimer = h;
    n->kind = kind;
    return n;
}

static void returns_forget(struct returns *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(n->ids[i]);
    n->n -= count;
    memmove(n->ids, n->ids + count, n->n * sizeof *n->ids);
    memmove(n->queues, n->queues + count, n->n * sizeof *n->queues);
}

void returns_reset(struct returns *n)
{
    loop_cancel(&n->timer);
    if (n->claimer->env->redis)
        redis_forget(n->claimer->env->redis, n);
    if (n->n > 0)
        returns_forget(n, n->n);
    n->sent = 0;
}

void returns_free(struct returns *n)
{
    if (!n)
        return;
    returns_reset(n);
    free(n->ids);
    free(n->queues);
    free(n);
}

static void send_in(struct returns *n, int64_t pause_ms)
{
    if (!n->timer && !n->sent && n->n > 0)
        n->timer = loop_after(n->claimer->env->loop, pause_ms, returns_on_time, n);
}

static void returns_on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct returns *n = arg;

    if (reply)
        returns_forget(n, n->sent);
    else if (err->kind == ERR_REDIS)
        log_err(LOG_WARN, "give_back", err);
    n->sent = 0;
    send_in(n, reply ? n->kind->pause_ms : RETRY_MS);
    claimer_kick(n->claimer);
}

static void returns_on_time(void *arg)
{
    struct returns *n = arg;
    const struct env *e = n->claimer->env;

    n->timer = NULL;
    n->sent = n->n;
    if (n->kind->event)
        log_event(LOG_WARN, n->kind->event, "jobs=%zu msg=%s", n->n, log_quote(n->kind->text));
    work_give_back(e->redis, &e->keys,
                   &(struct work_give_back){.worker = e->id,
                                            .ids = (const char *const *)n->ids,
                                            .queues = n->queues,
                                            .n = n->n,
                                            .front = n->kind->front},
                   returns_on_answer, n);
}

void returns_add(struct returns *n, const char *id, int queue)
{
    if (n->n == n->room) {
        n->room = n->room ? n->room * 2 : 16;
        n->ids = xrealloc(n->ids, n->room * sizeof *n->ids);
        n->queues = xrealloc(n->queues, n->room * sizeof *n->queues);
    }
    n->ids[n->n] = xstrdup(id);
    n->queues[n->n++] = queue;
    send_in(n, n->kind->pause_ms);
}

bool returns_has(const struct returns *n, const char *id)
{
    for (size_t i = 0; i < n->n; i++)
        if (!strcmp(n->ids[i], id))
            return true;
    return false;
}

size_t returns_count(const struct returns *n) { return n->n; }
