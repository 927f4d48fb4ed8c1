/* holds.h - money set aside for the calls of this process, and notes of them (lua/budget.lua).
 *
 *     n = budget_applying(cfg, &who, budgets);       none: make the call
 *     h = holds_make(p->holds, &want, on_answer, r);
 *     on_answer: HOLD_HELD            make the call, then hold_settle(&h, what it cost)
 *                else                 h is gone; the answer says which budget refuses, and how
 *     hold_drop(&h)                   no call is made: at any time, also before the answer, which
 *                                     then never comes
 *
 * A hold without budgets is a note alone (common/queue/notes.h); it is made and settled in the same
 * way.  With the cost of a call that was made goes the name of its note: run_cost.
 *
 * What is wanted and settled in one turn of the loop goes to Redis in one script call, in the
 * same write as the outcomes of that turn; without budgets nothing is ever sent.
 *
 * While Redis is away nothing is answered: a call that could break a budget is
 * not made.  Requests are kept and sent again; both kinds may run twice.
 * When Redis refuses the script (a key of another type, which is an alert), what is wanted gets
 * HOLD_UNKNOWN, and Redis is asked again after 0.2 to 5 s; what is to be settled is kept till then.
 */
#ifndef FLOTILLA_HOLDS_H
#define FLOTILLA_HOLDS_H

#include "common/budget/budget.h"
#include "worker/env.h"

struct holds;
struct hold;

enum hold_word {
    HOLD_HELD,   /* the money is set aside */
    HOLD_CLOSE,  /* there may be room when calls under way have cost less than their worst case */
    HOLD_FULL,   /* not in this period */
    HOLD_NEVER,  /* the worst case of this call alone is over the limit */
    HOLD_GONE,   /* this worker is not registered any more: its jobs are others' */
    HOLD_UNKNOWN /* Redis refuses to say; nothing is set aside */
};
/* Borrowed, for the callback only. */
struct hold_answer {
    enum hold_word word;
    int64_t again_ms; /* HOLD_UNKNOWN: from now; sooner there is no other answer */
    /* for the other words: */
    const struct config_budget *budget; /* which refuses; of several, the one that refuses most */
    const char *sum;                    /* its name, "acme-day d20261122" */
    int64_t spent_nanousd, reserved_nanousd;
    int64_t next_period_ms; /* from now */
};
/* Never called before holds_make returns, and at most once. */
typedef void hold_cb(void *arg, const struct hold_answer *a);

struct hold_want {
    const char *job, *token;      /* they name the hold, with how and a number of ours */
    struct span tenant;           /* raw */
    const unsigned char *budgets; /* of env->cfg, those that apply; may be none */
    size_t count;
    struct span note;       /* its document */
    int64_t amount_nanousd; /* the worst case */
    int64_t call_ms;        /* how long the call may take; later the hold expires, as spent */
};

struct holds *holds_new(const struct env *env);
void holds_free(struct holds *s);
struct hold *holds_make(struct holds *s, const struct hold_want *w, hold_cb *cb, void *arg);
/* The call was made, and its cost will be recorded; *h becomes NULL; NULL is fine. */
void hold_settle(struct hold **h, int64_t cost_nanousd);
/* No call was made; likewise. */
void hold_drop(struct hold **h);
/* The name of its note; good as long as the hold. */
const char *hold_name(const struct hold *h);
/* The job was taken over: the recovery records that its call may be paid, and charges the hold
 * (common/budget/orphans.h); else that happens at its deadline. */
void hold_abandon(struct hold **h);
void holds_reconnected(struct holds *s);
/* What is wanted and settled so far goes to Redis now, not at the end of the turn. */
void holds_flush(struct holds *s);

#endif
