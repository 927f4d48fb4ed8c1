/* ahead.c - see ahead.h.
 *
 *   claimed --slot free--> start
 *      |  AHEAD_MAX_MS, drain
 *      +--> front of its queue
 *
 * The rate of ends is an average over the last AVERAGE_MS or so, so that it falls by itself when
 * nothing ends; the round trip is smoothed like TCP's (RFC 6298: an eighth of each sample). */
#include "worker/claims/ahead.h"

#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"

enum { AVERAGE_MS = 100, SAMPLE_MS = 10, CLAIM_EVERY_MS = 2 };

struct early {
    char *id;
    enum queue_id queue;
    bool realtime;
    int64_t since_ms;
    struct early *prev, *next;
};

struct ahead {
    struct claimer *claimer;
    struct starts *starts;
    struct early *list; /* realtime jobs, then the others; both in the order of their claims */
    int count, realtime;
    struct loop_timer *timer; /* the first one's AHEAD_MAX_MS */
    double ends_per_ms, trip_ms;
    uint64_t ended; /* of slots->calls_ended, at sampled_ms */
    int64_t sampled_ms;
};

struct ahead_marks ahead_marks(double ends_per_ms, double trip_ms, int slots)
{
    int most = slots * AHEAD_SLOTS_PERCENT / 100;
    double least = ends_per_ms * trip_ms, enough = least + ends_per_ms * CLAIM_EVERY_MS;

    if (enough < 1 || most == 0)
        return (struct ahead_marks){0, 0};
    if (enough < most)
        most = (int)enough;
    return (struct ahead_marks){least < most ? (int)least : most - 1, most};
}

/* ---- what is measured ---- */

static void sample_ends(struct ahead *a)
{
    int64_t now_ms = clock_mono_ms(), passed_ms = now_ms - a->sampled_ms;
    uint64_t ended = a->claimer->slots->calls_ended;
    double share;

    if (passed_ms < SAMPLE_MS)
        return;
    share = passed_ms < AVERAGE_MS ? (double)passed_ms / AVERAGE_MS : 1;
    a->ends_per_ms += share * ((double)(ended - a->ended) / (double)passed_ms - a->ends_per_ms);
    a->ended = ended;
    a->sampled_ms = now_ms;
}

void ahead_claimed(struct ahead *a, int64_t trip_us)
{
    a->trip_ms += ((double)trip_us / 1000 - a->trip_ms) / 8;
}

int ahead_wanted(struct ahead *a)
{
    struct ahead_marks m;

    sample_ends(a);
    m = ahead_marks(a->ends_per_ms, a->trip_ms, (int)a->claimer->env->group->concurrency);
    return a->count <= m.least ? m.most - a->count : 0;
}

/* ---- the list ---- */

/* Returns its id. */
static char *ahead_take(struct ahead *a, struct early *e)
{
    char *id = e->id;

    DL_DELETE(a->list, e);
    a->count--;
    a->realtime -= e->realtime;
    free(e);
    return id;
}

static void ahead_return(struct ahead *a, struct early *e)
{
    enum queue_id queue = e->queue;
    char *id = ahead_take(a, e);

    starts_return(a->starts, id, queue);
    free(id);
}

static void ahead_on_time(void *arg)
{
    struct ahead *a = arg;
    int64_t now_ms = clock_mono_ms(), oldest_ms = now_ms;
    struct early *e, *tmp;

    a->timer = NULL;
    DL_FOREACH_SAFE(a->list, e, tmp)
    {
        if (now_ms - e->since_ms >= AHEAD_MAX_MS)
            ahead_return(a, e);
        else if (e->since_ms < oldest_ms)
            oldest_ms = e->since_ms;
    }
    if (a->list)
        a->timer =
            loop_after(a->claimer->env->loop, oldest_ms + AHEAD_MAX_MS - now_ms, ahead_on_time, a);
}

static struct early *first_other(const struct ahead *a)
{
    struct early *e = a->list;

    while (e && e->realtime)
        e = e->next;
    return e;
}

void ahead_add(struct ahead *a, char *take_id, enum queue_id queue, bool realtime)
{
    struct early *e = xcalloc(1, sizeof *e), *before = realtime ? first_other(a) : NULL;

    *e = (struct early){
        .id = take_id, .queue = queue, .realtime = realtime, .since_ms = clock_mono_ms()};
    if (before)
        DL_PREPEND_ELEM(a->list, before, e);
    else
        DL_APPEND(a->list, e);
    a->count++;
    a->realtime += realtime;
    if (!a->timer)
        a->timer = loop_after(a->claimer->env->loop, AHEAD_MAX_MS, ahead_on_time, a);
}

void ahead_start(struct ahead *a, int n)
{
    char **ids;
    size_t count = 0;

    if (n > a->count)
        n = a->count;
    if (n <= 0)
        return;
    ids = xcalloc((size_t)n, sizeof *ids);
    while (count < (size_t)n)
        ids[count++] = ahead_take(a, a->list);
    starts_add(a->starts, ids, count, false);
}

void ahead_return_all(struct ahead *a)
{
    while (a->list)
        ahead_return(a, a->list);
}

int ahead_count(const struct ahead *a) { return a->count; }
int ahead_realtime(const struct ahead *a) { return a->realtime; }

bool ahead_has(const struct ahead *a, const char *id)
{
    const struct early *e;

    DL_FOREACH(a->list, e)
    {
        if (!strcmp(e->id, id))
            return true;
    }
    return false;
}

void ahead_reset(struct ahead *a)
{
    while (a->list)
        free(ahead_take(a, a->list));
    loop_cancel(&a->timer);
}

struct ahead *ahead_new(struct claimer *h, struct starts *s)
{
    struct ahead *a = xcalloc(1, sizeof *a);

    a->claimer = h;
    a->starts = s;
    a->sampled_ms = clock_mono_ms();
    return a;
}

void ahead_free(struct ahead *a)
{
    if (!a)
        return;
    ahead_reset(a);
    free(a);
}
