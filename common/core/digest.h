/* digest.h - SHA-256, for names of things: ids of documents, of keys, of requests. */
#ifndef FLOTILLA_DIGEST_H
#define FLOTILLA_DIGEST_H

#include "common/core/base.h"

#define DIGEST_TEXT 17

/* The first n bytes (at most 32) of the digest as 2 * n hex digits, and a NUL. */
void digest_hex(struct span s, size_t n, char *text);
/* The first 8 bytes as 16 hex digits. */
void digest_text(struct span s, char text[DIGEST_TEXT]);

#endif
