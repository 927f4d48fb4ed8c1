/* http_client.c - the calls: sent, ended, reported once, and used again.
 *
 *   POOLED ──http_send──▶ RUNNING ──curl is done──────────▶ REPORTING ──▶ POOLED
 *               │  ▲         │                                  ▲
 *               │  └ WAITING │ cancel, idle, refused            │
 *               │            ▼                                  │
 *               └────────▶ ENDING ──────────next turn───────────┘
 *
 * Calls that have something to do outside of the current callback sit in one
 * queue, which one deferred function empties: WAITING ones were sent from
 * inside a curl callback (on_data), where curl may not be entered again;
 * ENDING ones have their outcome and only wait to be reported.  So on_done is
 * never called inside http_send or http_cancel, and never inside curl.
 *
 * A call keeps its easy handle, its buffers and curl's unchanging options when
 * it goes back to the pool: the next one costs a few allocations.  Buffers that
 * grew are given back.
 *
 * on_done may send, cancel others, and stop the loop; it may not free the
 * client.  SIGPIPE must be ignored, as loop_new does: OpenSSL writes to sockets
 * that may be gone.
 */
#include "common/io/http_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/xalloc.h"
#include "common/io/http_client_impl.h"
#include "common/io/loop.h"

enum {
    MAX_CONNECTIONS = 256,
    MAX_IDLE_MS = 30000,
    CACHE_STEP = 64,             /* calls in flight by which curl's connection cache grows */
    KEPT_BUFFER_BYTES = 8 * 1024 /* a pooled call keeps buffers up to this size */
};

/* ---- the client ---- */

static bool environment_has_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (getenv(names[i]))
            return true;
    return false;
}

/* The library does not look for it; only the command curl does. */
static const char *environment_ca_file(void)
{
    const char *path = getenv("SSL_CERT_FILE");

    return path && *path ? path : NULL;
}

static bool curl_is_fit(void)
{
    return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK &&
           curl_version_info(CURLVERSION_NOW)->features & CURL_VERSION_ASYNCHDNS;
}

/* curl would print its own option for it twice per request. */
static char *user_agent_line(const char *name)
{
    struct buf line = BUF(1024);

    buf_printf(&line, "User-Agent: %s", name ? name : "flotilla/" FLOTILLA_VERSION);
    return buf_take(&line);
}

struct http_client *http_client_new(struct loop *borrow_loop, const struct http_client_options *opt)
{
    static const struct http_client_options defaults = {0};
    struct http_client *c = xcalloc(1, sizeof *c);
    bool fit = curl_is_fit();

    assert(fit); /* a libcurl whose name look-ups would stop the loop */
    (void)fit;
    if (!opt)
        opt = &defaults;
    c->loop = borrow_loop;
    c->max_connections = opt->max_connections ? opt->max_connections : MAX_CONNECTIONS;
    c->max_idle_s = (long)(((opt->max_idle_ms ? opt->max_idle_ms : MAX_IDLE_MS) + 999) / 1000);
    c->user_agent = user_agent_line(opt->user_agent);
    c->ca_file = xstrdup(opt->ca_file ? opt->ca_file : environment_ca_file());
    c->env_proxy = environment_has_proxy();
    TAILQ_INIT(&c->calls);
    TAILQ_INIT(&c->queue);
    TAILQ_INIT(&c->pool);
    if (!http_multi_start(c)) {
        http_client_free(c);
        return NULL;
    }
    return c;
}

static void call_free(struct http_call *call)
{
    curl_easy_cleanup(call->easy);
    buf_done(&call->answer);
    buf_done(&call->head_in);
    free(call);
}

static void run_queue(void *arg);

void http_client_free(struct http_client *c)
{
    struct http_call *call;

    if (!c)
        return;
    assert(!c->in_curl && !c->reporting);
    c->closing = true;
    while ((call = TAILQ_FIRST(&c->calls))) {
        http_call_end(call, HTTP_CANCELLED, "the client was closed");
        TAILQ_REMOVE(&c->queue, call, turn);
        http_call_report(call, HTTP_CANCELLED);
    }
    loop_undefer(c->loop, run_queue, c);
    while ((call = TAILQ_FIRST(&c->pool))) {
        TAILQ_REMOVE(&c->pool, call, link);
        call_free(call);
    }
    http_multi_stop(c);
    http_urls_done(c);
    free(c->user_agent);
    free(c->ca_file);
    free(c);
}

size_t http_in_flight(const struct http_client *c) { return c->in_flight; }

/* ---- a call begins ---- */

static struct http_call *call_take(struct http_client *c)
{
    struct http_call *call = TAILQ_FIRST(&c->pool);

    if (call) {
        TAILQ_REMOVE(&c->pool, call, link);
        c->pooled--;
    } else {
        call = xcalloc(1, sizeof *call);
        call->client = c;
        call->easy = http_easy_new(call);
        if (!call->easy)
            abort(); /* no memory: as xcalloc does */
    }
    TAILQ_INSERT_TAIL(&c->calls, call, link);
    c->in_flight++;
    return call;
}

