/* config_settings.c - the rows of settings.def as data, and text to field.
 *
 * One setter per type, shared by defaults, file and environment, so that a
 * default which is out of its own bounds cannot be built.  What a type cannot
 * say (a URL, a relation of two settings) is checked in config_check.c once
 * everything is loaded.
 *
 * To add a setting: one row in settings.def; its line in deploy/flotilla.yaml
 * and flotilla.yaml(5), which the unit tests ask for.
 */
#include "common/config/config_parts.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/buf.h"
#include "common/core/parse.h"
#include "common/core/secret.h"
#include "common/core/visible.h"
#include "common/core/xalloc.h"

/* "TOP." is four characters, and so is what is skipped of the names at the top level. */
#define TOP_SKIP(section) (sizeof(#section) == sizeof("TOP") && (#section)[0] == 'T' ? 4 : 0)
#define ROW(section_, key_, def_, flags_, help_)                                          \
    .section = &(#section_)[TOP_SKIP(section_) ? 3 : 0], .key = #key_,                    \
    .name = &(#section_ "." #key_)[TOP_SKIP(section_)], .def = (def_), .flags = (flags_), \
    .help = (help_), .offset = offsetof(struct config, section_##_##key_)

const struct setting config_settings[SETTING_COUNT] = {
#define STR(section, key, def, flags, help) \
    {ROW(section, key, def, flags, help), .type = SETTING_STR},
#define INT(section, key, def, low, high, flags, help) \
    {ROW(section, key, #def, flags, help), .type = SETTING_INT, .min = (low), .max = (high)},
#define BOOL(section, key, def, flags, help) \
    {ROW(section, key, #def, flags, help), .type = SETTING_BOOL},
#define ENUM(section, key, def, choice, flags, help) \
    {ROW(section, key, def, flags, help), .type = SETTING_ENUM, .names = (choice)},
#include "common/config/settings.def"
};

static void *field_of(struct config *c, const struct setting *s) { return (char *)c + s->offset; }

static const void *field(const struct config *c, const struct setting *s)
{
    return (const char *)c + s->offset;
}

/* ---- text to field: one function per type; false: not what is expected ---- */

static bool set_str(const struct setting *s, const char *text, void *ret)
{
    char **field_p = ret;

    (void)s;
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p < 0x20 || *p == 0x7f)
            return false;
    free(*field_p);
    *field_p = xstrdup(text);
    return true;
}

static bool set_int(const struct setting *s, const char *text, void *ret)
{
    return parse_int64(text, strlen(text), s->min, s->max, ret);
}

static bool set_bool(const struct setting *s, const char *text, void *ret)
{
    (void)s;
    return parse_bool(text, strlen(text), ret);
}

static bool set_enum(const struct setting *s, const char *text, void *ret)
{
    size_t n = strlen(text);
    int i = 0;

    for (const char *p = s->names; *p; i++) {
        size_t len = strcspn(p, "|");

        if (len == n && memcmp(p, text, n) == 0) {
            *(int *)ret = i;
            return true;
        }
        p += len + (p[len] == '|');
    }
    return false;
}

static bool (*const setters[])(const struct setting *, const char *, void *) = {
    [SETTING_STR] = set_str,
    [SETTING_INT] = set_int,
    [SETTING_BOOL] = set_bool,
    [SETTING_ENUM] = set_enum,
};

bool setting_is_url(const struct setting *s)
{
    size_t n = strlen(s->key);

    return n >= 3 && strcmp(s->key + n - 3, "url") == 0;
}

/* Before anything is said of it.  Of a secret URL of the web the path is the secret. */
static void note_secret(const struct setting *s, const char *text)
{
    if (s->type == SETTING_STR && setting_is_url(s))
        secret_add_url(text, s->flags & SECRET && strncasecmp(text, "http", 4) == 0);
    else if (s->flags & SECRET)
        secret_add(text + (strncmp(text, "whsec_", 6) == 0 ? 6 : 0));
}

bool setting_set(struct config *c, const struct setting *s, const char *text, struct err *err)
{
    char expected[128];
    char got[CONFIG_QUOTED];

    note_secret(s, text);
    if (setters[s->type](s, text, field_of(c, s)))
        return true;
    setting_expects(s, expected);
    if (s->flags & SECRET)
        return err_set(err, ERR_CONFIG, "expected %s", expected);
    return err_set(err, ERR_CONFIG, "expected %s; got %s", expected, config_quote(text, got));
}

/* ---- field to text ---- */

void setting_text(const struct config *c, const struct setting *s, struct buf *ret)
{
    const void *p = field(c, s);

    switch (s->type) {
    case SETTING_STR: buf_puts(ret, *(char *const *)p); break;
    case SETTING_INT: buf_int(ret, *(const int64_t *)p); break;
    case SETTING_BOOL: buf_puts(ret, *(const bool *)p ? "true" : "false"); break;
    case SETTING_ENUM: {
        const char *name = s->names;

        for (int i = *(const int *)p; i > 0; i--)
            name = strchr(name, '|') + 1;
        buf_add(ret, name, strcspn(name, "|"));
        break;
    }
    }
}

int64_t setting_int(const struct config *c, enum setting_id id)
{
    return *(const int64_t *)field(c, &config_settings[id]);
}

const char *setting_str(const struct config *c, const struct setting *s)
{
    return *(char *const *)field(c, s);
}

bool setting_equal(const struct config *a, const struct config *b, const struct setting *s)
{
    struct buf ta = BUF(CONFIG_FILE_MAX_BYTES);
    struct buf tb = BUF(CONFIG_FILE_MAX_BYTES);
    bool equal;

    setting_text(a, s, &ta);
    setting_text(b, s, &tb);
    equal = ta.n == tb.n && (ta.n == 0 || memcmp(ta.p, tb.p, ta.n) == 0);
    buf_done(&ta);
    buf_done(&tb);
    return equal;
}

/* ---- words for messages ---- */

/* The unit that ends a setting's name. */
static const char *unit_of(const char *key)
{
    static const struct {
        const char *end, *unit;
    } units[] = {{"_ms", " of milliseconds"}, {"_bytes", " of bytes"}, {"_percent", " of percent"}};
    size_t n = strlen(key);

    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].end);

        if (n > len && strcmp(key + n - len, units[i].end) == 0)
            return units[i].unit;
    }
    return "";
}

void setting_expects(const struct setting *s, char text[128])
{
    size_t n;

    switch (s->type) {
    case SETTING_STR: snprintf(text, 128, "text without control characters"); break;
    case SETTING_INT:
        snprintf(text, 128, "a whole number%s from %" PRId64 " to %" PRId64, unit_of(s->key),
                 s->min, s->max);
        break;
    case SETTING_BOOL: snprintf(text, 128, "true or false"); break;
    case SETTING_ENUM:
        n = (size_t)snprintf(text, 128, "one of ");
        for (const char *p = s->names; *p && n < 124; p++) {
            text[n++] = *p == '|' ? ',' : *p;
            if (*p == '|')
                text[n++] = ' ';
        }
        text[n] = 0;
        break;
    }
}

void setting_env_name(const struct setting *s, char name[CONFIG_ENV_NAME])
{
    snprintf(name, CONFIG_ENV_NAME, "FLOTILLA_%s", s->name);
    for (char *p = name; *p; p++)
        *p = *p == '.' ? '_' : (char)toupper((unsigned char)*p);
}

/* The user and the password of a URL, well written or not: all from the scheme to the last '@'. */
static struct span userinfo(const char *text)
{
    const char *scheme = strstr(text, "://"), *at = strrchr(text, '@');
    const char *from = scheme ? scheme + 3 : text;

    return at && at > from ? (struct span){from, (size_t)(at - from)} : (struct span){text, 0};
}

char *config_quote(const char *text, char quoted[CONFIG_QUOTED])
{
    size_t most = CONFIG_QUOTED - sizeof("'...'"), n = 0;
    struct span hidden = userinfo(text);
    const char *p = text;
    char c[VISIBLE_MAX];

    quoted[n++] = '\'';
    while (*p) {
        const char *from = p;

        if (hidden.n && p == hidden.p) {
            snprintf(c, sizeof(c), "***");
            p += hidden.n;
        } else {
            p += visible_char(p, p + strlen(p), c);
        }
        if (n - 1 + strlen(c) > most) {
            p = from;
            break;
        }
        memcpy(quoted + n, c, strlen(c));
        n += strlen(c);
    }
    snprintf(quoted + n, 5, "%s'", *p ? "..." : "");
    return quoted;
}

enum { FEW_NAMES = 6 };

void config_unknown(struct err *err, const char *noun, const char *word, const char *const *names,
                    size_t count)
{
    const char *near = parse_nearest(word, names, count);
    struct buf all = BUF(200);

    for (size_t i = 0; !near && count <= FEW_NAMES && i < count; i++)
        buf_printf(&all, "%s%s", i ? ", " : "", names[i]);
    if (near)
        err_set(err, ERR_CONFIG, "unknown %s; did you mean '%s'?", noun, near);
    else if (all.n && !buf_failed(&all)) /* some are the file's own, which no manual can list */
        err_set(err, ERR_CONFIG, "unknown %s; there is %s", noun, all.p);
    else
        err_set(err, ERR_CONFIG, "unknown %s; flotilla.yaml(5) lists what there is", noun);
    buf_done(&all);
}
