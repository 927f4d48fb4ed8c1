/* limit_headers.c - one pass over the header lines; see limit_headers.h.
 *
 * It runs for every answer, so a line that does not begin with x-r or x-t costs
 * three comparisons.  A new header is a row. */
#include "worker/limit/limit_headers.h"

#include <string.h>
#include <strings.h>

#include "common/core/parse.h"

#define AT(field) offsetof(struct limit_headers, field)
static const struct {
    const char *name;
    size_t at;
    bool dynamic;
} rows[] = {
    {"x-ratelimit-limit", AT(limit[BUCKET_CALLS]), false},
    {"x-ratelimit-limit-dynamic", AT(limit[BUCKET_CALLS]), true},
    {"x-ratelimit-remaining", AT(remaining[BUCKET_CALLS]), false},
    {"x-ratelimit-remaining-dynamic", AT(remaining[BUCKET_CALLS]), true},
    {"x-ratelimit-reset", AT(reset_s), false},
    {"x-tokenlimit-limit", AT(limit[BUCKET_TOKENS]), false},
    {"x-tokenlimit-limit-dynamic", AT(limit[BUCKET_TOKENS]), true},
    {"x-tokenlimit-remaining", AT(remaining[BUCKET_TOKENS]), false},
    {"x-tokenlimit-remaining-dynamic", AT(remaining[BUCKET_TOKENS]), true},
};
#undef AT

static struct span trimmed(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    while (p < end && (unsigned char)end[-1] <= ' ')
        end--;
    return (struct span){p, (size_t)(end - p)};
}

static bool read_line(const char *p, const char *end, struct limit_headers *h, bool *dynamic)
{
    const char *colon = memchr(p, ':', (size_t)(end - p));

    for (size_t i = 0; colon && i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].name);
        double *at = (double *)(void *)((char *)h + rows[i].at);
        struct span value;

        if ((size_t)(colon - p) != n || strncasecmp(p, rows[i].name, n) != 0)
            continue;
        value = trimmed(colon + 1, end);
        if (dynamic[rows[i].at / sizeof(double)] && !rows[i].dynamic)
            return false;
        if (!parse_double(value.p, value.n, 0, 1e12, at))
            return false;
        dynamic[rows[i].at / sizeof(double)] = rows[i].dynamic;
        return true;
    }
    return false;
}

bool limit_headers_read(struct span headers, struct limit_headers *ret)
{
    const char *p = headers.p, *end = p + headers.n;
    bool any = false, dynamic[sizeof *ret / sizeof(double)] = {false};

    *ret = (struct limit_headers){{-1, -1}, {-1, -1}, -1};
    while (p && p < end) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));
        const char *stop = eol ? eol : end;

        if (stop - p > 12 && (*p | 32) == 'x' && p[1] == '-' &&
            ((p[2] | 32) == 'r' || (p[2] | 32) == 't'))
            any |= read_line(p, stop, ret, dynamic);
        p = eol ? eol + 1 : end;
    }
    return any;
}
