/* config_file.c - the YAML file's sections and scalars onto the settings.
 *
 *     section:          a member of the root: a section, a setting of the top
 *       key: value      level (data_dir), or a list (models)
 *       list: [...]
 *
 * Scalars are set here; lists are only noted, for their readers come later.
 * Every message starts with file, line and the full key.
 */
#include "common/config/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX (SETTING_COUNT + LIST_COUNT)

/* "workers.groups" is the list `groups` of section `workers`; "models" is at the top. */
static bool list_is(enum config_list list, const char *section, const char *key)
{
    const char *name = config_list_names[list];
    size_t n = strlen(section);

    if (n == 0)
        return strcmp(name, key) == 0;
    return strncmp(name, section, n) == 0 && name[n] == '.' && strcmp(name + n + 1, key) == 0;
}

static const struct setting *setting_find(const char *section, const char *key)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(config_settings[i].section, section) == 0 &&
            strcmp(config_settings[i].key, key) == 0)
            return &config_settings[i];
    return NULL;
}

static bool is_section(const char *name)
{
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (*name && strcmp(config_settings[i].section, name) == 0)
            return true;
    return false;
}

/* What may stand in a section (at the top: sections too), for "did you mean". */
static size_t names_of(const char *section, const char *names[NAMES_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];

        if (strcmp(s->section, section) == 0)
            names[count++] = s->key;
        else if (!*section && (i == 0 || strcmp(s->section, s[-1].section) != 0))
            names[count++] = s->section;
    }
    for (size_t i = 0; i < LIST_COUNT; i++) {
        const char *dot = strrchr(config_list_names[i], '.');
        const char *key = dot ? dot + 1 : config_list_names[i];

        if (list_is((enum config_list)i, section, key))
            names[count++] = key;
    }
    return count;
}

/* ---- failures ---- */

static bool fail(const struct config_load *l, const char *section, const struct yaml_tree *node,
                 const char *text, struct err *err)
{
    return err_set(err, ERR_CONFIG, "%s:%d: %s%s%.64s: %s", l->file, node->line, section,
                   *section ? "." : "", node->key, text);
}

static bool fail_unknown(const struct config_load *l, const char *section,
                         const struct yaml_tree *node, struct err *err)
{
    const char *names[NAMES_MAX];
    struct err why;
    char nested[160];
    char *dot;

    config_unknown(&why, "setting", node->key, names, names_of(section, names));
    snprintf(nested, sizeof(nested), "%s", node->key);
    dot = strchr(nested, '.');
    if (dot && !*section) {
        *dot = 0;
        if (setting_find(nested, dot + 1))
            err_set(&why, ERR_CONFIG, "unknown setting; write '%s:' and below it '%s:'", nested,
                    dot + 1);
    }
    return fail(l, section, node, why.msg, err);
}

/* ---- scalars ---- */

/* A YAML list as the comma-separated text that the setting is. */
static bool join(const struct yaml_tree *list, struct buf *ret)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct yaml_tree *item = &list->items[i];

        if (item->kind != YAML_TEXT || strchr(item->text, ','))
            return false;
        buf_printf(ret, "%s%s", i ? "," : "", item->text);
    }
    buf_puts(ret, "");
    return !buf_failed(ret);
}

static bool set_scalar(struct config_load *l, const struct setting *s, const struct yaml_tree *node,
                       struct err *err)
{
    struct buf joined = BUF(CONFIG_FILE_MAX_BYTES);
    const char *text = node->kind == YAML_TEXT ? node->text : NULL;
    struct err why;
    char expects[128];
    bool ok;

    if (node->kind == YAML_LIST && s->flags & LIST && join(node, &joined))
        text = joined.n ? joined.p : "";
    if (text) {
        ok = setting_set(l->cfg, s, text, &why);
    } else {
        setting_expects(s, expects);
        ok = err_set(&why, ERR_CONFIG, "expected %s; got %s%s", expects, yaml_kind_name(node->kind),
                     node->kind == YAML_NULL && s->type == SETTING_STR ? " (write \"\" for empty)"
                                                                       : "");
    }
    buf_done(&joined);
    if (!ok)
        return fail(l, s->section, node, why.msg, err);
    l->cfg->origins->of[s - config_settings].line = node->line;
    return true;
}

/* ---- the walk ---- */

/* A member of a section, or of the root (section ""): a setting or a list. */
static bool apply_member(struct config_load *l, const char *section, const struct yaml_tree *node,
                         struct err *err)
{
    const struct setting *s = setting_find(section, node->key);

    if (s)
        return set_scalar(l, s, node, err);
    for (size_t i = 0; i < LIST_COUNT; i++) {
        if (!list_is((enum config_list)i, section, node->key))
            continue;
        if (node->kind != YAML_LIST && node->kind != YAML_NULL)
            return fail(l, section, node, "expected a list ('- name: ...')", err);
        l->lists[i] = node;
        l->cfg->origins->list_line[i] = node->kind == YAML_LIST ? node->line : 0;
        return true;
    }
    return fail_unknown(l, section, node, err);
}

static bool apply_section(struct config_load *l, const struct yaml_tree *section, struct err *err)
{
    if (section->kind != YAML_MAP && section->kind != YAML_NULL) {
        struct err why;

        err_set(&why, ERR_CONFIG, "expected settings below it; got %s",
                yaml_kind_name(section->kind));
        return fail(l, "", section, why.msg, err);
    }
    for (size_t i = 0; i < section->count; i++)
        if (!apply_member(l, section->key, &section->items[i], err))
            return false;
    return true;
}

bool config_apply_file(struct config_load *l, const struct yaml_tree *root, struct err *err)
{
    if (root->kind != YAML_MAP && root->kind != YAML_NULL)
        return err_set(err, ERR_CONFIG, "%s:%d: expected sections like 'redis:'; got %s", l->file,
                       root->line, yaml_kind_name(root->kind));
    for (size_t i = 0; i < root->count; i++) {
        const struct yaml_tree *node = &root->items[i];

        if (is_section(node->key) ? !apply_section(l, node, err) : !apply_member(l, "", node, err))
            return false;
    }
    return true;
}
