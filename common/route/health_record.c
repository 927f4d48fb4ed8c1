/* health_record.c - a route's record as text, see health_state.h; and its names.
 *
 * The head is words in the order of `fields`.  Missing ones count as 0, more
 * than are known are a newer program's: so a field is added by a row at the
 * end, and a field that goes leaves a GAP.  lua/health.lua reads the first
 * three (seq, breaker, begun_ms) and norm_calls. */
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/route/health_parts.h"

static const char *const breakers[] = {"closed", "open", "half_open"};
static const char *const reasons[] = {"-", "errors", "timeouts", "overloaded", "slow", "gone"};

const char *health_breaker_name(enum health_breaker b) { return breakers[b]; }
const char *health_reason_name(enum health_reason r) { return r == HEALTH_FINE ? "" : reasons[r]; }

enum form { NUMBER, BREAKER, REASON, OWNER, GAP };
#define FIELD(form, name)                         \
    {                                             \
        form, offsetof(struct health_state, name) \
    }
static const struct {
    enum form form;
    size_t offset;
} fields[] = {
    FIELD(NUMBER, seq),      FIELD(BREAKER, breaker),
    FIELD(NUMBER, begun_ms), FIELD(NUMBER, before_ms),
    FIELD(NUMBER, since_ms), FIELD(NUMBER, next_ms),
    FIELD(NUMBER, level),    FIELD(REASON, reason),
    FIELD(OWNER, owner),     {GAP, 0},
    FIELD(NUMBER, p50_ms),   {GAP, 0},
    FIELD(NUMBER, norm_ms),  FIELD(NUMBER, norm_calls),
    FIELD(NUMBER, openings), FIELD(NUMBER, openings_ms),
};

void health_head_write(const struct health_state *s, struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        const void *at = (const char *)s + fields[i].offset;

        if (i)
            buf_putc(b, ' ');
        switch (fields[i].form) {
        case NUMBER: buf_int(b, *(const int64_t *)at); break;
        case BREAKER: buf_puts(b, breakers[s->breaker]); break;
        case REASON: buf_puts(b, reasons[s->reason]); break;
        case OWNER: buf_puts(b, s->owner[0] ? s->owner : "-"); break;
        case GAP: buf_putc(b, '0'); break;
        }
    }
}

static bool read_name(const char *const *list, size_t count, struct span w, unsigned *ret)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(list[i]) == w.n && !memcmp(list[i], w.p, w.n)) {
            *ret = (unsigned)i;
            return true;
        }
    return false;
}

static bool read_field(size_t i, struct span w, struct health_state *s)
{
    void *at = (char *)s + fields[i].offset;
    unsigned n = 0;
    bool ok = false;

    switch (fields[i].form) {
    case NUMBER: return parse_int64(w.p, w.n, 0, INT64_MAX, at);
    case BREAKER:
        ok = read_name(breakers, ARRAY_LEN(breakers), w, &n);
        s->breaker = (enum health_breaker)n;
        break;
    case REASON:
        ok = read_name(reasons, ARRAY_LEN(reasons), w, &n);
        s->reason = (enum health_reason)n;
        break;
    case OWNER:
        ok = w.n < HEALTH_OWNER;
        if (ok && !(w.n == 1 && *w.p == '-'))
            snprintf(s->owner, sizeof s->owner, "%.*s", (int)w.n, w.p);
        break;
    case GAP: return true;
    }
    return ok;
}

static bool read_head(struct span head, struct health_state *s)
{
    size_t at = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields) && at < head.n; i++) {
        const char *end = memchr(head.p + at, ' ', head.n - at);
        size_t n = end ? (size_t)(end - head.p) - at : head.n - at;

        if (!read_field(i, (struct span){head.p + at, n}, s))
            return false;
        at += n + 1;
    }
    return head.n > 0;
}

bool health_read(struct span record, struct health_state *ret)
{
    const char *one = record.n ? memchr(record.p, '|', record.n) : NULL;
    const char *end = record.p + record.n;
    const char *two = one ? memchr(one + 1, '|', (size_t)(end - one - 1)) : NULL;

    *ret = (struct health_state){0};
    return two && read_head((struct span){record.p, (size_t)(one - record.p)}, ret) &&
           health_tally_read((struct span){one + 1, (size_t)(two - one - 1)}, &ret->now) &&
           health_tally_read((struct span){two + 1, (size_t)(end - two - 1)}, &ret->before);
}
