/* shortage.c - see shortage.h.
 *
 * malloc and free themselves, so that memory from before the first call may be freed after it. */
#include "common/core/shortage.h"

#include <stdlib.h>

#include <jansson.h>

static bool seen;
static long left = -1;

static void *watched(size_t n)
{
    void *p = left == 0 ? NULL : malloc(n);

    if (left > 0)
        left--;
    seen |= !p;
    return p;
}

void shortage_clear(void)
{
    static bool set;

    if (!set)
        json_set_alloc_funcs(watched, free);
    set = true;
    seen = false;
}

bool shortage_seen(void) { return seen; }
void shortage_after(long n) { left = n; }
