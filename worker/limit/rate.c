/* rate.c - decisions; see rate.h.
 *
 * What may be called: rate_step moves on, rate_cut and rate_well change the
 * state.  A refusal is first asked whether it shows a limit (shows_none), then
 * learned from.  The constants of the way through the line and of the filter
 * were chosen with the dynamic rule of tests/unit/test_limit_fleet.c. */
#include "worker/limit/rate.h"

#define OPEN_STEP_US INT64_C(400000)  /* OPEN: time to double */
#define STEP_US      INT64_C(250000)  /* KNOWN: between two changes */
#define SAME_US      INT64_C(1000000) /* a refusal so soon after a cut is of the same excess */
#define TOLD_US      INT64_C(10000000)
#define MOST         1e7
#define FEW          20   /* calls: with fewer a refusal proves little */
#define OPEN_LEAST   10   /* times the least rate, after such a refusal */
#define WRONG        3.0  /* times what is expected, or was met, passes: that is wrong ... */
#define WRONG_S      2.0  /* ... and it grows as quickly as this */
#define HALF_S       0.5  /* halved for so long */
#define LEAST_LEFT   0.28 /* of the rate, that a refusal may show at least */
/* refusals that show no limit */
#define PROBE      40 /* times the least rate, while it is blocked */
#define QUIET_US   INT64_C(300000)
#define QUIET_PART 8 /* the part of the time since the first strike that a pause lasts */
#define QUIET_MAX  INT64_C(30000000)
#define CLIMB_US   INT64_C(400000) /* time to double */
#define CLIMB_FROM 16              /* the part of the rate of before, at which it begins */
#define BACK       0.85            /* up to so much of it */
#define IDLE       0.3 /* of the rate: when less was used, it was not what was refused */
#define IDLE_US    INT64_C(3000000)   /* so long after a cut */
#define IDLE_AGAIN INT64_C(600000000) /* once in so long */
#define SOON       10 /* times as long as it was blocked: being blocked again before is a limit */
/* the way through the expected line */
#define MARGIN      0.05   /* under it at first */
#define DRIFT       0.0017 /* per second, growing with time (CURVE) */
#define CURVE       20.0   /* s */
#define DRIFT_CALLS 357.0  /* calls to pass while it crosses the margin, at least */
#define Z0          0.5    /* standard deviations over it, at first, per second, at most */
#define ZS          0.15
#define ZM          3.92
#define FARU        0.064 /* and more when it is as unsure as that, from about so many s on */
#define FART        7.2
/* the filter */
#define SB    0.34 /* standard deviations at first: of beta, of gain per second and limit */
#define SG    0.05
#define NOISE 0.0425 /* of what is measured, relative */
#define QB    0.031  /* of what changes from cut to cut: along the line, and of the gain */
#define QG    0.042
#define ETA   0.01 /* part of the gain that is taken for beta at each cut: rather flat than steep */

static double least(double a, double b) { return a < b ? a : b; }
static double most(double a, double b) { return a > b ? a : b; }
static double between(double v, double lo, double hi) { return most(lo, least(v, hi)); }

/* The square root, without the mathematics library. */
static double root(double v)
{
    double x = v > 1 ? v : 1;

    for (int i = 0; i < 40; i++)
        x = (x + v / x) / 2;
    return x;
}

void rate_init(struct rate *r, double start, double lowest, int64_t now_us)
{
    *r = (struct rate){.phase = RATE_OPEN, .rate = start, .least = lowest, .step_us = now_us};
}

void rate_none(struct rate *r, double lowest)
{
    *r = (struct rate){.phase = RATE_NONE, .least = lowest};
}

double rate_expected(const struct rate *r)
{
    return r->phase == RATE_KNOWN ? r->line.beta * r->line.met + r->line.gain * r->line.tau
                                  : r->rate;
}

/* ---- moving on ---- */

/* How unsure the expectation is. */
static double unsure(const struct rate *r)
{
    double x = r->line.met, y = r->line.tau;
    double v = x * x * r->line.var_beta + 2 * x * y * r->line.covar + y * y * r->line.var_gain;

    return v > 0 ? root(v) : 0;
}

static double target(const struct rate *r)
{
    double base = rate_expected(r), t = r->line.tau - r->line.swept;
    double drift = least(DRIFT, MARGIN * base / DRIFT_CALLS);
    double u = unsure(r), doubt = most(u / base - FARU, 0);
    double slow = between(base / 10 + 2 * doubt, 0.1, 1) * t;
    double far = doubt * (slow / FART) * (slow / FART);
    double v =
        base * (1 - MARGIN + drift * t * (1 + t / CURVE)) + u * (Z0 + least(slow * ZS, ZM) + far);

    if (r->line.tau < HALF_S)
        v = least(v, r->line.met / 2);
    return v;
}

