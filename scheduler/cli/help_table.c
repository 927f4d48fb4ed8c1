/* help_table.c - tables of the manual, in columns that fit the width.
 *
 * A column is as wide as its widest cell.  When all together are too wide, the widest one becomes
 * narrower, down to its longest word while others can, and cells that do not fit are folded:
 *
 *     STATUS     MEANING
 *     completed  The answer is in `output`.
 *     failed     `error` says why; `flotilla retry`
 *                runs the job again.
 *
 * A header of empty cells is left out. */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "scheduler/cli/help_markdown.h"

enum { COLUMNS_MAX = 8, GAP = 2, NARROWEST = 8 };

struct table {
    FILE *to;
    struct help_style style;
    int indent, width[COLUMNS_MAX], word[COLUMNS_MAX]; /* of the longest word */
    size_t columns;
};

static struct span trimmed(struct span s)
{
    while (s.n && *s.p == ' ')
        s = (struct span){s.p + 1, s.n - 1};
    while (s.n && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* The cells of a row; returns how many. */
static size_t split(struct span row, struct span cells[COLUMNS_MAX])
{
    size_t count = 0;
    const char *begin = row.p + 1;

    for (const char *p = begin, *end = row.p + row.n; p < end && count < COLUMNS_MAX; p++)
        if (*p == '|' && p[-1] != '\\') {
            cells[count++] = trimmed((struct span){begin, (size_t)(p - begin)});
            begin = p + 1;
        }
    return count;
}

static bool is_separator(struct span row)
{
    for (size_t i = 0; i < row.n; i++)
        if (!strchr("|-: ", row.p[i]))
            return false;
    return true;
}

static bool is_empty(const struct span *cells, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (cells[i].n)
            return false;
    return true;
}

/* The longest word of a cell whose marks are replaced. */
static int longest_word(struct span text)
{
    struct buf words = BUF(HELP_LINE_BYTES);
    struct span left, line;
    int longest = 0;

    help_fold(&words, text, 1);
    left = buf_span(&words);
    while (help_line(&left, &line))
        longest = (int)max64(longest, help_columns(line));
    buf_done(&words);
    return longest;
}

/* The column to make narrower: the widest one, of those whose longest word still fits if
 * there is any; -1: none can be. */
static int widest_column(const struct table *t)
{
    int found = -1;

    for (int pass = 0; pass < 2 && found < 0; pass++)
        for (int i = 0; i < (int)t->columns; i++)
            if (t->width[i] > (pass ? NARROWEST : t->word[i]) &&
                (found < 0 || t->width[i] > t->width[found]))
                found = i;
    return found;
}

static void fit(struct table *t)
{
    int over = t->indent - GAP - t->style.width, at;

    for (size_t i = 0; i < t->columns; i++)
        over += t->width[i] + GAP;
    for (; over > 0 && (at = widest_column(t)) >= 0; over--)
        t->width[at]--;
}

static void measure(struct table *t, struct span rows)
{
    struct span row, cells[COLUMNS_MAX];

    while (help_line(&rows, &row)) {
        size_t n = is_separator(row) ? 0 : split(row, cells);

        for (size_t i = 0; i < n; i++) {
            struct buf text = BUF(HELP_LINE_BYTES);

            help_inline(&text, cells[i], t->style);
            t->width[i] = (int)max64(t->width[i], help_columns(buf_span(&text)));
            t->word[i] = (int)max64(t->word[i], longest_word(buf_span(&text)));
            buf_done(&text);
        }
        t->columns = n > t->columns ? n : t->columns;
    }
    fit(t);
}

/* One line of each cell; false when no cell has any left. */
static bool put_lines(const struct table *t, struct span left[COLUMNS_MAX])
{
    struct span lines[COLUMNS_MAX];
    size_t last = 0;
    bool any = false;

    for (size_t i = 0; i < t->columns; i++) {
        any |= left[i].n > 0;
        if (!help_line(&left[i], &lines[i]))
            lines[i] = (struct span){0};
        if (lines[i].n)
            last = i;
    }
    if (!any)
        return false;
    fprintf(t->to, "%*s", t->indent, "");
    for (size_t i = 0; i <= last; i++) {
        int pad = i < last ? t->width[i] - help_columns(lines[i]) + GAP : 0;

        if (lines[i].n)
            fwrite(lines[i].p, 1, lines[i].n, t->to);
        fprintf(t->to, "%*s", i < last ? (int)max64(pad, GAP) : 0, "");
    }
    fputc('\n', t->to);
    return true;
}

static void put_row(const struct table *t, const struct span *cells, size_t n, bool head)
{
    struct buf folded[COLUMNS_MAX];
    struct span left[COLUMNS_MAX] = {0};

    for (size_t i = 0; i < t->columns; i++) {
        struct buf text = BUF(HELP_LINE_BYTES);

        folded[i] = BUF(HELP_LINE_BYTES);
        buf_puts(&text, head && t->style.marks ? "\x1b[1m" : "");
        help_inline(&text, i < n ? cells[i] : (struct span){0}, t->style);
        buf_puts(&text, head && t->style.marks ? "\x1b[0m" : "");
        help_fold(&folded[i], buf_span(&text), t->width[i]);
        buf_done(&text);
        left[i] = buf_span(&folded[i]);
    }
    while (put_lines(t, left))
        ;
    for (size_t i = 0; i < t->columns; i++)
        buf_done(&folded[i]);
}

static void put_rule(const struct table *t)
{
    fprintf(t->to, "%*s", t->indent, "");
    for (size_t i = 0; i < t->columns; i++) {
        for (int k = 0; k < t->width[i]; k++)
            fputs("─", t->to);
        fprintf(t->to, "%*s", i + 1 < t->columns ? GAP : 0, "");
    }
    fputc('\n', t->to);
}

void help_table(FILE *to, struct span rows, int indent, struct help_style style)
{
    struct table t = {.to = to, .style = style, .indent = indent};
    struct span row, cells[COLUMNS_MAX];
    bool head = true;

    measure(&t, rows);
    while (help_line(&rows, &row)) {
        size_t n = is_separator(row) ? 0 : split(row, cells);

        if (n && !is_empty(cells, n)) {
            put_row(&t, cells, n, head);
            if (head)
                put_rule(&t);
        }
        head = false;
    }
}
