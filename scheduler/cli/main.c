/* flotilla - the operator's and producer's command; see commands.def. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/config/program.h"
#include "common/core/log.h"
#include "common/core/visible.h"
#include "scheduler/cli/cli.h"
#include "scheduler/cli/help.h"

/* Connect only when the command needs it; a bad configuration is told by `config check` and
 * `doctor` themselves. */
static int run(struct cli *c, const struct cli_command *cmd)
{
    struct err err = {0};

    if ((cmd->flags & CLI_REDIS) && !cli_connect(c, &err))
        return cli_fail(err.kind == ERR_CONFIG || err.kind == ERR_USAGE ? CLI_CONFIG
                                                                        : CLI_UNREACHABLE,
                        "%s", err.msg);
    return cmd->run(c);
}

/* What Redis refused was not done, and what was printed of it may be incomplete. */
static int status_of(const struct cli *c, int status)
{
    if (status == CLI_USAGE || status == CLI_JOB_FAILED)
        return status;
    return c->refused ? CLI_FAILED : c->lost ? CLI_UNREACHABLE : status;
}

static void cleanup(struct cli *c)
{
    redis_free(c->redis);
    buf_done(&c->said);
    if (c->loop)
        loop_free(c->loop);
    keys_done(&c->keys);
    config_free(c->cfg);
}

/* All that `flotilla ARGS` does; returns the exit status. */
static int run_args(int argc, char **argv)
{
    struct cli c = {.argc = argc, .argv = argv};
    const struct cli_command *cmd;
    const char *path;
    struct err err = {0};
    bool help;
    int status;

    c.json = cli_flag(&c, "--json");
    path = cli_option(&c, "-c");
    help = cli_flag(&c, "--help") || cli_flag(&c, "-h");
    if (help && c.argc == 0)
        return cli_commands(stdout, CLI_OK);
    if (c.argc == 0)
        return cli_commands(stderr, CLI_USAGE);
    if (!strcmp(c.argv[0], "--version"))
        c.argv[0] += 2;
    cmd = cli_find(c.argv[0]);
    if (!cmd)
        return cli_fail(CLI_USAGE, "unknown command '%s'; `flotilla --help` lists them", c.argv[0]);
    if (help)
        return cli_help_of(stdout, cmd, CLI_OK);
    c.command = cmd->name;
    c.argc--;
    c.argv++;
    if (cli_unknown_option(&c, cmd))
        return cli_usage(&c);
    if (cmd->flags & CLI_ALONE)
        return cmd->run(&c);
    log_setup("flotilla", LOG_ERROR, LOG_LOGFMT);
    c.cfg = config_load(path, &err);
    if (!c.cfg)
        return cli_fail(CLI_CONFIG, "%s", err.msg);
    program_seal(c.cfg);
    keys_init(&c.keys, c.cfg->redis_prefix);
    job_defaults_from(&c.defaults, c.cfg);
    status = status_of(&c, run(&c, cmd));
    cleanup(&c);
    return status;
}

/* Output that was lost, to a full disk or a closed stdout, is a failure. */
static int printed(int status)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    cli_fail(CLI_FAILED, "the output could not be written: %s",
             errno ? strerror(errno) : "a write failed");
    return status == CLI_OK ? CLI_FAILED : status;
}

int main(int argc, char **argv)
{
    program_seal(NULL);
    signal(SIGPIPE, SIG_DFL);
    /* Whatever is printed, it does nothing else to a terminal. */
    stdout = visible_stream(STDOUT_FILENO, "", true);
    stderr = visible_stream(STDERR_FILENO, "\r", false);
    return printed(run_args(argc - 1, argv + 1));
}
