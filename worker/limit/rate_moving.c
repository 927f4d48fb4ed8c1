/* rate_moving.c - the way to a limit that falls with each refusal and grows back.
 *
 *      r │        learned: just under what is expected
 *        │\                ___....----'''|   _..
 *        │ \        .-' sweep    |\.-'              |\-'
 *        │  |     .-'            | '                | '
 *        │  |  .-'     refused   |'                 |'
 *        │  |.'                  |
 *        └────────────────────────────────▶ t
 *
 * After a cut the limit is thought to be
 *     expected(tau) = beta * met + gain * tau
 * beta: what the provider leaves of its limit when it cuts; gain: by how much it grows per second.
 * Both are learned from where the next refusal comes (a Kalman filter of two numbers).  The rate
 * begins at half of what was met, or at what is expected when that is less, goes on a little under
 * the expected line, and drifts upward through it: slowly when it is sure, fast when it is not.
 *
 * The constants were chosen with the dynamic rule of tests/unit/test_limit_fleet.c. */
#include "worker/limit/rate_private.h"

#define HALF_S 0.5 /* how long the rate stays halved */
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
#define SB      0.34 /* standard deviations at first: of beta, of gain per second and limit */
#define SG      0.05
#define NOISE   0.0425 /* of what is measured, relative */
#define QB      0.031  /* of what changes from cut to cut: along the line, and of the gain */
#define QG      0.042
#define ETA     0.05 /* part of the gain that is taken for beta at each cut: rather flat than steep */
#define MOVED   0.5 /* part of the prediction: less was met, so the limit itself has moved ... */
#define MOVED_S 2.0 /* ... when that comes so late */

/* The square root, without the mathematics library. */
static double root(double v)
{
    double x = v > 1 ? v : 1;

    for (int i = 0; i < 40; i++)
        x = (x + v / x) / 2;
    return x;
}

void moving_begin(struct rate_line *l, double met)
{
    l->met = met;
    if (l->var_beta > 0) /* what it learned before it was thought to stay */
        return;
    l->beta = 0.5;
    l->gain = 0;
    l->var_beta = SB * SB;
    l->covar = 0;
    l->var_gain = SG * SG * met * met;
}

double moving_expected(const struct rate_line *l) { return l->beta * l->met + l->gain * l->tau; }

/* ---- the way ---- */

/* How unsure the expectation is. */
static double unsure(const struct rate_line *l)
{
    double x = l->met, y = l->tau;
    double v = x * x * l->var_beta + 2 * x * y * l->covar + y * y * l->var_gain;

    return v > 0 ? root(v) : 0;
}

double moving_target(const struct rate_line *l)
{
    double base = moving_expected(l), t = l->tau - l->swept;
    double drift = rate_lesser(DRIFT, MARGIN * base / DRIFT_CALLS);
    double u = unsure(l), doubt = rate_greater(u / base - FARU, 0);
    double slow = rate_between(base / 10 + 2 * doubt, 0.1, 1) * t;
    double far = doubt * (slow / FART) * (slow / FART);
    double v = base * (1 - MARGIN + drift * t * (1 + t / CURVE)) +
               u * (Z0 + rate_lesser(slow * ZS, ZM) + far);

    return l->tau < HALF_S ? rate_lesser(v, l->met / 2) : v;
}

static double target_if(struct rate_line *l, double swept)
{
    l->swept = swept;
    return moving_target(l);
}

void moving_sweep_from(struct rate_line *l, double goal)
{
    double lo = l->swept, hi = l->tau;
    bool too_low = target_if(l, hi) < goal;

    for (int i = 0; i < 20 && too_low; i++) {
        double mid = (lo + hi) / 2;

        if (target_if(l, mid) < goal)
            hi = mid;
        else
            lo = mid;
    }
    l->swept = hi;
}

/* ---- learning ---- */

/* Time passed since the last cut: what is known gets old. */
static void age(struct rate_line *l, double met)
{
    double x = l->met, y = l->tau, q = QG * rate_greater(l->gain, 0.005 * met);

    l->var_beta += QB * QB;
    l->var_gain += q * q + QB * QB * x * x / (y + 1) / (y + 1);
    l->covar -= QB * QB * x / (y + 1);
}

/* Less sure than it seemed. */
static void doubt(struct rate_line *l, double factor)
{
    l->var_beta *= factor;
    l->covar *= factor;
    l->var_gain *= factor;
}

static void learn(struct rate_line *l, double met)
{
    double x = l->met, y = l->tau, noise = NOISE * met, error = met - moving_expected(l);
    double pb, pg, s;

    age(l, met);
    s = unsure(l) * unsure(l) + noise * noise;
    if (error * error > 2 * s)
        doubt(l, rate_lesser(error * error / s / 2, 10));
    pb = l->var_beta * x + l->covar * y;
    pg = l->covar * x + l->var_gain * y;
    s = x * pb + y * pg + noise * noise;
    l->beta = rate_between(l->beta + pb / s * error, 0.1, 1.3);
    l->gain = rate_between(l->gain + pg / s * error, 0, met);
    l->beta = rate_lesser(l->beta + ETA * l->gain * y / x, 1.3);
    l->gain *= 1 - ETA;
    l->var_beta -= pb * pb / s;
    l->var_gain -= pg * pg / s;
    l->covar -= pb * pg / s;
}

void moving_refused(struct rate_line *l, double met)
{
    bool moved = met < (1 - MOVED) * moving_expected(l) && l->tau > MOVED_S;

    if (!moved) /* or else it says nothing of how the limit answers to refusals */
        learn(l, met);
    l->met = met;
}
