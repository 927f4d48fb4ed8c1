/* rescue.h - common/queue/recover.c itself, as something that a state can hold.
 *
 * recover_start() is a function of the replies it gets.  So a recovery under
 * way is kept as the list of its replies so far, and what it sends next is
 * found by running it from the start with those replies.  Each list is run
 * once.  What it reads beside the queue (routes, prices, holds) is empty here,
 * and is answered at once.
 */
#ifndef FLOTILLA_TESTS_EXPLORE_RESCUE_H
#define FLOTILLA_TESTS_EXPLORE_RESCUE_H

#include "common/core/base.h"

struct rescue_start {
    uint8_t who;       /* the dead worker's id */
    uint8_t beat;      /* its heartbeat when it was found dead; 0: any */
    uint8_t scheduler; /* its token; 0: the replacement of the process, without a
                          lease */
    uint8_t blame;     /* job + 1 that crashed it; 0: none */
};

/* Money is part of the images: what is read of it is asked for. */
void rescue_with_money(bool money);
void rescue_open(void);
void rescue_close(void);
uint32_t rescue_begin(const struct rescue_start *s);
/* What it sends next, in `commands`; 0: it has ended. */
uint32_t rescue_command(uint32_t rescue);
/* The same recovery after this reply (in `texts`) to that command. */
uint32_t rescue_answer(uint32_t rescue, uint32_t reply);

#endif
