/* run.c - see run.h.
 *
 *   run_new --> run_go --> step.start ... --> run_done | run_fail | run_again | run_park |
 * run_cancel | run_give_back ^                                |          |
 *                 +------------ run_next           v          v
 *                                               finish      defer        (outbox)
 *                                                     \      /
 *                                                   run_settled --> freed
 *
 * A run leaves its slot when its outcome is known and its memory when the
 * outcome is written. */
#include "worker/run.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "common/queue/ending.h"
#include "worker/outbox.h"
#include "worker/retry.h"

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
    free(r);
}

/* The outcome is known: the slot is free, the code is not entered again. */
static void leave_slot(struct run *r)
{
    assert(!r->ended);
    r->ended = true;
    if (r->slot)
        r->p->running--;
    r->slot = false;
}

/* {"cost": nano-USD of earlier attempts, "data": the step's own} */
static struct span progress_member(const struct run *r, const char *name)
{
    struct span tail = record_tail(&r->held, r->bytes, r->bytes_n), v = {NULL, 0};
    const struct json_want want = {name, &v};

    return tail.n && json_pick(tail.p, tail.n, &want, 1) ? v : (struct span){NULL, 0};
}

struct span run_progress(const struct run *r) { return progress_member(r, "data"); }

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
    if (!json_read_int(progress_member(r, "cost"), &r->cost_nanousd))
        r->cost_nanousd = 0;
    r->slot = true;
    p->running++;
    HASH_ADD_STR(p->runs, id, r);
    return r;
}

static int64_t now_ms(const struct run *r)
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

/* ---- endings ---- */

/* What waited in vain, to be started or for the provider, spent none at last. */
static bool spends_attempt(enum job_state status, const struct failure *f)
{
    return status != JOB_STATE_EXPIRED && !(f && f->err.kind == ERR_WAITED_TOO_LONG);
}

static void finish(struct run *r, enum job_state status, struct span output,
                   const struct failure *f)
{
    struct result res;
    struct ending e;

    leave_slot(r);
    result_from(&res, r->id, &r->held, &r->job);
    res.status = status;
    res.attempts = r->held.attempts + spends_attempt(status, f);
    res.model = r->model;
    res.provider = r->provider;
    res.cached = r->cached;
    res.output = output;
    res.has_usage = r->usage.there;
    res.prompt_tokens = r->usage.prompt_tokens;
    res.completion_tokens = r->usage.completion_tokens;
    res.cached_tokens = r->usage.cached_tokens;
    res.cost_nanousd = r->cost_nanousd;
    if (f) {
        res.err = &f->err;
        res.http_status = f->http_status;
        res.provider_code = f->provider_code;
    }
    res.finished_ms = now_ms(r);
    ending_make(&e, r->id, &r->held, &r->job, &res, r->p->cfg->webhooks_output_bytes);
    e.finish.costs = r->costs;
    e.finish.cost_count = r->cost_count;
    outbox_finish(r->p->outbox, &e.finish, r);
    ending_done(&e);
}

void run_done(struct run *r, struct span output) { finish(r, JOB_STATE_COMPLETED, output, NULL); }

static void cancelled(struct run *r)
{
    struct failure f = {0};

    err_set(&f.err, ERR_CANCELLED, "cancelled while it was running");
    finish(r, JOB_STATE_CANCELLED, (struct span){NULL, 0}, &f);
}

/* ---- deferring ---- */

static void defer(struct run *r, struct record next, int64_t delay_ms, bool front,
                  struct span progress)
{
    struct buf body = BUF(512u << 20);
    struct defer d = {.id = r->id,
                      .held = &r->held,
                      .next = next,
                      .delay_ms = delay_ms,
                      .front = front,
                      .costs = r->costs,
                      .cost_count = r->cost_count};

    leave_slot(r);
    if (r->cost_nanousd > 0 || progress.n) {
        buf_add_span(&body, r->job.doc);
        buf_putc(&body, '{');
        json_add_int(&body, "cost", r->cost_nanousd);
        if (progress.n)
            json_add_raw(&body, "data", progress);
        buf_putc(&body, '}');
        d.body = buf_span(&body);
    }
    outbox_defer(r->p->outbox, &d, r);
    buf_done(&body);
}

void run_again(struct run *r, const char *step, int64_t in_ms, struct span progress)
{
    struct record next = r->held;

    next.parked_ms = 0;
    snprintf(next.step, sizeof next.step, "%s", step);
    defer(r, next, in_ms, false, progress);
}

static void put_aside(struct run *r, int64_t in_ms)
{
    struct record next = r->held;

    next.parks++;
    if (!next.parked_ms)
        next.parked_ms = now_ms(r);
    defer(r, next, in_ms, true, run_progress(r));
}

static void retry_later(struct run *r, int64_t in_ms)
{
    struct record next = r->held;

    next.attempts++;
    next.parked_ms = 0;
    defer(r, next, in_ms, false, run_progress(r));
}

void run_give_back(struct run *r)
{
    if (r->ended)
        return;
    if (r->type->abort)
        r->type->abort(r);
    defer(r, r->held, 0, true, run_progress(r));
}

/* ---- failing ---- */

