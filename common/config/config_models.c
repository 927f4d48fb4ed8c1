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
 *         quality: 0.7                 # 0 to 1
 *         p50_ms: 2500                 # half of its answers take no longer
 *         features: [tools]            # tools, json_schema, vision
 *         allowed: true                # false: never called
 *         routed: true                 # false: only when a job names it
 *         max_concurrency: 0           # calls at once, fleet-wide; 0: no limit
 *         replacement: maker/new       # used when this one is gone
 *         fallbacks: [maker/other]     # tried when this one fails
 *
 * Several rows with one id are the same model at several providers.  The first
 * of them overrides the built-in row of that id; each further one is a route
 * more, and what it does not say is as in the first.  Order is preference.
 *
 * Names of other models are checked at the end, when all rows are known.
 *
 * A price that nobody gives is unknown (-1), and its calls are flagged
 * `unpriced`; only what a task cannot have (answer tokens of an embedding,
 * tokens of an image that is paid by size) is 0.
 */
#include "common/config/config_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

static const char *const fields[] = {
    "id",          "provider",        "tasks",       "input_usd", "output_usd",
    "cached_usd",  "image_usd",       "image_unit",  "context",   "batch_discount_percent",
    "default_for", "quality",         "p50_ms",      "features",  "allowed",
    "routed",      "max_concurrency", "replacement", "fallbacks"};

/* ---- sets of names ---- */

static bool fail_member(const struct config_item *it, const char *key, const struct model_set *set,
                        const char *text)
{
    struct err why;
    char got[CONFIG_QUOTED];

    config_unknown(&why, set->noun, text, set->names, set->count);
    return item_fail(it, key, "%s: %.150s", config_quote(text, got), why.msg);
}

/* A list of names as bits; *ret stays when there is no such field. */
static bool read_set(const struct config_item *it, const char *key, const struct model_set *set,
                     unsigned *ret)
{
    const struct yaml_tree *list = yaml_tree_get(it->node, key);
    unsigned bits = 0;

    if (!list)
        return true;
    if (list->kind != YAML_LIST)
        return item_fail(it, key, "expected a list like %s; got %s", set->example,
                         yaml_kind_name(list->kind));
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i].kind == YAML_TEXT ? list->items[i].text : "";
        unsigned bit = model_set_of(set, text, strlen(text));

        if (!bit)
            return fail_member(it, key, set, text);
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

    if (!read_set(it, "default_for", &model_tasks, &bits))
        return false;
    if (!yaml_tree_get(it->node, "default_for")) {
        m->default_for &= m->tasks;
        return true;
    }
    if (bits & ~m->tasks)
        return item_fail(it, "default_for", "expected tasks of this model; got '%s'",
                         one_task(bits & ~m->tasks));
    if (bits && (!m->allowed || !m->routed))
        return item_fail(it, "default_for", "expected a model that is allowed and routed");
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

static struct model *add_row(struct model_table *t, const struct model *like)
{
    t->rows = xrealloc(t->rows, (t->count + 1) * sizeof(*t->rows));
    t->rows[t->count] = *like;
    return &t->rows[t->count++];
}

static struct model *add_unknown(struct model_table *t, const char *id)
{
    struct model m = MODEL_UNKNOWN;

    m.id = xstrdup(id);
    m.provider = xstrdup("together");
    return add_row(t, &m);
}

/* The model of the first row of this id, at another provider. */
static struct model *add_provider(struct model_table *t, size_t first, const char *provider)
{
    struct model m;

    model_copy(&m, &t->rows[first]);
    free(m.provider);
    m.provider = xstrdup(provider);
    m.default_for = 0; /* of the id, and the first row has it */
    return add_row(t, &m);
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
    if (unit && image_unit_of(unit) != IMAGE_NONE)
        m->image_unit = image_unit_of(unit);
    else if (unit)
        return item_fail(it, "image_unit", "expected megapixel or piece; got %s",
                         config_quote(unit, got));
    else if (m->image_unit == IMAGE_NONE && yaml_tree_get(it->node, "image_usd"))
        return item_fail(it, "image_usd", "expected image_unit (megapixel or piece) beside it");
    return true;
}

