/* schema_node.h - a prepared schema; private to schema*.c.
 *
 *   schema_new.c    life, and schemas of users      schema_build.c    JSON -> nodes
 *   schema.c        nodes x document -> yes or no   schema_pattern.c  regular expressions
 *   schema_say.c    a failure -> text               schema_value.c    type, equality, order
 *   schema_cycle.c  does every check end?
 */
#ifndef FLOTILLA_SCHEMA_NODE_H
#define FLOTILLA_SCHEMA_NODE_H

#include <jansson.h>

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/schema/pattern.h"
#include "common/schema/schema.h"

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64
};

/* `^[class]{min,max}$` (also + and *) is a table, any other pattern a program (pattern.h). */
struct schema_pattern {
    const char *text; /* borrowed from the schema's JSON */
    const char *class_text;
    size_t class_n; /* 0: a program */
    size_t min, max;
    bool counted; /* {min,max} was written */
    bool allowed[256];
    struct pattern *program;
};
NODISCARD bool schema_pattern_init(struct schema_pattern *ret, const char *text, struct err *err);
void schema_pattern_done(struct schema_pattern *p);
/* *steps is lowered by what it cost; see pattern.h. */
bool schema_pattern_matches(const struct schema_pattern *p, const char *text, size_t n,
                            int64_t *steps);

struct schema_bound {
    const json_t *value; /* NULL: none */
    bool exclusive;
};

struct schema_nodes {
    struct schema_node **items;
    size_t count;
};

struct schema_property {
    const char *name; /* borrowed */
    size_t n;
    struct schema_node *node;
};

struct schema_pattern_property {
    struct schema_pattern pattern;
    struct schema_node *node;
};

/* One schema object.  Absent keywords are 0 or NULL; NO_LIMIT for upper counts. */
#define NO_LIMIT SIZE_MAX
struct schema_node {
    struct schema_node *next; /* all nodes of a schema, to free them */
    bool never;               /* the schema `false` */
    bool theirs;              /* of a user's schema: see schema.h */
    bool one_is_enough;       /* one_of: an alternative may be looser than written */
    bool left_out;            /* some schemas of its members were left out */
    bool unique;
    unsigned types; /* schema_type bits; 0: any */
    const char *comment;
    const json_t *constant, *choices;
    int64_t choice_cost; /* steps to compare a value with constant and choices */
    const json_t *multiple_of;
    size_t min_length, max_length, min_items, max_items, min_properties, max_properties;
    struct schema_nodes prefix;
    struct schema_pattern *pattern;
    struct schema_bound low, high;
    struct schema_node *items;
    struct schema_property *properties; /* sorted by length, then bytes */
    const char **names;                 /* the same names, for suggestions */
    size_t property_count;
    struct schema_pattern_property *pattern_properties;
    size_t pattern_count;
    struct schema_node *additional; /* NULL: any */
    const json_t *required;
    struct schema_nodes all_of, any_of, one_of;
    struct schema_node *not_, *if_, *then_, *else_, *ref;
    const char *ref_text;
    int walked; /* schema_cycle.c */
};

struct schema {
    json_t *json; /* owns every text above */
    struct schema_node *root, *all;
    int64_t max_steps;
    size_t pattern_bytes; /* of compiled patterns */
};

struct schema_builder {
    struct schema *schema;
    const json_t *defs[2];          /* $defs, and what they were called before */
    struct schema_node **def_nodes; /* in the order of defs */
    struct err *err;
    bool theirs, lenient;
    size_t ignored; /* keywords that were left out */
};
struct schema_node *schema_node_new(struct schema_builder *b);
/* Read the keywords of one schema object (or true, false) into an empty node. */
NODISCARD bool schema_fill(struct schema_builder *b, const json_t *json, struct schema_node *node);

/* ---- schema_cycle.c ---- */
/* False: a $ref leads back to itself with the same value (err says which).  A lenient schema loses
 * the $ref instead. */
NODISCARD bool schema_ends(struct schema_builder *b);

/* The path to a value: the member or element, and what is above it. */
struct schema_path {
    const struct schema_path *up; /* NULL: the document itself */
    const char *key;              /* NULL: an element */
    size_t n, index;
};

/* ---- schema_value.c ---- */
unsigned schema_type_of(const struct schema_node *node, const json_t *v); /* one bit */
int schema_compare(const json_t *a, const json_t *b);                     /* numbers: -1, 0, 1 */
bool schema_same(const struct schema_node *node, const json_t *a, const json_t *b);
bool schema_is_multiple(const json_t *v, const json_t *of);
/* Equal items have equal texts.  *steps is lowered by what it cost. */
bool schema_all_different(const json_t *list, int64_t *steps);

int schema_property_order(const void *a, const void *b); /* by length, then bytes */

/* One per kind of failure.  Each fills err (if there is one) and returns false. */
struct schema_failure {
    struct err *err;
    const struct schema_node *node;
    const json_t *value;
    const struct schema_path *at;
};
bool schema_say(const struct schema_failure *f, const char *fmt, ...) PRINTF(2, 3);
bool schema_say_type(const struct schema_failure *f, unsigned types);
bool schema_say_choices(const struct schema_failure *f);
bool schema_say_bounds(const struct schema_failure *f);
bool schema_say_count(const struct schema_failure *f, size_t min, size_t max, const char *what,
                      size_t got);
bool schema_say_pattern(const struct schema_failure *f);
bool schema_say_unknown(const struct schema_failure *f, const char *key, size_t n);
bool schema_say_missing(const struct schema_failure *f, const char *key);

#endif
