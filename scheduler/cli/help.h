/* help.h - the commands by name, and how to call them. */
#ifndef FLOTILLA_CLI_HELP_H
#define FLOTILLA_CLI_HELP_H

#include <stdio.h>

struct cli;
struct cli_command {
    const char *name, *args;
    unsigned flags;
    const char *text;
    int (*run)(struct cli *c);
};
/* NULL when there is none of that name. */
const struct cli_command *cli_find(const char *name);
/* The list of all; returns status. */
int cli_help(FILE *to, int status);

/* The usage and the options of one; returns status. */
int cli_help_of(FILE *to, const struct cli_command *cmd, int status);

#endif
