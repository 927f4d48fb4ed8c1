/* schema_node.h - a schema as schema.c prepares it; private to schema*.c.
 *
 *   schema_build.c  JSON -> nodes        schema.c  nodes x document -> yes or no
 *   schema_say.c    a failure -> text    schema_pattern.c  regular expressions
 */
#ifndef FLOTILLA_SCHEMA_NODE_H
#define FLOTILLA_SCHEMA_NODE_H

#include <regex.h>

#include <jansson.h>

#include "common/config/schema.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"

enum schema_type {
    TYPE_NULL = 1,
    TYPE_BOOLEAN = 2,
    TYPE_INTEGER = 4,
    TYPE_NUMBER = 8,
    TYPE_STRING = 16,
    TYPE_ARRAY = 32,
    TYPE_OBJECT = 64
};

/* A pattern.  `^[class]{min,max}$` (also + and *) is a table, all else a regex. */
struct schema_pattern {
    const char *text; /* borrowed from the schema's JSON */
    const char *class_text;
    size_t class_n; /* 0: regex */
    size_t min, max;
    bool counted; /* {min,max} was written */
    bool allowed[256];
    regex_t regex;
};
NODISCARD bool schema_pattern_init(struct schema_pattern *ret, const char *text);
void schema_pattern_done(struct schema_pattern *p);
bool schema_pattern_matches(const struct schema_pattern *p, const char *text, size_t n);

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
    unsigned types;           /* schema_type bits; 0: any */
    const char *comment;
    const json_t *constant, *choices;
    size_t min_length, max_length, min_items, max_items, max_properties;
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
};

struct schema {
    json_t *json; /* owns every text above */
    struct schema_node *root, *all;
};

/* The way to a value: the member or element that led there, and what is above. */
struct schema_path {
    const struct schema_path *up; /* NULL: the document itself */
    const char *key;              /* NULL: an element */
    size_t n, index;
};

int schema_property_order(const void *a, const void *b); /* by length, then bytes */

/* One of these per way to fail.  Each fills err (if there is one) and returns false. */
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