static double bounded(const struct rate *r, double v, int64_t now_us)
{
    if (r->told > 0 && now_us - r->told_us < TOLD_US)
        v = least(v, r->told);
    return between(v, r->least, MOST);
}

bool rate_is_blocked(const struct rate *r) { return r->climb > 0 && r->strikes > 0; }

bool rate_is_climbing(const struct rate *r) { return r->climb > 0 && r->strikes == 0; }

/* One doubling on the way back; at its end the drift begins anew. */
static void climb(struct rate *r, int64_t now_us)
{
    double v = r->phase == RATE_KNOWN ? least(r->climb, target(r)) : r->climb;

    r->rate = bounded(r, least(r->rate * 2, v), now_us);
    if (r->rate >= v * 0.999 || r->rate * 2 > MOST)
        r->climb = 0;
}

static void follow(struct rate *r, int64_t from_us, int64_t now_us)
{
    double dt = (double)(now_us - from_us) / 1e6, v;

    r->line.tau += dt;
    v = target(r);
    if (r->rate > WRONG * most(rate_expected(r), r->line.met))
        v = most(v, r->rate * (1 + least(dt, 1) / WRONG_S));
    r->rate = bounded(r, v, now_us);
}

bool rate_step(struct rate *r, int64_t now_us, int64_t idle_us, bool used, bool held)
{
    int64_t dt_us = now_us - r->step_us;
    int64_t step_us = r->phase == RATE_OPEN ? OPEN_STEP_US
                      : rate_is_climbing(r) ? CLIMB_US
                                            : STEP_US;
    int64_t before_us = r->step_us;
    double before = r->rate;

    if (r->phase == RATE_NONE || dt_us < step_us)
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
        r->rate = bounded(r, r->rate * 2, now_us);
    else
        follow(r, before_us > idle_us ? before_us : idle_us, now_us);
    return r->rate > before * 1.002 || r->rate < before;
}

static double target_if(struct rate *r, double swept)
{
    r->line.swept = swept;
    return target(r);
}

/* The drift begins anew, but not below so much. */
static void sweep_from(struct rate *r, double goal)
{
    double lo = r->line.swept, hi = r->line.tau;

    bool too_low = target_if(r, hi) < goal;

    for (int i = 0; i < 20 && too_low; i++) {
        double mid = (lo + hi) / 2;

        if (target_if(r, mid) < goal)
            hi = mid;
        else
            lo = mid;
    }
    r->line.swept = hi;
}

bool rate_well(struct rate *r, int64_t now_us)
{
    bool blocked = rate_is_blocked(r), news = r->strikes > 0;

    r->strikes = 0;
    if (!blocked)
        return news;
    r->end_us = now_us;
    r->step_us = now_us;
    r->phase = r->was;
    r->line = r->back;
    if (r->phase == RATE_KNOWN)
        sweep_from(r, r->climb);
    r->rate = bounded(r, least(most(r->climb / CLIMB_FROM, r->rate), r->climb), now_us);
    return true;
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
    r->rate = bounded(r, r->rate, now_us);
    return true;
}

/* ---- learning ---- */

static void first_time(struct rate *r, double met)
{
    r->phase = RATE_KNOWN;
    r->line.beta = 0.5;
    r->line.gain = 0;
    r->line.var_beta = SB * SB;
    r->line.covar = 0;
    r->line.var_gain = SG * SG * met * met;
    r->line.spread = 0.5;
}

static void learn(struct rate *r, double met)
{
    double x = r->line.met, y = r->line.tau, noise = NOISE * met;
    double predicted = rate_expected(r), error = met - predicted;
    double q = QG * most(r->line.gain, 0.005 * met), pb, pg, v, s;

    r->line.spread = 0.5 * r->line.spread + 0.5 * least(1, most(error, -error) / most(met, 1));
    if (error < -0.5 * predicted &&
        r->line.tau > 2) /* the limit has moved: that says nothing of how it moves */
        return;
    r->line.var_beta += QB * QB;
    r->line.var_gain += q * q + QB * QB * x * x / (y + 1) / (y + 1);
    r->line.covar -= QB * QB * x / (y + 1);
    pb = r->line.var_beta * x + r->line.covar * y;
    pg = r->line.covar * x + r->line.var_gain * y;
    v = x * pb + y * pg;
    s = v + noise * noise;
    if (error * error > 2 * s) { /* surprised: it was less sure than it seemed */
        double f = least(error * error / s / 2, 10);

        r->line.var_beta *= f;
        r->line.covar *= f;
        r->line.var_gain *= f;
        pb *= f;
        pg *= f;
        s = v * f + noise * noise;
    }
    r->line.beta = between(r->line.beta + pb / s * error, 0.1, 1.3);
    r->line.gain = between(r->line.gain + pg / s * error, 0, met);
    r->line.beta = least(r->line.beta + ETA * r->line.gain * y / x, 1.3);
    r->line.gain *= 1 - ETA;
    r->line.var_beta -= pb * pb / s;
    r->line.var_gain -= pg * pg / s;
    r->line.covar -= pb * pg / s;
}

