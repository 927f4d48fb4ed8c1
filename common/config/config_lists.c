/* config_lists.c - the lists of a configuration as JSON, as the file could have them.
 *
 *     models: [{"id":"my/model","provider":"local","tasks":["chat"], ...}]
 *
 * They are shown, and two configurations are compared by them: what a reload must notice has to be
 * here.  A key is *** for people and itself for the comparison.  Rows that are as built in, and the
 * provider that is in the scalars, are not written.
 *
 * A new field is a line in its writer; a new list is a writer and a row in config_write_list(). */
#include "common/config/config_parts.h"

#include <string.h>

#include "common/core/json.h"
#include "common/model/model_doc.h"

void config_open_item(struct buf *b)
{
    if (b->p[b->n - 1] != '[')
        buf_putc(b, ',');
    buf_putc(b, '{');
}

static void add_key(struct buf *b, const char *name, const char *key, bool secrets)
{
    if (key)
        json_add_str(b, name, secrets ? key : "***");
}

/* Together is in the scalars; the others are what the list says. */
static void add_providers(const struct config *c, struct buf *b, bool secrets)
{
    for (size_t i = 1; i < c->provider_count; i++) {
        const struct config_provider *p = &c->providers[i];

        config_open_item(b);
        json_add_str(b, "name", p->name);
        json_add_str(b, "base_url", p->base_url);
        add_key(b, "api_key", p->api_key, secrets);
        if (p->ca_file)
            json_add_str(b, "ca_file", p->ca_file);
        if (p->stream_usage != STREAM_USAGE_AUTO)
            json_add_str(b, "stream_usage", config_stream_usage_name(p));
        buf_putc(b, '}');
    }
}

static void add_groups(const struct config *c, struct buf *b, bool secrets)
{
    (void)secrets;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct config_group *g = &c->groups[i];

        config_open_item(b);
        json_add_str(b, "name", g->name);
        json_add_int(b, "processes", g->processes);
        json_add_int(b, "concurrency", g->concurrency);
        json_add_key(b, "queues");
        buf_putc(b, '{');
        for (size_t q = 0; q < g->queue_count; q++)
            json_add_int(b, g->queues[q].name, g->queues[q].weight);
        buf_puts(b, "}}");
    }
}

static void add_ids(struct buf *b, const char *name, const struct model_ids *ids)
{
    json_add_key(b, name);
    buf_putc(b, '[');
    for (size_t i = 0; i < ids->count; i++) {
        if (i)
            buf_putc(b, ',');
        json_add_text(b, ids->of[i]);
    }
    buf_putc(b, ']');
}

/* Built-in rows name no other models. */
static bool same_routing(const struct model *a, const struct model *b)
{
    return a->quality_permille == b->quality_permille && a->p50_ms == b->p50_ms &&
           a->features == b->features && a->allowed == b->allowed && a->routed == b->routed &&
           a->max_concurrency == b->max_concurrency && !a->replacement && !a->fallbacks.count;
}

static bool same_model(const struct model *a, const struct model *b)
{
    return strcmp(a->provider, b->provider) == 0 && a->tasks == b->tasks &&
           a->in_nanousd == b->in_nanousd && a->out_nanousd == b->out_nanousd &&
           a->cached_nanousd == b->cached_nanousd && a->image_nanousd == b->image_nanousd &&
           a->image_unit == b->image_unit && a->context == b->context &&
           a->batch_percent == b->batch_percent && a->default_for == b->default_for &&
           same_routing(a, b);
}

static void add_routing(struct buf *b, const struct model *m)
{
    json_add_key(b, "quality");
    buf_printf(b, "%d.%03d", m->quality_permille / QUALITY_MAX, m->quality_permille % QUALITY_MAX);
    json_add_int(b, "p50_ms", m->p50_ms);
    model_doc_add_set(b, "features", &model_features, m->features);
    json_add_bool(b, "allowed", m->allowed);
    json_add_bool(b, "routed", m->routed);
    json_add_int(b, "max_concurrency", m->max_concurrency);
    if (m->replacement)
        json_add_str(b, "replacement", m->replacement);
    add_ids(b, "fallbacks", &m->fallbacks);
}

static void add_model(struct buf *b, const struct model *m)
{
    config_open_item(b);
    json_add_str(b, "id", m->id);
    json_add_str(b, "provider", m->provider);
    model_doc_add_set(b, "tasks", &model_tasks, m->tasks);
    model_doc_add_prices(b, m);
    json_add_int(b, "context", m->context);
    json_add_int(b, "batch_discount_percent", 100 - m->batch_percent);
    model_doc_add_set(b, "default_for", &model_tasks, m->default_for);
    add_routing(b, m);
    buf_putc(b, '}');
}

/* The rows that are not as built in. */
static void add_models(const struct config *c, struct buf *b, bool secrets)
{
    struct model_table builtin;

    (void)secrets;
    model_table_builtin(&builtin);
    for (size_t i = 0; i < c->models.count; i++) {
        const struct model *m = &c->models.rows[i];
        const struct model *was = i < builtin.count ? &builtin.rows[i] : NULL;

        if (!was || !same_model(m, was))
            add_model(b, m);
    }
    model_table_done(&builtin);
}

static void add_fallbacks(const struct config *c, struct buf *b, bool secrets)
{
    (void)secrets;
    for (unsigned i = 0; i < TASK_COUNT; i++) {
        if (!c->fallbacks[i].count)
            continue;
        config_open_item(b);
        json_add_str(b, "task", task_name((enum task_bit)(1u << i)));
        add_ids(b, "models", &c->fallbacks[i]);
        buf_putc(b, '}');
    }
}

static void add_budget_for(struct buf *b, const struct config_budget *g)
{
    json_add_key(b, "for");
    buf_putc(b, '{');
    if (g->scope == BUDGET_FOR_ALL) {
        json_add_bool(b, "all", true);
    } else if (g->scope == BUDGET_FOR_TAG) {
        json_add_key(b, "tag");
        buf_putc(b, '{');
        json_add_str(b, g->tag, g->value);
        buf_putc(b, '}');
    } else {
        json_add_str(b, budget_scope_name(g->scope),
                     g->scope == BUDGET_FOR_EACH_TENANT ? "*" : g->value);
    }
    buf_putc(b, '}');
}

static void add_budgets(const struct config *c, struct buf *b, bool secrets)
{
    (void)secrets;
    for (size_t i = 0; i < c->budget_count; i++) {
        const struct config_budget *g = &c->budgets[i];

        config_open_item(b);
        json_add_str(b, "name", g->name);
        add_budget_for(b, g);
        json_add_str(b, "per", budget_per_name(g->per));
        json_add_usd(b, "limit_usd", g->limit_nanousd);
        json_add_str(b, "policy", budget_policy_name(g->policy));
        json_add_key(b, "alert_percent");
        buf_putc(b, '[');
        for (size_t k = 0; k < g->alert_count; k++)
            buf_printf(b, "%s%d", k ? "," : "", g->alert_percent[k]);
        buf_puts(b, "]}");
    }
}

void config_write_list(const struct config *c, enum config_list list, struct buf *b, bool secrets)
{
    static void (*const writers[])(const struct config *, struct buf *,
                                   bool) = {[LIST_PROVIDERS] = add_providers,
                                            [LIST_GROUPS] = add_groups,
                                            [LIST_MODELS] = add_models,
                                            [LIST_FALLBACKS] = add_fallbacks,
                                            [LIST_BUDGETS] = add_budgets};

    buf_putc(b, '[');
    writers[list](c, b, secrets);
    buf_putc(b, ']');
}
