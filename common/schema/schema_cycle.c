/* schema_cycle.c - schemas that for one value lead back to themselves.
 *
 *   {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, ...}
 *
 * A check of any value would never end, and what ends it, a bound, says nothing
 * about the value.  (A $ref below properties or items goes on with a smaller
 * value: that is a tree, and fine.)
 *
 * A $ref leads to the root or a definition, and what is below those is entered
 * from there, so the step that closes a circle is always a $ref; without it
 * there is none.  Every node is entered once.
 */
#include "common/schema/schema_node.h"

enum { NEW, OPEN, DONE, PART }; /* PART: asked about the value of the node above it */

static bool walk(struct schema_builder *b, struct schema_node *node);

/* A lenient schema does without it. */
static bool circle(struct schema_builder *b, struct schema_node *node)
{
    node->ref = NULL;
    b->ignored++;
    return b->lenient ||
           err_set(b->err, ERR_CONFIG, "$ref: %.100s leads back to itself, with the same value",
                   node->ref_text);
}

static bool walk_ref(struct schema_builder *b, struct schema_node *node)
{
    return node->ref && node->ref->walked == OPEN ? circle(b, node) : walk(b, node->ref);
}

static bool walk_list(struct schema_builder *b, const struct schema_nodes *list)
{
    for (size_t i = 0; i < list->count; i++)
        if (!walk(b, list->items[i]))
            return false;
    return true;
}

/* Those that are asked about the same value. */
static bool walk(struct schema_builder *b, struct schema_node *node)
{
    bool ok;

    if (!node || (node->walked != NEW && node->walked != PART))
        return true;
    node->walked = OPEN;
    ok = walk_ref(b, node) && walk_list(b, &node->all_of) && walk_list(b, &node->any_of) &&
         walk_list(b, &node->one_of) && walk(b, node->not_) && walk(b, node->if_) &&
         walk(b, node->then_) && walk(b, node->else_);
    node->walked = DONE;
    return ok;
}

static void set_part(struct schema_node *node)
{
    if (node)
        node->walked = PART;
}

static void set_parts(const struct schema_nodes *list)
{
    for (size_t i = 0; i < list->count; i++)
        set_part(list->items[i]);
}

static void find_parts(struct schema_node *node)
{
    set_parts(&node->all_of);
    set_parts(&node->any_of);
    set_parts(&node->one_of);
    set_part(node->not_);
    set_part(node->if_);
    set_part(node->then_);
    set_part(node->else_);
}

bool schema_ends(struct schema_builder *b)
{
    struct schema_node *node;

    for (node = b->schema->all; node; node = node->next)
        find_parts(node);
    for (node = b->schema->all; node; node = node->next)
        if (node->walked == NEW && !walk(b, node))
            return false;
    return true;
}
