/* store_private.h - shared by store.c and store_image.c. */
#ifndef FLOTILLA_TESTS_EXPLORE_STORE_PRIVATE_H
#define FLOTILLA_TESTS_EXPLORE_STORE_PRIVATE_H

#include "tests/explore/store.h"

/* Put the image into Redis, run the command, read Redis. */
struct answer image_run(const struct image *before, struct span command);

#endif
