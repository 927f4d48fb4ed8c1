/* stream.c - chunks of a streamed answer, put together.
 *
 *   bytes ─▶ "{..." ─▶ one JSON text after all: read as an answer that came at once (answer.h)
 *         ─▶ events ─▶ "[DONE]" ─▶ done
 *                   ─▶ event or field "error" ─▶ failed
 *                   ─▶ chunk ──┬─ error ────────────▶ failed
 *                              ├─ usage, others ────▶ the last of each stays
 *                              └─ choices[i] ───────▶ delta: content, tool calls, all else; or
 *                                                     text; finish_reason; all else
 *
 *   end ─▶ complete? ─▶ {"id", "choices": [...], "usage"} ─▶ together_reply_read, as for any answer
 *
 * Pieces of text are appended as they stand in the JSON, escapes and all, and
 * written between quotes again: nothing is unescaped, nothing can change.
 * So halves of a surrogate pair that came in two chunks ("\ud83d", "\ude00") are
 * one character in the answer; a half that stays alone becomes U+FFFD.
 * Members that this file does not know grow by their type (grow.h), so none is lost.
 */
#include "worker/together/stream_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "worker/together/answer.h"
#include "worker/together/usage.h"

enum { CHOICES_MAX = 128, FRAME_BYTES = 4096 };

static sse_event on_event;

/* ---- life ---- */

struct together_stream *together_stream_new(unsigned task, size_t max_event_bytes,
                                            size_t max_answer_bytes)
{
    struct together_stream *st = xcalloc(1, sizeof(*st));

    sse_init(&st->sse, max_event_bytes, on_event, st);
    st->mended = BUF(max_event_bytes);
    st->task = task;
    st->room.max_bytes = max_answer_bytes;
    return st;
}

static void free_choice(struct choice *c)
{
    for (size_t i = 0; i < c->call_count; i++)
        grow_done(&c->calls[i].members);
    free(c->calls);
    buf_done(&c->content.text);
    grow_done(&c->content.parts);
    grow_done(&c->message);
    grow_done(&c->others);
    grow_done(&c->finish);
    buf_done(&c->text);
}

void together_stream_free(struct together_stream *st)
{
    if (!st)
        return;
    for (size_t i = 0; i < st->choice_count; i++)
        free_choice(&st->choices[i]);
    free(st->choices);
    grow_done(&st->usage);
    grow_done(&st->others);
    buf_done(&st->mended);
    buf_done(&st->body);
    sse_done(&st->sse);
    if (st->whole)
        together_answer_done(st->whole);
    free(st->whole);
    free(st);
}

/* ---- failures ---- */

bool stream_fail(struct together_stream *st, enum err_kind kind, const char *message)
{
    st->failure.kind = kind;
    snprintf(st->failure.message, sizeof(st->failure.message), "%s", message);
    return false;
}

bool stream_too_large(struct together_stream *st)
{
    return stream_fail(st, ERR_ANSWER_TOO_LARGE, "the streamed answer is too large");
}

/* ---- chunks ---- */

