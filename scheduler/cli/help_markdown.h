/* help_markdown.h - pages of the manual as text for a terminal.
 *
 * The pages are written in a part of Markdown: headings, paragraphs, lists with `-` or `1.`, tables,
 * fenced code; in a line `code`, **bold** and [links](jobs.md).  Raw HTML, nested lists and quotes
 * are not read.
 *
 *     # Rate limits                    RATE LIMITS
 *
 *     A job gets a *ticket* ...          A job gets a *ticket* ...
 *
 * Text is folded to the width; lines of code are printed as they are.  On a terminal headings and
 * code are bold and links underlined; elsewhere code keeps its backquotes and nothing is escaped. */
#ifndef FLOTILLA_CLI_HELP_MARKDOWN_H
#define FLOTILLA_CLI_HELP_MARKDOWN_H

#include <stdio.h>

#include "common/core/buf.h"

struct help_style {
    int width;  /* columns */
    bool marks; /* bold and underline, as escape sequences */
};

/* Print a page.  text: NUL-terminated. */
void help_print(FILE *to, const char *text, struct help_style style);
/* The sentence below the heading, without marks: appended to *to. */
void help_summary(struct buf *to, const char *text);

/* ---- parts (help_inline.c, help_table.c) ---- */
enum { HELP_LINE_BYTES = 1 << 16 };

/* The marks of a text replaced by what the style has for them: appended to *to. */
void help_inline(struct buf *to, struct span text, struct help_style style);
/* The columns that such a text takes. */
int help_columns(struct span text);
/* Such a text broken at blanks into lines of at most `width` columns, with a line feed between two.
 * A longer word stands on a line of its own. */
void help_fold(struct buf *to, struct span text, int width);
/* rows: lines that begin with `|`, the second of which separates the header. */
void help_table(FILE *to, struct span rows, int indent, struct help_style style);

/* The next line of text, without its line feed; *text is what follows.  False at the end. */
bool help_line(struct span *text, struct span *line);

#endif
