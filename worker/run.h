/* run.h - one job in hand: the steps of its type, and how the run ends.
 *
 * A job type is a table of steps.  A step starts one asynchronous operation and
 * returns.  When that is over, the step ends in exactly one of the calls below,
 * from its start function or later from a callback.
 *
 *   run_next, run_enter   another step, now
 *
 * or the run ends.  Each way has one word, which code, documents and logs share:
 *
 *   call                  word       what the outbox writes                  attempt  place in queue
 *   run_done              complete   the result: completed                   spent    -
 *   run_fail, the end     fail       the result: failed (or expired)         spent    -
 *   run_cancel            cancel     the result: cancelled                   spent    -
 *   run_fail, run_retry   retry      deferred: backoff after a failure       spent    back
 *   run_fail, run_park    park       deferred: the provider's state; the     kept     front
 *                                    pauses grow, and have an end
 *   run_postpone          postpone   deferred to a time that is known: its   kept     front
 *                                    turn at a rate, a budget's period
 *   run_poll              poll       deferred: a look again, progress kept   kept     back
 *   run_requeue           requeue    deferred by nothing: drain, no slot,    kept     front
 *                                    the worker may not call now
 *   run_move              move       deferred by nothing, to another queue   kept     back
 *
 * After such a call the run must not be touched: it is on its way out.
 * run_fail chooses between fail, retry and park by err_kinds.def and retry.h.
 *
 * Glossary.
 *   attempt    what a job has max_attempts of; a park, postponement, poll or requeue spends none
 *   bucket     the calls and tokens per second that a provider allows one key for one model
 *   claim      to take an id off a queue; the job is active, under a token
 *   defer      to write any outcome but a result: defer.lua
 *   fenced     the worker was reaped; its jobs are somebody else's, only its costs are written
 *   hold       money reserved for a call until its cost is known
 *   lease      the time after which a worker without a heartbeat is reaped
 *   note       what a call may cost, written before it is made, for the recovery of the worker
 *   outcome    how a run ended: a result (finish.lua) or a deferral
 *   place      a postponed job's turn at a bucket, kept in its record
 *   route      a model at a provider; it may be out (circuit breaker) and is then probed
 *   run        one claim of a job, in the memory of one process
 *   slot       room for one call under way; a run that waits gives its slot up
 *   stale      an outcome that Redis refused: the job had been claimed by another worker
 *   step       one row of a job type's table; the record keeps the name of the last one
 *   token      of a claim: an outcome under another one is stale
 *   turn       when a bucket lets a call go
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
    const char *name; /* <= RECORD_STEP characters; persisted, `flotilla why` shows it */
    void (*start)(struct run *r);
    /* Aborts what the step waits for: afterwards no callback may come.  Called when the run is
     * cancelled, requeued or freed; may be called twice.  NULL: nothing to do. */
    void (*abort)(struct run *r);
};
struct job_type {
    const struct step *steps;
    size_t step_count;
    bool restarts; /* a claim begins with the first step, whichever one the record names */
    /* After the step's own abort, when the run is cancelled or requeued.  NULL: nothing to do. */
    void (*abort)(struct run *r);
    /* Free r->state.  NULL: free(). */
    void (*done)(struct run *r);
};

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
    bool first;                 /* no earlier claim of it made a call: it may still expire */
    bool fenced;                /* taken away from us: outcomes are written only for their costs */
    bool slot;                  /* it occupies a slot */
    bool waits;                 /* it waits in memory and has left its slot: run_release_slot */
    struct cost_report *report; /* costs on their way: run_report_costs; or NULL */
    void (*go)(struct run *r);  /* continues when it has the slot that it waits for; else NULL */
    struct run *slot_prev, *slot_next; /* in p->slot_waiters */
    int64_t slot_since_ms;             /* monotonic: since when it waits for one */
    int64_t delay_ms;                  /* its outcome defers it by this */
    bool ended;                        /* an outcome is on its way; the code is not entered again */
    bool damaged;                      /* the document cannot be read: it only ends */
    bool cancelled;                    /* cancel was asked */
    bool stale;                        /* the outcome was refused: the job is somebody else's */
    enum job_state outcome;            /* how it ended; 0: not yet, or it was deferred */
    /* The deferral is written: the job can be called back now.  Or NULL. */
    void (*on_deferred)(struct run *r);
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

