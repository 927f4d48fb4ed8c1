/* sim_http.c - reads HTTP/1.1 requests out of a growing buffer.
 *
 *     head ──▶ no body ───────────────────────────▶ DONE
 *      │├────▶ Content-Length: wait for the bytes ──▶ DONE
 *      │└────▶ chunked: size line, data, ... 0, trailer ──▶ DONE
 *      └─────▶ BAD (with the status to answer)
 *
 * Nothing is scanned twice: the search for the end of the head goes on where
 * it stopped, and chunks are moved together as they arrive.  A new header that
 * the server must know becomes a row of `known`.
 */
#include "tests/sim/sim_http.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/core/parse.h"

static enum sim_http_state bad(struct sim_http *h, int status)
{
    h->status = status;
    return SIM_HTTP_BAD;
}

static bool is_token(struct span s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] <= ' ' || s.p[i] >= 127 || strchr("()<>@,;:\\\"/[]?={}", s.p[i]))
            return false;
    return s.n > 0;
}

static struct span trim(struct span s)
{
    while (s.n && (*s.p == ' ' || *s.p == '\t'))
        s.p++, s.n--;
    while (s.n && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

static bool has_case(struct span s, const char *text)
{
    return s.n == strlen(text) && !strncasecmp(s.p, text, s.n);
}

void sim_http_init(struct sim_http *h) { *h = (struct sim_http){.keep_alive = true}; }

/* ---- the head ---- */

/* "METHOD /path?query HTTP/1.1" in p[0..n). */
static bool read_request_line(struct sim_http *h, const char *p, size_t n)
{
    const char *sp = memchr(p, ' ', n), *end = p + n, *sp2, *q;

    if (!sp || !is_token((struct span){p, (size_t)(sp - p)}))
        return bad(h, 400), false;
    h->method = (struct sim_http_part){0, (size_t)(sp - p)};
    sp2 = memchr(sp + 1, ' ', (size_t)(end - sp - 1));
    if (!sp2 || sp[1] != '/')
        return bad(h, 400), false;
    if (end - sp2 - 1 != 8 || memcmp(sp2 + 1, "HTTP/1.", 7) != 0 ||
        (sp2[8] != '0' && sp2[8] != '1'))
        return bad(h, 505), false;
    h->keep_alive = sp2[8] == '1';
    q = memchr(sp + 1, '?', (size_t)(sp2 - sp - 1));
    h->path = (struct sim_http_part){h->method.n + 1, (size_t)((q ? q : sp2) - sp - 1)};
    if (q)
        h->query = (struct sim_http_part){(size_t)(q + 1 - p), (size_t)(sp2 - q - 1)};
    return true;
}

static bool on_length(struct sim_http *h, struct span v)
{
    int64_t length = 0;

    if (!parse_int64(v.p, v.n, 0, INT64_MAX, &length) || v.p[0] == '+' || v.p[0] == '-' ||
        (h->has_length && h->length != (size_t)length))
        return bad(h, 400), false;
    h->has_length = true;
    h->length = (size_t)length;
    return true;
}

static bool on_encoding(struct sim_http *h, struct span v)
{
    h->chunked = has_case(v, "chunked");
    return h->chunked || (bad(h, 501), false);
}

static bool on_connection(struct sim_http *h, struct span v)
{
    if (has_case(v, "close"))
        h->keep_alive = false;
    else if (has_case(v, "keep-alive"))
        h->keep_alive = true;
    return true;
}

static bool on_host(struct sim_http *h, UNUSED struct span v)
{
    return !h->has_host ? (h->has_host = true) : (bad(h, 400), false);
}

static bool on_expect(struct sim_http *h, struct span v)
{
    h->expects_continue = has_case(v, "100-continue");
    return true;
}

/* The headers that steer reading, and those whose place is kept. */
static const struct known {
    const char *name;
    bool (*func)(struct sim_http *h, struct span value);
    size_t part;
} known[] = {
    {"content-length", on_length, 0},
    {"transfer-encoding", on_encoding, 0},
    {"connection", on_connection, 0},
    {"host", on_host, 0},
    {"expect", on_expect, 0},
    {"authorization", NULL, offsetof(struct sim_http, authorization)},
    {"content-type", NULL, offsetof(struct sim_http, content_type)},
    {"range", NULL, offsetof(struct sim_http, range)},
};

static bool read_header(struct sim_http *h, const char *base, struct span name, struct span value)
{
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (!has_case(name, known[i].name))
            continue;
        if (known[i].func)
            return known[i].func(h, value);
        *(struct sim_http_part *)(void *)((char *)h + known[i].part) =
            (struct sim_http_part){(size_t)(value.p - base), value.n};
    }
    return true;
}

/* One "Name: value" of the header block; false at its end, or before a malformed one. */
static bool split_header(const char *p, size_t n, size_t *at, struct span *name, struct span *value)
{
    const char *line = p + *at, *nl, *colon;

    *name = (struct span){NULL, 0};
    if (*at >= n || !(nl = memchr(line, '\n', n - *at)))
        return false;
    colon = memchr(line, ':', (size_t)(nl - line));
    if (nl == line || nl[-1] != '\r' || !colon)
        return false;
    *name = (struct span){line, (size_t)(colon - line)};
    *value = trim((struct span){colon + 1, (size_t)(nl - 1 - colon - 1)});
    if (!is_token(*name) || memchr(value->p, '\0', value->n) || memchr(value->p, '\r', value->n))
        *name = (struct span){NULL, 0};
    else
        *at = (size_t)(nl + 1 - p);
    return name->p != NULL;
}

static bool read_head(struct sim_http *h, const char *p)
{
    const char *nl = memchr(p, '\n', h->head_bytes);
    size_t first = (size_t)(nl - p) + 1, at = 0;
    struct span name, value;

    if (first < 2 || p[first - 2] != '\r')
        return bad(h, 400), false;
    if (!read_request_line(h, p, first - 2))
        return false;
    h->headers = (struct sim_http_part){first, h->head_bytes - first - 2};
    while (split_header(p + first, h->headers.n, &at, &name, &value))
        if (!read_header(h, p, name, value))
            return false;
    if (at != h->headers.n || (h->has_length && h->chunked) || (!h->has_host && h->keep_alive))
        return bad(h, 400), false;
    if (h->length > SIM_HTTP_BODY_MAX)
        return bad(h, 413), false;
    return true;
}

/* Look for the blank line; sets head_bytes when it is there. */
static enum sim_http_state find_head(struct sim_http *h, const char *p, size_t n)
{
    size_t from = h->scanned > 3 ? h->scanned - 3 : 0;
    const char *end = n > from ? memmem(p + from, n - from, "\r\n\r\n", 4) : NULL;

