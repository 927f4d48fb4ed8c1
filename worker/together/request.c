/* request.c - what to send for an inference job.
 *
 *   payload.body ──▶ has a model? ── yes ──────────────────────▶ the same bytes
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

enum { MODEL_MAX_BYTES = 512, SPLICE_BYTES = 128 };

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
static const char *const ours[] = {"task", "body", "allow_cached"};

struct parts {
    struct span task, body, payload_model; /* of the payload */
    struct span model, messages, stream;   /* of the body, or of a payload that has none */
};

static bool pick_body(struct span body, struct parts *p)
{
    const struct json_want wants[] = {
        {"model", &p->model}, {"messages", &p->messages}, {"stream", &p->stream}};

    return json_pick(body.p, body.n, wants, ARRAY_LEN(wants));
}

static bool pick_parts(struct span payload, struct parts *p, struct err *err)
{
    const struct json_want wants[] = {
        {"task", &p->task}, {"body", &p->body}, {"model", &p->payload_model}};

    if (!payload.p || !json_pick(payload.p, payload.n, wants, ARRAY_LEN(wants)))
        return err_set(err, ERR_INVALID, "payload: expected an object");
    if (!p->body.p)
        return pick_body(payload, p) || err_set(err, ERR_INVALID, "payload: malformed");
    return pick_body(p->body, p) || err_set(err, ERR_INVALID, "payload.body: expected an object");
}

static bool read_task(const struct parts *p, unsigned *ret, struct err *err)
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

static const char *path_of(unsigned task, const struct parts *p)
{
    if (task == TASK_CODE && !p->messages.p)
        task = TASK_COMPLETION;
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        if (paths[i].task == task)
            return paths[i].path;
    return NULL;
}

/* ---- the model ---- */

/* False when the value is no text.  Empty text and null are no name. */
static bool read_name(struct span v, const char *where, struct buf *b, struct err *err)
{
    if (json_absent(v))
        return true;
    if (!json_read_string(v, b) || (b->n && memchr(b->p, 0, b->n)))
        return err_set(err, ERR_INVALID,
                       "%s: expected the name of a model (a string of at most %d bytes)", where,
                       MODEL_MAX_BYTES);
    return true;
}

static bool choose_model(const struct parts *p, const struct model_table *models,
                         struct together_request *req, bool *ret_in_body, struct err *err)
{
    const struct model *m;

    *ret_in_body = false;
    if (!read_name(p->model, p->body.p ? "payload.body.model" : "payload.model", &req->model_text,
                   err))
        return false;
    *ret_in_body = req->model_text.n > 0;
    if (!*ret_in_body && p->body.p &&
        !read_name(p->payload_model, "payload.model", &req->model_text, err))
        return false;
    req->requested = req->model_text.n > 0;
    req->model = buf_span(&req->model_text);
    if (req->requested)
        return true;
    m = model_default(models, (enum task_bit)req->task);
    if (!m)
        return err_set(err, ERR_MODEL_UNAVAILABLE,
                       "no model is named, and none is configured as default for task '%s'",
                       task_name((enum task_bit)req->task));
    req->model = (struct span){m->id, strlen(m->id)};
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
        if (key.n == strlen(ours[i]) && !memcmp(key.p, ours[i], key.n))
            return true;
    return false;
}

/* The shorthand: members of the payload that are not ours, with the model in front. */
static bool write_shorthand(struct span payload, bool chat_prompt, struct span model,
                            struct buf *out)
{
    struct json_iter it;

    if (!json_iter_init(&it, payload.p, payload.n))
        return false;
    buf_putc(out, '{');
    json_add_key(out, "model");
    json_add_string(out, model.p, model.n);
    while (json_next(&it)) {
        bool wrap = chat_prompt && it.key.n == 6 && !memcmp(it.key.p, "prompt", 6);

        if (is_ours(it.key) || (it.key.n == 5 && !memcmp(it.key.p, "model", 5)))
            continue;
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

bool together_request_build(const struct job *job, const struct model_table *models,
                            struct together_request *ret, struct err *err)
{
    struct together_request req = {.model_text = BUF(MODEL_MAX_BYTES)};
    struct parts p = {0};
    bool in_body, ok = true;

    if (!pick_parts(job->payload, &p, err) || !read_task(&p, &req.task, err))
        return false;
    if (!choose_model(&p, models, &req, &in_body, err)) {
        together_request_done(&req);
        return false;
    }
    req.path = path_of(req.task, &p);
    if (!json_read_bool(p.stream, &req.stream))
        req.stream = false;
    /* a model's bytes may be escaped to six times their number */
    buf_init(&req.body, job->payload.n + req.model.n * 6 + SPLICE_BYTES);
    if (!p.body.p)
        ok = write_shorthand(job->payload, req.task == TASK_CHAT && !p.messages.p, req.model,
                             &req.body);
    else if (in_body)
        buf_add_span(&req.body, p.body);
    else
        splice_model(p.body, p.model, req.model, &req.body);
    if (!ok || buf_failed(&req.body)) {
        together_request_done(&req);
        return err_set(err, ERR_INTERNAL, "the request of a job does not fit its buffer");
    }
    *ret = req;
    return true;
}

void together_request_done(struct together_request *req)
{
    buf_done(&req->body);
    buf_done(&req->model_text);
    req->model = (struct span){0};
}
