/* pattern_parse.c - the text of a regular expression -> a program (pattern_node.h).
 *
 *   choice  = row { "|" row }           row  = { piece }
 *   piece   = atom [ * + ? {n,m} ]      atom = character, class, escape, group, ^ $ \b \B
 *
 * A count is written out: a{2,4} is a a (a (a)?)?, so a program has a limit
 * (PATTERN_MAX_OPS), which is looked at before anything is copied.  Characters, escapes and classes
 * are read by pattern_chars.c. */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/schema/pattern_node.h"

enum { NESTED_MAX = 100, COUNT_MAX = 1000, NO_COUNT = -1 };

static bool parse_choice(struct pattern_parser *s);

/* ---- the program ---- */

static bool has_room(struct pattern_parser *s, size_t n)
{
    if (n > PATTERN_MAX_OPS || s->p->step_count > PATTERN_MAX_OPS - n)
        return pattern_fail(s, "the pattern is too large");
    s->p->steps = xrealloc(s->p->steps, (s->p->step_count + n) * sizeof *s->p->steps);
    return true;
}

static bool emit(struct pattern_parser *s, enum pattern_op op, int x, int y)
{
    if (!has_room(s, 1))
        return false;
    s->p->steps[s->p->step_count++] = (struct pattern_step){op, x, y};
    return true;
}

/* One step before what begins at `at`. */
static bool insert(struct pattern_parser *s, size_t at, enum pattern_op op, int x, int y)
{
    struct pattern *p = s->p;

    if (!has_room(s, 1))
        return false;
    memmove(&p->steps[at + 1], &p->steps[at], (p->step_count - at) * sizeof *p->steps);
    p->steps[at] = (struct pattern_step){op, x, y};
    p->step_count++;
    return true;
}

static bool copy(struct pattern_parser *s, size_t from, size_t n)
{
    struct pattern *p = s->p;

    if (!has_room(s, n))
        return false;
    if (n)
        memcpy(&p->steps[p->step_count], &p->steps[from], n * sizeof *p->steps);
    p->step_count += n;
    return true;
}

/* ---- sets ---- */

static bool emit_set(struct pattern_parser *s, size_t first, bool negated)
{
    struct pattern *p = s->p;

    if (p->range_count > PATTERN_MAX_OPS)
        return pattern_fail(s, "the pattern is too large");
    p->sets = xrealloc(p->sets, (p->set_count + 1) * sizeof *p->sets);
    p->sets[p->set_count++] = (struct pattern_set){first, p->range_count - first, negated};
    return emit(s, OP_SET, (int)p->set_count - 1, 0);
}

static bool parse_set(struct pattern_parser *s)
{
    size_t first = s->p->range_count;
    bool negated;

    return pattern_read_set(s, &negated) && emit_set(s, first, negated);
}

/* ---- atoms ---- */

static bool parse_group(struct pattern_parser *s)
{
    bool ok;

    if (s->at < s->end && *s->at == '?') {
        const char *name = s->at + 2;

        if (s->end - s->at >= 2 && s->at[1] == ':') {
            s->at += 2;
        } else if (s->end - s->at >= 4 && s->at[1] == '<' && *name != '=' && *name != '!') {
            s->at = memchr(name, '>', (size_t)(s->end - name));
            if (!s->at)
                return pattern_fail(s, "the name of a group lacks its >");
            s->at++;
        } else {
            return pattern_fail(s, "look-around is not supported");
        }
    }
    if (s->nested++ >= NESTED_MAX)
        return pattern_fail(s, "groups are nested too deeply");
    ok = parse_choice(s);
    s->nested--;
    if (!ok)
        return false;
    if (s->at == s->end || *s->at++ != ')')
        return pattern_fail(s, "a group lacks its )");
    return true;
}

static bool parse_escape(struct pattern_parser *s)
{
    size_t first = s->p->range_count;
    uint32_t c;

    if (s->at < s->end && (*s->at == 'b' || *s->at == 'B'))
        return emit(s, *s->at++ == 'b' ? OP_EDGE : OP_NO_EDGE, 0, 0);
    if (s->at < s->end && *s->at != '.' && pattern_add_named(s, *s->at)) {
        s->at++;
        return emit_set(s, first, false);
    }
    return pattern_read_escaped(s, &c) && emit(s, OP_CHAR, (int)c, 0);
}

