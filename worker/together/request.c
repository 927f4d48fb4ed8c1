/* request.c - what to send for an inference job.
 *
 *   payload.body ──▶ names this model? ── yes ─────────────────▶ the same bytes
 *        │                └── no ──▶ "model":"..." put in ─────▶ the other bytes unchanged
 *   no body ──▶ payload without `ours` ─▶ (same question)
 *
 * A provider's options are none of our business: whatever stands in a body goes
 * out, in the same spelling, so that an option that is new tomorrow works.
 * Only one look at the members of payload and body is taken.
 *
 * A new task is a row in `paths`; a new option of the payload that is meant for
 * us is a row in `ours`.
 */
#include "worker/together/request.h"

#include <string.h>

#include "common/core/json.h"

enum { MODEL_MAX_BYTES = 512, SPLICE_BYTES = 192, NAMES_MAX_BYTES = 16384 };
#define TOKENS_MAX INT64_C(1000000000000) /* more than any context; sums do not overflow */

static const struct {
    unsigned task;
    const char *path;
} paths[] = {
    {TASK_CHAT, "/chat/completions"}, {TASK_COMPLETION, "/completions"},
    {TASK_CODE, "/chat/completions"}, /* /completions when there are no messages */
    {TASK_EMBEDDING, "/embeddings"},  {TASK_IMAGE, "/images/generations"},
    {TASK_RERANK, "/rerank"},
};

/* Members of a payload that are no part of a body. */
static const char *const ours[] = {"task",     "body",      "allow_cached",
                                   "overflow", "fallbacks", "validate"};

/* Content of messages that only some models can look at. */
static const char *const pictures[] = {"\"image_url\"", "\"video_url\""};

static bool pick_body(struct span body, struct together_parts *p)
{
    const struct json_want wants[] = {{"model", &p->model},
                                      {"messages", &p->messages},
                                      {"stream", &p->stream},
                                      {"stream_options", &p->stream_options},
                                      {"tools", &p->tools},
                                      {"response_format", &p->response_format},
                                      {"temperature", &p->temperature},
                                      {"max_tokens", &p->max_tokens},
                                      {"max_completion_tokens", &p->max_completion_tokens}};

    return json_pick(body.p, body.n, wants, ARRAY_LEN(wants));
}

static bool pick_parts(struct span payload, struct together_parts *p, struct err *err)
{
    const struct json_want wants[] = {{"task", &p->task},
                                      {"body", &p->body},
                                      {"model", &p->payload_model},
                                      {"fallbacks", &p->fallbacks},
                                      {"allow_cached", &p->allow_cached},
                                      {"validate", &p->validate}};

    if (!payload.p || !json_pick(payload.p, payload.n, wants, ARRAY_LEN(wants)))
        return err_set(err, ERR_INVALID, "payload: expected an object");
    if (!p->body.p)
        return pick_body(payload, p) || err_set(err, ERR_INVALID, "payload: malformed");
    return pick_body(p->body, p) || err_set(err, ERR_INVALID, "payload.body: expected an object");
}

static bool read_task(const struct together_parts *p, unsigned *ret, struct err *err)
{
    char text[64];

    *ret = TASK_CHAT;
    if (json_absent(p->task))
        return true;
    if (!json_read_text(p->task, text, sizeof(text)) || !(*ret = task_of(text, strlen(text))))
        return err_set(err, ERR_INVALID,
                       "payload.task: expected chat, completion, code, embedding, image or rerank");
    return true;
}

static const char *path_of(unsigned task, const struct together_parts *p)
{
    if (task == TASK_CODE && !p->messages.p)
        task = TASK_COMPLETION;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (paths[i].task == task)
            return paths[i].path;
    return NULL;
}

/* ---- names of models ---- */

/* Append the text; false when the value is no text.  Empty text and null are no name. */
static bool read_name(struct span v, const char *where, struct buf *b, struct err *err)
{
    size_t before = b->n;

    if (json_absent(v))
        return true;
    if (!json_read_string(v, b) || b->n - before > MODEL_MAX_BYTES ||
        (b->n > before && memchr(b->p + before, 0, b->n - before)))
        return err_set(err, ERR_INVALID,
                       "%s: expected the name of a model (a string of at most %d bytes)", where,
                       MODEL_MAX_BYTES);
    return true;
}

