/* limit_mirror.h - what lua/limit.lua does to one bucket, without Redis: hours in a second.
 * test_limit_script.c compares the two. */
#ifndef FLOTILLA_TESTS_LIMIT_MIRROR_H
#define FLOTILLA_TESTS_LIMIT_MIRROR_H

#include "worker/limit/slice.h"

struct mirror {
    bool there;
    struct bucket b;
};
/* text: at least BUCKET_TEXT bytes. */
void mirror_ask(struct mirror *m, const struct slice_ask *a, int64_t now_us, char *text);
/* The arguments of the script for this bucket, as far as `most`. */
struct redis_args;
void mirror_args(const struct slice_ask *a, const char *field, struct redis_args *ret);

#endif
