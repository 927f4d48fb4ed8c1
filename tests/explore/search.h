/* search.h - breadth first over all states of a scope; then walks, which go
 * deeper.
 *
 * A state is known by 64 bits of its bytes.  Those that have not been followed
 * yet are kept whole; of the others only how they were reached is kept, for the
 * path to a broken rule.  So the first path that breaks a rule is a shortest
 * one.
 *
 * A walk makes moves at random until none is left.  The path of one that breaks
 * a rule is shortened: what can be left out is.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_SEARCH_H
#define FLOTILLA_TESTS_EXPLORE_SEARCH_H

#include "tests/explore/scope.h"

struct found {
    uint64_t states, moves;  /* met, tried */
    uint64_t walks, longest; /* moves of the longest one */
    int depth;               /* all states of so many moves were followed */
    bool whole;              /* there are no more states in this scope */
    uint64_t overflows;      /* states that are not followed: an image or a row was too
                                small */
    const char *broken;      /* the rule; the path was printed */
};

/* Times are of the system's monotonic clock; most: states. */
void search(const struct scope *c, int64_t until_ms, uint64_t most, struct found *f);
void walk(const struct scope *c, int64_t until_ms, uint64_t seed, struct found *f);

#endif
