/* scripts.c - puts the parts of the prelude that it needs before each embedded script.
 *
 * The shebang line tells Redis whether the script may run while memory is
 * full; it must be the first line, so it is added here and not in the files. */
#include "common/queue/scripts.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/queue/record.h"

extern const char asset_common_queue_lua_prelude_lua[];
#define X(NAME, file, flags) extern const char asset_common_queue_lua_##file##_lua[];
#include "common/queue/scripts.def"

static const struct {
    const char *name, *flags, *text;
} sources[SCRIPT_COUNT] = {
#define X(NAME, file, flags) [SCRIPT_##NAME] = {#file, flags, asset_common_queue_lua_##file##_lua},
#include "common/queue/scripts.def"
};

static struct redis_script built[SCRIPT_COUNT];
static const struct redis_script *all[SCRIPT_COUNT + 1];

static void sha1_hex(const char *text, char hex[41])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;

    EVP_Digest(text, strlen(text), md, &n, EVP_sha1(), NULL);
    for (size_t i = 0; i < 20; i++) {
        hex[2 * i] = digits[md[i] >> 4];
        hex[2 * i + 1] = digits[md[i] & 15];
    }
    hex[40] = '\0';
}

/* ---- the prelude's parts ---- */

enum { PARTS_MAX = 32 };
static const char part_mark[] = "\n-- part: ";

struct part {
    struct span names, text;
    bool needed;
};

static const char *next_mark(const char *p)
{
    const char *at = strstr(p, part_mark);

    return at ? at : p + strlen(p);
}

/* Split the prelude; returns how many parts, *base is what stands before them. */
static size_t split(const char *prelude, struct span *base, struct part parts[PARTS_MAX])
{
    const char *p = next_mark(prelude);
    size_t n = 0;

    *base = (struct span){prelude, (size_t)(p - prelude)};
    while (*p && n < PARTS_MAX) {
        const char *names = p + sizeof part_mark - 1, *text = names + strcspn(names, "\n");
        const char *end = next_mark(text);

        parts[n++] =
            (struct part){{names, (size_t)(text - names)}, {text, (size_t)(end - text)}, false};
        p = end;
    }
    return n;
}

/* Does text call or index one of the names (separated by blanks)? */
static bool uses(struct span text, struct span names)
{
    for (size_t at = 0; at < names.n;) {
        const char *name = names.p + at;
        size_t n = strcspn(name, " \n");
        char call[64], index[64];

        snprintf(call, sizeof call, "%.*s(", (int)n, name);
        snprintf(index, sizeof index, "%.*s[", (int)n, name);
        if (memmem(text.p, text.n, call, n + 1) || memmem(text.p, text.n, index, n + 1))
            return true;
        at += n + 1;
    }
    return false;
}

/* Later parts may use earlier ones, so they are decided first. */
static void choose(struct part *parts, size_t n, const char *text)
{
    for (size_t i = n; i-- > 0;) {
        parts[i].needed = uses((struct span){text, strlen(text)}, parts[i].names);
        for (size_t k = i + 1; k < n && !parts[i].needed; k++)
            parts[i].needed = parts[k].needed && uses(parts[k].text, parts[i].names);
    }
}

/* What a script must know of the tables here. */
static void add_tables(struct buf *b)
{
    static const char types[] = {
#define X(type, name, symbol, code, flags) code,
#include "common/queue/job_types.def"
        '\0'};

    buf_puts(b, "local QUEUES = '");
    for (int q = 1; q <= QUEUE_COUNT; q++)
        buf_printf(b, "%02x=%s ", (unsigned)q, queue_name((enum queue_id)q));
    buf_printf(b, "'\nlocal TYPES = '%s'\n", types);
}

/* ---- places in a record's header ---- */

/* The place of a field by its name; ends the program when a script names none. */
static void place_of(struct span name, size_t *at, size_t *n)
{
    static const struct {
        const char *name;
        size_t at, n;
    } places[] = {
#define HEX(field, at, len)  {#field, at, len},
#define TEXT(field, at, len) {#field, at, len},
#include "common/queue/record_fields.def"
    };

    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        if (strlen(places[i].name) != name.n || memcmp(places[i].name, name.p, name.n) != 0)
            continue;
        *at = places[i].at;
        *n = places[i].n;
        return;
    }
    fprintf(stderr, "scripts: a record has no field %.*s\n", (int)name.n, name.p);
    abort();
}

/* What stands behind an '@': see prelude.lua.  Returns what follows it. */
static const char *add_place(struct buf *b, const char *p)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    char kind = strchr("<>=[", *p) ? *p++ : ' ';
    size_t n = strspn(p, letters), from, to, len;

    place_of((struct span){p, n}, &from, &len);
    p += n;
    to = from + len;
    if (*p == '-') {
        n = strspn(++p, letters);
        place_of((struct span){p, n}, &to, &len);
        to += len;
        p += n;
    }
    if (kind == '<')
        buf_printf(b, "1, %zu", from);
    else if (kind == '>')
        buf_printf(b, "%zu", to + 1);
    else if (kind == '=')
        buf_printf(b, "'%zu'", from);
    else if (kind == '[')
        buf_printf(b, "'%zu', '%zu'", from, to - 1);
    else
        buf_printf(b, "%zu, %zu", from + 1, to);
    return kind == '[' ? p + 1 : p;
}

static void add_text(struct buf *b, struct span text)
{
    const char *p = text.p, *end = text.p + text.n, *at;

    while ((at = memchr(p, '@', (size_t)(end - p)))) {
        buf_add(b, p, (size_t)(at - p));
        p = add_place(b, at + 1);
    }
    buf_add(b, p, (size_t)(end - p));
}

static void build(enum script_id id)
{
    struct buf b = BUF((size_t)256 * 1024);
    struct part parts[PARTS_MAX];
    struct span base;
    size_t n = split(asset_common_queue_lua_prelude_lua, &base, parts);

    choose(parts, n, sources[id].text);
    buf_printf(&b, "#!lua%s%s\n", sources[id].flags[0] ? " flags=" : "", sources[id].flags);
    if (strstr(sources[id].text, "TYPES"))
        add_tables(&b);
    buf_add_span(&b, base);
    for (size_t i = 0; i < n; i++)
        if (parts[i].needed)
            add_text(&b, parts[i].text);
    add_text(&b, (struct span){sources[id].text, strlen(sources[id].text)});
    built[id].name = sources[id].name;
    built[id].text = buf_take(&b);
    sha1_hex(built[id].text, built[id].sha1);
}

const struct redis_script *script(enum script_id id)
{
    if (!built[id].text)
        build(id);
    return &built[id];
}

const struct redis_script *const *scripts_all(void)
{
    for (int i = 0; i < SCRIPT_COUNT; i++)
        all[i] = script((enum script_id)i);
    return all;
}
