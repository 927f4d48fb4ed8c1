/* reaper.c - finds workers whose heartbeat stands still, and recovers their jobs.
 *
 * A heartbeat is a document with a counter.  A worker is dead when its document
 * has not changed for workers.lease_ms of this process's monotonic clock, seen
 * again and again while Redis answered: a reconnect or a new lease starts all
 * clocks anew, and the time between two answers counts for no more than it
 * should have taken, so neither clock skew nor a Redis that was away or hung,
 * nor a scheduler that was stopped, kills anybody.
 *
 * Looks are LOOK_MS apart.  The housekeeper makes every second one; the reaper makes the others,
 * all of them if the housekeeper makes none, and one at the moment when the first worker may be
 * dead. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/hash.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/recover.h"
#include "scheduler/scheduler.h"

enum { LOOK_MS = 500, OTHERS_MS = 600, GAP_MS = 2 * LOOK_MS };

struct seen {
    char *id, *what;
    int64_t since_ms; /* when `what` was first seen */
    bool recovering, here;
    UT_hash_handle hh;
};

struct reaper {
    struct scheduler *s;
    struct seen *workers;
    struct loop_timer *timer;
    bool running, looked;
    uint64_t era;      /* answers from before a stop are ignored */
    int64_t looked_ms; /* when Redis answered last */
};

struct recovering {
    struct reaper *r;
    char *id;
};

static void look_in(struct reaper *r, int64_t ms);

static void reaper_forget(struct reaper *r, struct seen *w)
{
    HASH_DEL(r->workers, w);
    free(w->id);
    free(w->what);
    free(w);
}

static void forget_all(struct reaper *r)
{
    struct seen *w, *tmp;

    HASH_ITER(hh, r->workers, w, tmp) { reaper_forget(r, w); }
}

static void on_recovered(void *arg, const struct recover_report *report, const struct err *err)
{
    struct recovering *v = arg;
    struct seen *w = NULL;

    HASH_FIND_STR(v->r->workers, v->id, w);
    if (w)
        w->recovering = false;
    if (w && err) /* again after another while */
        w->since_ms = clock_mono_ms();
    if (err)
        log_err(LOG_WARN, "reap.failed", err);
    else
        log_event(LOG_WARN, report->alive ? "reap.alive" : "reap.done",
                  "dead=%s given_back=%zu ended=%zu", v->id, report->given_back, report->ended);
    free(v->id);
    free(v);
}

static void recover(struct reaper *r, struct seen *w)
{
    struct recovering *v = xcalloc(1, sizeof *v);
    const struct recover_options o = {.redis = r->s->redis,
                                      .keys = &r->s->keys,
                                      .cfg = r->s->cfg,
                                      .worker = w->id,
                                      .what = w->what,
                                      .lease = lease_token(r->s->lease)};

    v->r = r;
    v->id = xstrdup(w->id);
    w->recovering = true;
    log_event(LOG_WARN, "reap", "dead=%s still_ms=%lld", w->id,
              (long long)(clock_mono_ms() - w->since_ms));
    recover_start(&o, on_recovered, v);
}

static void see(struct reaper *r, struct span id, struct span what, int64_t now)
{
    struct seen *w = NULL;

    HASH_FIND(hh, r->workers, id.p, id.n, w);
    if (!w) {
        w = xcalloc(1, sizeof *w);
        w->id = xstrndup(id.p, id.n);
        HASH_ADD_KEYPTR(hh, r->workers, w->id, id.n, w);
    }
    w->here = true;
    if (!w->what || strlen(w->what) != what.n || memcmp(w->what, what.p, what.n) != 0) {
        free(w->what);
        w->what = xstrndup(what.p, what.n);
        w->since_ms = now;
    } else if (now - w->since_ms >= r->s->cfg->workers_lease_ms && !w->recovering) {
        recover(r, w);
    }
}

struct reaper_look {
    struct reaper *r;
    uint64_t era;
};

/* Redis, or this process, stood still: so did the heartbeats. */
static void forgive_gap(struct reaper *r, int64_t now)
{
    int64_t gap = now - r->looked_ms;
    struct seen *w, *tmp;

    r->looked_ms = now;
    if (gap > GAP_MS)
        HASH_ITER(hh, r->workers, w, tmp) { w->since_ms += gap - LOOK_MS; }
}

static void see_all(struct reaper *r, const struct reply *workers)
{
    struct seen *w, *tmp;
    int64_t now = clock_mono_ms();

    r->looked = true;
    forgive_gap(r, now);
    HASH_ITER(hh, r->workers, w, tmp) { w->here = false; }
    for (size_t i = 0; i + 1 < reply_count(workers); i += 2)
        see(r, reply_span(reply_at(workers, i)), reply_span(reply_at(workers, i + 1)), now);
    HASH_ITER(hh, r->workers, w, tmp)
    {
        if (!w->here)
            reaper_forget(r, w);
    }
}

void reaper_see(struct reaper *r, const struct reply *workers)
{
    if (!r->running)
        return;
    see_all(r, workers);
    look_in(r, LOOK_MS);
}

static void on_workers(void *arg, const struct reply *reply, const struct err *err)
{
    struct reaper_look *k = arg;
    struct reaper *r = k->r;
    bool current = r->running && k->era == r->era;

    free(k);
    if (!current)
        return;
    if (reply)
        see_all(r, reply);
    else if (err->kind == ERR_REDIS_LOST)
        forget_all(r);
    look_in(r, reply ? OTHERS_MS : LOOK_MS);
}

static void reaper_look(void *arg)
{
    struct reaper *r = arg;
    struct reaper_look *k = xcalloc(1, sizeof *k);

    r->timer = NULL;
    k->r = r;
    k->era = r->era;
    redis_sendv(r->s->redis, on_workers, k, "HGETALL", key(&r->s->keys, KEY_WORKERS), NULL);
}

static void look_in(struct reaper *r, int64_t ms)
{
    int64_t now = clock_mono_ms(), at = now + ms;
    struct seen *w, *tmp;

    HASH_ITER(hh, r->workers, w, tmp)
    {
        if (!w->recovering)
            at = min64(at, w->since_ms + r->s->cfg->workers_lease_ms);
    }
    loop_cancel(&r->timer);
    r->timer = loop_after(r->s->loop, max64(at - now, 1), reaper_look, r);
}

struct reaper *reaper_new(struct scheduler *s)
{
    struct reaper *r = xcalloc(1, sizeof *r);

    r->s = s;
    return r;
}

void reaper_start(struct reaper *r)
{
    r->running = true;
    r->era++;
    r->looked_ms = clock_mono_ms();
    r->looked = false;
    look_in(r, LOOK_MS);
}

bool reaper_may_have_workers(const struct reaper *r) { return !r->looked || r->workers; }

void reaper_stop(struct reaper *r)
{
    r->running = false;
    r->era++;
    loop_cancel(&r->timer);
    forget_all(r);
}

void reaper_free(struct reaper *r)
{
    if (!r)
        return;
    reaper_stop(r);
    free(r);
}
