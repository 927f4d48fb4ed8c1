/* canonical_sink.c - see canonical_sink.h.
 *
 * Numbers are told apart by value and never converted: the digits that count, and how far the last
 * of them stands from the ones.  So 0.1 and a number of a hundred digits are exact. */
#include "worker/cache/canonical_sink.h"

#include <string.h>

enum { EXPONENT_DIGITS = 9, INT_BYTES = 32 };

void sink_flush(struct sink *s)
{
    if (s->md)
        EVP_DigestUpdate(s->md, s->block, s->n);
    else
        buf_add(s->text, s->block, s->n);
    s->n = 0;
}

void sink_put(struct sink *s, const char *p, size_t n)
{
    while (n > 0) {
        size_t part = n < sizeof s->block - s->n ? n : sizeof s->block - s->n;

        memcpy(s->block + s->n, p, part);
        s->n += part;
        p += part;
        n -= part;
        if (s->n == sizeof s->block)
            sink_flush(s);
    }
}

void sink_char(struct sink *s, char c) { sink_put(s, &c, 1); }

/* ---- numbers ---- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

/* The exponent behind e or E; false when it has too many digits to count with. */
static bool read_exponent(const char *p, const char *end, int64_t *ret)
{
    bool negative = p < end && *p == '-';

    *ret = 0;
    if (p < end && (*p == '-' || *p == '+'))
        p++;
    while (p < end && *p == '0')
        p++;
    if (end - p > EXPONENT_DIGITS)
        return false;
    for (; p < end; p++)
        *ret = *ret * 10 + (*p - '0');
    if (negative)
        *ret = -*ret;
    return true;
}

static void put_int(struct sink *s, int64_t v)
{
    struct buf b = BUF(INT_BYTES);

    buf_int(&b, v);
    sink_put(s, b.p, b.n);
    buf_done(&b);
}

/* Significant digits times a power of ten; zero is 0. */
void sink_number(struct sink *s, struct span v)
{
    const char *p = v.p, *end = v.p + v.n, *stop, *first = NULL, *last = NULL, *point = NULL;
    int64_t exponent = 0;

    for (stop = p; stop < end && *stop != 'e' && *stop != 'E'; stop++) {
        if (*stop == '.')
            point = stop;
        if (is_digit(*stop) && *stop != '0') {
            first = first ? first : stop;
            last = stop;
        }
    }
    if (!first) {
        sink_char(s, '0');
        return;
    }
    if (stop < end && !read_exponent(stop + 1, end, &exponent)) {
        sink_char(s, '#'); /* beyond all numbers: as it is spelled */
        sink_put(s, v.p, v.n);
        return;
    }
    if (*p == '-')
        sink_char(s, '-');
    for (const char *q = first; q <= last; q++)
        if (*q != '.')
            sink_char(s, *q);
    /* how far the last digit stands from the ones */
    if (!point)
        exponent += stop - 1 - last;
    else
        exponent += last < point ? point - 1 - last : point - last;
    sink_char(s, 'e');
    put_int(s, exponent);
}
