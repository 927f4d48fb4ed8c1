/* redis_args.c - a command, written in the protocol's form while it is built.
 *
 *     | head room |$3\r\nkey\r\n|$5\r\nvalue\r\n|
 *       *2\r\n  <- put here by redis_args_close(), right-aligned, when the count is known
 *
 * So a command is one run of bytes that is written once and handed to the
 * socket's queue as it is.  The head room also takes "EVALSHA sha1 nkeys".
 *
 * Failure (over the cap) stays in bytes.failed and is looked at when the
 * command is sent, so that builders need not check. */
#include "common/io/redis_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

enum {
    HEAD_ROOM = 128,
    MAX_COMMAND_BYTES = 64 << 20,
    LENGTH_ROOM = 24 /* "$" digits CR LF, and the CR LF after the argument */
};

static size_t put_int(char *p, int64_t v);

void redis_args_init(struct redis_args *a)
{
    *a = (struct redis_args){.bytes = BUF(MAX_COMMAND_BYTES)};
}

void redis_args_done(struct redis_args *a)
{
    buf_done(&a->bytes);
    a->count = 0;
}

/* Begin an argument of n bytes: where they go, with room for the end; NULL when the buffer is full.
 */
static char *arg_begin(struct redis_args *a, size_t n)
{
    char *p;

    if (!a->count++ && buf_reserve(&a->bytes, HEAD_ROOM))
        a->bytes.n = HEAD_ROOM;
    if (a->bytes.failed || !(p = buf_reserve(&a->bytes, n + LENGTH_ROOM + 2))) {
        a->bytes.failed = true;
        return NULL;
    }
    *p++ = '$';
    p += put_int(p, (int64_t)n);
    *p++ = '\r';
    *p++ = '\n';
    return p;
}

static void arg_end(struct redis_args *a, char *end)
{
    *end++ = '\r';
    *end++ = '\n';
    *end = '\0';
    a->bytes.n = (size_t)(end - a->bytes.p);
}

void redis_arg(struct redis_args *a, const void *p, size_t n)
{
    char *to = arg_begin(a, n);

    if (!to)
        return;
    if (n)
        memcpy(to, p, n);
    arg_end(a, to + n);
}

void redis_arg_str(struct redis_args *a, const char *s) { redis_arg(a, s, strlen(s)); }

void redis_arg_span(struct redis_args *a, struct span s) { redis_arg(a, s.p, s.n); }

void redis_arg_int(struct redis_args *a, int64_t v)
{
    char digits[24];

    redis_arg(a, digits, put_int(digits, v));
}

void redis_args_name(const struct redis_args *a, char *name, size_t size)
{
    const char *p = a->count ? memchr(a->bytes.p + HEAD_ROOM, '\n', a->bytes.n - HEAD_ROOM) : NULL;

    snprintf(name, size, "%.*s", p ? (int)strcspn(p + 1, "\r") : 0, p ? p + 1 : "");
}

void redis_args_words(struct redis_args *a, va_list words)
{
    const char *word;

    redis_args_init(a);
    while ((word = va_arg(words, const char *)))
        redis_arg_str(a, word);
}

void redis_arg_pieces(struct redis_args *a, const struct span *pieces, size_t count)
{
    size_t n = 0;
    char *to;

    for (size_t i = 0; i < count; i++)
        n += pieces[i].n;
    if (!(to = arg_begin(a, n)))
        return;
    for (size_t i = 0; i < count; i++) {
        if (pieces[i].n)
            memcpy(to, pieces[i].p, pieces[i].n);
        to += pieces[i].n;
    }
    arg_end(a, to);
}

void redis_args_add_words(struct redis_args *a, const struct redis_word *words, size_t n)
{
    for (const struct redis_word *w = words; w < words + n; w++) {
        if (!w->text.p)
            redis_arg_int(a, w->number);
        else if (!w->rest.p)
            redis_arg_span(a, w->text);
        else
            redis_arg_pieces(a, (const struct span[]){w->text, w->rest}, 2);
    }
}

void redis_args_append(struct redis_args *a, const struct redis_args *part)
{
    size_t n = part->count ? part->bytes.n - HEAD_ROOM : 0;
    char *to;

    if (part->bytes.failed)
        a->bytes.failed = true;
    if (n == 0)
        return;
    if (!a->count && buf_reserve(&a->bytes, HEAD_ROOM))
        a->bytes.n = HEAD_ROOM;
    if (a->bytes.failed || !(to = buf_reserve(&a->bytes, n + 1))) {
        a->bytes.failed = true;
        return;
    }
    memcpy(to, part->bytes.p + HEAD_ROOM, n);
    a->bytes.n += n;
    a->count += part->count;
}

/* ---- closing ---- */

static size_t put_int(char *p, int64_t v)
{
    uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
    char digits[20];
    size_t n = 0, sign = v < 0;

    do
        digits[n++] = (char)('0' + u % 10);
    while (u /= 10);
    if (sign)
        *p++ = '-';
    for (size_t i = n; i > 0; i--)
        *p++ = digits[i - 1];
    return n + sign;
}

static size_t put_crlf(char *p)
{
    p[0] = '\r';
    p[1] = '\n';
    return 2;
}

static size_t put_text(char *p, const char *text, size_t n)
{
    size_t at = 0;

    p[at++] = '$';
    at += put_int(p + at, (int64_t)n);
    at += put_crlf(p + at);
    for (size_t i = 0; i < n; i++)
        p[at++] = text[i];
    return at + put_crlf(p + at);
}

struct packet *redis_args_close(struct redis_args *a, const char *sha1, size_t nkeys)
{
    char head[HEAD_ROOM], keys[24];
    size_t n = 0, start;
    struct packet *packet;

    assert(a->count || sha1);
    if (!a->count && buf_reserve(&a->bytes, HEAD_ROOM))
        a->bytes.n = HEAD_ROOM;
    if (a->bytes.failed) {
        redis_args_done(a);
        return NULL;
    }
    head[n++] = '*';
    n += put_int(head + n, (int64_t)(a->count + (sha1 ? 3 : 0)));
    n += put_crlf(head + n);
    if (sha1) {
        n += put_text(head + n, "EVALSHA", 7);
        n += put_text(head + n, sha1, 40);
        n += put_text(head + n, keys, put_int(keys, (int64_t)nkeys));
    }
    assert(n <= HEAD_ROOM);
    start = HEAD_ROOM - n;
    memcpy(a->bytes.p + start, head, n);
    packet = xcalloc(1, sizeof(*packet));
    packet->users = 1;
    packet->n = a->bytes.n - start;
    packet->memory = TAKE(a->bytes.p);
    packet->p = packet->memory + start;
    redis_args_done(a);
    return packet;
}

struct packet *packet_use(struct packet *p)
{
    p->users++;
    return p;
}

void packet_drop(struct packet **pp)
{
    struct packet *p = TAKE(*pp);

    if (!p || --p->users)
        return;
    free(p->memory);
    free(p);
}
