/* rate.h - at which rate to call: decisions from refusals, pure functions of time.
 *
 *      r │      first refusal            learned: just under what is expected
 *        │      /|                          ___....----'''|   _..
 *        │     / |        .-' sweep    |\.-'              |\-'
 *        │    /  |     .-'             | '                | '
 *        │   /   |  .-'      refused   |'                 |'
 *        │__/    |.'                   |
 *        └────────────────────────────────────────────────────────▶ t
 *         OPEN: doubles              KNOWN
 *
 * A provider tells nothing but yes or no, so each refusal must teach.  What passed before it gives
 * the limit that was met (rate_met).  After a cut the limit is thought to be
 *     expected(tau) = beta * met + gain * tau
 * beta: what the provider leaves of its limit when it cuts; gain: by how much it grows per second.
 * Both are learned from where the next refusal comes (a Kalman filter of two numbers).  The rate
 * begins at half of what was met, or at what is expected when that is less, goes on a little under
 * the expected line, and drifts upward through it: slowly when the last predictions were good, fast
 * when they were not.  It only moves on while it is used and no 503 came.
 *
 * The state is kept by all processes together in the bucket's control text, one for each lane. */
#ifndef FLOTILLA_RATE_H
#define FLOTILLA_RATE_H

#include "common/core/base.h"
#include "common/core/buf.h"

enum rate_phase { RATE_NONE, RATE_OPEN, RATE_KNOWN };

struct rate {
    enum rate_phase phase; /* NONE: no limit was seen (tokens), the rate is 0 */
    double rate;           /* per second */
    double met;            /* the limit that the last refusal showed */
    double beta, gain;
    double var_beta, covar, var_gain; /* how unsure they are */
    double spread;                    /* of the last predictions, relative */
    double tau;                       /* s of use since the rate came back after the cut */
    int64_t cut_us;                   /* the last cut */
    int64_t step_us;                  /* up to where tau and rate were moved */
    int strikes;                      /* cuts without a success between */
    double least;                     /* never below */
    double told;                      /* a limit from headers; 0 none */
    int64_t told_us;                  /* when */
};

void rate_init(struct rate *r, double start, double least, int64_t now_us);
/* A lane without limit, until there is one. */
void rate_none(struct rate *r, double least);
/* What is thought of the limit now; OPEN: the rate. */
double rate_expected(const struct rate *r);
/* Move on to now_us.  used: there were at least as many calls as allowed; held: a 503 came.
 * True when the rate is another now, and worth telling. */
bool rate_step(struct rate *r, int64_t now_us, bool used, bool held);
/* A call was refused.  met: rate_met's answer; until_us: nothing is to be sent before; well: calls
 * that went well since ever: while these are few a refusal may have any reason, so that the lane
 * stays OPEN. */
void rate_cut(struct rate *r, int64_t now_us, double met, int64_t until_us, double well);
/* Something was answered well. */
void rate_well(struct rate *r);
/* A header told the limit per second.  True when that is news. */
bool rate_tell(struct rate *r, double limit, int64_t now_us);

void rate_write(const struct rate *r, struct buf *b);
NODISCARD bool rate_read(struct span *text, struct rate *ret); /* text moves behind it */

/* ---- what passed ---- */

enum { RATE_SAMPLES = 192, RATE_SAMPLE_US = 250000 };
struct rate_history {
    struct {
        int64_t at_us;
        double passed;
    } ring[RATE_SAMPLES];
    size_t count, next;
};
/* So much had passed, in sum, at that time. */
void rate_note(struct rate_history *h, int64_t at_us, double passed);
/* What passed per second from about that time to the last note; a lot when there is none so old. */
double rate_passed_since(const struct rate_history *h, int64_t at_us);
/* The limit that a refusal at now_us met, when `passed` had passed.  It is the least one of a
 * provider that lets a burst of a second pass: the most, over all times since the last cut, of
 * (passed since) / (seconds since + 1), with the limit growing meanwhile as expected. */
double rate_met(const struct rate_history *h, const struct rate *r, int64_t now_us, double passed);

#endif
