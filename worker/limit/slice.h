/* slice.h - what one process holds of one bucket: tickets, and the state as it last heard it.
 *
 *     calls ──take──▶ stock of tickets ◀──hear── Redis (limit.lua)
 *       │ due?  wait                      ──ask──▶
 *       └── sent, well, refused ... ──────────┘ reports
 *
 * Redis is not asked per call: a few times a second the process says what it used and what it will
 * need (slice_ask), and reads the state (slice_hear), from which it computes itself when each
 * ticket is due.  A refusal stops the bucket here at once, until the fleet's answer to it was
 * heard; the first process whose cut arrives cuts for all, and refusals of calls that were sent
 * before that change nothing more.
 *
 * Plain functions of time (now_us: monotonic); the limiter does the talking. */
#ifndef FLOTILLA_SLICE_H
#define FLOTILLA_SLICE_H

#include "common/limit/bucket.h"
#include "worker/limit/rate.h"

enum { SLICE_RANGES = 4 };

struct slice_range {
    double next, end; /* numbers next+1 .. end are ours */
};
struct slice {
    struct bucket b;                /* moved on by slice_look */
    struct rate rate[BUCKET_LANES]; /* as in b.control */
    struct rate_history history[BUCKET_LANES];
    int64_t offset_us; /* Redis's clock minus ours */
    int64_t heard_us;  /* 0: never */
    struct slice_range stock[BUCKET_LANES][BUCKET_CLASSES][SLICE_RANGES];
    /* not reported yet */
    double sent[BUCKET_LANES], refused, back[BUCKET_LANES][BUCKET_CLASSES];
    bool cut;         /* next_rate is a cut, not reported yet or not answered: nothing is due */
    bool well;        /* something was answered well since the last ask */
    double answered;  /* calls that were sent at this epoch's rate and answered */
    int64_t pause_us; /* of that cut, how long */
    int64_t held_us;  /* no growth before (503) */
    int64_t used_us[BUCKET_LANES]; /* Redis's time when a lane was last used, and not held */
    int64_t idle_us[BUCKET_LANES]; /* and when that was not so for a while */
    int64_t quiet_us;              /* nothing is due before: a header said that nothing remains */
    double told[BUCKET_LANES];     /* limits that headers stated since the last ask; 0: none */
    double share;                  /* of the fleet's calls that are this process's */
    struct rate next_rate[BUCKET_LANES];
    /* expected use */
    double per_s[BUCKET_LANES][BUCKET_CLASSES], taken[BUCKET_LANES][BUCKET_CLASSES];
    int64_t asked_us;
};

/* What is to be said to the script. */
struct slice_ask {
    double sent[BUCKET_LANES], refused;
    double wants[BUCKET_LANES][BUCKET_CLASSES], back[BUCKET_LANES][BUCKET_CLASSES];
    char change; /* '-', 'g' when the epoch is still `expects`, 'c' when the cuts are */
    int64_t expects, pause_us;
    /* the new ones, or as last heard: a bucket that Redis has lost is made of these */
    double rate[BUCKET_LANES];
    char control[BUCKET_CONTROL];
    const struct bucket *seen; /* the slice's own, until its next call; NULL: it was never heard */
};

void slice_init(struct slice *l);
/* Take one ticket, and `tokens` of the other lane; false when there are none in stock. */
bool slice_take(struct slice *l, enum bucket_class class, double tokens, struct bucket_ticket *ret);
/* Give it back unused. */
void slice_return(struct slice *l, const struct bucket_ticket *t, double tokens);
/* us until it is due; 0 now; INT64_MAX/2: never (take another); < 0: it has lapsed (likewise). */
int64_t slice_wait_us(struct slice *l, const struct bucket_ticket *t, int64_t now_us);

void slice_sent(struct slice *l, double tokens);
/* An answer, good or not, to a call that was sent when l->b.epoch was this. */
void slice_answered(struct slice *l, int64_t epoch);
/* A good one.  cuts: l->b.cuts when it was sent. */
struct slice_tokens {
    double estimated, used;
};
void slice_well(struct slice *l, enum bucket_class class, int64_t cuts,
                const struct slice_tokens *t);
/* 429.  cuts: likewise.  True: the script should be asked at once. */
bool slice_refused(struct slice *l, enum bucket_lane_id lane, int64_t cuts, int64_t wait_us,
                   int64_t now_us);
/* Headers: a limit per second (<= 0: none), and how long nothing is to be sent. */
void slice_told(struct slice *l, enum bucket_lane_id lane, double limit, int64_t quiet_us,
                int64_t now_us);
void slice_overloaded(struct slice *l, int64_t now_us); /* 503 */

/* Fill *ret and forget what was reported.  needs: tickets that are waited for now, and tokens (what
 * is in stock counts).
 * start: rate of a bucket that nobody has seen. */
void slice_ask(struct slice *l, double needs[BUCKET_LANES][BUCKET_CLASSES], double start,
               int64_t now_us, struct slice_ask *ret);
/* The answer to it: the bucket's text. */
NODISCARD bool slice_hear(struct slice *l, const struct slice_ask *ask, struct span text,
                          int64_t now_us);
/* It was lost: what it reported is to be said again, its tickets lapse; a cut holds here
 * until the next answer. */
void slice_lost(struct slice *l, const struct slice_ask *ask, int64_t now_us);
/* Its rate has changed, or is about to: who knows nothing of it would begin at another. */
bool slice_has_learned(const struct slice *l);
/* There is something to report: calls, answers, tickets. */
bool slice_has_news(const struct slice *l);

#endif
