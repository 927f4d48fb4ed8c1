/* store_private.h - shared by store.c, store_write.c and store_read.c. */
#ifndef FLOTILLA_TESTS_EXPLORE_STORE_PRIVATE_H
#define FLOTILLA_TESTS_EXPLORE_STORE_PRIVATE_H

#include "tests/explore/store.h"

enum { IMAGE_QUESTIONS = 2 * JOBS + QUEUES + 2 * IDS + 14 };

/* Put the image into Redis, run the command, read Redis. */
struct answer image_run(const struct image *before, struct span command);
/* The reply of the command, and then those of the questions. */
struct answer image_read(void);
/* The next reply; an error ends the program. */
const struct reply *image_next(void);

#endif