/* The members of a delta: content and tool calls have rules of their own. */
static bool read_delta(struct together_stream *st, struct choice *c, struct span delta)
{
    struct json_iter it;

    if (*delta.p != '{' || !json_iter_init(&it, delta.p, delta.n))
        return stream_fail(st, ERR_BAD_ANSWER, "a delta in the stream is no object");
    c->chat = true;
    while (json_next(&it)) {
        struct grow *member;

        if (json_absent(it.value))
            continue;
        if (span_is(it.key, "content")) {
            if (!stream_add_content(&c->content, it.value, &st->room))
                return stream_too_large(st);
        } else if (span_is(it.key, "tool_calls")) {
            if (!stream_read_calls(st, c, it.value))
                return false;
        } else {
            member = grow_member(&c->message, it.key, &st->room);
            if (!member || !grow_add(member, it.key, it.value, &st->room))
                return stream_too_large(st);
        }
    }
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

/* A string beside the delta, such as a provider's own finish reason, is whole; lists (logprobs)
 * come in pieces. */
static bool keep_beside(struct together_stream *st, struct choice *c, struct span name,
                        struct span value)
{
    struct grow *member;

    if (json_absent(value))
        return true;
    member = grow_member(&c->others, name, &st->room);
    return member && (*value.p == '"' ? grow_set(member, value, &st->room)
                                      : grow_add(member, name, value, &st->room));
}

static bool keep_choice_member(struct together_stream *st, struct choice *c, struct span name,
                               struct span value)
{
    if (span_is(name, "index") || span_is(name, "error") || span_is(name, "message"))
        return true;
    if (span_is(name, "delta"))
        return json_absent(value) || read_delta(st, c, value);
    if (span_is(name, "text") && value.n && *value.p == '"')
        return grow_bytes(&c->text, (struct span){value.p + 1, value.n - 2}, &st->room) ||
               stream_too_large(st);
    if (span_is(name, "usage"))
        return st->usage.kind != GROW_NOTHING || grow_set(&st->usage, value, &st->room) ||
               stream_too_large(st);
    if (span_is(name, "finish_reason"))
        return grow_set(&c->finish, value, &st->room) || stream_too_large(st);
    return keep_beside(st, c, name, value) || stream_too_large(st);
}

static bool read_choice(struct together_stream *st, struct span v)
{
    struct span index = {0}, error = {0}, delta = {0}, message = {0};
    const struct json_want wants[] = {
        {"index", &index}, {"error", &error}, {"delta", &delta}, {"message", &message}};
    struct choice *c;
    struct json_iter it;
    int64_t at = 0;

    if (!json_pick(v.p, v.n, wants, ARRAY_LEN(wants)) || !json_iter_init(&it, v.p, v.n))
        return stream_fail(st, ERR_BAD_ANSWER, "a choice in the stream is no object");
    if (together_is_error(error)) {
        together_error_read(200, error, &st->failure);
        return false;
    }
    if (!json_absent(index) && !json_read_int(index, &at))
        at = -1;
    c = find_choice(st, at);
    if (!c)
        return stream_fail(st, ERR_BAD_ANSWER, "a choice in the stream has no proper index");
    while (json_next(&it))
        if (!keep_choice_member(st, c, it.key, it.value))
            return false;
    /* Some send the whole message at once, as if nothing were streamed. */
    return !json_absent(delta) || json_absent(message) || read_delta(st, c, message);
}

/* The members of a chunk.  One with halves of surrogate pairs is read from a copy without them. */
static bool pick(struct together_stream *st, struct span *data, const struct json_want *wants,
                 size_t count)
{
    st->room.raw = NULL;
    if (!data->n || json_pick(data->p, data->n, wants, count))
        return data->n > 0;
    buf_clear(&st->mended);
    if (!buf_add(&st->mended, data->p, data->n) || !json_mend_halves(st->mended.p, data->n))
        return false;
    st->room.raw = data->p;
    st->room.read = st->mended.p;
    st->halves = true;
    data->p = st->mended.p;
    return json_pick(data->p, data->n, wants, count);
}

/* What a chunk says beside its choices: of each member the last value stays. */
static bool keep_chunk_member(struct together_stream *st, struct span name, struct span value)
{
    struct grow *member;

    if (json_absent(value) || span_is(name, "object") || span_is(name, "choices") ||
        span_is(name, "error"))
        return true;
    if (span_is(name, "usage"))
        return grow_set(&st->usage, value, &st->room);
    if (span_is(name, "x_groq") && st->usage.kind == GROW_NOTHING &&
        !grow_set(&st->usage, json_at(value, "usage"), &st->room))
        return false;
    member = grow_member(&st->others, name, &st->room);
    return member && grow_set(member, value, &st->room);
}

static bool read_chunk(struct together_stream *st, struct span data)
{
    struct span choices = {0}, error = {0}, usage = {0};
    const struct json_want wants[] = {{"error", &error}, {"choices", &choices}, {"usage", &usage}};
    struct json_iter it;

    if (!pick(st, &data, wants, ARRAY_LEN(wants)))
        return stream_fail(st, ERR_BAD_ANSWER, "an event of the stream is no JSON object");
    if (together_is_error(error)) {
        (void)!grow_set(&st->usage, usage, &st->room);
        together_refusal_read(200, data, &st->failure);
        return false;
    }
    if (!json_iter_init(&it, data.p, data.n))
        return true;
    while (json_next(&it))
        if (!keep_chunk_member(st, it.key, it.value))
            return stream_too_large(st);
    if (!choices.n || *choices.p != '[' || !json_iter_init(&it, choices.p, choices.n))
        return true;
    while (json_next(&it))
        if (!read_choice(st, it.value))
            return false;
    return true;
}

static bool on_event(void *arg, struct span name, struct span data)
{
    struct together_stream *st = arg;

    st->events++;
    if (span_is(data, "[DONE]")) {
        st->done = true;
        return false;
    }
    if (span_is(name, "error")) {
        together_refusal_read(200, data, &st->failure);
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

/* The first byte that is no white space tells, behind a byte order mark; what stands before it is
 * skipped.  Returns how many bytes that is. */
static size_t look_at_frame(struct together_stream *st, const char *p, size_t n)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t i = 0;

    for (; i < n && st->frame == FRAME_UNKNOWN; i++) {
        if (st->mark_n < sizeof(mark) - 1 && p[i] == mark[st->mark_n]) {
            st->mark_n++;
            continue;
        }
        st->mark_n = sizeof(mark) - 1;
        if (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n')
            continue;
        st->frame = p[i] == '{' || p[i] == '[' ? FRAME_WHOLE : FRAME_EVENTS;
        return i;
    }
    return i;
}

bool together_stream_feed(struct together_stream *st, const char *p, size_t n)
{
    size_t skip = st->frame == FRAME_UNKNOWN ? look_at_frame(st, p, n) : 0;

    p += skip;
    n -= skip;
    if (st->frame == FRAME_WHOLE) {
        st->body.max_bytes = st->room.max_bytes;
        return buf_add(&st->body, p, n) ||
               stream_fail(st, ERR_ANSWER_TOO_LARGE, "the answer is too large");
    }
    if (sse_feed(&st->sse, p, n))
        return true;
    if (st->sse.too_large && st->failure.kind == ERR_NONE)
        stream_fail(st, ERR_ANSWER_TOO_LARGE, "an event of the stream is too large");
    return false;
}

/* ---- the answer ---- */

/* [DONE] ends a stream whatever its choices say.  Without it, all must have finished, usage must
 * have come, and the connection must have ended well. */
static bool is_complete(const struct together_stream *st, bool clean)
{
    size_t seen = 0, finished = 0;

    for (size_t i = 0; i < st->choice_count; i++) {
        seen += st->choices[i].seen;
        finished += st->choices[i].seen && st->choices[i].finish.kind != GROW_NOTHING;
    }
    return seen > 0 && (st->done || (clean && seen == finished && st->usage.kind != GROW_NOTHING));
}

/* It was one JSON text. */
static void end_whole(struct together_stream *st, bool clean, struct together_reply *ret,
                      struct span *ret_body)
{
    st->whole = xcalloc(1, sizeof *st->whole);
    together_answer_read(st->task, 200, buf_span(&st->body), ret, st->whole);
    *ret_body = st->whole->body;
    if (!clean && ret->kind == ERR_BAD_ANSWER) {
        stream_fail(st, ERR_ANSWER_LOST, "the answer broke off");
        *ret = st->failure;
    }
}

static void write_body(struct together_stream *st)
{
    size_t calls = 0;

    for (size_t i = 0; i < st->choice_count; i++)
        calls += st->choices[i].call_count;
    buf_init(&st->body, st->room.used + (1 + st->choice_count + calls) * FRAME_BYTES);
    stream_write_answer(st);
    if (st->halves)
        json_mend_halves(st->body.p, st->body.n);
}

void together_stream_end(struct together_stream *st, bool clean, struct together_reply *ret,
                         struct span *ret_body)
{
    char text[96];

    *ret_body = (struct span){0};
    if (st->frame != FRAME_WHOLE)
        sse_end(&st->sse);
    if (st->sse.too_large && st->failure.kind == ERR_NONE)
        stream_fail(st, ERR_ANSWER_TOO_LARGE, "an event of the stream is too large");
    if (st->failure.kind == ERR_NONE && st->frame == FRAME_WHOLE) {
        end_whole(st, clean, ret, ret_body);
        return;
    }
    if (st->failure.kind == ERR_NONE && !is_complete(st, clean)) {
        snprintf(text, sizeof(text), "the stream broke off after %lld events",
                 (long long)st->events);
        stream_fail(st, ERR_ANSWER_LOST, text);
    }
    if (st->failure.kind != ERR_NONE) {
        *ret = st->failure;
        if (st->usage.kind != GROW_NOTHING)
            together_usage_read(st->task, buf_span(&st->usage.text), &ret->usage);
        return;
    }
    write_body(st);
    if (buf_failed(&st->body)) {
        stream_too_large(st);
        *ret = st->failure;
        return;
    }
    *ret_body = buf_span(&st->body);
    together_reply_read(st->task, 200, *ret_body, ret);
}
