/* sim_schema.c - JSON that fits a JSON Schema, and calls of functions.
 *
 * Enough of JSON Schema to please what response_format and tools carry:
 * type, properties, items, enum, const, anyOf/oneOf/allOf (the first), $ref
 * into the document, minimum, minItems.  Numbers come from the hash, so equal
 * requests get equal values.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/config/tree.h"
#include "common/core/buf.h"
#include "tests/sim/sim_answer.h"

#define DEPTH_MAX 16

static json_t *example(json_t *root, json_t *schema, uint64_t hash, int depth);

/* "#/$defs/name" of the document. */
static json_t *follow(json_t *root, const char *ref)
{
    char name[128];

    if (*ref == '#')
        ref++;
    while (root && *ref == '/') {
        size_t n = strcspn(++ref, "/");
        snprintf(name, sizeof(name), "%.*s", (int)n, ref);
        root = json_object_get(root, name);
        ref += n;
    }
    return root;
}

static json_t *example_object(json_t *root, json_t *schema, uint64_t hash, int depth)
{
    json_t *out = json_object(), *properties = json_object_get(schema, "properties"), *v;
    const char *key;

    json_object_foreach (properties, key, v) {
        hash = hash * 6364136223846793005u + 1;
        json_object_set_new(out, key, example(root, v, hash, depth + 1));
    }
    return out;
}

static json_t *example_array(json_t *root, json_t *schema, uint64_t hash, int depth)
{
    json_t *out = json_array(), *items = json_object_get(schema, "items");
    json_int_t n = json_integer_value(json_object_get(schema, "minItems"));

    for (json_int_t i = 0; items && i < (n < 1 ? 1 : n) && i < 100; i++)
        json_array_append_new(out, example(root, items, hash + (uint64_t)i, depth + 1));
    return out;
}

static json_t *example_of(json_t *root, json_t *schema, const char *type, uint64_t hash, int depth)
{
    json_t *min = json_object_get(schema, "minimum");
    double base = min ? json_number_value(min) : (double)(hash >> 58);
    char text[32];

    if (!strcmp(type, "object"))
        return example_object(root, schema, hash, depth);
    if (!strcmp(type, "array"))
        return example_array(root, schema, hash, depth);
    if (!strcmp(type, "integer"))
        return json_integer((json_int_t)base);
    if (!strcmp(type, "number"))
        return json_real(base + 0.5);
    if (!strcmp(type, "boolean"))
        return json_boolean((int)(hash >> 63));
    if (!strcmp(type, "null"))
        return json_null();
    snprintf(text, sizeof(text), "text %05" PRIx64, hash >> 44);
    return json_string(text);
}

static json_t *example(json_t *root, json_t *schema, uint64_t hash, int depth)
{
    static const char *const one_of[] = {"anyOf", "oneOf", "allOf", "enum"};
    json_t *v, *type = json_object_get(schema, "type");
    const char *ref = json_string_value(json_object_get(schema, "$ref"));

    if (depth > DEPTH_MAX)
        return json_null();
    if (ref)
        return example(root, follow(root, ref), hash, depth + 1);
    if ((v = json_object_get(schema, "const")))
        return json_incref(v);
    for (size_t i = 0; i < ARRAY_LEN(one_of); i++)
        if ((v = json_array_get(json_object_get(schema, one_of[i]), 0)))
            return i == 3 ? json_incref(v) : example(root, v, hash, depth + 1);
    if (json_is_array(type))
        type = json_array_get(type, 0);
    if (json_is_string(type))
        return example_of(root, schema, json_string_value(type), hash, depth);
    return example_of(root, schema, json_object_get(schema, "properties") ? "object" : "string",
                      hash, depth);
}

static bool dump(json_t *v, struct buf *out)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    bool ok = text && buf_puts(out, text);

    free(text);
    return ok;
}

bool sim_schema_example(struct span schema, uint64_t hash, struct buf *out)
{
    json_error_t at;
    json_t *doc = tree_load(schema, 0, TREE_NEAREST, NULL, &at);
    json_t *v = doc ? example(doc, doc, hash, 0) : NULL;
    bool ok = v && dump(v, out);

    json_decref(v);
    json_decref(doc);
    return ok;
}

/* The function that is to be called; borrowed from tools. */
static json_t *chosen(json_t *tools, json_t *choice)
{
    const char *name =
        json_string_value(json_object_get(json_object_get(choice, "function"), "name"));
    json_t *tool;
    size_t i;

    if (!name && !(json_is_string(choice) && !strcmp(json_string_value(choice), "required")))
        return NULL;
    json_array_foreach (tools, i, tool) {
        json_t *function = json_object_get(tool, "function");
        const char *own = json_string_value(json_object_get(function, "name"));
        if (own && (!name || !strcmp(own, name)))
            return function;
    }
    return NULL;
}

bool sim_schema_tool_calls(struct span tools, struct span tool_choice, uint64_t hash,
                           struct buf *out)
{
    json_error_t at;
    json_t *list = tree_load(tools, 0, TREE_NEAREST, NULL, &at);
    json_t *choice =
        tool_choice.p ? json_loadb(tool_choice.p, tool_choice.n, JSON_DECODE_ANY, NULL) : NULL;
    json_t *function = chosen(list, choice);
    bool ok = false;

    if (function) {
        json_t *schema = json_object_get(function, "parameters");
        json_t *args = schema ? example(schema, schema, hash, 0) : json_object();
        char *text = json_dumps(args, JSON_COMPACT | JSON_ENCODE_ANY), id[32];
        json_t *call;
        snprintf(id, sizeof(id), "call_%016" PRIx64, hash);
        call = json_pack("[{s:i,s:s,s:s,s:{s:O,s:s}}]", "index", 0, "id", id, "type", "function",
                         "function", "name", json_object_get(function, "name"), "arguments", text);
        ok = call && dump(call, out);
        json_decref(call);
        json_decref(args);
        free(text);
    }
    json_decref(choice);
    json_decref(list);
    return ok;
}
