/* pattern_parse.c - the text of a regular expression -> a program (pattern_node.h).
 *
 *   choice  = row { "|" row }           row  = { piece }
 *   piece   = atom [ * + ? {n,m} ]      atom = character, class, escape, group, ^ $ \b \B
 *
 * A count is written out: a{2,4} is a a (a (a)?)?, so a program has a limit
 * (PATTERN_MAX_OPS), which is looked at before anything is copied. */
#include <stdlib.h>
#include <string.h>

#include "common/config/pattern_node.h"
#include "common/core/utf8.h"
#include "common/core/xalloc.h"

enum { NESTED_MAX = 100, COUNT_MAX = 1000, NO_COUNT = -1 };
#define LAST_POINT 0x10ffffu

struct parser {
    struct pattern *p;
    const char *at, *end;
    int nested;
    struct err *err;
};

static bool parse_choice(struct parser *s);

static bool fail(struct parser *s, const char *what)
{
    return err_set(s->err, ERR_INVALID, "%s", what);
}

/* ---- the program ---- */

static bool has_room(struct parser *s, size_t n)
{
    if (n > PATTERN_MAX_OPS || s->p->step_count > PATTERN_MAX_OPS - n)
        return fail(s, "the pattern is too large");
    s->p->steps = xrealloc(s->p->steps, (s->p->step_count + n) * sizeof *s->p->steps);
    return true;
}

static bool emit(struct parser *s, enum pattern_op op, int x, int y)
{
    if (!has_room(s, 1))
        return false;
    s->p->steps[s->p->step_count++] = (struct pattern_step){op, x, y};
    return true;
}

/* One step before what begins at `at`. */
static bool insert(struct parser *s, size_t at, enum pattern_op op, int x, int y)
{
    struct pattern *p = s->p;

    if (!has_room(s, 1))
        return false;
    memmove(&p->steps[at + 1], &p->steps[at], (p->step_count - at) * sizeof *p->steps);
    p->steps[at] = (struct pattern_step){op, x, y};
    p->step_count++;
    return true;
}

static bool copy(struct parser *s, size_t from, size_t n)
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

static void add_range(struct parser *s, uint32_t from, uint32_t to)
{
    struct pattern *p = s->p;

    if ((p->range_count & (p->range_count + 1)) == 0) /* full at 2^n - 1 */
        p->ranges = xrealloc(p->ranges, (2 * p->range_count + 2) * sizeof *p->ranges);
    p->ranges[p->range_count++] = (struct pattern_range){from, to};
}

static bool emit_set(struct parser *s, size_t first, bool negated)
{
    struct pattern *p = s->p;

    if (p->range_count > PATTERN_MAX_OPS)
        return fail(s, "the pattern is too large");
    p->sets = xrealloc(p->sets, (p->set_count + 1) * sizeof *p->sets);
    p->sets[p->set_count++] = (struct pattern_set){first, p->range_count - first, negated};
    return emit(s, OP_SET, (int)p->set_count - 1, 0);
}

/* Named classes, in order. */
static const struct pattern_range digits[] = {{'0', '9'}};
static const struct pattern_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
static const struct pattern_range blanks[] = {
    {9, 13},          {' ', ' '},       {0xa0, 0xa0},     {0x1680, 0x1680}, {0x2000, 0x200a},
    {0x2028, 0x2029}, {0x202f, 0x202f}, {0x205f, 0x205f}, {0x3000, 0x3000}, {0xfeff, 0xfeff}};
static const struct pattern_range ends[] = {{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}};

static const struct {
    char name;
    const struct pattern_range *ranges;
    size_t count;
} classes[] = {{'d', digits, ARRAY_LEN(digits)},
               {'w', words, ARRAY_LEN(words)},
               {'s', blanks, ARRAY_LEN(blanks)},
               {'.', ends, ARRAY_LEN(ends)}};

