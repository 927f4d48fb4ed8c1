/* scope.h - what is explored: a first state, and the moves that may follow
 * (scopes.def). */
#ifndef FLOTILLA_TESTS_EXPLORE_SCOPE_H
#define FLOTILLA_TESTS_EXPLORE_SCOPE_H

#include "tests/explore/state.h"

struct scope {
    const char *name;
    int jobs, workers, schedulers, share;
    const char *outcomes; /* letters of outcomes.def */
    struct budget budget;
    char start;
    bool money;
};

enum { MOVES_MAX = 256 };

struct moves {
    struct move list[MOVES_MAX];
    size_t count;
};

void scope_moves(const struct scope *c, struct moves *ret);
void scope_begin(const struct scope *c, struct state *ret);
/* Make the move t->m.  False: it cannot happen here, and the state is as it
 * was. */
bool scope_move(struct trial *t);

/* Print these moves from the first state on, and the rule that is broken at
 * last.  A move that cannot happen is left out. */
void path_print(const struct scope *c, const struct move *path, size_t n);

#endif
