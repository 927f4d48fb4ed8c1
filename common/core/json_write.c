/* json_write.c - JSON appended to a buffer.
 *
 *     struct buf b = BUF(4096);
 *     buf_putc(&b, '{');
 *     json_add_str(&b, "id", id);            {"id":"j_81"
 *     json_add_int(&b, "tokens", 42);        {"id":"j_81","tokens":42
 *     json_add_raw(&b, "input", raw);        ..., spliced as it came in
 *     buf_putc(&b, '}');
 *
 * Nothing here fails by itself: the buffer remembers (buf_failed).  Runs of
 * bytes that need no escape are copied whole.  The comma before a name depends
 * on the last byte of the buffer only, so objects nest without a stack.
 */
#include <string.h>

#include "common/core/json.h"
#include "common/core/utf8.h"

enum { NANO = 1000000000, USD_DECIMALS = 9 };

/* One byte that cannot stand in a string. */
static void add_escape(struct buf *b, char c)
{
    static const char shorts[128] = {
        ['"'] = '"',  ['\\'] = '\\', ['\b'] = 'b', ['\f'] = 'f',
        ['\n'] = 'n', ['\r'] = 'r',  ['\t'] = 't',
    };
    static const char hex[] = "0123456789abcdef";
    unsigned char u = (unsigned char)c;

    if (u >= 0x80)
        buf_add(b, UTF8_REPLACEMENT, sizeof UTF8_REPLACEMENT - 1);
    else if (shorts[u])
        buf_add(b, (char[]){'\\', shorts[u]}, 2);
    else
        buf_add(b, (char[]){'\\', 'u', '0', '0', hex[u >> 4], hex[u & 15]}, 6);
}

/* Most names and values need no escape: the text in quotes, perhaps between a comma and a colon,
 * with the room for all of it made once.  False: it is not as plain as that, or there is no room.
 */
static inline bool add_plain(struct buf *b, bool comma, const char *p, size_t n, bool colon)
{
    size_t all = n + 2 + comma + colon;
    char *to;

    if (utf8_skip_plain(p, p + n) < p + n ||
        !(to = buf_has_room(b, all) ? b->p + b->n : buf_reserve(b, all)))
        return false;
    b->n += all;
    if (comma)
        *to++ = ',';
    *to++ = '"';
    memcpy(to, p, n);
    to += n;
    *to++ = '"';
    if (colon)
        *to++ = ':';
    *to = '\0';
    return true;
}

void json_add_string(struct buf *b, const char *p, size_t n)
{
    const char *end = p + n;

    if (n && add_plain(b, false, p, n, false))
        return;
    buf_putc(b, '"');
    while (p < end) {
        const char *run = p;
        size_t wide;

        p = utf8_skip_plain(p, end);
        while (p < end && (unsigned char)*p >= 0x80 && (wide = utf8_len(p, end)) > 0)
            p = utf8_skip_plain(p + wide, end);
        if (p > run)
            buf_add(b, run, (size_t)(p - run));
        if (p < end)
            add_escape(b, *p++);
    }
    buf_putc(b, '"');
}

void json_add_text(struct buf *b, const char *s)
{
    if (s)
        json_add_string(b, s, strlen(s));
    else
        buf_add(b, "null", 4);
}

void json_add_key(struct buf *b, const char *name)
{
    bool first = b->n == 0 || b->p[b->n - 1] == '{';

    if (add_plain(b, !first, name, strlen(name), true))
        return;
    if (!first)
        buf_putc(b, ',');
    json_add_string(b, name, strlen(name));
    buf_putc(b, ':');
}

void json_add_raw(struct buf *b, const char *name, struct span value)
{
    json_add_key(b, name);
    if (value.p)
        buf_add_span(b, value);
    else
        buf_add(b, "null", 4);
}

void json_add_int(struct buf *b, const char *name, int64_t v)
{
    json_add_key(b, name);
    buf_int(b, v);
}

void json_add_bool(struct buf *b, const char *name, bool v)
{
    json_add_key(b, name);
    buf_puts(b, v ? "true" : "false");
}

void json_add_str(struct buf *b, const char *name, const char *s)
{
    json_add_key(b, name);
    json_add_text(b, s);
}

void json_add_usd(struct buf *b, const char *name, int64_t nanousd)
{
    uint64_t size = nanousd < 0 ? -(uint64_t)nanousd : (uint64_t)nanousd;
    uint64_t rest = size % NANO;
    char decimals[USD_DECIMALS];
    size_t n = USD_DECIMALS;

    json_add_key(b, name);
    if (nanousd < 0)
        buf_putc(b, '-');
    buf_int(b, (int64_t)(size / NANO));
    if (rest == 0)
        return;
    for (size_t i = USD_DECIMALS; i > 0; i--, rest /= 10)
        decimals[i - 1] = (char)('0' + rest % 10);
    while (decimals[n - 1] == '0')
        n--;
    buf_putc(b, '.');
    buf_add(b, decimals, n);
}
