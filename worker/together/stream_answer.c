/* stream_answer.c - what the chunks of a stream were put together to, as one answer.
 *
 *   {"id", "object", "created", "model", "choices": [...], "usage", ...}
 *
 * It reads like the answer to the same request without `stream`.  What the stream did not say is
 * null; a tool call without a type is a function, and a message without a role the assistant's. */
#include "common/core/json.h"
#include "worker/together/stream_private.h"

/* A member, or the text where the stream has none. */
static void add_member(struct buf *b, const struct grow *object, const char *name,
                       const char *missing)
{
    const struct grow *g = grow_find(object, name);

    json_add_key(b, name);
    if (g)
        grow_write(g, b);
    else
        buf_puts(b, missing);
}

static void write_function(struct buf *b, const struct tool_call *call)
{
    static const char *const written[] = {"name", "arguments", NULL};
    static const struct grow nothing;
    const struct grow *function = grow_find(&call->members, "function");

    if (!function || function->kind != GROW_OBJECT)
        function = &nothing;
    json_add_key(b, "function");
    buf_putc(b, '{');
    add_member(b, function, "name", "\"\"");
    add_member(b, function, "arguments", "\"\"");
    grow_write_members(function, written, b);
    buf_putc(b, '}');
}

static void write_calls(struct buf *b, const struct choice *c)
{
    static const char *const written[] = {"index", "id", "type", "function", NULL};

    json_add_key(b, "tool_calls");
    buf_putc(b, '[');
    for (size_t i = 0; i < c->call_count; i++) {
        const struct tool_call *call = &c->calls[i];

        buf_puts(b, i ? ",{" : "{");
        json_add_int(b, "index", (int64_t)i);
        add_member(b, &call->members, "id", "\"\"");
        add_member(b, &call->members, "type", "\"function\"");
        if (grow_find(&call->members, "function") || !grow_find(&call->members, "type"))
            write_function(b, call);
        grow_write_members(&call->members, written, b);
        buf_putc(b, '}');
    }
    buf_putc(b, ']');
}

static void write_message(struct buf *b, struct choice *c)
{
    static const char *const written[] = {"role", "tool_calls", NULL};

    json_add_key(b, "message");
    buf_putc(b, '{');
    add_member(b, &c->message, "role", "\"assistant\"");
    json_add_key(b, "content");
    stream_write_content(&c->content, b);
    grow_write_members(&c->message, written, b);
    write_calls(b, c);
    buf_putc(b, '}');
}

static void write_choice(struct buf *b, struct choice *c, size_t index)
{
    static const char *const written[] = {"seed", NULL};

    buf_putc(b, '{');
    json_add_int(b, "index", (int64_t)index);
    if (c->chat) {
        write_message(b, c);
    } else {
        json_add_key(b, "text");
        buf_putc(b, '"');
        buf_add(b, c->text.p ? c->text.p : "", c->text.n);
        buf_putc(b, '"');
    }
    json_add_key(b, "finish_reason");
    grow_write(&c->finish, b);
    add_member(b, &c->others, "seed", "null");
    grow_write_members(&c->others, written, b);
    buf_putc(b, '}');
}

void stream_write_answer(struct together_stream *st)
{
    static const char *const written[] = {"id", "object", "created", "model", NULL};
    struct buf *b = &st->body;
    bool chat = st->choice_count && st->choices[0].chat;
    const char *comma = "";

    buf_putc(b, '{');
    add_member(b, &st->others, "id", "null");
    json_add_str(b, "object", chat ? "chat.completion" : "text.completion");
    add_member(b, &st->others, "created", "null");
    add_member(b, &st->others, "model", "null");
    json_add_key(b, "choices");
    buf_putc(b, '[');
    for (size_t i = 0; i < st->choice_count; i++)
        if (st->choices[i].seen) {
            buf_puts(b, comma);
            write_choice(b, &st->choices[i], i);
            comma = ",";
        }
    buf_putc(b, ']');
    json_add_key(b, "usage");
    grow_write(&st->usage, b);
    grow_write_members(&st->others, written, b);
    buf_putc(b, '}');
}
