/* stream_calls.c - tool calls that come in pieces: which call does a piece belong to?
 *
 *   it has an id      the call with this id; else one of this index that has no id yet; else a new
 *                     one, whatever its index
 *   it has an index   the latest call of this index; else a new one
 *   it has neither    the call at its place when the delta holds several; else the latest, unless a
 *                     whole call stands there and this piece names a function: then a new one
 *
 * Providers number their calls differently: all 0, all -1, from 1 on, or not at all.  Calls are in
 * the order of their indexes, and of their appearance where these are equal or missing. */
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "worker/together/stream_private.h"

enum {
    CALLS_MAX = 128,
    LOOKED_MAX = 16 * 1024 * 1024, /* bytes of arguments that are looked at, again and again, to see
                                      whether a call is whole: a fraction of a second */
};

static const struct span no_name = {"", 0};

static struct span text_of(const struct tool_call *call, const char *name)
{
    const struct grow *g = grow_find(&call->members, name);

    return g && g->kind == GROW_STRING ? buf_span(&g->text) : (struct span){0};
}

static struct span text_in_function(const struct tool_call *call, const char *name)
{
    const struct grow *function = grow_find(&call->members, "function");
    const struct grow *g = function ? grow_find(function, name) : NULL;

    return g && g->kind == GROW_STRING ? buf_span(&g->text) : (struct span){0};
}

static struct tool_call *by_id(struct choice *c, struct span id)
{
    for (size_t i = 0; i < c->call_count; i++) {
        struct span own = text_of(&c->calls[i], "id");

        if (own.n == id.n && !memcmp(own.p, id.p, id.n))
            return &c->calls[i];
    }
    return NULL;
}

/* The latest of that index. */
static struct tool_call *by_index(struct choice *c, int64_t index)
{
    for (size_t i = c->call_count; index >= 0 && i-- > 0;)
        if (c->calls[i].index == index)
            return &c->calls[i];
    return NULL;
}

static struct tool_call *new_call(struct choice *c, int64_t index)
{
    size_t at = c->call_count;

    if (c->call_count == CALLS_MAX)
        return NULL;
    while (index >= 0 && at > 0 && c->calls[at - 1].index > index)
        at--;
    c->calls = xrealloc(c->calls, (c->call_count + 1) * sizeof *c->calls);
    memmove(c->calls + at + 1, c->calls + at, (c->call_count - at) * sizeof *c->calls);
    c->calls[at] = (struct tool_call){.index = index};
    c->call_count++;
    return &c->calls[at];
}

/* Its arguments are one JSON text, as they are once the call is whole. */
static bool is_whole(struct choice *c, const struct tool_call *call)
{
    struct span arguments = text_in_function(call, "arguments");
    struct buf text = BUF(arguments.n), quoted = BUF(arguments.n + 2);
    bool whole;

    c->looked_bytes += arguments.n;
    if (c->looked_bytes > LOOKED_MAX)
        return false;
    buf_putc(&quoted, '"');
    buf_add(&quoted, arguments.p ? arguments.p : "", arguments.n);
    buf_putc(&quoted, '"');
    whole = json_read_string(buf_span(&quoted), &text) && text.n && json_valid(text.p, text.n);
    buf_done(&quoted);
    buf_done(&text);
    return whole;
}

/* A piece without id and index. */
static struct tool_call *by_place(struct choice *c, struct span piece, size_t place, size_t count)
{
    struct span name = json_unquoted(json_at(piece, "function.name"));
    struct tool_call *last = c->call_count ? &c->calls[c->call_count - 1] : NULL;

    if (count > 1)
        return place < c->call_count ? &c->calls[place] : new_call(c, -1);
    if (!last || (name.n && text_in_function(last, "name").n && is_whole(c, last)))
        return new_call(c, -1);
    return last;
}

static struct tool_call *call_of(struct choice *c, struct span piece, size_t place, size_t count)
{
    struct span index = {0}, id = {0};
    const struct json_want wants[] = {{"index", &index}, {"id", &id}};
    struct tool_call *call;
    int64_t at = -1;

    if (!json_pick(piece.p, piece.n, wants, ARRAY_LEN(wants)))
        return NULL;
    if (json_absent(index) || !json_read_int(index, &at) || at < 0)
        at = -1;
    id = json_unquoted(id);
    if (id.n) {
        call = by_id(c, id);
        if (!call) {
            call = by_index(c, at);
            call = call && !text_of(call, "id").n ? call : new_call(c, at);
        }
        return call;
    }
    if (at >= 0) {
        call = by_index(c, at);
        return call ? call : new_call(c, at);
    }
    return by_place(c, piece, place, count);
}

static size_t count_of(struct span list)
{
    struct json_iter it;
    size_t n = 0;

    if (!json_iter_init(&it, list.p, list.n))
        return 0;
    while (json_next(&it))
        n++;
    return n;
}

bool stream_read_calls(struct together_stream *st, struct choice *c, struct span calls)
{
    size_t count = count_of(calls), place = 0;
    struct json_iter it;

    if (!calls.n || *calls.p != '[' || !json_iter_init(&it, calls.p, calls.n))
        return true;
    while (json_next(&it)) {
        struct tool_call *call;

        if (*it.value.p != '{')
            return stream_fail(st, ERR_BAD_ANSWER, "a tool call in the stream is no object");
        call = call_of(c, it.value, place++, count);
        if (!call)
            return stream_fail(st, ERR_BAD_ANSWER, "the stream has too many tool calls");
        if (!grow_add(&call->members, no_name, it.value, &st->room))
            return stream_too_large(st);
    }
    return true;
}
