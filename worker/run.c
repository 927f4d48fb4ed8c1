/* run.c - the life of a run; its outcomes are in run_outcome.c.  See run.h.
 *
 *   run_new --> run_start --> step.start ... --> outcome --> run_settled --> freed
 *                             ^            |              (outbox)
 *                             +- run_next -+
 *
 * A run leaves its slot when its outcome is known, or while it waits in memory,
 * and its memory when the outcome is written. */
#include "worker/claims/outbox.h"
#include "worker/claims/pull.h"
#include "worker/run_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/notes.h"

/* Costs on their way; may outlive the run. */
struct cost_report {
    struct run *run; /* NULL: it has ended */
    void (*go)(struct run *r);
};

struct run *run_find(struct process *p, const char *id)
{
    struct run *r = NULL;

    HASH_FIND_STR(p->runs, id, r);
    return r;
}

/* ---- the scope of a job's code ---- */

struct child *run_enter_scope(const struct run *r)
{
    child_enter_job(r->p->child, r->id);
    return r->p->child;
}

void run_leave_scope(struct child **c) { child_enter_job(*c, NULL); }

static void call_in_scope(struct run *r, void (*code)(struct run *r))
{
    RUN_SCOPE(r);
    code(r); /* r may be on its way out afterwards */
}

/* ---- life ---- */

static void run_free(struct run *r)
{
    HASH_DEL(r->p->runs, r);
    if (r->step && r->step->abort)
        r->step->abort(r);
    if (r->type && r->type->done)
        r->type->done(r);
    else
        free(r->state);
    free(r->bytes);
    free(r->costs);
    buf_done(&r->structured);
    free(r);
}

void runs_forget(struct process *p)
{
    struct run *r, *tmp;

    HASH_ITER(hh, p->runs, r, tmp) { run_free(r); }
}

/* ---- the slot ---- */

static void join_slot_waiters(struct run *r, void (*go)(struct run *r))
{
    DL_APPEND2(r->p->slot_waiters, r, slot_prev, slot_next);
    r->p->slots.waiters++;
    r->p->slots.realtime_waiters += r->held.queue == QUEUE_INFERENCE_REALTIME;
    r->slot_since_ms = clock_mono_ms();
    r->go = go;
}

static void leave_slot_waiters(struct run *r)
{
    DL_DELETE2(r->p->slot_waiters, r, slot_prev, slot_next);
    r->p->slots.waiters--;
    r->p->slots.realtime_waiters -= r->held.queue == QUEUE_INFERENCE_REALTIME;
    r->go = NULL;
}

static void leave_memory(struct run *r)
{
    r->waits = false;
    r->p->waiting--;
    r->p->waiting_bytes -= r->bytes_n;
}

void run_end(struct run *r)
{
    assert(!r->ended);
    r->ended = true;
    if (r->slot) {
        r->p->slots.running--;
        r->p->slots.calls_ended += r->calls > 0;
    }
    if (r->waits)
        leave_memory(r);
    if (r->go)
        leave_slot_waiters(r);
    if (r->report)
        r->report->run = NULL;
    r->report = NULL;
    r->slot = false;
}

static bool has_memory(const struct run *r, enum run_patience patience)
{
    size_t part = patience == RUN_WAITS_LONG ? 2 : 1;

    return r->p->waiting < RUN_WAITING_MAX / part &&
           r->p->waiting_bytes + r->bytes_n <= RUN_WAITING_BYTES / part;
}

bool run_memory_is_ample(const struct process *p)
{
    return p->waiting <= RUN_WAITING_MAX / 2 && p->waiting_bytes <= RUN_WAITING_BYTES / 2;
}

bool run_release_slot(struct run *r, enum run_patience patience)
{
    assert(!r->ended);
    if (r->waits)
        return true;
    if (!has_memory(r, patience))
        return false;
    r->waits = true;
    r->slot = false;
    r->p->waiting++;
    r->p->waiting_bytes += r->bytes_n;
    r->p->slots.running--;
    claimer_kick_later(&r->p->claimer);
    return true;
}

static void retake(struct run *r)
{
    leave_memory(r);
    r->slot = true;
    r->p->slots.running++;
}

