/* pull_wait.c - waits at the bells of empty queues; see pull.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "worker/claims/pull_private.h"

enum { WAIT_MS = 5000 };

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

static void pull_on_woken(void *arg, const struct reply *reply, const struct err *err)
{
    struct waiting *w = arg;
    struct pull *u = w->u;
    int class = w->class;
    struct span wake = reply_span(reply_at(reply, 0)), token = reply_span(reply_at(reply, 1));

    (void)err;
    free(w);
    u->waiting[class] = false;
    /* a token, or the net, or a lost connection: look everywhere */
    bells_rang(&u->bells, wake.p ? rung_queue(u, wake) : pull_queues(u, class), u->claiming);
    if (!reply)
        return; /* pull_reconnected */
    if (wake.p &&
        (pull_room(u, class) == 0 || u->claimer->draining || !claimer_may_call(u->claimer)))
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
        if (pull_class(u->quota.queues[i].queue) == class)
            wants[n++].queue = u->quota.queues[i].queue;
    if (n == 0 || u->waiting[class] || !redis_is_ready(u->waits[class]))
        return;
    w = xcalloc(1, sizeof *w);
    w->u = u;
    w->class = class;
    u->waiting[class] = true;
    work_wait(u->waits[class], &u->claimer->env->keys, wants, n, WAIT_MS, pull_on_woken, w);
}

static void pull_on_quiet(void *arg)
{
    struct pull *u = arg;

    u->quiet = false;
    for (int class = 0; class < CLASSES; class ++)
        if (pull_may_take(u) && pull_room(u, class) > 0 &&
            !(u->bells.maybe & pull_queues(u, class)))
            wait_for(u, class);
}

void pull_wait_soon(struct pull *u)
{
    if (u->quiet)
        return;
    u->quiet = true;
    loop_defer(u->claimer->env->loop, pull_on_quiet, u);
}

void pull_wait_cancel(struct pull *u) { loop_undefer(u->claimer->env->loop, pull_on_quiet, u); }
