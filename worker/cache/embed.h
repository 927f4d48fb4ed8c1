/* embed.h - embeddings text by text: which of a list are asked for, and the answer put together.
 *
 *     {"model": m, "input": ["a", "b", "a"]}   two different texts: each has a key of its own, the
 *                                              one of a body with that text alone
 *     asked for: the unknown ones              {"model": m, "input": ["b"]}
 *     the answer: all three, in their order    {"data": [{"index": 0, ...}, ...], ...}
 */
#ifndef FLOTILLA_CACHE_EMBED_H
#define FLOTILLA_CACHE_EMBED_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "worker/cache/cache.h"
#include "worker/cache/canonical.h"

enum { EMBED_TEXTS_MAX = 4096 };

struct embed {
    size_t n;      /* texts, as listed */
    size_t unique; /* different ones, in the order of their first place */
    size_t *slot;  /* per text: which of the different ones it is */
    struct embed_text {
        struct span raw; /* the text, or tokens, as it stands in the body */
        char hash[CANONICAL_HEX];
    } * text; /* per different one */
};

/* Read and hash a body's `input`.  The body must outlive *ret.  False: it cannot be taken apart. */
NODISCARD bool embed_read(const char *path, struct span body, struct embed *ret);
void embed_done(struct embed *e);

/* The body that asks for the texts that found lacks. */
void embed_ask(const struct embed *e, struct span body, const struct found *found, struct buf *out);

/* Vectors of two models do not go together.  True: found has such. */
bool embed_is_mixed(const struct found *found);
/* Keep only those of the model that answered last (found is the caller's own). */
void embed_unmix(struct found *found);
bool embed_same_model(struct span a, struct span b);

/* What an answer gave: per asked text its element, in order. */
NODISCARD bool embed_split(struct span answer, struct span *elements, size_t n);
/* An element as it is kept: without its index. */
void embed_strip(struct span element, struct buf *out);
/* Shares of `tokens` that n texts get by their length; together they are exactly that. */
void embed_share_tokens(const struct span *texts, size_t n, int64_t tokens, int64_t *ret);

/* The answer to all texts.  found has every different one.  answer: of the call for what was not
 * known, whose other members it keeps; {NULL,0}: there was none.  usage: raw, or {NULL,0}. */
void embed_join(const struct embed *e, const struct found *found, struct span answer,
                struct span model, struct span usage, struct buf *out);

#endif
