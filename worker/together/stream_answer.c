/* stream_answer.c - what the chunks of a stream were put together to, as one answer.
 *
 *   {"id", "object", "created", "model", "choices": [...], "usage", "warnings"}
 *
 * It reads like the answer to the same request without `stream`.  What the stream did not say is
 * null; a tool call without a type is a function, and a message without a role the assistant's. */
#include "worker/together/stream_private.h"

#include "common/core/json.h"

static void add_inside(struct buf *b, const char *name, const struct buf *text)
{
    json_add_key(b, name);
    buf_putc(b, '"');
    buf_add(b, text->p ? text->p : "", text->n);
    buf_putc(b, '"');
}

static void write_calls(struct buf *b, const struct choice *c)
{
    json_add_key(b, "tool_calls");
    buf_putc(b, '[');
    for (size_t i = 0; i < c->call_count; i++) {
        const struct tool_call *call = &c->calls[i];

        buf_puts(b, i ? ",{" : "{");
        json_add_int(b, "index", (int64_t)i);
        add_inside(b, "id", &call->id);
        if (call->type.n)
            add_inside(b, "type", &call->type);
        else
            json_add_str(b, "type", "function");
        json_add_key(b, "function");
        buf_putc(b, '{');
        add_inside(b, "name", &call->name);
        add_inside(b, "arguments", &call->arguments);
        buf_puts(b, "}}");
    }
    buf_putc(b, ']');
}

static void write_message(struct buf *b, const struct choice *c)
{
    json_add_key(b, "message");
    buf_putc(b, '{');
    if (c->role.n)
        add_inside(b, "role", &c->role);
    else
        json_add_str(b, "role", "assistant");
    if (c->has_content)
        add_inside(b, "content", &c->content);
    else
        json_add_raw(b, "content", (struct span){0});
    if (c->reasoning_name)
        add_inside(b, c->reasoning_name, &c->reasoning);
    write_calls(b, c);
    buf_putc(b, '}');
}

static void write_choice(struct buf *b, const struct choice *c, size_t index)
{
    buf_putc(b, '{');
    json_add_int(b, "index", (int64_t)index);
    if (c->chat)
        write_message(b, c);
    else
        add_inside(b, "text", &c->text);
    json_add_raw(b, "finish_reason", buf_span(&c->finish));
    json_add_raw(b, "seed", buf_span(&c->seed));
    buf_putc(b, '}');
}

void stream_write_answer(struct together_stream *st)
{
    struct buf *b = &st->body;
    bool chat = st->choice_count && st->choices[0].chat;
    const char *comma = "";

    buf_putc(b, '{');
    json_add_raw(b, "id", buf_span(&st->id));
    json_add_str(b, "object", chat ? "chat.completion" : "text.completion");
    json_add_raw(b, "created", buf_span(&st->created));
    json_add_raw(b, "model", buf_span(&st->model));
    json_add_key(b, "choices");
    buf_putc(b, '[');
    for (size_t i = 0; i < st->choice_count; i++)
        if (st->choices[i].seen) {
            buf_puts(b, comma);
            write_choice(b, &st->choices[i], i);
            comma = ",";
        }
    buf_putc(b, ']');
    json_add_raw(b, "usage", buf_span(&st->usage));
    if (st->warnings.n)
        json_add_raw(b, "warnings", buf_span(&st->warnings));
    buf_putc(b, '}');
}
