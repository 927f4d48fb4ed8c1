/* help.c - the commands by name, and how to call them. */
#include "scheduler/cli/help.h"

#include <string.h>

#include "scheduler/cli/cli.h"

static const struct cli_command commands[] = {
#define X(symbol, name, args, flags, text) {name, args, flags, text, cli_##symbol},
#include "scheduler/cli/commands.def"
};

int cli_help(FILE *to, int status)
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

const struct cli_command *cli_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
