/* budget.c - see budget.h.  Nothing here waits or talks: periods, names, who pays.
 *
 * Calendar periods are worked out here and only compared in Lua, which is told
 * when the period that it is to use starts and ends and refuses another.
 *
 * A budget for something else (a priority, a key) is one more case in
 * speaks_of(), and, when each of it has a budget of its own, a third word in
 * budget_sum_name().
 */
#include "common/budget/budget.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/model/cost.h"

/* ---- periods ---- */

static int64_t start_ms(struct tm tm) { return (int64_t)timegm(&tm) * 1000; }

static void name_period(enum budget_per per, const struct tm *at, char name[16])
{
    struct buf b = BUF(15);

    buf_printf(&b, "%c%04d%02d", "hdm"[per], at -> tm_year + 1900, at -> tm_mon + 1);
    if (per != BUDGET_PER_MONTH)
        buf_printf(&b, "%02d", at->tm_mday);
    if (per == BUDGET_PER_HOUR)
        buf_printf(&b, "%02d", at->tm_hour);
    snprintf(name, 16, "%s", b.p ? b.p : "");
    buf_done(&b);
}

void budget_period_at(enum budget_per per, int64_t now_ms, struct budget_period *ret)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm at, from;

    gmtime_r(&now, &at);
    name_period(per, &at, ret->name);
    from = (struct tm){.tm_year = at.tm_year, .tm_mon = at.tm_mon, .tm_mday = 1};
    if (per != BUDGET_PER_MONTH)
        from.tm_mday = at.tm_mday;
    if (per == BUDGET_PER_HOUR)
        from.tm_hour = at.tm_hour;
    ret->starts_ms = start_ms(from);
    from.tm_mon += per == BUDGET_PER_MONTH;
    from.tm_mday += per == BUDGET_PER_DAY;
    from.tm_hour += per == BUDGET_PER_HOUR;
    ret->ends_ms = start_ms(from);
}

/* ---- who pays ---- */

/* A raw JSON string equal to text, escapes or not. */
static bool is_text(struct span raw, const char *text)
{
    struct buf b = BUF(raw.n);
    bool same;

    if (!raw.n || !memchr(raw.p, '\\', raw.n))
        return json_equals(raw, text);
    same = json_read_string(raw, &b) && span_is(buf_span(&b), text);
    buf_done(&b);
    return same;
}

static bool has_tag(struct span tags, const char *name, const char *value)
{
    struct json_iter it;
    bool has = false;

    if (!tags.n || !json_iter_init(&it, tags.p, tags.n))
        return false;
    while (json_next(&it)) /* the last of equal names counts, as everywhere */
        if (span_is(it.key, name))
            has = is_text(it.value, value);
    return has;
}

static bool speaks_of(const struct config_budget *b, const struct budget_who *who)
{
    switch (b->scope) {
    case BUDGET_FOR_ALL: return true;
    case BUDGET_FOR_EACH_TENANT: return who->tenant.n > 2;
    case BUDGET_FOR_TENANT: return is_text(who->tenant, b->value);
    case BUDGET_FOR_TAG: return has_tag(who->tags, b->tag, b->value);
    case BUDGET_FOR_MODEL: return span_is(who->model, b->value);
    }
    return false;
}

size_t budget_applying(const struct config *cfg, const struct budget_who *who,
                       unsigned char ret[CONFIG_BUDGETS_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < cfg->budget_count; i++)
        if (speaks_of(&cfg->budgets[i], who))
            ret[n++] = (unsigned char)i;
    return n;
}

/* ---- sums ---- */

void budget_sum_name(const struct config_budget *b, const struct budget_period *p,
                     struct span tenant, char text[BUDGET_SUM_NAME])
{
    char whose[65] = "";

    if (b->scope != BUDGET_FOR_EACH_TENANT)
        snprintf(text, BUDGET_SUM_NAME, "%s %s", b->name, p->name);
    else if (json_read_text(tenant, whose, sizeof whose))
        snprintf(text, BUDGET_SUM_NAME, "%s %s %s", b->name, p->name, whose);
    else /* no valid document has such a tenant */
        snprintf(text, BUDGET_SUM_NAME, "%s %s ?", b->name, p->name);
}

bool budget_sum_read(struct span value, struct budget_sum *ret)
{
    int64_t *const into[] = {&ret->spent_nanousd, &ret->reserved_nanousd, &ret->told_percent,
                             &ret->ends_ms, &ret->limit_nanousd};
    const char *p = value.p, *end = value.n ? p + value.n : p;

    for (size_t i = 0; i < ARRAY_LEN(into); i++) {
        const char *blank = p < end ? memchr(p, ' ', (size_t)(end - p)) : NULL;

        if (!blank || !parse_int64(p, (size_t)(blank - p), INT64_MIN, INT64_MAX, into[i]))
            return false;
        p = blank + 1;
    }
    return true;
}

const char *budget_usd(int64_t nanousd, char text[BUDGET_USD])
{
    size_t n;

    snprintf(text, BUDGET_USD, "%" PRId64 ".%09" PRId64, nanousd / 1000000000,
             nanousd % 1000000000);
    n = strlen(text);
    for (int digits = 9; digits > 2 && text[n - 1] == '0'; digits--)
        text[--n] = '\0';
    return text;
}

/* ---- the worst case ---- */

int64_t budget_worst(const struct model *m, unsigned task, struct span body, bool *ret_unpriced)
{
    struct cost c;

    cost_of_lost(&c, m, task, body);
    *ret_unpriced = (c.flags & COST_UNPRICED) != 0;
    return c.estimate_nanousd;
}
