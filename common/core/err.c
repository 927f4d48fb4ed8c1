/* err.c - what went wrong, in one value.
 *
 * A failure is a kind (a row of err_kinds.def, which decides what happens
 * next) and a message for people.  It travels up by return, growing prefixes:
 *
 *     parse_int64     false
 *     setting         err_set(err, ERR_CONFIG, "'%s' is not a whole number", text)
 *     config_load     err_wrap(err, "line %d", line)        "line 7: 'x' is not ..."
 *     main            log_err(LOG_ERROR, "config.bad", err)
 *
 * The arguments of err_set may point into the message that is replaced, so
 * texts are made in a second buffer first.  To add a kind, add a row to
 * err_kinds.def; everything here reads that table.
 */
#include "common/core/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/secret.h"

static const struct {
    const char *code;
    const char *text;
    enum err_class class;
    int http;
    bool billed;
    enum err_onward onward;
} kinds[ERR_KIND_COUNT] = {
    [ERR_NONE] = {"none", "no failure", ERR_CLASS_NONE, 200, false, ERR_ONWARD_STAY},
#define NO    false
#define MAYBE true
#define X(kind, code, class, http, billed, onward, route, text) \
    [ERR_##kind] = {code, text, ERR_CLASS_##class, http, billed, ERR_ONWARD_##onward},
#include "common/core/err_kinds.def"
#undef NO
#undef MAYBE
};

/* Make msg fit: a cut text ends in "..." and not inside a UTF-8 character.  n: how long the text
 * would have been with more room.  Whatever others repeated, msg has no secret. */
static void keep(struct err *err, char *text, size_t n)
{
    size_t max = sizeof err->msg - 1, len = strlen(text);
    bool cut = n > len;

    len = secret_hide(text, len);
    text[len] = 0;
    if (cut || len > max) {
        len = len < max - 3 ? len : max - 3;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
        memcpy(err->msg, text, len);
        memcpy(err->msg + len, "...", 4);
        return;
    }
    memcpy(err->msg, text, len + 1);
}

bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
{
    char text[sizeof err->msg + 4];
    va_list ap;
    int n;

    assert(err && kind > ERR_NONE && kind < ERR_KIND_COUNT);
    va_start(ap, fmt);
    n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n < 0)
        text[n = 0] = 0;
    err->kind = kind;
    keep(err, text, (size_t)n);
    return false;
}

bool err_wrap(struct err *err, const char *prefix_fmt, ...)
{
    char text[2 * sizeof err->msg + 8];
    va_list ap;
    int n;

    assert(err && err->kind != ERR_NONE);
    va_start(ap, prefix_fmt);
    n = vsnprintf(text, sizeof err->msg, prefix_fmt, ap);
    va_end(ap);
    if (n < 0)
        return false;
    if ((size_t)n >= sizeof err->msg)
        n = (int)sizeof err->msg - 1;
    n += snprintf(text + n, sizeof text - (size_t)n, ": %s", err->msg);
    keep(err, text, (size_t)n);
    return false;
}

/* Kinds can arrive as numbers from elsewhere; strange ones count as our fault. */
static enum err_kind known(enum err_kind kind)
{
    return (unsigned)kind < ERR_KIND_COUNT ? kind : ERR_INTERNAL;
}

const char *err_code(enum err_kind kind) { return kinds[known(kind)].code; }

enum err_class err_class(enum err_kind kind) { return kinds[known(kind)].class; }

int err_http_status(enum err_kind kind) { return kinds[known(kind)].http; }

enum err_onward err_onward(enum err_kind kind) { return kinds[known(kind)].onward; }

bool err_may_be_billed(enum err_kind kind) { return kinds[known(kind)].billed; }

const char *err_text(enum err_kind kind) { return kinds[known(kind)].text; }

enum err_kind err_kind_of(const char *code, size_t n)
{
    for (int k = ERR_NONE + 1; k < ERR_KIND_COUNT; k++)
        if (strlen(kinds[k].code) == n && memcmp(kinds[k].code, code, n) == 0)
            return (enum err_kind)k;
    return ERR_NONE;
}

bool err_is_retryable(enum err_kind kind)
{
    enum err_class class = err_class(kind);

    return class == ERR_CLASS_RETRY || class == ERR_CLASS_PARK || class == ERR_CLASS_STOP;
}
