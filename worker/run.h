/* run.h - one job in hand: the driver of its type's steps, and how they end.
 *
 * A job type is a table of steps (jobs/<symbol>.c).  A step starts one
 * asynchronous operation and returns; when that is over it says what comes
 * next with exactly one of
 *
 *   run_next    the named step, now
 *   run_again   the named step (or the same), in so many ms: a poll, no attempt is spent;
 *               progress is kept
 *   run_put_off the same step at an exact time, to the front: its turn comes then
 *   run_done    the job ended well; its output is spliced into the result
 *   run_fail    it failed: err's kind decides by err_kinds.def and retry.h whether that is a
 *               retry (an attempt spent, backoff), a park (the provider's state, no attempt) or
 *               the end
 *
 * After that call the run must not be touched: it is on its way out.
 * Calls may come from inside the step's start function or later from a callback.
 */
#ifndef FLOTILLA_RUN_H
#define FLOTILLA_RUN_H

#include "common/core/buf.h"
#include "common/core/hash.h"
#include "common/model/cost.h"
#include "common/queue/record.h"
#include "common/queue/result.h"
#include "worker/process.h"

struct step {
    const char *name; /* <= RECORD_STEP characters; persisted */
    void (*start)(struct run *r);
};
struct job_type {
    const struct step *steps;
    size_t step_count;
    /* Abort what is under way (cancel, draining over, fenced); afterwards no callback may come.
     * NULL: nothing to do. */
    void (*abort)(struct run *r);
    /* Free r->state.  NULL: free(). */
    void (*done)(struct run *r);
};
/* Provided by jobs/<symbol>.c */
#define X(type, name, symbol, code, flags) extern const struct job_type job_type_##symbol;
#include "common/queue/job_types.def"
const struct job_type *run_type(enum job_type_id id);

enum { RUN_COSTS_MAX = 8 };

struct run {
    struct process *p;
    char id[96];
    char *bytes; /* the record as read; job's spans point into it */
    size_t bytes_n;
    struct record held; /* its header as this worker last wrote it */
    struct job job;
    const struct job_type *type;
    const struct step *step;
    void *state; /* the job type's own */
    int64_t started_mono_ms, started_ms;
    bool first;        /* no earlier claim of it made a call: it may still expire */
    bool fenced;       /* taken away from us: outcomes are written only for their costs */
    bool slot;         /* it occupies a slot */
    const char *at;    /* the step to go on with when it is put aside; NULL: the one it came with */
    bool waits;        /* it waits in memory and has left its slot: run_leave_slot */
    struct told *told; /* costs on their way: run_tell; or NULL */
    void (*go)(struct run *r);     /* what to do with the slot that it waits for; else NULL */
    struct run *go_prev, *go_next; /* in p->returning */
    int64_t go_since_ms;           /* monotonic: since when it is there */
    int64_t aside_ms;              /* its outcome is to be put aside for so long */
    bool ended;                    /* an outcome is on its way; the code is not entered again */
    bool damaged;                  /* the document cannot be read: it only ends */
    bool cancelled;                /* cancel was asked */
    bool stale;                    /* the outcome was refused: the job is somebody else's */
    enum job_state outcome;        /* how it ended; 0: not yet, or it was put aside */
    void (*aside)(struct run *r);  /* that is written: whoever calls it back finds it; or NULL */
    /* what the result will say */
    struct span model; /* text; must live as long as the run */
    const char *provider;
    bool cached;
    struct usage usage;
    struct buf structured;    /* JSON that the output holds, where that is asked for; or empty */
    int64_t cost_nanousd;     /* confirmed costs of this run so far, earlier attempts included */
    struct cost_event *costs; /* NULL until there is one */
    size_t cost_count;
    int calls; /* provider calls of this claim */
    int noted; /* calls of this claim that were noted before they were made, or were not made */
    UT_hash_handle hh;
};

/* A started job that run_find does not know: bytes are its record (copied).  NULL when the record
 * is damaged (logged). */
struct run *run_new(struct process *p, const char *id, struct span record, const char *token,
                    int64_t now_ms);
void run_go(struct run *r); /* first step, or the persisted one */
struct run *run_find(struct process *p, const char *id);
/* The process ends, and all runs have ended: free those whose outcome was not written. */
void runs_forget(struct process *p);

