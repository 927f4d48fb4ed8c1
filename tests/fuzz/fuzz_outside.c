/* fuzz_outside.c - any bytes as text from outside: without the secrets that are configured, and
 * with nothing that acts on a terminal; JSON stays JSON of the same value. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/secret.h"
#include "common/core/utf8.h"
#include "common/core/visible.h"
#include "common/core/xalloc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

enum { KEY_BYTES = 20 };

/* The first bytes are the secret. */
static void check_secret(const uint8_t *data, size_t n)
{
    char *key = xstrndup((const char *)data, n < KEY_BYTES ? n : KEY_BYTES);
    char *text = xmalloc(n + 1);
    size_t key_n = strlen(key), left;

    memcpy(text, data, n);
    secret_add(key);
    secret_add_url(key, n % 2);
    left = secret_hide(text, n);
    assert(left <= n);
    if (key_n >= SECRET_MIN && !strstr(SECRET_MARK SECRET_MARK, key) && !strchr(key, '*'))
        assert(!memmem(text, left, key, key_n));
    free(key);
    free(text);
}

static void check_visible(const uint8_t *data, size_t n)
{
    struct buf once = BUF(n * VISIBLE_MAX + 1), twice = BUF(n * VISIBLE_MAX + 1);

    buf_puts(&once, "");
    buf_puts(&twice, "");
    visible_add(&once, (const char *)data, n);
    visible_add(&twice, once.p, once.n); /* nothing is left to do */
    assert(!buf_failed(&once) && once.n == twice.n && !memcmp(once.p, twice.p, once.n));
    for (const char *p = once.p; p < once.p + once.n; p += utf8_len(p, once.p + once.n))
        assert(utf8_len(p, once.p + once.n) && (unsigned char)*p >= 0x20 && *p != 0x7f);
    buf_done(&once);
    buf_done(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    check_secret(data, n);
    check_visible(data, n);
    return 0;
}
