/* sim_call.c - the path of one request from bytes to a reply.
 *
 *   route? ─▶ a fault that answers? ─▶ key? ─▶ handler (model? context? rate? answer)
 *     │              │                  │          │
 *     └──────────────┴──── error ───────┘          ▼
 *                                     shape it as the fault wants ─▶ server ─▶ end: bill
 *
 * Handlers are told nothing of faults: those either replace the reply or bend
 * the one that was made (delay, cut, drip).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/clock.h"
#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_text.h"

void sim_call_init(struct sim_call *c, struct sim *s)
{
    *c = (struct sim_call){.sim = s};
    buf_init(&c->prompt, SIM_HTTP_BODY_MAX);
    buf_init(&c->text, SIM_REPLY_MAX);
    buf_init(&c->scratch, SIM_REPLY_MAX);
    buf_init(&c->reply.head, SIM_HTTP_HEAD_MAX);
    buf_init(&c->reply.body, SIM_REPLY_MAX);
}

void sim_call_done(struct sim_call *c)
{
    buf_done(&c->prompt);
    buf_done(&c->text);
    buf_done(&c->scratch);
    buf_done(&c->reply.head);
    buf_done(&c->reply.body);
    free(c->reply.ends);
}

/* ---- replies ---- */

static void clear(struct buf *b)
{
    if (b->cap > (size_t)1024 * 1024)
        buf_done(b);
    else
        buf_clear(b);
}

static void clear_reply(struct sim_reply *r)
{
    clear(&r->head);
    clear(&r->body);
    *r = (struct sim_reply){.status = 200,
                            .head = r->head,
                            .body = r->body,
                            .ends = r->ends,
                            .pieces_cap = r->pieces_cap};
}

void sim_reply_cut(struct sim_reply *r)
{
    if (r->pieces == r->pieces_cap) {
        r->pieces_cap = r->pieces_cap ? r->pieces_cap * 2 : 32;
        r->ends = xrealloc(r->ends, r->pieces_cap * sizeof(*r->ends));
    }
    r->ends[r->pieces++] = r->body.n;
}

const char *sim_call_id(const struct sim_call *c, char text[48])
{
    static const char digits[] = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
    uint64_t v = c->serial, hash = sim_text_hash((const char *)&v, sizeof(v), 7);

    snprintf(text, 48, "om00000-2kFHot-%016" PRIx64, hash);
    for (int i = 6; i >= 2; i--, v /= 57)
        text[i] = digits[v % 57];
    return text;
}

void sim_call_host(const struct sim_call *c, struct buf *out)
{
    struct span host = sim_http_header(&c->http, c->bytes, "Host");
    bool plain = host.n > 0;

    for (size_t i = 0; i < host.n; i++)
        plain = plain && strchr("\"\\<>", host.p[i]) == NULL && (unsigned char)host.p[i] > ' ';
    if (plain)
        buf_add_span(out, host);
    else
        buf_printf(out, "127.0.0.1:%d", c->sim->port);
}

void sim_call_error(struct sim_call *c, int status, const char *type, const char *param,
                    const char *code, const char *fmt, ...)
{
    struct buf *b = &c->reply.body;
    char id[48], message[512];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(message, sizeof(message), fmt, ap);
    va_end(ap);
    clear_reply(&c->reply);
    c->reply.status = status;
    c->complete = false;
    buf_printf(b, "{\n  \"id\": \"%s\",\n  \"error\": {\n    \"message\": ", sim_call_id(c, id));
    json_add_text(b, message);
    buf_puts(b, ",\n    \"type\": ");
    json_add_text(b, type);
    buf_puts(b, ",\n    \"param\": ");
    json_add_text(b, param);
    buf_puts(b, ",\n    \"code\": ");
    json_add_text(b, code);
    buf_puts(b, "\n  }\n}");
}

/* ---- what handlers ask ---- */

static void error_unserved(struct sim_call *c)
{
    sim_call_error(c, 400, "invalid_request_error", NULL, "model_not_available",
                   "Unable to access non-serverless model %s. Please visit "
                   "https://api.together.ai/models/%s to create and start a new dedicated endpoint "
                   "for the model.",
                   c->model->id, c->model->id);
}

