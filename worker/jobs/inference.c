/* inference.c - one call to a provider: chat, completion, code, embedding, image, rerank.
 *
 *   call --answered well--> done (the answer's bytes become the output)
 *        --anything else--> run_fail, whose table decides: retry, park, end
 *
 * Nothing is sent twice by accident: the HTTP client reports what may have
 * arrived, every call whose answer was lost leaves an `unconfirmed` cost event,
 * and only a kept-alive connection that died before the first byte is tried
 * again at once, one time. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/queue/alert.h"
#include "worker/run.h"
#include "worker/stops.h"
#include "worker/together/reply.h"
#include "worker/together/request.h"

struct inference {
    struct together_request req;
    const struct model *model; /* its row; NULL: unknown, unpriced */
    const struct config_provider *provider;
    char fingerprint[STOPS_FINGERPRINT];
    struct flight *flight; /* the call under way */
    bool again;            /* the one immediate retry was used */
};

/* What the HTTP client holds: outlives a run that was aborted. */
struct flight {
    struct run *run; /* NULL: aborted */
    struct http_call *call;
};

static void call(struct run *r);

/* ---- money ---- */

static void tell_cost(struct run *r, const struct cost *c, struct span answered)
{
    struct inference *i = r->state;

    run_cost(r, c, i->provider->name, answered.n ? answered : i->req.model,
             i->req.requested ? i->req.model : (struct span){NULL, 0});
}

static void tell_lost(struct run *r)
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

static void good_answer(struct run *r, const struct together_reply *t,
                        const struct http_reply *reply)
{
    struct inference *i = r->state;
    const struct model *m =
        t->model.n ? model_find(&r->p->cfg->models, t->model.p, t->model.n) : NULL;
    struct cost c;

    stops_clear(r->p->stops, i->fingerprint);
    cost_of_answer(&c, m ? m : i->model, i->req.task, buf_span(&i->req.body), &t->usage,
                   reply->body);
    tell_cost(r, &c, m ? t->model : (struct span){NULL, 0});
    r->model = t->model.n ? t->model : i->req.model;
    r->usage = t->usage;
    r->usage.prompt_tokens = c.prompt_tokens;
    r->usage.completion_tokens = c.completion_tokens;
    r->usage.cached_tokens = c.cached_tokens;
    run_done(r, reply->body);
}

static void refused(struct run *r, const struct together_reply *t, const struct http_reply *reply)
{
    struct inference *i = r->state;
    struct failure f = {.http_status = reply->status, .provider_code = t->provider_code};

    f.server_wait_ms =
        http_retry_after_ms(reply, clock_wall_ms(), r->p->cfg->retry_server_wait_max_ms);
    err_set(&f.err, t->kind, "%s answered %d: %s", i->provider->name, reply->status,
            t->message[0] ? t->message : err_text(t->kind));
    if (may_have_run(reply->status, t->kind))
        tell_lost(r);
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

static void lost(struct run *r, const struct http_reply *reply)
{
    struct inference *i = r->state;
    struct failure f = {.http_status = reply->status, .server_wait_ms = -1};
    enum err_kind kind = lost_kinds[reply->outcome].kind;

    if (lost_kinds[reply->outcome].may_have_run)
        tell_lost(r);
    if (reply->outcome == HTTP_SENT_UNKNOWN && reply->reused && !i->again) {
        i->again = true;
        log_event(LOG_INFO, "call.again", "job=%s reason=stale_connection", r->id);
        call(r);
        return;
    }
    err_set(&f.err, kind, "%s: %s", err_text(kind), reply->detail ? reply->detail : "no detail");
    run_fail(r, &f);
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct flight *fl = arg;
    struct run *r = fl->run;
    struct together_reply t;
    struct inference *i;
    struct process *p;

    free(fl);
    if (!r)
        return;
    p = r->p;
    i = r->state;
    i->flight = NULL;
    child_enter_job(p->child, r->id);
    if (reply->outcome != HTTP_ANSWERED) {
        lost(r, reply);
    } else {
        together_reply_read(i->req.task, reply->status, reply->body, &t);
        if (t.kind == ERR_NONE)
            good_answer(r, &t, reply);
        else
            refused(r, &t, reply);
    }
    child_enter_job(p->child, NULL);
}

/* ---- the call ---- */

static void send(struct run *r)
{
    struct inference *i = r->state;
    struct flight *fl = xcalloc(1, sizeof *fl);
    char url[1024], authorization[1024], parent[128];
    const char *headers[5] = {"Content-Type: application/json", "Accept: application/json"};
    size_t n = 2;
    const struct http_request q = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .body = buf_span(&i->req.body),
                                   .timeout_ms = r->job.timeout_ms,
                                   .connect_timeout_ms = r->p->cfg->providers_connect_timeout_ms,
                                   .max_answer_bytes = (size_t)r->p->cfg->limits_answer_bytes,
                                   .plain_http_allowed =
                                       i->provider->loopback || r->p->cfg->providers_allow_http,
                                   .on_done = on_done,
                                   .arg = fl};

    snprintf(url, sizeof url, "%s%s", i->provider->base_url, i->req.path);
    if (i->provider->api_key) {
        snprintf(authorization, sizeof authorization, "Authorization: Bearer %s",
                 i->provider->api_key);
        headers[n++] = authorization;
    }
    if (job_trace_header(&r->job, parent, sizeof parent))
        headers[n++] = parent;
    fl->run = r;
    i->flight = fl;
    fl->call = http_send(r->p->http, &q);
}

