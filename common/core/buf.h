/* buf.h - growing bytes with a cap that is not optional.
 *
 *     struct buf b = BUF(64 * 1024);
 *     buf_add(&b, p, n);  buf_printf(&b, "%d", 7);
 *     if (buf_failed(&b)) ...           one check at the end is enough
 *     buf_done(&b);
 *
 * A failed append (over the cap) keeps what was there, sets `failed` and
 * refuses all that follows, so that callers check once.  Running out of memory
 * aborts (xalloc).  b.p is NUL-terminated once anything was added; b.p is NULL
 * before (adding nothing makes it "").  Bytes may contain NULs; b.n is the length.
 */
#ifndef FLOTILLA_BUF_H
#define FLOTILLA_BUF_H

#include "common/core/base.h"

struct buf {
    char *p;
    size_t n, cap, max_bytes;
    bool failed;
};

#define BUF(max) ((struct buf){.max_bytes = (max)})
/* Over an array of the caller's: text that fits, NUL-terminated; never to be done or taken. */
#define BUF_ON(array) \
    ((struct buf){.p = (array), .cap = sizeof(array), .max_bytes = sizeof(array) - 1})

void buf_init(struct buf *b, size_t max_bytes);
void buf_done(struct buf *b);  /* frees; b is empty and usable again with the same cap */
void buf_clear(struct buf *b); /* length 0, failed false, memory kept */
bool buf_add(struct buf *b, const void *p, size_t n);
bool buf_puts(struct buf *b, const char *s);
bool buf_add_span(struct buf *b, struct span s);
bool buf_int(struct buf *b, int64_t v); /* decimal */
bool buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* Make room for n more bytes and return where they go; NULL over the cap.  Follow with
 * b->n += used; the NUL comes with the next append (there is room for it). */
char *buf_reserve(struct buf *b, size_t n);
/* There are n bytes more, and the NUL, without growing: cap never goes past max_bytes + 1. */
static inline bool buf_has_room(const struct buf *b, size_t n)
{
    return b->cap - b->n > n && !b->failed;
}
static inline bool buf_putc(struct buf *b, char c)
{
    if (!buf_has_room(b, 1) && !buf_reserve(b, 1))
        return false;
    b->p[b->n++] = c;
    b->p[b->n] = 0;
    return true;
}
static inline bool buf_failed(const struct buf *b) { return b->failed; }
static inline struct span buf_span(const struct buf *b) { return (struct span){b->p, b->n}; }
/* The bytes as a NUL-terminated malloc'd string that the caller owns; b is empty afterwards. */
char *buf_take(struct buf *b);

#endif
