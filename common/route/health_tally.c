/* health_tally.c - counting what happened to calls; see health_state.h.
 *
 * Latencies go into bins that grow by the square root of two: a percentile is
 * at most a fifth off, 42 numbers are enough, and two histograms add up.
 *
 * As text a tally is words of name=number, 0s left out, which lua/health.lua
 * adds name by name without knowing them (but for s, b and g):
 *
 *   c calls  f<kind> failures of that kind
 *   h<bin> latencies  s streak, b when it began  g when the last good call began
 *
 * A new number of a tally is a field of it and a row in `names`. */
#include <stddef.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/route/health_parts.h"

static const struct {
    enum err_kind kind;
    enum health_reason reason;
} kinds[HEALTH_KINDS] = {
#define ROW_IF_FINE(kind)
#define ROW_IF_ERRORS(kind)                                     {ERR_##kind, HEALTH_ERRORS},
#define ROW_IF_TIMEOUTS(kind)                                   {ERR_##kind, HEALTH_TIMEOUTS},
#define ROW_IF_OVERLOADED(kind)                                 {ERR_##kind, HEALTH_OVERLOADED},
#define X(kind, code, class, http, billed, onward, route, text) ROW_IF_##route(kind)
#include "common/core/err_kinds.def"
};

enum health_kind health_kind_of(enum err_kind kind)
{
    for (int k = 0; k < HEALTH_KINDS; k++)
        if (kinds[k].kind == kind)
            return (enum health_kind)k;
    return HEALTH_KIND_NONE;
}

/* ---- bins ---- */

static int bin_of(int64_t ms)
{
    int log2 = 0, bin;

    if (ms < 1)
        return 0;
    if (ms >> (HEALTH_BINS / 2))
        return HEALTH_BINS - 1;
    while (ms >> (log2 + 1))
        log2++;
    bin = 2 * log2 + (ms * ms >= (int64_t)1 << (2 * log2 + 1));
    return bin < HEALTH_BINS ? bin : HEALTH_BINS - 1;
}

/* Where a bin begins: 2^(bin/2) ms. */
static double edge(int bin)
{
    double whole = (double)((int64_t)1 << (bin / 2));

    return bin % 2 ? whole * 1.41421356 : whole;
}

int64_t health_tally_percentile(const struct health_tally *t, int percent)
{
    double total = 0, want, before = 0;

    for (int i = 0; i < HEALTH_BINS; i++)
        total += (double)t->bins[i];
    want = total * percent / 100;
    for (int i = 0; i < HEALTH_BINS && total > 0; i++) {
        double n = (double)t->bins[i];

        if (n > 0 && before + n >= want)
            return (int64_t)(edge(i) + (edge(i + 1) - edge(i)) * (want - before) / n + 0.5);
        before += n;
    }
    return 0;
}

/* ---- counting ---- */

void health_tally_latency(struct health_tally *t, int64_t latency_ms)
{
    t->bins[bin_of(latency_ms)]++;
}

/* One that began before the row of failures says nothing against it. */
void health_tally_good(struct health_tally *t, int64_t began_ms)
{
    t->calls++;
    if (began_ms >= t->streak_ms)
        t->streak = t->streak_ms = 0;
    if (began_ms > t->good_ms)
        t->good_ms = began_ms;
}

void health_tally_failed(struct health_tally *t, enum health_kind kind, int64_t now_ms)
{
    if (kind < 0 || kind >= HEALTH_KINDS)
        return;
    t->calls++;
    t->failed[kind]++;
    if (!t->streak)
        t->streak_ms = now_ms;
    t->streak += health_kind_weight(kind);
}

/* Two processes' failures are one row when neither has had a good answer since it began. */
static void add_streak(struct health_tally *t, const struct health_tally *part)
{
    if (part->good_ms > t->good_ms)
        t->good_ms = part->good_ms;
    if (t->streak && t->good_ms > t->streak_ms)
        t->streak = t->streak_ms = 0;
    if (!part->streak || part->streak_ms < t->good_ms)
        return;
    if (!t->streak || part->streak_ms < t->streak_ms)
        t->streak_ms = part->streak_ms;
    t->streak += part->streak;
}

void health_tally_add(struct health_tally *t, const struct health_tally *part)
{
    t->calls += part->calls;
    add_streak(t, part);
    for (int i = 0; i < HEALTH_KINDS; i++)
        t->failed[i] += part->failed[i];
    for (int i = 0; i < HEALTH_BINS; i++)
        t->bins[i] += part->bins[i];
}

