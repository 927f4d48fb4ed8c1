/* run.c - the life of a run; its outcomes are in run_outcome.c.  See run.h.
 *
 *   run_new --> run_go --> step.start ... --> an outcome --> run_settled --> freed
 *                 ^                |           (outbox)
 *                 +---- run_next --+
 *
 * A run leaves its slot when its outcome is known, or while it waits in memory,
 * and its memory when the outcome is written. */
#include "worker/claims/outbox.h"
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
struct told {
    struct run *run; /* NULL: it does not wait for it any more */
    void (*go)(struct run *r);
};

static const struct job_type *const types[JOB_TYPE_COUNT] = {
#define X(type, name, symbol, code, flags) [JOB_##type] = &job_type_##symbol,
#include "common/queue/job_types.def"
};

const struct job_type *run_type(enum job_type_id id)
{
    return id < JOB_TYPE_COUNT ? types[id] : NULL;
}

struct run *run_find(struct process *p, const char *id)
{
    struct run *r = NULL;

    HASH_FIND_STR(p->runs, id, r);
    return r;
}

/* ---- life ---- */

static void run_free(struct run *r)
{
    HASH_DEL(r->p->runs, r);
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

static void start_returning(struct run *r, void (*go)(struct run *r))
{
    DL_APPEND2(r->p->returning, r, go_prev, go_next);
    r->p->returning_count++;
    r->p->returning_realtime += r->held.queue == QUEUE_INFERENCE_REALTIME;
    r->go_since_ms = clock_mono_ms();
    r->go = go;
}

static void stop_returning(struct run *r)
{
    DL_DELETE2(r->p->returning, r, go_prev, go_next);
    r->p->returning_count--;
    r->p->returning_realtime -= r->held.queue == QUEUE_INFERENCE_REALTIME;
    r->go = NULL;
}

static void leave_memory(struct run *r)
{
    r->waits = false;
    r->p->waiting--;
    r->p->waiting_bytes -= r->bytes_n;
}

void run_leave(struct run *r)
{
    assert(!r->ended);
    r->ended = true;
    if (r->slot)
        r->p->running--;
    if (r->waits)
        leave_memory(r);
    if (r->go)
        stop_returning(r);
    if (r->told)
        r->told->run = NULL;
    r->told = NULL;
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

bool run_leave_slot(struct run *r, enum run_patience patience)
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
    r->p->running--;
    process_kick_later(r->p);
    return true;
}

static void retake(struct run *r)
{
    leave_memory(r);
    r->slot = true;
    r->p->running++;
}

bool run_take_slot(struct run *r, void (*go)(struct run *r))
{
    assert(!r->ended && !r->go);
    if (!r->waits)
        return true;
    if (!r->p->returning && pull_has_slot(r->p->pull, r->held.queue)) {
        retake(r);
        return true;
    }
    start_returning(r, go);
    if (pull_has_slot(r->p->pull, r->held.queue)) /* one that those before it may not have */
        process_kick_later(r->p);
    return false;
}

static struct run *first_with_slot(const struct process *p)
{
    struct run *r;

    DL_FOREACH2(p->returning, r, go_next)
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

        stop_returning(r);
        retake(r);
        child_enter_job(p->child, r->id);
        go(r);
        child_enter_job(p->child, NULL);
    }
}

void run_give_up_slots(struct process *p)
{
    int64_t since_ms = clock_mono_ms() - RUN_RETURN_MS;

    while (p->returning && p->returning->go_since_ms <= since_ms) /* in order of their coming */
        run_give_back(p->returning);
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

struct run *run_new(struct process *p, const char *id, struct span record, const char *token,
                    int64_t now_ms)
{
    struct run *r = xcalloc(1, sizeof *r);
    bool mine;

    r->p = p;
    snprintf(r->id, sizeof r->id, "%s", id);
    r->bytes = xmalloc(record.n + 1);
    memcpy(r->bytes, record.p, record.n);
    r->bytes[record.n] = '\0';
    r->bytes_n = record.n;
    if (!record_read(r->bytes, r->bytes_n, &r->held)) {
        log_event(LOG_ERROR, "record.damaged", "job=%s bytes=%zu", id, record.n);
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
        r->held.started_ms = now_ms;
        memcpy(r->held.token, token, RECORD_TOKEN + 1);
    }
    r->type = run_type(r->held.type);
    r->started_ms = now_ms;
    r->started_mono_ms = clock_mono_ms();
    r->cost_nanousd = result_cost_before(&r->held, (struct span){r->bytes, r->bytes_n});
    r->slot = true;
    p->running++;
    HASH_ADD_STR(p->runs, id, r);
    return r;
}

int64_t run_now_ms(const struct run *r)
{
    return r->started_ms + clock_mono_ms() - r->started_mono_ms;
}

static void enter(struct run *r)
{
    struct child *c = r->p->child;

    child_enter_job(c, r->id);
    r->step->start(r); /* r may be on its way out afterwards */
    child_enter_job(c, NULL);
}

static const struct step *find_step(const struct job_type *t, const char *name)
{
    for (size_t i = 0; i < t->step_count; i++)
        if (!strcmp(t->steps[i].name, name))
            return &t->steps[i];
    return NULL;
}

/* ---- going ---- */

void run_go(struct run *r)
{
    if (r->p->draining) {
        run_give_back(r);
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
    r->step = r->held.step[0] ? find_step(r->type, r->held.step) : &r->type->steps[0];
    if (!r->step) {
        struct failure f = {.server_wait_ms = -1};

        err_set(&f.err, ERR_INTERNAL, "step '%s' is not known to this program", r->held.step);
        run_fail(r, &f);
        return;
    }
    enter(r);
}

void run_next(struct run *r, const char *step)
{
    r->step = find_step(r->type, step);
    assert(r->step);
    enter(r);
}

void run_cancel(struct run *r)
{
    if (r->ended)
        return;
    r->cancelled = true;
    if (r->type->abort)
        r->type->abort(r);
    run_end_cancelled(r);
}

void run_settled(struct run *r, char code)
{
    if (!r)
        return;
    if (code == SETTLE_CANCEL) { /* cancel was asked while it was being put aside */
        r->ended = false;
        run_end_cancelled(r);
        return;
    }
    if (code == SETTLE_STALE) {
        r->stale = true;
        pull_look(r->p->pull);
        log_event(LOG_WARN, "job.stale", "job=%s costs=%zu", r->id, r->cost_count);
    } else if (!r->outcome && r->aside) {
        r->aside(r);
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

bool run_tell(struct run *r, void (*go)(struct run *r))
{
    const struct tell t = {
        .id = r->id, .held = &r->held, .costs = r->costs, .cost_count = r->cost_count};

    if (!must_tell(r))
        return true;
    r->told = xcalloc(1, sizeof *r->told);
    r->told->run = r;
    r->told->go = go;
    outbox_tell(r->p->outbox, &t, r->told);
    r->cost_count = 0; /* from here on they are the outbox's */
    return false;
}

/* For a job that was taken away meanwhile no further call is made. */
void run_told(struct told *take_t, char code)
{
    struct run *r = take_t->run;
    void (*go)(struct run *) = code == SETTLE_STALE ? run_give_back : take_t->go;

    free(take_t);
    if (!r)
        return;
    r->told = NULL;
    child_enter_job(r->p->child, r->id);
    go(r);
    child_enter_job(r->p->child, NULL);
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
