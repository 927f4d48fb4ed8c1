/* run_outcome.c - how a run ends: see the table in run.h.
 *
 *   complete, fail, cancel, expire ----------------> finish --+--> outbox
 *   retry, park, postpone, poll, requeue, move ----> defer ---+
 */
#include <stdio.h>

#include "common/core/json.h"
#include "common/core/log.h"
#include "common/core/random.h"
#include "common/queue/ending.h"
#include "worker/claims/outbox.h"
#include "worker/retry.h"
#include "worker/run_private.h"

/* ---- endings ---- */

/* A job that expired, or waited too long for the provider, spent none with its last run. */
static bool spends_attempt(enum job_state status, const struct failure *f)
{
    return status != JOB_STATE_EXPIRED && !(f && f->err.kind == ERR_WAITED_TOO_LONG);
}

static void finish(struct run *r, enum job_state status, struct span output,
                   const struct failure *f)
{
    struct result res;
    struct ending e;

    run_end(r);
    r->outcome = status;
    result_from(&res, r->id, &r->held, &r->job, (struct span){NULL, 0});
    res.status = status;
    res.attempts = r->held.attempts + spends_attempt(status, f);
    res.model = r->model;
    res.provider = r->provider;
    res.cached = r->cached;
    res.output = output;
    if (output.n)
        res.structured = buf_span(&r->structured);
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
    res.finished_ms = run_now_ms(r);
    ending_make(&e, r->id, &r->held, &r->job, &res, r->p->env.cfg->webhooks_output_bytes);
    e.finish.costs = r->costs;
    e.finish.cost_count = r->cost_count;
    outbox_finish(r->p->outbox, &e.finish, r);
    ending_done(&e);
}

void run_done(struct run *r, struct span output) { finish(r, JOB_STATE_COMPLETED, output, NULL); }

void run_end_cancelled(struct run *r)
{
    struct failure f = {0};

    err_set(&f.err, ERR_CANCELLED, "cancelled while it was running");
    finish(r, JOB_STATE_CANCELLED, (struct span){NULL, 0}, &f);
}

/* ---- deferring ---- */

/* "refused" in the record counts for `flotilla why` the retries and parks after an error, and keeps
 * the last one's text.  A large document is not sent again for it. */
enum { REFUSED_DOC_BYTES = 256 << 10 };

static void add_refused(const struct run *r, const struct err *why, struct buf *body)
{
    struct span tail = record_tail(&r->held, r->bytes, r->bytes_n);
    struct span before = json_at(tail, "refused");
    int64_t n;

    if (!why && before.n)
        json_add_raw(body, "refused", before);
    if (!why)
        return;
    json_add_key(body, "refused");
    buf_putc(body, '{');
    json_add_int(body, "times", json_read_int(json_at(before, "times"), &n) ? n + 1 : 1);
    json_add_str(body, "text", why->msg);
    buf_putc(body, '}');
}

/* why: an error, or NULL when the job waits for something else. */
static void defer(struct run *r, struct record next, int64_t delay_ms, bool front,
                  struct span progress, const struct err *why)
{
    struct buf body = BUF(512u << 20);
    struct defer d = {.id = r->id,
                      .held = &r->held,
                      .next = next,
                      .delay_ms = delay_ms,
                      .front = front,
                      .costs = r->costs,
                      .cost_count = r->cost_count};

    r->delay_ms = delay_ms;
    run_end(r);
    if (r->cost_nanousd > 0 || progress.n || (why && r->job.doc.n <= REFUSED_DOC_BYTES)) {
        buf_add_span(&body, r->job.doc);
        buf_putc(&body, '{');
        json_add_int(&body, "cost", r->cost_nanousd);
        add_refused(r, why, &body);
        if (progress.n)
            json_add_raw(&body, "data", progress);
        buf_putc(&body, '}');
        d.body = buf_span(&body);
    }
    outbox_defer(r->p->outbox, &d, r);
    buf_done(&body);
}

