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
int cli_commands(FILE *to, int status);

/* The first argument that looks like an option, and is none of the command's; NULL: there is none.
 * Nothing is taken out of argv. */
const char *cli_unknown_option(const struct cli *c, const struct cli_command *cmd);
/* The usage and the options of one; returns status. */
int cli_help_of(FILE *to, const struct cli_command *cmd, int status);

#endif
