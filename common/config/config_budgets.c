/* config_budgets.c - what may be spent: budgets per tenant, tag, model or all.
 *
 *     budgets:
 *       - name: search-month
 *         for: {tag: {team: search}}   # or tag: "team:search"; tenant: acme; tenant: "*", which
 *                                      # is a budget of its own for each; model: ID; all: true
 *         per: month                   # hour, day, month: calendar periods in UTC
 *         limit_usd: 250
 *         policy: wait                 # default; or downgrade, batch, reject
 *         alert_percent: [50, 80, 100] # default: [80, 100]
 *
 * Several budgets may speak of the same jobs, with other periods, limits or
 * policies: each must have room.  A new policy is a name here and a row in
 * worker/inference/inference_budget.c.
 */
#include "common/config/config_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

#define TAG_VALUE_MAX     512
#define LIMIT_MAX_NANOUSD INT64_C(9000000000000000) /* 2^53 is a little more */

static const char *const fields[] = {"name", "for", "per", "limit_usd", "policy", "alert_percent"};
static const char *const scopes[] = {[BUDGET_FOR_ALL] = "all",
                                     [BUDGET_FOR_TENANT] = "tenant",
                                     [BUDGET_FOR_EACH_TENANT] = "tenant",
                                     [BUDGET_FOR_TAG] = "tag",
                                     [BUDGET_FOR_MODEL] = "model"};
static const char *const for_fields[] = {"tenant", "tag", "model", "all"};
static const char *const pers[] = {
    [BUDGET_PER_HOUR] = "hour", [BUDGET_PER_DAY] = "day", [BUDGET_PER_MONTH] = "month"};
static const char *const policies[] = {[BUDGET_WAIT] = "wait",
                                       [BUDGET_DOWNGRADE] = "downgrade",
                                       [BUDGET_BATCH] = "batch",
                                       [BUDGET_REJECT] = "reject"};

const char *budget_scope_name(enum budget_scope s) { return scopes[s]; }
const char *budget_per_name(enum budget_per p) { return pers[p]; }
const char *budget_policy_name(enum budget_policy p) { return policies[p]; }

/* ---- one of some words ---- */

/* ---- for ---- */

static bool read_all(const struct config_item *of, struct config_budget *b)
{
    const char *text = NULL;
    bool yes = false;
    char got[CONFIG_QUOTED];

    b->scope = BUDGET_FOR_ALL;
    if (!item_text(of, "all", &text))
        return false;
    return (parse_bool(text, strlen(text), &yes) && yes) ||
           item_fail(of, "all", "expected true; got %s", config_quote(text, got));
}

static bool read_tenant(const struct config_item *of, struct config_budget *b)
{
    const char *text = NULL;
    char got[CONFIG_QUOTED];

    if (!item_text(of, "tenant", &text))
        return false;
    if (strcmp(text, "*") == 0) {
        b->scope = BUDGET_FOR_EACH_TENANT;
        return true;
    }
    if (!check_name(text, 64))
        return item_fail(of, "tenant", "expected 1 to 64 of [A-Za-z0-9._-], or \"*\"; got %s",
                         config_quote(text, got));
    b->scope = BUDGET_FOR_TENANT;
    b->value = xstrdup(text);
    return true;
}

/* "team:search", or {team: search} */
static bool read_tag(const struct config_item *of, struct config_budget *b)
{
    const struct yaml_tree *tag = yaml_tree_get(of->node, "tag");
    const struct yaml_tree *pair = tag->kind == YAML_MAP && tag->count == 1 ? tag->items : NULL;
    const char *colon = tag->kind == YAML_TEXT ? strchr(tag->text, ':') : NULL;

    b->scope = BUDGET_FOR_TAG;
    if (pair && pair->kind == YAML_TEXT) {
        b->tag = xstrdup(pair->key);
        b->value = xstrdup(pair->text);
    } else if (colon) {
        b->tag = xstrndup(tag->text, (size_t)(colon - tag->text));
        b->value = xstrdup(colon + 1);
    } else {
        return item_fail(of, "tag", "expected one name and value, as \"team:search\"; got %s",
                         yaml_kind_name(tag->kind));
    }
    if (!check_name(b->tag, 64))
        return item_fail(of, "tag", "expected a name of 1 to 64 of [A-Za-z0-9._-] before the ':'");
    return strlen(b->value) <= TAG_VALUE_MAX ||
           item_fail(of, "tag", "expected at most 128 characters behind the ':'");
}

static bool read_model(const struct config_item *of, struct config_budget *b)
{
    const char *text = NULL;

    b->scope = BUDGET_FOR_MODEL;
    if (!item_text(of, "model", &text))
        return false;
    b->value = xstrdup(text);
    return true;
}

