/* help.c - the commands by name, and how to call them.
 *
 *   name     arguments         what it does, in words that are wrapped
 *   another  arguments that reach into the next column
 *                              then it begins on a line of its own */
#include "scheduler/cli/help.h"

#include <ctype.h>
#include <string.h>

#include "scheduler/cli/cli.h"

static const struct cli_command commands[] = {
#define X(symbol, name, args, flags, text) {name, args, flags, text, cli_##symbol},
#include "scheduler/cli/commands.def"
};

static const struct {
    const char *command, *option, *text;
} options[] = {
#define X(command, option, text) {command, option, text},
#include "scheduler/cli/options.def"
};

enum { TEXT_AT = 28 };

/* Two columns; what is too wide for the first one ends its line. */
static void put_row(FILE *to, const char *left, const char *text)
{
    int n = fprintf(to, "%s", left);

    if (n > TEXT_AT - 2)
        fprintf(to, "\n%*s", TEXT_AT, "");
    else
        fprintf(to, "%*s", TEXT_AT - n, "");
    cli_put_words(to, TEXT_AT, text);
}

int cli_commands(FILE *to, int status)
{
    fprintf(to, "usage: flotilla [-c FILE] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[128];

        snprintf(left, sizeof left, "  %-8s %s", commands[i].name, commands[i].args);
        put_row(to, left, commands[i].text);
    }
    fprintf(to, "\n"
                "  -c FILE  configuration; else $FLOTILLA_CONFIG, else\n"
                "           /etc/flotilla/flotilla.yaml, else defaults\n"
                "  --json   output for programs\n"
                "\n"
                "`flotilla COMMAND --help` lists the options of a command,\n"
                "`flotilla help` the pages of the manual.\n"
                "\n"
                "exit status: 0 ok, 1 failure, 2 usage, 3 the job failed, 4 not found,\n"
                "             69 Redis unreachable, 78 bad configuration\n");
    return status;
}

int cli_help_of(FILE *to, const struct cli_command *cmd, int status)
{
    bool first = true;

    fprintf(to, "usage: flotilla %s%s", cmd->name, *cmd->args ? " " : "");
    cli_put_words(to, (int)strlen("usage: flotilla  ") + (int)strlen(cmd->name), cmd->args);
    fprintf(to, "\n  ");
    cli_put_words(to, 2, cmd->text);
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        char left[64];

        if (strcmp(options[i].command, cmd->name) != 0)
            continue;
        fprintf(to, "%s", first ? "\n" : "");
        first = false;
        snprintf(left, sizeof left, "  %s", options[i].option);
        put_row(to, left, options[i].text);
    }
    fprintf(to, "\n  -c FILE, --json: see `flotilla --help`; more in flotilla(1)\n");
    return status;
}

/* Is arg the option of a row, "--name VALUE" or "--name"?  *more: the next argument is its value.
 * A name in capitals stands for any. */
static bool is_option(const char *arg, const char *row, bool *more)
{
    size_t n = strcspn(row, " ");
    bool any = n > 2 && isupper((unsigned char)row[2]) && !strncmp(arg, "--", 2);

    if (!any && (strncmp(arg, row, n) != 0 || (arg[n] && arg[n] != '=')))
        return false;
    *more = row[n] && !strchr(arg, '=');
    return true;
}

const char *cli_unknown_option(const struct cli *c, const struct cli_command *cmd)
{
    for (int i = 0; i < c->argc; i++) {
        const char *arg = c->argv[i];
        bool known = *arg != '-' || (arg[1] != '-' && strlen(arg) != 2), more = false;

        for (size_t k = 0; k < ARRAY_LEN(options) && !known; k++)
            known =
                !strcmp(options[k].command, cmd->name) && is_option(arg, options[k].option, &more);
        if (!known)
            return arg;
        i += more;
    }
    return NULL;
}

const struct cli_command *cli_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