static void enqueue(struct http_call *call, enum http_call_state state)
{
    struct http_client *c = call->client;

    call->state = state;
    TAILQ_INSERT_TAIL(&c->queue, call, turn);
    if (!c->queue_deferred)
        loop_defer(c->loop, run_queue, c);
    c->queue_deferred = true;
}

/* curl counts the connections in use into its cache; ours are those kept on top of them. */
static void grow_cache(struct http_client *c)
{
    size_t want = c->max_connections + (c->in_flight / CACHE_STEP + 1) * CACHE_STEP;

    if (want == c->cache_size)
        return;
    c->cache_size = want;
    curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, (long)want);
}

static void call_start(struct http_call *call)
{
    struct http_client *c = call->client;

    grow_cache(c);
    call->state = HTTP_CALL_RUNNING;
    http_wire_start(call);
    call->in_multi = curl_multi_add_handle(c->multi, call->easy) == CURLM_OK;
    if (!call->in_multi)
        http_call_end(call, HTTP_NOT_SENT, "libcurl did not take the request");
}

struct http_call *http_send(struct http_client *c, const struct http_request *req)
{
    struct http_call *call;

    assert(!c->closing);
    call = call_take(c);
    if (!http_easy_prepare(call, req))
        http_call_end(call, HTTP_REFUSED, NULL);
    else if (c->in_curl)
        enqueue(call, HTTP_CALL_WAITING);
    else
        call_start(call);
    return call;
}

/* ---- a call ends ---- */

void http_call_end(struct http_call *call, enum http_outcome outcome, const char *why)
{
    if (call->state == HTTP_CALL_REPORTING)
        return;
    call->outcome = outcome;
    if (why)
        snprintf(call->why, sizeof call->why, "%s", why);
    if (call->state == HTTP_CALL_WAITING || call->state == HTTP_CALL_ENDING)
        call->state = HTTP_CALL_ENDING;
    else
        enqueue(call, HTTP_CALL_ENDING);
}

void http_cancel(struct http_call *call) { http_call_end(call, HTTP_CANCELLED, "cancelled"); }

static void run_queue(void *arg)
{
    struct http_client *c = arg;
    struct http_calls now = TAILQ_HEAD_INITIALIZER(now);
    struct http_call *call;

    c->queue_deferred = false;
    TAILQ_CONCAT(&now, &c->queue, turn);
    while ((call = TAILQ_FIRST(&now))) {
        TAILQ_REMOVE(&now, call, turn);
        if (call->state == HTTP_CALL_WAITING)
            call_start(call);
        else
            http_call_report(call, call->outcome);
    }
}

static void trim(struct buf *b)
{
    if (b->cap > KEPT_BUFFER_BYTES)
        buf_done(b);
    else
        buf_clear(b);
}

/* Back to the pool, with nothing left of this request. */
static void recycle(struct http_call *call)
{
    struct http_client *c = call->client;
    struct http_call clean = {.client = c, .easy = call->easy, .state = HTTP_CALL_POOLED};

    TAILQ_REMOVE(&c->calls, call, link);
    c->in_flight--;
    free(call->body);
    free(call->head);
    trim(&call->answer);
    trim(&call->head_in);
    clean.answer = call->answer;
    clean.head_in = call->head_in;
    *call = clean;
    if (c->closing || c->pooled >= c->max_connections) {
        call_free(call);
        return;
    }
    TAILQ_INSERT_HEAD(&c->pool, call, link);
    c->pooled++;
}

/* curl's figures are those of the handle's last call until this one began. */
void http_call_describe(const struct http_call *call, struct http_reply *reply)
{
    curl_off_t tcp_us = 0, tls_us = 0;
    long status = 0;

    if (call->began) {
        curl_easy_getinfo(call->easy, CURLINFO_CONNECT_TIME_T, &tcp_us);
        curl_easy_getinfo(call->easy, CURLINFO_APPCONNECT_TIME_T, &tls_us);
    }
    if (call->answer_began)
        curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    reply->status = (int)status;
    reply->reused = call->reused;
    reply->sent = http_wire_sent(call);
    reply->unverified = call->unverified;
    reply->body = buf_span(&call->answer);
    reply->headers = buf_span(&call->head_in);
    reply->connect_ms = (tls_us ? tls_us : tcp_us) / 1000;
    reply->total_ms = clock_mono_ms() - call->started_ms;
    reply->detail = call->why[0] ? call->why : call->curl_why;
}

void http_call_report(struct http_call *call, enum http_outcome outcome)
{
    struct http_client *c = call->client;
    struct http_reply reply = {.outcome = outcome};

    loop_cancel(&call->idle);
    http_call_describe(call, &reply);
    if (call->in_multi)
        curl_multi_remove_handle(c->multi, call->easy);
    call->in_multi = false;
    call->state = HTTP_CALL_REPORTING;
    c->reporting = true;
    call->on_done(call->arg, &reply);
    c->reporting = false;
    recycle(call);
}
