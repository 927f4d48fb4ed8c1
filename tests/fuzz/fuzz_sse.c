/* fuzz_sse.c - streams of events: any bytes, cut anywhere.
 *
 * The first byte says where to cut.  However the rest is cut, the outcome must
 * be the same, and an answer must be valid JSON with everything in place.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "common/model/model.h"
#include "worker/together/stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_sse: %s\n", what);
    abort();
}

/* In pieces of `step` bytes, each in memory of its own so that an over-read is seen. */
static struct together_stream *feed(const char *p, size_t n, size_t step,
                                    struct together_reply *reply, struct span *body)
{
    struct together_stream *st = together_stream_new(TASK_CHAT, 1 << 16, 1 << 16);

    for (size_t at = 0; at < n; at += step) {
        size_t len = n - at < step ? n - at : step;
        CLEANUP(xfree_p) char *piece = xmalloc(len);

        memcpy(piece, p + at, len);
        if (!together_stream_feed(st, piece, len))
            break;
    }
    together_stream_end(st, true, reply, body);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct together_reply a, b;
    struct together_stream *one, *many;
    struct span body, again;

    if (n < 1 || n > 1 << 15)
        return 0;
    one = feed((const char *)data + 1, n - 1, n, &a, &body);
    many = feed((const char *)data + 1, n - 1, (size_t)data[0] % 64 + 1, &b, &again);
    must(a.kind == b.kind && !strcmp(a.message, b.message), "a cut changes the outcome");
    must(body.n == again.n && (!body.n || !memcmp(body.p, again.p, body.n)),
         "a cut changes the answer");
    must((a.kind == ERR_NONE) <= (body.n > 0), "a good answer without a body");
    must(!body.n || json_valid(body.p, body.n), "the answer is not valid JSON");
    must(!body.n || json_at(body, "choices.0").p, "the answer has no choice");
    together_stream_free(one);
    together_stream_free(many);
    return 0;
}