static bool within_rate(struct sim_call *c)
{
    struct sim_model *m = c->model;
    int reset_s = 1;

    if (!sim_rate_take(&m->rate, clock_mono_us(), &reset_s)) {
        sim_call_error(c, 429, "dynamic_request_limited", NULL, NULL,
                       "Request was rejected due to request rate limiting. Your rate exceeds the "
                       "dynamic limit of this model.");
        if (!m->rate.silent)
            buf_printf(&c->reply.head, "x-ratelimit-reset: %d\r\n", reset_s);
        return false;
    }
    if (!sim_rate_take_tokens(&m->rate, clock_mono_us(), &reset_s)) {
        sim_call_error(c, 429, "dynamic_token_limited", NULL, NULL,
                       "Request was rejected due to token rate limiting. Your rate exceeds the "
                       "dynamic limit of tokens of this model.");
        if (!m->rate.silent)
            buf_printf(&c->reply.head, "x-ratelimit-reset: %d\r\n", reset_s);
        return false;
    }
    if (m->capacity && m->in_flight >= m->capacity) {
        sim_call_error(c, 503, "server_error", NULL, NULL,
                       "The server is overloaded or not ready yet.");
        return false;
    }
    return true;
}

bool sim_call_model(struct sim_call *c, unsigned tasks)
{
    if (c->body.model.p && *c->body.model.p != '"')
        c->body.model = (struct span){NULL, 0};
    if (!c->body.model.p) {
        sim_call_error(c, 400, "invalid_request_error", "model", NULL,
                       "Input validation error: model is required");
        return false;
    }
    if (!c->model) {
        sim_call_error(c, 404, "invalid_request_error", NULL, "model_not_available",
                       "Unable to access model %s. Please visit https://api.together.ai/models "
                       "to view the list of supported models.",
                       c->name);
        return false;
    }
    if (!(c->model->tasks & tasks)) {
        error_unserved(c);
        return false;
    }
    return within_rate(c);
}

void sim_call_answered(struct sim_call *c)
{
    c->complete = true;
    c->cost_nanousd =
        sim_price_tokens(c->model, c->prompt_tokens, c->cached_tokens, c->completion_tokens);
    c->reply.delay_ms += c->model->latency_ms;
    c->reply.piece_ms = c->model->chunk_ms;
}

/* ---- the path ---- */

/* All members of interest in one pass; false when the body is not a JSON object. */
static bool read_body(struct sim_call *c, struct span text)
{
    struct sim_body *b = &c->body;
    const struct json_want wants[] = {
#define WANT(member) {#member, &b->member}
        WANT(model),
        WANT(messages),
        WANT(prompt),
        WANT(input),
        WANT(stream),
        WANT(max_tokens),
        WANT(n),
        WANT(response_format),
        WANT(tools),
        WANT(tool_choice),
        WANT(query),
        WANT(documents),
        WANT(top_n),
        WANT(return_documents),
        WANT(width),
        WANT(height),
        WANT(context_length_exceeded_behavior),
        WANT(temperature),
        WANT(top_p),
        WANT(top_k),
        WANT(min_p),
        WANT(repetition_penalty),
        WANT(presence_penalty),
        WANT(frequency_penalty),
        WANT(seed),
        WANT(logprobs),
#undef WANT
    };

    *b = (struct sim_body){0};
    return text.n && *text.p && json_pick(text.p, text.n, wants, ARRAY_LEN(wants));
}

/* Uploads have other bodies than JSON. */
static bool is_json_post(const struct sim_call *c)
{
    return !strcmp(c->route->method, "POST") && strncmp(c->route->path, "/files", 6) != 0;
}

static bool key_is_good(struct sim_call *c)
{
    struct span key = sim_http_span(c->http.authorization, c->bytes);
    const char *want = c->sim->require_key;

    if (!want || (key.n == 7 + strlen(want) && !strncasecmp(key.p, "Bearer ", 7) &&
                  !memcmp(key.p + 7, want, strlen(want))))
        return true;
    if (strcmp(c->route->path, "/models") != 0) {
        sim_call_error(c, 401, "invalid_request_error", NULL, "invalid_api_key",
                       "Invalid API key provided. You can find your API key at "
                       "https://api.together.ai/settings/api-keys.");
    } else {
        c->reply.status = 401;
        buf_puts(&c->reply.body, "{\"error\":{\"message\":\"Unauthorized\"}}");
    }
    return false;
}

/* Cut what is there into pieces of piece_bytes. */
static void drip(struct sim_reply *r, size_t piece_bytes)
{
    size_t total = r->body.n;

    r->pieces = 0;
    for (size_t at = piece_bytes; at < total; at += piece_bytes) {
        r->body.n = at;
        sim_reply_cut(r);
    }
    r->body.n = total;
    sim_reply_cut(r);
}

/* End a stream after so many chunks, with other bytes instead of the rest. */
static void truncate_stream(struct sim_call *c, const struct sim_fault *f)
{
    struct sim_reply *r = &c->reply;

    if (!r->chunked || (size_t)f->after_chunks >= r->pieces)
        return;
    r->pieces = (size_t)f->after_chunks;
    r->body.n = r->pieces ? r->ends[r->pieces - 1] : 0;
    c->truncated = true;
    if (f->body) {
        buf_add(&r->body, f->body, f->body_bytes);
        sim_reply_cut(r);
    }
}

