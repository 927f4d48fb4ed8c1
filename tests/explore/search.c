/* search.c - see search.h: breadth first. */
#include "tests/explore/search.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"

enum { CHUNK = 4096, LOOK_EVERY = 256 };

struct way {
    uint32_t from;
    struct move move;
};

struct chunk {
    struct chunk *next;
    struct state states[CHUNK];
};

struct search {
    const struct scope *scope;
    struct moves moves;
    uint64_t *known; /* hashes, an open table; 0: free */
    uint64_t mask;
    struct way *ways; /* of each state, in the order in which they were met */
    size_t count, room;
    struct chunk *first, *last; /* states that have not been followed */
    size_t first_at, last_at;
    struct found *found;
};

/* ---- states ---- */

static void grow_known(struct search *s)
{
    uint64_t *old = s->known, n = s->mask + 1;

    s->mask = 2 * n - 1;
    s->known = xcalloc((size_t)(2 * n), sizeof *s->known);
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = old[i] & s->mask;

        while (old[i] && s->known[at])
            at = (at + 1) & s->mask;
        if (old[i])
            s->known[at] = old[i];
    }
    free(old);
}

/* False: it is known. */
static bool remember(struct search *s, const struct state *state)
{
    uint64_t hash = hash_of(state, sizeof *state) | 1, at = hash & s->mask;

    for (; s->known[at]; at = (at + 1) & s->mask)
        if (s->known[at] == hash)
            return false;
    s->known[at] = hash;
    return true;
}

static void put(struct search *s, const struct state *state, uint32_t from, struct move move)
{
    if (!remember(s, state))
        return;
    if (s->count == s->room) {
        s->room *= 2;
        s->ways = xrealloc(s->ways, s->room * sizeof *s->ways);
    }
    s->ways[s->count++] = (struct way){from, move};
    if (3 * s->count > 2 * s->mask)
        grow_known(s);
    if (!s->last || s->last_at == CHUNK) {
        struct chunk *c = xmalloc(sizeof *c);

        c->next = NULL;
        if (s->last)
            s->last->next = c;
        else
            s->first = c;
        s->last = c;
        s->last_at = 0;
    }
    s->last->states[s->last_at++] = *state;
}

static bool get(struct search *s, struct state *ret)
{
    struct chunk *c = s->first;

    if (!c || (c == s->last && s->first_at == s->last_at))
        return false;
    *ret = c->states[s->first_at++];
    if (s->first_at == CHUNK) {
        s->first = c->next;
        s->first_at = 0;
        if (!s->first)
            s->last = NULL;
        free(c);
    }
    return true;
}

/* ---- the search ---- */

static void print_path(const struct search *s, uint32_t from, struct move last)
{
    struct move path[512];
    size_t n = ARRAY_LEN(path), at = n;

    path[--at] = last;
    for (; from && at > 0; from = s->ways[from].from)
        path[--at] = s->ways[from].move;
    path_print(s->scope, path + at, n - at);
}

/* False: a rule is broken. */
static bool follow(struct search *s, const struct state *state, uint32_t from)
{
    struct trial t = {.s = *state};

    for (size_t i = 0; i < s->moves.count; i++) {
        t.m = s->moves.list[i];
        if (!scope_move(&t))
            continue;
        s->found->moves++;
        if (t.broken) {
            s->found->broken = t.broken;
            print_path(s, from, t.m);
            return false;
        }
        if (t.overflow)
            s->found->overflows++;
        else
            put(s, &t.s, from, t.m);
        t.s = *state;
        t.overflow = false;
    }
    return true;
}

static void end(struct search *s)
{
    while (s->first) {
        struct chunk *c = s->first;

        s->first = c->next;
        free(c);
    }
    free(s->known);
    free(s->ways);
}

void search(const struct scope *c, int64_t until_ms, uint64_t most, struct found *f)
{
    struct search s = {.scope = c, .mask = (1 << 16) - 1, .room = 1 << 16, .found = f};
    struct state state;
    size_t level_ends = 1, at = 0;

    s.known = xcalloc((size_t)s.mask + 1, sizeof *s.known);
    s.ways = xcalloc(s.room, sizeof *s.ways);
    scope_moves(c, &s.moves);
    scope_begin(c, &state);
    put(&s, &state, 0, (struct move){0});
    while (get(&s, &state)) {
        if (!follow(&s, &state, (uint32_t)at))
            break;
        if (++at == level_ends) {
            level_ends = s.count;
            f->depth++;
        }
        if (s.count >= most || (at % LOOK_EVERY == 0 && clock_system.mono_us() / 1000 >= until_ms))
            break;
    }
    f->whole = !f->broken && at == s.count;
    f->states = s.count;
    end(&s);
}
