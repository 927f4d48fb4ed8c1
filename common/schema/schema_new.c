/* schema_new.c - a schema's life.
 *
 *   text ──▶ JSON ──▶ a node for each definition and the root, then all are filled (schema_build.c)
 *        ──▶ of a user: does every check end? (schema_cycle.c)
 *
 * A lenient schema has holes where something was not understood.  A hole accepts every value.  That
 * is right by itself, and wrong where accepting a value refuses the document: under `not`, in a
 * condition, as the second of `oneOf`, and for `additionalProperties`, which is about the members
 * without a schema.  In a schema with holes these are loosened, so that it never refuses more. */
#include <stdlib.h>
#include <string.h>

#include "common/config/tree.h"
#include "common/core/xalloc.h"
#include "common/schema/schema_node.h"

struct schema_node *schema_node_new(struct schema_builder *b)
{
    struct schema_node *node = xcalloc(1, sizeof *node);

    node->max_length = node->max_items = node->max_properties = NO_LIMIT;
    node->theirs = b->theirs;
    node->next = b->schema->all;
    b->schema->all = node;
    return node;
}

static bool fill_all(struct schema_builder *b)
{
    size_t i = 0;
    const char *name;
    json_t *json;

    b->schema->root = schema_node_new(b);
    for (size_t k = 0; k < ARRAY_LEN(b->defs); k++)
        json_object_foreach ((json_t *)(uintptr_t)b->defs[k], name, json)
            b->def_nodes[i++] = schema_node_new(b);
    i = 0;
    for (size_t k = 0; k < ARRAY_LEN(b->defs); k++)
        json_object_foreach ((json_t *)(uintptr_t)b->defs[k], name, json)
            if (!schema_fill(b, json, b->def_nodes[i++]))
                return err_wrap(b->err, "$defs: %.100s", name);
    return schema_fill(b, b->schema->json, b->schema->root);
}

static void loosen(struct schema *s)
{
    for (struct schema_node *node = s->all; node; node = node->next) {
        node->not_ = node->if_ = NULL;
        node->one_is_enough = true;
        if (node->left_out)
            node->additional = node->items = NULL;
    }
}

static bool build_all(struct schema_builder *b)
{
    bool ok;

    b->defs[0] = json_object_get(b->schema->json, "$defs");
    b->defs[1] = b->theirs ? json_object_get(b->schema->json, "definitions") : NULL;
    b->def_nodes = xcalloc(json_object_size(b->defs[0]) + json_object_size(b->defs[1]) + 1,
                           sizeof(struct schema_node *));
    ok = fill_all(b) && (!b->theirs || schema_ends(b));
    free(b->def_nodes);
    if (ok && b->ignored)
        loosen(b->schema);
    return ok;
}

static struct schema *new_schema(struct span text, struct schema_builder *b)
{
    json_error_t at;

    b->schema = xcalloc(1, sizeof *b->schema);
    b->schema->max_steps = b->theirs ? SCHEMA_THEIRS_STEPS : SCHEMA_MAX_NODES;
    b->schema->json =
        tree_load(text, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, TREE_NEAREST, NULL, &at);
    if (!b->schema->json)
        err_set(b->err, ERR_CONFIG, "line %d: %s", at.line, at.text);
    else if (build_all(b))
        return b->schema;
    schema_free(b->schema);
    return NULL;
}

struct schema *schema_new(const char *json_text, struct err *err)
{
    struct schema_builder b = {.err = err};
    struct schema *s = new_schema((struct span){json_text, strlen(json_text)}, &b);

    if (!s)
        err_wrap(err, "schema");
    return s;
}

struct schema *schema_new_theirs(struct span json_text, bool lenient, struct err *err)
{
    struct err found = {0}; /* dropped when a lenient schema is good */
    struct schema_builder b = {.err = &found, .theirs = true, .lenient = lenient};
    struct schema *s = NULL;

    if (json_text.n > SCHEMA_THEIRS_BYTES)
        err_set(&found, ERR_CONFIG, "larger than %d bytes", SCHEMA_THEIRS_BYTES);
    else
        s = new_schema(json_text, &b);
    if (!s)
        *err = found;
    return s;
}

size_t schema_pattern_bytes(const struct schema *s) { return s->pattern_bytes; }

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
    free(node->prefix.items);
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
