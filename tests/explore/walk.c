/* walk.c - see search.h. */
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "tests/explore/search.h"

enum { STEPS_MAX = 150, LOOK_EVERY = 64 };

struct path {
    struct move moves[STEPS_MAX];
    size_t n;
};

/* xorshift64*: the same walks for the same seed. */
static uint32_t below(uint64_t *seed, uint32_t n)
{
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    return (uint32_t)((*seed * 0x2545f4914f6cdd1du) >> 33) % n;
}

/* Any move that can happen, each as likely.  False: there is none. */
static bool step(struct trial *t, const struct moves *all, uint64_t *seed)
{
    struct move order[MOVES_MAX];
    size_t n = all->count;

    memcpy(order, all->list, n * sizeof *order);
    while (n > 0) {
        size_t i = below(seed, (uint32_t)n);

        t->m = order[i];
        order[i] = order[--n];
        if (scope_move(t))
            return true;
    }
    return false;
}

static const char *run(const struct scope *c, const struct path *p, size_t without)
{
    struct trial t = {.print = NULL};

    scope_begin(c, &t.s);
    for (size_t i = 0; i < p->n && !t.broken && !t.overflow; i++) {
        t.m = p->moves[i];
        if (i != without && !scope_move(&t))
            return NULL;
    }
    return t.broken;
}

/* Leave out, one by one, what the broken rule does not need. */
static void shorten(const struct scope *c, struct path *p)
{
    for (size_t i = p->n; i-- > 0;) {
        if (!run(c, p, i))
            continue;
        memmove(p->moves + i, p->moves + i + 1, (p->n - 1 - i) * sizeof p->moves[0]);
        p->n--;
        if (i > p->n)
            i = p->n;
    }
}

static void walk_once(const struct scope *c, const struct moves *all, uint64_t *seed,
                      struct found *f)
{
    struct trial t = {.print = NULL};
    static struct path path;

    path.n = 0;
    scope_begin(c, &t.s);
    while (path.n < STEPS_MAX && !t.broken && !t.overflow && step(&t, all, seed))
        path.moves[path.n++] = t.m;
    f->walks++;
    f->moves += path.n;
    f->overflows += t.overflow;
    if (path.n > f->longest)
        f->longest = path.n;
    if (!t.broken)
        return;
    f->broken = t.broken;
    for (size_t before = 0; before != path.n;) {
        before = path.n;
        shorten(c, &path);
    }
    path_print(c, path.moves, path.n);
}

void walk(const struct scope *c, int64_t until_ms, uint64_t seed, struct found *f)
{
    struct moves all;

    seed = seed * 2 + 1;
    scope_moves(c, &all);
    while (!f->broken && (f->walks % LOOK_EVERY || clock_system.mono_us() / 1000 < until_ms))
        walk_once(c, &all, &seed, f);
}
