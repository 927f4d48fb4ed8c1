/* json_scan.c - where does a JSON value end, and is it one?
 *
 * Scanners take p and end and return the place behind what they read, or NULL
 * when it is malformed.  What they have passed is valid: strings hold UTF-8
 * (unpaired surrogate escapes are refused, so unescaping cannot make anything
 * else), numbers follow the grammar, containers are at most as deep as asked.
 *
 * This is the code that every byte of every document runs through.  Plain text
 * in strings goes eight bytes at a time (utf8_skip_plain); the rest is a byte
 * at a time and has no state but p.
 */
#include "common/core/json_scan.h"

#include <string.h>

#include "common/core/json.h"
#include "common/core/utf8.h"

/* ---- tokens ---- */

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }

static const char *skip_digits(const char *p, const char *end)
{
    const char *from = p;

    while (p < end && is_digit(*p))
        p++;
    return p > from ? p : NULL;
}

const char *json_skip_number(const char *p, const char *end)
{
    if (p < end && *p == '-')
        p++;
    if (p < end && *p == '0')
        p++;
    else if (!(p = skip_digits(p, end)))
        return NULL;
    if (p < end && *p == '.' && !(p = skip_digits(p + 1, end)))
        return NULL;
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < end && (*p == '+' || *p == '-'))
            p++;
        p = skip_digits(p, end);
    }
    return p;
}

static const char *skip_word(const char *p, const char *end, const char *word, size_t n)
{
    return (size_t)(end - p) >= n && memcmp(p, word, n) == 0 ? p + n : NULL;
}

/* Four hexadecimal digits, or -1. */
static int hex4(const char *p, const char *end)
{
    int v = 0;

    if (end - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = p[i];
        int letter = (c | 0x20) - 'a';

        if (is_digit(c))
            v = v * 16 + (c - '0');
        else if (letter >= 0 && letter < 6)
            v = v * 16 + letter + 10;
        else
            return -1;
    }
    return v;
}

/* What follows a backslash and needs no digits: the byte that it stands for. */
static const char simple_escapes[128] = {
    ['"'] = '"',  ['\\'] = '\\', ['/'] = '/',  ['b'] = '\b',
    ['f'] = '\f', ['n'] = '\n',  ['r'] = '\r', ['t'] = '\t',
};

/* Read the escape whose backslash is at p: its code point, or -1. */
int32_t json_read_escape(const char **p, const char *end)
{
    const char *at = *p + 1;
    int high, low;

    if (at == end || (unsigned char)*at >= sizeof simple_escapes)
        return -1;
    *p = at + 1;
    if (*at != 'u')
        return simple_escapes[(unsigned char)*at] ? simple_escapes[(unsigned char)*at] : -1;
    high = hex4(*p, end);
    if (high < 0)
        return -1;
    *p += 4;
    if (high < 0xd800 || high > 0xdfff)
        return high;
    if (high > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return -1;
    low = hex4(*p + 2, end);
    *p += 6;
    if (low < 0xdc00 || low > 0xdfff)
        return -1;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Is "\uXXXX" at p, one of the 1024 units from this one on? */
static bool is_unit(const char *p, const char *end, int from)
{
    int unit = end - p >= 6 && p[0] == '\\' && p[1] == 'u' ? hex4(p + 2, end) : -1;

    return unit >= from && unit < from + 0x400;
}

size_t json_mend_halves(char *p, size_t n)
{
    static const char mended[] = {'f', 'f', 'f', 'd'};
    char *end = p + n;
    size_t halves = 0;

    while (end - p >= 2 && (p = memchr(p, '\\', (size_t)(end - p) - 1))) {
        bool high = is_unit(p, end, 0xd800);

        if (high && is_unit(p + 6, end, 0xdc00)) {
            p += 12;
        } else if (high || is_unit(p, end, 0xdc00)) {
            memcpy(p + 2, mended, sizeof mended);
            p += 6;
            halves++;
        } else {
            p += 2;
        }
    }
    return halves;
}

bool json_mend(struct span text, struct buf *copy)
{
    return text.n && !json_valid(text.p, text.n) && buf_add_span(copy, text) &&
           json_mend_halves(copy->p, copy->n) > 0 && json_valid(copy->p, copy->n);
}

/* p is behind the opening quote; returns the place behind the closing one. */
const char *json_skip_string(const char *p, const char *end)
{
    for (;;) {
        p = utf8_skip_plain(p, end);
        if (p == end)
            return NULL;
        if (*p == '"')
            return p + 1;
        if (*p == '\\') {
            if (json_read_escape(&p, end) < 0)
                return NULL;
            continue;
        }
        do {
            size_t n = (unsigned char)*p < 0x80 ? 0 : utf8_len(p, end);

            if (n == 0)
                return NULL; /* a control character, or not UTF-8 */
            p += n;
        } while (p < end && (unsigned char)*p >= 0x80);
    }
}

/* ---- values ---- */

/* p is behind '{' or '['; *p is not blank.  Members are `"name" : value`. */
static const char *skip_items(const char *p, const char *end, char close, int depth)
{
    if (p < end && *p == close)
        return p + 1;
    for (;;) {
        if (close == '}') {
            if (p == end || *p != '"' || !(p = json_skip_string(p + 1, end)))
                return NULL;
            p = json_skip_blanks(p, end);
            if (p == end || *p != ':')
                return NULL;
            p = json_skip_blanks(p + 1, end);
        }
        if (!(p = json_skip_value(p, end, depth)))
            return NULL;
        p = json_skip_blanks(p, end);
        if (p == end || (*p != ',' && *p != close))
            return NULL;
        if (*p++ == close)
            return p;
        p = json_skip_blanks(p, end);
    }
}

/* depth: how many containers may still be opened. */
const char *json_skip_value(const char *p, const char *end, int depth)
{
    if (p == end)
        return NULL;
    switch (*p) {
    case '"': return json_skip_string(p + 1, end);
    case '{':
        return depth > 0 ? skip_items(json_skip_blanks(p + 1, end), end, '}', depth - 1) : NULL;
    case '[':
        return depth > 0 ? skip_items(json_skip_blanks(p + 1, end), end, ']', depth - 1) : NULL;
    case 't': return skip_word(p, end, "true", 4);
    case 'f': return skip_word(p, end, "false", 5);
    case 'n': return skip_word(p, end, "null", 4);
    default: return json_skip_number(p, end);
    }
}

bool json_valid(const char *p, size_t n)
{
    const char *end = p + n;

    if (n == 0)
        return false;
    p = json_skip_value(json_skip_blanks(p, end), end, JSON_MAX_DEPTH);
    return p && json_skip_blanks(p, end) == end;
}
