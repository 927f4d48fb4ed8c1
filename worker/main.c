/* flotilla-worker - the data plane: a supervisor and its worker processes.
 *
 * Without --process it is the supervisor: it forks and execs itself once per
 * process and keeps those alive.  With --process it is one worker process. */
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "common/config/program.h"
#include "common/core/log.h"
#include "worker/process.h"

int main(int argc, char **argv)
{
    struct child_options o = {.group = "default", .alone = true};
    struct program p = {.name = "flotilla-worker",
                        .usage = "runs jobs: a supervisor and its worker processes"};
    struct config *cfg;
    int status = program_start(&p, argc, argv, &cfg);

    if (status >= 0)
        return status;
    return process_main(&o, cfg);
}
