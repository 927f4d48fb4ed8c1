/* entry.h - one kept answer: what it says, and what it was.
 *
 * In memory entries count their users: many jobs may end with the same answer.  In Redis it is:
 *
 *     F1 <CRC-32 of the rest, 8 hex digits>\n
 *     {"bytes":1234,"packed":false,"model":"...","provider":"...","told":true,"usage":[9,3,0],...}\n
 *     <the answer's body, or its zlib form>
 *
 * Anything that does not match its checksum and sizes is no entry.
 */
#ifndef FLOTILLA_CACHE_ENTRY_H
#define FLOTILLA_CACHE_ENTRY_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/model/cost.h"

#define ENTRY_MAX_BYTES (64U << 20) /* of a body, unpacked */

struct entry {
    struct span body;  /* raw JSON */
    struct span model; /* as the answer names it; empty: it does not */
    const char *provider;
    struct usage usage;   /* there: from the provider; else estimated */
    int64_t list_nanousd; /* the price of the call, without discounts */
    int64_t stored_ms;    /* wall clock */
    /* private */
    unsigned users;
    char *memory;
};

/* A copy of facts and its texts, with one user. */
struct entry *entry_new(const struct entry *facts);
struct entry *entry_use(struct entry *e);
void entry_drop(struct entry **e); /* NULL is fine; *e becomes NULL */

/* Append what is stored.  Bodies over pack_bytes are compressed if that saves a fifth. */
void entry_write(const struct entry *e, size_t pack_bytes, struct buf *out);
/* NULL: damaged, or of another version. */
NODISCARD struct entry *entry_read(struct span stored);

#endif