static bool read_for(const struct config_item *it, struct config_budget *b)
{
    static const struct {
        const char *name;
        bool (*read)(const struct config_item *of, struct config_budget *b);
    } readers[] = {
        {"tenant", read_tenant}, {"tag", read_tag}, {"model", read_model}, {"all", read_all}};
    struct config_item of;

    if (!item_map(it, "for", for_fields, ARRAY_LEN(for_fields), &of))
        return false;
    if (of.node->count > 1)
        return item_fail(it, "for", "expected one of tenant, tag, model and all; got %zu",
                         of.node->count);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++)
        if (strcmp(of.node->items[0].key, readers[i].name) == 0)
            return readers[i].read(&of, b);
    return false; /* item_map knows no others */
}

/* ---- alert_percent ---- */

/* Put percent where it belongs; false when it is there. */
static bool insert(struct config_budget *b, int percent)
{
    size_t at = b->alert_count;

    while (at > 0 && b->alert_percent[at - 1] > percent)
        at--;
    if (at > 0 && b->alert_percent[at - 1] == percent)
        return false;
    memmove(&b->alert_percent[at + 1], &b->alert_percent[at],
            (b->alert_count - at) * sizeof(b->alert_percent[0]));
    b->alert_percent[at] = percent;
    b->alert_count++;
    return true;
}

static bool read_alerts(const struct config_item *it, struct config_budget *b)
{
    static const char key[] = "alert_percent";
    const struct yaml_tree *list = yaml_tree_get(it->node, key);
    char got[CONFIG_QUOTED];

    if (!list)
        return insert(b, 80) && insert(b, 100);
    if (list->kind != YAML_LIST || list->count > CONFIG_BUDGET_ALERTS_MAX)
        return item_fail(it, key, "expected a list of at most %d, as [50, 80, 100]",
                         CONFIG_BUDGET_ALERTS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i].text;
        int64_t v;

        if (!text || !parse_int64(text, strlen(text), 1, 100, &v))
            return item_fail(it, key, "expected whole numbers from 1 to 100; got %s",
                             text ? config_quote(text, got) : yaml_kind_name(list->items[i].kind));
        if (!insert(b, (int)v))
            return item_fail(it, key, "%d is given twice", (int)v);
    }
    return true;
}

/* ---- a budget ---- */

static bool read_limit(const struct config_item *it, struct config_budget *b)
{
    b->limit_nanousd = -1;
    if (!item_usd(it, "limit_usd", &b->limit_nanousd))
        return false;
    if (b->limit_nanousd < 0)
        return item_fail(it, NULL, "expected limit_usd, as 'limit_usd: 250'");
    return b->limit_nanousd <= LIMIT_MAX_NANOUSD ||
           item_fail(it, "limit_usd", "expected at most %" PRId64, LIMIT_MAX_NANOUSD / 1000000000);
}

static bool read_words(const struct config_item *it, struct config_budget *b)
{
    size_t per = ARRAY_LEN(pers), policy = BUDGET_WAIT;

    if (!item_word(it, "per", pers, ARRAY_LEN(pers), &per) ||
        !item_word(it, "policy", policies, ARRAY_LEN(policies), &policy))
        return false;
    if (per == ARRAY_LEN(pers))
        return item_fail(it, NULL, "expected per: hour, day or month");
    b->per = (enum budget_per)per;
    b->policy = (enum budget_policy)policy;
    return true;
}

static bool read_name(const struct config_item *it, const struct config *c, const char **ret)
{
    if (!item_name(it, ret))
        return false;
    for (size_t i = 0; i < c->budget_count; i++)
        if (strcmp(c->budgets[i].name, *ret) == 0)
            return item_fail(it, "name", "expected another name; '%s' is taken", *ret);
    return true;
}

static bool read_item(struct config_load *l, size_t i, struct err *err)
{
    struct config *c = l->cfg;
    struct config_budget *b;
    const char *name = NULL;
    struct config_item it;

    if (!item_open(&it, l, LIST_BUDGETS, i, fields, ARRAY_LEN(fields), err) ||
        !read_name(&it, c, &name))
        return false;
    if (c->budget_count == CONFIG_BUDGETS_MAX)
        return item_fail(&it, NULL, "expected at most %d budgets", CONFIG_BUDGETS_MAX);
    c->budgets = xrealloc(c->budgets, (c->budget_count + 1) * sizeof(*c->budgets));
    b = &c->budgets[c->budget_count++];
    *b = (struct config_budget){.name = xstrdup(name)};
    return read_for(&it, b) && read_words(&it, b) && read_limit(&it, b) && read_alerts(&it, b);
}

bool config_read_budgets(struct config_load *l, struct err *err)
{
    const struct yaml_tree *list = l->lists[LIST_BUDGETS];

    for (size_t i = 0; list && i < list->count; i++)
        if (!read_item(l, i, err))
            return false;
    return true;
}

void config_free_budgets(struct config *c)
{
    for (size_t i = 0; i < c->budget_count; i++) {
        free(c->budgets[i].name);
        free(c->budgets[i].tag);
        free(c->budgets[i].value);
    }
    free(c->budgets);
}
