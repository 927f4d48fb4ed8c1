/* canonical.h - do two requests ask for the same?
 *
 * The canonical form of a request's body is the same text for bodies that mean the same to a
 * provider.  It has no white space, members are sorted at every level, and numbers and strings are
 * written by their value.  Members that hold the provider's default are left out, and so are those
 * that do not change the answer (user, metadata, stream, ...) or are elsewhere in a key (model).
 *
 *     char hex[CANONICAL_HEX];
 *     if (canonical_hash(TASK_CHAT, "/chat/completions", body, (struct span){0}, hex)) ...
 *
 * When in doubt, two bodies differ: a needless difference costs a call, a false match a wrong
 * answer.
 */
#ifndef FLOTILLA_CACHE_CANONICAL_H
#define FLOTILLA_CACHE_CANONICAL_H

#include "common/core/base.h"
#include "common/core/buf.h"

#define CANONICAL_HEX 65 /* SHA-256 in hexadecimal, and a NUL */

/* Hash of path and canonical body.  task: task_bit, chooses the defaults.  input: when there, it
 * replaces the body's member `input` (one text of an embedding's list).  False: the body is not an
 * object, is malformed, is deeper than JSON_MAX_DEPTH, or has two members of one name in one object,
 * of which parsers keep different ones. */
NODISCARD bool canonical_hash(unsigned task, const char *path, struct span body, struct span input,
                              char hex[CANONICAL_HEX]);
/* The form itself, appended: for people and tests.  It is not JSON (1.50 is 15e-1). */
NODISCARD bool canonical_text(unsigned task, struct span body, struct span input, struct buf *out);

#endif
