/* random.c - numbers nobody can line up with ours.
 *
 * Two sources: the kernel for secrets, and xoshiro256++ (Blackman and Vigna,
 * public domain) for jitter, sampling and the tails of ids.  The generator's
 * state lies in a page that the kernel wipes in a child after fork; an empty
 * state means "not seeded yet", so a forked child never repeats its parent
 * even when nobody called random_reseed.  One thread per process uses it.
 *
 * An id is a UUIDv7:
 *
 *     | 48 bits: Unix ms | 7 | 12 bits: counter | 10 | 62 random bits |
 *
 * The counter begins at a random number below 2048 in each new millisecond and
 * counts up within it, so that ids of one process ascend; when it runs out, or
 * the clock steps back, the time of the last id is carried on.
 */
#include "common/core/random.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "common/core/clock.h"
#include "common/core/log.h"

__extension__ typedef unsigned __int128 uint128;

struct state {
    uint64_t s[4];
};

static struct state fallback_state; /* without the page, children must call random_reseed */
static struct state *state;

static struct state *map_state(void)
{
    void *page =
        mmap(NULL, sizeof *state, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (page == MAP_FAILED)
        return &fallback_state;
    if (madvise(page, sizeof *state, MADV_WIPEONFORK) != 0) {
        munmap(page, sizeof *state);
        return &fallback_state;
    }
    return page;
}

void random_bytes(void *p, size_t n)
{
    char *at = p;

    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            log_event(LOG_ERROR, "process.no_random", "errno=%d", errno);
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}

void random_reseed(void)
{
    if (!state)
        state = map_state();
    do
        random_bytes(state->s, sizeof state->s);
    while (state->s[0] == 0); /* zero means unseeded */
}

static uint64_t rotate(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

/* s[0] may become 0 in a running generator; then it is seeded anew, which harms nobody. */
uint64_t random_u64(void)
{
    uint64_t *s, result, t;

    if (!state || state->s[0] == 0)
        random_reseed();
    s = state->s;
    result = rotate(s[0] + s[3], 23) + s[0];
    t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

/* Lemire's multiply and reject: the high half is uniform once the low half is past 2^64 mod bound.
 */
int64_t random_below(int64_t bound)
{
    uint64_t range = (uint64_t)bound;
    uint128 product;

    if (bound <= 0)
        return 0;
    do
        product = (uint128)random_u64() * range;
    while ((uint64_t)product < -range % range);
    return (int64_t)(product >> 64);
}

static const char hex_digits[] = "0123456789abcdef";

static char *put_hex(char *to, const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        *to++ = hex_digits[p[i] >> 4];
        *to++ = hex_digits[p[i] & 15];
    }
    return to;
}

char *random_hex(char *text, size_t n_bytes)
{
    unsigned char bytes[32];
    char *to = text;

    while (n_bytes > 0) {
        size_t n = n_bytes < sizeof bytes ? n_bytes : sizeof bytes;

        random_bytes(bytes, n);
        to = put_hex(to, bytes, n);
        n_bytes -= n;
    }
    *to = 0;
    return text;
}

/* ---- ids ---- */

static void put_big_endian(unsigned char *to, uint64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--, v >>= 8)
        to[i] = (unsigned char)v;
}

/* The first 60 bits that matter: milliseconds and counter, greater than all before. */
static uint64_t next_stamp(void)
{
    static uint64_t last;
    uint64_t stamp = ((uint64_t)clock_wall_ms() << 12) | (random_u64() & 0x7ff);

    if (stamp >> 12 <= last >> 12)
        stamp = last + 1;
    last = stamp;
    return stamp;
}

char *random_uuid7(char text[37])
{
    static const int parts[] = {4, 2, 2, 2, 6};
    unsigned char id[16];
    uint64_t stamp = next_stamp();
    const unsigned char *from = id;
    char *to = text;

    put_big_endian(id, stamp >> 12, 6);
    put_big_endian(id + 6, 0x7000 | (stamp & 0xfff), 2);
    put_big_endian(id + 8, (random_u64() >> 2) | (UINT64_C(1) << 63), 8);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (i > 0)
            *to++ = '-';
        to = put_hex(to, from, (size_t)parts[i]);
        from += parts[i];
    }
    *to = 0;
    return text;
}
