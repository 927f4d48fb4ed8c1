/* Periods, who pays, names of sums, worst cases. */
#include "common/budget/budget.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/core/clock.h"
#include "common/model/cost.h"

static const char *no_env[] = {NULL};

static struct span span(const char *text) { return (struct span){text, text ? strlen(text) : 0}; }

/* ---- periods ---- */

static const struct {
    const char *at;
    enum budget_per per;
    const char *name, *starts, *ends;
} periods[] = {
    {"2026-11-22T13:05:09.123Z", BUDGET_PER_HOUR, "h2026112213", "2026-11-22T13:00:00.000Z",
     "2026-11-22T14:00:00.000Z"},
    {"2026-12-31T23:59:59.999Z", BUDGET_PER_HOUR, "h2026123123", "2026-12-31T23:00:00.000Z",
     "2027-01-01T00:00:00.000Z"},
    {"2026-11-22T00:00:00.000Z", BUDGET_PER_DAY, "d20261122", "2026-11-22T00:00:00.000Z",
     "2026-11-23T00:00:00.000Z"},
    {"2028-02-28T23:59:59.999Z", BUDGET_PER_DAY, "d20280228", "2028-02-28T00:00:00.000Z",
     "2028-02-29T00:00:00.000Z"},
    {"2028-02-29T12:00:00.000Z", BUDGET_PER_MONTH, "m202802", "2028-02-01T00:00:00.000Z",
     "2028-03-01T00:00:00.000Z"},
    {"2026-12-01T00:00:00.000Z", BUDGET_PER_MONTH, "m202612", "2026-12-01T00:00:00.000Z",
     "2027-01-01T00:00:00.000Z"},
};

START_TEST(periods_are_those_of_the_calendar_in_utc)
{
    struct budget_period p;
    char text[25];
    int64_t at;

    ck_assert(clock_parse_rfc3339(periods[_i].at, strlen(periods[_i].at), &at));
    budget_period_at(periods[_i].per, at, &p);
    ck_assert_str_eq(p.name, periods[_i].name);
    ck_assert_str_eq(clock_rfc3339(p.starts_ms, text), periods[_i].starts);
    ck_assert_str_eq(clock_rfc3339(p.ends_ms, text), periods[_i].ends);
}
END_TEST

START_TEST(one_period_follows_another_without_a_gap)
{
    int64_t at = INT64_C(1795000000000);

    for (int per = BUDGET_PER_HOUR; per <= BUDGET_PER_MONTH; per++)
        for (int i = 0; i < 500; i++) {
            struct budget_period p, next;

            budget_period_at((enum budget_per)per, at, &p);
            ck_assert(p.starts_ms <= at && at < p.ends_ms);
            budget_period_at((enum budget_per)per, p.ends_ms, &next);
            ck_assert_int_eq(next.starts_ms, p.ends_ms);
            ck_assert_str_ne(next.name, p.name);
            at = p.ends_ms + (i * INT64_C(7919)) % (p.ends_ms - p.starts_ms);
        }
}
END_TEST

/* ---- who pays ---- */

static const char budgets[] =
    "budgets:\n"
    "  - {name: all, for: {all: true}, per: month, limit_usd: 1000}\n"
    "  - {name: acme, for: {tenant: acme}, per: day, limit_usd: 1}\n"
    "  - {name: each, for: {tenant: '*'}, per: hour, limit_usd: 2}\n"
    "  - {name: search, for: {tag: 'team:search'}, per: day, limit_usd: 3}\n"
    "  - {name: quoted, for: {tag: {team.b-c: '\xc3\xa4 \"q\"'}}, per: day, limit_usd: 3}\n"
    "  - {name: model, for: {model: Qwen/Qwen3.5-9B}, per: day, limit_usd: 4}\n";

static const struct {
    const char *tenant, *tags, *model, *pay;
} payers[] = {
    {NULL, NULL, "x", "all"},
    {"\"acme\"", NULL, "x", "all acme each"},
    {"\"acm\\u0065\"", NULL, "x", "all acme each"},
    {"\"acme2\"", "{}", "x", "all each"},
    {NULL, "{\"team\":\"search\"}", "Qwen/Qwen3.5-9B", "all search model"},
    {NULL, "{\"team\":\"search\",\"team\":\"x\"}", "Qwen/Qwen3.5-9", "all"},
    {NULL, "{\"x\":\"search\",\"team\":\"sear\\u0063h\"}", "", "all search"},
    {NULL, "{\"team.b-c\":\"\xc3\xa4 \\\"q\\\"\"}", "x", "all quoted"},
    {NULL, "{\"team\":7}", "x", "all"},
};

