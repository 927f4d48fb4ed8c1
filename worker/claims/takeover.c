/* takeover.c - see takeover.h.
 *
 *     --takes-over id,id=job
 *         |
 *     takeovers_next() --> recover_start() --> on_recovered(): done, the next one
 *         ^                                        |
 *         +---- TAKEOVER_RETRY_MS, or the next connect, when it failed
 *
 * Whoever is left when the process has to go stays the scheduler's reaper's, after the lease. */
#include "worker/claims/takeover.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/recover.h"

enum { TAKEOVER_RETRY_MS = 1000 };

struct dead {
    char *worker, *blame; /* blame: a job, or NULL */
    struct dead *next;
};

struct takeovers {
    struct claimer *claimer;
    struct dead *first;
    bool busy;
};

static void drop_first(struct takeovers *t)
{
    struct dead *d = t->first;

    t->first = d->next;
    free(d->worker);
    free(d->blame);
    free(d);
}

static void again(void *arg) { takeovers_next(arg); }

static void on_recovered(void *arg, const struct recover_report *report, const struct err *err)
{
    struct takeovers *t = arg;

    t->busy = false;
    if (err) {
        log_err(LOG_WARN, "takeover.failed", err);
        if (err->kind != ERR_REDIS_LOST) /* else after the reconnect */
            loop_after(t->claimer->env->loop, TAKEOVER_RETRY_MS, again, t);
        return;
    }
    log_event(LOG_WARN, "takeover.done", "dead=%s given_back=%zu ended=%zu", t->first->worker,
              report->given_back, report->ended);
    drop_first(t);
    takeovers_next(t);
    claimer_kick(t->claimer);
}

void takeovers_next(struct takeovers *t)
{
    const struct env *e = t->claimer->env;
    struct recover_options o = {.redis = e->redis, .keys = &e->keys, .cfg = e->cfg};

    if (!t->first || t->busy)
        return;
    o.worker = t->first->worker;
    o.blame = t->first->blame;
    t->busy = true;
    recover_start(&o, on_recovered, t);
}

bool takeovers_owe(const struct takeovers *t) { return t->first != NULL; }

/* ---- life ---- */

struct takeovers *takeovers_new(struct claimer *h, const char *ids)
{
    struct takeovers *t = xcalloc(1, sizeof *t);

    t->claimer = h;
    while (ids && *ids) {
        size_t n = strcspn(ids, ","), id = strcspn(ids, ",=");
        struct dead *d = xcalloc(1, sizeof *d);

        d->worker = xstrndup(ids, id);
        d->blame = id < n ? xstrndup(ids + id + 1, n - id - 1) : NULL;
        d->next = t->first;
        t->first = d;
        ids += n + (ids[n] == ',');
    }
    return t;
}

void takeovers_free(struct takeovers *t)
{
    if (!t)
        return;
    while (t->first)
        drop_first(t);
    free(t);
}