void health_tally_shift(struct health_tally *t, int64_t by_ms)
{
    if (t->streak_ms)
        t->streak_ms += by_ms;
    if (t->good_ms)
        t->good_ms += by_ms;
}

int64_t health_tally_latencies(const struct health_tally *t)
{
    int64_t n = 0;

    for (int i = 0; i < HEALTH_BINS; i++)
        n += t->bins[i];
    return n;
}

bool health_tally_is_empty(const struct health_tally *t)
{
    return !t->calls && !health_tally_latencies(t);
}

int64_t health_tally_failures(const struct health_tally *t)
{
    int64_t n = 0;

    for (int i = 0; i < HEALTH_KINDS; i++)
        n += t->failed[i];
    return n;
}

int64_t health_tally_weight(const struct health_tally *t)
{
    int64_t n = 0;

    for (int i = 0; i < HEALTH_KINDS; i++)
        n += t->failed[i] * health_kind_weight((enum health_kind)i);
    return n;
}

enum health_kind health_tally_mostly(const struct health_tally *t)
{
    int most = 0;

    for (int i = 1; i < HEALTH_KINDS; i++)
        if (t->failed[i] > t->failed[most])
            most = i;
    return t->failed[most] ? (enum health_kind)most : HEALTH_KIND_NONE;
}

int health_kind_weight(enum health_kind kind)
{
    return health_kind_reason(kind) == HEALTH_OVERLOADED ? HEALTH_WHOLE / 2 : HEALTH_WHOLE;
}

enum health_reason health_kind_reason(enum health_kind kind)
{
    return kind >= 0 && kind < HEALTH_KINDS ? kinds[kind].reason : HEALTH_ERRORS;
}

enum err_kind health_kind_err(enum health_kind kind)
{
    return kind >= 0 && kind < HEALTH_KINDS ? kinds[kind].kind : ERR_NONE;
}

/* ---- as text ---- */

static const struct {
    char name;
    size_t offset, count; /* count > 1: a number follows the name */
} names[] = {
    {'c', offsetof(struct health_tally, calls), 1},
    {'s', offsetof(struct health_tally, streak), 1},
    {'b', offsetof(struct health_tally, streak_ms), 1},
    {'g', offsetof(struct health_tally, good_ms), 1},
    {'f', offsetof(struct health_tally, failed), HEALTH_KINDS},
    {'h', offsetof(struct health_tally, bins), HEALTH_BINS},
};

static void add_word(struct buf *b, char name, int number, int64_t v)
{
    if (!v)
        return;
    if (b->n && b->p[b->n - 1] != '|')
        buf_putc(b, ' ');
    if (number >= 0)
        buf_printf(b, "%c%d=%lld", name, number, (long long)v);
    else
        buf_printf(b, "%c=%lld", name, (long long)v);
}

void health_tally_write(const struct health_tally *t, struct buf *b)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const int64_t *v = (const int64_t *)(const void *)((const char *)t + names[i].offset);

        for (size_t k = 0; k < names[i].count; k++)
            add_word(b, names[i].name, names[i].count > 1 ? (int)k : -1, v[k]);
    }
}

/* "h20=5": names of a newer program are passed over. */
static bool read_word(struct span w, struct health_tally *t)
{
    const char *eq = w.n ? memchr(w.p, '=', w.n) : NULL;
    int64_t v, number = 0;

    if (!eq || eq == w.p || !parse_int64(eq + 1, (size_t)(w.p + w.n - eq - 1), 0, INT64_MAX, &v))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        int64_t *to = (int64_t *)(void *)((char *)t + names[i].offset);

        if (*w.p != names[i].name)
            continue;
        if (eq > w.p + 1 && !parse_int64(w.p + 1, (size_t)(eq - w.p - 1), 0, 1000, &number))
            return false;
        if ((size_t)number < names[i].count)
            to[number] = v;
    }
    return true;
}

bool health_tally_read(struct span text, struct health_tally *ret)
{
    *ret = (struct health_tally){0};
    for (size_t at = 0; at < text.n;) {
        const char *end = memchr(text.p + at, ' ', text.n - at);
        size_t n = end ? (size_t)(end - text.p) - at : text.n - at;

        if (n && !read_word((struct span){text.p + at, n}, ret))
            return false;
        at += n + 1;
    }
    return true;
}
