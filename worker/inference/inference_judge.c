/* inference_judge.c - what an answer, or its absence, means for the job and for its costs.
 *
 *     inference_answered --> good_answer: stops, health, rate and costs are updated; is it what was
 *            |                            asked for?  --> the result, or another call
 *            +-------------> refused:     the same of a failure --> the next route, retry, park,
 * end inference_lost ------> lost_kinds: could it have run?  then it may be paid
 *
 * The order in a branch is the promise: costs are recorded before anything can end the run, and
 * all that wait for the call (rate, health, equal calls) learn of every ending.  Money is recorded once
 * per call: the real sum, the most it can have been, or nothing, never two of them. */
#include <stdio.h>
#include <strings.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "worker/inference/inference.h"
#include "worker/route/habits.h"
#include "worker/route/watch.h"

/* ---- money ---- */

static void report_cost(struct run *r, const struct cost *c, struct span answered)
{
    struct inference *i = r->state;
    struct run_call call = inference_call(i);

    if (answered.n)
        call.model = answered;
    run_cost(r, c, &call, i->hold ? hold_name(i->hold) : NULL);
    inference_settle(r, c);
}

void inference_report_lost(struct run *r)
{
    struct inference *i = r->state;
    struct cost c;

    cost_of_lost(&c, i->model, i->req.task, buf_span(&i->req.body));
    if (i->hold) /* prices may have changed since */
        c.estimate_nanousd = max64(c.estimate_nanousd, i->worst_nanousd);
    report_cost(r, &c, (struct span){NULL, 0});
}

/* ---- answers ---- */

