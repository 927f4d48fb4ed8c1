/* stream.c - chunks of a streamed answer, put together.
 *
 *   event ─▶ "[DONE]" ─▶ done
 *         ─▶ chunk ──┬─ error ────────────▶ failed
 *                    ├─ id, model, usage ─▶ kept (the last chunk of form A has no choices)
 *                    └─ choices[i] ───────▶ delta: content, reasoning, tool calls; or text;
 *                                           finish_reason
 *
 *   end ─▶ complete? ─▶ {"id", "choices": [...], "usage"} ─▶ together_reply_read, as for any answer
 *
 * Pieces of text are appended as they stand in the JSON, escapes and all, and
 * written between quotes again: nothing is unescaped, nothing can change.
 * So halves of a surrogate pair that came in two chunks ("\ud83d", "\ude00") are
 * one character in the answer; a half that stays alone becomes U+FFFD.
 * Members of a delta that are not in `struct choice` (token ids, logprobs) are
 * left out of the answer; to keep one, add a buf there and to stream_answer.c.
 */
#include "worker/together/stream_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

enum { CHOICES_MAX = 128, CALLS_MAX = 128, FRAME_BYTES = 4096 };

static sse_event on_event;

/* ---- life ---- */

struct together_stream *together_stream_new(unsigned task, size_t max_event_bytes,
                                            size_t max_answer_bytes)
{
    struct together_stream *st = xcalloc(1, sizeof(*st));

    sse_init(&st->sse, max_event_bytes, on_event, st);
    st->mended = BUF(max_event_bytes);
    st->task = task;
    st->max_bytes = max_answer_bytes;
    return st;
}

static void free_choice(struct choice *c)
{
    for (size_t i = 0; i < c->call_count; i++) {
        buf_done(&c->calls[i].id);
        buf_done(&c->calls[i].type);
        buf_done(&c->calls[i].name);
        buf_done(&c->calls[i].arguments);
    }
    free(c->calls);
    buf_done(&c->role);
    buf_done(&c->content);
    buf_done(&c->reasoning);
    buf_done(&c->text);
    buf_done(&c->finish);
    buf_done(&c->seed);
}

void together_stream_free(struct together_stream *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->choice_count; i++)
        free_choice(&st->choices[i]);
    free(st->choices);
    buf_done(&st->id);
    buf_done(&st->created);
    buf_done(&st->model);
    buf_done(&st->usage);
    buf_done(&st->warnings);
    buf_done(&st->mended);
    buf_done(&st->body);
    sse_done(&st->sse);
    free(st);
}

/* ---- keeping ---- */

static bool fail(struct together_stream *st, enum err_kind kind, const char *message)
{
    st->failure.kind = kind;
    snprintf(st->failure.message, sizeof(st->failure.message), "%s", message);
    return false;
}

/* Append to a buf of the stream; all of them together have one cap. */
static bool keep(struct together_stream *st, struct buf *b, struct span v)
{
    if (v.n > st->max_bytes - st->used)
        return fail(st, ERR_ANSWER_TOO_LARGE, "the streamed answer is too large");
    st->used += v.n;
    b->max_bytes = st->max_bytes;
    return buf_add(b, v.p, v.n);
}

/* The inside of a string is appended; anything else is nothing. */
static bool keep_text(struct together_stream *st, struct buf *b, struct span v)
{
    if (v.n < 2 || *v.p != '"')
        return true;
    if (st->raw.p)
        v.p = st->raw.p + (v.p - st->mended.p);
    return keep(st, b, (struct span){v.p + 1, v.n - 2});
}

/* A value takes the place of the one before, unless it is null. */
static bool keep_value(struct together_stream *st, struct buf *b, struct span v)
{
    if (json_absent(v))
        return true;
    st->used -= b->n;
    buf_clear(b);
    return keep(st, b, v);
}

/* ---- chunks ---- */

