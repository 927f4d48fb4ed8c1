/* fuzz_redis_url.c - any text as a Redis URL: read or refused, and what was
 * read and written again (without its password) is read again as the same. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/io/redis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *text = xstrndup((const char *)data, n), *redacted;
    struct redis_url u, again;
    struct err err = {0};

    if (!redis_url_parse(text, &u, &err)) {
        assert(err.kind == ERR_CONFIG && err.msg[0]);
        free(text);
        return 0;
    }
    redacted = redis_url_redacted(&u);
    if (!u.is_unix && !u.user) { /* paths and users are shown decoded */
        assert(redis_url_parse(redacted, &again, &err));
        assert(!strcmp(again.host, u.host) && again.port == u.port);
        assert(again.database == u.database && again.tls == u.tls);
        assert(!again.password == !u.password);
        redis_url_done(&again);
    }
    redis_url_done(&u);
    free(redacted);
    free(text);
    return 0;
}