/* ---- what a step may say ---- */
void run_next(struct run *r, const char *step);
void run_again(struct run *r, const char *step, int64_t in_ms, struct span progress);
void run_done(struct run *r, struct span output); /* raw valid JSON; copied */
/* server_wait_ms: what the server asked us to wait, -1 nothing. */
struct failure {
    struct err err;
    int http_status;
    const char *provider_code; /* "" none */
    int64_t server_wait_ms;
};
void run_fail(struct run *r, const struct failure *f);
/* A retry on the caller's own schedule: an attempt is spent, the max_attempts-th ends the job. */
void run_retry(struct run *r, const struct failure *f, int64_t in_ms, int max_attempts);
/* Put aside without spending an attempt, e.g. because a stop is known; counts as parked. */
void run_park(struct run *r, const struct err *why, int64_t in_ms);
/* False: run_park would end it, as it has waited for too long, or expires before. */
bool run_may_park(const struct run *r, enum err_kind why, int64_t in_ms);
/* Put aside until an exact time, to the front of its queue, without spending an attempt, e.g.
 * because the rate allows the call only then: later pauses of run_park do not grow by it.
 * progress: what run_progress tells next time ({NULL,0}: nothing).
 * in_ms 0: it is the next of its queue, and was not put aside. */
void run_put_off(struct run *r, int64_t in_ms, struct span progress);
/* The same for what may take many rounds, such as a budget's next period or room to wait for an
 * equal call: all of them together count as one time that the job was put aside. */
void run_wait(struct run *r, int64_t in_ms, struct span progress);
/* Give it to another queue, behind what waits there; no attempt is spent. */
void run_move(struct run *r, enum queue_id queue);
/* The step's JSON progress as persisted by run_again or run_put_off; {NULL,0} at the first step. */
struct span run_progress(const struct run *r);

/* What was called: a provider, its model, and the model that the job named. */
struct run_call {
    const char *provider;
    struct span model, requested; /* text */
};
/* A cost event for a call of this run; its event_id, job, tenant... are filled in.  note: the name
 * of the call's note (hold_name), which goes with it; NULL: it was not noted.  At most
 * RUN_COSTS_MAX per claim: further ones are added to the last. */
void run_cost(struct run *r, const struct cost *c, const struct run_call *call, const char *note);
/* The note of a call that is to be made: c is what it may cost.  See common/queue/notes.h. */
void run_note(struct run *r, const struct cost *c, const struct run_call *call, struct buf *out);

/* The run waits in memory for something that is no call (its turn, an equal call): another job may
 * have its slot.  False: too many runs or bytes wait in memory; postpone it instead.  Half of that
 * memory is for short waits only, so that one model whose jobs wait for long leaves room for the
 * others. */
enum { RUN_WAITING_MAX = 512, RUN_WAITING_BYTES = 64 << 20 };
enum run_patience { RUN_WAITS_SHORT, RUN_WAITS_LONG };
bool run_leave_slot(struct run *r, enum run_patience patience);
/* Half of the memory is free: waits that have become long may go on there. */
bool run_memory_is_ample(const struct process *p);
/* The wait is over, and a call is to be made.  True: it has a slot.  False: all are taken; go is
 * called as soon as one is free, before anything else is claimed. */
NODISCARD bool run_take_slot(struct run *r, void (*go)(struct run *r));
/* Those that run_take_slot told to wait, as far as there are slots now. */
void run_serve_slots(struct process *p);
/* Those that found no slot for RUN_RETURN_MS go back to the front of their queues: another worker
 * may have one. */
enum { RUN_RETURN_MS = 5000 };
void run_give_up_slots(struct process *p);

/* Before a further call: what the calls of this claim cost so far is told to Redis, so that it is
 * known whoever dies now, and there is room for the events of the next one.  True: there is nothing
 * to tell.  False: go is called when that is done, unless the job was taken away: then it is
 * over. */
NODISCARD bool run_tell(struct run *r, void (*go)(struct run *r));

/* ---- what others do to it ---- */
void run_cancel(struct run *r); /* asked by a user: aborted and finished as cancelled */
void run_give_back(
    struct run *r); /* draining is over: to the front of its queue, no attempt spent */
void run_told(struct told *take_t, char code); /* the outbox has the answer: see settle_code */
void run_settled(struct run *r,
                 char code); /* the outbox has the answer: see settle_code; frees r */

#endif
