/* webhook.c - delivers a job's result, or an alert, to its receiver, signed, for days if need be.
 *
 * The document carries the final bytes (payload.body), so what is signed and
 * sent is the same at every try.  2xx is success; 410 ends it; 429 and 503
 * honour Retry-After; anything else is tried again on webhooks.schedule_ms;
 * then the delivery is dead and can be replayed.
 *
 * The status alone decides.  A receiver that answered has been called, whatever
 * its body does then: ANSWER_BYTES of it are read, so that the connection can be
 * used again, and a longer one is cut.
 *
 * The schedule gives the pause before each try (0, 5 s, 5 min, ...), each with
 * up to a tenth of jitter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/random.h"
#include "common/core/xalloc.h"
#include "worker/clients.h"
#include "worker/job_types.h"
#include "worker/webhook/hooks.h"
#include "worker/webhook/signature.h"

enum { SCHEDULE_MAX = 32, ANSWER_BYTES = 64 * 1024 };

struct webhook {
    struct buf url;
    struct span body; /* in the document: the exact bytes */
    char host[256];   /* "example.com:8443": whose turn it is */
    bool alert;       /* payload.sign: it is signed as alerts are */
    struct flight *flight;
};

/* What the HTTP client holds: outlives a run that was aborted. */
struct flight {
    struct run *run;
    struct http_call *call;
    size_t answer_n; /* bytes of the answer's body so far */
};

/* ---- tries ---- */

static int64_t pause_before_try(struct run *r, int try, int *ret_tries)
{
    int64_t schedule[SCHEDULE_MAX];
    size_t n = config_webhook_schedule(r->p->env.cfg, schedule, SCHEDULE_MAX);
    int64_t pause = (size_t)try < n ? schedule[try] : 0;

    *ret_tries = (int)n;
    return pause + random_below(pause / 10 + 1);
}

static void try_again(struct run *r, struct failure *f)
{
    int tries;
    int64_t pause = pause_before_try(r, r->held.attempts + 1, &tries);

    run_retry(r, f, max64(f->server_wait_ms, pause), tries);
}

/* ---- answers ---- */

static const struct {
    int low, high;
    enum err_kind kind;
} statuses[] = {
    {410, 410, ERR_WEBHOOK_GONE}, {300, 399, ERR_WEBHOOK_REDIRECT}, {0, 999, ERR_WEBHOOK_STATUS}};

static enum err_kind kind_of(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(statuses); i++)
        if (status >= statuses[i].low && status <= statuses[i].high)
            return statuses[i].kind;
    return ERR_WEBHOOK_STATUS;
}

static void answered(struct run *r, const struct http_reply *reply)
{
    struct failure f = {.http_status = reply->status, .server_wait_ms = -1};
    char output[64];

    if (reply->status >= 200 && reply->status < 300) {
        snprintf(output, sizeof output, "{\"status\":%d}", reply->status);
        run_done(r, (struct span){output, strlen(output)});
        return;
    }
    err_set(&f.err, kind_of(reply->status), "%s answered %d", ((struct webhook *)r->state)->host,
            reply->status);
    if (reply->status == 429 || reply->status == 503)
        f.server_wait_ms = http_retry_after_ms(reply, clock_wall_ms(), 86400000);
    if (f.err.kind == ERR_WEBHOOK_GONE)
        run_fail(r, &f);
    else
        try_again(r, &f);
}

static void not_answered(struct run *r, const struct http_reply *reply)
{
    struct failure f = {.server_wait_ms = -1};
    enum err_kind kind = reply->outcome == HTTP_REFUSED     ? ERR_WEBHOOK_REFUSED
                         : reply->outcome == HTTP_TIMED_OUT ? ERR_TIMEOUT
                         : reply->outcome == HTTP_NOT_SENT  ? ERR_CONNECT
                                                            : ERR_ANSWER_LOST;

    err_set(&f.err, kind, "%s: %s", ((struct webhook *)r->state)->host,
            reply->detail && *reply->detail ? reply->detail : err_text(kind));
    if (kind == ERR_WEBHOOK_REFUSED)
        run_fail(r, &f);
    else
        try_again(r, &f);
}

static bool has_status(const struct http_reply *reply) { return reply->status >= 200; }

/* A receiver that decides (2xx, 4xx) works; one that fails, redirects or is silent does not. */
static bool receiver_works(const struct http_reply *reply)
{
    return reply->outcome == HTTP_REFUSED ||
           (has_status(reply) &&
            (reply->status < 300 || (reply->status >= 400 && reply->status < 429)));
}

static bool on_data(void *arg, const char *p, size_t n)
{
    struct flight *fl = arg;

    (void)p;
    fl->answer_n += n;
    return fl->answer_n <= ANSWER_BYTES;
}

