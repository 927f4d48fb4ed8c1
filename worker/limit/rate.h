/* rate.h - at which rate to call: decisions from refusals, pure functions of time.
 *
 *      r │    first refusal                                   OPEN     doubles
 *        │   /|     sweeps through what was met, ever flatter KNOWN    a limit that stays, or
 *        │  / |     .'|    .-'|   _.-|                                 one that moves
 *        │ /  |  .'   | .-'   |.-'   '                        BLOCKED  refusals that show no limit
 *        │/   |.'     |'      |
 *        └────────────────────────────────▶ t
 *
 * A provider answers only yes or no, so each refusal is evidence.  What passed before it shows
 * between which two numbers the limit is (rate_met).  Then there are two views of it:
 *
 *   it stays   where it is, as fixed windows and plain buckets do        rate_steady.c
 *   it moves:  it falls with each refusal, and grows back                rate_moving.c
 *
 * The first is tried first, as it is soon seen when it is wrong: refusals come again at once.  The
 * second is never seen to be wrong, as it is refused just where it expects to be; so the first is
 * tried again, after 16 refusals, 32, 64 ...
 *
 * The rate only moves on while it is used and no 503 came.  When three times as much passes as is
 * expected and was met, that is wrong, and the rate grows as quickly as it is.  Refusals that are
 * not about the rate are recognised by what comes between them: rate_blocked.c.
 *
 * The state is kept by all processes together in the bucket's control text, one for each lane. */
#ifndef FLOTILLA_RATE_H
#define FLOTILLA_RATE_H

#include "common/core/base.h"
#include "common/core/buf.h"

enum rate_phase { RATE_NONE, RATE_OPEN, RATE_KNOWN };

/* Between what the limit is that a refusal met: low when a provider lets a burst pass, high when it
 * lets none pass. */
struct rate_met {
    double low, high;
};
/* What is thought of the limit since the last cut. */
struct rate_line {
    double met; /* the limit that the last refusal showed */
    double tau; /* s of use since the rate came back after the cut */
    /* it stays */
    double unsure;  /* part of met; 0: it moves */
    double brief;   /* refusals in a row that came soon */
    double wait;    /* refusals until it is tried again whether it stays */
    double refuted; /* how often it was */
    /* it moves */
    double beta, gain;
    double var_beta, covar, var_gain; /* how unsure they are; 0: nothing was learned yet */
    double swept;                     /* tau at which the drift began */
};
struct rate {
    enum rate_phase phase; /* NONE: no limit was seen (tokens), the rate is 0 */
    double rate;           /* per second */
    struct rate_line line;
    int64_t cut_us;  /* the last cut */
    int64_t step_us; /* up to where tau and rate were moved */
    int strikes;     /* refusals without a success between */
    double least;    /* never below */
    double told;     /* a limit from headers; 0 none */
    int64_t told_us; /* when */
    /* of refusals that show no limit */
    int64_t struck_us;   /* the first of the strikes */
    double before;       /* while there are strikes, the rate of then ... */
    enum rate_phase was; /* ... and the rest */
    struct rate_line back;
    double climb;            /* BLOCKED, or on the way back to so much; 0 neither */
    int64_t mark_us, end_us; /* when it was blocked last, from the first refusal to the success */
    double mark_passed;      /* what had passed, in sum, at mark_us */
};

/* A refusal, for rate_cut. */
struct rate_refusal {
    int64_t now_us, until_us; /* nothing is to be sent before until_us */
    struct rate_met met;      /* rate_met's answer */
    double passed;            /* of this lane, since ever */
    double well;              /* calls that went well since ever: while these are few a refusal may
                                 have any reason, so that the lane stays OPEN */
};

void rate_init(struct rate *r, double start, double least, int64_t now_us);
/* A lane without limit, until there is one. */
void rate_none(struct rate *r, double least);
/* What is thought of the limit now; OPEN: the rate. */
double rate_expected(const struct rate *r);
/* It probes, or climbs back. */
bool rate_is_blocked(const struct rate *r);
bool rate_is_climbing(const struct rate *r);
/* Move on to now_us.  used: there were at least as many calls as allowed; held: a 503 came.
 * idle_us: when either was not so, last; the time before that counts for nothing.
 * True when the rate is another now, and worth telling. */
bool rate_step(struct rate *r, int64_t now_us, int64_t idle_us, bool used, bool held);
/* A call was refused. */
void rate_cut(struct rate *r, const struct rate_refusal *f);
/* How long nothing is to be sent after a refusal; told_us: what the server asks, <= 0 nothing. */
int64_t rate_pause_us(const struct rate *r, int64_t now_us, int64_t told_us);
/* A call that was sent after the last cut was answered well.  True when that is news. */
bool rate_well(struct rate *r, int64_t now_us);
/* A header stated the limit per second.  True when it is new. */
bool rate_tell(struct rate *r, double limit, int64_t now_us);

/* Words between blanks, the first is the version; text moves behind them. */
void rate_write(const struct rate *r, struct buf *b);
NODISCARD bool rate_read(struct span *text, struct rate *ret);

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
/* What limit a refusal at now_us met, when `passed` had passed: the most, over all times since the
 * last cut, of (passed since) / (seconds since + burst), with the limit growing meanwhile as
 * expected. */
struct rate_met rate_met(const struct rate_history *h, const struct rate *r, int64_t now_us,
                         double passed);

#endif
