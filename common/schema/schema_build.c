/* schema_build.c - turns the JSON of a schema into nodes.
 *
 *   {"type": "object", "properties": {"id": {...}}}
 *        |                   |
 *   read_type()        read_properties() -> a node per property
 *
 * schema_keywords.def lists every keyword with its reader.  Any other keyword is an error, so no
 * rule is ignored silently.  Names and patterns stay in the JSON tree, which lives as long as the
 * schema.
 *
 * $defs get empty nodes before anything is read, so that a $ref (also one to a schema around it) is
 * a pointer to a node that is filled later.
 *
 * To add a keyword: a row there and a reader here, a field in schema_node.h, its check
 * in schema.c, its message in schema_say.c, and a line in schema.h.
 */
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/schema/schema_node.h"

static bool build(struct schema_builder *b, const json_t *json, struct schema_node **ret)
{
    struct schema_node *node = schema_node_new(b);

    if (!schema_fill(b, json, node))
        return false;
    *ret = node;
    return true;
}

static bool fail(struct schema_builder *b, const char *says)
{
    return err_set(b->err, ERR_CONFIG, "%s", says);
}

/* ---- one reader per keyword ---- */

static unsigned type_bit(const json_t *name)
{
    static const struct {
        const char *name;
        unsigned bit;
    } types[] = {{"null", TYPE_NULL},       {"boolean", TYPE_BOOLEAN},
                 {"integer", TYPE_INTEGER}, {"number", TYPE_NUMBER | TYPE_INTEGER},
                 {"string", TYPE_STRING},   {"array", TYPE_ARRAY},
                 {"object", TYPE_OBJECT}};
    const char *text = json_string_value(name);

    for (size_t i = 0; text && i < ARRAY_LEN(types); i++)
        if (strcmp(types[i].name, text) == 0)
            return types[i].bit;
    return 0;
}

static bool read_type(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    const json_t *name;
    size_t i;

    if (!json_is_array(v)) {
        node->types = type_bit(v);
        return node->types || fail(b, "not the name of a type");
    }
    json_array_foreach (v, i, name) {
        if (!type_bit(name)) {
            node->types = 0;
            return fail(b, "not the names of types");
        }
        node->types |= type_bit(name);
    }
    return node->types || fail(b, "an empty list of types");
}

static bool read_comment(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    if (b->theirs)
        return true;
    node->comment = json_string_value(v);
    return node->comment || fail(b, "not a string");
}

/* About as many steps as comparing with it takes. */
static int64_t cost_of(const json_t *v)
{
    return 1 + (int64_t)(json_dumpb(v, NULL, 0, JSON_ENCODE_ANY | JSON_COMPACT) / 16);
}

static bool read_const(struct schema_builder *b UNUSED, struct schema_node *node, const json_t *v)
{
    node->constant = v;
    node->choice_cost += cost_of(v);
    return true;
}

static bool read_enum(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    if (json_array_size(v) == 0)
        return fail(b, "not a list of values");
    node->choices = v;
    node->choice_cost += cost_of(v);
    return true;
}

static bool read_count(struct schema_builder *b, const json_t *v, size_t *ret)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return fail(b, "not a count");
    *ret = (size_t)json_integer_value(v);
    return true;
}

#define COUNT_READER(field)                                                                       \
    static bool read_##field(struct schema_builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                             \
        return read_count(b, v, &node->field);                                                    \
    }
COUNT_READER(min_length)
COUNT_READER(max_length)
COUNT_READER(min_items)
COUNT_READER(max_items)
COUNT_READER(min_properties)
COUNT_READER(max_properties)

/* Of two bounds on the same side the narrower one counts.  lower: it is a lower bound. */
static bool read_bound(struct schema_builder *b, const json_t *v, bool exclusive, bool lower,
                       struct schema_bound *ret)
{
    if (!json_is_number(v))
        return fail(b, "not a number");
    if (ret->value && !b->theirs)
        return fail(b, "a second bound on the same side");
    if (ret->value && json_number_value(ret->value) == json_number_value(v))
        exclusive = true; /* one of the two is */
    else if (ret->value && (json_number_value(v) < json_number_value(ret->value)) == lower)
        return true;
    *ret = (struct schema_bound){v, exclusive};
    return true;
}

#define BOUND_READER(name, side, exclusive)                                                      \
    static bool read_##name(struct schema_builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                            \
        return read_bound(b, v, exclusive, &node->side == &node->low, &node->side);              \
    }
BOUND_READER(minimum, low, false)
BOUND_READER(maximum, high, false)
BOUND_READER(exclusive_minimum, low, true)
BOUND_READER(exclusive_maximum, high, true)

static bool read_regex(struct schema_builder *b, struct schema_pattern *ret, const char *text)
{
    if (b->schema->pattern_bytes > SCHEMA_PATTERN_BYTES)
        return fail(b, "the regular expressions of the schema are too large together");
    if (!schema_pattern_init(ret, text, b->err)) {
        b->err->kind = ERR_CONFIG;
        return false;
    }
    b->schema->pattern_bytes += pattern_bytes(ret->program);
    return true;
}

static bool read_pattern(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    struct schema_pattern pattern;

    if (!json_is_string(v))
        return fail(b, "not a regular expression");
    if (!read_regex(b, &pattern, json_string_value(v)))
        return false;
    node->pattern = xmalloc(sizeof pattern);
    *node->pattern = pattern;
    return true;
}

static bool read_required(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    const json_t *name;
    size_t i;

    if (!json_is_array(v))
        return fail(b, "not a list of names");
    json_array_foreach (v, i, name)
        if (!json_is_string(name))
            return fail(b, "not a list of names");
    node->required = v;
    return true;
}

