/* job_loose.c - the members of an object that may be no JSON.
 *
 *   {'id': 'order-4711', "payload": {"text": "He said "hi""}, // a comment
 *    "n": 01, reply: True, "tags": {"a"
 *
 * Documents are refused for such things, and their producers still want to know
 * which one it was.  Nothing is repaired here.  What is JSON is skipped as JSON;
 * for the rest there are three guesses:
 *
 *   - a quote opens a string only behind { [ , or :, and closes it only before
 *     , : } ] or the end.  So quotes that somebody forgot to escape, apostrophes
 *     and line feeds stay inside;
 *   - a bracket that closes also closes those that were left open in it;
 *   - a member is a name and a colon, at the first level.  All else there is
 *     skipped to the next comma.
 *
 * Each byte is looked at a few times at most, however damaged the text is.
 */
#include <string.h>

#include "common/core/json.h"
#include "common/core/json_scan.h"
#include "common/queue/job_parts.h"

enum { DEPTH_MAX = 64 };

static bool ends_here(const char *p, const char *end)
{
    p = json_skip_blanks(p, end);
    return p == end || strchr(",:}]", *p);
}

static bool is_quote(char c) { return c == '"' || c == '\''; }

/* p is at the opening quote. */
static const char *skip_string(const char *p, const char *end)
{
    char quote = *p++;

    for (; p < end; p++) {
        if (*p == '\\')
            p++;
        else if (*p == quote && ends_here(p + 1, end))
            return p + 1;
    }
    return end;
}

/* The brackets that are open: a bit each, 1 for a brace. */
struct open {
    uint64_t braces;
    int depth;
};

/* False: it closes something outside. */
static bool close_bracket(struct open *o, char c)
{
    uint64_t all = o->depth == DEPTH_MAX ? UINT64_MAX : (UINT64_C(1) << o->depth) - 1;
    uint64_t same = c == '}' ? o->braces & all : ~o->braces & all;
    bool is;

    if (!same)
        return c != '}'; /* a list is never outside: this one is not meant */
    do {
        is = (o->braces & 1) == (c == '}');
        o->braces >>= 1;
        o->depth--;
    } while (!is);
    return true;
}

/* To the comma or brace behind the value, whatever it is. */
static const char *skip_loosely(const char *p, const char *end)
{
    struct open o = {0};
    bool fresh = true; /* a string may begin here */

    for (; p < end; p++) {
        if (is_quote(*p) && fresh) {
            p = skip_string(p, end) - 1;
            fresh = false;
        } else if (*p == '{' || *p == '[') {
            if (o.depth == DEPTH_MAX)
                return end;
            o.braces = o.braces << 1 | (*p == '{');
            o.depth++;
            fresh = true;
        } else if (*p == '}' || *p == ']') {
            if (!close_bracket(&o, *p))
                return p;
            fresh = false;
        } else if (*p == ',' && o.depth == 0) {
            return p;
        } else if (*p == ',' || *p == ':') {
            fresh = true;
        } else if (!strchr(" \t\r\n", *p)) {
            fresh = false;
        }
    }
    return end;
}

static const char *skip_value(const char *p, const char *end)
{
    const char *strictly = json_skip_value(p, end, JSON_OWN_DEPTH - 1);
    const char *behind = strictly ? json_skip_blanks(strictly, end) : NULL;

    if (behind && (behind == end || *behind == ',' || *behind == '}'))
        return strictly;
    return skip_loosely(p, end);
}

static bool is_name_char(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* A name, in quotes or not; returns the place behind it, or NULL. */
static const char *read_name(const char *p, const char *end, struct span *ret)
{
    const char *from = p;

    if (is_quote(*p)) {
        p = skip_string(p, end);
        if (p - from < 2)
            return NULL;
        *ret = (struct span){from + 1, (size_t)(p - from - 2)};
        return p;
    }
    while (p < end && is_name_char(*p))
        p++;
    *ret = (struct span){from, (size_t)(p - from)};
    return p > from ? p : NULL;
}

static struct span trimmed(const char *from, const char *to)
{
    while (to > from && strchr(" \t\r\n", to[-1]))
        to--;
    return (struct span){from, (size_t)(to - from)};
}

bool job_loose_init(struct job_loose *l, struct span text)
{
    const char *end = text.p + text.n;
    const char *p = text.n ? json_skip_blanks(text.p, end) : end;

    *l = (struct job_loose){.p = end, .end = end};
    if (p == end || *p == '[') /* a list of documents would be several */
        return false;
    p = memchr(p, '{', (size_t)(end - p));
    if (!p)
        return false;
    l->p = p + 1;
    return true;
}

bool job_loose_next(struct job_loose *l)
{
    for (;;) {
        const char *p = json_skip_blanks(l->p, l->end), *colon;

        if (p == l->end || *p == '}')
            return false;
        if (*p == ',') {
            l->p = p + 1;
            continue;
        }
        if (l->end - p >= 2 && !memcmp(p, "//", 2)) {
            p = memchr(p, '\n', (size_t)(l->end - p));
            l->p = p ? p : l->end;
            continue;
        }
        colon = read_name(p, l->end, &l->name);
        colon = colon ? json_skip_blanks(colon, l->end) : l->end;
        if (colon == l->end || *colon != ':') {
            l->p = skip_loosely(p, l->end);
            continue;
        }
        p = json_skip_blanks(colon + 1, l->end);
        l->p = skip_value(p, l->end);
        l->value = trimmed(p, l->p);
        return true;
    }
}