/* A started job that run_find does not know (copied).  NULL when its record is damaged (logged). */
struct run *run_new(struct process *p, const struct started *s);
void run_start(struct run *r); /* the first step, or the persisted one */
struct run *run_find(struct process *p, const char *id);
/* The process ends, and all runs have ended: free those whose outcome was not written. */
void runs_forget(struct process *p);

/* ---- from step to step ---- */
void run_enter(struct run *r, size_t step); /* an index of the type's table */
void run_next(struct run *r);               /* the step behind this one in the table */
bool run_is_at(const struct run *r, size_t step);
/* Code of a job that is called from the event loop runs in the scope of its run: the supervisor
 * blames the job when the process dies there.  Declare it first in the callback; r may be freed
 * within. */
#define RUN_SCOPE(r) struct child *run_scope CLEANUP(run_leave_scope) UNUSED = run_enter_scope(r)
struct child *run_enter_scope(const struct run *r);
void run_leave_scope(struct child **c);

/* ---- outcomes ---- */
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
/* Parks it, e.g. because a stop is known. */
void run_park(struct run *r, const struct err *why, int64_t in_ms);
/* False: run_park would end it, as it has been parked for too long, or expires before. */
bool run_may_park(const struct run *r, enum err_kind why, int64_t in_ms);
/* Postpones it.  Later pauses of run_park do not grow by it.  progress: what run_progress gives
 * next time ({NULL,0}: nothing).  in_ms 0: it is the next of its queue, and counts as no park. */
void run_postpone(struct run *r, int64_t in_ms, struct span progress);
/* The same for a wait that may take many rounds, such as for a budget or for an equal call: all of
 * them together count as one park. */
void run_postpone_once(struct run *r, int64_t in_ms, struct span progress);
/* Defers it to the step of this name, to the back of its queue. */
void run_poll(struct run *r, const char *step, int64_t in_ms, struct span progress);
/* Moves it to another queue, behind what waits there. */
void run_move(struct run *r, enum queue_id queue);
/* The step's JSON progress as persisted by the last deferral; {NULL,0}: there was none. */
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

/* ---- slots ---- */
/* The run waits in memory for something that is no call (its turn, an equal call): another job may
 * have its slot.  False: too many runs or bytes wait in memory; postpone it instead.  Long waits
 * get half of that memory only, so that one model with long waits leaves room for the others. */
enum { RUN_WAITING_MAX = 512, RUN_WAITING_BYTES = 64 << 20 };
enum run_patience { RUN_WAITS_SHORT, RUN_WAITS_LONG };
bool run_release_slot(struct run *r, enum run_patience patience);
/* Half of the memory is free: waits that have become long may go on there. */
bool run_memory_is_ample(const struct process *p);
/* The wait is over, and a call is to be made.  True: the run has a slot.  False: all are taken; go
 * is called as soon as one is free, before anything else is claimed. */
NODISCARD bool run_acquire_slot(struct run *r, void (*go)(struct run *r));
/* Gives free slots to the runs that wait for one, in order. */
void run_serve_slots(struct process *p);
/* Requeues the runs that have waited for a slot for RUN_RETURN_MS: another worker may have one. */
enum { RUN_RETURN_MS = 5000 };
void run_requeue_slotless(struct process *p);

/* Before a further call of this claim: writes its costs so far, so that they survive the worker's
 * death and the next call's events have room.  True: there are none.  False: go is called when they
 * are written, unless the job was taken away: then the run ends. */
NODISCARD bool run_report_costs(struct run *r, void (*go)(struct run *r));
/* The outbox has the answer: see settle_code. */
void run_costs_reported(struct cost_report *take_c, char code);

/* ---- what others do to it ---- */
void run_cancel(struct run *r);  /* a user asked for it */
void run_requeue(struct run *r); /* nothing is done if it has ended */
void run_settled(struct run *r,
                 char code); /* the outbox has the answer: see settle_code; frees r */

#endif