static bool same_name(struct span a, struct span b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* Whose price an answer has: providers may pass a request on to a newer model.  *ret_name: the name
 * to account under; it lives as long as the run. */
static const struct model *priced_as(struct run *r, struct span answered, struct span *ret_name)
{
    const struct inference *i = r->state;
    const struct route *other;
    char name[256], asked[256], text[768];

    *ret_name = i->req.model;
    if (!answered.n || same_name(answered, i->req.model))
        return i->model;
    snprintf(name, sizeof name, "%.*s", (int)answered.n, answered.p);
    snprintf(asked, sizeof asked, "%.*s", (int)i->req.model.n, i->req.model.p);
    other = routes_find_at(r->p->routes, i->provider->name, answered.p, answered.n);
    snprintf(text, sizeof text, "%s was asked for %s, and answered with %s, which %s",
             i->provider->name, asked, name,
             other ? "is what is paid" : "has no known price: it is accounted as what was asked");
    watch_tell(r->p->watch, "model_differs", asked, text);
    if (!other)
        return i->model;
    *ret_name = (struct span){other->model.id, answered.n};
    return &other->model;
}

/* A call without a known price costs all the same. */
static void alert_unpriced(struct run *r, struct span model)
{
    char name[256], text[512];

    snprintf(name, sizeof name, "%.*s", (int)model.n, model.p);
    snprintf(text, sizeof text,
             "%s is called without a known price: its calls count as $0, flagged unpriced; add its "
             "prices to `models:`",
             name);
    watch_tell(r->p->watch, "unpriced", name, text);
}

static void good_answer(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    struct span name;
    const struct model *m = priced_as(r, t->model, &name);
    struct failure f = {.server_wait_ms = -1};
    struct span output;
    struct cost c;

    stops_clear(r->p->stops, i->fingerprint);
    health_answered(r->p->health, &i->health, -1);
    cost_of_answer(&c, m, i->req.task, buf_span(&i->req.body), &t->usage, a->body);
    inference_pace_end(r, a, (double)(c.prompt_tokens + c.completion_tokens));
    report_cost(r, &c, name);
    if (i->req.stream)
        habits_streamed(r->p->habits, i->provider, i->req.ask_usage, t->usage.there);
    if (c.flags & COST_UNPRICED)
        alert_unpriced(r, name);
    r->model = name; /* not the answer's, which goes away before a run that goes on does */
    r->usage = t->usage;
    r->usage.prompt_tokens = c.prompt_tokens;
    r->usage.completion_tokens = c.completion_tokens;
    r->usage.cached_tokens = c.cached_tokens;
    if (!inference_check(r, a->body))
        return;
    switch (inference_cache_keep(r, i->req.model, a, &c, &output)) {
    case INFERENCE_KEPT:
        if (t->model.n)
            r->model = t->model;
        run_done(r, output);
        return;
    case INFERENCE_ASKED_AGAIN: return;
    case INFERENCE_NO_ANSWER: break;
    }
    err_set(&f.err, ERR_BAD_ANSWER, "%s answered with another number of embeddings",
            i->provider->name);
    inference_failed(r, &f);
}

/* What is known of the cost of a call that failed: its usage; or it may have run (text had begun, a
 * gateway gave up waiting, the answer is no answer); or nothing was done. */
static void report_failed_cost(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    struct span name;
    struct cost c;

    if (t->usage.there && !(i->req.task & TASK_IMAGE)) {
        const struct model *m = priced_as(r, t->model, &name);

        cost_of_answer(&c, m, i->req.task, buf_span(&i->req.body), &t->usage,
                       (struct span){NULL, 0});
        c.flags |= COST_FAILED;
        report_cost(r, &c, name);
    } else if (a->began || t->kind == ERR_ANSWER_LOST || t->kind == ERR_BAD_ANSWER) {
        inference_report_lost(r);
    } else {
        report_cost(r, &(struct cost){.flags = COST_FAILED}, (struct span){NULL, 0});
    }
}

/* An error inside of a success, or beside usage, may be paid: it spends an attempt, whatever state
 * of the provider it names.  Parked jobs would pay for one after every pause. */
static enum err_kind kind_of_failure(const struct inference_answer *a)
{
    bool may_be_paid = (a->http->status >= 200 && a->http->status <= 299) || a->reply.usage.there;

    return may_be_paid && err_class(a->reply.kind) == ERR_CLASS_PARK ? ERR_SERVER_ERROR
                                                                     : a->reply.kind;
}

/* The provider does not know the question for usage: the same call goes out without it. */
static bool refuses_question(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;

    if (!i->req.ask_usage || a->reply.kind != ERR_BAD_REQUEST ||
        !habits_refused(r->p->habits, i->provider, a->reply.message))
        return false;
    health_answered(r->p->health, &i->health, -1);
    if (inference_take(r, i->at))
        run_enter(r, INFERENCE_CALL);
    return true;
}

static void refused(struct run *r, const struct inference_answer *a)
{
    struct inference *i = r->state;
    const struct together_reply *t = &a->reply;
    const struct http_reply *reply = a->http;
    enum err_kind kind = kind_of_failure(a);
    struct failure f = {.http_status = reply->status, .provider_code = t->provider_code};

    f.server_wait_ms =
        http_retry_after_ms(reply, clock_wall_ms(), r->p->env.cfg->retry_server_wait_max_ms);
    err_set(&f.err, kind, "%s answered %d: %s", i->provider->name, reply->status,
            t->message[0] ? t->message : err_text(t->kind));
    report_failed_cost(r, a);
    if (err_class(t->kind) == ERR_CLASS_STOP)
        stops_set(r->p->stops, i->fingerprint, t->kind);
    inference_pace_end(r, a, -1);
    if (refuses_question(r, a))
        return;
    inference_report_failed(r, kind, t->message);
    if (kind == ERR_RATE_LIMITED && inference_pace_again(r))
        return;
    inference_failed(r, &f);
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

    inference_pace_end(r, NULL, -1);
    if (lost_kinds[reply->outcome].may_have_run)
        inference_report_lost(r);
    if (reply->outcome == HTTP_SENT_UNKNOWN && reply->reused && !i->again) {
        i->again = true;
        log_event(LOG_INFO, "call.again", "job=%s reason=stale_connection", r->id);
        run_enter(r, INFERENCE_CALL);
        return;
    }
    if (reply->unverified)
        watch_tell(r->p->watch, "bad_certificate", i->provider->name, reply->detail);
    if (reply->outcome != HTTP_REFUSED && reply->outcome != HTTP_CANCELLED) /* by us */
        inference_report_failed(r, kind, "");
    err_set(&f.err, kind, "%s: %s", err_text(kind),
            reply->detail && *reply->detail ? reply->detail : "no detail");
    inference_failed(r, &f);
}

void inference_answered(struct run *r, const struct inference_answer *a)
{
    if (a->reply.kind == ERR_NONE)
        good_answer(r, a);
    else
        refused(r, a);
}
