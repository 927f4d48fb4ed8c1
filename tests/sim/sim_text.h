/* sim_text.h - made-up texts that are the same for the same request. */
#ifndef FLOTILLA_SIM_TEXT_H
#define FLOTILLA_SIM_TEXT_H

#include "common/core/base.h"
#include "common/core/buf.h"

/* 64 bits of p[0..n) mixed with seed. */
uint64_t sim_text_hash(const char *p, size_t n, uint64_t seed);
/* Append a sentence of about `bytes` bytes (0: 20 to 60, by the hash). */
void sim_text_make(struct buf *out, uint64_t hash, size_t bytes);
/* The largest length <= n that does not end inside a UTF-8 character of p; p[n] must be readable.
 */
size_t sim_text_cut(const char *p, size_t n);
/* How many bytes of p the next chunk of a stream has: a word with the blanks before it, whole
 * characters. */
size_t sim_text_piece(const char *p, size_t n);

#endif
