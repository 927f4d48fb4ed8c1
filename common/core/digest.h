/* digest.h - SHA-256, for names of things: ids of documents, of keys, of requests. */
#ifndef FLOTILLA_DIGEST_H
#define FLOTILLA_DIGEST_H

#include "common/core/base.h"

#define DIGEST_TEXT 17

/* The first 8 bytes of the digest as 16 hex digits. */
void digest_text(struct span s, char text[DIGEST_TEXT]);

#endif