static bool read_quality(const struct config_item *it, struct model *m)
{
    const char *text = NULL;
    char got[CONFIG_QUOTED];
    double v = 0;

    if (!item_text(it, "quality", &text))
        return false;
    if (!text)
        return true;
    if (!parse_double(text, strlen(text), 0, 1, &v))
        return item_fail(it, "quality", "expected a number from 0 to 1; got %s",
                         config_quote(text, got));
    m->quality_permille = (int)(v * QUALITY_MAX + 0.5);
    return true;
}

static bool read_routing(const struct config_item *it, struct model *m)
{
    const char *replacement = NULL;

    if (!read_quality(it, m) || !item_int(it, "p50_ms", 0, MODEL_P50_MAX_MS, &m->p50_ms) ||
        !read_set(it, "features", &model_features, &m->features) ||
        !item_bool(it, "allowed", &m->allowed) || !item_bool(it, "routed", &m->routed) ||
        !item_int(it, "max_concurrency", 0, MODEL_CONCURRENCY_MAX, &m->max_concurrency) ||
        !item_text(it, "replacement", &replacement) || !item_ids(it, "fallbacks", &m->fallbacks))
        return false;
    if (replacement) {
        free(m->replacement);
        m->replacement = xstrdup(replacement);
    }
    return true;
}

static void note_prices(const struct config_item *it, struct model *m)
{
    static const struct {
        const char *key;
        enum price_bit bit;
    } prices[] = {{"input_usd", PRICE_IN},
                  {"output_usd", PRICE_OUT},
                  {"cached_usd", PRICE_CACHED},
                  {"image_usd", PRICE_IMAGE},
                  {"context", GIVEN_CONTEXT}};

    for (size_t i = 0; i < ARRAY_LEN(prices); i++)
        if (yaml_tree_get(it->node, prices[i].key))
            m->given |= (unsigned)prices[i].bit;
}

static bool read_fields(const struct config_item *it, struct model *m, bool is_new)
{
    int64_t discount = 100 - m->batch_percent;

    if (!read_provider(it, m) || !read_set(it, "tasks", &model_tasks, &m->tasks) ||
        !item_usd(it, "input_usd", &m->in_nanousd) ||
        !item_usd(it, "output_usd", &m->out_nanousd) ||
        !item_usd(it, "cached_usd", &m->cached_nanousd) || !read_image(it, m) ||
        !item_int(it, "context", 0, MODEL_CONTEXT_MAX, &m->context) ||
        !item_int(it, "batch_discount_percent", 0, 100, &discount) || !read_routing(it, m))
        return false;
    if (is_new && !m->tasks)
        return item_fail(it, NULL, "expected tasks like [chat], as '%.100s' is not built in",
                         m->id);
    m->batch_percent = (int)(100 - discount);
    note_prices(it, m);
    if (is_new)
        model_fill_impossible(m);
    return true;
}

/* The text of a field of an item that was read before. */
static const char *earlier(const struct config_load *l, size_t item, const char *key,
                           const char *def)
{
    const struct yaml_tree *v = yaml_tree_get(&l->lists[LIST_MODELS]->items[item], key);

    return v && v->kind == YAML_TEXT ? v->text : def;
}

/* The row that an item speaks of: an earlier item of its id makes it a further provider's.  NULL
 * when it cannot be one. */
static struct model *open_row(const struct config_item *it, size_t i, const char *id)
{
    struct model_table *t = &it->l->cfg->models;
    const struct model *known = model_find(t, id, strlen(id));
    const char *provider = "together";
    bool further = false;

