/* pattern_chars.c - what one place of a regular expression matches: a character, or a set of them.
 *
 *     a  \n  \x41  \u{1f600}       read_plain, read_escaped: one code point
 *     \d  \W  .                    add_named: ranges of a table, or what lies between them
 *     [^a-z\d_]                    read_set: ranges of all of these
 *
 * Ranges are only added to the pattern here; pattern_parse.c makes a set of those that came since
 * it asked.  An escape that is not known is refused, and so is what ECMA-262 has and we do not
 * (octals, back-references, \p): taken for a letter it would match something else.
 *
 * Another named class is a row of `classes`. */
#include <string.h>

#include "common/core/utf8.h"
#include "common/core/xalloc.h"
#include "common/schema/pattern_node.h"

#define LAST_POINT 0x10ffffu

bool pattern_fail(struct pattern_parser *s, const char *what)
{
    return err_set(s->err, ERR_INVALID, "%s", what);
}

static void add_range(struct pattern_parser *s, uint32_t from, uint32_t to)
{
    struct pattern *p = s->p;

    if ((p->range_count & (p->range_count + 1)) == 0) /* full at 2^n - 1 */
        p->ranges = xrealloc(p->ranges, (2 * p->range_count + 2) * sizeof *p->ranges);
    p->ranges[p->range_count++] = (struct pattern_range){from, to};
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

bool pattern_add_named(struct pattern_parser *s, char name)
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

static bool read_hex(struct pattern_parser *s, size_t min, size_t max, uint32_t *ret)
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
    return n >= min || pattern_fail(s, "an escape lacks its hexadecimal digits");
}

/* Behind \u: HHHH, two surrogates, or {H...}. */
static bool read_unicode(struct pattern_parser *s, uint32_t *ret)
{
    uint32_t low;

    if (s->at < s->end && *s->at == '{') {
        s->at++;
        if (!read_hex(s, 1, 6, ret))
            return false;
        if (s->at == s->end || *s->at++ != '}' || *ret > LAST_POINT)
            return pattern_fail(s, "a bad \\u{...}");
        return true;
    }
    if (!read_hex(s, 4, 4, ret))
        return false;
    if ((*ret & 0xfc00) == 0xd800 && s->end - s->at >= 6 && s->at[0] == '\\' && s->at[1] == 'u') {
        s->at += 2;
        if (!read_hex(s, 4, 4, &low))
            return false;
        if ((low & 0xfc00) != 0xdc00)
            return pattern_fail(s, "a surrogate without its other half");
        *ret = 0x10000 + ((*ret & 0x3ff) << 10) + (low & 0x3ff);
    }
    return true;
}

/* Behind a backslash: an escape that is one character. */
bool pattern_read_escaped(struct pattern_parser *s, uint32_t *ret)
{
    static const char names[] = "tnvfr0", values[] = "\t\n\v\f\r";
    const char *name;
    char c;

    if (s->at == s->end)
        return pattern_fail(s, "a backslash at the end");
    c = *s->at++;
    name = memchr(names, c, sizeof names - 1);
    if (c == '0' && s->at < s->end && *s->at >= '0' && *s->at <= '9')
        return pattern_fail(s, "octal escapes are not supported");
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
        return pattern_fail(s, "back-references are not supported");
    if (c == 'p' || c == 'P')
        return pattern_fail(s, "\\p{...} is not supported");
    if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80)
        return pattern_fail(s, "an escape that is not known");
    *ret = (unsigned char)c;
    return true;
}

bool pattern_read_plain(struct pattern_parser *s, uint32_t *ret)
{
    const unsigned char *u = (const unsigned char *)s->at;
    size_t n = utf8_len(s->at, s->end);

    if (n == 0)
        return pattern_fail(s, "not UTF-8");
    *ret = n == 1 ? u[0] : n == 2 ? u[0] & 0x1fu : n == 3 ? u[0] & 0x0fu : u[0] & 0x07u;
    for (size_t i = 1; i < n; i++)
        *ret = *ret << 6 | (u[i] & 0x3fu);
    s->at += n;
    return true;
}

/* ---- [classes] ---- */

/* One member: a character, or a named class (then *ret_class). */
static bool read_member(struct pattern_parser *s, uint32_t *ret, bool *ret_class)
{
    *ret_class = false;
    if (*s->at != '\\')
        return pattern_read_plain(s, ret);
    s->at++;
    if (s->at < s->end && *s->at != '.' && pattern_add_named(s, *s->at)) {
        s->at++;
        *ret_class = true;
        return true;
    }
    if (s->at < s->end && *s->at == 'b') {
        s->at++;
        *ret = '\b';
        return true;
    }
    return pattern_read_escaped(s, ret);
}

bool pattern_read_set(struct pattern_parser *s, bool *ret_negated)
{
    bool negated = s->at < s->end && *s->at == '^', named, named_too;
    uint32_t from = 0, to = 0;

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
                return pattern_fail(s, "a range of a class is out of order");
        }
        if (!named)
            add_range(s, from, to);
    }
    if (s->at == s->end)
        return pattern_fail(s, "a class lacks its ]");
    s->at++;
    *ret_negated = negated;
    return true;
}
