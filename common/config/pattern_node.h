/* pattern_node.h - a pattern as pattern_parse.c makes it and pattern.c runs it; private to both.
 *
 * A program of small instructions; jumps are relative, so that a piece of it can be copied:
 *
 *   a{2}   a a          a*   FORK +1 +3,  a,  GO -2         a|b   FORK +1 +3,  a,  GO +2,  b
 */
#ifndef FLOTILLA_PATTERN_NODE_H
#define FLOTILLA_PATTERN_NODE_H

#include "common/config/pattern.h"

enum { PATTERN_MAX_OPS = 4000 };

enum pattern_op {
    OP_CHAR,  /* the code point x */
    OP_SET,   /* one in set x */
    OP_FORK,  /* go on at x and at y */
    OP_GO,    /* go on at x */
    OP_START, /* of the text */
    OP_END,
    OP_EDGE,    /* of a word */
    OP_NO_EDGE, /* elsewhere */
    OP_MATCH
};

struct pattern_step {
    enum pattern_op op;
    int x, y;
};

struct pattern_range {
    uint32_t from, to;
};

struct pattern_set {
    size_t first, count; /* of pattern.ranges */
    bool negated;
};

struct pattern {
    struct pattern_step *steps;
    struct pattern_set *sets;
    struct pattern_range *ranges;
    size_t step_count, set_count, range_count;
    /* for a match: places in the program, and when each was last reached */
    int *here, *next, *stack;
    uint32_t *reached, round;
};

/* Fill steps, sets and ranges of an empty pattern. */
NODISCARD bool pattern_parse(struct pattern *p, const char *text, struct err *err);

#endif
