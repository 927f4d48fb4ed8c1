/* config_models.c - the file's models: over the built-in table.
 *
 *     models:
 *       - id: my/model                 # a built-in id: its fields are overridden one by one
 *         provider: local              # default: together
 *         tasks: [chat, code]
 *         input_usd: 0.15              # USD per million tokens; exact decimals
 *         output_usd: 0.60
 *         cached_usd: 0.03
 *         image_usd: 0.04              # per image_unit
 *         image_unit: megapixel
 *         context: 131072
 *         batch_discount_percent: 50
 *         default_for: [code]          # takes the default away from the row that had it
 *
 * A price that nobody gives is unknown (-1), and its calls are flagged
 * `unpriced`; only what a task cannot have (answer tokens of an embedding,
 * tokens of an image that is paid by size) is 0.
 */
#include "common/config/config_parts.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

#define CONTEXT_MAX INT64_C(1000000000)

static const char *const fields[] = {
    "id",         "provider",  "tasks",      "input_usd", "output_usd",
    "cached_usd", "image_usd", "image_unit", "context",   "batch_discount_percent",
    "default_for"};

static const enum task_bit all_tasks[] = {TASK_CHAT,      TASK_COMPLETION, TASK_CODE,
                                          TASK_EMBEDDING, TASK_IMAGE,      TASK_RERANK};

/* ---- tasks ---- */

static bool fail_task(const struct config_item *it, const char *key, const char *text)
{
    const char *names[ARRAY_LEN(all_tasks)];
    struct err why;
    char got[CONFIG_QUOTED];

    for (size_t i = 0; i < ARRAY_LEN(all_tasks); i++)
        names[i] = task_name(all_tasks[i]);
    config_unknown(&why, "task", text, names, ARRAY_LEN(names));
    return item_fail(it, key, "%s: %.150s", config_quote(text, got), why.msg);
}

/* A list of tasks as bits; *ret stays when there is no such field. */
static bool read_tasks(const struct config_item *it, const char *key, unsigned *ret)
{
    const struct yaml_tree *list = yaml_tree_get(it->node, key);
    unsigned bits = 0;

    if (!list)
        return true;
    if (list->kind != YAML_LIST)
        return item_fail(it, key, "expected a list like [chat, code]; got %s",
                         yaml_kind_name(list->kind));
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i].kind == YAML_TEXT ? list->items[i].text : "";
        unsigned bit = task_of(text, strlen(text));

        if (!bit)
            return fail_task(it, key, text);
        bits |= bit;
    }
    *ret = bits;
    return true;
}

/* The first task of bits. */
static const char *one_task(unsigned bits)
{
    return task_name((enum task_bit)(bits & (~bits + 1)));
}

/* Make m the default of its tasks: whoever had them loses them. */
static bool read_defaults(const struct config_item *it, struct model_table *t, struct model *m,
                          unsigned *claimed)
{
    unsigned bits = 0;

    if (!read_tasks(it, "default_for", &bits))
        return false;
    if (!yaml_tree_get(it->node, "default_for")) {
        m->default_for &= m->tasks;
        return true;
    }
    if (bits & ~m->tasks)
        return item_fail(it, "default_for", "expected tasks of this model; got '%s'",
                         one_task(bits & ~m->tasks));
    if (bits & *claimed)
        return item_fail(it, "default_for", "'%s' already has a default in this list",
                         one_task(bits & *claimed));
    *claimed |= bits;
    for (size_t i = 0; i < t->count; i++)
        t->rows[i].default_for &= ~bits;
    m->default_for = bits;
    return true;
}

/* ---- one row ---- */

static struct model *add_row(struct model_table *t, const char *id)
{
    t->rows = xrealloc(t->rows, (t->count + 1) * sizeof(*t->rows));
    t->rows[t->count] = (struct model){.id = xstrdup(id),
                                       .provider = xstrdup("together"),
                                       .in_nanousd = -1,
                                       .out_nanousd = -1,
                                       .cached_nanousd = -1,
                                       .image_nanousd = -1,
                                       .batch_percent = 100};
    return &t->rows[t->count++];
}

