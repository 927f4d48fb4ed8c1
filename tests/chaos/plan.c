/* plan.c - from a seed to the steps of a round.
 *
 * Each step has random numbers of its own, so that what one draws does not
 * depend on how long another took. */
#include <stdlib.h>

#include "tests/chaos/chaos.h"

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

static int draw_event(struct dice *d)
{
    int64_t sum = 0, at;

    for (size_t i = 0; i < event_count; i++)
        sum += events[i].weight;
    at = dice_below(d, sum);
    for (size_t i = 0; i < event_count; i++)
        if ((at -= events[i].weight) < 0)
            return (int)i;
    return 0;
}

static int draw_kind(struct dice *d)
{
    int64_t sum = 0, at;

    for (int i = 0; i < KIND_COUNT; i++)
        sum += kinds[i].weight;
    at = dice_below(d, sum);
    for (int i = 0; i < KIND_COUNT; i++)
        if ((at -= kinds[i].weight) < 0)
            return i;
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
    int64_t at = 0;

    p->count = (size_t)size->events + (size_t)size->jobs;
    p->steps = calloc(p->count + 1, sizeof *p->steps);
    if (!p->steps)
        abort();
    for (int i = 0; i < size->events; i++) {
        if (i == 0 || !dice_percent(d, 33))
            at = dice_between(d, 300, size->ms);
        p->steps[i] = (struct step){.at_ms = at, .is_event = true, .what = draw_event(d)};
        p->steps[i].own.state = dice_u64(d);
    }
    for (int i = 0; i < size->jobs; i++) {
        struct step *s = &p->steps[size->events + i];

        *s = (struct step){.at_ms = dice_below(d, size->ms), .what = draw_kind(d)};
        s->own.state = dice_u64(d);
    }
    qsort(p->steps, p->count, sizeof *p->steps, by_time);
}
