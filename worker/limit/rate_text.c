/* rate_text.c - the state of a lane as words, for the bucket's control text; see rate.h.
 *
 * The first word is the version of all that follows.  A text of another version
 * is none: its reader starts at the lane's rate, as OPEN.  What is only
 * known while it is KNOWN, or while refusals show no limit, is left out
 * otherwise.  A new field is a row here and another VERSION. */
#include "common/core/parse.h"
#include "worker/limit/rate.h"

#define VERSION 4 /* the first text had none: it began with the phase, 0 to 2 */

enum { WORDS_MAX = 48 };

/* The fields, in order; `whole` ones go through their own doubles. */
struct words {
    double whole[9];
    double *at[WORDS_MAX];
    size_t count;
};

static void add(struct words *w, double *field) { w->at[w->count++] = field; }

static void add_line(struct words *w, struct rate_line *l)
{
    double *const fields[] = {&l->met,      &l->tau,     &l->unsure,   &l->brief,
                              &l->wait,     &l->refuted, &l->beta,     &l->gain,
                              &l->var_beta, &l->covar,   &l->var_gain, &l->swept};

    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        add(w, fields[i]);
}

/* phase and was are the first two of the whole ones, so that a reader knows what follows. */
static void begin(struct words *w, struct rate *r)
{
    double *const fields[] = {&r->rate,   &r->least, &r->told,
                              &r->before, &r->climb, &r->mark_passed};

    w->count = 0;
    for (size_t i = 0; i < ARRAY_LEN(w->whole); i++)
        add(w, &w->whole[i]);
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        add(w, fields[i]);
}

static void add_lines(struct words *w, struct rate *r)
{
    if (w->whole[0] == RATE_KNOWN)
        add_line(w, &r->line);
    if (w->whole[1] == RATE_KNOWN && w->whole[2] > 0)
        add_line(w, &r->back);
}

void rate_write(const struct rate *r, struct buf *b)
{
    struct rate copy = *r;
    struct words w = {.whole = {(double)r->phase, (double)r->was, (double)r->strikes,
                                (double)r->cut_us, (double)r->step_us, (double)r->told_us,
                                (double)r->struck_us, (double)r->mark_us, (double)r->end_us}};

    begin(&w, &copy);
    add_lines(&w, &copy);
    buf_printf(b, "%d", VERSION);
    for (size_t i = 0; i < w.count; i++)
        buf_printf(b, i < ARRAY_LEN(w.whole) ? " %.0f" : " %.9g", *w.at[i]);
}

static bool numbers(struct span *text, const struct words *w, size_t from)
{
    for (size_t i = from; i < w->count; i++)
        if (!parse_next_double(text, w->at[i]))
            return false;
    return true;
}

/* It is an exponent (rate_steady.c). */
static bool is_line(const struct rate_line *l) { return l->refuted >= 0 && l->refuted <= 10; }

static bool is_phase(double v) { return v == RATE_NONE || v == RATE_OPEN || v == RATE_KNOWN; }

bool rate_read(struct span *text, struct rate *ret)
{
    struct rate r = {0};
    struct words w = {0};
    double version;
    size_t n;

    if (!text->p || !parse_next_double(text, &version) || version != VERSION)
        return false;
    begin(&w, &r);
    if (!numbers(text, &w, 0) || !is_phase(w.whole[0]) || !is_phase(w.whole[1]))
        return false;
    n = w.count;
    add_lines(&w, &r);
    if (!numbers(text, &w, n) || !is_line(&r.line) || !is_line(&r.back))
        return false;
    r.phase = (enum rate_phase)(int)w.whole[0];
    r.was = (enum rate_phase)(int)w.whole[1];
    r.strikes = w.whole[2] < 0 ? 0 : w.whole[2] > 1000 ? 1000 : (int)w.whole[2];
    r.cut_us = (int64_t)w.whole[3];
    r.step_us = (int64_t)w.whole[4];
    r.told_us = (int64_t)w.whole[5];
    r.struck_us = (int64_t)w.whole[6];
    r.mark_us = (int64_t)w.whole[7];
    r.end_us = (int64_t)w.whole[8];
    *ret = r;
    return true;
}
