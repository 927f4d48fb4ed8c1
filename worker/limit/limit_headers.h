/* limit_headers.h - the provider's limits, as an answer's headers state them.
 *
 *   x-ratelimit-limit[-dynamic], x-ratelimit-remaining[-dynamic]     requests per second
 *   x-tokenlimit-limit[-dynamic], x-tokenlimit-remaining[-dynamic]   tokens per second
 *   x-ratelimit-reset                                                seconds
 *
 * Answers carry none of them today; those that do are obeyed.  The dynamic ones win. */
#ifndef FLOTILLA_LIMIT_HEADERS_H
#define FLOTILLA_LIMIT_HEADERS_H

#include "common/core/base.h"
#include "common/limit/bucket.h"

struct limit_headers {
    double limit[BUCKET_LANES], remaining[BUCKET_LANES]; /* -1: not stated */
    double reset_s;                                      /* -1: not stated */
};
/* headers: the raw block.  False when it states no limit. */
NODISCARD bool limit_headers_read(struct span headers, struct limit_headers *ret);

#endif
