/* schema_say.c - messages about values that do not fit.
 *
 *   payload.messages[0].role: expected one of user, tool; got "bot"
 *   |-------- path --------|  |------ expectation ------|     |value|
 *
 * Values come from strangers: they are quoted, control characters are escaped, and each is cut
 * after SCHEMA_SHOWN_MAX characters.  Only scalars are shown.  A $comment of the schema replaces the
 * expectation (schema.h).
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/utf8.h"
#include "common/schema/schema_node.h"

enum { TEXT_MAX = 400 };

/* A message; what does not fit is dropped. */
struct text {
    char p[TEXT_MAX + 1];
    size_t n;
};

static void put(struct text *t, const char *fmt, ...) PRINTF(2, 3);
static void put(struct text *t, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(t->p + t->n, sizeof t->p - t->n, fmt, ap);
    va_end(ap);
    if (n > 0)
        t->n += (size_t)n < sizeof t->p - t->n ? (size_t)n : sizeof t->p - 1 - t->n;
}

/* ---- values, names and paths ---- */

/* Up to SCHEMA_SHOWN_MAX characters of valid UTF-8, control characters escaped. */
static void put_escaped(struct text *t, const char *p, size_t n)
{
    const char *end = p + n;

    for (int shown = 0; p < end; shown++) {
        size_t length = utf8_len(p, end);
        unsigned char c = (unsigned char)*p;

        if (shown == SCHEMA_SHOWN_MAX) {
            put(t, "...");
            return;
        }
        if (length == 0)
            length = 1;
        if (c == '"' || c == '\\')
            put(t, "\\%c", c);
        else if (c < 0x20 || c == 0x7f || (c >= 0x80 && length == 1))
            put(t, "\\u%04x", c);
        else if (c == 0xc2 && (unsigned char)p[1] < 0xa0)
            put(t, "\\u%04x", (unsigned char)p[1]);
        else if (t->n + length <= TEXT_MAX)
            put(t, "%.*s", (int)length, p);
        p += length;
    }
}

static void put_value(struct text *t, const json_t *v)
{
    switch (json_typeof(v)) {
    case JSON_NULL: put(t, "null"); break;
    case JSON_TRUE: put(t, "true"); break;
    case JSON_FALSE: put(t, "false"); break;
    case JSON_INTEGER: put(t, "%" PRId64, (int64_t)json_integer_value(v)); break;
    case JSON_REAL: {
        char number[32];

        snprintf(number, sizeof number, "%.17g", json_real_value(v));
        put(t, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
        break;
    }
    case JSON_STRING:
        put(t, "\"");
        put_escaped(t, json_string_value(v), json_string_length(v));
        put(t, "\"");
        break;
    case JSON_ARRAY: put(t, "an array"); break;
    case JSON_OBJECT: put(t, "an object"); break;
    }
}

/* A choice in a list: words without quotes. */
static void put_choice(struct text *t, const json_t *v)
{
    if (json_is_string(v) && json_string_length(v) > 0)
        put_escaped(t, json_string_value(v), json_string_length(v));
    else
        put_value(t, v);
}

static bool is_word(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        char c = p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '$' || c == '~'))
            return false;
    }
    return n > 0 && n <= SCHEMA_SHOWN_MAX;
}

static void put_key(struct text *t, const char *key, size_t n)
{
    if (is_word(key, n)) {
        put(t, "%s%.*s", t->n ? "." : "", (int)n, key);
        return;
    }
    put(t, "[\"");
    put_escaped(t, key, n);
    put(t, "\"]");
}

/* Of a very long path the last steps are shown. */
static void put_path(struct text *t, const struct schema_path *at, int steps)
{
    if (!at)
        return;
    if (steps == 0) {
        put(t, "...");
        return;
    }
    put_path(t, at->up, steps - 1);
    if (at->key)
        put_key(t, at->key, at->n);
    else
        put(t, "[%zu]", at->index);
}

/* ---- messages ---- */

enum { STEPS_SHOWN = 8 };

static bool finish(const struct schema_failure *f, const struct schema_path *at, const char *says)
{
    struct text path = {0};
    struct text value = {0};
    const char *comment = f->node->comment;

    put_path(&path, at, STEPS_SHOWN);
    if (comment && strncmp(comment, "expected", 8) == 0 && !json_is_array(f->value) &&
        !json_is_object(f->value)) {
        put(&value, ", got ");
        put_value(&value, f->value);
    }
    err_set(f->err, ERR_INVALID, "%s%s%s%s", path.p, path.n ? ": " : "", comment ? comment : says,
            value.p);
    return false;
}

bool schema_say(const struct schema_failure *f, const char *fmt, ...)
{
    char says[TEXT_MAX + 1];
    va_list ap;

    if (!f->err)
        return false;
    va_start(ap, fmt);
    vsnprintf(says, sizeof says, fmt, ap);
    va_end(ap);
    return finish(f, f->at, says);
}

