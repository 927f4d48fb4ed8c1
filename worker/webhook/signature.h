/* signature.h - Standard Webhooks 1.0: who sent this, and when.
 *
 * webhook-signature: v1,<base64 of HMAC-SHA256(key, "<id>.<timestamp>.<body>")>
 * The key is the base64 behind whsec_.  During a rotation there are two,
 * separated by a blank, and receivers accept either. */
#ifndef FLOTILLA_SIGNATURE_H
#define FLOTILLA_SIGNATURE_H

#include "common/core/base.h"
#include "common/core/buf.h"

/* Append "v1,..." to out (a blank before it when out is not empty).  False when the secret is no
 * whsec_ text. */
NODISCARD bool signature_add(struct buf *out, const char *secret, const char *id,
                             int64_t timestamp_s, struct span body);

#endif