/* ---- refusals ---- */

int64_t rate_pause_us(const struct rate *r, int64_t now_us, int64_t told_us)
{
    int64_t quiet = r->strikes > 0 ? (now_us - r->struck_us) / QUIET_PART : 0;

    quiet = quiet < QUIET_MAX ? quiet : QUIET_MAX;
    if (told_us <= 0)
        return quiet > QUIET_US ? quiet : QUIET_US;
    return told_us > quiet ? told_us : quiet;
}

static void note_before(struct rate *r, const struct rate_refusal *f)
{
    r->struck_us = f->now_us;
    r->before = r->rate;
    r->was = r->phase;
    r->back = r->line;
}

/* It was blocked not long ago. */
static bool soon(const struct rate *r, int64_t now_us)
{
    int64_t lasted = r->end_us - r->mark_us;

    return r->mark_us > 0 && now_us - r->end_us < SOON * (lasted > SAME_US ? lasted : SAME_US);
}

static void block(struct rate *r, const struct rate_refusal *f)
{
    r->climb = most(BACK * most(r->before, r->rate), r->least);
    r->rate = bounded(r, least(PROBE * r->least, most(r->climb, OPEN_LEAST * r->least)), f->now_us);
    if (r->mark_us < r->struck_us) {
        r->mark_us = r->struck_us;
        r->mark_passed = f->passed;
    }
}

/* It passed so much over a long time, and the burst that it let pass says nothing. */
static void meet(struct rate *r, const struct rate_refusal *f, double met)
{
    first_time(r, most(met, r->least));
    r->line.met = most(met, r->least);
    r->line.tau = r->line.swept = 0;
    r->rate = bounded(r, r->line.met / 2, f->now_us);
}

/* The lane's rate did not move for a while, as it was hardly used; so it is not what was refused.
 * Once: what is refused again and again has another reason, though it may be one of bursts. */
static bool idle(const struct rate *r, const struct rate_refusal *f)
{
    return r->phase != RATE_NONE && f->met < IDLE * r->rate && r->step_us > 0 &&
           f->now_us - r->step_us > IDLE_US && f->now_us - r->cut_us > IDLE_US &&
           (!r->mark_us || f->now_us - r->mark_us > IDLE_AGAIN);
}

/* The refusal shows no limit, and that was seen to. */
static bool shows_none(struct rate *r, const struct rate_refusal *f)
{
    bool late = r->strikes > 1 && f->now_us - r->struck_us >= SAME_US;

    if (!(r->strikes > 1 && r->climb > 0) && !late && !(r->strikes == 1 && idle(r, f)))
        return false;
    if (r->climb <= 0 && r->mark_us < r->struck_us && soon(r, r->struck_us)) {
        double s = (double)(f->now_us - r->mark_us) / 1e6;

        meet(r, f, (f->passed - r->mark_passed) / s);
    } else {
        block(r, f);
    }
    return true;
}

void rate_cut(struct rate *r, const struct rate_refusal *f)
{
    double met = most(f->met, r->least);
    int64_t until_us = f->until_us > f->now_us ? f->until_us : f->now_us;

    if (r->strikes++ == 0) {
        note_before(r, f);
        r->climb = 0; /* it was on its way */
    }
    if (shows_none(r, f)) {
        r->step_us = until_us;
        r->cut_us = f->now_us;
        return;
    }
    r->step_us = until_us;
    if (r->phase == RATE_KNOWN && f->now_us < r->cut_us + SAME_US && f->until_us > f->now_us)
        return;
    r->cut_us = f->now_us;
    if (r->phase != RATE_KNOWN && f->well < FEW) {
        r->phase = RATE_OPEN;
        r->rate = most(f->met / 2, OPEN_LEAST * r->least);
        return;
    }
    if (r->phase == RATE_KNOWN) {
        met = most(met, LEAST_LEFT * r->rate);
        learn(r, met);
    } else {
        first_time(r, met);
    }
    r->line.met = met;
    r->line.tau = r->line.swept = 0;
    r->rate = bounded(r, least(target(r), met / 2), f->now_us);
}
