/* rate.c - what changes a rate: time, refusals, headers; see rate.h.
 *
 * Time moves it along the way of its phase (rate_step).  A refusal is first asked
 * whether it shows a limit (rate_blocked.c), then learned from: by a limit that
 * stays (rate_steady.c), or by one that moves (rate_moving.c). */
#include "worker/limit/rate_private.h"

#define OPEN_STEP_US INT64_C(400000)                /* OPEN, or climbing: time to double */
#define STEP_US      ((int64_t)(RATE_STEP_S * 1e6)) /* KNOWN */
#define TOLD_US      INT64_C(10000000)
#define FEW          20  /* calls: with fewer a refusal proves little */
#define OPEN_LEAST   10  /* times the least rate, after such a refusal */
#define WRONG        3.0 /* times what is expected, or was met, passes: that is wrong ... */
#define WRONG_S      2.0 /* ... and it grows as quickly as this */

void rate_init(struct rate *r, double start, double lowest, int64_t now_us)
{
    *r = (struct rate){.phase = RATE_OPEN, .rate = start, .least = lowest, .step_us = now_us};
}

void rate_none(struct rate *r, double lowest)
{
    *r = (struct rate){.phase = RATE_NONE, .least = lowest};
}

static bool is_steady(const struct rate *r) { return r->line.unsure > 0; }

double rate_expected(const struct rate *r)
{
    if (r->phase != RATE_KNOWN)
        return r->rate;
    return is_steady(r) ? r->line.met : moving_expected(&r->line);
}

double rate_target(const struct rate *r)
{
    return is_steady(r) ? steady_target(&r->line) : moving_target(&r->line);
}

double rate_bounded(const struct rate *r, double v, int64_t now_us)
{
    if (r->told > 0 && now_us - r->told_us < TOLD_US)
        v = rate_lesser(v, r->told);
    return rate_between(v, r->least, RATE_MOST);
}

/* ---- time ---- */

/* One doubling on the way back; at its end the drift begins again. */
static void climb(struct rate *r, int64_t now_us)
{
    double v = r->phase == RATE_KNOWN ? rate_lesser(r->climb, rate_target(r)) : r->climb;

    r->rate = rate_bounded(r, rate_lesser(r->rate * 2, v), now_us);
    if (r->rate >= v * 0.999 || r->rate * 2 > RATE_MOST)
        r->climb = 0;
}

static void follow(struct rate *r, int64_t from_us, int64_t now_us)
{
    double dt = (double)(now_us - from_us) / 1e6, v;

    r->line.tau += dt;
    v = rate_target(r);
    if (r->rate > WRONG * rate_greater(rate_expected(r), r->line.met))
        v = rate_greater(v, r->rate * (1 + rate_lesser(dt, 1) / WRONG_S));
    r->rate = rate_bounded(r, v, now_us);
}

bool rate_step(struct rate *r, int64_t now_us, int64_t idle_us, bool used, bool held)
{
    bool doubles = r->phase == RATE_OPEN || rate_is_climbing(r);
    int64_t step_us = doubles ? OPEN_STEP_US : STEP_US, before_us = r->step_us;
    double before = r->rate;

    if (r->phase == RATE_NONE || now_us - r->step_us < step_us)
        return false;
    r->step_us = now_us;
    if (!used || held || rate_is_blocked(r)) {
        if (before_us == 0) { /* from now on it is known how long it was not used */
            r->step_us = now_us - step_us;
            return true;
        }
        return false;
    }
    if (rate_is_climbing(r))
        climb(r, now_us);
    else if (r->phase == RATE_OPEN)
        r->rate = rate_bounded(r, r->rate * 2, now_us);
    else
        follow(r, before_us > idle_us ? before_us : idle_us, now_us);
    return r->rate > before * 1.002 || r->rate < before;
}

bool rate_tell(struct rate *r, double limit, int64_t now_us)
{
    bool news = now_us - r->told_us > TOLD_US / 3 || limit < r->told * 0.99 ||
                limit > r->told * 1.01 || r->phase == RATE_NONE;

    if (!news)
        return false;
    if (r->phase == RATE_NONE)
        rate_init(r, limit, r->least, now_us);
    r->told = limit;
    r->told_us = now_us;
    r->rate = rate_bounded(r, r->rate, now_us);
    return true;
}

/* ---- refusals ---- */

/* The limit was cut for the same excess; or the lane is new, and its first refusals come late. */
static bool is_same_excess(const struct rate *r, const struct rate_refusal *f)
{
    return (r->phase == RATE_KNOWN || (r->phase == RATE_OPEN && f->well >= FEW)) &&
           f->now_us < r->cut_us + RATE_SAME_US && f->until_us > f->now_us;
}

/* What was met, but not less than a refusal may show. */
static struct rate_met believable(const struct rate *r, const struct rate_met *met)
{
    double bound = r->phase == RATE_KNOWN ? RATE_LEAST_CUT * r->rate : 0;
    double low = rate_greater(met->low, rate_greater(bound, r->least));

    return (struct rate_met){.low = low, .high = rate_greater(met->high, low)};
}

static void learn(struct rate *r, const struct rate_met *seen)
{
    struct rate_met met = believable(r, seen);
    struct rate_line *l = &r->line;

    if (r->phase != RATE_KNOWN) {
        steady_begin(l, &met);
    } else if (is_steady(r)) {
        if (!steady_refused(l, &met))
            moving_begin(l, met.low);
    } else {
        moving_refused(l, met.low);
        (void)steady_again(l, &met);
    }
    r->phase = RATE_KNOWN;
    l->tau = l->swept = 0;
}

void rate_cut(struct rate *r, const struct rate_refusal *f)
{
    bool shows_none;

    if (r->strikes++ == 0)
        blocked_note(r, f);
    shows_none = blocked_by(r, f);
    r->step_us = max64(f->until_us, f->now_us);
    if (shows_none) {
        r->cut_us = f->now_us;
        return;
    }
    if (is_same_excess(r, f))
        return;
    r->cut_us = f->now_us;
    if (r->phase != RATE_KNOWN && f->well < FEW) {
        r->phase = RATE_OPEN;
        r->rate = rate_greater(f->met.low / 2, OPEN_LEAST * r->least);
        return;
    }
    learn(r, &f->met);
    r->rate = rate_bounded(r, rate_target(r), f->now_us);
}
