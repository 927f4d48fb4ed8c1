/* schema_value.c - questions about JSON values that a schema asks: type, equality, order.
 *
 * A number is what it means, not how it is written: 3.0 is an integer.  In schemas of
 * others it also equals 3, inside of lists and objects as well; in ours an integer is
 * within +-9e15, where json_read_int() reads it, too. */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/schema/schema_node.h"

#define WHOLE_MAX 9e15

/* The nearest whole number; large ones are whole. */
static double nearest(double d)
{
    if (!(d > -WHOLE_MAX && d < WHOLE_MAX))
        return d;
    return (double)(int64_t)(d < 0 ? d - 0.5 : d + 0.5);
}

unsigned schema_type_of(const struct schema_node *node, const json_t *v)
{
    double d = json_real_value(v); /* 0 of what is no real */

    if (json_is_real(v) && d == nearest(d) && (node->theirs || (d > -WHOLE_MAX && d < WHOLE_MAX)))
        return TYPE_INTEGER;
    switch (json_typeof(v)) {
    case JSON_NULL: return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE: return TYPE_BOOLEAN;
    case JSON_INTEGER: return TYPE_INTEGER;
    case JSON_REAL: return TYPE_NUMBER;
    case JSON_STRING: return TYPE_STRING;
    case JSON_ARRAY: return TYPE_ARRAY;
    case JSON_OBJECT: return TYPE_OBJECT;
    }
    return 0;
}

/* -1, 0, 1; integers are compared as integers, so large ones are exact. */
int schema_compare(const json_t *a, const json_t *b)
{
    if (json_is_integer(a) && json_is_integer(b)) {
        json_int_t x = json_integer_value(a), y = json_integer_value(b);

        return (x > y) - (x < y);
    }
    double x = json_number_value(a), y = json_number_value(b);

    return (x > y) - (x < y);
}

static bool same_parts(const struct schema_node *node, const json_t *a, const json_t *b)
{
    size_t n = json_is_array(a) ? json_array_size(a) : json_object_size(a);
    const char *name;
    json_t *v;

    if (n != (json_is_array(b) ? json_array_size(b) : json_object_size(b)))
        return false;
    for (size_t i = 0; json_is_array(a) && i < n; i++)
        if (!schema_same(node, json_array_get(a, i), json_array_get(b, i)))
            return false;
    json_object_foreach ((json_t *)(uintptr_t)a, name, v)
        if (!json_object_get(b, name) || !schema_same(node, v, json_object_get(b, name)))
            return false;
    return true;
}

/* As jansson has it, but for numbers in schemas that are not ours.  Ours are as deep as we write
 * them, theirs as deep as jansson reads. */
bool schema_same(const struct schema_node *node, const json_t *a, const json_t *b)
{
    if (node->theirs && json_is_number(a) && json_is_number(b))
        return schema_compare(a, b) == 0;
    if (json_is_string(a) && json_is_string(b))
        return json_string_length(a) == json_string_length(b) &&
               memcmp(json_string_value(a), json_string_value(b), json_string_length(a)) == 0;
    if (json_typeof(a) != json_typeof(b) || !node->theirs)
        return json_equal(a, b);
    return json_is_array(a) || json_is_object(a) ? same_parts(node, a, b) : true;
}

/* Reals are rounded: 0.3 is taken for a multiple of 0.1. */
bool schema_is_multiple(const json_t *v, const json_t *of)
{
    double ratio;

    if (json_is_integer(v) && json_is_integer(of))
        return json_integer_value(v) % json_integer_value(of) == 0;
    ratio = json_number_value(v) / json_number_value(of);
    ratio = ratio < 0 ? -ratio : ratio;
    return ratio - nearest(ratio) <= ratio * 1e-12 && nearest(ratio) - ratio <= ratio * 1e-12;
}

static int text_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool schema_all_different(const json_t *list, int64_t *steps)
{
    size_t n = json_array_size(list), twice = 0;
    char **texts = xcalloc(n + 1, sizeof *texts);

    for (size_t i = 0; i < n; i++) {
        texts[i] =
            json_dumps(json_array_get(list, i), JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
        if (!texts[i])
            texts[i] = xstrdup("");
        *steps -= 4 + (int64_t)strlen(texts[i]) / 8;
    }
    qsort(texts, n, sizeof *texts, text_order);
    for (size_t i = 1; i < n; i++)
        twice += strcmp(texts[i - 1], texts[i]) == 0;
    for (size_t i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
    return twice == 0;
}
