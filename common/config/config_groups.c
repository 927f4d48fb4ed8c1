/* config_groups.c - worker groups: which processes serve which queues.
 *
 *     groups:
 *       - name: people
 *         processes: 4
 *         concurrency: 256
 *         queues: {inference.realtime: 16, webhook: 1}   # weights, or a list of names
 *
 * Without the list there is one implicit group, `default`, with the processes
 * and concurrency of section workers and all queues of queues.def.  With it,
 * those two settings would mean nothing, so they are an error.
 */
#include "common/config/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

#define GROUPS_MAX 32
#define WEIGHT_MAX 1000

static const struct {
    const char *name;
    int weight;
} all_queues[] = {
#define X(NAME, name, code, weight) {name, weight},
#include "common/queue/queues.def"
};
_Static_assert(ARRAY_LEN(all_queues) <= CONFIG_GROUP_QUEUES_MAX, "a group can have all queues");

static const char *const fields[] = {"name", "processes", "concurrency", "queues"};

static void add_queue(struct config_group *g, const char *name, int weight)
{
    g->queues[g->queue_count].name = xstrdup(name);
    g->queues[g->queue_count++].weight = weight;
}

static struct config_group *add_group(struct config *c, const char *name)
{
    struct config_group *g;

    c->groups = xrealloc(c->groups, (c->group_count + 1) * sizeof(*c->groups));
    g = &c->groups[c->group_count++];
    *g = (struct config_group){.name = xstrdup(name),
                               .processes = c->workers_processes,
                               .concurrency = c->workers_concurrency};
    return g;
}

static void add_implicit(struct config *c)
{
    struct config_group *g = add_group(c, "default");

    for (size_t i = 0; i < ARRAY_LEN(all_queues); i++)
        add_queue(g, all_queues[i].name, all_queues[i].weight);
}

/* ---- queues of a group ---- */

/* The default weight of a queue; 0 after item_fail. */
static int queue_weight(const struct config_item *it, const char *name)
{
    const char *names[ARRAY_LEN(all_queues)];
    struct err why;
    char got[CONFIG_QUOTED];

    for (size_t i = 0; i < ARRAY_LEN(all_queues); i++) {
        names[i] = all_queues[i].name;
        if (strcmp(name, names[i]) == 0)
            return all_queues[i].weight;
    }
    config_unknown(&why, "queue", name, names, ARRAY_LEN(names));
    item_fail(it, "queues", "%s: %.150s", config_quote(name, got), why.msg);
    return 0;
}

static bool read_queue(const struct config_item *it, const struct yaml_tree *node,
                       struct config_group *g)
{
    const char *name = node->key ? node->key : node->text;
    int64_t weight;

    if (!name)
        return item_fail(it, "queues", "expected names of queues; got %s",
                         yaml_kind_name(node->kind));
    weight = queue_weight(it, name);
    if (weight == 0)
        return false;
    for (size_t i = 0; i < g->queue_count; i++)
        if (strcmp(g->queues[i].name, name) == 0)
            return item_fail(it, "queues", "'%s' is given twice", name);
    if (node->key && node->kind != YAML_NULL &&
        (node->kind != YAML_TEXT ||
         !parse_int64(node->text, strlen(node->text), 1, WEIGHT_MAX, &weight))) {
        char got[CONFIG_QUOTED];

        return item_fail(it, "queues", "%s: expected a weight from 1 to %d; got %s", name,
                         WEIGHT_MAX,
                         node->text ? config_quote(node->text, got) : yaml_kind_name(node->kind));
    }
    add_queue(g, name, (int)weight);
    return true;
}

static bool read_queues(const struct config_item *it, struct config_group *g)
{
    const struct yaml_tree *queues = yaml_tree_get(it->node, "queues");

    if (!queues || (queues->kind != YAML_MAP && queues->kind != YAML_LIST) || queues->count == 0)
        return item_fail(it, queues ? "queues" : NULL,
                         "expected queues, as 'queues: {inference.realtime: 16}' or a list");
    for (size_t i = 0; i < queues->count; i++) {
        struct config_item at = *it;

        at.line = queues->items[i].line;
        if (!read_queue(&at, &queues->items[i], g))
            return false;
    }
    return true;
}

/* ---- groups ---- */

static bool read_item(struct config_load *l, size_t i, struct err *err)
{
    const struct setting *processes = &config_settings[SETTING_workers_processes];
    const struct setting *concurrency = &config_settings[SETTING_workers_concurrency];
    struct config_item it;
    struct config_group *g;
    const char *name;

    if (!item_open(&it, l, LIST_GROUPS, i, fields, ARRAY_LEN(fields), err) ||
        !item_name(&it, &name))
        return false;
    if (config_group(l->cfg, name))
        return item_fail(&it, "name", "expected another name; '%s' is taken", name);
    if (l->cfg->group_count == GROUPS_MAX)
        return item_fail(&it, NULL, "expected at most %d groups", GROUPS_MAX);
    g = add_group(l->cfg, name);
    return item_int(&it, "processes", processes->min, processes->max, &g->processes) &&
           item_int(&it, "concurrency", concurrency->min, concurrency->max, &g->concurrency) &&
           read_queues(&it, g);
}

/* Settings of the implicit group must not be given when there is none. */
static bool refuse_implicit(const struct config *c, enum setting_id id, struct err *err)
{
    const struct config_origin *o = &c->origins->of[id];
    struct buf place = BUF(CONFIG_FILE_MAX_BYTES);

    if (!o->line && !o->env[0])
        return true;
    config_place(c, id, &place);
    err_set(err, ERR_CONFIG,
            "%s: %s: speaks of the group 'default', but workers.groups (line %d) is set; expected "
            "%s in each group",
            place.p, config_settings[id].name, c->origins->list_line[LIST_GROUPS],
            config_settings[id].key);
    buf_done(&place);
    return false;
}

bool config_read_groups(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_GROUPS];

    if (!list || list->count == 0) {
        add_implicit(l->cfg);
        return true;
    }
    if (!refuse_implicit(l->cfg, SETTING_workers_processes, err) ||
        !refuse_implicit(l->cfg, SETTING_workers_concurrency, err))
        return false;
    for (size_t i = 0; i < list->count; i++)
        if (!read_item(l, i, err))
            return false;
    return true;
}
