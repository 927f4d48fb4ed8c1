/* table.c - aligned columns; a column whose cells are all numbers is right-aligned.
 *
 * A command that lists makes both, the rows of a table and the JSON of the same, and says at the
 * end cli_print(), which prints the one that was asked for:
 *
 *     t = cli_table_new(c, headers, ARRAY_LEN(headers));  NULL with --json
 *     for each:  cli_table_cell(t, ...), json_array_append_new(list, ...)
 *     cli_print(c, t, list);
 *
 * All cells are kept until then, as only the last tells how wide its column is. */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/visible.h"
#include "common/core/xalloc.h"
#include "scheduler/cli/cli.h"

struct cli_table {
    size_t columns, count, cap;
    char **cells; /* headers first */
};

static void table_add(struct cli_table *t, char *take_text)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 64;
        t->cells = xrealloc(t->cells, t->cap * sizeof *t->cells);
    }
    t->cells[t->count++] = take_text;
}

struct cli_table *cli_table_new(const struct cli *c, const char *const *headers, size_t columns)
{
    struct cli_table *t;

    if (c->json)
        return NULL;
    t = xcalloc(1, sizeof *t);
    t->columns = columns;
    for (size_t i = 0; i < columns; i++)
        table_add(t, xstrdup(headers[i]));
    return t;
}

void cli_table_cell(struct cli_table *t, const char *fmt, ...)
{
    char text[512];
    struct buf cell = BUF(sizeof text * VISIBLE_MAX);
    va_list ap;

    if (!t)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    visible_add(&cell, text, strlen(text)); /* on one line, and as wide as it looks */
    table_add(t, cell.n ? buf_take(&cell) : xstrdup(""));
    buf_done(&cell);
}

void cli_table_number(struct cli_table *t, bool known, int64_t n)
{
    if (known)
        cli_table_cell(t, "%lld", (long long)n);
    else
        cli_table_cell(t, "?");
}

json_t *cli_json_number(bool known, int64_t n) { return known ? json_integer(n) : json_null(); }

static size_t width_of(const char *s)
{
    size_t n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xC0) != 0x80;
    return n;
}

static bool is_number(const char *s)
{
    return *s == '\0' || *s == '-' || *s == '?' || *s == '$' || isdigit((unsigned char)*s);
}

static void print(const struct cli_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        size_t col = i % t->columns, width = 0, pad;
        bool numbers = true;

        for (size_t k = col; k < t->count; k += t->columns) {
            size_t w = width_of(t->cells[k]);

            width = w > width ? w : width;
            numbers = numbers && (k < t->columns || is_number(t->cells[k]));
        }
        pad = width - width_of(t->cells[i]);
        if (col == t->columns - 1)
            printf("%*s%s\n", numbers ? (int)pad : 0, "", t->cells[i]);
        else
            printf("%*s%s%*s  ", numbers ? (int)pad : 0, "", t->cells[i], numbers ? 0 : (int)pad,
                   "");
    }
}

void cli_table_print(struct cli_table *t)
{
    if (!t)
        return;
    print(t);
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

void cli_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    fputc('\n', stdout);
    json_decref(value);
}

void cli_told(const struct cli *c, const char *id, const char *outcome)
{
    if (c->json)
        cli_print_json(json_pack("{s:s, s:s}", "id", id, "outcome", outcome));
    else
        printf("%s  %s\n", id, outcome);
}

void cli_print(const struct cli *c, struct cli_table *t, json_t *value)
{
    cli_table_print(t);
    if (c->json)
        cli_print_json(value);
    else
        json_decref(value);
}
