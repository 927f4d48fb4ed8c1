/* yaml.c - a strict YAML reader over libyaml's events.
 *
 *   bytes --libyaml--> events --node()--> struct yaml_tree
 *
 * libyaml checks the syntax but lets much through that has no place in a
 * configuration: it reports no duplicate keys, follows aliases (a few lines can
 * grow into gigabytes) and nests 20,000 levels deep.  So the event interface is
 * used, where each of these is seen before anything is built from it.
 *
 * node() is called with the first event of a value and consumes all of the
 * value's events; maps and lists call it again for what is in them, which is
 * why depth is counted.  Every failure goes through fail(), so every message
 * starts with file and line.
 */
#include "common/config/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "common/core/xalloc.h"

struct reader {
    yaml_parser_t parser;
    const char *name;
    const char *p;
    size_t n;
    struct err *err;
};

static bool document(struct reader *r, struct yaml_tree *ret);
static bool node(struct reader *r, yaml_event_t *take_event, int depth, struct yaml_tree *ret);

bool yaml_tree_parse(const char *name, const char *p, size_t n, struct yaml_tree *ret,
                     struct err *err)
{
    struct reader r = {.name = name, .p = p, .n = n, .err = err};
    struct yaml_tree tree = {.line = 1};
    bool ok;

    if (!yaml_parser_initialize(&r.parser))
        return err_set(err, ERR_MEMORY, "%s: no memory for the YAML parser", name);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)p, n);
    ok = document(&r, &tree);
    yaml_parser_delete(&r.parser);
    if (!ok) {
        yaml_tree_done(&tree);
        return false;
    }
    *ret = tree;
    return true;
}

void yaml_tree_done(struct yaml_tree *t)
{
    for (size_t i = 0; i < t->count; i++)
        yaml_tree_done(&t->items[i]);
    free(t->items);
    free(t->key);
    free(t->text);
    *t = (struct yaml_tree){0};
}

const struct yaml_tree *yaml_tree_get(const struct yaml_tree *t, const char *key)
{
    if (!t || t->kind != YAML_MAP)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        if (strcmp(t->items[i].key, key) == 0)
            return &t->items[i];
    return NULL;
}

const char *yaml_kind_name(enum yaml_kind kind)
{
    static const char *const names[] = {[YAML_NULL] = "nothing",
                                        [YAML_TEXT] = "text",
                                        [YAML_MAP] = "a map",
                                        [YAML_LIST] = "a list"};

    return names[kind];
}

/* ---- failures ---- */

static bool fail(const struct reader *r, int line, const char *text)
{
    return err_set(r->err, ERR_CONFIG, "%s:%d: %s", r->name, line, text);
}

static int line_of(yaml_mark_t mark) { return (int)mark.line + 1; }

/* The reader's errors come with a byte offset, not a line. */
static int line_at(const struct reader *r, size_t offset)
{
    int line = 1;

    for (size_t i = 0; i < r->n && i < offset; i++)
        line += r->p[i] == '\n';
    return line;
}

static bool tab_indents(const struct reader *r, int line)
{
    const char *p = r->p;
    const char *end = r->p + r->n;

    while (--line > 0 && p) {
        p = memchr(p, '\n', (size_t)(end - p));
        p = p ? p + 1 : NULL;
    }
    while (p && p < end && *p == ' ')
        p++;
    return p && p < end && *p == '\t';
}

/* libyaml's own complaint, with our line. */
static bool fail_syntax(const struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "unknown error";
    int line = line_of(p->problem_mark);

    if (p->error == YAML_MEMORY_ERROR)
        return err_set(r->err, ERR_MEMORY, "%s: no memory for the YAML parser", r->name);
    if (p->error == YAML_READER_ERROR)
        return err_set(r->err, ERR_CONFIG, "%s:%d: not a UTF-8 text: %s", r->name,
                       line_at(r, p->problem_offset), problem);
    if (tab_indents(r, line))
        return fail(r, line, "not valid YAML: a tab cannot indent; use blanks");
    return err_set(r->err, ERR_CONFIG, "%s:%d: not valid YAML: %s%s%s", r->name, line,
                   p->context ? p->context : "", p->context ? ": " : "", problem);
}

/* ---- events ---- */

static bool next(struct reader *r, yaml_event_t *ret)
{
    return yaml_parser_parse(&r->parser, ret) || fail_syntax(r);
}

/* stream start, document start, one node, document end, stream end */
static bool document(struct reader *r, struct yaml_tree *ret)
{
    bool seen = false;

    for (;;) {
        yaml_event_t e;
        yaml_event_type_t type;
        int line;

        if (!next(r, &e))
            return false;
        type = e.type;
        line = line_of(e.start_mark);
        if (type == YAML_STREAM_START_EVENT || type == YAML_DOCUMENT_START_EVENT ||
            type == YAML_DOCUMENT_END_EVENT || type == YAML_STREAM_END_EVENT) {
            yaml_event_delete(&e);
            if (type == YAML_STREAM_END_EVENT)
                return true;
            if (type == YAML_DOCUMENT_START_EVENT && seen)
                return fail(r, line, "a second document; a configuration is one");
        } else {
            seen = true;
            if (!node(r, &e, 0, ret))
                return false;
        }
    }
}

