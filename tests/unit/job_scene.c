/* job_scene.c - see job_scene.h. */
#include "tests/unit/job_scene.h"

#include <string.h>

const struct job_defaults job_scene_defaults = {.max_attempts = 3,
                                                .delay_ms = 1000,
                                                .realtime_delay_ms = 250,
                                                .finetune_delay_ms = 5000,
                                                .backoff_max_ms = 300000,
                                                .timeout_ms = 120000,
                                                .max_bytes = 1000000};

struct job_checked checked;
struct err refused;

bool job_checks(const char *text)
{
    refused = (struct err){0};
    return job_check((struct span){text, strlen(text)}, &job_scene_defaults, &checked, &refused);
}