static bool read_fallbacks(const struct together_parts *p, struct together_request *req,
                           struct err *err)
{
    struct json_iter it;

    if (json_absent(p->fallbacks))
        return true;
    if (*p->fallbacks.p != '[' || !json_iter_init(&it, p->fallbacks.p, p->fallbacks.n))
        return err_set(err, ERR_INVALID, "payload.fallbacks: expected a list of models");
    req->has_fallbacks = true;
    while (json_next(&it)) {
        size_t at = req->names.n;

        if (req->fallback_count == REQUEST_FALLBACKS_MAX)
            return err_set(err, ERR_INVALID, "payload.fallbacks: expected at most %d models",
                           REQUEST_FALLBACKS_MAX);
        if (!read_name(it.value, "payload.fallbacks", &req->names, err))
            return false;
        if (req->names.n > at) /* for now only how long it is: the memory may move */
            req->fallbacks[req->fallback_count++].n = req->names.n - at;
    }
    return true;
}

static bool read_names(const struct together_parts *p, struct together_request *req,
                       struct err *err)
{
    size_t at;

    if (!read_name(p->model, p->body.p ? "payload.body.model" : "payload.model", &req->names, err))
        return false;
    if (!req->names.n && p->body.p &&
        !read_name(p->payload_model, "payload.model", &req->names, err))
        return false;
    req->named.n = at = req->names.n;
    if (!read_fallbacks(p, req, err))
        return false;
    req->requested = at > 0;
    req->named.p = at ? req->names.p : NULL;
    req->automatic = at == 4 && !memcmp(req->names.p, "auto", 4);
    for (size_t i = 0; i < req->fallback_count; i++) {
        req->fallbacks[i].p = req->names.p + at;
        at += req->fallbacks[i].n;
    }
    return true;
}

/* ---- what the body asks for ---- */

static unsigned features_of(const struct together_parts *p)
{
    unsigned bits = 0;
    struct json_iter it;

    if (p->tools.n > 2 && json_iter_init(&it, p->tools.p, p->tools.n) && json_next(&it))
        bits |= FEATURE_TOOLS;
    if (p->response_format.n && *p->response_format.p == '{' &&
        json_equals(json_at(p->response_format, "type"), "json_schema"))
        bits |= FEATURE_JSON_SCHEMA;
    for (size_t i = 0; i < ARRAY_LEN(pictures) && p->messages.n; i++)
        if (memmem(p->messages.p, p->messages.n, pictures[i], strlen(pictures[i])))
            bits |= FEATURE_VISION;
    return bits;
}

static int64_t max_tokens_of(const struct together_parts *p)
{
    int64_t most = 0, v;

    if (json_read_int(p->max_tokens, &v))
        most = v;
    if (json_read_int(p->max_completion_tokens, &v) && v > most)
        most = v;
    if (most > TOKENS_MAX)
        most = TOKENS_MAX;
    return max64(most, 0);
}

bool together_request_read(const struct job *job, struct together_request *ret, struct err *err)
{
    struct together_request req = {.names = BUF(NAMES_MAX_BYTES)};
    struct together_parts *p = &req.parts;

    if (!pick_parts(job->payload, p, err) || !read_task(p, &req.task, err))
        return false;
    if (!read_names(p, &req, err)) {
        together_request_done(&req);
        return false;
    }
    req.path = path_of(req.task, p);
    if (!json_read_bool(p->stream, &req.stream))
        req.stream = false;
    req.features = features_of(p);
    req.max_tokens = max_tokens_of(p);
    *ret = req;
    return true;
}

/* ---- the body ---- */

/* Copy an object, with the model in front, or in place of the value that is there (null, ""). */
static void splice_model(struct span body, struct span at, struct span model, struct buf *out)
{
    size_t before = at.p ? (size_t)(at.p - body.p) : 1; /* behind the brace */
    const char *rest = body.p + before + at.n;
    const char *p = rest;
    const char *end = body.p + body.n;

    buf_add(out, body.p, before);
    if (at.p) {
        json_add_string(out, model.p, model.n);
    } else {
        buf_puts(out, "\"model\":");
        json_add_string(out, model.p, model.n);
        while (p < end && (*p == ' ' || *p == '\t' || *p == '\r' || *p == '\n'))
            p++;
        if (p < end && *p != '}')
            buf_putc(out, ',');
    }
    buf_add(out, rest, (size_t)(end - rest));
}