    if (!item_text(it, "provider", &provider))
        return NULL;
    for (size_t before = 0; before < i; before++) {
        if (strcmp(earlier(it->l, before, "id", ""), id) != 0)
            continue;
        further = true;
        if (strcmp(earlier(it->l, before, "provider", known->provider), provider) == 0) {
            (void)item_fail(it, "id", "'%.100s' is given twice; first on line %d", id,
                            yaml_tree_get(&it->l->lists[LIST_MODELS]->items[before], "id")->line);
            return NULL;
        }
    }
    if (further)
        return add_provider(t, (size_t)(known - t->rows), provider);
    return known ? &t->rows[known - t->rows] : add_unknown(t, id);
}

static bool read_item(struct config_load *l, size_t i, unsigned *claimed, struct err *err)
{
    const char *id = NULL;
    struct config_item it;
    struct model *m;
    struct err why;
    bool is_new;

    if (!item_open(&it, l, LIST_MODELS, i, fields, ARRAY_LEN(fields), err) ||
        !item_text(&it, "id", &id))
        return false;
    if (!id)
        return item_fail(&it, NULL, "expected an id like maker/model");
    if (!model_id_check(id, strlen(id), &why))
        return item_fail(&it, "id", "%s", why.msg);
    is_new = !model_find(&l->cfg->models, id, strlen(id));
    m = open_row(&it, i, id);
    return m && read_fields(&it, m, is_new) && read_defaults(&it, &l->cfg->models, m, claimed);
}

/* ---- names of other models ---- */

static bool fail_unknown_model(const struct config_item *it, const char *key, const char *id)
{
    const struct model_table *t = &it->l->cfg->models;
    const char **names = xmalloc((t->count + 1) * sizeof *names);
    struct err why;
    char got[CONFIG_QUOTED];

    for (size_t i = 0; i < t->count; i++)
        names[i] = t->rows[i].id;
    config_unknown(&why, "model", id, names, t->count);
    free(names);
    return item_fail(it, key, "%s: %.150s", config_quote(id, got), why.msg);
}

bool config_check_ids(const struct config_item *it, const char *key, const struct model_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++)
        if (!model_find(&it->l->cfg->models, ids->of[i], strlen(ids->of[i])))
            return fail_unknown_model(it, key, ids->of[i]);
    return true;
}

/* Following replacements from m must come to an end. */
static bool check_replacement(const struct config_item *it, const struct model *m)
{
    const struct model_table *t = &it->l->cfg->models;
    const char *next = m->replacement;
    char chain[160];
    size_t n = (size_t)snprintf(chain, sizeof chain, "%s", m->id);

    for (size_t steps = 0; next && steps <= t->count; steps++) {
        const struct model *to = model_find(t, next, strlen(next));

        if (!to)
            return fail_unknown_model(it, "replacement", next);
        if (n < sizeof chain)
            n += (size_t)snprintf(chain + n, sizeof chain - n, " -> %s", next);
        if (strcmp(next, m->id) == 0)
            return item_fail(it, "replacement", "replacements go in a circle: %s", chain);
        next = to->replacement;
    }
    return true;
}

static bool check_names(struct config_load *l, size_t i, struct err *err)
{
    struct config_item it;
    const struct model *m;
    const char *id;

    if (!item_open(&it, l, LIST_MODELS, i, fields, ARRAY_LEN(fields), err))
        return false;
    id = earlier(l, i, "id", "");
    m = model_find_at(&l->cfg->models, earlier(l, i, "provider", "together"), id, strlen(id));
    if (!m) /* a built-in row of another provider, which is none today */
        m = model_find(&l->cfg->models, id, strlen(id));
    return (!yaml_tree_get(it.node, "replacement") || check_replacement(&it, m)) &&
           (!yaml_tree_get(it.node, "fallbacks") ||
            config_check_ids(&it, "fallbacks", &m->fallbacks));
}

bool config_read_models(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_MODELS];
    unsigned claimed = 0;

    for (size_t i = 0; list && i < list->count; i++)
        if (!read_item(l, i, &claimed, err))
            return false;
    for (size_t i = 0; list && i < list->count; i++)
        if (!check_names(l, i, err))
            return false;
    return true;
}
