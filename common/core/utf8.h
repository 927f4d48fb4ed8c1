/* utf8.h - the two questions that JSON and log lines ask of bytes.
 *
 * Inline, because they are asked for every byte of every document.
 */
#ifndef FLOTILLA_UTF8_H
#define FLOTILLA_UTF8_H

#include <endian.h>
#include <string.h>

#include "common/core/base.h"

/* What text gets in place of bytes that are not UTF-8: U+FFFD. */
#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* The bytes of the character at p (p < end): 1 to 4, or 0 when it is malformed,
 * overlong, a surrogate, past U+10FFFF or cut off by end. */
static inline size_t utf8_len(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    size_t n = u[0] < 0x80 ? 1 : u[0] < 0xc2 ? 0 : u[0] < 0xe0 ? 2 : u[0] < 0xf0 ? 3 : 4;

    if (n <= 1)
        return n;
    if (u[0] > 0xf4 || (size_t)(end - p) < n)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((u[i] & 0xc0) != 0x80)
            return 0;
    if ((u[0] == 0xe0 && u[1] < 0xa0) || (u[0] == 0xed && u[1] > 0x9f) ||
        (u[0] == 0xf0 && u[1] < 0x90) || (u[0] == 0xf4 && u[1] > 0x8f))
        return 0;
    return n;
}

/* True for the bytes that stand for themselves in a JSON string: printable ASCII but " and \. */
static inline bool utf8_is_plain(char c)
{
    unsigned char u = (unsigned char)c;

    return u >= 0x20 && u < 0x80 && u != '"' && u != '\\';
}

/* The first byte of p..end that is not plain, or end.  Eight bytes at a time:
 * each term sets the high bit of a byte that is non-ASCII, below 0x20, '"' or
 * '\\'; borrows only run upwards, so the lowest bit set is exact. */
static inline const char *utf8_skip_plain(const char *p, const char *end)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t highs = ones * 0x80;

    for (; end - p >= 8; p += 8) {
        uint64_t v, quote, slash, hit;

        memcpy(&v, p, 8);
        v = le64toh(v);
        quote = v ^ (ones * '"');
        slash = v ^ (ones * '\\');
        hit = (v | (v - ones * 0x20) | (quote - ones) | (slash - ones)) & highs;
        /* (x - k) also has its high bit set where x >= 0x80, which is a hit anyway */
        if (hit)
            return p + __builtin_ctzll(hit) / 8;
    }
    while (p < end && utf8_is_plain(*p))
        p++;
    return p;
}

#endif
