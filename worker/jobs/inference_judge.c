/* inference_judge.c - what an answer, or its absence, means for the job and for its costs. */
#include "common/core/clock.h"
#include "common/core/log.h"
#include "worker/jobs/inference.h"

/* ---- money ---- */

static void tell_cost(struct run *r, const struct cost *c, struct span answered)
{
    struct inference *i = r->state;

    run_cost(r, c, i->provider->name, answered.n ? answered : i->req.model,
             i->req.requested ? i->req.model : (struct span){NULL, 0});
}

void inference_tell_lost(struct run *r)
{
    struct inference *i = r->state;
    struct cost c;

    cost_of_lost(&c, i->model, i->req.task, buf_span(&i->req.body));
    tell_cost(r, &c, (struct span){NULL, 0});
}

static void tell_failed(struct run *r)
{
    tell_cost(r, &(struct cost){.flags = COST_FAILED}, (struct span){NULL, 0});
}

/* A gateway that gave up waiting says nothing about the engine behind it. */
static bool may_have_run(int status, enum err_kind kind)
{
    return status == 504 || (status >= 520 && status <= 524) || kind == ERR_BAD_ANSWER;
}

/* ---- answers ---- */

static void good_answer(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    const struct model *m =
        t->model.n ? model_find(&r->p->cfg->models, t->model.p, t->model.n) : NULL;
    struct cost c;

    stops_clear(r->p->stops, i->fingerprint);
    cost_of_answer(&c, m ? m : i->model, i->req.task, buf_span(&i->req.body), &t->usage, a->body);
    tell_cost(r, &c, m ? t->model : (struct span){NULL, 0});
    r->model = t->model.n ? t->model : i->req.model;
    r->usage = t->usage;
    r->usage.prompt_tokens = c.prompt_tokens;
    r->usage.completion_tokens = c.completion_tokens;
    r->usage.cached_tokens = c.cached_tokens;
    run_done(r, a->body);
}

static void refused(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    const struct http_reply *reply = a->http;
    struct failure f = {.http_status = reply->status, .provider_code = t->provider_code};

    f.server_wait_ms =
        http_retry_after_ms(reply, clock_wall_ms(), r->p->cfg->retry_server_wait_max_ms);
    err_set(&f.err, t->kind, "%s answered %d: %s", i->provider->name, reply->status,
            t->message[0] ? t->message : err_text(t->kind));
    if (a->began || may_have_run(reply->status, t->kind))
        inference_tell_lost(r);
    else
        tell_failed(r);
    if (err_class(t->kind) == ERR_CLASS_STOP)
        stops_set(r->p->stops, i->fingerprint, t->kind);
    run_fail(r, &f);
}

/* Outcomes without a complete answer. */
static const struct {
    enum err_kind kind;
    bool may_have_run;
} lost_kinds[] = {
    [HTTP_NOT_SENT] = {ERR_CONNECT, false},
    [HTTP_SENT_UNKNOWN] = {ERR_ANSWER_LOST, true},
    [HTTP_CUT] = {ERR_ANSWER_LOST, true},
    [HTTP_TIMED_OUT] = {ERR_TIMEOUT, true},
    [HTTP_TOO_LARGE] = {ERR_ANSWER_TOO_LARGE, true},
    [HTTP_REFUSED] = {ERR_CONNECT, false},
    [HTTP_CANCELLED] = {ERR_ANSWER_LOST, true},
};

void inference_lost(struct run *r, const struct http_reply *reply)
{
    struct inference *i = r->state;
    struct failure f = {.http_status = reply->status, .server_wait_ms = -1};
    enum err_kind kind = lost_kinds[reply->outcome].kind;

    if (lost_kinds[reply->outcome].may_have_run)
        inference_tell_lost(r);
    if (reply->outcome == HTTP_SENT_UNKNOWN && reply->reused && !i->again) {
        i->again = true;
        log_event(LOG_INFO, "call.again", "job=%s reason=stale_connection", r->id);
        inference_go(r, INFERENCE_SEND);
        return;
    }
    err_set(&f.err, kind, "%s: %s", err_text(kind), reply->detail ? reply->detail : "no detail");
    run_fail(r, &f);
}

void inference_answered(struct run *r, const struct inference_answer *a)
{
    if (a->reply.kind == ERR_NONE)
        good_answer(r, a);
    else
        refused(r, a);
}
