/* help_pages.c - `flotilla help`: the pages of deploy/docs, which are built in. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/parse.h"
#include "scheduler/cli/cli.h"
#include "scheduler/cli/help.h"
#include "scheduler/cli/help_markdown.h"

enum { WIDEST = 100, NAME_AT = 2, TEXT_AT = 22 };

#define PAGE(asset, subject) extern const char asset[];
#include "pages.inc"
#undef PAGE

static const char *const subjects[] = {
#define PAGE(asset, subject) subject,
#include "pages.inc"
#undef PAGE
};

static const char *const pages[] = {
#define PAGE(asset, subject) asset,
#include "pages.inc"
#undef PAGE
};

/* A terminal gets lines of its width, and marks; who reads from a pipe gets 80 columns.  Lines that
 * are much longer are hard to read. */
static struct help_style style_of_stdout(void)
{
    int columns = cli_columns();

    return (struct help_style){.width = columns < WIDEST ? columns : WIDEST,
                               .marks = cli_stdout_is_terminal()};
}

static void list_pages(FILE *to)
{
    for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
        struct buf text = BUF(HELP_LINE_BYTES);

        help_summary(&text, pages[i]);
        fprintf(to, "%*s%-*s", NAME_AT, "", TEXT_AT - NAME_AT, subjects[i]);
        cli_fold(to, TEXT_AT, style_of_stdout().width, buf_span(&text));
        buf_done(&text);
    }
}

/* Around stdout, which shows escape sequences instead of sending them: a page has no text from
 * outside. */
static int print_page(const char *page)
{
    struct help_style style = style_of_stdout();
    int fd = style.marks ? dup(STDOUT_FILENO) : -1;
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;

    if (!to && fd >= 0)
        close(fd);
    style.marks = to != NULL;
    help_print(to ? to : stdout, page, style);
    if (to)
        fclose(to);
    return CLI_OK;
}

static int unknown(const char *subject)
{
    const char *near = parse_nearest(subject, subjects, ARRAY_LEN(subjects));

    cli_fail(CLI_NOT_FOUND, "%s: no page of the manual has this name%s%s%s", subject,
             near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    fputs("The pages are:\n", stderr);
    list_pages(stderr);
    return CLI_NOT_FOUND;
}

/* A page comes before a command of the same name, whose options `flotilla COMMAND --help` lists. */
int cli_help(struct cli *c)
{
    const char *subject = c->argc ? c->argv[0] : NULL;
    const struct cli_command *cmd = subject ? cli_find(subject) : NULL;

    if (c->argc > 1)
        return cli_usage(c);
    for (size_t i = 0; subject && i < ARRAY_LEN(pages); i++)
        if (!strcmp(subject, subjects[i]))
            return print_page(pages[i]);
    if (cmd)
        return cli_help_of(stdout, cmd, CLI_OK);
    if (subject)
        return unknown(subject);
    printf("usage: flotilla help SUBJECT\n\n");
    list_pages(stdout);
    printf("\nCommands, such as submit, wait, job and doctor: `flotilla --help` lists them,\n"
           "`flotilla COMMAND --help` the options of one.  Settings: flotilla.yaml(5).\n");
    return CLI_OK;
}
