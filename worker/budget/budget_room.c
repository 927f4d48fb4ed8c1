/* budget_room.c - see budget_room.h.
 *
 *   refused ──enter──▶ room ──wake: two per call that ended, or found room──▶ due now ──▶ BUDGET
 *
 * A look costs a call of a script, so a room that was empty is looked into AGAIN_MS later, once for
 * all wakes until then.  What was seen last is remembered of a fixed number of rooms; of others
 * nothing is known, and each wake looks into them.
 *
 * No wake is lost between a refusal and the entry: lua/room.lua sees that money came back. */
#include "worker/budget/budget_room.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "worker/budget/holds.h"
#include "worker/env.h"

enum { SEEN_MAX = 256, AGAIN_MS = 1000, WAKE = 2, PREFIX = 7 };
enum { DUE_MAX = 128, DUE_MS = 8000 }; /* own times later than these 17 min count as the last */

struct seen {
    char name[ROOM_NAME]; /* "": nothing */
    int64_t left;
    bool again; /* it is looked into when the timer comes */
};
struct due {
    int64_t at, jobs; /* at: in DUE_MS */
};
struct budget_rooms {
    const struct env *env;
    struct rooms *rooms;
    struct seen seen[SEEN_MAX]; /* by a hash of the name; a new one takes the place of another */
    struct due due[DUE_MAX];    /* own times of jobs, by their time */
    struct loop_timer *timer;
};

static char *room_name(const struct config_budget *b, struct span tenant, char name[ROOM_NAME])
{
    static const struct budget_period any = {.name = "*"};
    char sum[BUDGET_SUM_NAME];

    budget_sum_name(b, &any, tenant, sum);
    snprintf(name, ROOM_NAME, "budget:%s", sum);
    return name;
}

static struct seen *slot_of(struct budget_rooms *s, const char *name)
{
    unsigned hash = 5381;

    for (const char *p = name; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return &s->seen[hash % SEEN_MAX];
}

static void call_back(struct budget_rooms *s, const char *name, int most);

static void note(struct budget_rooms *s, const char *name, int64_t left)
{
    struct seen *e = slot_of(s, name);

    if (strcmp(e->name, name) != 0) {
        if (e->again)
            call_back(s, e->name, WAKE);
        e->again = false;
        snprintf(e->name, sizeof e->name, "%s", name);
    }
    e->left = left;
}

/* NULL: nothing is known of it. */
static struct seen *seen_find(struct budget_rooms *s, const char *name)
{
    struct seen *e = slot_of(s, name);

    return strcmp(e->name, name) == 0 ? e : NULL;
}

/* ---- own times ---- */

void budget_room_expect(struct budget_rooms *s, int64_t in_ms)
{
    int64_t now = clock_mono_ms() / DUE_MS,
            at = min64((clock_mono_ms() + in_ms) / DUE_MS, now + DUE_MAX - 1);
    struct due *d = &s->due[at % DUE_MAX];

    if (d->at != at)
        *d = (struct due){.at = at};
    d->jobs++;
}

static int64_t count_expected(const struct budget_rooms *s)
{
    int64_t now = clock_mono_ms() / DUE_MS, n = 0;

    for (size_t i = 0; i < DUE_MAX; i++)
        if (s->due[i].at >= now)
            n += s->due[i].jobs;
    return n;
}

/* So many were called back before; which ones is not known. */
static void expect_less(struct budget_rooms *s, int64_t jobs)
{
    int64_t now = clock_mono_ms() / DUE_MS;

    for (int64_t at = now; jobs > 0 && at < now + DUE_MAX; at++) {
        struct due *d = &s->due[at % DUE_MAX];
        int64_t n = d->at == at ? min64(jobs, d->jobs) : 0;

        d->jobs -= n;
        jobs -= n;
    }
}

/* ---- looks ---- */

static void on_look(void *arg, const struct room_seen *seen)
{
    struct budget_rooms *s = arg;

    if (seen->left >= 0)
        note(s, seen->name, seen->left);
    for (size_t i = 0; i < seen->count; i++)
        rooms_recall(s->rooms, seen->name, seen->entries[i].text);
    expect_less(s, (int64_t)seen->count);
}

static void call_back(struct budget_rooms *s, const char *name, int most)
{
    rooms_look(s->rooms, name, &(struct room_look){.last = HUGE_VAL, .most = most}, on_look, s);
}

/* ---- what callers do ---- */

void budget_wait_init(struct budget_wait *w, const struct hold_answer *a, struct span tenant,
                      int64_t since_ms)
{
    *w = (struct budget_wait){.since_ms = since_ms};
    room_name(a->budget, tenant, w->room);
    snprintf(w->sum.name, sizeof w->sum.name, "%s", a->sum);
    w->sum.taken_nanousd = add64(a->spent_nanousd, a->reserved_nanousd);
}

void budget_room_enter(struct budget_rooms *s, const struct budget_wait *w, enum queue_id queue,
                       const char *id)
{
    char entry[ROOM_ENTRY];
    const struct seen *e = seen_find(s, w->room);

    snprintf(entry, sizeof entry, "%s/%s", queue_name(queue), id);
    rooms_enter(s->rooms, w->room, (double)w->since_ms, entry, &w->sum);
    note(s, w->room, e ? e->left + 1 : 1);
    call_back(s, w->room, 0); /* how many wait there? */
}

int64_t budget_room_count(struct budget_rooms *s, const struct config_budget *b, struct span tenant)
{
    char name[ROOM_NAME];
    const struct seen *e = seen_find(s, room_name(b, tenant, name));

    return max64(e ? e->left : 0, count_expected(s));
}

static void budget_room_on_timer(void *arg)
{
    struct budget_rooms *s = arg;

    s->timer = NULL;
    for (size_t i = 0; i < SEEN_MAX; i++)
        if (s->seen[i].again) {
            s->seen[i].again = false;
            call_back(s, s->seen[i].name, WAKE);
        }
}

static void look_again(struct budget_rooms *s, struct seen *e)
{
    e->again = true;
    if (!s->timer)
        s->timer = loop_after(s->env->loop, AGAIN_MS, budget_room_on_timer, s);
}

void budget_room_wake(struct budget_rooms *s, const unsigned char *budgets, size_t count,
                      struct span tenant)
{
    char name[ROOM_NAME];

    for (size_t i = 0; i < count; i++) {
        struct seen *e = seen_find(s, room_name(&s->env->cfg->budgets[budgets[i]], tenant, name));

        if (e && e->left == 0) {
            look_again(s, e);
            continue;
        }
        if (!e)
            note(s, name, 0);
        call_back(s, name, WAKE);
    }
}

/* One job of that room sees whether there is room. */
static void on_room(void *arg, const char *name)
{
    if (!strncmp(name, "budget:", PREFIX))
        call_back(arg, name, 1);
}

void budget_room_try_all(struct budget_rooms *s) { rooms_list(s->rooms, on_room, s); }

/* ---- life ---- */

struct budget_rooms *budget_rooms_new(const struct env *env, struct rooms *rooms)
{
    struct budget_rooms *s = xcalloc(1, sizeof *s);

    s->env = env;
    s->rooms = rooms;
    rooms_on_gone(rooms, on_room, s); /* what ended while it waited has no use for the room */
    return s;
}

void budget_rooms_free(struct budget_rooms *s)
{
    if (!s)
        return;
    loop_cancel(&s->timer);
    free(s);
}
