/* fuzz_unwrap.c - the text of a model: any bytes.
 *
 * What is found lies in the text and is one JSON value; it is found again in itself, behind
 * thinking, and in a fence with sentences around it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/json.h"
#include "worker/together/unwrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void must(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "fuzz_unwrap: %s\n", what);
    abort();
}

static void found_in(const char *before, struct span value, const char *after)
{
    struct buf b = BUF(1 << 20);
    struct span v;

    buf_puts(&b, before);
    buf_add_span(&b, value);
    buf_puts(&b, after);
    v = together_unwrap(buf_span(&b));
    must(v.n == value.n && !memcmp(v.p, value.p, v.n), before);
    buf_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const char *p = (const char *)data;
    struct span v;

    if (n < 1 || n > 1 << 16)
        return 0;
    v = together_unwrap((struct span){p, n});
    if (!v.p)
        return 0;
    must(v.p >= p && v.n > 0 && v.p + v.n <= p + n, "outside of the text");
    must(json_valid(v.p, v.n), "not JSON");
    found_in("", v, "");
    found_in("<think>{} ```json\n{}\n```</think>", v, "\n");
    found_in("So: ```json\n", v, "\n``` Well?");
    return 0;
}
