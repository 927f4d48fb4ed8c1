/* job_scene.h - documents of jobs, and what checking one said. */
#ifndef FLOTILLA_TESTS_JOB_SCENE_H
#define FLOTILLA_TESTS_JOB_SCENE_H

#include <check.h>

#include "common/queue/job.h"

#define NOOP(rest) "{\"type\":\"noop\",\"payload\":{}" rest "}"
#define CALL(rest) "{\"type\":\"inference\",\"payload\":{" rest "}}"
#define HOOK(url)  NOOP(",\"webhook\":{\"url\":\"" url "\"}")
#define LONG_64    "0123456789012345678901234567890123456789012345678901234567890123"
#define LONG_128   LONG_64 LONG_64

/* Those of a fleet without a configuration, and documents of up to a megabyte. */
extern const struct job_defaults job_scene_defaults;

/* Check a document: what it said is in `checked` and `refused`. */
bool job_checks(const char *text);
extern struct job_checked checked;
extern struct err refused;

#endif
