/* redis_ring.c - a queue of commands in an array that goes round.
 *
 * No allocation per command: a pipeline of any depth costs its slots once.  A
 * ring that grew large gives its memory back when it runs empty, so that an
 * idle process stays small. */
#include "common/io/redis_private.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/xalloc.h"

enum { FIRST_CAP = 64, KEEP_CAP = 1024 };

struct command *ring_at(struct ring *ring, size_t i)
{
    assert(i < ring->count);
    return &ring->slots[(ring->first + i) & (ring->cap - 1)];
}

static void ring_grow(struct ring *ring)
{
    struct ring bigger = {.cap = ring->cap ? ring->cap * 2 : FIRST_CAP, .count = ring->count};

    bigger.slots = xcalloc(bigger.cap, sizeof(*bigger.slots));
    for (size_t i = 0; i < ring->count; i++)
        bigger.slots[i] = *ring_at(ring, i);
    free(ring->slots);
    *ring = bigger;
}

void ring_push(struct ring *ring, const struct command *c)
{
    if (ring->count == ring->cap)
        ring_grow(ring);
    ring->count++;
    *ring_at(ring, ring->count - 1) = *c;
}

bool ring_pop(struct ring *ring, struct command *ret)
{
    if (!ring->count)
        return false;
    *ret = *ring_at(ring, 0);
    ring->first = (ring->first + 1) & (ring->cap - 1);
    ring->count--;
    if (!ring->count && ring->cap > KEEP_CAP)
        ring_done(ring);
    return true;
}

void ring_done(struct ring *ring)
{
    free(ring->slots);
    *ring = (struct ring){0};
}
