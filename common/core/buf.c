/* buf.c - growing bytes with a cap.
 *
 *     p             p+n                  p+cap
 *     |-- content --|0|---- free --------|          n < cap, n <= max_bytes
 *
 * One byte is always kept for the NUL behind the content.  Memory doubles, and
 * never goes past max_bytes + 1.  A buffer whose cap is already max_bytes + 1
 * never reallocates, which is how json_read_text works on a caller's array.
 */
#include "common/core/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

enum { FIRST_BYTES = 64 };

void buf_init(struct buf *b, size_t max_bytes) { *b = BUF(max_bytes); }

void buf_done(struct buf *b)
{
    free(b->p);
    *b = BUF(b->max_bytes);
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->p)
        b->p[0] = 0;
}

static void grow(struct buf *b, size_t need)
{
    size_t cap = b->cap ? b->cap : FIRST_BYTES;

    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    if (cap - 1 > b->max_bytes)
        cap = b->max_bytes + 1;
    b->p = xrealloc(b->p, cap);
    b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t n)
{
    assert(b->n <= b->max_bytes);
    if (b->failed)
        return NULL;
    if (n > b->max_bytes - b->n) {
        b->failed = true;
        return NULL;
    }
    if (b->cap - b->n <= n)
        grow(b, b->n + n + 1);
    return b->p + b->n;
}

bool buf_add(struct buf *b, const void *p, size_t n)
{
    char *to = buf_has_room(b, n) ? b->p + b->n : buf_reserve(b, n);

    if (!to)
        return false;
    if (n)
        memcpy(to, p, n);
    to[n] = 0;
    b->n += n;
    return true;
}

bool buf_puts(struct buf *b, const char *s) { return buf_add(b, s, strlen(s)); }

bool buf_add_span(struct buf *b, struct span s) { return buf_add(b, s.p, s.n); }

bool buf_int(struct buf *b, int64_t v)
{
    char text[20]; /* 19 digits and a sign */
    char *at = text + sizeof text;
    uint64_t rest = v < 0 ? -(uint64_t)v : (uint64_t)v;

    do
        *--at = (char)('0' + rest % 10);
    while (rest /= 10);
    if (v < 0)
        *--at = '-';
    return buf_add(b, at, (size_t)(text + sizeof text - at));
}

bool buf_printf(struct buf *b, const char *fmt, ...)
{
    size_t room = b->cap - b->n;
    va_list ap, again;
    char *to = NULL;
    int n;

    if (b->failed)
        return false;
    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(b->p ? b->p + b->n : NULL, room, fmt, ap);
    if (n < 0)
        b->failed = true;
    else
        to = buf_reserve(b, (size_t)n);
    if (to && (size_t)n >= room)
        vsnprintf(to, (size_t)n + 1, fmt, again);
    if (to)
        b->n += (size_t)n;
    else if (b->p)
        b->p[b->n] = 0; /* what was there stays as it was */
    va_end(again);
    va_end(ap);
    return to != NULL;
}

char *buf_take(struct buf *b)
{
    char *p = b->p ? b->p : xstrndup("", 0);

    p[b->n] = 0;
    *b = BUF(b->max_bytes);
    return p;
}
