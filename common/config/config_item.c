/* config_item.c - reading the fields of one item of a list.
 *
 * models:, workers.groups:, providers.others: ... are lists of maps.  A reader
 * opens an item, which refuses fields that it does not know, and reads each
 * field by its type.  All messages look alike: file, line, models[2].context,
 * what was expected, what was there.
 */
#include "common/config/config_parts.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

#define NAME_MAX_CHARS 32

static bool refuse_others(const struct config_item *it, const char *const *fields, size_t count)
{
    for (size_t m = 0; m < it->node->count; m++) {
        const char *key = it->node->items[m].key;
        size_t f = 0;
        struct err why;

        while (f < count && strcmp(fields[f], key) != 0)
            f++;
        if (f < count)
            continue;
        config_unknown(&why, "field", key, fields, count);
        return item_fail(it, key, "%s", why.msg);
    }
    return true;
}

bool item_open(struct config_item *it, const struct config_load *l, enum config_list list, size_t i,
               const char *const *fields, size_t count, struct err *err)
{
    *it = (struct config_item){.l = l, .node = &l->lists[list]->items[i], .err = err};
    snprintf(it->where, sizeof(it->where), "%s[%zu]", config_list_names[list], i);
    if (it->node->kind != YAML_MAP)
        return item_fail(it, NULL, "expected a map ('%s: ...'); got %s", fields[0],
                         yaml_kind_name(it->node->kind));
    return refuse_others(it, fields, count);
}

bool item_map(const struct config_item *it, const char *key, const char *const *known, size_t count,
              struct config_item *ret)
{
    const struct yaml_tree *field = yaml_tree_get(it->node, key);

    if (!field || field->kind != YAML_MAP || field->count == 0)
        return item_fail(it, field ? key : NULL, "expected %s, as '%s: {%s: ...}'; got %s", key,
                         key, known[0], field ? yaml_kind_name(field->kind) : "nothing");
    *ret = (struct config_item){.l = it->l, .node = field, .err = it->err};
    snprintf(ret->where, sizeof(ret->where), "%.30s.%.16s", it->where, key);
    return refuse_others(ret, known, count);
}

bool item_fail(const struct config_item *it, const char *key, const char *fmt, ...)
{
    const struct yaml_tree *field = key ? yaml_tree_get(it->node, key) : NULL;
    int line = it->line ? it->line : field ? field->line : it->node->line;
    char text[256];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return err_set(it->err, ERR_CONFIG, "%s:%d: %s%s%.64s: %s", it->l->file, line, it->where,
                   key ? "." : "", key ? key : "", text);
}

bool item_text(const struct config_item *it, const char *key, const char **ret)
{
    const struct yaml_tree *field = yaml_tree_get(it->node, key);

    if (!field)
        return true;
    if (field->kind != YAML_TEXT || !*field->text)
        return item_fail(it, key, "expected text; got %s",
                         field->kind == YAML_TEXT ? "nothing" : yaml_kind_name(field->kind));
    *ret = field->text;
    return true;
}

bool item_name(const struct config_item *it, const char **ret)
{
    char got[CONFIG_QUOTED];

    *ret = NULL;
    if (!item_text(it, "name", ret))
        return false;
    if (!*ret)
        return item_fail(it, NULL, "expected a name");
    if (!check_name(*ret, NAME_MAX_CHARS))
        return item_fail(it, "name", "expected 1 to %d of [A-Za-z0-9._-]; got %s", NAME_MAX_CHARS,
                         config_quote(*ret, got));
    return true;
}

bool item_int(const struct config_item *it, const char *key, int64_t min, int64_t max, int64_t *ret)
{
    const char *text = NULL;
    char got[CONFIG_QUOTED];

    if (!item_text(it, key, &text))
        return false;
    if (text && !parse_int64(text, strlen(text), min, max, ret))
        return item_fail(it, key, "expected a whole number from %" PRId64 " to %" PRId64 "; got %s",
                         min, max, config_quote(text, got));
    return true;
}

bool item_usd(const struct config_item *it, const char *key, int64_t *ret_nanousd)
{
    const char *text = NULL;
    char got[CONFIG_QUOTED];
    int64_t nanousd = 0;

    if (!item_text(it, key, &text) || !text)
        return !yaml_tree_get(it->node, key);
    if (*text == '-' || !parse_usd(text, strlen(text), &nanousd))
        return item_fail(it, key, "expected an amount in USD like 0.15, not negative; got %s",
                         config_quote(text, got));
    *ret_nanousd = nanousd;
    return true;
}

bool item_bool(const struct config_item *it, const char *key, bool *ret)
{
    const char *text = NULL;
    char got[CONFIG_QUOTED];

    if (!item_text(it, key, &text))
        return false;
    if (text && !parse_bool(text, strlen(text), ret))
        return item_fail(it, key, "expected true or false; got %s", config_quote(text, got));
    return true;
}

bool item_ids(const struct config_item *it, const char *key, struct model_ids *ret)
{
    const struct yaml_tree *list = yaml_tree_get(it->node, key);

    if (!list)
        return true;
    if (list->kind != YAML_LIST)
        return item_fail(it, key, "expected a list like [maker/model]; got %s",
                         yaml_kind_name(list->kind));
    if (list->count > FALLBACKS_MAX)
        return item_fail(it, key, "expected at most %d models", FALLBACKS_MAX);
    for (size_t i = 0; i < ret->count; i++)
        free(ret->of[i]);
    ret->count = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].kind != YAML_TEXT || !*list->items[i].text)
            return item_fail(it, key, "expected ids of models like maker/model");
        ret->of[ret->count++] = xstrdup(list->items[i].text);
    }
    return true;
}

bool item_word(const struct config_item *it, const char *key, const char *const *names,
               size_t count, size_t *ret)
{
    const char *text = NULL;
    struct err why;
    char got[CONFIG_QUOTED];

    if (!item_text(it, key, &text))
        return false;
    for (size_t i = 0; text && i < count; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = i;
            return true;
        }
    if (!text)
        return true;
    config_unknown(&why, key, text, names, count);
    return item_fail(it, key, "%s: %.150s", config_quote(text, got), why.msg);
}
