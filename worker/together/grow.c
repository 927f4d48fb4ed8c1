/* grow.c - see grow.h.
 *
 *   piece ─▶ null? nothing ─▶ string: by the rule of its name ─▶ joined, kept, or compared
 *                          ─▶ list: its inside is appended
 *                          ─▶ object: each member grows by itself
 *                          ─▶ number, boolean: replaces
 *
 * An object is read once for each level above it, so deeper than DEPTH_MAX objects do not grow: the
 * last one stays. */
#include "worker/together/grow.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

enum { MEMBERS_MAX = 256, DEPTH_MAX = 16 };

/* Strings that are no text in pieces. */
/* clang-format off */
static const struct {
    const char *name;
    enum { ONCE, UNLESS_EQUAL } rule; /* the first one stays; joined unless it is what came so far */
} strings[] = {
    {"id",   ONCE},
    {"type", ONCE},
    {"role", ONCE},
    {"format", ONCE},
    {"name", UNLESS_EQUAL},
};
/* clang-format on */

static struct span inside(struct span v) { return (struct span){v.p + 1, v.n - 2}; }

bool grow_count(struct grow_room *room, size_t bytes)
{
    if (bytes > room->max_bytes - room->used)
        return false;
    room->used += bytes;
    return true;
}

bool grow_bytes(struct buf *b, struct span bytes, struct grow_room *room)
{
    if (!grow_count(room, bytes.n))
        return false;
    if (room->raw)
        bytes.p = room->raw + (bytes.p - room->read);
    b->max_bytes = room->max_bytes;
    return buf_add(b, bytes.p, bytes.n);
}

static void clear(struct grow *g, struct grow_room *room)
{
    room->used -= g->text.n;
    grow_done(g);
}

/* ---- strings, lists, values ---- */

static bool add_string(struct grow *g, struct span name, struct span piece, struct grow_room *room)
{
    struct span text = inside(piece);

    if (g->kind != GROW_STRING)
        clear(g, room);
    g->kind = GROW_STRING;
    for (size_t i = 0; i < ARRAY_LEN(strings); i++)
        if (span_is(name, strings[i].name) && g->text.n > 0) {
            if (strings[i].rule == ONCE)
                return true;
            if (g->text.n == text.n && !memcmp(g->text.p, text.p, text.n))
                return true;
        }
    return grow_bytes(&g->text, text, room);
}

static bool add_list(struct grow *g, struct span piece, struct grow_room *room)
{
    struct span elements = inside(piece);
    struct json_iter it;

    if (g->kind != GROW_LIST)
        clear(g, room);
    g->kind = GROW_LIST;
    if (!json_iter_init(&it, piece.p, piece.n) || !json_next(&it))
        return true; /* an empty one */
    if (g->text.n) {
        buf_putc(&g->text, ',');
        room->used += room->used < room->max_bytes;
    }
    return grow_bytes(&g->text, elements, room);
}

static bool set_value(struct grow *g, struct span piece, struct grow_room *room)
{
    clear(g, room);
    g->kind = GROW_VALUE;
    return grow_bytes(&g->text, piece, room);
}

bool grow_set(struct grow *g, struct span piece, struct grow_room *room)
{
    return json_absent(piece) || set_value(g, piece, room);
}

/* ---- objects ---- */

struct grow *grow_member(struct grow *g, struct span name, struct grow_room *room)
{
    struct grow_member *m;

    if (g->kind != GROW_OBJECT)
        clear(g, room);
    g->kind = GROW_OBJECT;
    for (size_t i = 0; i < g->count; i++)
        if (g->members[i].name.n == name.n && !memcmp(g->members[i].name.p, name.p, name.n))
            return &g->members[i].value;
    if (g->count == MEMBERS_MAX)
        return NULL;
    g->members = xrealloc(g->members, (g->count + 1) * sizeof *g->members);
    m = &g->members[g->count++];
    *m = (struct grow_member){.name = BUF(name.n + 1)};
    buf_add(&m->name, name.p, name.n);
    if (name.n + sizeof *m > room->max_bytes - room->used)
        return NULL;
    room->used += name.n + sizeof *m;
    return &m->value;
}

const struct grow *grow_find(const struct grow *g, const char *name)
{
    for (size_t i = 0; i < g->count; i++)
        if (span_is(buf_span(&g->members[i].name), name))
            return &g->members[i].value;
    return NULL;
}

static bool add_object(struct grow *g, struct span piece, struct grow_room *room)
{
    struct json_iter it;

    if (g->kind != GROW_OBJECT)
        clear(g, room);
    g->kind = GROW_OBJECT;
    if (!json_iter_init(&it, piece.p, piece.n))
        return true;
    while (json_next(&it)) {
        struct grow *member;

        if (json_absent(it.value))
            continue;
        member = grow_member(g, it.key, room);
        if (!member || !grow_add(member, it.key, it.value, room))
            return false;
    }
    return true;
}

bool grow_add(struct grow *g, struct span name, struct span piece, struct grow_room *room)
{
    bool ok;

    if (json_absent(piece))
        return true;
    switch (*piece.p) {
    case '"': return add_string(g, name, piece, room);
    case '[': return add_list(g, piece, room);
    case '{': break;
    default: return set_value(g, piece, room);
    }
    if (room->depth == DEPTH_MAX)
        return set_value(g, piece, room);
    room->depth++;
    ok = add_object(g, piece, room);
    room->depth--;
    return ok;
}

/* ---- writing ---- */

static void write_between(struct buf *b, char open, const struct buf *text, char close)
{
    buf_putc(b, open);
    buf_add(b, text->p ? text->p : "", text->n);
    buf_putc(b, close);
}

static void write_member(const struct grow_member *m, struct buf *b)
{
    if (b->n && b->p[b->n - 1] != '{')
        buf_putc(b, ',');
    write_between(b, '"', &m->name, '"');
    buf_putc(b, ':');
    grow_write(&m->value, b);
}

void grow_write(const struct grow *g, struct buf *b)
{
    switch (g->kind) {
    case GROW_STRING: write_between(b, '"', &g->text, '"'); break;
    case GROW_LIST: write_between(b, '[', &g->text, ']'); break;
    case GROW_OBJECT:
        buf_putc(b, '{');
        for (size_t i = 0; i < g->count; i++)
            write_member(&g->members[i], b);
        buf_putc(b, '}');
        break;
    case GROW_VALUE: buf_add(b, g->text.p, g->text.n); break;
    case GROW_NOTHING: buf_puts(b, "null"); break;
    }
}

static bool listed(struct span name, const char *const *names)
{
    for (; *names; names++)
        if (span_is(name, *names))
            return true;
    return false;
}

void grow_write_members(const struct grow *g, const char *const *without, struct buf *b)
{
    for (size_t i = 0; i < g->count; i++)
        if (!listed(buf_span(&g->members[i].name), without))
            write_member(&g->members[i], b);
}

void grow_done(struct grow *g)
{
    for (size_t i = 0; i < g->count; i++) {
        buf_done(&g->members[i].name);
        grow_done(&g->members[i].value);
    }
    free(g->members);
    buf_done(&g->text);
    *g = (struct grow){0};
}
