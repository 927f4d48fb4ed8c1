/* pattern_node.h - a pattern as pattern_parse.c makes it and pattern.c runs it; private to
 * pattern*.c.
 *
 * A program of small instructions; jumps are relative, so that a piece of it can be copied:
 *
 *   a{2}   a a          a*   FORK +1 +3,  a,  GO -2         a|b   FORK +1 +3,  a,  GO +2,  b
 */
#ifndef FLOTILLA_PATTERN_NODE_H
#define FLOTILLA_PATTERN_NODE_H

#include "common/schema/pattern.h"

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

/* ---- while it is parsed ---- */
struct pattern_parser {
    struct pattern *p;
    const char *at, *end;
    int nested;
    struct err *err;
};
bool pattern_fail(struct pattern_parser *s, const char *what); /* false, and err says so */

/* ---- one place of it (pattern_chars.c): false after pattern_fail, unless said ---- */
/* The character at s->at; the one behind a backslash. */
NODISCARD bool pattern_read_plain(struct pattern_parser *s, uint32_t *ret);
NODISCARD bool pattern_read_escaped(struct pattern_parser *s, uint32_t *ret);
/* Add the ranges of \d (what is between them for \D); false: no class has that name. */
NODISCARD bool pattern_add_named(struct pattern_parser *s, char name);
/* Add the ranges of a class, behind its [ and up to its ]. */
NODISCARD bool pattern_read_set(struct pattern_parser *s, bool *ret_negated);

#endif