START_TEST(budgets_apply_to_their_jobs)
{
    struct err err = {0};
    struct config *c = config_build("f.yaml", budgets, strlen(budgets), no_env, &err);
    const struct budget_who who = {span(payers[_i].tenant), span(payers[_i].tags),
                                   span(payers[_i].model)};
    unsigned char which[CONFIG_BUDGETS_MAX];
    char names[200] = "";
    size_t n, at = 0;

    ck_assert_msg(c, "%s", err.msg);
    n = budget_applying(c, &who, which);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? " " : "",
                               c->budgets[which[i]].name);
    ck_assert_str_eq(names, payers[_i].pay);
    config_free(c);
}
END_TEST

/* ---- sums ---- */

START_TEST(a_sum_is_named_by_budget_period_and_for_each_by_tenant)
{
    static char a[] = "a", e[] = "e";
    const struct config_budget all = {.name = a, .scope = BUDGET_FOR_ALL};
    const struct config_budget each = {.name = e, .scope = BUDGET_FOR_EACH_TENANT};
    const struct budget_period p = {.name = "d20261122"};
    char text[BUDGET_SUM_NAME];

    budget_sum_name(&all, &p, span("\"acme\""), text);
    ck_assert_str_eq(text, "a d20261122");
    budget_sum_name(&each, &p, span("\"acme\""), text);
    ck_assert_str_eq(text, "e d20261122 acme");
    budget_sum_name(&each, &p, span("\"a\\u0063me\""), text);
    ck_assert_str_eq(text, "e d20261122 acme");
}
END_TEST

START_TEST(a_sum_is_read_or_refused)
{
    static const char *const bad[] = {"", "1", "1 2 3 4 5", "1 2 x 4 5 6", "a b c d e f"};
    struct budget_sum s;

    ck_assert(budget_sum_read(span("712 41 50 1795392000000 1000 50,80"), &s));
    ck_assert(s.spent_nanousd == 712 && s.reserved_nanousd == 41 && s.told_percent == 50);
    ck_assert(s.ends_ms == INT64_C(1795392000000) && s.limit_nanousd == 1000);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert(!budget_sum_read(span(bad[i]), &s));
}
END_TEST

static const struct {
    int64_t nanousd;
    const char *text;
} amounts[] = {{0, "0.00"},
               {1, "0.000000001"},
               {24900000000, "24.90"},
               {4200000, "0.0042"},
               {1000000000, "1.00"},
               {999999999, "0.999999999"},
               {50000000, "0.05"},
               {9000000000000000, "9000000.00"}};

START_TEST(amounts_are_written_exactly)
{
    char text[BUDGET_USD];

    ck_assert_str_eq(budget_usd(amounts[_i].nanousd, text), amounts[_i].text);
}
END_TEST

/* ---- the worst case ---- */

static const struct {
    const char *model, *body;
    unsigned task;
    int64_t worst;
    bool unpriced;
} worsts[] = {
    /* 63 bytes: 21 + 16 prompt tokens at 170, 100 at 250 */
    {"Qwen/Qwen3.5-9B",
     "{\"max_tokens\":100,\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}", TASK_CHAT,
     37 * 170 + 100 * 250, false},
    {"nobody/knows", "{\"messages\":[]}", TASK_CHAT, 0, true},
    {NULL, "{\"messages\":[]}", TASK_CHAT, 0, true},
};

START_TEST(the_worst_case_is_what_a_lost_answer_may_have_cost)
{
    struct err err = {0};
    struct config *c = config_build(NULL, NULL, 0, no_env, &err);
    const struct model *m = worsts[_i].model
                                ? model_find(&c->models, worsts[_i].model, strlen(worsts[_i].model))
                                : NULL;
    bool unpriced = !worsts[_i].unpriced;
    struct cost lost;

    ck_assert_int_eq(budget_worst(m, worsts[_i].task, span(worsts[_i].body), &unpriced),
                     worsts[_i].worst);
    ck_assert_int_eq(unpriced, worsts[_i].unpriced);
    cost_of_lost(&lost, m, worsts[_i].task, span(worsts[_i].body));
    ck_assert_int_eq(lost.estimate_nanousd, worsts[_i].worst);
    config_free(c);
}
END_TEST

Suite *test_budget(void);
Suite *test_budget(void)
{
    Suite *s = suite_create("test_budget");
    TCase *tc = tcase_create("budget");

    tcase_add_loop_test(tc, periods_are_those_of_the_calendar_in_utc, 0, (int)ARRAY_LEN(periods));
    tcase_add_test(tc, one_period_follows_another_without_a_gap);
    tcase_add_loop_test(tc, budgets_apply_to_their_jobs, 0, (int)ARRAY_LEN(payers));
    tcase_add_test(tc, a_sum_is_named_by_budget_period_and_for_each_by_tenant);
    tcase_add_test(tc, a_sum_is_read_or_refused);
    tcase_add_loop_test(tc, amounts_are_written_exactly, 0, (int)ARRAY_LEN(amounts));
    tcase_add_loop_test(tc, the_worst_case_is_what_a_lost_answer_may_have_cost, 0,
                        (int)ARRAY_LEN(worsts));
    suite_add_tcase(s, tc);
    return s;
}
