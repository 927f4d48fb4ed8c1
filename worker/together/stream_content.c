/* stream_content.c - the content of a streamed message: text, or a list of parts.
 *
 *   "text"                      joined with the text before it
 *   [{"type":"text","text":…}]  the same
 *   [any other part]            a part of its own, behind the text before it
 *
 * Text stays a string as long as nothing but text comes.  With other parts (thinking, images) the
 * content is a list, in which neighbouring texts are one part. */
#include <string.h>

#include "common/core/json.h"
#include "worker/together/stream_private.h"

#define TEXT_PART     "{\"type\":\"text\",\"text\":\""
#define TEXT_PART_END "\"}"

/* A comma, and what stands around a text. */
enum { PART_BYTES = 1, TEXT_PART_BYTES = sizeof ",{" TEXT_PART TEXT_PART_END };

static bool append_part(struct content *c, struct span part, struct grow_room *room)
{
    if (!grow_count(room, PART_BYTES))
        return false;
    if (c->parts.kind == GROW_LIST)
        buf_putc(&c->parts.text, ',');
    c->parts.kind = GROW_LIST;
    return grow_bytes(&c->parts.text, part, room);
}

/* The text so far becomes a part. */
static void end_text(struct content *c)
{
    struct buf *parts = &c->parts.text;

    if (!c->text.n)
        return;
    parts->max_bytes += c->text.n + TEXT_PART_BYTES;
    if (c->parts.kind == GROW_LIST)
        buf_putc(parts, ',');
    c->parts.kind = GROW_LIST;
    buf_puts(parts, TEXT_PART);
    buf_add_span(parts, buf_span(&c->text));
    buf_puts(parts, TEXT_PART_END);
    buf_clear(&c->text);
}

/* The text so far, and behind it a part of another kind. */
static bool add_part(struct content *c, struct span part, struct grow_room *room)
{
    if (c->text.n && !grow_count(room, TEXT_PART_BYTES))
        return false;
    end_text(c);
    return append_part(c, part, room);
}

/* {"type":"text","text":"..."} and nothing else. */
static bool is_plain_text(struct span part, struct span *ret_text)
{
    struct json_iter it;
    bool typed = false;

    *ret_text = (struct span){0};
    if (!json_iter_init(&it, part.p, part.n) || *part.p != '{')
        return false;
    while (json_next(&it)) {
        if (span_is(it.key, "type") && json_equals(it.value, "text"))
            typed = true;
        else if (span_is(it.key, "text") && *it.value.p == '"')
            *ret_text = it.value;
        else
            return false;
    }
    return typed && ret_text->n;
}

static bool add_text(struct content *c, struct span string, struct grow_room *room)
{
    return grow_bytes(&c->text, (struct span){string.p + 1, string.n - 2}, room);
}

bool stream_add_content(struct content *c, struct span piece, struct grow_room *room)
{
    struct json_iter it;
    struct span text;

    if (json_absent(piece))
        return true;
    c->there = true;
    if (*piece.p == '"')
        return add_text(c, piece, room);
    if (*piece.p != '[' || !json_iter_init(&it, piece.p, piece.n))
        return add_part(c, piece, room);
    while (json_next(&it)) {
        if (is_plain_text(it.value, &text)) {
            if (!add_text(c, text, room))
                return false;
        } else if (!add_part(c, it.value, room)) {
            return false;
        }
    }
    return true;
}

void stream_write_content(struct content *c, struct buf *b)
{
    if (!c->there) {
        buf_puts(b, "null");
    } else if (c->parts.kind == GROW_LIST) {
        end_text(c);
        grow_write(&c->parts, b);
    } else {
        buf_putc(b, '"');
        buf_add(b, c->text.p ? c->text.p : "", c->text.n);
        buf_putc(b, '"');
    }
}
