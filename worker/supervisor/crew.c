/* crew.c - see crew.h.
 *
 *     crew_configure(), crew_told() --> scale(group, n) --> slots 0 .. n-1 of the group are wanted,
 *                                                           the others drain
 *
 * A slot that is not wanted any more stays until its process has ended, beside a new one of the
 * same number if there is one; supervisor.c drops it then. */
#include "worker/supervisor/crew.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"

struct group_state {
    char *name;
    int64_t told; /* the last `scale` that came; -1: none, the configuration counts */
    struct group_state *next;
};

/* ---- one slot ---- */

void crew_spawn(struct slot *t)
{
    const struct child_options o = {.group = t->group,
                                    .slot = t->number,
                                    .takes_over = t->takes_over.n ? t->takes_over.p : NULL};

    if (!spawn_child(&o, &t->child)) {
        t->spawn_at_ms = clock_mono_ms() + SLOT_REST_MIN_MS;
        return;
    }
    t->state = t->wanted ? SLOT_RUNNING : SLOT_DRAINING;
    t->started_ms = t->beat_ms = clock_mono_ms();
    t->beats = 0;
    t->abort_ms = 0;
    t->watchdog = false;
    log_event(LOG_INFO, "process.started", "pid=%d group=%s slot=%d takes_over=%s",
              (int)t->child.pid, t->group, t->number, o.takes_over ? o.takes_over : "-");
    if (!t->wanted) /* it only takes over */
        spawn_tell(&t->child, "drain");
}

struct slot *crew_add(struct crew *c, const char *group, int number)
{
    struct slot *t = xcalloc(1, sizeof *t);

    t->group = xstrdup(group);
    t->number = number;
    t->wanted = true;
    t->child.line = -1;
    buf_init(&t->takes_over, 16384);
    buf_init(&t->line, LINE_BYTES);
    t->next = c->slots;
    c->slots = t;
    return t;
}

void crew_drop(struct crew *c, struct slot *t)
{
    struct slot **at = &c->slots;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    spawn_release(&t->child);
    buf_done(&t->takes_over);
    buf_done(&t->line);
    free(t->group);
    free(t);
}

void crew_drain(struct slot *t)
{
    if (t->state != SLOT_RUNNING)
        return;
    log_event(LOG_INFO, "process.drain", "pid=%d group=%s slot=%d", (int)t->child.pid, t->group,
              t->number);
    t->state = SLOT_DRAINING;
    t->started_ms = clock_mono_ms();
    spawn_tell(&t->child, "drain");
}

/* ---- groups ---- */

/* Make a group have n processes: the lowest numbers stay. */
static void scale(struct crew *c, const char *group, int64_t n)
{
    struct slot *t, *have;

    for (t = c->slots; t; t = t->next)
        if (!strcmp(t->group, group) && t->wanted && t->number >= n) {
            t->wanted = false;
            crew_drain(t);
        }
    for (int i = 0; i < n && i < SLOTS_MAX; i++) {
        for (have = c->slots; have; have = have->next)
            if (!strcmp(have->group, group) && have->number == i && have->wanted)
                break;
        if (!have)
            crew_spawn(crew_add(c, group, i));
    }
}

static struct group_state *group_state(struct crew *c, const char *name)
{
    struct group_state *g;

    for (g = c->groups; g; g = g->next)
        if (!strcmp(g->name, name))
            return g;
    g = xcalloc(1, sizeof *g);
    g->name = xstrdup(name);
    g->told = -1;
    g->next = c->groups;
    c->groups = g;
    return g;
}

void crew_configure(struct crew *c, const struct config *cfg)
{
    struct slot *t;

    for (size_t i = 0; i < cfg->group_count; i++) {
        const struct config_group *g = &cfg->groups[i];
        const struct group_state *state = group_state(c, g->name);

        scale(c, g->name, state->told >= 0 ? state->told : g->processes);
    }
    for (t = c->slots; t; t = t->next)
        if (!config_group(cfg, t->group) && t->wanted) {
            t->wanted = false;
            crew_drain(t);
        }
}

void crew_told(struct crew *c, const char *group, int64_t n)
{
    struct group_state *g = group_state(c, group);

    if (g->told == n)
        return;
    g->told = n;
    log_event(LOG_INFO, "scale", "group=%s processes=%lld", group, (long long)n);
    scale(c, group, n);
}

void crew_forget(struct crew *c)
{
    for (struct group_state *g; (g = c->groups);) {
        c->groups = g->next;
        free(g->name);
        free(g);
    }
}
