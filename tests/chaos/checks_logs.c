/* checks_logs.c - what programs and alerts say that must never be said. */
#include <glob.h>
#include <stdlib.h>
#include <string.h>

#include "tests/chaos/chaos.h"

void check_alerts(struct round *r, struct books *b)
{
    static const char *const ours[] = {"poison",          "wrong_type",  "costs_lost",
                                       "eviction_policy", "job_unnamed", "bad_route",
                                       "redis_memory"};
    json_t *all = world_alerts(r->w), *one;
    size_t i;

    (void)b;
    json_array_foreach (all, i, one) {
        const char *code = world_string_at(one, "code");

        for (size_t k = 0; k < ARRAY_LEN(ours); k++)
            if (strcmp(code, ours[k]) == 0)
                violation(r, NULL, "alert %s: %s", code, world_string_at(one, "message"));
    }
}

/* Signals that end a worker process: 9 comes from here. */
static const char *const signs[] = {"user_script",
                                    "process.stuck",
                                    "ERROR: AddressSanitizer",
                                    "ERROR: LeakSanitizer",
                                    "WARNING: ThreadSanitizer",
                                    ": runtime error: ",
                                    "signal 6",
                                    "signal 11",
                                    "signal 7",
                                    "signal 4",
                                    "status=\"exit 7"};

static void check_file(struct round *r, const char *path)
{
    FILE *in = fopen(path, "re");
    char *line = NULL;
    size_t size = 0;

    while (in && getline(&line, &size, in) >= 0)
        for (size_t i = 0; i < ARRAY_LEN(signs); i++)
            if (strstr(line, signs[i]))
                violation(r, NULL, "%s: %.500s", strrchr(path, '/') + 1, line);
    free(line);
    if (in)
        fclose(in);
}

void check_logs(struct round *r, struct books *b)
{
    glob_t logs;

    (void)b;
    if (glob(world_text(r->w, "%s/*.err", r->w->dir), 0, NULL, &logs))
        return;
    for (size_t i = 0; i < logs.gl_pathc; i++)
        check_file(r, logs.gl_pathv[i]);
    globfree(&logs);
}