bool run_acquire_slot(struct run *r, void (*go)(struct run *r))
{
    assert(!r->ended && !r->go);
    if (!r->waits)
        return true;
    if (!r->p->slot_waiters && pull_has_slot(r->p->pull, r->held.queue)) {
        retake(r);
        return true;
    }
    join_slot_waiters(r, go);
    if (pull_has_slot(r->p->pull, r->held.queue)) /* one that those before it may not have */
        claimer_kick_later(&r->p->claimer);
    return false;
}

static struct run *first_with_slot(const struct process *p)
{
    struct run *r;

    DL_FOREACH2(p->slot_waiters, r, slot_next)
    {
        if (pull_has_slot(p->pull, r->held.queue))
            return r;
    }
    return NULL;
}

void run_serve_slots(struct process *p)
{
    struct run *r;

    while ((r = first_with_slot(p))) {
        void (*go)(struct run *) = r->go;

        leave_slot_waiters(r);
        retake(r);
        call_in_scope(r, go);
    }
}

void run_requeue_slotless(struct process *p)
{
    int64_t since_ms = clock_mono_ms() - RUN_RETURN_MS;

    while (p->slot_waiters &&
           p->slot_waiters->slot_since_ms <= since_ms) /* in order of their coming */
        run_requeue(p->slot_waiters);
}

/* ---- life ---- */

/* Behind the document: {"cost": nano-USD of earlier attempts, "refused": run_outcome.c,
 * "data": the step's own} */
struct span run_progress(const struct run *r)
{
    struct span tail = record_tail(&r->held, r->bytes, r->bytes_n), data = {NULL, 0};
    const struct json_want want = {"data", &data};

    return tail.n && json_pick(tail.p, tail.n, &want, 1) ? data : (struct span){NULL, 0};
}

struct run *run_new(struct process *p, const struct started *s)
{
    struct run *r = xcalloc(1, sizeof *r);
    bool mine;

    r->p = p;
    snprintf(r->id, sizeof r->id, "%s", s->id);
    r->bytes = xmalloc(s->record.n + 1);
    memcpy(r->bytes, s->record.p, s->record.n);
    r->bytes[s->record.n] = '\0';
    r->bytes_n = s->record.n;
    if (!record_read(r->bytes, r->bytes_n, &r->held)) {
        log_event(LOG_ERROR, "record.damaged", "job=%s bytes=%zu", s->id, s->record.n);
        free(r->bytes);
        free(r);
        return NULL;
    }
    r->damaged = !job_read(record_doc(&r->held, r->bytes, r->bytes_n), &p->defaults, &r->job);
    r->first = r->held.started_ms == 0;
    mine = r->held.state == JOB_STATE_ACTIVE; /* the answer to an equal start was lost */
    r->held.state = JOB_STATE_ACTIVE;
    if (!mine) {
        r->held.tnum = record_next_tnum(r->held.tnum);
        r->held.started_ms = s->now_ms;
        memcpy(r->held.token, s->token, RECORD_TOKEN + 1);
    }
    r->type = r->held.type < JOB_TYPE_COUNT ? p->types[r->held.type] : NULL;
    r->started_ms = s->now_ms;
    r->started_mono_ms = clock_mono_ms();
    r->cost_nanousd = result_cost_before(&r->held, (struct span){r->bytes, r->bytes_n});
    r->slot = true;
    p->slots.running++;
    HASH_ADD_STR(p->runs, id, r);
    return r;
}

int64_t run_now_ms(const struct run *r)
{
    return r->started_ms + clock_mono_ms() - r->started_mono_ms;
}

static const struct step *find_step(const struct job_type *t, const char *name)
{
    for (size_t i = 0; i < t->step_count; i++)
        if (!strcmp(t->steps[i].name, name))
            return &t->steps[i];
    return NULL;
}

static const struct step *first_step(const struct run *r)
{
    return r->held.step[0] && !r->type->restarts ? find_step(r->type, r->held.step)
                                                 : &r->type->steps[0];
}

/* ---- from step to step ---- */

void run_start(struct run *r)
{
    if (r->p->claimer.draining) {
        run_requeue(r);
        return;
    }
    if (r->damaged) {
        struct failure f = {.server_wait_ms = -1};

        err_set(&f.err, ERR_INVALID, "the stored document cannot be read");
        run_fail(r, &f);
        return;
    }
    if (r->held.expires_ms && r->started_ms >= r->held.expires_ms && r->first) {
        run_end_expired(r);
        return;
    }
    r->step = first_step(r);
    if (!r->step) {
        struct failure f = {.server_wait_ms = -1};

        err_set(&f.err, ERR_INTERNAL, "step '%s' is not known to this program", r->held.step);
        run_fail(r, &f);
        return;
    }
    call_in_scope(r, r->step->start);
}