/* The ranges of \d, or what is between them for \D. */
static bool add_class(struct parser *s, char name)
{
    bool negated = name >= 'A' && name <= 'Z';
    uint32_t next = 0;

    for (size_t k = 0; k < ARRAY_LEN(classes); k++) {
        if (classes[k].name != (negated ? name + 32 : name))
            continue;
        for (size_t i = 0; i < classes[k].count; i++) {
            const struct pattern_range *r = &classes[k].ranges[i];

            if (!negated)
                add_range(s, r->from, r->to);
            else if (r->from > next)
                add_range(s, next, r->from - 1);
            next = r->to + 1;
        }
        if (negated)
            add_range(s, next, LAST_POINT);
        return true;
    }
    return false;
}

/* ---- characters ---- */

static bool read_hex(struct parser *s, size_t min, size_t max, uint32_t *ret)
{
    size_t n = 0;

    for (*ret = 0; n < max && s->at < s->end; n++, s->at++) {
        const char *digit = strchr("0123456789abcdefABCDEF", *s->at);
        uint32_t v;

        if (!digit)
            break;
        v = *s->at <= '9' ? (uint32_t)(*s->at - '0') : (uint32_t)((*s->at | 32) - 'a' + 10);
        *ret = *ret * 16 + v;
    }
    return n >= min || fail(s, "an escape lacks its hexadecimal digits");
}

/* Behind \u: HHHH, two surrogates, or {H...}. */
static bool read_unicode(struct parser *s, uint32_t *ret)
{
    uint32_t low;

    if (s->at < s->end && *s->at == '{') {
        s->at++;
        if (!read_hex(s, 1, 6, ret))
            return false;
        if (s->at == s->end || *s->at++ != '}' || *ret > LAST_POINT)
            return fail(s, "a bad \\u{...}");
        return true;
    }
    if (!read_hex(s, 4, 4, ret))
        return false;
    if ((*ret & 0xfc00) == 0xd800 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u') {
        s->at += 2;
        if (!read_hex(s, 4, 4, &low))
            return false;
        if ((low & 0xfc00) != 0xdc00)
            return fail(s, "a surrogate without its other half");
        *ret = 0x10000 + ((*ret & 0x3ff) << 10) + (low & 0x3ff);
    }
    return true;
}

/* Behind a backslash: an escape that is one character. */
static bool read_escaped(struct parser *s, uint32_t *ret)
{
    static const char names[] = "tnvfr0", values[] = "\t\n\v\f\r";
    const char *name;
    char c;

    if (s->at == s->end)
        return fail(s, "a backslash at the end");
    c = *s->at++;
    name = memchr(names, c, sizeof names - 1);
    if (c == '0' && s->at < s->end && *s->at >= '0' && *s->at <= '9')
        return fail(s, "octal escapes are not supported");
    if (name) {
        *ret = (unsigned char)values[name - names];
        return true;
    }
    if (c == 'x')
        return read_hex(s, 2, 2, ret);
    if (c == 'u')
        return read_unicode(s, ret);
    if (c == 'c' && s->at < s->end && ((*s->at | 32) >= 'a' && (*s->at | 32) <= 'z')) {
        *ret = (uint32_t)*s->at++ & 31;
        return true;
    }
    if (c >= '1' && c <= '9')
        return fail(s, "back-references are not supported");
    if (c == 'p' || c == 'P')
        return fail(s, "\\p{...} is not supported");
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80)
        return fail(s, "an escape that is not known");
    *ret = (unsigned char)c;
    return true;
}

static bool read_plain(struct parser *s, uint32_t *ret)
{
    const unsigned char *u = (const unsigned char *)s->at;
    size_t n = utf8_len(s->at, s->end);

    if (n == 0)
        return fail(s, "not UTF-8");
    *ret = n == 1 ? u[0] : n == 2 ? u[0] & 0x1fu : n == 3 ? u[0] & 0x0fu : u[0] & 0x07u;
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 6 | (u[i] & 0x3fu);
    s->at += n;
    return true;
}

/* ---- [classes] ---- */

/* One member: a character, or a named class (then *ret_class). */
static bool read_member(struct parser *s, uint32_t *ret, bool *ret_class)
{
    *ret_class = false;
    if (*s->at != '\\')
        return read_plain(s, ret);
    s->at++;
    if (s->at < s->end && *s->at != '.' && add_class(s, *s->at)) {
        s->at++;
        *ret_class = true;
        return true;
    }
    if (s->at < s->end && *s->at == 'b') {
        s->at++;
        *ret = '\b';
        return true;
    }
    return read_escaped(s, ret);
}