static struct retry_out decide(const struct run *r, enum err_kind kind, int64_t server_wait_ms)
{
    const struct config *c = r->p->cfg;
    const struct retry_rules rules = {c->retry_park_min_ms, c->retry_park_max_ms,
                                      c->retry_max_wait_ms, c->retry_server_wait_max_ms};
    const struct retry_in in = {.kind = kind,
                                .job = &r->job,
                                .rec = &r->held,
                                .now_ms = now_ms(r),
                                .server_wait_ms = server_wait_ms,
                                .below = random_below};

    return retry_decide(&rules, &in);
}

static void end_failed(struct run *r, const struct failure *f, enum err_kind kind)
{
    struct failure last = *f;

    if (kind != f->err.kind) { /* it waited too long, or until its expiry, for this */
        last.err.kind = kind;
        err_wrap(&last.err, "%s; last", err_text(kind));
    }
    log_event(LOG_WARN, "job.failed", "job=%s code=%s attempts=%d msg=%s", r->id, err_code(kind),
              r->held.attempts + 1, log_quote(last.err.msg));
    finish(r, kind == ERR_EXPIRED ? JOB_STATE_EXPIRED : JOB_STATE_FAILED, (struct span){NULL, 0},
           &last);
}

void run_fail(struct run *r, const struct failure *f)
{
    struct retry_out out = decide(r, f->err.kind, f->server_wait_ms);

    if (out.action == RETRY_END) {
        end_failed(r, f, out.kind);
        return;
    }
    log_event(LOG_DEBUG, out.action == RETRY_PARK ? "job.parked" : "job.retry",
              "job=%s code=%s wait_ms=%lld msg=%s", r->id, err_code(f->err.kind),
              (long long)out.delay_ms, log_quote(f->err.msg));
    if (out.action == RETRY_PARK)
        put_aside(r, out.delay_ms);
    else
        retry_later(r, out.delay_ms);
}

void run_retry(struct run *r, const struct failure *f, int64_t in_ms, int max_attempts)
{
    if (r->held.attempts + 1 >= max_attempts)
        end_failed(r, f, f->err.kind);
    else
        retry_later(r, in_ms);
}

void run_park(struct run *r, const struct err *why, int64_t in_ms)
{
    struct failure f = {.err = *why, .server_wait_ms = in_ms};
    struct retry_out out = decide(r, why->kind, in_ms);

    if (out.action == RETRY_PARK)
        put_aside(r, in_ms);
    else
        end_failed(r, &f, out.kind);
}

/* ---- going ---- */

static void expired(struct run *r)
{
    struct failure f = {0};

    err_set(&f.err, ERR_EXPIRED, "not started within expires_in_ms = %lld",
            (long long)(r->held.expires_ms - r->held.submitted_ms));
    finish(r, JOB_STATE_EXPIRED, (struct span){NULL, 0}, &f);
}

static bool is_first_start(const struct run *r)
{
    return r->held.attempts == 0 && r->held.parks == 0 && r->held.crashes == 0;
}

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
    if (r->held.expires_ms && r->started_ms >= r->held.expires_ms && is_first_start(r)) {
        expired(r);
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
    cancelled(r);
}

void run_settled(struct run *r, char code)
{
    if (!r)
        return;
    if (code == SETTLE_CANCEL) { /* cancel was asked while it was being put aside */
        r->ended = false;
        cancelled(r);
        return;
    }
    if (code == SETTLE_STALE) {
        pull_look(r->p->pull);
        log_event(LOG_WARN, "job.stale", "job=%s costs=%zu", r->id, r->cost_count);
    }
    run_free(r);
}

/* ---- money ---- */

void run_cost(struct run *r, const struct cost *c, const char *provider, struct span model,
              struct span requested_model)
{
    struct cost_event *e;

    r->cost_nanousd += c->cost_nanousd;
    r->calls++;
    if (r->cost_count == RUN_COSTS_MAX) {
        e = &r->costs[RUN_COSTS_MAX - 1];
        e->cost.prompt_tokens += c->prompt_tokens;
        e->cost.completion_tokens += c->completion_tokens;
        e->cost.cached_tokens += c->cached_tokens;
        e->cost.cost_nanousd += c->cost_nanousd;
        e->cost.list_cost_nanousd += c->list_cost_nanousd;
        e->cost.estimate_nanousd += c->estimate_nanousd;
        e->cost.flags |= c->flags;
        return;
    }
    r->costs = xrealloc(r->costs, (r->cost_count + 1) * sizeof *r->costs);
    e = &r->costs[r->cost_count++];
    *e = (struct cost_event){.job_id = r->id,
                             .root_id = r->id,
                             .attempt = r->held.attempts + 1,
                             .type = r->held.type,
                             .tenant = r->job.tenant,
                             .tags = r->job.tags,
                             .provider = provider,
                             .model = model,
                             .requested_model = requested_model,
                             .cost = *c,
                             .at_ms = clock_wall_ms()};
    snprintf(e->event_id, sizeof e->event_id, "%s:%d:%d:%u-%s.%d", r->id, r->held.run, e->attempt,
             r->held.tnum, r->held.token, r->calls);
}
