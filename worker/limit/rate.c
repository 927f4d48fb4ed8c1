/* rate.c - see rate.h. */
#include "worker/limit/rate.h"

#include "common/core/parse.h"

#define OPEN_STEP_US INT64_C(400000)  /* OPEN: time to double */
#define STEP_US      INT64_C(250000)  /* KNOWN: between two changes */
#define SAME_US      INT64_C(1000000) /* a refusal so soon after a cut is of the same excess */
#define TOLD_US      INT64_C(10000000)
#define MOST         1e7
#define FEW          20   /* calls: with fewer a refusal proves little */
#define FEW_STRIKES  8    /* but so many without a success do */
#define OPEN_LEAST   10   /* times the least rate, after such a refusal */
#define HALF_S       0.5  /* halved for so long */
#define LEAST_LEFT   0.28 /* of the rate, that a refusal may show at least */
#define BURST        0.7  /* s of the limit that a provider lets pass at once */
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
    return r->phase == RATE_KNOWN ? r->beta * r->met + r->gain * r->tau : r->rate;
}

/* ---- moving on ---- */

/* How unsure the expectation is. */
static double unsure(const struct rate *r)
{
    double x = r->met, y = r->tau;
    double v = x * x * r->var_beta + 2 * x * y * r->covar + y * y * r->var_gain;

    return v > 0 ? root(v) : 0;
}

static double target(const struct rate *r)
{
    double base = rate_expected(r), t = r->tau;
    double drift = least(DRIFT, MARGIN * base / DRIFT_CALLS);
    double u = unsure(r), doubt = most(u / base - FARU, 0);
    double slow = between(base / 10 + 2 * doubt, 0.1, 1) * t;
    double far = doubt * (slow / FART) * (slow / FART);
    double v =
        base * (1 - MARGIN + drift * t * (1 + t / CURVE)) + u * (Z0 + least(slow * ZS, ZM) + far);

    if (r->tau < HALF_S)
        v = least(v, r->met / 2);
    return v;
}

static double bounded(const struct rate *r, double v, int64_t now_us)
{
    if (r->told > 0 && now_us - r->told_us < TOLD_US)
        v = least(v, r->told);
    return between(v, r->least, MOST);
}

bool rate_step(struct rate *r, int64_t now_us, bool used, bool held)
{
    int64_t dt_us = now_us - r->step_us;
    double before = r->rate;

    if (r->phase == RATE_NONE || dt_us < (r->phase == RATE_OPEN ? OPEN_STEP_US : STEP_US))
        return false;
    r->step_us = now_us;
    if (!used || held)
        return false;
    if (r->phase == RATE_OPEN) {
        r->rate = bounded(r, r->rate * 2, now_us);
    } else {
        r->tau += (double)dt_us / 1e6;
        r->rate = bounded(r, target(r), now_us);
    }
    return r->rate > before * 1.002 || r->rate < before;
}

void rate_well(struct rate *r) { r->strikes = 0; }

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
    r->beta = 0.5;
    r->gain = 0;
    r->var_beta = SB * SB;
    r->covar = 0;
    r->var_gain = SG * SG * met * met;
    r->spread = 0.5;
}

static void learn(struct rate *r, double met)
{
    double x = r->met, y = r->tau, noise = NOISE * met;
    double predicted = rate_expected(r), error = met - predicted;
    double q = QG * most(r->gain, 0.005 * met), pb, pg, v, s;

    r->spread = 0.5 * r->spread + 0.5 * least(1, most(error, -error) / most(met, 1));
    if (error < -0.5 * predicted &&
        r->tau > 2) /* the limit has moved: that says nothing of how it moves */
        return;
    r->var_beta += QB * QB;
    r->var_gain += q * q + QB * QB * x * x / (y + 1) / (y + 1);
    r->covar -= QB * QB * x / (y + 1);
    pb = r->var_beta * x + r->covar * y;
    pg = r->covar * x + r->var_gain * y;
    v = x * pb + y * pg;
    s = v + noise * noise;
    if (error * error > 2 * s) { /* surprised: it was less sure than it seemed */
        double f = least(error * error / s / 2, 10);

        r->var_beta *= f;
        r->covar *= f;
        r->var_gain *= f;
        pb *= f;
        pg *= f;
        s = v * f + noise * noise;
    }
    r->beta = between(r->beta + pb / s * error, 0.1, 1.3);
    r->gain = between(r->gain + pg / s * error, 0, met);
    r->beta = least(r->beta + ETA * r->gain * y / x, 1.3);
    r->gain *= 1 - ETA;
    r->var_beta -= pb * pb / s;
    r->var_gain -= pg * pg / s;
    r->covar -= pb * pg / s;
}