static void put_bounds(struct text *t, const struct schema_node *node)
{
    const struct schema_bound *low = &node->low, *high = &node->high;

    if (low->value && high->value && !low->exclusive && !high->exclusive) {
        put(t, " from ");
        put_value(t, low->value);
        put(t, " to ");
        put_value(t, high->value);
        return;
    }
    if (low->value) {
        put(t, low->exclusive ? " over " : " of at least ");
        put_value(t, low->value);
    }
    if (high->value) {
        put(t, "%s%s", low->value ? " and" : "", high->exclusive ? " under " : " of at most ");
        put_value(t, high->value);
    }
}

static void put_types(struct text *t, const struct schema_node *node, unsigned types)
{
    static const struct {
        unsigned bit;
        const char *words;
    } names[] = {{TYPE_STRING, "a string"},  {TYPE_INTEGER, "an integer"},
                 {TYPE_NUMBER, "a number"},  {TYPE_BOOLEAN, "true or false"},
                 {TYPE_OBJECT, "an object"}, {TYPE_ARRAY, "an array"},
                 {TYPE_NULL, "null"}};
    const char *between = "";

    if (types & TYPE_NUMBER)
        types &= ~(unsigned)TYPE_INTEGER;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (!(types & names[i].bit))
            continue;
        put(t, "%s%s", between, names[i].words);
        if (names[i].bit & (TYPE_INTEGER | TYPE_NUMBER))
            put_bounds(t, node);
        between = " or ";
    }
}

bool schema_say_type(const struct schema_failure *f, unsigned types)
{
    struct text t = {0};

    if (!f->err)
        return false;
    put(&t, "expected ");
    put_types(&t, f->node, types);
    put(&t, ", got ");
    put_value(&t, f->value);
    return finish(f, f->at, t.p);
}

bool schema_say_bounds(const struct schema_failure *f)
{
    return schema_say_type(f, f->node->types ? f->node->types & (TYPE_INTEGER | TYPE_NUMBER)
                                             : (unsigned)TYPE_NUMBER);
}

bool schema_say_choices(const struct schema_failure *f)
{
    struct text t = {0};
    const json_t *choice;
    size_t i;

    if (!f->err)
        return false;
    put(&t, json_array_size(f->node->choices) > 1 ? "expected one of " : "expected ");
    json_array_foreach (f->node->choices, i, choice) {
        put(&t, i ? ", " : "");
        put_choice(&t, choice);
    }
    if (!f->node->choices)
        put_choice(&t, f->node->constant);
    put(&t, "; got ");
    put_value(&t, f->value);
    return finish(f, f->at, t.p);
}

bool schema_say_count(const struct schema_failure *f, size_t min, size_t max, const char *what,
                      size_t got)
{
    if (max == NO_LIMIT)
        return schema_say(f, "expected at least %zu %s, got %zu", min, what, got);
    if (min == 0)
        return schema_say(f, "expected at most %zu %s, got %zu", max, what, got);
    if (min == max)
        return schema_say(f, "expected %zu %s, got %zu", min, what, got);
    return schema_say(f, "expected %zu to %zu %s, got %zu", min, max, what, got);
}

static void put_pattern(struct text *t, const struct schema_pattern *p)
{
    if (p->class_n == 0)
        put(t, "text that matches %s", p->text);
    else if (p->counted)
        put(t, "%zu to %zu characters of %.*s", p->min, p->max, (int)p->class_n, p->class_text);
    else
        put(t, "only characters of %.*s", (int)p->class_n, p->class_text);
}

bool schema_say_pattern(const struct schema_failure *f)
{
    struct text t = {0};

    if (!f->err)
        return false;
    put(&t, "expected ");
    put_pattern(&t, f->node->pattern);
    put(&t, ", got ");
    put_value(&t, f->value);
    return finish(f, f->at, t.p);
}

/* A similar name, or one that begins with the word ("delay": "delay_ms"). */
static const char *suggestion(const struct schema_node *node, const char *key, size_t n)
{
    const char *near = parse_nearest(key, node->names, node->property_count);

    for (size_t i = 0; !near && n >= 3 && i < node->property_count; i++)
        if (strncmp(node->names[i], key, n) == 0)
            near = node->names[i];
    return near;
}

bool schema_say_unknown(const struct schema_failure *f, const char *key, size_t n)
{
    const struct schema_node *node = f->node;
    const struct schema_path here = {.up = f->at, .key = key, .n = n};
    struct text t = {0};
    const char *near;

    if (!f->err)
        return false;
    if (node->pattern_count && !node->property_count) {
        put(&t, "this name is not allowed; expected ");
        put_pattern(&t, &node->pattern_properties[0].pattern);
        return finish(f, &here, t.p);
    }
    near = suggestion(node, key, n);
    put(&t, "unknown field; ");
    if (near)
        put(&t, "did you mean '%s'?", near);
    else
        put(&t, "%s", node->property_count ? "known are " : "none is allowed here");
    for (size_t i = 0; !near && i < node->property_count; i++)
        put(&t, "%s%s", i ? ", " : "", node->names[i]);
    return finish(f, &here, t.p);
}

bool schema_say_missing(const struct schema_failure *f, const char *key)
{
    const struct schema_path here = {.up = f->at, .key = key, .n = strlen(key)};

    return f->err ? finish(f, &here, "required, but missing") : false;
}
