/* support.c - arguments and small texts for the commands.
 *
 * Options may stand anywhere: a command takes those it knows out of argv (cli_option, cli_flag) and
 * what is left are its arguments. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/visible.h"
#include "scheduler/cli/cli.h"

/* ---- arguments ---- */

static void remove_args(struct cli *c, int at, int n)
{
    memmove(&c->argv[at], &c->argv[at + n], sizeof *c->argv * (size_t)(c->argc - at - n));
    c->argc -= n;
}

const char *cli_option(struct cli *c, const char *name)
{
    size_t n = strlen(name);

    for (int i = 0; i < c->argc; i++) {
        const char *value = NULL;
        int used = 0;

        if (!strcmp(c->argv[i], name) && i + 1 < c->argc) {
            value = c->argv[i + 1];
            used = 2;
        } else if (!strncmp(c->argv[i], name, n) && c->argv[i][n] == '=') {
            value = c->argv[i] + n + 1;
            used = 1;
        }
        if (used > 0) {
            remove_args(c, i, used);
            return value;
        }
    }
    return NULL;
}

bool cli_flag(struct cli *c, const char *name)
{
    for (int i = 0; i < c->argc; i++)
        if (!strcmp(c->argv[i], name)) {
            remove_args(c, i, 1);
            return true;
        }
    return false;
}

bool cli_has_option(const struct cli *c)
{
    for (int i = 0; i < c->argc; i++)
        if (!strncmp(c->argv[i], "--", 2) || (c->argv[i][0] == '-' && strlen(c->argv[i]) == 2))
            return true;
    return false;
}

/* Here and not in main.c, so that the commands can be linked without it. */
int cli_usage(const struct cli *c)
{
    static const char *const usages[][3] = {
#define X(symbol, name, args, flags, text) {name, args, text},
#include "scheduler/cli/commands.def"
    };

    for (size_t i = 0; i < ARRAY_LEN(usages); i++)
        if (!strcmp(usages[i][0], c->command))
            fprintf(stderr, "usage: flotilla %s %s\n  %s\n", usages[i][0], usages[i][1],
                    usages[i][2]);
    return CLI_USAGE;
}

int cli_fail(int status, const char *fmt, ...)
{
    char text[2048];
    struct buf line = BUF(sizeof text * VISIBLE_MAX);
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    visible_add(&line, text, n < 0 ? 0 : strlen(text));
    fprintf(stderr, "flotilla: %s\n", line.n ? line.p : "");
    buf_done(&line);
    return status;
}

/* ---- texts ---- */

static char *next_text(void)
{
    static char texts[16][48];
    static unsigned at;

    return texts[at++ % 16];
}

const char *cli_duration(int64_t ms)
{
    static const struct {
        int64_t from, unit;
        const char *name;
    } units[] = {{172800000, 86400000, "d"},
                 {7200000, 3600000, "h"},
                 {120000, 60000, "min"},
                 {1000, 1000, "s"},
                 {0, 1, "ms"}};
    char *text = next_text();

    for (size_t i = 0; i < ARRAY_LEN(units); i++)
        if (ms >= units[i].from) {
            snprintf(text, 48, "%" PRId64 " %s", ms / units[i].unit, units[i].name);
            break;
        }
    return text;
}

const char *cli_when(int64_t ms, int64_t now_ms)
{
    char *text;

    if (ms <= 0)
        return "-";
    text = next_text();
    if (ms <= now_ms)
        snprintf(text, 48, "%s ago", cli_duration(now_ms - ms));
    else
        snprintf(text, 48, "in %s", cli_duration(ms - now_ms));
    return text;
}

/* To the millionth of a dollar; below a thousandth to the last nano-dollar. */
const char *cli_usd(int64_t nanousd)
{
    const int64_t over = nanousd % 1000;
    char *text = next_text();
    size_t n;

    if (nanousd >= 1000000 && nanousd < INT64_MAX - 1000)
        nanousd += over >= 500 ? 1000 - over : -over;
    n = (size_t)snprintf(text, 48, "$%" PRId64 ".%09" PRId64, nanousd / 1000000000,
                         nanousd % 1000000000);
    for (int digits = 9; digits > 6 && text[n - 1] == '0'; digits--)
        text[--n] = '\0';
    return text;
}