    h->scanned = n;
    if (!end && n > 1 && memmem(p + from, n - from, "\n\n", 2))
        return bad(h, 400);
    if (end ? (size_t)(end - p) + 4 > SIM_HTTP_HEAD_MAX : n > SIM_HTTP_HEAD_MAX)
        return bad(h, 431);
    if (!end)
        return SIM_HTTP_MORE;
    h->head_bytes = (size_t)(end - p) + 4;
    return read_head(h, p) ? SIM_HTTP_DONE : SIM_HTTP_BAD;
}

/* ---- chunked bodies ---- */

/* A line of the chunk framing at chunk_at; its length without CRLF, or -1 when it is not complete.
 */
static ptrdiff_t chunk_line(struct sim_http *h, const char *p, size_t n)
{
    const char *from = p + h->chunk_at, *nl = memchr(from, '\n', n - h->chunk_at);

    if (!nl && n - h->chunk_at > 4096)
        bad(h, 400);
    if (!nl)
        return -1;
    if (nl == from || nl[-1] != '\r') {
        bad(h, 400);
        return -1;
    }
    return nl - 1 - from;
}

static bool chunk_size(const char *p, size_t n, size_t *ret)
{
    size_t v = 0, i = 0;

    for (; i < n && p[i] != ';' && p[i] != ' '; i++) {
        const char *hex = "0123456789abcdef", c = (char)(p[i] | 0x20);
        const char *d = p[i] ? strchr(hex, p[i] >= '0' && p[i] <= '9' ? p[i] : c) : NULL;
        if (!d || i >= 8)
            return false;
        v = v * 16 + (size_t)(d - hex);
    }
    *ret = v;
    return i > 0;
}

/* The size line of the next chunk; MORE when it is not there, DONE when it was read. */
static enum sim_http_state next_chunk(struct sim_http *h, const char *p, size_t n)
{
    ptrdiff_t line = chunk_line(h, p, n);

