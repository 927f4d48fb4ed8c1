/* health_state.h - the circuit breaker of a route (a model at a provider): its record and its judge.
 *
 *            a share of the last calls failed, or some in a row, or they are slow
 *   CLOSED ────────────────────────────────────────────────────────────────▶ OPEN ◀──┐
 *     ▲                                                                       │      │ bad: a
 *     │ good (for `slow`: only if quick)                    at next_ms, by    │      │ longer
 *     │                                                     who asks first     ▼      │ pause
 *     └──────────────────────────────────────────────────────────────── HALF_OPEN ───┘
 *                                                                one probe in the whole fleet
 *
 * Everything here is a pure function: time and chance are arguments.  The same record and the same
 * judge serve the fleet (the record in fl:{0}:health, with Redis's times) and each process for what
 * it saw itself (with times of its own monotonic clock).
 *
 * Calls are counted in two generations.  The younger one ends when it holds enough calls (at least
 * GENERATION_MS old), or after the window: busy routes are judged by their last second or two, rare
 * ones by their last calls within the window.
 *
 * As kept in Redis, one hash field per route, "<provider> <model>":
 *
 *   <seq> <head: numbers and words>|<this generation>|<the one before>
 *
 * lua/health.lua adds the counts of the processes to this generation, and takes a new head only from
 * a process that knew the present seq.  Everything else is decided here, by the process that comes
 * first.
 */
#ifndef FLOTILLA_HEALTH_STATE_H
#define FLOTILLA_HEALTH_STATE_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"

enum health_breaker { HEALTH_CLOSED, HEALTH_OPEN, HEALTH_HALF_OPEN };
enum health_reason {
    HEALTH_FINE,
    HEALTH_ERRORS,
    HEALTH_TIMEOUTS,
    HEALTH_OVERLOADED,
    HEALTH_SLOW, /* it works, and is used when there is no other route */
    HEALTH_GONE  /* the provider does not have the model: next_ms is far */
};
const char *health_breaker_name(enum health_breaker b); /* "closed", "open", "half_open" */
const char *health_reason_name(enum health_reason r);   /* "errors", ..., "" for FINE */

enum {
    HEALTH_WHOLE = 2, /* the weight of a failure; an overload weighs 1 */
    HEALTH_BINS = 42, /* latencies from 1 ms to 22 min, two bins per doubling */
    HEALTH_OWNER = 80,
    HEALTH_NAME = 256 /* "<provider> <model>" with its NUL; longer ones are not watched */
};
/* The failures that count: rows of err_kinds.def with a reason in the column `route`. */
enum health_kind {
#define HEALTH_KIND_IF_FINE(kind)
#define HEALTH_KIND_IF_ERRORS(kind)                             HEALTH_KIND_##kind,
#define HEALTH_KIND_IF_TIMEOUTS(kind)                           HEALTH_KIND_##kind,
#define HEALTH_KIND_IF_OVERLOADED(kind)                         HEALTH_KIND_##kind,
#define X(kind, code, class, http, billed, onward, route, text) HEALTH_KIND_IF_##route(kind)
#include "common/core/err_kinds.def"
    HEALTH_KINDS,
    HEALTH_KIND_NONE = -1
};
/* HEALTH_KIND_NONE: the failure says nothing about the route. */
enum health_kind health_kind_of(enum err_kind kind);

/* What happened in some time. */
struct health_tally {
    int64_t calls; /* answered well, or failed by a kind that counts */
    int64_t failed[HEALTH_KINDS];
    int64_t streak;            /* weight of the failures since the last good answer */
    int64_t streak_ms;         /* when that began */
    int64_t good_ms;           /* when the last call that was answered well began */
    int64_t bins[HEALTH_BINS]; /* latencies, those of calls that are late already included */
};

struct health_state {
    int64_t seq; /* 0: nothing is known */
    enum health_breaker breaker;
    enum health_reason reason;
    int64_t since_ms; /* of this breaker state */
    int64_t
        next_ms;   /* OPEN: a probe may be asked for; HALF_OPEN: another may, as this one is lost */
    int64_t level; /* how many pauses without success */
    char owner[HEALTH_OWNER];      /* HALF_OPEN: the worker whose call is the probe; "" none */
    int64_t p50_ms;                /* of the last generations; 0: unknown */
    int64_t norm_ms, norm_calls;   /* long-run p50, and how many calls are behind it */
    int64_t openings, openings_ms; /* openings since that time: to tell a flap from a shift */
    int64_t begun_ms, before_ms;   /* when the two generations began */
    struct health_tally now, before;
};

