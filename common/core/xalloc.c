/* xalloc.c - malloc that does not come back empty-handed.
 *
 * A process without memory cannot do anything useful: it writes one line and
 * aborts, the supervisor starts another, and the leases of its jobs run out.
 * The log makes its lines in static memory, so it works here too.
 */
#include "common/core/xalloc.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"

static void *must(void *p, size_t n)
{
    if (p)
        return p;
    log_event(LOG_ERROR, "process.out_of_memory", "wanted_bytes=%zu", n);
    abort();
}

void *xmalloc(size_t n)
{
    n = n ? n : 1;
    return must(malloc(n), n);
}

void *xcalloc(size_t count, size_t size)
{
    if (count == 0 || size == 0)
        count = size = 1;
    return must(calloc(count, size), count * size);
}

void *xrealloc(void *p, size_t n)
{
    n = n ? n : 1;
    return must(realloc(p, n), n);
}

char *xstrdup(const char *s) { return s ? xstrndup(s, strlen(s)) : NULL; }

char *xstrndup(const char *p, size_t n)
{
    char *copy = xmalloc(n + 1);

    if (n)
        memcpy(copy, p, n);
    copy[n] = 0;
    return copy;
}

void xfree_p(void *pp)
{
    void *p;

    memcpy(&p, pp, sizeof p);
    free(p);
}
