/* http_reply.c - reading the raw header block of an answer.
 *
 * Plain functions on bytes that came from outside: nothing here is
 * NUL-terminated, trusted, or changed.
 *
 * A server says how long to wait in several ways, and some say more than one;
 * the longest is taken.  `waits` is the table: a new header is one more row.
 * Seconds from 10^9 on are read as a point in time (Unix seconds, or ms from
 * 10^12 on), because some gateways send that where others send a delay.
 */
#include "common/io/http_client.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "common/core/parse.h"

static struct span trimmed(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p))
        p++;
    while (p < end && isspace((unsigned char)end[-1]))
        end--;
    return (struct span){p, (size_t)(end - p)};
}

struct span http_header(const struct http_reply *reply, const char *name)
{
    const char *p = reply->headers.p, *end = p + reply->headers.n;
    size_t name_n = strlen(name);

    while (p && p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *stop = eol ? eol : end;

        if ((size_t)(stop - p) > name_n && p[name_n] == ':' && strncasecmp(p, name, name_n) == 0)
            return trimmed(p + name_n + 1, stop);
        p = eol ? eol + 1 : end;
    }
    return (struct span){NULL, 0};
}

/* ---- how long to wait ---- */

static const struct {
    const char *name;
    double unit_ms;
    bool may_be_date;
} waits[] = {
    {"retry-after-ms", 1, false},
    {"retry-after", 1000, true},
    {"x-ratelimit-reset", 1000, false},
};

/* The three forms of HTTP dates (RFC 9110, 5.6.7), newest first. */
static bool date_ms(struct span value, int64_t *ret)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
                                        "%a %b %d %H:%M:%S %Y"};
    char text[64];

    if (value.n >= sizeof text)
        return false;
    memcpy(text, value.p, value.n);
    text[value.n] = 0;
    for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, forms[i], &tm);

        if (rest && *rest == 0) {
            *ret = (int64_t)timegm(&tm) * 1000;
            return true;
        }
    }
    return false;
}

static double not_negative(double v) { return v > 0 ? v : 0; }

/* -1: the value says nothing. */
static double wait_ms(struct span value, size_t row, int64_t wall_now_ms)
{
    double unit_ms = waits[row].unit_ms, v;
    int64_t at_ms;

    if (parse_double(value.p, value.n, 0, 1e300, &v)) {
        if (v >= 1e12)
            return not_negative(v - (double)wall_now_ms);
        if (v >= 1e9 && unit_ms > 1)
            return not_negative(v * 1000 - (double)wall_now_ms);
        return v * unit_ms;
    }
    if (waits[row].may_be_date && date_ms(value, &at_ms))
        return not_negative((double)(at_ms - wall_now_ms));
    return -1;
}

int64_t http_retry_after_ms(const struct http_reply *reply, int64_t wall_now_ms, int64_t cap_ms)
{
    double longest = -1;
    int64_t whole;

    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        struct span value = http_header(reply, waits[i].name);
        double ms = value.p ? wait_ms(value, i, wall_now_ms) : -1;

        if (ms > longest)
            longest = ms;
    }
    if (longest >= (double)cap_ms)
        return cap_ms;
    whole = (int64_t)longest;
    return (double)whole < longest ? whole + 1 : whole; /* never shorter than asked */
}
