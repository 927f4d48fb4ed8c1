/* state.h - a state of the whole fleet: Redis, and what each program remembers.
 *
 *     state + move --> state       moves.def lists the moves, moves_*.c are
 * their rules
 *
 * The rules of a worker process are those of worker/claims/pull.c, starts.c, outbox.c,
 * life.c, strays.c and heartbeat.c, without what decides when: whatever may
 * be sent at all may be sent now.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_STATE_H
#define FLOTILLA_TESTS_EXPLORE_STATE_H

#include "tests/explore/calls.h"

enum { WORKERS = 2, RESCUES = 3, OFFICES = 2, STARTS = 3, BOXES = 4, PIPE = 7, LATE = 4 };
enum { PURSE = 4, HOLDS_MOST = 3 };

enum run_state { RUN_NONE, RUN_GOES, RUN_TOLD, RUN_ENDED };
enum hold_state { HOLD_NONE, HOLD_ASKED, HOLD_HELD };
enum { START_FOUND = 1, START_GUESS = 2, START_SENT = 4 };

struct worker {
    uint8_t up, who;
    uint8_t connected, registered, fenced, look, claiming, old_claim;
    uint8_t starts_made, beats;
    uint8_t run_state[JOBS], calls[JOBS], away[JOBS]; /* away: queue + 1 */
    uint8_t untold[JOBS];            /* the cost event that comes with its next outcome; 0:
                             none */
    uint8_t hold[JOBS], holds[JOBS]; /* of its present claim: the state of its hold; how many */
    uint8_t taken[JOBS]; /* of the budget, when it refused the job, in units of 20; 0: it did not */
    struct {
        uint8_t jobs, n, flags;
    } start[STARTS];
    uint8_t again[JOBS];       /* its request was sent again */
    uint8_t newer, newer_sent; /* bits of jobs that a newer program wrote: held, being given back */
    /* bits of jobs of each queue: claimed ahead of the slots, to be given back, being given back */
    uint8_t ahead[QUEUES], back[QUEUES], back_sent[QUEUES];
    uint8_t zero[2];
    uint8_t purse_sent[PURSE], box_sent[BOXES], pipe_ran[PIPE];
    uint32_t held[JOBS];
    uint32_t box[BOXES];   /* outcomes: calls, in order */
    uint32_t pipe[PIPE];   /* calls that were sent, in order */
    uint32_t reply[PIPE];  /* of those that ran */
    uint32_t purse[PURSE]; /* holds to make and to settle: calls, in order */
    uint32_t settled_last; /* the last one that was answered: sent again after a reconnect */
    uint32_t late[LATE];   /* calls of the last connection that Redis has still to run */
};

struct rescue {
    uint32_t at; /* 0: none */
};

struct office {
    uint8_t believes; /* that it holds the lease */
    uint8_t token;    /* of its connection */
    uint8_t renew;    /* the connection is new: the lease is asked for first */
    uint8_t hand[DOCS];
    uint8_t zero[2];
    uint32_t late; /* a submit that the last connection left */
};

/* Somebody who reads a record and then writes: an operator, or the scheduler
 * that expires. */
struct desk {
    uint32_t held;
    uint8_t job, expires; /* expires: the token of a scheduler; 0: an operator */
    uint8_t zero[2];
};

/* What may still happen so often; a row each in scopes.def. */
struct budget {
    uint8_t cuts, late, kills, stalls, leases, operators, times, outcomes;
};

struct state {
    uint32_t image, seen; /* seen: in `texts`, what was told so far, sorted */
    struct worker worker[WORKERS];
    struct rescue rescue[RESCUES];
    struct office office[OFFICES];
    struct desk desk;
    struct budget left;
    uint8_t owed;           /* bits of ids: killed, and not taken over */
    uint8_t pushed;         /* bits of jobs whose documents producers have pushed */
    uint8_t attempts[JOBS]; /* that were spent by outcomes, in this run */
    uint8_t again;          /* the desk may still write once more */
    uint8_t turn;           /* worker + 1 that has made a move INSIDE: it is its turn; 0:
                               anybody's */
    uint8_t money;          /* calls need holds */
    uint8_t zero;           /* it is compared as bytes: no gaps */
};

struct move {
    uint8_t kind, who, job, what;
};

enum move_kind {
#define X(NAME, function, reach, text) MOVE_##NAME,
#include "tests/explore/moves.def"
    MOVE_COUNT
};

/* A move that is tried: the state is changed in place. */
struct trial {
    struct state s;
    struct move m;
    const char *broken; /* the rule that it breaks; NULL: none */
    bool overflow;      /* more than a state holds: it is not followed */
    struct buf *print;  /* NULL: nobody reads it */
};

#define X(NAME, function, reach, text) bool move_##function(struct trial *t);
#include "tests/explore/moves.def"

/* Redis runs a call: the image changes, and all rules are looked at.  Returns
 * the reply's number.
 */
uint32_t trial_run(struct trial *t, uint32_t call);
/* The rules that concern a command of a recovery, in `commands`. */
uint32_t trial_run_raw(struct trial *t, uint32_t command);

/* ---- worker_rules.c: what a process does by itself ---- */
void worker_send(struct trial *t, struct worker *w, struct call c);
void worker_let_go(struct trial *t, struct worker *w, int job, enum outcome o);
void worker_gone(struct trial *t, struct worker *w);
/* Whatever follows at once: a new id, a look, starts that were not sent. */
void worker_kick(struct trial *t, struct worker *w);
void worker_start(struct trial *t, struct worker *w, int jobs, int flags);
/* Bits of the jobs that it claimed ahead of its slots and has not started. */
int worker_early(const struct worker *w);
bool worker_knows(const struct worker *w, int job);
/* Nothing would change if this id died. */
bool worker_is_idle(const struct trial *t, int who);

/* ---- money.c ---- */
/* A job is let go.  True: its call was made under the hold w->holds[job]. */
bool money_let_go(struct trial *t, struct worker *w, int job, bool paid);
void money_on_hold(struct trial *t, struct worker *w, const struct call *c, const struct reply *r);
void money_on_settled(struct trial *t, struct worker *w, const struct call *c,
                      const struct reply *r);
void money_on_room(struct trial *t, struct worker *w, const struct call *c, const struct reply *r);
/* The job's deferral is written. */
void money_on_postponed(struct trial *t, struct worker *w, int job);
void money_connect(struct trial *t, struct worker *w);
/* This process will settle the hold of that name. */
bool money_knows(const struct worker *w, const char *hold);

/* ---- money_rules.c ---- */
/* What was told, once. */
void rules_hear(struct trial *t, uint32_t news);
void rules_of_money(struct trial *t, const struct call *c, uint32_t before, uint32_t after);

/* ---- rules.c ---- */
/* The rule that this image breaks; NULL: none. */
const char *rules_of_image(uint32_t image);
/* Outcomes that were written, by all moves: without any nothing was explored. */
extern uint64_t rules_written;
/* The rules between two states. */
void rules_of_answer(struct trial *t, const struct call *c, const struct answer *a,
                     uint32_t image_before);

#endif
