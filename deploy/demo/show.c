/* show.c - the terminal: one progress line that draws itself anew, events above
 * it, headings and claims below.
 *
 * Without a terminal (or with TERM=dumb) it writes plain lines, one a second;
 * NO_COLOR takes the colours away; a locale without UTF-8 gets ASCII. */
#include <langinfo.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "deploy/demo/demo.h"

enum { BAR = 30, BESIDE_BAR = 66, PLAIN_MS = 1000 };

static struct {
    bool live, colour, utf8, drawn;
    int64_t plain_at_ms;
    size_t claims, failed;
} show;

void show_init(void)
{
    const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");

    setlocale(LC_CTYPE, "");
    show.live = isatty(STDOUT_FILENO) == 1 && term && strcmp(term, "dumb") != 0;
    show.colour = show.live && !(no_colour && *no_colour);
    show.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    setvbuf(stdout, NULL, _IOLBF, 0);
}

const char *tint(enum tint t)
{
    static const char *const codes[] = {"\033[0m",  "\033[1m",  "\033[2m",
                                        "\033[32m", "\033[31m", "\033[33m"};

    return show.colour ? codes[t] : "";
}

const char *show_dot(void) { return show.utf8 ? "·" : "-"; }

static void wipe(void)
{
    if (show.drawn)
        fputs("\r\033[K", stdout);
    show.drawn = false;
}

static double seconds(const struct demo *d)
{
    return d->started_ms ? (double)(clock_mono_ms() - d->started_ms) / 1000 : 0;
}

void show_event(const struct demo *d, const char *fmt, ...)
{
    va_list ap;

    wipe();
    printf("%s%6.1f s%s  ", tint(TINT_DIM), seconds(d), tint(TINT_NONE));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

/* The line must not wrap, or it could not be wiped. */
static size_t bar_width(void)
{
    struct winsize w;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) != 0 || w.ws_col >= BESIDE_BAR + BAR)
        return BAR;
    return w.ws_col > BESIDE_BAR ? (size_t)w.ws_col - BESIDE_BAR : 0;
}

static void draw_bar(size_t done, size_t total)
{
    const char *full = show.utf8 ? "━" : "=", *empty = show.utf8 ? "─" : "-";
    size_t width = bar_width(), n = total ? done * width / total : 0;

    fputs(tint(TINT_GOOD), stdout);
    for (size_t i = 0; i < n; i++)
        fputs(full, stdout);
    printf("%s%s", tint(TINT_NONE), tint(TINT_DIM));
    for (size_t i = n; i < width; i++)
        fputs(empty, stdout);
    fputs(tint(TINT_NONE), stdout);
}

void show_progress(const struct demo *d, size_t done, size_t total, const char *text)
{
    if (!show.live) {
        if (clock_mono_ms() < show.plain_at_ms)
            return;
        show.plain_at_ms = clock_mono_ms() + PLAIN_MS;
        printf("%6.1f s  %zu of %zu ended; %s\n", seconds(d), done, total, text);
        return;
    }
    wipe();
    printf("%s%6.1f s%s  ", tint(TINT_DIM), seconds(d), tint(TINT_NONE));
    draw_bar(done, total);
    printf(" %s%zu%s/%zu  %s%s%s", tint(TINT_BOLD), done, tint(TINT_NONE), total, tint(TINT_DIM),
           text, tint(TINT_NONE));
    fflush(stdout);
    show.drawn = true;
}

void show_progress_end(void) { wipe(); }

void show_heading(const char *title)
{
    printf("\n%s%s%s\n", tint(TINT_BOLD), title, tint(TINT_NONE));
}

void show_claim(bool holds, const char *fmt, ...)
{
    va_list ap;

    show.claims++;
    show.failed += !holds;
    printf("  %s%s%s ", tint(holds ? TINT_GOOD : TINT_BAD),
           holds ? (show.utf8 ? "✓" : "ok") : (show.utf8 ? "✗ NOT SO:" : "NOT SO:"),
           tint(TINT_NONE));
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

size_t show_claims_failed(void) { return show.failed; }
size_t show_claims(void) { return show.claims; }
