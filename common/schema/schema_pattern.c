/* schema_pattern.c - `pattern`, without a regex for the most frequent form.
 *
 * Nearly all patterns of our schemas are a class and a count:
 *
 *     ^[A-Za-z0-9._-]{1,64}$
 *      |--- class ---||---| count: {n}, {m,n}, + or *
 *
 * PCRE2 needs about 0.3 microseconds for such a text, a table a few nanoseconds, and intake
 * checks every document.  A pattern of another shape (negated or named
 * classes, anything before or after) goes to pattern.h.
 */
#include <string.h>

#include "common/core/parse.h"
#include "common/schema/schema_node.h"

/* From behind '[' to behind ']': fill the table.  NULL: not a plain class. */
static const char *read_class(const char *p, bool allowed[256])
{
    if (*p == '^' || *p == ']')
        return NULL;
    for (; *p != ']'; p++) {
        unsigned char from = (unsigned char)*p, to = from;

        if (from == 0 || from >= 0x80 || from == '[' || from == '\\')
            return NULL;
        if (p[1] == '-' && p[2] != ']') {
            to = (unsigned char)p[2];
            p += 2;
        }
        if (to < from || to >= 0x80 || to == '[' || to == '\\')
            return NULL;
        for (unsigned c = from; c <= to; c++)
            allowed[c] = true;
    }
    return p + 1;
}

static bool read_number(const char **p, size_t *ret)
{
    size_t n = strspn(*p, "0123456789");
    int64_t v;

    if (!parse_int64(*p, n, 0, 1000000, &v))
        return false;
    *p += n;
    *ret = (size_t)v;
    return true;
}

static bool read_count(const char *p, struct schema_pattern *ret)
{
    ret->max = NO_LIMIT;
    if (strcmp(p, "*$") == 0)
        return true;
    ret->min = 1;
    if (strcmp(p, "+$") == 0)
        return true;
    ret->counted = true;
    if (*p++ != '{' || !read_number(&p, &ret->min))
        return false;
    ret->max = ret->min;
    if (*p == ',') {
        p++;
        if (!read_number(&p, &ret->max))
            return false;
    }
    return strcmp(p, "}$") == 0;
}

static bool is_class(struct schema_pattern *p)
{
    const char *end;

    if (strncmp(p->text, "^[", 2) != 0)
        return false;
    end = read_class(p->text + 2, p->allowed);
    if (!end || !read_count(end, p))
        return false;
    p->class_text = p->text + 1;
    p->class_n = (size_t)(end - p->class_text);
    return true;
}

bool schema_pattern_init(struct schema_pattern *ret, const char *text, struct err *err)
{
    *ret = (struct schema_pattern){.text = text};
    if (is_class(ret))
        return true;
    ret->program = pattern_new(text, err);
    return ret->program != NULL;
}

void schema_pattern_done(struct schema_pattern *p) { pattern_free(p->program); }

bool schema_pattern_matches(const struct schema_pattern *p, const char *text, size_t n,
                            int64_t *steps)
{
    if (p->class_n == 0)
        return pattern_matches(p->program, text, n, steps);
    *steps -= (int64_t)n / 16;
    if (n < p->min || n > p->max)
        return false;
    for (size_t i = 0; i < n; i++)
        if (!p->allowed[(unsigned char)text[i]])
            return false;
    return true;
}
