/* json_read.c - JSON read where it lies.
 *
 * There are no trees.  The scanner (json_scan.c) checks a value and finds its
 * end; the rest is built on that:
 *
 *     json_skip_value ---- json_valid    one value and nothing behind it
 *        |
 *        +---------------- json_next     one member or element at a time
 *                             |
 *                             +--------- json_pick, json_at
 *
 * Names are compared raw, and unescaped only when they hold a backslash, so
 * that "\u0069d" is "id" here as for every other reader of the document.
 */
#include <float.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/json_scan.h"
#include "common/core/parse.h"

enum { NAME_MAX_BYTES = 256 };

/* ---- walking ---- */

/* close: the bracket that ends the walk; 0 once it has ended. */
bool json_iter_init(struct json_iter *it, const char *p, size_t n)
{
    *it = (struct json_iter){.first = true};
    if (n == 0)
        return false;
    it->end = p + n;
    p = json_skip_blanks(p, it->end);
    if (p == it->end || (*p != '{' && *p != '['))
        return false;
    it->close = *p == '{' ? '}' : ']';
    it->p = p + 1;
    return true;
}

static bool end_walk(struct json_iter *it, bool bad)
{
    it->close = 0;
    it->bad = it->bad || bad;
    return false;
}

/* `"name" :` of the next member; leaves it->p at the value. */
static bool next_key(struct json_iter *it)
{
    const char *from = it->p + 1;
    const char *p;

    if (it->p == it->end || *it->p != '"' || !(p = json_skip_string(from, it->end)))
        return false;
    it->key = (struct span){from, (size_t)(p - 1 - from)};
    p = json_skip_blanks(p, it->end);
    if (p == it->end || *p != ':')
        return false;
    it->p = json_skip_blanks(p + 1, it->end);
    return true;
}

bool json_next(struct json_iter *it)
{
    const char *p;

    if (!it->close)
        return false;
    it->p = json_skip_blanks(it->p, it->end);
    if (it->p < it->end && *it->p == it->close)
        return end_walk(it, json_skip_blanks(it->p + 1, it->end) != it->end);
    if (!it->first) {
        if (it->p == it->end || *it->p != ',')
            return end_walk(it, true);
        it->p = json_skip_blanks(it->p + 1, it->end);
    }
    it->first = false;
    if (it->close == '}' && !next_key(it))
        return end_walk(it, true);
    if (!(p = json_skip_value(it->p, it->end, JSON_MAX_DEPTH - 1)))
        return end_walk(it, true);
    it->value = (struct span){it->p, (size_t)(p - it->p)};
    it->p = p;
    return true;
}

/* ---- strings ---- */

static size_t put_utf8(char *to, uint32_t c)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(lead[n] | c);
    return n;
}

/* Append the inside of a valid string. */
static bool unescape(struct span raw, struct buf *b)
{
    const char *p = raw.p;
    const char *end = raw.p + raw.n;

    for (;;) {
        const char *slash = memchr(p, '\\', (size_t)(end - p));
        int32_t c;
        char utf8[4];

        if (!slash)
            return buf_add(b, p, (size_t)(end - p));
        if (slash > p && !buf_add(b, p, (size_t)(slash - p)))
            return false;
        p = slash;
        c = json_read_escape(&p, end);
        if (c < 0 || !buf_add(b, utf8, put_utf8(utf8, (uint32_t)c)))
            return false;
    }
}

static bool is_string(struct span v)
{
    return v.n >= 2 && v.p[0] == '"' && json_skip_string(v.p + 1, v.p + v.n) == v.p + v.n;
}

static struct span inside(struct span v) { return (struct span){v.p + 1, v.n - 2}; }

/* Is the raw name the text `name`?  Escapes only ever make a text longer. */
static bool raw_is(struct span raw, const char *name, size_t n)
{
    char text[NAME_MAX_BYTES + 1];
    struct buf b = {.p = text, .cap = sizeof text, .max_bytes = NAME_MAX_BYTES};

    if (raw.n == n)
        return memcmp(raw.p, name, n) == 0;
    if (raw.n < n || !memchr(raw.p, '\\', raw.n))
        return false;
    return unescape(raw, &b) && b.n == n && memcmp(text, name, n) == 0;
}

/* The same for a name that ends in a NUL; most are refused by their first byte. */
static inline bool key_is(struct span raw, const char *name)
{
    if (raw.n > 0 && raw.p[0] != name[0] && raw.p[0] != '\\')
        return false;
    return raw_is(raw, name, strlen(name));
}

/* ---- members ---- */

bool json_pick(const char *p, size_t n, const struct json_want *wants, size_t count)
{
    struct json_iter it;

    for (size_t i = 0; i < count; i++)
        *wants[i].out = (struct span){NULL, 0};
    if (!json_iter_init(&it, p, n) || it.close != '}')
        return false;
    while (json_next(&it))
        for (size_t i = 0; i < count; i++)
            if (key_is(it.key, wants[i].name))
                *wants[i].out = it.value;
    return !it.bad;
}

/* The value of one member or element. */
static struct span child(struct span doc, const char *step, size_t n)
{
    struct json_iter it;
    int64_t index = -1;

    if (!json_iter_init(&it, doc.p, doc.n))
        return (struct span){NULL, 0};
    if (it.close == ']' && !parse_int64(step, n, 0, INT64_MAX, &index))
        return (struct span){NULL, 0};
    for (int64_t i = 0; json_next(&it); i++)
        if (index >= 0 ? i == index : raw_is(it.key, step, n))
            return it.value;
    return (struct span){NULL, 0};
}

struct span json_at(struct span doc, const char *path)
{
    while (doc.p && *path) {
        size_t n = strcspn(path, ".");

        doc = child(doc, path, n);
        path += n + (path[n] == '.');
    }
    return doc;
}

/* ---- typed reads ---- */

/* parse_* are a little more generous than JSON is ("007"). */
static bool is_number(struct span v)
{
    return v.n > 0 && json_skip_number(v.p, v.p + v.n) == v.p + v.n;
}

bool json_read_int(struct span v, int64_t *ret)
{
    return is_number(v) && parse_int64(v.p, v.n, INT64_MIN, INT64_MAX, ret);
}

bool json_read_double(struct span v, double *ret)
{
    return is_number(v) && parse_double(v.p, v.n, -DBL_MAX, DBL_MAX, ret);
}

bool json_read_bool(struct span v, bool *ret)
{
    if (v.n == 4 && memcmp(v.p, "true", 4) == 0)
        *ret = true;
    else if (v.n == 5 && memcmp(v.p, "false", 5) == 0)
        *ret = false;
    else
        return false;
    return true;
}

bool json_read_string(struct span v, struct buf *b)
{
    return is_string(v) && unescape(inside(v), b);
}

bool json_read_text(struct span v, char *text, size_t size)
{
    struct buf b = {.p = text, .cap = size, .max_bytes = size - 1};

    if (size == 0 || !is_string(v))
        return false;
    if (unescape(inside(v), &b) && !memchr(text, 0, b.n))
        return true;
    text[0] = 0;
    return false;
}

bool json_absent(struct span v) { return !v.p || (v.n == 4 && memcmp(v.p, "null", 4) == 0); }

bool json_equals(struct span v, const char *text)
{
    size_t n = strlen(text);

    return v.n == n + 2 && v.p[0] == '"' && v.p[n + 1] == '"' && memcmp(v.p + 1, text, n) == 0;
}
