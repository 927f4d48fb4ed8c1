/* schema.c - does a document fit a schema?
 *
 *   check(node, value, path)
 *     own rules of the node: type, choices, strings, numbers, arrays, objects
 *     the nodes that it refers to: $ref, allOf, anyOf, oneOf, not, if/then/else
 *
 * The first rule that fails ends the walk, so one message names one fault.  The most useful rule
 * comes first: a misspelt name is reported before the name that is missing because of it.
 *
 * Where alternatives are only tried (if, not, anyOf, oneOf), the walk runs without an err and makes
 * no text.  When none of them fits, the likely one is walked again with err: the one whose type and
 * whose constant members ("type": "chat") are those of the value.
 *
 * `path` is on the stack and becomes text only in a message.
 */
#include "common/schema/schema.h"

#include <stdlib.h>
#include <string.h>

#include "common/schema/schema_node.h"

struct walk {
    struct err *err; /* NULL: only the answer matters */
    int depth;
    int64_t left; /* steps that may still be taken */
};

static bool check(struct walk *w, const struct schema_node *node, const json_t *v,
                  const struct schema_path *at);

/* The value of f for a failure at this place. */
#define FAILURE(w, node, v, at) (&(const struct schema_failure){(w)->err, (node), (v), (at)})

/* ---- the rules of one node ---- */

static bool is_a_choice(const struct schema_node *node, const json_t *v)
{
    const json_t *choice;
    size_t i;

    if (node->constant && !schema_same(node, node->constant, v))
        return false;
    if (!node->choices)
        return true;
    json_array_foreach (node->choices, i, choice)
        if (schema_same(node, choice, v))
            return true;
    return false;
}

static size_t code_points(const char *p, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += ((unsigned char)p[i] & 0xc0) != 0x80;
    return count;
}

static bool check_string(struct walk *w, const struct schema_node *node, const json_t *v,
                         const struct schema_path *at)
{
    const char *p = json_string_value(v);
    size_t n = json_string_length(v);

    w->left -= (int64_t)n / 64;
    if (node->min_length > 0 || node->max_length != NO_LIMIT) {
        size_t length = code_points(p, n);

        if (length < node->min_length || length > node->max_length)
            return schema_say_count(FAILURE(w, node, v, at), node->min_length, node->max_length,
                                    "characters", length);
    }
    if (node->pattern && !schema_pattern_matches(node->pattern, p, n, &w->left))
        return schema_say_pattern(FAILURE(w, node, v, at));
    return true;
}

static bool check_number(struct walk *w, const struct schema_node *node, const json_t *v,
                         const struct schema_path *at)
{
    if (node->low.value && schema_compare(v, node->low.value) < (node->low.exclusive ? 1 : 0))
        return schema_say_bounds(FAILURE(w, node, v, at));
    if (node->high.value && schema_compare(v, node->high.value) > (node->high.exclusive ? -1 : 0))
        return schema_say_bounds(FAILURE(w, node, v, at));
    if (node->multiple_of && !schema_is_multiple(v, node->multiple_of))
        return schema_say(FAILURE(w, node, v, at), "expected a multiple of %.17g",
                          json_number_value(node->multiple_of));
    return true;
}

static bool check_array(struct walk *w, const struct schema_node *node, const json_t *v,
                        const struct schema_path *at)
{
    size_t n = json_array_size(v);

    if (n < node->min_items || n > node->max_items)
        return schema_say_count(FAILURE(w, node, v, at), node->min_items, node->max_items, "items",
                                n);
    for (size_t i = 0; i < n && (node->items || i < node->prefix.count); i++) {
        const struct schema_path here = {.up = at, .index = i};
        const struct schema_node *item =
            i < node->prefix.count ? node->prefix.items[i] : node->items;

        if (!check(w, item, json_array_get(v, i), &here))
            return false;
    }
    return !node->unique || schema_all_different(v, &w->left) ||
           schema_say(FAILURE(w, node, v, at), "expected items that are all different");
}

/* ---- objects ---- */

static const struct schema_node *property(const struct schema_node *node, const char *key, size_t n)
{
    const struct schema_property wanted = {.name = key, .n = n};
    const struct schema_property *found = NULL;

    if (node->property_count)
        found = bsearch(&wanted, node->properties, node->property_count, sizeof wanted,
                        schema_property_order);
    return found ? found->node : NULL;
}

/* A member: its property, every pattern that fits its name, or the rest's schema. */
static bool check_member(struct walk *w, const struct schema_node *node, const json_t *v,
                         const struct schema_path *here)
{
    const struct schema_node *named = property(node, here->key, here->n);
    bool known = named != NULL;

    if (named && !check(w, named, v, here))
        return false;
    for (size_t i = 0; i < node->pattern_count; i++) {
        const struct schema_pattern_property *p = &node->pattern_properties[i];

        if (!schema_pattern_matches(&p->pattern, here->key, here->n, &w->left))
            continue;
        known = true;
        if (!check(w, p->node, v, here))
            return false;
    }
    if (known || !node->additional)
        return true;
    if (node->additional->never)
        return schema_say_unknown(FAILURE(w, node, v, here->up), here->key, here->n);
    return check(w, node->additional, v, here);
}