struct health_rules {
    int64_t window_ms, errors_percent, min_calls, failures; /* failures: in a row */
    int64_t settle_ms; /* minimum age of a row: other processes may have had a good answer */
    int64_t slow_factor, slow_min_ms; /* p50 over factor x norm, and over min_ms */
    int64_t probe_min_ms, probe_max_ms, gone_ms;
    int64_t expected_ms; /* what the configuration expects as p50; 0: nothing */
};

/* ---- tallies ---- */
/* A good answer.  Its latency is a call of its own, as a late call has been counted with one. */
void health_tally_good(struct health_tally *t, int64_t began_ms);
void health_tally_latency(struct health_tally *t, int64_t latency_ms);
void health_tally_failed(struct health_tally *t, enum health_kind kind, int64_t now_ms);
/* Move the times to another clock. */
void health_tally_shift(struct health_tally *t, int64_t by_ms);
void health_tally_add(struct health_tally *t, const struct health_tally *part);
bool health_tally_is_empty(const struct health_tally *t);
int64_t health_tally_failures(const struct health_tally *t);
/* The latency that `percent` of the good and late calls do not exceed, approximately; 0: none. */
int64_t health_tally_percentile(const struct health_tally *t, int percent);
void health_tally_write(const struct health_tally *t, struct buf *b);
NODISCARD bool health_tally_read(struct span text, struct health_tally *ret);

/* ---- records ---- */
/* The head alone, as a proposal carries it, begins with seq. */
void health_head_write(const struct health_state *s, struct buf *b);
/* "head|now|before"; false for what is no record (of a newer program, or damaged). */
NODISCARD bool health_read(struct span record, struct health_state *ret);

/* ---- judging ---- */
enum health_verdict {
    HEALTH_STAYS,
    HEALTH_TURNS,  /* the next generation begins: before = now, now is empty */
    HEALTH_SHIFTS, /* the breaker changed: both generations are empty */
};
/* p50_ms, or the median of this generation; 0: unknown. */
int64_t health_median(const struct health_state *s);
/* Latency above which an answer is slow; 0: unknown. */
int64_t health_slow_ms(const struct health_state *s, const struct health_rules *rules);
/* Has this generation lasted long enough? */
bool health_turn_is_due(const struct health_state *s, const struct health_rules *rules,
                        int64_t now_ms);
/* What follows from the tallies; s is changed accordingly, its seq one up.  below: random_below. */
enum health_verdict health_judge(struct health_state *s, const struct health_rules *rules,
                                 int64_t now_ms, int64_t (*below)(int64_t bound));
/* May a probe be requested? */
bool health_probe_is_due(const struct health_state *s, int64_t now_ms);
/* OPEN -> HALF_OPEN (or a lost probe's place is taken): owner's next call is the probe. */
void health_probe_begin(struct health_state *s, const char *owner, const struct health_rules *rules,
                        int64_t now_ms);
/* HALF_OPEN -> OPEN: no call took the probe; the next one that asks gets it. */
void health_probe_release(struct health_state *s, int64_t now_ms);
enum health_probe { HEALTH_PROBE_GOOD, HEALTH_PROBE_BAD, HEALTH_PROBE_UNCLEAR };
void health_probe_end(struct health_state *s, enum health_probe how,
                      const struct health_rules *rules, int64_t now_ms,
                      int64_t (*below)(int64_t bound));
/* The provider does not have the model; a probe succeeded or an operator resumed the route. */
void health_take_out(struct health_state *s, const struct health_rules *rules, int64_t now_ms);
void health_put_back(struct health_state *s, int64_t now_ms);

/* ---- for people ---- */
/* Why it opens, from the tallies that it is opened by (s is as before health_judge):
 * "7 of 10 calls failed in 5 s (server_error)". */
void health_say_why(const struct health_state *s, const struct health_rules *rules, int64_t now_ms,
                    struct buf *b);

#endif
