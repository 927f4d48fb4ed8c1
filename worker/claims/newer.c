/* newer.c - see newer.h.
 *
 *   claimed --start: "of a newer version"--> held --HOLD_MS--> back of its queue --> a newer worker
 *                                              ^                |
 *                                              +--- claimed by this one again
 *
 * During a rolling upgrade old and new workers share the queues.  What an old
 * one cannot read it gives back, after a pause in which the id keeps its slot:
 * so a queue full of such jobs makes it claim a slotful per pause and not spin.
 * Giving back twice moves an id once, so a lost answer is simply tried again. */
#include "worker/claims/newer.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"

enum { HOLD_MS = 1000 };

struct newer {
    struct claimer *claimer;
    char **ids;
    int *queues;
    size_t n, room, sent; /* the first `sent` are on their way */
    struct loop_timer *timer;
};

static void give_back(void *arg);

struct newer *newer_new(struct claimer *h)
{
    struct newer *n = xcalloc(1, sizeof *n);

    n->claimer = h;
    return n;
}

static void forget(struct newer *n, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(n->ids[i]);
    n->n -= count;
    memmove(n->ids, n->ids + count, n->n * sizeof *n->ids);
    memmove(n->queues, n->queues + count, n->n * sizeof *n->queues);
}

void newer_reset(struct newer *n)
{
    loop_cancel(&n->timer);
    if (n->claimer->env->redis)
        redis_forget(n->claimer->env->redis, n);
    if (n->n > 0)
        forget(n, n->n);
    n->sent = 0;
}

void newer_free(struct newer *n)
{
    if (!n)
        return;
    newer_reset(n);
    free(n->ids);
    free(n->queues);
    free(n);
}

static void on_given_back(void *arg, const struct reply *reply, const struct err *err)
{
    struct newer *n = arg;

    if (reply)
        forget(n, n->sent);
    else
        log_err(LOG_WARN, "newer.give_back", err);
    n->sent = 0;
    if (n->n > 0)
        n->timer = loop_after(n->claimer->env->loop, HOLD_MS, give_back, n);
    claimer_kick(n->claimer);
}

static void give_back(void *arg)
{
    struct newer *n = arg;

    n->timer = NULL;
    n->sent = n->n;
    log_event(LOG_WARN, "newer.give_back", "jobs=%zu msg=%s", n->n,
              log_quote("a newer version wrote them: upgrade this worker"));
    work_give_back(
        n->claimer->env->redis, &n->claimer->env->keys,
        &(struct work_give_back){n->claimer->env->id, (const char *const *)n->ids, n->queues, n->n},
        on_given_back, n);
}

void newer_hold(struct newer *n, const char *id, int queue)
{
    if (queue > QUEUE_COUNT) /* of a queue that is not known here: stays among the active ids */
        return;
    if (n->n == n->room) {
        n->room = n->room ? n->room * 2 : 16;
        n->ids = xrealloc(n->ids, n->room * sizeof *n->ids);
        n->queues = xrealloc(n->queues, n->room * sizeof *n->queues);
    }
    n->ids[n->n] = xstrdup(id);
    n->queues[n->n++] = queue;
    if (!n->timer && !n->sent)
        n->timer = loop_after(n->claimer->env->loop, HOLD_MS, give_back, n);
}

bool newer_has(const struct newer *n, const char *id)
{
    for (size_t i = 0; i < n->n; i++)
        if (!strcmp(n->ids[i], id))
            return true;
    return false;
}

size_t newer_count(const struct newer *n) { return n->n; }
