/* json.h - reading and writing JSON without building trees.
 *
 * For the path of a job: documents are scanned once, values stay where they
 * are as raw spans, and results are spliced from them.  Everything that is not
 * per job (config, schemas, CLI) uses jansson.
 *
 * The reader is strict RFC 8259: valid UTF-8, no control characters and no
 * unpaired surrogate escapes in strings, no duplicate check, depth <=
 * JSON_MAX_DEPTH.  Numbers are checked for their form, not their size.  Names
 * that are looked for (at most 256 bytes) match escaped spellings too.
 */
#ifndef FLOTILLA_JSON_H
#define FLOTILLA_JSON_H

#include "common/core/base.h"
#include "common/core/buf.h"

#define JSON_MAX_DEPTH    64  /* of what comes from outside: json_valid */
#define JSON_ANSWER_DEPTH 96  /* of answers of providers, which are paid: json_pick_within */
#define JSON_OWN_DEPTH    104 /* of documents of ours, which wrap such values: reading */
#define JSON_MAX_WANTS    64

/* Check that p[0..n) is exactly one JSON value (with white space around). */
NODISCARD bool json_valid(const char *p, size_t n);
/* For text that the reader refuses: put \ufffd in place of each surrogate escape that lacks its
 * other half.  Nothing moves.  Returns how many there were. */
size_t json_mend_halves(char *p, size_t n);
/* Text that is no JSON, but for such halves: then true, and copy (empty before) holds it mended.
 * False, whatever is in copy: it is valid as it is, or is no JSON for another reason. */
NODISCARD bool json_mend(struct span text, struct buf *copy);

/* Walk the members of an object, or the elements of an array.
 *
 *     struct json_iter it;
 *     if (!json_iter_init(&it, p, n)) not an object or array;
 *     while (json_next(&it)) { it.key, it.value ... }
 *     if (it.bad) malformed;
 *
 * The key is raw, without quotes, escapes kept, and empty in arrays; the value is raw and trimmed.
 *
 * Values are checked while they are skipped, so a walk to the end is a validation. */
struct json_iter {
    const char *p, *end;
    struct span key, value;
    int depth; /* of the values: JSON_OWN_DEPTH less the container that is walked */
    char close;
    bool first, bad;
};
NODISCARD bool json_iter_init(struct json_iter *it, const char *p, size_t n);
NODISCARD bool json_next(struct json_iter *it);

/* One pass over an object, filling the wanted members (last one wins; at most
 * JSON_MAX_WANTS).  Missing ones are {NULL, 0}.  False when the text is
 * malformed or no object; some may be filled then. */
struct json_want {
    const char *name;
    struct span *out;
};
NODISCARD bool json_pick(const char *p, size_t n, const struct json_want *wants, size_t count);
/* The same of a text that is malformed when it nests deeper than depth levels. */
NODISCARD bool json_pick_within(struct span text, int depth, const struct json_want *wants,
                                size_t count);
/* The raw value at a path of names and indexes: json_at(doc, "usage.total_tokens"),
 * json_at(doc, "choices.0.finish_reason").  {NULL, 0} when not there or malformed
 * before it; the first one of equal names. */
struct span json_at(struct span doc, const char *path);

/* Typed reads of one raw value.  False (and *ret untouched) when the type is another. */
/* Integers, also when written 3.0 or 1.5e3 (then within +-9e15, and of at most 400 characters). */
NODISCARD bool json_read_int(struct span v, int64_t *ret);
NODISCARD bool json_read_double(struct span v, double *ret);
NODISCARD bool json_read_bool(struct span v, bool *ret);
/* Unescape a string value into b (appended).  False when v is not a string or b is full. */
NODISCARD bool json_read_string(struct span v, struct buf *b);
/* Unescaped and NUL-terminated into fixed memory; false when not a string (text untouched),
 * or too long or with NUL inside (text is then ""). */
NODISCARD bool json_read_text(struct span v, char *text, size_t size);
/* Questions (their names keep clear of jansson's json_is_* macros). */
bool json_absent(struct span v);                   /* not there, or null */
bool json_equals(struct span v, const char *text); /* a string equal to text (no escapes) */
/* A string's text without its quotes, escapes kept; {NULL, 0} for "" and for what is no string. */
struct span json_unquoted(struct span v);

/* Writing: append to a buf. */
/* Quoted and escaped; invalid UTF-8 becomes U+FFFD. */
void json_add_string(struct buf *b, const char *p, size_t n);
void json_add_text(struct buf *b, const char *s); /* NUL-terminated; NULL writes null */
/* `"name":` with a comma before it unless the buffer ends in '{'. */
void json_add_key(struct buf *b, const char *name);
/* A member with a raw value; an absent one is written as null. */
void json_add_raw(struct buf *b, const char *name, struct span value);
void json_add_int(struct buf *b, const char *name, int64_t v);
void json_add_bool(struct buf *b, const char *name, bool v);
void json_add_str(struct buf *b, const char *name, const char *s);
/* nano-USD as a decimal USD number with up to 9 decimals, exact: 2280 -> 0.00000228 */
void json_add_usd(struct buf *b, const char *name, int64_t nanousd);

#endif