void sim_call_bend(struct sim_call *c, const struct sim_fault *f)
{
    struct sim_reply *r = &c->reply;

    buf_puts(&r->head, f->headers ? f->headers : "");
    r->delay_ms += f->delay_ms;
    r->close = f->close;
    if (f->after_chunks >= 0)
        truncate_stream(c, f);
    if (f->piece_ms)
        r->piece_ms = f->piece_ms;
    if (f->piece_bytes)
        drip(r, f->piece_bytes);
}

void sim_call_replace(struct sim_call *c, const struct sim_fault *f)
{
    c->reply.status = f->status;
    buf_add(&c->reply.body, f->body ? f->body : "", f->body_bytes);
}

static void answer_with(struct sim_call *c, const struct sim_fault *fault)
{
    if (fault && fault->status) {
        sim_call_replace(c, fault);
    } else if (key_is_good(c)) {
        c->answer = fault ? fault->answer : NULL;
        c->route->func(c);
    }
    if (fault)
        sim_call_bend(c, fault);
}

static void run_provider(struct sim_call *c)
{
    struct span text = sim_http_span(c->http.body, c->bytes), model = {NULL, 0};
    bool is_json = is_json_post(c), ok = !is_json || read_body(c, text);
    const struct sim_fault *fault = NULL;

    c->item = sim_ledger_open(&c->sim->ledger, c->route->path);
    if (json_read_text(c->body.model, c->name, sizeof(c->name)) && *c->name)
        model = (struct span){c->name, strlen(c->name)};
    c->model = model.p ? sim_model_find(&c->sim->models, model) : NULL;
    if (!c->model)
        snprintf(c->asked, sizeof(c->asked), "%.*s", (int)(model.n < 128 ? model.n : 127),
                 model.p ? model.p : "");
    if (c->model && c->model->redirect)
        c->model = sim_model_add(&c->sim->models,
                                 (struct span){c->model->redirect, strlen(c->model->redirect)});
    if (c->sim->faults.first)
        fault =
            sim_faults_take(&c->sim->faults, sim_http_span(c->http.path, c->bytes), model, text);
    if (!ok && !(fault && fault->status))
        sim_call_error(c, 400, "invalid_request_error", NULL, NULL,
                       "Invalid JSON: could not parse the body of the request.");
    else
        answer_with(c, fault);
    c->running = c->complete && c->model;
    if (c->running) {
        c->model->in_flight++;
        sim_rate_used(&c->model->rate, (double)(c->prompt_tokens + c->completion_tokens));
    }
}

void sim_call_run(struct sim_call *c, const char *bytes)
{
    struct span path = sim_http_span(c->http.path, bytes);

    clear_reply(&c->reply);
    clear(&c->prompt);
    clear(&c->text);
    clear(&c->scratch);
    c->bytes = bytes;
    c->serial = c->sim->serial++;
    c->model = NULL;
    c->name[0] = c->asked[0] = '\0';
    c->logprobs = false;
    c->answer = NULL;
    c->body = (struct sim_body){0};
    c->max_tokens = c->prompt_tokens = c->completion_tokens = c->reasoning_tokens = 0;
    c->cached_tokens = c->cost_nanousd = 0;
    c->complete = c->truncated = c->running = c->item.open = false;
    c->route = sim_route_find(sim_http_span(c->http.method, bytes), path, &c->id);
    if (!c->route)
        sim_call_error(c, 404, "invalid_request_error", NULL, NULL, "Path %.*s not found",
                       path.n < 200 ? (int)path.n : 200, path.p);
    else if (c->route->is_provider)
        run_provider(c);
    else
        c->route->func(c);
    c->reply.plain = c->route && !c->route->is_provider;
}

void sim_call_end(struct sim_call *c, bool delivered)
{
    bool whole = delivered && !c->truncated;
    bool billed = c->complete && (whole || c->sim->bill_aborted);
    struct sim_ledger_item item = {
        .model = c->model,
        .asked = c->asked,
        .status = (int16_t)c->reply.status,
        .prompt_tokens = c->prompt_tokens,
        .completion_tokens = c->completion_tokens,
        .billed_nanousd = billed ? c->cost_nanousd : 0,
        .aborted = !whole,
    };

    if (c->running && c->model->in_flight > 0)
        c->model->in_flight--;
    c->running = false;
    sim_ledger_close(&c->sim->ledger, &c->item, &item);
}
