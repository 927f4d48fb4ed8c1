/* json_read.c - JSON read where it lies.
 *
 * There are no trees.  The scanner (json_scan.c) checks a value and finds its
 * end; the rest is built on that:
 *
 *     json_skip_value ---- json_valid    one value and nothing behind it
 *        |
 *        +---------------- json_next     one member or element at a time
 *                             |
 *                             +--------- json_pick, json_pick_within, json_at
 *
 * Names are unescaped before they are compared (few hold a backslash), so that
 * "\u0069d" is "id" here as for every other reader of the document.
 */
#include <assert.h>
#include <float.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/json_scan.h"
#include "common/core/parse.h"

enum { NAME_MAX_BYTES = 256 };
#define WHOLE_MAX 9e15 /* each whole number below it is a double */

/* ---- walking ---- */

/* close: the bracket that ends the walk; 0 once it has ended. */
bool json_iter_init(struct json_iter *it, const char *p, size_t n)
{
    *it = (struct json_iter){.first = true, .depth = JSON_OWN_DEPTH - 1};
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
    if (!(p = json_skip_value(it->p, it->end, it->depth)))
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

/* ---- members ---- */

/* What the raw key says: itself, or unescaped into text.  A name too long for
 * text is longer than any that is looked for, and stays raw. */
static struct span name_of(struct span raw, char text[NAME_MAX_BYTES + 1])
{
    struct buf b = {.p = text, .cap = NAME_MAX_BYTES + 1, .max_bytes = NAME_MAX_BYTES};

    if (!memchr(raw.p, '\\', raw.n) || !unescape(raw, &b))
        return raw;
    return (struct span){text, b.n};
}

/* Length and first byte together: most names are told apart by one comparison. */
static inline uint16_t tag_of(const char *name, size_t n)
{
    return (uint16_t)((n & 0xff) << 8 | (n ? (unsigned char)name[0] : 0));
}

bool json_pick(const char *p, size_t n, const struct json_want *wants, size_t count)
{
    return json_pick_within((struct span){p, n}, JSON_OWN_DEPTH, wants, count);
}

bool json_pick_within(struct span doc, int depth, const struct json_want *wants, size_t count)
{
    char text[NAME_MAX_BYTES + 1];
    uint16_t tags[JSON_MAX_WANTS];
    struct json_iter it;

    assert(count <= JSON_MAX_WANTS);
    for (size_t i = 0; i < count; i++) {
        tags[i] = tag_of(wants[i].name, strlen(wants[i].name));
        *wants[i].out = (struct span){NULL, 0};
    }
    if (!json_iter_init(&it, doc.p, doc.n) || it.close != '}')
        return false;
    it.depth = depth - 1;
    while (json_next(&it)) {
        struct span name = name_of(it.key, text);
        uint16_t tag = tag_of(name.p, name.n);

        for (size_t i = 0; i < count; i++)
            if (tags[i] == tag && strncmp(wants[i].name, name.p, name.n) == 0 &&
                !wants[i].name[name.n])
                *wants[i].out = it.value;
    }
    return !it.bad;
}

/* The value of one member or element. */
static struct span child(struct span doc, const char *step, size_t n)
{
    char text[NAME_MAX_BYTES + 1];
    struct json_iter it;
    int64_t index = 0;
    bool is_array;

    if (!json_iter_init(&it, doc.p, doc.n))
        return (struct span){NULL, 0};
    is_array = it.close == ']';
    if (is_array && !parse_int64(step, n, 0, INT64_MAX, &index))
        return (struct span){NULL, 0};
    while (json_next(&it)) {
        struct span name = is_array ? it.key : name_of(it.key, text);

        if (is_array ? index-- == 0 : name.n == n && memcmp(name.p, step, n) == 0)
            return it.value;
    }
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
    double d;

    if (!is_number(v))
        return false;
    if (parse_int64(v.p, v.n, INT64_MIN, INT64_MAX, ret))
        return true;
    if (!parse_double(v.p, v.n, -WHOLE_MAX, WHOLE_MAX, &d) || (double)(int64_t)d != d)
        return false;
    *ret = (int64_t)d;
    return true;
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

struct span json_unquoted(struct span v)
{
    return v.n > 2 && is_string(v) ? inside(v) : (struct span){NULL, 0};
}