static void end_flight(struct run *r, const struct http_reply *reply)
{
    struct webhook *w = r->state;
    RUN_SCOPE(r);

    w->flight = NULL;
    hooks_end(r->p->hooks, w->host, receiver_works(reply));
    if (has_status(reply))
        answered(r, reply);
    else
        not_answered(r, reply);
}

static void on_done(void *arg, const struct http_reply *reply)
{
    struct flight *fl = arg;

    if (fl->run)
        end_flight(fl->run, reply);
    free(fl);
}

/* ---- the call ---- */

/* The secret and the old one: alerts may have one of their own. */
static void sign(struct run *r, struct span body, int64_t at_s, struct buf *header)
{
    const struct config *c = r->p->env.cfg;
    bool own = ((struct webhook *)r->state)->alert && c->alerts_webhook_secret[0];
    const char *secrets[] = {own ? c->alerts_webhook_secret : c->webhooks_secret,
                             own ? "" : c->webhooks_old_secret};
    struct buf value = BUF(1024);
    bool is_signed = false;

    for (size_t i = 0; i < ARRAY_LEN(secrets); i++)
        if (secrets[i][0] && signature_add(&value, secrets[i], r->id, at_s, body))
            is_signed = true;
    if (is_signed)
        buf_printf(header, "webhook-signature: %s", value.p);
    buf_done(&value);
}

static void webhook_send(struct run *r)
{
    struct webhook *w = r->state;
    struct flight *fl = xcalloc(1, sizeof *fl);
    const struct config *c = r->p->env.cfg;
    struct buf signature = BUF(2048);
    char id[160], at[64], parent[128];
    const char *headers[6] = {"Content-Type: application/json", id, at};
    size_t n = 3;
    int64_t now_s = clock_wall_ms() / 1000;
    struct http_request q = {.method = "POST",
                             .headers = headers,
                             .body = w->body,
                             .timeout_ms = c->webhooks_timeout_ms,
                             .max_answer_bytes = (size_t)2 * ANSWER_BYTES,
                             .plain_http_allowed = c->webhooks_allow_http,
                             .refuse_private = true,
                             .allow = hooks_networks(r->p->hooks),
                             .on_data = on_data,
                             .on_done = on_done,
                             .arg = fl};

    q.url = w->url.p;
    snprintf(id, sizeof id, "webhook-id: %s", r->id);
    snprintf(at, sizeof at, "webhook-timestamp: %lld", (long long)now_s);
    sign(r, w->body, now_s, &signature);
    if (signature.n)
        headers[n++] = signature.p;
    if (job_trace_header(&r->job, parent, sizeof parent))
        headers[n++] = parent;
    headers[n] = NULL;
    fl->run = r;
    w->flight = fl;
    fl->call = http_send(clients_for(r->p->clients, c->webhooks_ca_file), &q);
    buf_done(&signature);
}

/* "https://user@example.com:8443/x" -> "example.com:8443" */
static void host_of(const char *url, char *host, size_t size)
{
    const char *p = strstr(url, "://"), *at;
    size_t n;

    p = p ? p + 3 : url;
    n = strcspn(p, "/?#");
    at = memchr(p, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - p);
        p = at + 1;
    }
    snprintf(host, size, "%.*s", (int)n, p);
}

static void webhook_start(struct run *r)
{
    struct webhook *w = xcalloc(1, sizeof *w);
    struct span url = {NULL, 0}, sign_as = {NULL, 0};
    const struct json_want wants[] = {{"url", &url}, {"body", &w->body}, {"sign", &sign_as}};
    struct failure f = {.server_wait_ms = -1};
    int64_t wait;

    r->state = w;
    buf_init(&w->url, 8192);
    if (!json_pick(r->job.payload.p, r->job.payload.n, wants, ARRAY_LEN(wants)) || !w->body.n ||
        !json_read_string(url, &w->url)) {
        err_set(&f.err, ERR_INVALID, "payload: a webhook needs url and body");
        run_fail(r, &f);
        return;
    }
    w->alert = json_equals(sign_as, "alerts");
    host_of(w->url.p, w->host, sizeof w->host);
    wait = hooks_begin(r->p->hooks, w->host);
    if (wait > 0)
        run_poll(r, "deliver", wait, (struct span){NULL, 0});
    else if (claimer_may_call(&r->p->claimer))
        webhook_send(r);
    else {
        hooks_drop(r->p->hooks, w->host);
        run_requeue(r);
    }
}

static void abort_call(struct run *r)
{
    struct webhook *w = r->state;
    struct flight *fl = w ? w->flight : NULL;

    if (!fl)
        return;
    w->flight = NULL;
    fl->run = NULL;
    hooks_drop(r->p->hooks, w->host);
    http_cancel(fl->call);
}

static void done(struct run *r)
{
    struct webhook *w = r->state;

    if (!w)
        return;
    buf_done(&w->url);
    free(w);
}

static const struct step steps[] = {{"deliver", webhook_start, abort_call}};
const struct job_type job_type_webhook = {.steps = steps, .step_count = 1, .done = done};