static bool check_object(struct walk *w, const struct schema_node *node, const json_t *v,
                         const struct schema_path *at)
{
    json_t *object = (json_t *)(uintptr_t)v;
    const json_t *name;
    size_t i;

    if (node->property_count || node->pattern_count || node->additional) {
        for (void *m = json_object_iter(object); m; m = json_object_iter_next(object, m)) {
            const struct schema_path here = {
                .up = at, .key = json_object_iter_key(m), .n = json_object_iter_key_len(m)};

            if (!check_member(w, node, json_object_iter_value(m), &here))
                return false;
        }
    }
    w->left -= (int64_t)json_array_size(node->required) / 4;
    json_array_foreach (node->required, i, name)
        if (!json_object_get(v, json_string_value(name)))
            return schema_say_missing(FAILURE(w, node, v, at), json_string_value(name));
    if (json_object_size(v) > node->max_properties || json_object_size(v) < node->min_properties)
        return schema_say_count(FAILURE(w, node, v, at), node->min_properties, node->max_properties,
                                "members", json_object_size(v));
    return true;
}

static bool check_own(struct walk *w, const struct schema_node *node, const json_t *v,
                      const struct schema_path *at)
{
    unsigned type = schema_type_of(node, v);

    if (node->never)
        return schema_say(FAILURE(w, node, v, at), "not allowed here");
    if (node->types && !(node->types & type))
        return schema_say_type(FAILURE(w, node, v, at), node->types);
    w->left -= node->choice_cost;
    if (!is_a_choice(node, v))
        return schema_say_choices(FAILURE(w, node, v, at));
    switch (type) {
    case TYPE_STRING: return check_string(w, node, v, at);
    case TYPE_INTEGER:
    case TYPE_NUMBER: return check_number(w, node, v, at);
    case TYPE_ARRAY: return check_array(w, node, v, at);
    case TYPE_OBJECT: return check_object(w, node, v, at);
    default: return true;
    }
}

/* ---- combinations ---- */

static bool fits(struct walk *w, const struct schema_node *node, const json_t *v)
{
    struct err *err = w->err;
    bool ok;

    w->err = NULL;
    ok = check(w, node, v, NULL);
    w->err = err;
    return ok;
}

/* The likely alternative: its type and its constant members are those of the value. */
static bool is_likely(const struct schema_node *node, const json_t *v)
{
    for (int i = 0; node->ref && i < SCHEMA_MAX_DEPTH; i++) /* they may form a circle */
        node = node->ref;
    if (node->never || (node->types && !(node->types & schema_type_of(node, v))) ||
        !is_a_choice(node, v))
        return false;
    for (size_t i = 0; json_is_object(v) && i < node->property_count; i++) {
        const struct schema_property *p = &node->properties[i];
        const json_t *member = json_object_get(v, p->name);

        if (member && p->node->constant && !is_a_choice(p->node, member))
            return false;
    }
    return true;
}

static bool say_alternatives(struct walk *w, const struct schema_node *node,
                             const struct schema_nodes *list, const json_t *v,
                             const struct schema_path *at)
{
    unsigned types = 0;

    if (!w->err)
        return false;
    for (size_t i = 0; !node->comment && i < list->count; i++)
        if (is_likely(list->items[i], v))
            return check(w, list->items[i], v, at);
    for (size_t i = 0; i < list->count; i++)
        types |= list->items[i]->types;
    if (types && !(types & schema_type_of(node, v)))
        return schema_say_type(FAILURE(w, node, v, at), types);
    return schema_say(FAILURE(w, node, v, at), "none of the allowed forms");
}

static bool check_any(struct walk *w, const struct schema_node *node, const json_t *v,
                      const struct schema_path *at)
{
    for (size_t i = 0; i < node->any_of.count; i++)
        if (fits(w, node->any_of.items[i], v))
            return true;
    return say_alternatives(w, node, &node->any_of, v, at);
}

static bool check_one(struct walk *w, const struct schema_node *node, const json_t *v,
                      const struct schema_path *at)
{
    int fitting = 0;

    for (size_t i = 0; i < node->one_of.count; i++)
        fitting += fits(w, node->one_of.items[i], v);
    if (fitting > 1 && !node->one_is_enough)
        return schema_say(FAILURE(w, node, v, at), "more than one of the allowed forms at once");
    return fitting > 0 || say_alternatives(w, node, &node->one_of, v, at);
}

static bool check_combinations(struct walk *w, const struct schema_node *node, const json_t *v,
                               const struct schema_path *at)
{
    if (node->ref && !check(w, node->ref, v, at))
        return false;
    for (size_t i = 0; i < node->all_of.count; i++)
        if (!check(w, node->all_of.items[i], v, at))
            return false;
    if (node->any_of.count && !check_any(w, node, v, at))
        return false;
    if (node->one_of.count && !check_one(w, node, v, at))
        return false;
    if (node->not_ && fits(w, node->not_, v))
        return schema_say(FAILURE(w, node, v, at), "not allowed here");
    if (node->if_) {
        const struct schema_node *next = fits(w, node->if_, v) ? node->then_ : node->else_;

        return !next || check(w, next, v, at);
    }
    return true;
}

static bool check(struct walk *w, const struct schema_node *node, const json_t *v,
                  const struct schema_path *at)
{
    bool ok;

    if (--w->left <= 0)
        return false; /* schema_check says why */
    if (w->depth >= SCHEMA_MAX_DEPTH)
        return schema_say(FAILURE(w, node, v, at), "nested deeper than %d levels",
                          SCHEMA_MAX_DEPTH);
    w->depth++;
    ok = check_own(w, node, v, at) && check_combinations(w, node, v, at);
    w->depth--;
    return ok;
}

bool schema_check(const struct schema *s, const json_t *doc, struct err *err)
{
    struct walk w = {.err = err, .left = s->max_steps};
    bool ok = check(&w, s->root, doc, NULL);

    if (w.left <= 0)
        return err_set(err, ERR_INVALID, "the check takes too many steps");
    return ok;
}
