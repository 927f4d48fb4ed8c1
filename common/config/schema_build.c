/* schema_build.c - turns the JSON of a schema into nodes.
 *
 *   {"type": "object", "properties": {"id": {...}}}
 *        |                   |
 *   read_type()        read_properties() -> a node per property
 *
 * `keywords` below lists every keyword with its reader; a keyword that is not in
 * the list fails the schema, so that no rule is ever silently without effect.
 * Names and patterns stay in the JSON tree, which lives as long as the schema.
 *
 * $defs are given empty nodes before anything is read, so that a $ref (also one
 * to its own surroundings) is a pointer to a node that is filled in later.
 *
 * To add a keyword: a row and a reader here, a field in schema_node.h, its check
 * in schema.c, its message in schema_say.c, and a line in schema.h.
 */
#include <stdlib.h>
#include <string.h>

#include "common/config/schema_node.h"
#include "common/core/xalloc.h"

struct builder {
    struct schema *schema;
    const json_t *defs;
    struct schema_node **def_nodes; /* in the order of defs */
    struct err *err;
};

static bool fill(struct builder *b, const json_t *json, struct schema_node *node);

static struct schema_node *new_node(struct builder *b)
{
    struct schema_node *node = xcalloc(1, sizeof *node);

    node->max_length = node->max_items = node->max_properties = NO_LIMIT;
    node->next = b->schema->all;
    b->schema->all = node;
    return node;
}

static bool build(struct builder *b, const json_t *json, struct schema_node **ret)
{
    struct schema_node *node = new_node(b);

    if (!fill(b, json, node))
        return false;
    *ret = node;
    return true;
}

static bool fail(struct builder *b, const char *says)
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

static bool read_type(struct builder *b, struct schema_node *node, const json_t *v)
{
    const json_t *name;
    size_t i;

    if (!json_is_array(v)) {
        node->types = type_bit(v);
        return node->types || fail(b, "not the name of a type");
    }
    json_array_foreach (v, i, name) {
        if (!type_bit(name))
            return fail(b, "not the names of types");
        node->types |= type_bit(name);
    }
    return node->types || fail(b, "an empty list of types");
}

static bool read_comment(struct builder *b, struct schema_node *node, const json_t *v)
{
    node->comment = json_string_value(v);
    return node->comment || fail(b, "not a string");
}

static bool read_const(struct builder *b UNUSED, struct schema_node *node, const json_t *v)
{
    node->constant = v;
    return true;
}

static bool read_enum(struct builder *b, struct schema_node *node, const json_t *v)
{
    node->choices = v;
    return json_array_size(v) > 0 || fail(b, "not a list of values");
}

static bool read_count(struct builder *b, const json_t *v, size_t *ret)
{
    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return fail(b, "not a count");
    *ret = (size_t)json_integer_value(v);
    return true;
}

#define COUNT_READER(field)                                                                \
    static bool read_##field(struct builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                      \
        return read_count(b, v, &node->field);                                             \
    }
COUNT_READER(min_length)
COUNT_READER(max_length)
COUNT_READER(min_items)
COUNT_READER(max_items)
COUNT_READER(max_properties)

static bool read_bound(struct builder *b, const json_t *v, bool exclusive, struct schema_bound *ret)
{
    if (!json_is_number(v))
        return fail(b, "not a number");
    if (ret->value)
        return fail(b, "a second bound on the same side");
    *ret = (struct schema_bound){v, exclusive};
    return true;
}

#define BOUND_READER(name, side, exclusive)                                               \
    static bool read_##name(struct builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                     \
        return read_bound(b, v, exclusive, &node->side);                                  \
    }
BOUND_READER(minimum, low, false)
BOUND_READER(maximum, high, false)
BOUND_READER(exclusive_minimum, low, true)
BOUND_READER(exclusive_maximum, high, true)

static bool read_pattern(struct builder *b, struct schema_node *node, const json_t *v)
{
    struct schema_pattern pattern;

    if (!json_is_string(v) || !schema_pattern_init(&pattern, json_string_value(v)))
        return fail(b, "not a regular expression");
    node->pattern = xmalloc(sizeof pattern);
    *node->pattern = pattern;
    return true;
}

static bool read_required(struct builder *b, struct schema_node *node, const json_t *v)
{
    const json_t *name;
    size_t i;

    node->required = v;
    if (!json_is_array(v))
        return fail(b, "not a list of names");
    json_array_foreach (v, i, name)
        if (!json_is_string(name))
            return fail(b, "not a list of names");
    return true;
}

int schema_property_order(const void *a, const void *b)
{
    const struct schema_property *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? -1 : 1;
    return memcmp(x->name, y->name, x->n);
}

static bool read_properties(struct builder *b, struct schema_node *node, const json_t *v)
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
            return err_wrap(b->err, "%s", name);
    }
    qsort(node->properties, count, sizeof *node->properties, schema_property_order);
    return true;
}

static bool read_pattern_properties(struct builder *b, struct schema_node *node, const json_t *v)
{
    const char *text;
    json_t *json;

    if (!json_is_object(v))
        return fail(b, "not an object");
    node->pattern_properties = xcalloc(json_object_size(v) + 1, sizeof *node->pattern_properties);
    json_object_foreach ((json_t *)(uintptr_t)v, text, json) {
        struct schema_pattern_property *p = &node->pattern_properties[node->pattern_count];

        if (!schema_pattern_init(&p->pattern, text))
            return fail(b, "not a regular expression");
        node->pattern_count++;
        if (!build(b, json, &p->node))
            return err_wrap(b->err, "%s", text);
    }
    return true;
}

