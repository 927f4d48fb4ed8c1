/* inference_call.c - SEND, the call itself: who may make it, what goes out, what comes back.
 *
 *     inference_send: paid for? a slot? a key, and not stopped? its health's leave? our heartbeat?
 *          |                                  (each no goes elsewhere: BUDGET, a wait, a park)
 *          v
 *     http_send --> on_done --> end_flight: whole answer --> inference_answered   (judge.c)
 *        |                                  none         --> inference_lost
 *        +--> on_head, on_data: a stream's, inference_stream.c
 *
 * A flight is what the HTTP client knows.  It outlives its run: an abort cuts the two apart, records
 * that the call may be paid, and cancels; on_done then only frees. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "worker/clients.h"
#include "worker/inference/inference.h"
#include "worker/route/watch.h"
#include "worker/together/answer.h"

/* What the HTTP client holds: outlives a run that was aborted. */
struct flight {
    struct run *run; /* NULL: aborted */
    struct http_call *call;
    struct inference_stream *stream; /* NULL: the answer comes at once */
};

static bool on_head(void *arg, const struct http_reply *head)
{
    struct flight *fl = arg;

    return inference_stream_head(fl->stream, head);
}

static bool on_data(void *arg, const char *p, size_t n)
{
    struct flight *fl = arg;

    return inference_stream_data(fl->stream, fl->call, p, n);
}

static void read_whole(struct run *r, const struct http_reply *reply)
{
    const struct inference *i = r->state;
    struct inference_answer a = {.http = reply};
    struct together_answer whole;

    together_answer_read(i->req.task, reply->status, reply->body, &a.reply, &whole);
    a.body = whole.body;
    inference_answered(r, &a);
    together_answer_done(&whole);
}

static void end_flight(struct flight *fl, const struct http_reply *reply)
{
    struct run *r = fl->run;
    struct inference *i = r->state;
    RUN_SCOPE(r);

    i->flight = NULL;
    if (fl->stream && inference_stream_done(fl->stream, reply))
        return;
    if (reply->outcome == HTTP_ANSWERED)
        read_whole(r, reply);
    else
        inference_lost(r, reply);
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct flight *fl = arg;

    if (fl->run)
        end_flight(fl, reply);
    inference_stream_free(fl->stream);
    free(fl);
}

/* ---- the call ---- */

/* a and b, cut to what fits: a printf costs ten times that, in every call. */
static void join(char *text, size_t size, const char *a, const char *b)
{
    size_t na = strnlen(a, size - 1), nb = strnlen(b, size - 1 - na);

    memcpy(text, a, na);
    memcpy(text + na, b, nb);
    text[na + nb] = '\0';
}

static void inference_call_send(struct run *r)
{
    struct inference *i = r->state;
    struct flight *fl = xcalloc(1, sizeof *fl);
    char url[1024], authorization[1024], parent[128];
    const char *headers[5] = {"Content-Type: application/json",
                              i->req.stream ? "Accept: text/event-stream, application/json"
                                            : "Accept: application/json"};
    size_t n = 2;
    struct http_request q = {.method = "POST",
                             .url = url,
                             .headers = headers,
                             .body = buf_span(&i->req.body),
                             .timeout_ms = r->job.timeout_ms,
                             .connect_timeout_ms = r->p->env.cfg->providers_connect_timeout_ms,
                             .max_answer_bytes = (size_t)r->p->env.cfg->limits_answer_bytes,
                             .plain_http_allowed =
                                 i->provider->loopback || r->p->env.cfg->providers_allow_http,
                             .same_url = true,
                             .on_done = on_done,
                             .arg = fl};

    join(url, sizeof url, i->provider->base_url, i->req.path);
    if (i->provider->api_key) {
        join(authorization, sizeof authorization, "Authorization: Bearer ", i->provider->api_key);
        headers[n++] = authorization;
    }
    if (job_trace_header(&r->job, parent, sizeof parent))
        headers[n++] = parent;
    if (i->req.stream) {
        fl->stream = inference_stream_new(r, &q);
        q.on_head = on_head;
        q.on_data = on_data;
    }
    fl->run = r;
    i->flight = fl;
    fl->call = http_send(clients_for(r->p->clients, i->provider->ca_file), &q);
    health_began(r->p->health, &i->health);
}

static bool has_key(struct run *r)
{
    const struct inference *i = r->state;
    struct err err;

    if (i->provider->api_key || i->provider->loopback)
        return true;
    err_set(&err, ERR_NO_KEY, "no API key is configured for provider '%s'", i->provider->name);
    watch_tell(r->p->watch, "no_key", i->provider->name, err.msg);
    inference_blocked(r, &err, r->p->env.cfg->retry_park_max_ms);
    return false;
}

static bool may_use_key(struct run *r)
{
    struct inference *i = r->state;
    struct err why;
    int64_t wait;

    stops_fingerprint(i->provider->api_key ? i->provider->api_key : "", i->fingerprint);
    wait = stops_wait_ms(r->p->stops, i->fingerprint, &why);
    if (wait > r->p->env.cfg->retry_park_max_ms) /* it may be cleared before the next probe */
        wait = r->p->env.cfg->retry_park_max_ms;
    if (wait > 0)
        inference_blocked(r, &why, wait);
    return wait == 0;
}

void inference_send(struct run *r)
{
    const struct inference *i = r->state;

    if (!i->covered) { /* a second call of the same run, or it has waited for long */
        run_enter(r, INFERENCE_BUDGET);
        return;
    }
    if (!run_acquire_slot(r, inference_send) || !run_report_costs(r, inference_send))
        return;
    /* The probe of a route that is not made goes back; that of a key is gone for its period. */
    if (!has_key(r) || !inference_may_go(r) || !may_use_key(r))
        return;
    if (claimer_may_call(&r->p->claimer))
        inference_call_send(r);
    else
        run_requeue(r); /* others may think that we are dead */
}

void inference_send_abort(struct run *r)
{
    struct inference *i = r->state;
    struct flight *fl = i->flight;

    loop_cancel(&i->probe);
    if (!fl)
        return;
    i->flight = NULL;
    fl->run = NULL;
    health_drop(r->p->health, &i->health);
    inference_stream_free(TAKE(fl->stream)); /* it knows the run, and may hold a timer */
    if (!r->fenced)                          /* else the recovery has recorded the loss */
        inference_report_lost(r);
    http_cancel(fl->call);
}
