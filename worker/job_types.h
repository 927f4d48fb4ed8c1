/* job_types.h - the job types of this program, each in its own file. */
#ifndef FLOTILLA_WORKER_JOB_TYPES_H
#define FLOTILLA_WORKER_JOB_TYPES_H

#include "worker/run.h"

#define X(type, name, symbol, code, flags) extern const struct job_type job_type_##symbol;
#include "common/queue/job_types.def"

#endif
