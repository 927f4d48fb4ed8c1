/* flotilla-worker - the data plane: a supervisor and its worker processes.
 *
 * Without --process it is the supervisor: it forks and execs itself once per
 * process and keeps those alive.  With --process it is one worker process;
 * by hand (for a debugger) that works as well:
 *
 *     flotilla-worker --process --group default */
#include <string.h>
#include <sys/prctl.h>

#include "common/config/program.h"
#include "common/core/parse.h"
#include "worker/job_types.h"
#include "worker/life.h"
#include "worker/supervisor/supervisor.h"

static const struct job_type *const types[JOB_TYPE_COUNT] = {
#define X(type, name, symbol, code, flags) [JOB_##type] = &job_type_##symbol,
#include "common/queue/job_types.def"
};

/* Options that the supervisor gives its children; removed from argv. */
static bool take_child_options(int *argc, char **argv, struct child_options *o)
{
    bool process = false;
    int kept = 1;
    int64_t slot = -1;

    for (int i = 1; i < *argc; i++) {
        const char *value = i + 1 < *argc ? argv[i + 1] : "";

        if (!strcmp(argv[i], "--process")) {
            process = true;
        } else if (!strcmp(argv[i], "--group")) {
            o->group = value;
            i++;
        } else if (!strcmp(argv[i], "--slot")) {
            o->alone = !parse_int64(value, strlen(value), 0, 100000, &slot);
            i++;
        } else if (!strcmp(argv[i], "--takes-over")) {
            o->takes_over = value;
            i++;
        } else {
            argv[kept++] = argv[i];
        }
    }
    o->slot = (int)slot;
    if (process)
        *argc = kept;
    return process;
}

int main(int argc, char **argv)
{
    struct child_options o = {.group = "default", .alone = true};
    struct program p = {.name = "flotilla-worker",
                        .usage = "runs jobs: a supervisor and its worker processes"};
    struct config *cfg;
    bool process;
    int status;

    process = argc > 1 && !strcmp(argv[1], "--process") && take_child_options(&argc, argv, &o);
    status = program_start(&p, argc, argv, &cfg);
    if (status >= 0)
        return status;
    prctl(PR_SET_NAME, "flotilla-worker"); /* children come from /proc/self/exe */
    return process ? life_main(&o, cfg, types) : supervisor_main(cfg);
}
