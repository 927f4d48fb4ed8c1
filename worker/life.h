/* life.h - a worker process from start to exit; life.c has the picture. */
#ifndef FLOTILLA_LIFE_H
#define FLOTILLA_LIFE_H

#include "worker/child.h"
#include "worker/process.h"

/* Run one worker process until it has drained.  types: the job types, by enum job_type_id.
 * The exit status: 0; 69 when Redis did not take all outcomes (somebody must take over); 78. */
int life_main(const struct child_options *o, struct config *cfg,
              const struct job_type *const types[JOB_TYPE_COUNT]);

/* ---- for life_claimer.c ---- */
extern const struct claimer_ops life_claimer_ops;
void life_gone(struct process *p);
void life_kick(struct process *p);

#endif
