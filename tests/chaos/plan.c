/* plan.c - from a seed to the steps of a round.
 *
 * Each step has random numbers of its own, so that what one draws does not
 * depend on how long another took. */
#include <stdlib.h>

#include "tests/chaos/chaos.h"

enum { WEIGHTS_MAX = 64 }; /* over the rows of any table here */

/* splitmix64 */
uint64_t dice_u64(struct dice *d)
{
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

int64_t dice_below(struct dice *d, int64_t bound)
{
    return bound < 1 ? 0 : (int64_t)(dice_u64(d) % (uint64_t)bound);
}

int64_t dice_between(struct dice *d, int64_t a, int64_t b) { return a + dice_below(d, b - a + 1); }

bool dice_percent(struct dice *d, int percent) { return dice_below(d, 100) < percent; }

/* The short form is that of `make check`. */
const struct plan_size plan_long = {.ms = 20000, .events = 100, .jobs = 800};
const struct plan_size plan_short = {.ms = 4000, .events = 24, .jobs = 160};

/* What can be drawn in this round, and how likely it is. */
struct urn {
    int weight[WEIGHTS_MAX];
    int64_t sum;
    size_t count;
};

/* Rounds differ more than their seeds alone would make them: of each kind there is none, as much
 * as the table says, or much. */
static void add(struct urn *u, struct dice *d, int weight)
{
    static const int factors[] = {0, 0, 0, 1, 1, 1, 1, 1, 4, 4};
    int w = weight * factors[dice_below(d, ARRAY_LEN(factors))];

    if (u->count == WEIGHTS_MAX)
        abort();
    u->weight[u->count++] = w;
    u->sum += w;
}

static int draw(const struct urn *u, struct dice *d)
{
    int64_t at = dice_below(d, u->sum);

    for (size_t i = 0; i < u->count; i++)
        if ((at -= u->weight[i]) < 0)
            return (int)i;
    return 0;
}

static int by_time(const void *a, const void *b)
{
    const struct step *x = a, *y = b;

    return (x->at_ms > y->at_ms) - (x->at_ms < y->at_ms);
}

/* A third of the events come in pairs or more, at the same moment. */
void plan_make(struct plan *p, struct dice *d, const struct plan_size *size)
{
    struct urn event_urn = {.count = 0}, kind_urn = {.count = 0};
    int64_t at = 0;

    for (size_t i = 0; i < event_count; i++)
        add(&event_urn, d, events[i].weight);
    for (size_t i = 0; i < KIND_COUNT; i++)
        add(&kind_urn, d, kinds[i].weight);
    p->count = (size_t)size->events + (size_t)size->jobs;
    p->steps = calloc(p->count + 1, sizeof *p->steps);
    if (!p->steps)
        abort();
    for (int i = 0; i < size->events; i++) {
        if (i == 0 || !dice_percent(d, 33))
            at = dice_between(d, 300, size->ms);
        p->steps[i] = (struct step){.at_ms = at, .is_event = true, .what = draw(&event_urn, d)};
        p->steps[i].own.state = dice_u64(d);
    }
    for (int i = 0; i < size->jobs; i++) {
        struct step *s = &p->steps[size->events + i];

        *s = (struct step){.at_ms = dice_below(d, size->ms), .what = draw(&kind_urn, d)};
        s->own.state = dice_u64(d);
    }
    qsort(p->steps, p->count, sizeof *p->steps, by_time);
}
