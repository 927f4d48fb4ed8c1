/* budget_room.c - see budget_room.h.
 *
 *   refused ──enter──▶ room ──wake: two per call that ended, or found room──▶ due now ──▶ BUDGET
 *
 * A look costs a call of a script, so a room that was empty is not looked into for SELDOM_MS.  What
 * was seen last is remembered of a fixed number of rooms; of others nothing is known, and their
 * jobs are called back later at worst. */
#include "worker/budget/budget_room.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "worker/process.h"
#include "worker/rooms.h"

enum { SEEN_MAX = 256, SELDOM_MS = 5000, WAKE = 2, PREFIX = 7 };

struct seen {
    char name[ROOM_NAME]; /* "": nothing */
    int64_t left, at_ms;
};
struct budget_rooms {
    struct process *p;
    struct seen seen[SEEN_MAX]; /* by a hash of the name; a new one takes the place of another */
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

static void note(struct budget_rooms *s, const char *name, int64_t left)
{
    struct seen *e = slot_of(s, name);

    snprintf(e->name, sizeof e->name, "%s", name);
    e->left = left;
    e->at_ms = clock_mono_ms();
}

/* NULL: nothing is known of it. */
static struct seen *find(struct budget_rooms *s, const char *name)
{
    struct seen *e = slot_of(s, name);

    return strcmp(e->name, name) == 0 ? e : NULL;
}

static void on_look(void *arg, const struct room_seen *seen)
{
    struct budget_rooms *s = arg;

    if (seen->left >= 0)
        note(s, seen->name, seen->left);
    for (size_t i = 0; i < seen->count; i++)
        rooms_recall(s->p->rooms, seen->entries[i].text);
}

static void call_back(struct budget_rooms *s, const char *name, int most)
{
    rooms_look(s->p->rooms, name, &(struct room_look){.last = HUGE_VAL, .most = most}, on_look, s);
}

/* ---- what callers do ---- */

void budget_room_enter(struct budget_rooms *s, const struct config_budget *b, struct span tenant,
                       enum queue_id queue, const char *id, int64_t since_ms)
{
    char name[ROOM_NAME], entry[ROOM_ENTRY];
    const struct seen *e = find(s, room_name(b, tenant, name));

    snprintf(entry, sizeof entry, "%s/%s", queue_name(queue), id);
    rooms_enter(s->p->rooms, name, (double)since_ms, entry);
    note(s, name, e ? e->left + 1 : 1);
    call_back(s, name, 0); /* how many wait there? */
}

int64_t budget_room_count(struct budget_rooms *s, const struct config_budget *b, struct span tenant)
{
    char name[ROOM_NAME];
    const struct seen *e = find(s, room_name(b, tenant, name));

    return e ? e->left : 0;
}

void budget_room_wake(struct budget_rooms *s, const unsigned char *budgets, size_t count,
                      struct span tenant)
{
    char name[ROOM_NAME];

    for (size_t i = 0; i < count; i++) {
        const struct seen *e = find(s, room_name(&s->p->cfg->budgets[budgets[i]], tenant, name));

        if (e && e->left == 0 && clock_mono_ms() - e->at_ms < SELDOM_MS)
            continue;
        if (!e)
            note(s, name, 0);
        call_back(s, name, WAKE);
    }
}

static void on_room(void *arg, const char *name)
{
    if (!strncmp(name, "budget:", PREFIX))
        call_back(arg, name, 1);
}

void budget_room_try_all(struct budget_rooms *s) { rooms_list(s->p->rooms, on_room, s); }

/* ---- life ---- */

struct budget_rooms *budget_rooms_new(struct process *p)
{
    struct budget_rooms *s = xcalloc(1, sizeof *s);

    s->p = p;
    return s;
}

void budget_rooms_free(struct budget_rooms *s) { free(s); }