void run_poll(struct run *r, const char *step, int64_t in_ms, struct span progress)
{
    struct record next = r->held;

    next.parked_ms = 0;
    snprintf(next.step, sizeof next.step, "%s", step);
    defer(r, next, in_ms, false, progress, NULL);
}

/* A job that came to no call has not been started. */
static struct record back(const struct run *r)
{
    struct record next = r->held;

    if (r->first && r->calls == 0 && (job_type_flags(r->held.type) & JOB_CALLS))
        next.started_ms = 0;
    return next;
}

static void note_step(const struct run *r, struct record *next)
{
    if (r->step)
        snprintf(next->step, sizeof next->step, "%s", r->step->name);
}

static struct record parked(const struct run *r)
{
    struct record next = back(r);

    next.parks++;
    note_step(r, &next);
    return next;
}

void run_move(struct run *r, enum queue_id queue)
{
    struct record next = back(r);

    next.queue = queue;
    defer(r, next, 0, false, run_progress(r), NULL);
}

void run_postpone(struct run *r, int64_t in_ms, struct span progress)
{
    struct record next = parked(r);

    if (in_ms == 0)
        next.parks = r->held.parks;
    defer(r, next, in_ms, true, progress, NULL);
}

void run_postpone_once(struct run *r, int64_t in_ms, struct span progress)
{
    struct record next = parked(r);

    if (r->held.parks > 0)
        next.parks = r->held.parks;
    defer(r, next, in_ms, true, progress, NULL);
}

static void park(struct run *r, int64_t in_ms, const struct err *why)
{
    struct record next = parked(r);

    if (!next.parked_ms)
        next.parked_ms = run_now_ms(r);
    defer(r, next, in_ms, true, run_progress(r), why);
}

static void retry_later(struct run *r, int64_t in_ms, const struct err *why)
{
    struct record next = r->held;

    next.attempts++;
    next.parked_ms = 0;
    note_step(r, &next);
    defer(r, next, in_ms, false, run_progress(r), why);
}

void run_requeue(struct run *r)
{
    if (r->ended)
        return;
    run_abort(r);
    defer(r, back(r), 0, true, run_progress(r), NULL);
}

/* ---- failing ---- */

static struct retry_out decide(const struct run *r, enum err_kind kind, int64_t server_wait_ms)
{
    const struct config *c = r->p->env.cfg;
    const struct retry_rules rules = {c->retry_park_min_ms, c->retry_park_max_ms,
                                      c->retry_max_wait_ms, c->retry_server_wait_max_ms};
    const struct retry_in in = {.kind = kind,
                                .job = &r->job,
                                .rec = &r->held,
                                .now_ms = run_now_ms(r),
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
        park(r, out.delay_ms, &f->err);
    else
        retry_later(r, out.delay_ms, &f->err);
}

void run_retry(struct run *r, const struct failure *f, int64_t in_ms, int max_attempts)
{
    if (r->held.attempts + 1 >= max_attempts)
        end_failed(r, f, f->err.kind);
    else
        retry_later(r, in_ms, &f->err);
}

bool run_may_park(const struct run *r, enum err_kind why, int64_t in_ms)
{
    return decide(r, why, in_ms).action == RETRY_PARK;
}

void run_park(struct run *r, const struct err *why, int64_t in_ms)
{
    struct failure f = {.err = *why, .server_wait_ms = in_ms};
    struct retry_out out = decide(r, why->kind, in_ms);

    if (out.action == RETRY_PARK)
        park(r, in_ms, why);
    else
        end_failed(r, &f, out.kind);
}

void run_end_expired(struct run *r)
{
    struct failure f = {0};

    err_set(&f.err, ERR_EXPIRED, "not started within expires_in_ms = %lld",
            (long long)(r->held.expires_ms - r->held.submitted_ms));
    finish(r, JOB_STATE_EXPIRED, (struct span){NULL, 0}, &f);
}