static bool read_provider(const struct config_item *it, struct model *m)
{
    const struct config *c = it->l->cfg;
    const char *names[64];
    const char *name = NULL;
    struct err why;
    char got[CONFIG_QUOTED];

    if (!item_text(it, "provider", &name) || !name)
        return !yaml_tree_get(it->node, "provider");
    if (config_provider(c, name)) {
        free(m->provider);
        m->provider = xstrdup(name);
        return true;
    }
    for (size_t i = 0; i < c->provider_count && i < ARRAY_LEN(names); i++)
        names[i] = c->providers[i].name;
    config_unknown(&why, "provider", name, names,
                   c->provider_count < ARRAY_LEN(names) ? c->provider_count : ARRAY_LEN(names));
    return item_fail(it, "provider", "%s: %.150s", config_quote(name, got), why.msg);
}

static bool read_image(const struct config_item *it, struct model *m)
{
    const char *unit = NULL;
    char got[CONFIG_QUOTED];

    if (!item_usd(it, "image_usd", &m->image_nanousd) || !item_text(it, "image_unit", &unit))
        return false;
    if (unit && strcmp(unit, "megapixel") == 0)
        m->image_unit = IMAGE_MEGAPIXEL;
    else if (unit && strcmp(unit, "piece") == 0)
        m->image_unit = IMAGE_PIECE;
    else if (unit)
        return item_fail(it, "image_unit", "expected megapixel or piece; got %s",
                         config_quote(unit, got));
    else if (m->image_unit == IMAGE_NONE && yaml_tree_get(it->node, "image_usd"))
        return item_fail(it, "image_usd", "expected image_unit (megapixel or piece) beside it");
    return true;
}

/* What a new row did not say and what its tasks cannot cost. */
static void fill_impossible(struct model *m)
{
    if (m->tasks && !(m->tasks & ~(unsigned)(TASK_EMBEDDING | TASK_RERANK | TASK_IMAGE)) &&
        m->out_nanousd < 0)
        m->out_nanousd = 0;
    if (m->tasks == TASK_IMAGE && m->image_nanousd >= 0 && m->in_nanousd < 0)
        m->in_nanousd = 0;
    if (!(m->tasks & TASK_IMAGE) && m->image_nanousd < 0)
        m->image_nanousd = 0;
}

static bool read_fields(const struct config_item *it, struct model *m, bool is_new)
{
    int64_t discount = 100 - m->batch_percent;

    if (!read_provider(it, m) || !read_tasks(it, "tasks", &m->tasks) ||
        !item_usd(it, "input_usd", &m->in_nanousd) ||
        !item_usd(it, "output_usd", &m->out_nanousd) ||
        !item_usd(it, "cached_usd", &m->cached_nanousd) || !read_image(it, m) ||
        !item_int(it, "context", 0, CONTEXT_MAX, &m->context) ||
        !item_int(it, "batch_discount_percent", 0, 100, &discount))
        return false;
    if (is_new && !m->tasks)
        return item_fail(it, NULL, "expected tasks like [chat], as '%.100s' is not built in",
                         m->id);
    m->batch_percent = (int)(100 - discount);
    if (is_new)
        fill_impossible(m);
    return true;
}

static bool read_item(struct config_load *l, size_t i, unsigned *claimed, struct err *err)
{
    struct model_table *t = &l->cfg->models;
    const struct model *known;
    const char *id = NULL;
    struct config_item it;
    struct model *m;

    if (!item_open(&it, l, LIST_MODELS, i, fields, ARRAY_LEN(fields), err) ||
        !item_text(&it, "id", &id))
        return false;
    if (!id)
        return item_fail(&it, NULL, "expected an id like maker/model");
    if (strlen(id) > 200)
        return item_fail(&it, "id", "expected at most 200 characters");
    for (size_t before = 0; before < i; before++) {
        const struct yaml_tree *other = yaml_tree_get(&l->lists[LIST_MODELS]->items[before], "id");

        if (strcmp(other->text, id) == 0)
            return item_fail(&it, "id", "'%.100s' is given twice; first on line %d", id,
                             other->line);
    }
    known = model_find(t, id, strlen(id));
    m = known ? &t->rows[known - t->rows] : add_row(t, id);
    return read_fields(&it, m, !known) && read_defaults(&it, t, m, claimed);
}

bool config_read_models(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_MODELS];
    unsigned claimed = 0;

    for (size_t i = 0; list && i < list->count; i++)
        if (!read_item(l, i, &claimed, err))
            return false;
    return true;
}
