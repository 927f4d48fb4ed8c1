/* help_markdown.c - the blocks of a page, one after the other.
 *
 * A block is what begins at a line and goes on until a line that cannot belong to it.  An empty line
 * stands between two blocks; items of a list stand close when the page has them so. */
#include "scheduler/cli/help_markdown.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 2, CODE_INDENT = 4 };

struct page {
    FILE *to;
    struct help_style style;
    struct span left;
    bool begun, gap; /* something was printed; an empty line belongs before the next block */
};

bool help_line(struct span *text, struct span *line)
{
    const char *feed = text->n ? memchr(text->p, '\n', text->n) : NULL;
    size_t n = feed ? (size_t)(feed - text->p) : text->n;

    if (text->n == 0)
        return false;
    *line = (struct span){text->p, n};
    n += feed != NULL;
    *text = (struct span){text->p + n, text->n - n};
    return true;
}

/* ---- what a line begins ---- */

static bool starts(struct span line, const char *with)
{
    size_t n = strlen(with);

    return line.n >= n && !memcmp(line.p, with, n);
}

/* The bytes of "- " or "12. "; 0: no item. */
static size_t item_mark(struct span line)
{
    size_t n = 0;

    if (starts(line, "- "))
        return 2;
    while (n < line.n && isdigit((unsigned char)line.p[n]))
        n++;
    return n && n + 1 < line.n && line.p[n] == '.' && line.p[n + 1] == ' ' ? n + 2 : 0;
}

static bool is_text(struct span line)
{
    return line.n && !starts(line, "#") && !starts(line, "|") && !starts(line, "```") &&
           !item_mark(line);
}

/* ---- blocks ---- */

static void begin_block(struct page *p)
{
    if (p->gap && p->begun)
        fputc('\n', p->to);
    p->begun = true;
    p->gap = false;
}

static struct span peek(const struct page *p)
{
    struct span left = p->left, line = {0};

    if (!help_line(&left, &line))
        line = (struct span){0};
    return line;
}

/* The lines up to the end of the block, joined by blanks and folded. */
static void put_text(struct page *p, struct span first, int indent, const char *mark, size_t mark_n)
{
    struct buf text = BUF(HELP_LINE_BYTES), shown = BUF(HELP_LINE_BYTES),
               lines = BUF(HELP_LINE_BYTES);
    struct span line, left;

    buf_add_span(&text, first);
    while (is_text(peek(p)) && help_line(&p->left, &line)) {
        buf_putc(&text, ' ');
        buf_add_span(&text, line);
    }
    help_inline(&shown, buf_span(&text), p->style);
    help_fold(&lines, buf_span(&shown), p->style.width - indent - (int)mark_n);
    fprintf(p->to, "%*s%.*s", indent, "", (int)mark_n, mark);
    left = buf_span(&lines);
    for (int i = 0; help_line(&left, &line); i++)
        fprintf(p->to, "%*s%.*s\n", i ? indent + (int)mark_n : 0, "", (int)line.n, line.p);
    buf_done(&text);
    buf_done(&shown);
    buf_done(&lines);
}

static void put_heading(struct page *p, struct span line)
{
    bool top = starts(line, "# ");
    const char *text = line.p + strspn(line.p, "# ");
    int n = (int)(line.p + line.n - text);

    p->gap = true;
    begin_block(p);
    fputs(p->style.marks ? "\x1b[1m" : "", p->to);
    for (int i = 0; i < n; i++)
        fputc(top ? toupper((unsigned char)text[i]) : text[i], p->to);
    fprintf(p->to, "%s\n", p->style.marks ? "\x1b[0m" : "");
}

static void put_code(struct page *p)
{
    struct span line;

    while (help_line(&p->left, &line) && !starts(line, "```"))
        fprintf(p->to, "%*s%.*s\n", line.n ? CODE_INDENT : 0, "", (int)line.n, line.p);
    p->gap = true;
}

static void put_table(struct page *p, struct span first)
{
    struct span rows = first, line;

    while (starts(peek(p), "|") && help_line(&p->left, &line))
        rows.n = (size_t)(line.p + line.n - rows.p);
    help_table(p->to, rows, INDENT, p->style);
    p->gap = true;
}

static void put_block(struct page *p, struct span line)
{
    size_t mark = item_mark(line);

    if (starts(line, "#")) {
        put_heading(p, line);
        return;
    }
    begin_block(p);
    if (starts(line, "```"))
        put_code(p);
    else if (starts(line, "|"))
        put_table(p, line);
    else if (mark)
        put_text(p, (struct span){line.p + mark, line.n - mark}, INDENT, line.p, mark);
    else
        put_text(p, line, INDENT, "", 0);
}

void help_print(FILE *to, const char *text, struct help_style style)
{
    struct page p = {.to = to, .style = style, .left = {text, strlen(text)}};
    struct span line;

    while (help_line(&p.left, &line)) {
        if (line.n)
            put_block(&p, line);
        else
            p.gap = true;
    }
}

void help_summary(struct buf *to, const char *text)
{
    struct span left = {text, strlen(text)}, line;
    bool begun = false;

    while (help_line(&left, &line) && (!begun || is_text(line))) {
        const char *stop = is_text(line) ? memmem(line.p, line.n, ". ", 2) : NULL;

        if (!is_text(line))
            continue;
        if (begun)
            buf_putc(to, ' ');
        begun = true;
        if (stop)
            line.n = (size_t)(stop + 1 - line.p);
        help_inline(to, line, (struct help_style){0});
        if (stop || line.p[line.n - 1] == '.')
            return;
    }
}
