/* help_inline.c - marks inside a text, and lines of a width.
 *
 * Marks become escape sequences of no width.  A line ends its style and the next one begins it
 * again, so that indentation is never underlined. */
#include <string.h>

#include "common/core/utf8.h"
#include "scheduler/cli/help_markdown.h"

#define BOLD      "\x1b[1m"
#define UNDERLINE "\x1b[4m"
#define PLAIN     "\x1b[0m"

static bool starts(struct span s, const char *with)
{
    size_t n = strlen(with);

    return s.n >= n && !memcmp(s.p, with, n);
}

static struct span behind(struct span s, size_t n) { return (struct span){s.p + n, s.n - n}; }

/* The bytes before `end`; s.n when there is none. */
static size_t length_to(struct span s, char end)
{
    const char *p = s.n ? memchr(s.p, end, s.n) : NULL;

    return p ? (size_t)(p - s.p) : s.n;
}

static void styled(struct buf *to, const char *mark, struct span text, struct help_style style)
{
    buf_puts(to, style.marks ? mark : "");
    buf_add_span(to, text);
    buf_puts(to, style.marks ? PLAIN : "");
}

/* ---- code, links, bold ---- */

/* In a table, \| is a bar. */
static size_t put_code(struct buf *to, struct span s, struct help_style style)
{
    size_t n = length_to(behind(s, 1), '`');

    buf_puts(to, style.marks ? BOLD : "`");
    for (size_t i = 1; i <= n; i++)
        if (s.p[i] != '\\' || i == n || s.p[i + 1] != '|')
            buf_putc(to, s.p[i]);
    buf_puts(to, style.marks ? PLAIN : "`");
    return n + 2 <= s.n ? n + 2 : s.n;
}

/* What to look for: a page's name, a path in the sources, or an address. */
static void put_target(struct buf *to, struct span text, struct span target)
{
    size_t name = length_to(target, '#');

    target.n = name;
    while (starts(target, "../"))
        target = behind(target, 3);
    if (target.n > 3 && !memcmp(target.p + target.n - 3, ".md", 3) &&
        !memchr(target.p, '/', target.n))
        target.n -= 3;
    if (target.n && (target.n != text.n || memcmp(target.p, text.p, text.n) != 0)) {
        buf_puts(to, " (");
        buf_add_span(to, target);
        buf_puts(to, ")");
    }
}

/* [text](target); 0: it is only a bracket. */
static size_t put_link(struct buf *to, struct span s, struct help_style style)
{
    struct span text = {s.p + 1, length_to(behind(s, 1), ']')};
    struct span rest = behind(s, text.n + 1), target;

    if (!starts(rest, "]("))
        return 0;
    target = behind(rest, 2);
    target.n = length_to(target, ')');
    if (target.p + target.n == s.p + s.n)
        return 0;
    styled(to, UNDERLINE, text, style);
    put_target(to, text, target);
    return (size_t)(target.p + target.n + 1 - s.p);
}

static size_t put_bold(struct buf *to, struct span s, struct help_style style)
{
    struct span text = behind(s, 2);
    const char *end = memmem(text.p, text.n, "**", 2);

    if (!end)
        return 0;
    text.n = (size_t)(end - text.p);
    styled(to, BOLD, text, style);
    return text.n + 4;
}

void help_inline(struct buf *to, struct span text, struct help_style style)
{
    for (struct span s = text; s.n;) {
        size_t n = 0;

        if (*s.p == '`')
            n = put_code(to, s, style);
        else if (*s.p == '[')
            n = put_link(to, s, style);
        else if (starts(s, "**"))
            n = put_bold(to, s, style);
        else if (*s.p == '\\' && s.n > 1)
            s = behind(s, 1);
        if (n == 0) {
            buf_putc(to, *s.p);
            n = 1;
        }
        s = behind(s, n);
    }
}

/* ---- lines ---- */

static size_t escape_len(const char *p, const char *end)
{
    const char *m = *p == '\x1b' ? memchr(p, 'm', (size_t)(end - p)) : NULL;

    return m ? (size_t)(m + 1 - p) : 0;
}

int help_columns(struct span text)
{
    int columns = 0;

    for (const char *p = text.p, *end = text.p + text.n; p < end;) {
        size_t escape = escape_len(p, end), n = utf8_len(p, end);

        columns += escape == 0;
        p += escape ? escape : n ? n : 1;
    }
    return columns;
}

/* The style in force behind a word: its last escape sequence, NULL for none. */
static const char *style_behind(struct span word, const char *before)
{
    static const char *const marks[] = {BOLD, UNDERLINE, PLAIN};

    for (const char *p = word.p, *end = p + word.n; p < end; p++)
        for (size_t i = 0; *p == '\x1b' && i < ARRAY_LEN(marks); i++)
            if (starts((struct span){p, (size_t)(end - p)}, marks[i]))
                before = i < 2 ? marks[i] : NULL;
    return before;
}

void help_fold(struct buf *to, struct span text, int width)
{
    const char *style = NULL;
    int column = 0;

    for (const char *p = text.p, *end = p + text.n; p < end;) {
        struct span word = {p, length_to((struct span){p, (size_t)(end - p)}, ' ')};
        int columns = help_columns(word);

        if (column > 0 && column + 1 + columns > width) {
            buf_printf(to, "%s\n%s", style ? PLAIN : "", style ? style : "");
            column = 0;
        } else if (column > 0) {
            buf_putc(to, ' ');
            column++;
        }
        buf_add_span(to, word);
        column += columns;
        style = style_behind(word, style);
        for (p += word.n; p < end && *p == ' ';)
            p++;
    }
}
