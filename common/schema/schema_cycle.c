/* schema_cycle.c - schemas that lead back to themselves with the same value.
 *
 *   {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"anyOf": [{"$ref": "#/$defs/a"}]}}, ...}
 *
 * The check of a value would never end, and the bound that ends it says nothing about the value.
 * (A $ref below properties or items continues with a smaller value: that is a tree, and fine.)
 *
 * A $ref leads to the root or a definition, and the walk enters these from the top, so the step
 * that closes a circle is always a $ref; the circle ends when it is removed.  Every node is entered
 * once.
 */
#include "common/schema/schema_node.h"

enum { NEW, OPEN, DONE, PART }; /* PART: checks the value of the node above it */

static bool walk(struct schema_builder *b, struct schema_node *node);

/* A lenient schema loses the $ref. */
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

/* The nodes that check the same value as this one, by index; some are NULL. */
static size_t part_count(const struct schema_node *n)
{
    return n->all_of.count + n->any_of.count + n->one_of.count + 4;
}

static struct schema_node *part(const struct schema_node *n, size_t i)
{
    const struct schema_nodes *const lists[] = {&n->all_of, &n->any_of, &n->one_of};
    struct schema_node *const single[] = {n->not_, n->if_, n->then_, n->else_};

    for (size_t k = 0; k < ARRAY_LEN(lists); i -= lists[k++]->count)
        if (i < lists[k]->count)
            return lists[k]->items[i];
    return single[i];
}

static bool walk(struct schema_builder *b, struct schema_node *node)
{
    bool ok;

    if (!node || (node->walked != NEW && node->walked != PART))
        return true;
    node->walked = OPEN;
    ok = walk_ref(b, node);
    for (size_t i = 0; ok && i < part_count(node); i++)
        ok = walk(b, part(node, i));
    node->walked = DONE;
    return ok;
}

bool schema_ends(struct schema_builder *b)
{
    struct schema_node *node;

    for (node = b->schema->all; node; node = node->next)
        for (size_t i = 0; i < part_count(node); i++)
            if (part(node, i))
                part(node, i)->walked = PART;
    for (node = b->schema->all; node; node = node->next)
        if (node->walked == NEW && !walk(b, node))
            return false;
    return true;
}