void run_enter(struct run *r, size_t step)
{
    assert(step < r->type->step_count);
    r->step = &r->type->steps[step];
    r->step->start(r);
}

void run_next(struct run *r) { run_enter(r, (size_t)(r->step - r->type->steps) + 1); }

bool run_is_at(const struct run *r, size_t step) { return r->step == &r->type->steps[step]; }

void run_abort(struct run *r)
{
    if (r->step && r->step->abort)
        r->step->abort(r);
    if (r->type->abort)
        r->type->abort(r);
}

void run_cancel(struct run *r)
{
    if (r->ended)
        return;
    r->cancelled = true;
    run_abort(r);
    run_end_cancelled(r);
}

void run_settled(struct run *r, char code)
{
    if (!r)
        return;
    if (code == SETTLE_CANCEL) { /* cancel was asked while it was being deferred */
        r->ended = false;
        run_end_cancelled(r);
        return;
    }
    if (code == SETTLE_STALE) {
        r->stale = true;
        pull_look(r->p->pull);
        log_event(LOG_WARN, "job.stale", "job=%s costs=%zu", r->id, r->cost_count);
    } else if (!r->outcome && r->on_deferred) {
        r->on_deferred(r);
    }
    run_free(r);
}

/* ---- money ---- */

enum { CALL_COSTS = 2 }; /* what a call may add: its own, and what was known of its answer */

static bool must_tell(const struct run *r)
{
    if (r->cost_count + CALL_COSTS > RUN_COSTS_MAX)
        return true;
    for (size_t i = 0; i < r->cost_count; i++)
        if (r->costs[i].cost.cost_nanousd > 0 || r->costs[i].cost.estimate_nanousd > 0)
            return true;
    return false;
}

bool run_report_costs(struct run *r, void (*go)(struct run *r))
{
    const struct tell t = {
        .id = r->id, .held = &r->held, .costs = r->costs, .cost_count = r->cost_count};

    if (!must_tell(r))
        return true;
    r->report = xcalloc(1, sizeof *r->report);
    r->report->run = r;
    r->report->go = go;
    outbox_tell(r->p->outbox, &t, r->report);
    r->cost_count = 0; /* from here on they are the outbox's */
    return false;
}

/* For a job that was taken away meanwhile no further call is made. */
void run_costs_reported(struct cost_report *take_c, char code)
{
    struct run *r = take_c->run;
    void (*go)(struct run *) = code == SETTLE_STALE ? run_requeue : take_c->go;

    free(take_c);
    if (!r)
        return;
    r->report = NULL;
    call_in_scope(r, go);
}

static struct cost_event make_event(const struct run *r, const struct cost *c,
                                    const struct run_call *call)
{
    return (struct cost_event){.job_id = r->id,
                               .root_id = r->id,
                               .attempt = r->held.attempts + 1,
                               .type = r->held.type,
                               .tenant = r->job.tenant,
                               .tags = r->job.tags,
                               .provider = call->provider,
                               .model = call->model,
                               .requested_model = call->requested,
                               .cost = *c,
                               .at_ms = clock_wall_ms()};
}

void run_note(struct run *r, const struct cost *c, const struct run_call *call, struct buf *out)
{
    struct cost_event e = make_event(r, c, call);

    note_write(&e, &r->held, ++r->noted, out);
}

void run_cost(struct run *r, const struct cost *c, const struct run_call *call, const char *note)
{
    struct cost_event *e;

    r->cost_nanousd = add64(r->cost_nanousd, c->cost_nanousd);
    r->calls++;
    if (r->cost_count == RUN_COSTS_MAX) {
        cost_add(&r->costs[RUN_COSTS_MAX - 1].cost, c);
        return;
    }
    r->costs = xrealloc(r->costs, (r->cost_count + 1) * sizeof *r->costs);
    e = &r->costs[r->cost_count++];
    *e = make_event(r, c, call);
    if (note)
        snprintf(e->note, sizeof e->note, "%s", note);
    cost_name_event(e, &r->held, r->calls);
}
