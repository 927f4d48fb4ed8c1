/* run_private.h - what run.c and run_outcome.c share; see run.h. */
#ifndef FLOTILLA_RUN_PRIVATE_H
#define FLOTILLA_RUN_PRIVATE_H

#include "worker/run.h"

/* The outcome is known: the slot is free, the code is not entered again. */
void run_end(struct run *r);
void run_abort(struct run *r); /* no callback of its step comes after this */
void run_end_cancelled(struct run *r);
void run_end_expired(struct run *r); /* it was not started in time */
/* Redis's clock, by the time of the start. */
int64_t run_now_ms(const struct run *r);

#endif