static bool read_list(struct builder *b, const json_t *v, struct schema_nodes *ret)
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

#define LIST_READER(field)                                                                 \
    static bool read_##field(struct builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                      \
        return read_list(b, v, &node->field);                                              \
    }
LIST_READER(all_of)
LIST_READER(any_of)
LIST_READER(one_of)

#define NODE_READER(field)                                                                 \
    static bool read_##field(struct builder *b, struct schema_node *node, const json_t *v) \
    {                                                                                      \
        return build(b, v, &node->field);                                                  \
    }
NODE_READER(items)
NODE_READER(additional)
NODE_READER(not_)
NODE_READER(if_)
NODE_READER(then_)
NODE_READER(else_)

static bool read_ref(struct builder *b, struct schema_node *node, const json_t *v)
{
    static const char start[] = "#/$defs/";
    const char *text = json_is_string(v) ? json_string_value(v) : "";
    const char *name;
    json_t *json;
    size_t i = 0;

    if (strncmp(text, start, sizeof start - 1) != 0)
        return fail(b, "not of the form #/$defs/NAME");
    json_object_foreach ((json_t *)(uintptr_t)b->defs, name, json) {
        if (strcmp(name, text + sizeof start - 1) == 0)
            node->ref = b->def_nodes[i];
        i++;
    }
    return node->ref || fail(b, "no such definition");
}

static bool ignore(struct builder *b UNUSED, struct schema_node *node UNUSED,
                   const json_t *v UNUSED)
{
    return true;
}

/* ---- the table ---- */

static const struct {
    const char *name;
    bool (*read)(struct builder *b, struct schema_node *node, const json_t *v);
} keywords[] = {
    {"type", read_type},
    {"enum", read_enum},
    {"const", read_const},
    {"minLength", read_min_length},
    {"maxLength", read_max_length},
    {"pattern", read_pattern},
    {"minimum", read_minimum},
    {"maximum", read_maximum},
    {"exclusiveMinimum", read_exclusive_minimum},
    {"exclusiveMaximum", read_exclusive_maximum},
    {"items", read_items},
    {"minItems", read_min_items},
    {"maxItems", read_max_items},
    {"properties", read_properties},
    {"required", read_required},
    {"additionalProperties", read_additional},
    {"patternProperties", read_pattern_properties},
    {"maxProperties", read_max_properties},
    {"allOf", read_all_of},
    {"anyOf", read_any_of},
    {"oneOf", read_one_of},
    {"not", read_not_},
    {"if", read_if_},
    {"then", read_then_},
    {"else", read_else_},
    {"$ref", read_ref},
    {"$comment", read_comment},
    {"$defs", ignore}, /* read by schema_new() */
    {"$schema", ignore},
    {"$id", ignore},
    {"title", ignore},
    {"description", ignore},
    {"examples", ignore},
    {"default", ignore},
    {"format", ignore},
};

static bool read_keyword(struct builder *b, struct schema_node *node, const char *name,
                         const json_t *v)
{
    for (size_t i = 0; i < ARRAY_LEN(keywords); i++)
        if (strcmp(keywords[i].name, name) == 0)
            return keywords[i].read(b, node, v);
    return fail(b, "unknown keyword");
}

static bool fill(struct builder *b, const json_t *json, struct schema_node *node)
{
    const char *name;
    json_t *v;

    if (json_is_boolean(json)) {
        node->never = json_is_false(json);
        return true;
    }
    if (!json_is_object(json))
        return fail(b, "not a schema (an object, true or false)");
    json_object_foreach ((json_t *)(uintptr_t)json, name, v)
        if (!read_keyword(b, node, name, v))
            return err_wrap(b->err, "%s", name);
    return true;
}

static bool build_all(struct builder *b)
{
    size_t i = 0;
    const char *name;
    json_t *json;

    json_object_foreach ((json_t *)(uintptr_t)b->defs, name, json)
        b->def_nodes[i++] = new_node(b);
    i = 0;
    json_object_foreach ((json_t *)(uintptr_t)b->defs, name, json)
        if (!fill(b, json, b->def_nodes[i++]))
            return err_wrap(b->err, "$defs: %s", name);
    return build(b, b->schema->json, &b->schema->root);
}

struct schema *schema_new(const char *json_text, struct err *err)
{
    struct schema *s = xcalloc(1, sizeof *s);
    struct builder b = {.schema = s, .err = err};
    json_error_t at;
    bool ok = false;

    s->json = json_loads(json_text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
    if (!s->json) {
        err_set(err, ERR_CONFIG, "schema: line %d: %s", at.line, at.text);
    } else {
        b.defs = json_object_get(s->json, "$defs");
        b.def_nodes = xcalloc(json_object_size(b.defs) + 1, sizeof(struct schema_node *));
        ok = build_all(&b) || err_wrap(err, "schema");
        free(b.def_nodes);
    }
    if (ok)
        return s;
    schema_free(s);
    return NULL;
}

static void free_node(struct schema_node *node)
{
    for (size_t i = 0; i < node->pattern_count; i++)
        schema_pattern_done(&node->pattern_properties[i].pattern);
    if (node->pattern)
        schema_pattern_done(node->pattern);
    free(node->pattern);
    free(node->pattern_properties);
    free(node->properties);
    free(node->names);
    free(node->all_of.items);
    free(node->any_of.items);
    free(node->one_of.items);
    free(node);
}

void schema_free(struct schema *s)
{
    if (!s)
        return;
    while (s->all) {
        struct schema_node *node = s->all;

        s->all = node->next;
        free_node(node);
    }
    json_decref(s->json);
    free(s);
}
