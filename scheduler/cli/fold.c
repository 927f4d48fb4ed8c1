/* fold.c - text for people: broken at blanks to the width of the terminal.
 *
 *     because    the provider could not take it; failed 3 times so far, the
 *                last time: all GPUs are busy
 *
 * Behind a comma may be a break, too, as JSON has no blanks; a word that is wider than its column
 * is broken anywhere.  Line feeds and indentation of the text stay.  Who reads from a pipe gets
 * lines as they are: nothing is folded there (cli_put_text). */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/core/utf8.h"
#include "scheduler/cli/cli.h"

enum { WIDTH = 80, NARROW = 20 };

bool cli_stderr_is_terminal(void) { return isatty(STDERR_FILENO) == 1; }
bool cli_stdout_is_terminal(void) { return isatty(STDOUT_FILENO) == 1; }

int cli_columns(void)
{
    struct winsize size = {0};

    return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : WIDTH;
}

struct fold {
    FILE *to;
    int at, column, width;
};

static void new_line(struct fold *f)
{
    fprintf(f->to, "\n%*s", f->at, "");
    f->column = f->at;
}

/* Bytes of the character at p, malformed ones each for itself. */
static size_t step(const char *p, const char *end)
{
    size_t n = utf8_len(p, end);

    return n ? n : 1;
}

static int columns_of(struct span s)
{
    int n = 0;

    for (const char *p = s.p; p < s.p + s.n; p += step(p, s.p + s.n))
        n++;
    return n;
}

/* blanks: before it, which a break takes the place of. */
static void put_word(struct fold *f, int blanks, struct span word)
{
    if (f->column > f->at && f->column + blanks + columns_of(word) > f->width)
        new_line(f);
    else
        f->column += fprintf(f->to, "%*s", blanks, "");
    for (const char *p = word.p, *end = word.p + word.n; p < end;) {
        size_t len = step(p, end);

        if (f->column >= f->width)
            new_line(f);
        fwrite(p, 1, len, f->to);
        f->column++;
        p += len;
    }
}

void cli_fold(FILE *to, int at, int width, struct span text)
{
    struct fold f = {to, at, at, width < at + NARROW ? at + NARROW : width};
    const char *end = text.p + text.n;
    int blanks = 0;

    for (const char *p = text.p; p < end;) {
        size_t n = 0;

        while (p + n < end && p[n] != ' ' && p[n] != '\n' && (n == 0 || p[n - 1] != ','))
            n++;
        if (n)
            put_word(&f, blanks, (struct span){p, n});
        else if (*p == '\n')
            new_line(&f);
        blanks = !n && *p == ' ' && blanks < f.width - at ? blanks + 1 : 0;
        p += n ? n : 1;
    }
    fputc('\n', to);
}

void cli_put_words(FILE *to, int at, const char *text)
{
    cli_fold(to, at, WIDTH, (struct span){text, strlen(text)});
}

void cli_put_line(struct span text)
{
    for (size_t i = 0; i < text.n; i++)
        putchar(text.p[i] == '\n' || text.p[i] == '\r' ? ' ' : text.p[i]);
    putchar('\n');
}

void cli_put_text(int at, struct span text)
{
    if (cli_stdout_is_terminal())
        cli_fold(stdout, at, cli_columns(), text);
    else
        cli_put_line(text);
}
