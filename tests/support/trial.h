/* trial.h - what tests of the instruments need: a test within a test, a client like a program's. */
#ifndef FLOTILLA_TESTS_TRIAL_H
#define FLOTILLA_TESTS_TRIAL_H

#include "tests/support/world.h"

/* Run `body` as a test of its own, in its own process with its own world, whose directory is
 * in w's: how it ended, as program_wait tells it (1: it failed), once its Redis is gone too. */
int trial_run(struct world *w, bool simulator, void (*body)(struct world *));

/* A connection to the address that the programs of this world are told; 300 ms of patience. */
redisContext *trial_connect(struct world *w);

#endif
