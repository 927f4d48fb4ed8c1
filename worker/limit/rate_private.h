/* rate_private.h - what the files of the rate share; for others rate.h. */
#ifndef FLOTILLA_RATE_PRIVATE_H
#define FLOTILLA_RATE_PRIVATE_H

#include "worker/limit/rate.h"

#define RATE_MOST      1e7
#define RATE_SAME_US   INT64_C(1000000) /* a refusal so soon after a cut is of the same excess */
#define RATE_STEP_S    0.25             /* KNOWN: between two changes of the rate */
#define RATE_LEAST_CUT 0.28             /* the part of the rate that a refusal may show at least */

static inline double rate_lesser(double a, double b) { return a < b ? a : b; }

static inline double rate_greater(double a, double b) { return a > b ? a : b; }

static inline double rate_between(double v, double lo, double hi)
{
    return rate_greater(lo, rate_lesser(v, hi));
}

/* v within what the rate may be. */
double rate_bounded(const struct rate *r, double v, int64_t now_us);
/* Where a KNOWN rate should be now. */
double rate_target(const struct rate *r);

/* ---- a limit that stays (rate_steady.c) ---- */

/* The first refusal of a lane. */
void steady_begin(struct rate_line *l, const struct rate_met *met);
double steady_target(const struct rate_line *l);
/* The sweep goes on from where it is at so much, but not farther on than it was. */
void steady_sweep_from(struct rate_line *l, double goal);
/* It was refused.  False: the limit does not stay; l is what it was. */
bool steady_refused(struct rate_line *l, const struct rate_met *met);
/* A limit that moves was refused: perhaps it stays now.  True when that is tried from now on. */
bool steady_again(struct rate_line *l, const struct rate_met *met);

/* ---- a limit that moves (rate_moving.c) ---- */

void moving_begin(struct rate_line *l, double met);
double moving_expected(const struct rate_line *l);
double moving_target(const struct rate_line *l);
void moving_refused(struct rate_line *l, double met);
/* The drift begins again, but not below `least`. */
void moving_sweep_from(struct rate_line *l, double goal);

/* ---- refusals that show no limit (rate_blocked.c) ---- */

/* The first one since a success: what is thought now may be taken back. */
void blocked_note(struct rate *r, const struct rate_refusal *f);
/* It shows none, and that was seen to. */
bool blocked_by(struct rate *r, const struct rate_refusal *f);

#endif
