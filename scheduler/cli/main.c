/* flotilla - the operator's and producer's command; see commands.def. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/log.h"
#include "scheduler/cli/cli.h"

static const struct command {
    const char *name, *args;
    unsigned flags;
    const char *text;
    int (*run)(struct cli *c);
} commands[] = {
#define X(symbol, name, args, flags, text) {name, args, flags, text, cli_##symbol},
#include "scheduler/cli/commands.def"
};

static int help(FILE *to, int status)
{
    fprintf(to, "usage: flotilla [-c FILE] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        fprintf(to, "  %-8s %-36s %s\n", commands[i].name, commands[i].args, commands[i].text);
    fprintf(to, "\n  -c FILE  configuration (else $FLOTILLA_CONFIG, /etc/flotilla/flotilla.yaml, "
                "defaults)\n"
                "  --json   output for programs\n"
                "\nexit status: 0 ok, 1 failure, 2 usage, 3 the job failed, 4 not found, 69 Redis "
                "unreachable, 78 bad configuration\n");
    return status;
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}

/* Connect only when the command needs it; a bad configuration is told by `config check` and
 * `doctor` themselves. */
static int run(struct cli *c, const struct command *cmd)
{
    struct err err = {0};

    if ((cmd->flags & CLI_REDIS) && !cli_connect(c, &err))
        return cli_fail(err.kind == ERR_CONFIG || err.kind == ERR_USAGE ? CLI_CONFIG
                                                                        : CLI_UNREACHABLE,
                        "%s", err.msg);
    return cmd->run(c);
}

static void cleanup(struct cli *c)
{
    redis_free(c->redis);
    if (c->loop)
        loop_free(c->loop);
    keys_done(&c->keys);
    config_free(c->cfg);
}

int main(int argc, char **argv)
{
    struct cli c = {.argc = argc - 1, .argv = argv + 1};
    const struct command *cmd;
    const char *path;
    struct err err = {0};
    int status;

    signal(SIGPIPE, SIG_DFL);
    c.json = cli_flag(&c, "--json");
    path = cli_option(&c, "-c");
    if (c.argc == 0 || cli_flag(&c, "--help") || !strcmp(c.argv[0], "help"))
        return help(c.argc == 0 ? stderr : stdout, c.argc == 0 ? CLI_USAGE : CLI_OK);
    if (!strcmp(c.argv[0], "--version"))
        c.argv[0] += 2;
    cmd = find(c.argv[0]);
    if (!cmd)
        return cli_fail(CLI_USAGE, "unknown command '%s'; `flotilla --help` lists them", c.argv[0]);
    c.command = cmd->name;
    c.argc--;
    c.argv++;
    log_setup("flotilla", LOG_ERROR, LOG_LOGFMT);
    c.cfg = config_load(path, &err);
    if (!c.cfg)
        return cli_fail(CLI_CONFIG, "%s", err.msg);
    keys_init(&c.keys, c.cfg->redis_prefix);
    job_defaults_from(&c.defaults, c.cfg);
    status = run(&c, cmd);
    cleanup(&c);
    return status;
}
