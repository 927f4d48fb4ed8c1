/* cli_checks.c - see cli_checks.h. */
#include "tests/support/cli_checks.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 100000 };

bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

int lines_in(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

char *line_of(struct world *w, const char *text, int i)
{
    for (; i > 0 && (text = strchr(text, '\n')); i--)
        text++;
    return world_text(w, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
}

char *text_of_file(struct world *w, const char *path)
{
    char *text = malloc(FILE_MAX);
    FILE *f = fopen(path, "re");

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(f != NULL, "%s", path);
    text[fread(text, 1, FILE_MAX - 1, f)] = '\0';
    fclose(f);
    return world_own(w, text, free);
}

struct world *world_with_all_of(const char *test)
{
    struct world *w = world_new_with(&(struct world_options){.test = test, .simulator = true});

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == 1);
    return w;
}
