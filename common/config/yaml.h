/* yaml.h - the part of YAML that a configuration needs, as a tree with lines.
 *
 * One document of maps, lists and scalars.  Refused, each with its line:
 * anchors and aliases, tags, duplicate keys, keys that are not plain text,
 * more than YAML_MAX_DEPTH levels or YAML_MAX_MEMBERS members, NUL characters,
 * anything but UTF-8, and a second document.
 *
 * Scalars stay text: `yes`, `012` and `12:30` are typed by whoever reads them.
 * Only an unquoted nothing, `~` or `null` is YAML_NULL.
 *
 * (The names are yaml_tree_*: libyaml exports yaml_free and its like.)
 */
#ifndef FLOTILLA_YAML_H
#define FLOTILLA_YAML_H

#include "common/core/base.h"
#include "common/core/err.h"

#define YAML_MAX_DEPTH   32
#define YAML_MAX_MEMBERS 1000

enum yaml_kind { YAML_NULL, YAML_TEXT, YAML_MAP, YAML_LIST };

struct yaml_tree {
    enum yaml_kind kind;
    int line;                /* of its key, or of itself in a list; from 1 */
    char *key;               /* in a map; else NULL */
    char *text;              /* YAML_TEXT: NUL-terminated UTF-8 without NULs inside */
    struct yaml_tree *items; /* of a map or list, in the file's order */
    size_t count;
};

/* Parse p[0..n) into *ret, which the caller ends with yaml_tree_done.  An empty
 * document is YAML_NULL.  On failure err (kind CONFIG) starts with "name:line: ". */
NODISCARD bool yaml_tree_parse(const char *name, const char *p, size_t n, struct yaml_tree *ret,
                               struct err *err);
void yaml_tree_done(struct yaml_tree *t);
/* The member of a map, NULL when t is no map or has none of that name. */
const struct yaml_tree *yaml_tree_get(const struct yaml_tree *t, const char *key);
/* "a map", "a list", "text", "nothing" */
const char *yaml_kind_name(enum yaml_kind kind);

#endif