/* What no node may have, whatever it is; NULL when it has none of it. */
static const char *forbidden(const yaml_event_t *e, int depth)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;

    if (e->type == YAML_ALIAS_EVENT)
        return "an alias (*name); write the value out";
    if (e->type == YAML_SCALAR_EVENT) {
        anchor = e->data.scalar.anchor;
        tag = e->data.scalar.tag;
    } else if (e->type == YAML_MAPPING_START_EVENT) {
        anchor = e->data.mapping_start.anchor;
        tag = e->data.mapping_start.tag;
    } else if (e->type == YAML_SEQUENCE_START_EVENT) {
        anchor = e->data.sequence_start.anchor;
        tag = e->data.sequence_start.tag;
    }
    if (anchor)
        return "an anchor (&name); write the value out where it is needed";
    if (tag)
        return "a tag (!name); values are typed by their setting";
    return depth > YAML_MAX_DEPTH ? "nested deeper than 32 levels" : NULL;
}

static struct yaml_tree *add_item(struct yaml_tree *t)
{
    if ((t->count & (t->count - 1)) == 0)
        t->items = xrealloc(t->items, (t->count ? 2 * t->count : 1) * sizeof(*t->items));
    t->items[t->count] = (struct yaml_tree){0};
    return &t->items[t->count++];
}

static bool scalar(struct reader *r, const yaml_event_t *e, struct yaml_tree *ret)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t n = e->data.scalar.length;
    bool plain = e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;

    if (memchr(text, 0, n))
        return fail(r, line_of(e->start_mark), "a NUL character");
    if (plain && (n == 0 || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0)) {
        ret->kind = YAML_NULL;
        return true;
    }
    ret->kind = YAML_TEXT;
    ret->text = xstrndup(text, n);
    return true;
}

static bool list(struct reader *r, int depth, struct yaml_tree *ret)
{
    yaml_event_t e;

    ret->kind = YAML_LIST;
    for (;;) {
        if (!next(r, &e))
            return false;
        if (e.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        if (ret->count == YAML_MAX_MEMBERS) {
            yaml_event_delete(&e);
            return fail(r, ret->line, "a list of more than 1000 items");
        }
        if (!node(r, &e, depth + 1, add_item(ret)))
            return false;
    }
}

/* The key of e as text; NULL after fail(). */
static char *member_key(struct reader *r, const struct yaml_tree *map, const yaml_event_t *e)
{
    const char *bad = forbidden(e, 0);
    const char *key = (const char *)e->data.scalar.value;

    if (!bad && e->type != YAML_SCALAR_EVENT)
        bad = "a key that is a map or a list";
    if (!bad && memchr(key, 0, e->data.scalar.length))
        bad = "a NUL character";
    if (!bad && map->count == YAML_MAX_MEMBERS)
        bad = "a map of more than 1000 members";
    if (bad) {
        fail(r, line_of(e->start_mark), bad);
        return NULL;
    }
    const struct yaml_tree *twin = yaml_tree_get(map, key);

    if (twin) {
        err_set(r->err, ERR_CONFIG, "%s:%d: '%.64s' is given twice; first on line %d", r->name,
                line_of(e->start_mark), key, twin->line);
        return NULL;
    }
    return xstrdup(key);
}

static bool map(struct reader *r, int depth, struct yaml_tree *ret)
{
    ret->kind = YAML_MAP;
    for (;;) {
        yaml_event_t e;
        struct yaml_tree *item;
        char *key;
        int line;

        if (!next(r, &e))
            return false;
        if (e.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&e);
            return true;
        }
        line = line_of(e.start_mark);
        key = member_key(r, ret, &e);
        yaml_event_delete(&e);
        if (!key)
            return false;
        item = add_item(ret);
        item->key = key;
        item->line = line;
        if (!next(r, &e) || !node(r, &e, depth + 1, item))
            return false;
    }
}

static bool node(struct reader *r, yaml_event_t *take_event, int depth, struct yaml_tree *ret)
{
    yaml_event_t e = *take_event;
    const char *bad = forbidden(&e, depth);
    int line = line_of(e.start_mark);
    bool ok;

    if (!ret->key)
        ret->line = line;
    if (bad)
        ok = fail(r, line, bad);
    else if (e.type == YAML_SCALAR_EVENT)
        ok = scalar(r, &e, ret);
    else
        ok = e.type == YAML_SEQUENCE_START_EVENT ? list(r, depth, ret) : map(r, depth, ret);
    yaml_event_delete(&e);
    return ok;
}
