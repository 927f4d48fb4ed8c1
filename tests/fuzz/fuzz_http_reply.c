/* fuzz_http_reply.c - header blocks and lists of networks, from any bytes. */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/io/http_client.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    CLEANUP(xfree_p) char *block = xmalloc(n); /* exact: an over-read is seen */
    CLEANUP(xfree_p) char *text = xstrndup((const char *)data, n);
    struct http_reply r = {.headers = {block, n}};
    const char *bad = text;
    struct http_networks *list;
    struct span v;
    int64_t ms;

    if (n)
        memcpy(block, data, n);
    v = http_header(&r, "retry-after");
    if (v.p && (v.p < block || v.p + v.n > block + n))
        abort();
    ms = http_retry_after_ms(&r, 1790000000000, 60000);
    if (ms < -1 || ms > 60000)
        abort();
    list = http_networks_parse(text, &bad);
    if (!list && (bad < text || bad >= text + strlen(text)))
        abort();
    http_networks_free(list);
    return 0;
}
