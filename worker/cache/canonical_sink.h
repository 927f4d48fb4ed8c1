/* canonical_sink.h - where a canonical form goes: blocks into a digest, or text.
 *
 * Set one of md and text, the rest zero; sink_flush when all is put. */
#ifndef FLOTILLA_CACHE_CANONICAL_SINK_H
#define FLOTILLA_CACHE_CANONICAL_SINK_H

#include <openssl/evp.h>

#include "common/core/base.h"
#include "common/core/buf.h"

struct sink {
    char block[512];
    size_t n;
    EVP_MD_CTX *md;
    struct buf *text;
};

void sink_put(struct sink *s, const char *p, size_t n);
void sink_char(struct sink *s, char c);
/* A JSON number by its value, as digits times a power of ten: 150, 150.0 and 1.5e2 are 15e1. */
void sink_number(struct sink *s, struct span v);
void sink_flush(struct sink *s);

#endif