static bool parse_class(struct parser *s)
{
    size_t first = s->p->range_count;
    bool negated = s->at < s->end && *s->at == '^', named, named_too;
    uint32_t from, to;

    s->at += negated;
    while (s->at < s->end && *s->at != ']') {
        if (!read_member(s, &from, &named))
            return false;
        to = from;
        if (!named && s->end - s->at >= 2 && s->at[0] == '-' && s->at[1] != ']') {
            s->at++;
            if (!read_member(s, &to, &named_too))
                return false;
            if (named_too || to < from)
                return fail(s, "a range of a class is out of order");
        }
        if (!named)
            add_range(s, from, to);
    }
    if (s->at == s->end)
        return fail(s, "a class lacks its ]");
    s->at++;
    return emit_set(s, first, negated);
}

/* ---- atoms ---- */

static bool parse_group(struct parser *s)
{
    bool ok;

    if (s->at < s->end && *s->at == '?') {
        const char *name = s->at + 2;

        if (s->end - s->at >= 2 && s->at[1] == ':') {
            s->at += 2;
        } else if (s->end - s->at >= 4 && s->at[1] == '<' && *name != '=' && *name != '!') {
            s->at = memchr(name, '>', (size_t)(s->end - name));
            if (!s->at)
                return fail(s, "the name of a group lacks its >");
            s->at++;
        } else {
            return fail(s, "look-around is not supported");
        }
    }
    if (s->nested++ >= NESTED_MAX)
        return fail(s, "groups are nested too deeply");
    ok = parse_choice(s);
    s->nested--;
    if (!ok)
        return false;
    if (s->at == s->end || *s->at++ != ')')
        return fail(s, "a group lacks its )");
    return true;
}

static bool parse_escape(struct parser *s)
{
    size_t first = s->p->range_count;
    uint32_t c;

    if (s->at < s->end && (*s->at == 'b' || *s->at == 'B'))
        return emit(s, *s->at++ == 'b' ? OP_EDGE : OP_NO_EDGE, 0, 0);
    if (s->at < s->end && *s->at != '.' && add_class(s, *s->at)) {
        s->at++;
        return emit_set(s, first, false);
    }
    return read_escaped(s, &c) && emit(s, OP_CHAR, (int)c, 0);
}

static bool parse_atom(struct parser *s)
{
    size_t first = s->p->range_count;
    char c = *s->at;
    uint32_t point = 0;

    if (strchr("*+?", c))
        return fail(s, "nothing to repeat");
    if (!strchr("^$.[(\\", c))
        return read_plain(s, &point) && emit(s, OP_CHAR, (int)point, 0);
    s->at++;
    switch (c) {
    case '^': return emit(s, OP_START, 0, 0);
    case '$': return emit(s, OP_END, 0, 0);
    case '.': return add_class(s, '.') && emit_set(s, first, true);
    case '[': return parse_class(s);
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
static bool read_braces(struct parser *s, int *min, int *max)
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

static bool read_repeat(struct parser *s, int *min, int *max)
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
static bool repeat(struct parser *s, size_t from, int min, int max)
{
    size_t n = s->p->step_count - from, last = from;

    if (min > COUNT_MAX || max > COUNT_MAX)
        return fail(s, "a count is too large");
    if (max != NO_COUNT && max < min)
        return fail(s, "a count is out of order");
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

static bool parse_row(struct parser *s)
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
            return fail(s, "nothing to repeat");
    }
    return true;
}

/* Rows with a jump to the end behind each but the last; a jump's y is the one before it. */
static bool parse_choice(struct parser *s)
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
    struct parser s = {.p = p, .at = text, .end = text + strlen(text), .err = err};

    if (!parse_choice(&s))
        return false;
    if (s.at < s.end)
        return fail(&s, "a ) without its (");
    return emit(&s, OP_MATCH, 0, 0);
}