void rate_cut(struct rate *r, int64_t now_us, double met, int64_t until_us, double well)
{
    r->strikes++;
    r->step_us = until_us > now_us ? until_us : now_us;
    if (r->phase == RATE_KNOWN && now_us < r->cut_us + SAME_US && until_us > now_us)
        return;
    if (r->phase != RATE_KNOWN && well < FEW && r->strikes <= FEW_STRIKES) {
        r->phase = RATE_OPEN;
        r->rate = most(met / 2, OPEN_LEAST * r->least);
        r->cut_us = now_us;
        return;
    }
    met = most(met, r->least);
    if (r->phase == RATE_KNOWN) {
        met = most(met, LEAST_LEFT * r->rate);
        learn(r, met);
    } else {
        first_time(r, met);
    }
    r->met = met;
    r->tau = 0;
    r->cut_us = now_us;
    r->rate = bounded(r, least(target(r), met / 2), now_us);
}

/* ---- text ---- */

void rate_write(const struct rate *r, struct buf *b)
{
    buf_printf(b, "%d %.9g %.9g %.9g %.9g %.9g %.9g %.9g %.9g %.9g %lld %lld %d %.9g %.9g %lld",
               r->phase, r->rate, r->met, r->beta, r->gain, r->var_beta, r->covar, r->var_gain,
               r->spread, r->tau, (long long)r->cut_us, (long long)r->step_us, r->strikes, r->least,
               r->told, (long long)r->told_us);
}

bool rate_read(struct span *text, struct rate *ret)
{
    struct rate r = {0};
    double phase, cut, step, strikes, told;
    double *const fields[] = {&phase,   &r.rate,     &r.met,    &r.beta, &r.gain, &r.var_beta,
                              &r.covar, &r.var_gain, &r.spread, &r.tau,  &cut,    &step,
                              &strikes, &r.least,    &r.told,   &told};

    if (!text->p)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        if (!parse_next_double(text, fields[i]))
            return false;
    if (phase < RATE_NONE || phase > RATE_KNOWN)
        return false;
    r.phase = (enum rate_phase)(int)phase;
    r.cut_us = (int64_t)cut;
    r.step_us = (int64_t)step;
    r.strikes = (int)between(strikes, 0, 1000);
    r.told_us = (int64_t)told;
    *ret = r;
    return true;
}

/* ---- what passed ---- */

void rate_note(struct rate_history *h, int64_t at_us, double passed)
{
    size_t last = (h->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

    if (h->count > 0 && at_us - h->ring[last].at_us < RATE_SAMPLE_US)
        return;
    h->ring[h->next].at_us = at_us;
    h->ring[h->next].passed = passed;
    h->next = (h->next + 1) % RATE_SAMPLES;
    if (h->count < RATE_SAMPLES)
        h->count++;
}

double rate_passed_since(const struct rate_history *h, int64_t at_us)
{
    size_t last = (h->next + RATE_SAMPLES - 1) % RATE_SAMPLES;

    for (size_t i = 1; i < h->count; i++) {
        size_t k = (last + RATE_SAMPLES - i) % RATE_SAMPLES;

        if (h->ring[k].at_us <= at_us || i + 1 == h->count)
            return (h->ring[last].passed - h->ring[k].passed) * 1e6 /
                   (double)(h->ring[last].at_us - h->ring[k].at_us);
    }
    return MOST;
}

double rate_met(const struct rate_history *h, const struct rate *r, int64_t now_us, double passed)
{
    double now = rate_expected(r), best = 0;

    for (size_t i = 0; i < h->count; i++) {
        double s = (double)(now_us - h->ring[i].at_us) / 1e6;
        double n = passed - h->ring[i].passed;
        double mean = r->phase == RATE_KNOWN ? most(now - r->gain * s / 2, now / 2) : now;

        if (h->ring[i].at_us < r->cut_us || s < 0)
            continue;
        best = most(best, n * now / (mean * s + now * BURST));
    }
    return best;
}