static bool is_ours(struct span key)
{
    for (size_t i = 0; i < ARRAY_LEN(ours); i++)
        if (span_is(key, ours[i]))
            return true;
    return false;
}

/* The shorthand: members of the payload that are not ours, with the model in front. */
static bool write_shorthand(struct span payload, bool chat_prompt, struct span model,
                            struct buf *out)
{
    struct json_iter it;
    int64_t tokens;

    if (!json_iter_init(&it, payload.p, payload.n))
        return false;
    buf_putc(out, '{');
    json_add_key(out, "model");
    json_add_string(out, model.p, model.n);
    while (json_next(&it)) {
        bool wrap = chat_prompt && span_is(it.key, "prompt");

        if (is_ours(it.key) || span_is(it.key, "model"))
            continue;
        if (span_is(it.key, "max_tokens") &&
            json_read_int(it.value, &tokens)) { /* 16.0 is one, too */
            json_add_int(out, "max_tokens", tokens);
            continue;
        }
        if (wrap)
            buf_puts(out, ",\"messages\":[{\"role\":\"user\",\"content\":");
        else {
            buf_puts(out, ",\"");
            buf_add_span(out, it.key);
            buf_puts(out, "\":");
        }
        buf_add_span(out, it.value);
        if (wrap)
            buf_puts(out, "}]");
    }
    buf_putc(out, '}');
    return !it.bad;
}

/* Does the body itself name this model? */
static bool names(const struct together_request *req, struct span model)
{
    struct span own = req->parts.model;

    return req->named.n == model.n && own.n > 2 && *own.p == '"' &&
           !memcmp(req->named.p, model.p, model.n);
}

bool together_request_may_ask_usage(const struct together_request *req)
{
    return req->stream && !req->parts.stream_options.p;
}

/* Put one member in front of the others; there is room. */
static void add_ask_usage(struct buf *body)
{
    static const char member[] = "\"stream_options\":{\"include_usage\":true},";
    size_t n = sizeof(member) - 1;

    if (!body->n || !buf_reserve(body, n))
        return;
    memmove(body->p + 1 + n, body->p + 1, body->n - 1);
    memcpy(body->p + 1, member, n);
    body->n += n;
    body->p[body->n] = 0;
}

bool together_request_write(const struct job *job, struct span model, struct together_request *req,
                            struct err *err)
{
    const struct together_parts *p = &req->parts;
    bool ok = true;

    buf_done(&req->body);
    /* a model's bytes may be escaped to six times their number */
    buf_init(&req->body, job->payload.n + model.n * 6 + SPLICE_BYTES);
    if (!p->body.p)
        ok = write_shorthand(job->payload, req->task == TASK_CHAT && !p->messages.p, model,
                             &req->body);
    else if (names(req, model))
        buf_add_span(&req->body, p->body);
    else
        splice_model(p->body, p->model, model, &req->body);
    if (req->ask_usage)
        add_ask_usage(&req->body);
    if (!ok || buf_failed(&req->body))
        return err_set(err, ERR_INTERNAL, "the request of a job does not fit its buffer");
    req->model = model;
    return true;
}

bool together_request_build(const struct job *job, const struct model_table *models,
                            struct together_request *ret, struct err *err)
{
    const struct model *m;
    struct span model;
    bool ok;

    if (!together_request_read(job, ret, err))
        return false;
    m = ret->requested ? NULL : model_default(models, (enum task_bit)ret->task);
    model = m ? (struct span){m->id, strlen(m->id)} : ret->named;
    ok = model.n ? together_request_write(job, model, ret, err)
                 : err_set(err, ERR_MODEL_UNAVAILABLE,
                           "no model is named, and none is configured as default for task '%s'",
                           task_name((enum task_bit)ret->task));
    if (!ok)
        together_request_done(ret);
    return ok;
}

void together_request_done(struct together_request *req)
{
    buf_done(&req->body);
    buf_done(&req->names);
    req->model = req->named = (struct span){0};
    req->fallback_count = 0;
}
