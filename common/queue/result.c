/* result.c - writes the result document of DESIGN's contract, byte by byte.
 *
 * One is written for every job, so there is no tree: the members go into the
 * buffer in the order of schemas/result.json, and what the provider answered,
 * the tenant and the tags are spliced in as the raw bytes that they came as.
 * The provider's answer was validated when it arrived; the document, at intake.
 *
 * To add a member: a line below at its place, a property in schemas/result.json
 * and webhook.json, and an example there; test_result.c holds the three together.
 */
#include "common/queue/result.h"

#include <string.h>

#include "common/core/json.h"

static void add_text_span(struct buf *out, const char *name, struct span text)
{
    json_add_key(out, name);
    if (text.n == 0)
        json_add_text(out, NULL);
    else
        json_add_string(out, text.p, text.n);
}

static void add_int_or_null(struct buf *out, const char *name, int64_t v)
{
    if (v)
        json_add_int(out, name, v);
    else
        json_add_str(out, name, NULL);
}

static void add_usage(struct buf *out, const struct result *r)
{
    if (!r->has_usage) {
        json_add_str(out, "usage", NULL);
        return;
    }
    json_add_key(out, "usage");
    buf_putc(out, '{');
    json_add_int(out, "prompt_tokens", r->prompt_tokens);
    json_add_int(out, "completion_tokens", r->completion_tokens);
    json_add_int(out, "cached_tokens", r->cached_tokens);
    buf_putc(out, '}');
}

static void add_error(struct buf *out, const struct result *r)
{
    if (!r->err || r->err->kind == ERR_NONE) {
        json_add_str(out, "error", NULL);
        return;
    }
    json_add_key(out, "error");
    buf_putc(out, '{');
    json_add_str(out, "code", err_code(r->err->kind));
    json_add_str(out, "message", r->err->msg);
    json_add_bool(out, "retryable", err_is_retryable(r->err->kind));
    add_int_or_null(out, "http_status", r->http_status);
    json_add_str(out, "provider_code",
                 r->provider_code && *r->provider_code ? r->provider_code : NULL);
    buf_putc(out, '}');
}

static void add_head(struct buf *out, const struct result *r)
{
    json_add_str(out, "id", r->id);
    if (r->submitted_id)
        json_add_str(out, "submitted_id", r->submitted_id);
    if (r->submitted.p) {
        json_add_key(out, "submitted");
        json_add_string(out, r->submitted.p, r->submitted.n);
    }
    json_add_int(out, "run", r->run);
    json_add_str(out, "type", r->type == JOB_TYPE_NONE ? NULL : job_type_name(r->type));
    json_add_str(out, "status", job_state_name(r->status));
    json_add_int(out, "attempts", r->attempts);
    json_add_raw(out, "tenant", r->tenant);
    json_add_raw(out, "tags", r->tags);
}

void result_write(const struct result *r, struct buf *out)
{
    buf_putc(out, '{');
    add_head(out, r);
    add_text_span(out, "model", r->model);
    json_add_str(out, "provider", r->provider);
    json_add_bool(out, "cached", r->cached);
    json_add_raw(out, "output", r->output);
    if (r->structured.n)
        json_add_raw(out, "structured", r->structured);
    add_usage(out, r);
    json_add_int(out, "cost_nanousd", r->cost_nanousd);
    json_add_usd(out, "cost_usd", r->cost_nanousd);
    add_error(out, r);
    json_add_int(out, "submitted_at", r->submitted_ms);
    add_int_or_null(out, "started_at", r->started_ms);
    json_add_int(out, "finished_at", r->finished_ms);
    buf_putc(out, '}');
}

int64_t result_cost_before(const struct record *rec, struct span bytes)
{
    struct span tail = bytes.p && !job_state_ended(rec->state) ? record_tail(rec, bytes.p, bytes.n)
                                                               : (struct span){NULL, 0};
    struct span cost = {NULL, 0};
    const struct json_want want = {"cost", &cost};
    int64_t nanousd;

    return tail.n && json_pick(tail.p, tail.n, &want, 1) && json_read_int(cost, &nanousd) ? nanousd
                                                                                          : 0;
}

void result_from(struct result *ret, const char *id, const struct record *rec,
                 const struct job *job, struct span bytes)
{
    *ret = (struct result){
        .id = id,
        .run = rec->run,
        .type = rec->type,
        .status = rec->state,
        .attempts = rec->attempts,
        .tenant = job->tenant,
        .tags = job->tags,
        .submitted_ms = rec->submitted_ms,
        .started_ms = rec->started_ms,
        .cost_nanousd = result_cost_before(rec, bytes),
    };
}
