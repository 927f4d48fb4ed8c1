/* calls.h - what a program sends, as a small value: made into bytes by the
 * program's own functions.
 *
 * A call is compared and kept as bytes, so every field that a kind does not use
 * is 0.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_CALLS_H
#define FLOTILLA_TESTS_EXPLORE_CALLS_H

#include "common/config/config.h"
#include "common/queue/record.h"
#include "tests/explore/store.h"

enum outcome {
#define X(NAME, letter, text, paid) OUT_##NAME,
#include "tests/explore/outcomes.def"
    OUT_COUNT
};

enum call_kind {
    CALL_NONE,
    CALL_BEAT,     /* who, n: its counter, what: 1 registers */
    CALL_CLAIM,    /* who, n: ids at most, what: 1 ahead of its slots */
    CALL_START,    /* who, jobs: bits, n: number of the start, what: 1 a guess */
    CALL_OUTCOME,  /* who, jobs: one, what: OUT_..., n: number of the cost event
                     (0: none), held */
    CALL_LOOK,     /* who: read its active set */
    CALL_READ,     /* jobs: read a record */
    CALL_RETIME,   /* jobs, what: queue: now */
    CALL_PROMOTE,  /* n: token of the lease */
    CALL_TAKE,     /* n */
    CALL_SUBMIT,   /* n, what: entries to drop, docs */
    CALL_LEASE,    /* n */
    CALL_CANCEL,   /* jobs, held: flag an active job */
    CALL_END,      /* jobs, held, what: OUT_CANCELLED by an operator; n: the token of
                     the scheduler that expires */
    CALL_REPLAY,   /* jobs, held */
    CALL_HOLD,     /* who, jobs: one, n: number of the hold, held: set money aside */
    CALL_SETTLE,   /* the same; what: of enum settled */
    CALL_ROOM,     /* who; what: 1 jobs: one enters, n: taken when it was refused, in units of 20;
                     0 the first one is called back */
    CALL_GIVEBACK, /* who, jobs: bits, n: queue, what: 1 to the front: claimed ahead; 0 to the back:
                     written by a newer program */
    CALL_RAW,      /* raw: of a recovery, as it was noted */
    CALL_KINDS
};

enum settled {
    SETTLED_UNMADE, /* no call was made */
    SETTLED_CALLED,
    SETTLED_MAY_COME = 2 /* added: a request to make it may still run */
};

struct call {
    uint8_t kind, who, jobs, what, n;
    uint8_t docs[DOCS]; /* of an outcome: the first is the number of its hold; 0: none */
    uint32_t held;      /* in `records`: as the sender knows the job */
    uint32_t raw;       /* in `commands` */
};

void calls_open(void);
void calls_close(void);
const struct config *calls_config(void);
/* A call by number, so that a state holds numbers. */
uint32_t call_id(const struct call *c);
const struct call *call_of(uint32_t id);
/* "<job>:<token>.<n>", as worker/budget/holds.c names it. */
void hold_name_of(char name[96], const struct call *c, int n);
/* What goes to Redis: in `commands`. */
uint32_t call_bytes(uint32_t id);
/* One line for a path. */
void call_print(const struct call *c, struct buf *b);
/* A record that a worker holds from the answer of its start, as run_new() makes
 * it; 0: damaged. */
uint32_t held_by(struct span record, int who, int n);
const char *outcome_text(enum outcome o);
bool outcome_is_paid(enum outcome o);
bool outcome_is_finish(enum outcome o);

#endif