static bool read_call(struct together_stream *st, struct choice *c, struct span v, int64_t at)
{
    struct span index = {0}, id = {0}, type = {0}, function = {0}, name = {0}, arguments = {0};
    const struct json_want wants[] = {
        {"index", &index}, {"id", &id}, {"type", &type}, {"function", &function}};
    const struct json_want inner[] = {{"name", &name}, {"arguments", &arguments}};
    struct tool_call *call;

    if (!json_pick(v.p, v.n, wants, ARRAY_LEN(wants)))
        return fail(st, ERR_BAD_ANSWER, "a tool call in the stream is no object");
    if (!json_absent(index) && !json_read_int(index, &at))
        at = -1;
    if (at < 0 || at >= CALLS_MAX)
        return fail(st, ERR_BAD_ANSWER, "a tool call in the stream has no proper index");
    if ((size_t)at >= c->call_count) {
        c->calls = xrealloc(c->calls, (size_t)(at + 1) * sizeof(*c->calls));
        memset(c->calls + c->call_count, 0, ((size_t)at + 1 - c->call_count) * sizeof(*c->calls));
        c->call_count = (size_t)at + 1;
    }
    call = &c->calls[at];
    if (!json_absent(function) && !json_pick(function.p, function.n, inner, ARRAY_LEN(inner)))
        return fail(st, ERR_BAD_ANSWER, "a tool call in the stream has no proper function");
    return (call->id.n || keep_text(st, &call->id, id)) &&
           (call->type.n || keep_text(st, &call->type, type)) && keep_text(st, &call->name, name) &&
           keep_text(st, &call->arguments, arguments);
}

static bool read_delta(struct together_stream *st, struct choice *c, struct span delta)
{
    struct span role = {0}, content = {0}, reasoning = {0}, other = {0}, calls = {0};
    const struct json_want wants[] = {{"role", &role},
                                      {"content", &content},
                                      {"reasoning", &reasoning},
                                      {"reasoning_content", &other},
                                      {"tool_calls", &calls}};
    struct json_iter it;
    int64_t at = 0;

    if (!json_pick(delta.p, delta.n, wants, ARRAY_LEN(wants)))
        return fail(st, ERR_BAD_ANSWER, "a delta in the stream is no object");
    c->chat = true;
    if (content.n && *content.p == '"')
        c->has_content = true;
    if (json_absent(reasoning) && !json_absent(other)) {
        reasoning = other;
        c->reasoning_name = "reasoning_content";
    } else if (!json_absent(reasoning)) {
        c->reasoning_name = "reasoning";
    }
    if (!(c->role.n || keep_text(st, &c->role, role)) || !keep_text(st, &c->content, content) ||
        !keep_text(st, &c->reasoning, reasoning))
        return false;
    if (!calls.n || *calls.p != '[' || !json_iter_init(&it, calls.p, calls.n))
        return true;
    while (json_next(&it))
        if (!read_call(st, c, it.value, at++))
            return false;
    return true;
}

static struct choice *find_choice(struct together_stream *st, int64_t index)
{
    size_t i = (size_t)index;

    if (index < 0 || index >= CHOICES_MAX)
        return NULL;
    if (i >= st->choice_count) {
        st->choices = xrealloc(st->choices, (i + 1) * sizeof(*st->choices));
        memset(st->choices + st->choice_count, 0,
               (i + 1 - st->choice_count) * sizeof(*st->choices));
        st->choice_count = i + 1;
    }
    st->choices[i].seen = true;
    return &st->choices[i];
}

static bool read_choice(struct together_stream *st, struct span v)
{
    struct span index = {0}, delta = {0}, text = {0}, finish = {0}, seed = {0}, error = {0};
    const struct json_want wants[] = {
        {"index", &index}, {"delta", &delta},          {"text", &text},
        {"seed", &seed},   {"finish_reason", &finish}, {"error", &error}};
    struct choice *c;
    int64_t at = 0;

    if (!json_pick(v.p, v.n, wants, ARRAY_LEN(wants)))
        return fail(st, ERR_BAD_ANSWER, "a choice in the stream is no object");
    if (!json_absent(error)) {
        together_error_read(200, error, &st->failure);
        return false;
    }
    if (!json_absent(index) && !json_read_int(index, &at))
        at = -1;
    c = find_choice(st, at);
    if (!c)
        return fail(st, ERR_BAD_ANSWER, "a choice in the stream has no proper index");
    if (!keep_value(st, &c->finish, finish) || !keep_value(st, &c->seed, seed))
        return false;
    return json_absent(delta) ? keep_text(st, &c->text, text) : read_delta(st, c, delta);
}

