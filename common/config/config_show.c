/* config_show.c - a configuration as text: for people, for programs, for a reload.
 *
 * Scalars come from the table, lists are written as JSON, which is YAML as
 * well, so that one writer serves all three:
 *
 *   show, text    workers.lease_ms: 10000  # default
 *   show, JSON    {"key":"workers.lease_ms","value":10000,"origin":"default"}
 *   diff          two configurations are equal when their texts are
 *
 * Secrets are *** unless they are empty; of redis.url only the password is.
 * The comparison alone writes secrets out, into memory that it frees.
 */
#include "common/config/config_parts.h"

#include <string.h>

#include "common/config/model_doc.h"
#include "common/core/json.h"

#define SHOW_MAX_BYTES ((size_t)8 * 1024 * 1024)

/* ---- lists as JSON ---- */

static void open_item(struct buf *b)
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

        open_item(b);
        json_add_str(b, "name", p->name);
        json_add_str(b, "base_url", p->base_url);
        add_key(b, "api_key", p->api_key, secrets);
        buf_putc(b, '}');
    }
}

static void add_groups(const struct config *c, struct buf *b, bool secrets)
{
    (void)secrets;
    for (size_t i = 0; i < c->group_count; i++) {
        const struct config_group *g = &c->groups[i];

        open_item(b);
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
    open_item(b);
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
        open_item(b);
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

        open_item(b);
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

static void add_list(const struct config *c, enum config_list list, struct buf *b, bool secrets)
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

/* ---- scalars ---- */

/* scheme://user:password@host with the password hidden. */
static void add_redacted_url(const char *url, struct buf *b)
{
    const char *scheme = strstr(url, "://");
    const char *host = scheme ? scheme + 3 : url;
    const char *colon = strchr(host, ':');
    const char *at = NULL;

    for (const char *p = host; *p && *p != '/'; p++)
        at = *p == '@' ? p : at;
    if (at && colon && colon < at)
        buf_printf(b, "%.*s***%s", (int)(colon + 1 - url), url, at);
    else
        buf_puts(b, url);
}

static bool needs_quotes(const char *text)
{
    static const char *const words[] = {"~", "null", "Null", "NULL"};

    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (strcmp(text, words[i]) == 0)
            return true;
    return !*text || strchr("-?:,[]{}#&*!|>'\"%@` ", *text) || strstr(text, ": ") ||
           strstr(text, " #") || text[strlen(text) - 1] == ':' || text[strlen(text) - 1] == ' ';
}

static void add_scalar(const struct config *c, enum setting_id id, struct buf *b, bool json)
{
    const struct setting *s = &config_settings[id];
    struct buf text = BUF(SHOW_MAX_BYTES);

    if (s->type == SETTING_STR && id == SETTING_redis_url)
        add_redacted_url(c->redis_url, &text);
    else if (s->flags & SECRET)
        buf_puts(&text, *setting_str(c, s) ? "***" : "");
    else
        setting_text(c, s, &text);
    if ((s->type == SETTING_STR || s->type == SETTING_ENUM) &&
        (json || needs_quotes(text.p ? text.p : "")))
        json_add_string(b, text.p ? text.p : "", text.n);
    else
        buf_add(b, text.p, text.n);
    buf_done(&text);
}

/* ---- show ---- */

static void add_scalar_origin(const struct config *c, enum setting_id id, struct buf *ret)
{
    if (c->origins->of[id].env[0])
        buf_puts(ret, "environment ");
    config_place(c, id, ret);
}

static void add_list_origin(const struct config *c, enum config_list list, struct buf *ret)
{
    if (c->origins->list_line[list])
        buf_printf(ret, "%s:%d", c->path, c->origins->list_line[list]);
    else
        buf_puts(ret, "default");
}

/* One entry: its key, its value as written by a caller, its origin. */
static void add_entry(struct buf *out, const char *key, const struct buf *value,
                      const struct buf *origin, bool json)
{
    if (!json) {
        buf_printf(out, "%s: ", key);
        buf_add_span(out, buf_span(value));
        buf_printf(out, "  # %s\n", origin->p);
        return;
    }
    open_item(out);
    json_add_str(out, "key", key);
    json_add_raw(out, "value", buf_span(value));
    json_add_str(out, "origin", origin->p);
    buf_putc(out, '}');
}

void config_show(const struct config *c, struct buf *out, bool json)
{
    struct buf value = BUF(SHOW_MAX_BYTES);
    struct buf origin = BUF(SHOW_MAX_BYTES);

    if (json)
        buf_putc(out, '[');
    for (int i = 0; i < SETTING_COUNT + LIST_COUNT; i++) {
        bool scalar = i < SETTING_COUNT;
        int list = i - SETTING_COUNT;

        buf_clear(&value);
        buf_clear(&origin);
        if (scalar) {
            add_scalar(c, (enum setting_id)i, &value, json);
            add_scalar_origin(c, (enum setting_id)i, &origin);
        } else {
            add_list(c, (enum config_list)list, &value, false);
            add_list_origin(c, (enum config_list)list, &origin);
        }
        add_entry(out, scalar ? config_settings[i].name : config_list_names[list], &value, &origin,
                  json);
    }
    if (json)
        buf_puts(out, "]\n");
    buf_done(&value);
    buf_done(&origin);
}

/* ---- diff ---- */

static bool same_list(const struct config *a, const struct config *b, enum config_list list)
{
    struct buf ta = BUF(SHOW_MAX_BYTES);
    struct buf tb = BUF(SHOW_MAX_BYTES);
    bool same;

    add_list(a, list, &ta, true);
    add_list(b, list, &tb, true);
    same = ta.n == tb.n && memcmp(ta.p, tb.p, ta.n) == 0;
    buf_done(&ta);
    buf_done(&tb);
    return same;
}

static void add_name(struct buf *b, const char *name)
{
    buf_printf(b, "%s%s", b->n ? ", " : "", name);
}

/* Do groups differ in no more than their numbers of processes and calls? */
static bool same_shape(const struct config *a, const struct config *b)
{
    if (a->group_count != b->group_count)
        return false;
    for (size_t i = 0; i < a->group_count; i++) {
        const struct config_group *ga = &a->groups[i];
        const struct config_group *gb = &b->groups[i];

        if (strcmp(ga->name, gb->name) != 0 || ga->queue_count != gb->queue_count)
            return false;
        for (size_t q = 0; q < ga->queue_count; q++)
            if (strcmp(ga->queues[q].name, gb->queues[q].name) != 0 ||
                ga->queues[q].weight != gb->queues[q].weight)
                return false;
    }
    return true;
}

void config_diff(const struct config *old, const struct config *new_, struct buf *changed,
                 struct buf *restart)
{
    bool implicit = !old->origins->list_line[LIST_GROUPS] && !new_->origins->list_line[LIST_GROUPS];

    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (!setting_equal(old, new_, &config_settings[i]))
            add_name(config_settings[i].flags & BOOT ? restart : changed, config_settings[i].name);
    if (!same_list(old, new_, LIST_PROVIDERS))
        add_name(restart, config_list_names[LIST_PROVIDERS]);
    if (!implicit && !same_list(old, new_, LIST_GROUPS)) /* the implicit one is in the scalars */
        add_name(same_shape(old, new_) ? changed : restart, config_list_names[LIST_GROUPS]);
    if (!same_list(old, new_, LIST_MODELS))
        add_name(changed, config_list_names[LIST_MODELS]);
    if (!same_list(old, new_, LIST_FALLBACKS))
        add_name(changed, config_list_names[LIST_FALLBACKS]);
    if (!same_list(old, new_, LIST_BUDGETS))
        add_name(changed, config_list_names[LIST_BUDGETS]);
}

void config_keep_boot(struct config *fresh, const struct config *old)
{
    struct err err;
    struct buf text = BUF(65536);

    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const struct setting *s = &config_settings[i];

        if (!(s->flags & BOOT) || setting_equal(old, fresh, s))
            continue;
        buf_clear(&text);
        setting_text(old, s, &text);
        if (!setting_set(fresh, s, text.n ? text.p : "", &err))
            continue; /* it was accepted before */
        fresh->origins->of[i] = old->origins->of[i];
    }
    buf_done(&text);
}
