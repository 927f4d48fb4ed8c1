/* budgets.c - `budgets`: what is spent and set aside of each budget in its present period.
 *
 * The budgets are those of the configuration, the sums those of Redis, the
 * period is the one of Redis's clock.  A budget of each tenant has a row for
 * each that spent something; sums of budgets that are configured no more are
 * not shown. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/budget/budget.h"
#include "common/core/clock.h"
#include "scheduler/cli/cli.h"

struct row {
    const struct config_budget *budget;
    struct budget_period period;
    const char *tenant; /* of each; else NULL */
    struct budget_sum sum;
};

struct output {
    struct cli_table *table;
    json_t *list;
};

static int64_t percent(const struct row *r)
{
    const int64_t limit = r->budget->limit_nanousd, spent = r->sum.spent_nanousd;
    const int64_t most = INT64_MAX / 100;

    if (limit <= 0)
        return spent > 0 ? 100 : 0;
    return spent <= most ? spent * 100 / limit : min64(spent / limit, most) * 100;
}

/* ---- whose ---- */

static void whose_text(const struct row *r, char *text, size_t size)
{
    const struct config_budget *b = r->budget;

    if (b->scope == BUDGET_FOR_ALL)
        snprintf(text, size, "all");
    else if (b->scope == BUDGET_FOR_TAG)
        snprintf(text, size, "tag %s:%s", b->tag, b->value);
    else if (b->scope == BUDGET_FOR_EACH_TENANT)
        snprintf(text, size, "tenant %s", r->tenant ? r->tenant : "*");
    else
        snprintf(text, size, "%s %s", budget_scope_name(b->scope), b->value);
}

static json_t *whose_json(const struct row *r)
{
    const struct config_budget *b = r->budget;

    if (b->scope == BUDGET_FOR_ALL)
        return json_pack("{s:b}", "all", true);
    if (b->scope == BUDGET_FOR_TAG)
        return json_pack("{s:{s:s}}", "tag", b->tag, b->value);
    return json_pack("{s:s}", budget_scope_name(b->scope),
                     b->scope != BUDGET_FOR_EACH_TENANT ? b->value
                     : r->tenant                        ? r->tenant
                                                        : "*");
}

/* ---- a row ---- */

static void add_cells(struct cli_table *t, const struct row *r)
{
    char whose[256];

    whose_text(r, whose, sizeof whose);
    cli_table_cell(t, "%s", r->budget->name);
    cli_table_cell(t, "%s", whose);
    cli_table_cell(t, "%s %s", budget_per_name(r->budget->per), r->period.name + 1);
    cli_table_cell(t, "%s", cli_usd(r->budget->limit_nanousd));
    cli_table_cell(t, "%s", cli_usd(r->sum.spent_nanousd));
    cli_table_cell(t, "%s", cli_usd(r->sum.reserved_nanousd));
    cli_table_cell(t, "%" PRId64, percent(r));
    cli_table_cell(t, "%s", budget_policy_name(r->budget->policy));
}

static json_t *row_json(const struct row *r)
{
    char starts[25], ends[25];

    return json_pack(
        "{s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:s}", "name", r->budget->name, "for",
        whose_json(r), "per", budget_per_name(r->budget->per), "period", r->period.name + 1,
        "starts", clock_rfc3339(r->period.starts_ms, starts), "ends",
        clock_rfc3339(r->period.ends_ms, ends), "limit_nanousd",
        (json_int_t)r->budget->limit_nanousd, "spent_nanousd", (json_int_t)r->sum.spent_nanousd,
        "reserved_nanousd", (json_int_t)r->sum.reserved_nanousd, "percent", (json_int_t)percent(r),
        "policy", budget_policy_name(r->budget->policy));
}

static void add_row(struct output *o, const struct row *r)
{
    add_cells(o->table, r);
    json_array_append_new(o->list, row_json(r));
}

/* ---- the sums of one budget ---- */

/* The tenant of a sum's name, "" when it has none; NULL: another budget's or period's. */
static const char *tenant_of(struct span name, const struct row *r, char text[BUDGET_SUM_NAME])
{
    char own[BUDGET_SUM_NAME];
    size_t n;

    snprintf(own, sizeof own, "%s %s", r->budget->name, r->period.name);
    n = strlen(own);
    if (name.n < n || name.n >= BUDGET_SUM_NAME || memcmp(name.p, own, n) != 0)
        return NULL;
    snprintf(text, BUDGET_SUM_NAME, "%.*s", (int)(name.n - n), name.p + n);
    if (text[0] == ' ' && r->budget->scope == BUDGET_FOR_EACH_TENANT)
        return text + 1;
    return text[0] == '\0' ? text : NULL;
}

static void add_budget(struct output *o, const struct config_budget *b, const struct reply *sums,
                       int64_t now_ms)
{
    struct row row = {.budget = b};
    char text[BUDGET_SUM_NAME];
    bool found = false;

    budget_period_at(b->per, now_ms, &row.period);
    for (size_t i = 0; i + 1 < reply_count(sums); i += 2) {
        const char *tenant = tenant_of(reply_span(reply_at(sums, i)), &row, text);

        if (!tenant || !budget_sum_read(reply_span(reply_at(sums, i + 1)), &row.sum))
            continue;
        row.tenant = *tenant ? tenant : NULL;
        add_row(o, &row);
        found = true;
    }
    if (!found)
        add_row(o, &(struct row){.budget = b, .period = row.period});
}

int cli_budgets(struct cli *c)
{
    static const char *const headers[] = {"BUDGET", "FOR",      "PERIOD", "LIMIT",
                                          "SPENT",  "RESERVED", "%",      "POLICY"};
    struct output o = {0};
    const struct reply *r;
    int64_t now_ms;

    if (c->argc > 0)
        return cli_usage(c);
    r = cli_callv(c, "TIME", NULL);
    now_ms = reply_int(reply_at(r, 0)) * 1000;
    r = r ? cli_callv(c, "HGETALL", key(&c->keys, KEY_BUDGET), NULL) : NULL;
    if (!r)
        return CLI_FAILED;
    o.table = cli_table_new(c, headers, ARRAY_LEN(headers));
    o.list = json_array();
    for (size_t i = 0; i < c->cfg->budget_count; i++)
        add_budget(&o, &c->cfg->budgets[i], r, now_ms);
    cli_print(c, o.table, o.list);
    return CLI_OK;
}