/* The members of a chunk.  One with halves of surrogate pairs is read from a copy without them. */
static bool pick(struct together_stream *st, struct span data, const struct json_want *wants,
                 size_t count)
{
    st->raw = (struct span){0};
    if (!data.n || json_pick(data.p, data.n, wants, count))
        return data.n > 0;
    buf_clear(&st->mended);
    if (!buf_add(&st->mended, data.p, data.n) || !json_mend_halves(st->mended.p, data.n))
        return false;
    st->raw = data;
    st->halves = true;
    return json_pick(st->mended.p, data.n, wants, count);
}

static bool read_chunk(struct together_stream *st, struct span data)
{
    struct span id = {0}, created = {0}, model = {0}, usage = {0}, warnings = {0}, choices = {0},
                error = {0};
    const struct json_want wants[] = {
        {"id", &id},       {"created", &created},   {"model", &model},    {"usage", &usage},
        {"error", &error}, {"warnings", &warnings}, {"choices", &choices}};
    struct json_iter it;

    if (!pick(st, data, wants, ARRAY_LEN(wants)))
        return fail(st, ERR_BAD_ANSWER, "an event of the stream is no JSON object");
    if (!json_absent(error)) {
        together_error_read(200, error, &st->failure);
        return false;
    }
    if (!keep_value(st, &st->id, id) || !keep_value(st, &st->created, created) ||
        !keep_value(st, &st->model, model) || !keep_value(st, &st->usage, usage) ||
        !keep_value(st, &st->warnings, warnings))
        return false;
    if (!choices.n || *choices.p != '[' || !json_iter_init(&it, choices.p, choices.n))
        return true;
    while (json_next(&it))
        if (!read_choice(st, it.value))
            return false;
    return true;
}

static bool on_event(void *arg, struct span data)
{
    struct together_stream *st = arg;

    st->events++;
    if (data.n == 6 && !memcmp(data.p, "[DONE]", 6)) {
        st->done = true;
        return false;
    }
    if (!read_chunk(st, data))
        return false;
    st->chunks++;
    if (st->tell)
        st->tell(st->tell_arg, data);
    return true;
}

void together_stream_tell(struct together_stream *st, together_chunk_cb *cb, void *arg)
{
    st->tell = cb;
    st->tell_arg = arg;
}

bool together_stream_is_done(const struct together_stream *st) { return st->done; }
int64_t together_stream_chunks(const struct together_stream *st) { return st->chunks; }

bool together_stream_feed(struct together_stream *st, const char *p, size_t n)
{
    if (sse_feed(&st->sse, p, n))
        return true;
    if (st->sse.too_large && st->failure.kind == ERR_NONE)
        fail(st, ERR_ANSWER_TOO_LARGE, "an event of the stream is too large");
    return false;
}

/* ---- the answer ---- */

static bool all_finished(const struct together_stream *st)
{
    size_t seen = 0;

    for (size_t i = 0; i < st->choice_count; i++) {
        if (st->choices[i].seen && !st->choices[i].finish.n)
            return false;
        seen += st->choices[i].seen;
    }
    return seen > 0;
}

void together_stream_end(struct together_stream *st, bool clean, struct together_reply *ret,
                         struct span *ret_body)
{
    char text[96];
    size_t calls = 0;

    *ret_body = (struct span){0};
    sse_end(&st->sse);
    if (st->sse.too_large && st->failure.kind == ERR_NONE)
        fail(st, ERR_ANSWER_TOO_LARGE, "an event of the stream is too large");
    if (st->failure.kind == ERR_NONE &&
        (!all_finished(st) || !(st->done || (clean && st->usage.n)))) {
        snprintf(text, sizeof(text), "the stream broke off after %lld events",
                 (long long)st->events);
        fail(st, ERR_ANSWER_LOST, text);
    }
    if (st->failure.kind != ERR_NONE) {
        *ret = st->failure;
        return;
    }
    for (size_t i = 0; i < st->choice_count; i++)
        calls += st->choices[i].call_count;
    buf_init(&st->body, st->used + (1 + st->choice_count + calls) * FRAME_BYTES);
    stream_write_answer(st);
    if (st->halves)
        json_mend_halves(st->body.p, st->body.n);
    *ret_body = buf_span(&st->body);
    together_reply_read(st->task, 200, *ret_body, ret);
}
