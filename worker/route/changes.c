/* changes.c - see changes.h.
 *
 * Only changes for the worse are reported: a price rose, or a model is no longer
 * listed.  Each is reported once, as the catalogue is compared with the one
 * before. */
#include "worker/route/changes.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *what;
    size_t at;
} prices[] = {
    {"input", offsetof(struct model, in_nanousd)},
    {"output", offsetof(struct model, out_nanousd)},
    {"cached input", offsetof(struct model, cached_nanousd)},
    {"image", offsetof(struct model, image_nanousd)},
};

static int64_t price(const struct model *m, size_t i)
{
    int64_t v;

    memcpy(&v, (const char *)m + prices[i].at, sizeof v);
    return v;
}

/* In percent, rounded down; -1: it did not rise.  A first price is no rise: none was known. */
static int64_t rise_percent(int64_t was, int64_t is)
{
    if (was <= 0 || is <= was)
        return -1;
    return is - was > INT64_MAX / 100 ? (is - was) / was * 100 : (is - was) * 100 / was;
}

static bool rose(const struct model *was, const struct model *is, int64_t percent,
                 struct change *ret)
{
    int64_t most = -1;

    for (size_t i = 0; i < ARRAY_LEN(prices); i++) {
        int64_t a = price(was, i), b = price(is, i), by = rise_percent(a, b);

        if (by < percent || (by == percent && (b - a) * 100 == a * percent) || by <= most)
            continue;
        most = by;
        ret->kind = CHANGE_DEARER;
        ret->what = prices[i].what;
        ret->was_nanousd = a;
        ret->is_nanousd = b;
    }
    return most >= 0;
}

static bool change_of(const struct changes_in *in, const struct model *m, struct change *ret)
{
    size_t n = strlen(m->id);
    const struct model *before = in->before ? model_find(in->before, m->id, n) : NULL;
    const struct model *now = model_find(in->now, m->id, n);

    *ret = (struct change){.known = m};
    if (now)
        return rose(before ? before : m, now, in->percent, ret);
    ret->kind = CHANGE_UNLISTED;
    return in->before ? before != NULL : m->default_for != 0;
}

size_t changes_find(const struct changes_in *in, struct change *ret, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < in->known->count; i++) {
        const struct model *m = &in->known->rows[i];
        struct change c;

        if (!m->tasks || !m->allowed || strcmp(m->provider, in->provider) != 0 ||
            !change_of(in, m, &c))
            continue;
        if (n < max)
            ret[n] = c;
        n++;
    }
    return n;
}

const char *change_code(enum change_kind kind)
{
    return kind == CHANGE_DEARER ? "price_changed" : "model_unlisted";
}

static void usd(int64_t nanousd, char text[32])
{
    int n =
        snprintf(text, 32, "%" PRId64 ".%09" PRId64, nanousd / 1000000000, nanousd % 1000000000);

    while (n > 3 && text[n - 1] == '0' && text[n - 3] != '.')
        text[--n] = '\0';
}

void change_text(const struct change *c, char text[CHANGE_TEXT])
{
    const struct model *m = c->known;
    char was[32], is[32];

    if (c->kind == CHANGE_UNLISTED) {
        snprintf(text, CHANGE_TEXT,
                 "%.200s is no longer in the catalogue of %s and may be refused soon; choose "
                 "another one in `models` (replacement, default_for)",
                 m->id, m->provider);
        return;
    }
    usd(c->was_nanousd, was);
    usd(c->is_nanousd, is);
    snprintf(text, CHANGE_TEXT,
             "the price of %.200s at %s rose from $%s to $%s per %s (%s), by %" PRId64
             " %%; the new price is used unless the configuration sets one",
             m->id, m->provider, was, is,
             strcmp(c->what, "image") != 0 ? "million tokens" : "image unit", c->what,
             rise_percent(c->was_nanousd, c->is_nanousd));
}
