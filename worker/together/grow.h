/* grow.h - a JSON value that arrives in pieces, as the deltas of a stream carry it.
 *
 *     struct grow message = {0};
 *     for each delta: if (!grow_add(&message, delta, &room)) the answer is too large
 *     grow_write(&message, &out); grow_done(&message);
 *
 * Pieces are combined by their type: strings are joined, lists are appended, objects are merged
 * member by member.  Of numbers and booleans the last one stays, and so does the last piece when
 * the type changes.  null changes nothing.  Some strings are not joined; grow.c has their names.
 *
 * Text keeps its escapes: nothing is unescaped, so nothing can change.
 */
#ifndef FLOTILLA_TOGETHER_GROW_H
#define FLOTILLA_TOGETHER_GROW_H

#include "common/core/base.h"
#include "common/core/buf.h"

enum grow_kind { GROW_NOTHING, GROW_STRING, GROW_LIST, GROW_OBJECT, GROW_VALUE };

struct grow {
    enum grow_kind kind;
    struct buf text; /* the inside of a string or list; the bytes of a value */
    struct grow_member *members;
    size_t count; /* of an object */
};
struct grow_member {
    struct buf name; /* as the JSON has it, without quotes */
    struct grow value;
};

/* What the parts of one answer may hold together, and where their bytes are copied from. */
struct grow_room {
    size_t used, max_bytes;
    int depth;              /* private: of the object at hand */
    const char *read, *raw; /* pieces that lie behind `read` are copied from the same place behind
                               `raw` (stream.c: halves of surrogate pairs); raw NULL: as they are */
};

/* Add a valid JSON value.  False: no room.  name: the member that it is, or empty. */
NODISCARD bool grow_add(struct grow *g, struct span name, struct span piece,
                        struct grow_room *room);
/* Replace what is there by a value, or by a string's inside; null changes nothing. */
NODISCARD bool grow_set(struct grow *g, struct span piece, struct grow_room *room);
/* Count bytes that are written around pieces. */
NODISCARD bool grow_count(struct grow_room *room, size_t bytes);
/* Append bytes to a buffer at the expense of the room. */
NODISCARD bool grow_bytes(struct buf *b, struct span bytes, struct grow_room *room);
/* A member of an object that is (or becomes) one; NULL: no room. */
struct grow *grow_member(struct grow *g, struct span name, struct grow_room *room);
const struct grow *grow_find(const struct grow *g, const char *name); /* NULL: not there */
/* Append the value; null when nothing came. */
void grow_write(const struct grow *g, struct buf *b);
/* Append `,"name":value` for each member of an object, but those in `without` (NULL-terminated). */
void grow_write_members(const struct grow *g, const char *const *without, struct buf *b);
void grow_done(struct grow *g);

#endif