    if (line < 0)
        return h->status ? SIM_HTTP_BAD : SIM_HTTP_MORE;
    if (h->in_trailer) {
        h->chunk_at += (size_t)line + 2;
        h->total = line ? 0 : h->chunk_at;
        return SIM_HTTP_DONE;
    }
    if (!chunk_size(p + h->chunk_at, (size_t)line, &h->chunk_left))
        return bad(h, 400);
    if (h->body.n + h->chunk_left > SIM_HTTP_BODY_MAX)
        return bad(h, 413);
    h->chunk_at += (size_t)line + 2;
    h->in_trailer = h->chunk_left == 0;
    h->chunk_left += h->in_trailer ? 0 : 2;
    return SIM_HTTP_DONE;
}

/* Move what is there of the open chunk to the end of the body; chunk_left counts its CRLF. */
static enum sim_http_state move_chunk(struct sim_http *h, char *p, size_t n)
{
    size_t there = n - h->chunk_at, data = h->chunk_left > 2 ? h->chunk_left - 2 : 0;

    if (data > there)
        data = there;
    memmove(p + h->body.at + h->body.n, p + h->chunk_at, data);
    h->body.n += data;
    h->chunk_at += data;
    h->chunk_left -= data;
    if (h->chunk_left > 2 || n - h->chunk_at < 2)
        return SIM_HTTP_MORE;
    if (memcmp(p + h->chunk_at, "\r\n", 2) != 0)
        return bad(h, 400);
    h->chunk_at += 2;
    h->chunk_left = 0;
    return SIM_HTTP_DONE;
}

static enum sim_http_state parse_chunks(struct sim_http *h, char *p, size_t n)
{
    enum sim_http_state state = SIM_HTTP_DONE;

    while (state == SIM_HTTP_DONE && !h->total)
        state = h->chunk_left ? move_chunk(h, p, n) : next_chunk(h, p, n);
    return state;
}

enum sim_http_state sim_http_parse(struct sim_http *h, char *p, size_t n)
{
    if (h->status)
        return SIM_HTTP_BAD;
    if (!h->head_bytes) {
        enum sim_http_state state = find_head(h, p, n);
        if (state != SIM_HTTP_DONE)
            return state;
        h->body.at = h->chunk_at = h->head_bytes;
    }
    if (h->chunked)
        return parse_chunks(h, p, n);
    if (n < h->head_bytes + h->length)
        return SIM_HTTP_MORE;
    h->body.n = h->length;
    h->total = h->head_bytes + h->length;
    return SIM_HTTP_DONE;
}

/* ---- reading what was parsed ---- */

bool sim_http_next_header(const struct sim_http *h, const char *p, size_t *at, struct span *name,
                          struct span *value)
{
    return split_header(p + h->headers.at, h->headers.n, at, name, value);
}

struct span sim_http_header(const struct sim_http *h, const char *p, const char *name)
{
    struct span key, value;
    size_t at = 0;

    while (sim_http_next_header(h, p, &at, &key, &value))
        if (has_case(key, name))
            return value;
    return (struct span){NULL, 0};
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool percent_decode(struct span s, char *text, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++) {
        int hi = s.p[i] == '%' && i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int lo = hi >= 0 ? hex_digit(s.p[i + 2]) : -1;
        if (n + 1 >= size)
            return false;
        if (lo >= 0) {
            text[n++] = (char)(hi * 16 + lo);
            i += 2;
        } else {
            text[n++] = s.p[i] == '+' ? ' ' : s.p[i];
        }
    }
    text[n] = '\0';
    return true;
}

bool sim_http_query(struct span query, const char *name, char *text, size_t size)
{
    size_t len = strlen(name);

    while (query.n) {
        const char *amp = memchr(query.p, '&', query.n);
        size_t n = amp ? (size_t)(amp - query.p) : query.n;
        if (n > len && query.p[len] == '=' && !memcmp(query.p, name, len))
            return percent_decode((struct span){query.p + len + 1, n - len - 1}, text, size);
        query.p += n + (amp != NULL);
        query.n -= n + (amp != NULL);
    }
    return false;
}