int schema_property_order(const void *a, const void *b)
{
    const struct schema_property *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return memcmp(x->name, y->name, x->n);
}

static bool read_properties(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    size_t count = json_object_size(v), i = 0;
    const char *name;
    json_t *json;

    if (!json_is_object(v))
        return fail(b, "not an object");
    node->properties = xcalloc(count + 1, sizeof *node->properties);
    node->names = xcalloc(count + 1, sizeof *node->names);
    json_object_foreach ((json_t *)(uintptr_t)v, name, json) {
        struct schema_property *p = &node->properties[i];

        *p = (struct schema_property){.name = name, .n = strlen(name)};
        node->names[i++] = name;
        node->property_count = i;
        if (!build(b, json, &p->node))
            return err_wrap(b->err, "%.100s", name);
    }
    qsort(node->properties, count, sizeof *node->properties, schema_property_order);
    return true;
}

static bool read_pattern_properties(struct schema_builder *b, struct schema_node *node,
                                    const json_t *v)
{
    const char *text;
    json_t *json;

    if (!json_is_object(v))
        return fail(b, "not an object");
    node->pattern_properties = xcalloc(json_object_size(v) + 1, sizeof *node->pattern_properties);
    json_object_foreach ((json_t *)(uintptr_t)v, text, json) {
        struct schema_pattern_property *p = &node->pattern_properties[node->pattern_count];

        if (!read_regex(b, &p->pattern, text))
            return err_wrap(b->err, "%.100s", text);
        node->pattern_count++;
        if (!build(b, json, &p->node))
            return err_wrap(b->err, "%.100s", text);
    }
    return true;
}

static bool read_list(struct schema_builder *b, const json_t *v, struct schema_nodes *ret)
{
    const json_t *json;
    size_t i;

    if (json_array_size(v) == 0)
        return fail(b, "not a list of schemas");
    ret->items = xcalloc(json_array_size(v), sizeof(struct schema_node *));
    json_array_foreach (v, i, json)
        if (!build(b, json, &ret->items[ret->count++]))
            return err_wrap(b->err, "[%zu]", i);
    return true;
}

#define LIST_READER(field)                                                                        \
    static bool read_##field(struct schema_builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                             \
        return read_list(b, v, &node->field);                                                     \
    }
LIST_READER(all_of)
LIST_READER(any_of)
LIST_READER(one_of)
LIST_READER(prefix)

static bool read_unique(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    node->unique = json_is_true(v);
    return json_is_boolean(v) || fail(b, "not true or false");
}

static bool read_multiple_of(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    if (!json_is_number(v) || !(json_number_value(v) > 0))
        return fail(b, "not a number above 0");
    node->multiple_of = v;
    return true;
}

#define NODE_READER(field)                                                                        \
    static bool read_##field(struct schema_builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                             \
        return build(b, v, &node->field);                                                         \
    }
NODE_READER(items)
NODE_READER(additional)
NODE_READER(not_)
NODE_READER(if_)
NODE_READER(then_)
NODE_READER(else_)

static bool read_ref(struct schema_builder *b, struct schema_node *node, const json_t *v)
{
    static const char *const starts[] = {"#/$defs/", "#/definitions/"};
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    const char *name;
    json_t *json;
    size_t i = 0;

    node->ref_text = text;
    if (b->theirs && strcmp(text, "#") == 0)
        node->ref = b->schema->root;
    for (size_t k = 0; k < ARRAY_LEN(starts); k++) {
        size_t n = strlen(starts[k]);

        json_object_foreach ((json_t *)(uintptr_t)b->defs[k], name, json) {
            if (strncmp(text, starts[k], n) == 0 && strcmp(name, text + n) == 0)
                node->ref = b->def_nodes[i];
            i++;
        }
    }
    if (node->ref)
        return true;
    return fail(b, strncmp(text, starts[0], strlen(starts[0])) ? "not of the form #/$defs/NAME"
                                                               : "no such definition");
}

static bool ignore(struct schema_builder *b UNUSED, struct schema_node *node UNUSED,
                   const json_t *v UNUSED)
{
    return true;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    bool (*read)(struct schema_builder *b, struct schema_node *node, const json_t *v);
    bool theirs_only;
} keywords[] = {
#define X(name, reader, theirs_only) {name, reader, theirs_only},
#include "common/schema/schema_keywords.def"
};

static bool known_keyword(struct schema_builder *b, struct schema_node *node, const char *name,
                          const json_t *v)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0)
            return (b->theirs || !keywords[i].theirs_only) ? keywords[i].read(b, node, v)
                                                           : fail(b, "not in schemas of ours");
    return fail(b, "unknown keyword");
}

/* Of a lenient schema, what cannot be read is as if it were not there. */
static bool read_keyword(struct schema_builder *b, struct schema_node *node, const char *name,
                         const json_t *v)
{
    if (known_keyword(b, node, name, v))
        return true;
    if (!b->lenient)
        return err_wrap(b->err, "%.100s", name);
    b->ignored++;
    if (strcmp(name, "properties") == 0 || strcmp(name, "patternProperties") == 0 ||
        strcmp(name, "prefixItems") == 0)
        node->left_out = true;
    return true;
}

bool schema_fill(struct schema_builder *b, const json_t *json, struct schema_node *node)
{
    const char *name;
    json_t *v;

    if (json_is_boolean(json)) {
        node->never = json_is_false(json);
        return true;
    }
    if (!json_is_object(json)) {
        b->ignored += b->lenient;
        return b->lenient || fail(b, "not a schema (an object, true or false)");
    }
    json_object_foreach ((json_t *)(uintptr_t)json, name, v)
        if (!read_keyword(b, node, name, v))
            return false;
    return true;
}