static bool has_key(struct run *r)
{
    struct inference *i = r->state;
    struct err err;

    if (i->provider->api_key || i->provider->loopback)
        return true;
    err_set(&err, ERR_NO_KEY, "no API key is configured for provider '%s'", i->provider->name);
    alert_send(r->p->redis, &r->p->keys, "no_key", i->provider->name, err.msg);
    run_park(r, &err, r->p->cfg->retry_park_max_ms);
    return false;
}

static bool may_use_key(struct run *r)
{
    struct inference *i = r->state;
    struct err why;
    int64_t wait;

    stops_fingerprint(i->provider->api_key ? i->provider->api_key : "", i->fingerprint);
    wait = stops_wait_ms(r->p->stops, i->fingerprint, &why);
    if (wait > r->p->cfg->retry_park_max_ms) /* it may be cleared before the next probe */
        wait = r->p->cfg->retry_park_max_ms;
    if (wait > 0)
        run_park(r, &why, wait);
    return wait == 0;
}

static void call(struct run *r)
{
    if (!has_key(r) || !may_use_key(r))
        return;
    if (process_may_call(r->p))
        send(r);
    else
        run_give_back(r); /* others may think that we are dead */
}

static void start(struct run *r)
{
    struct inference *i = xcalloc(1, sizeof *i);
    const struct model_table *models = &r->p->cfg->models;
    struct failure f = {.server_wait_ms = -1};

    r->state = i;
    if (!together_request_build(&r->job, models, &i->req, &f.err)) {
        run_fail(r, &f);
        return;
    }
    i->model = model_find(models, i->req.model.p, i->req.model.n);
    i->provider = config_provider(r->p->cfg, i->model ? i->model->provider : "together");
    r->model = i->req.model;
    r->provider = i->provider->name;
    call(r);
}

static void abort_call(struct run *r)
{
    struct inference *i = r->state;
    struct flight *fl = i ? i->flight : NULL;

    if (!fl)
        return;
    i->flight = NULL;
    fl->run = NULL;
    if (!r->fenced) /* else whoever took it away has told the loss */
        tell_lost(r);
    http_cancel(fl->call);
}

static void done(struct run *r)
{
    struct inference *i = r->state;

    if (!i)
        return;
    if (i->flight)
        abort_call(r);
    together_request_done(&i->req);
    free(i);
}

static const struct step steps[] = {{"call", start}};
const struct job_type job_type_inference = {
    .steps = steps, .step_count = 1, .abort = abort_call, .done = done};