static bool parse_atom(struct pattern_parser *s)
{
    size_t first = s->p->range_count;
    char c = *s->at;
    uint32_t point = 0;

    if (strchr("*+?", c))
        return pattern_fail(s, "nothing to repeat");
    if (!strchr("^$.[(\\", c))
        return pattern_read_plain(s, &point) && emit(s, OP_CHAR, (int)point, 0);
    s->at++;
    switch (c) {
    case '^': return emit(s, OP_START, 0, 0);
    case '$': return emit(s, OP_END, 0, 0);
    case '.': return pattern_add_named(s, '.') && emit_set(s, first, true);
    case '[': return parse_set(s);
    case '(': return parse_group(s);
    default: return parse_escape(s);
    }
}

/* ---- counts ---- */

static bool read_count(const char **p, const char *end, int *ret)
{
    const char *start = *p;

    for (*ret = 0; *p < end && **p >= '0' && **p <= '9'; (*p)++)
        *ret = *ret > COUNT_MAX ? *ret : *ret * 10 + (**p - '0');
    return *p > start;
}

/* {n} {n,} {n,m}; false: these are plain characters. */
static bool read_braces(struct pattern_parser *s, int *min, int *max)
{
    const char *p = s->at + 1;

    if (!read_count(&p, s->end, min))
        return false;
    *max = *min;
    if (p < s->end && *p == ',') {
        p++;
        if (!read_count(&p, s->end, max))
            *max = NO_COUNT;
    }
    if (p == s->end || *p != '}')
        return false;
    s->at = p + 1;
    return true;
}

static bool read_repeat(struct pattern_parser *s, int *min, int *max)
{
    char c = s->at < s->end ? *s->at : '\0';

    *min = c == '+';
    *max = c == '?' ? 1 : NO_COUNT;
    if (c == '{')
        return read_braces(s, min, max);
    if (c != '*' && c != '+' && c != '?')
        return false;
    s->at++;
    return true;
}

/* The atom at `from` is there once: make it min to max times. */
static bool repeat(struct pattern_parser *s, size_t from, int min, int max)
{
    size_t n = s->p->step_count - from, last = from;

    if (min > COUNT_MAX || max > COUNT_MAX)
        return pattern_fail(s, "a count is too large");
    if (max != NO_COUNT && max < min)
        return pattern_fail(s, "a count is out of order");
    if (max == 0) {
        s->p->step_count = from;
        return true;
    }
    for (int i = 1; i < min; i++, last += n)
        if (!copy(s, from, n))
            return false;
    if (max == NO_COUNT && min > 0) /* back to the last one, or on */
        return emit(s, OP_FORK, -(int)n, 1);
    if (max == NO_COUNT)
        return insert(s, from, OP_FORK, 1, (int)n + 2) && emit(s, OP_GO, -(int)n - 1, 0);
    if (min == 0 && !insert(s, from, OP_FORK, 1, (int)n + 1))
        return false;
    for (int i = min ? min : 1; i < max; i++)
        if (!emit(s, OP_FORK, 1, (int)n + 1) || !copy(s, from + (min == 0), n))
            return false;
    return true;
}

static bool parse_row(struct pattern_parser *s)
{
    while (s->at < s->end && *s->at != '|' && *s->at != ')') {
        size_t from = s->p->step_count;
        int min = 0, max = 0;

        if (!parse_atom(s))
            return false;
        if (!read_repeat(s, &min, &max))
            continue;
        if (s->at < s->end && *s->at == '?') /* lazy: the same question has the same answer */
            s->at++;
        if (!repeat(s, from, min, max))
            return false;
        if (s->at < s->end && strchr("*+?", *s->at))
            return pattern_fail(s, "nothing to repeat");
    }
    return true;
}

/* Rows with a jump to the end behind each but the last; a jump's y is the one before it. */
static bool parse_choice(struct pattern_parser *s)
{
    int last = -1;
    size_t from = s->p->step_count;

    while (parse_row(s)) {
        size_t n = s->p->step_count - from;

        if (s->at == s->end || *s->at != '|') {
            for (int i = last; i >= 0;) {
                struct pattern_step *jump = &s->p->steps[i];

                jump->x = (int)s->p->step_count - i;
                i = jump->y;
            }
            return true;
        }
        s->at++;
        if (!insert(s, from, OP_FORK, 1, (int)n + 2) || !emit(s, OP_GO, 0, last))
            return false;
        last = (int)s->p->step_count - 1;
        from = s->p->step_count;
    }
    return false;
}

bool pattern_parse(struct pattern *p, const char *text, struct err *err)
{
    struct pattern_parser s = {.p = p, .at = text, .end = text + strlen(text), .err = err};

    if (!parse_choice(&s))
        return false;
    if (s.at < s.end)
        return pattern_fail(&s, "a ) without its (");
    return emit(&s, OP_MATCH, 0, 0);
}
