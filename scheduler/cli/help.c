/* help.c - the commands by name, and how to call them.
 *
 *   name     arguments         what it does, in words that are wrapped
 *   another  arguments that reach into the next column
 *                              then it begins on a line of its own */
#include "scheduler/cli/help.h"

#include <string.h>

#include "scheduler/cli/cli.h"

static const struct cli_command commands[] = {
#define X(symbol, name, args, flags, text) {name, args, flags, text, cli_##symbol},
#include "scheduler/cli/commands.def"
};

enum { TEXT_AT = 28, WIDTH = 80 };

/* From column TEXT_AT, where the cursor is, to the end of a line. */
static void put_words(FILE *to, const char *text)
{
    int column = TEXT_AT;

    while (*text) {
        int n = (int)strcspn(text, " ");

        if (column > TEXT_AT && column + 1 + n > WIDTH)
            column = fprintf(to, "\n%*s", TEXT_AT, "") - 1;
        else if (column > TEXT_AT)
            column += fprintf(to, " ");
        column += fprintf(to, "%.*s", n, text);
        text += n + (int)strspn(text + n, " ");
    }
    fputc('\n', to);
}

static void put_command(FILE *to, const struct cli_command *cmd)
{
    int n = fprintf(to, "  %-8s %s", cmd->name, cmd->args);

    if (n > TEXT_AT - 2)
        fprintf(to, "\n%*s", TEXT_AT, "");
    else
        fprintf(to, "%*s", TEXT_AT - n, "");
    put_words(to, cmd->text);
}

int cli_help(FILE *to, int status)
{
    fprintf(to, "usage: flotilla [-c FILE] [--json] COMMAND ...\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        put_command(to, &commands[i]);
    fprintf(to, "\n"
                "  -c FILE  configuration; else $FLOTILLA_CONFIG, else\n"
                "           /etc/flotilla/flotilla.yaml, else defaults\n"
                "  --json   output for programs\n"
                "\n"
                "exit status: 0 ok, 1 failure, 2 usage, 3 the job failed, 4 not found,\n"
                "             69 Redis unreachable, 78 bad configuration\n");
    return status;
}

const struct cli_command *cli_find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (!strcmp(commands[i].name, name))
            return &commands[i];
    return NULL;
}
