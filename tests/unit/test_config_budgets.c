/* The list `budgets:`: what it may say, the exact words when it is wrong, and how it is shown. */
#include <string.h>

#include "tests/unit/config_scene.h"

#define ITEM(text) "budgets:\n- " text "\n"
#define GOOD       "name: a, for: {all: true}, per: day, limit_usd: 1"
#define AT         "f.yaml:2: budgets[0]"

/* clang-format off */
static const struct {
    const char *text, *says;
} bad[] = {
    {"budgets: {a: 1}\n", "f.yaml:1: budgets: expected a list ('- name: ...')"},
    {"budget: []\n", "f.yaml:1: budget: unknown setting; did you mean 'budgets'?"},
    {ITEM("a"), AT ": expected a map ('name: ...'); got text"},
    {ITEM("{" GOOD ", limits_usd: 3}"), AT ".limits_usd: unknown field; did you mean 'limit_usd'?"},
    {ITEM("{for: {all: true}}"), AT ": expected a name"},
    {ITEM("{name: 'a b'}"), AT ".name: expected 1 to 32 of [A-Za-z0-9._-]; got 'a b'"},
    {"budgets:\n- {" GOOD "}\n- {" GOOD "}\n", "f.yaml:3: budgets[1].name: expected another name; 'a' is taken"},
    /* for */
    {ITEM("{name: a, per: day, limit_usd: 1}"), AT ": expected for, as 'for: {tenant: ...}'; got nothing"},
    {ITEM("{name: a, for: all}"), AT ".for: expected for, as 'for: {tenant: ...}'; got text"},
    {ITEM("{name: a, for: {}}"), AT ".for: expected for, as 'for: {tenant: ...}'; got a map"},
    {ITEM("{name: a, for: {tenent: x}}"), AT ".for.tenent: unknown field; did you mean 'tenant'?"},
    {ITEM("{name: a, for: {tenant: x, all: true}}"), AT ".for: expected one of tenant, tag, model and all; got 2"},
    {ITEM("{name: a, for: {all: false}}"), AT ".for.all: expected true; got 'false'"},
    {ITEM("{name: a, for: {tenant: 'x y'}}"), AT ".for.tenant: expected 1 to 64 of [A-Za-z0-9._-], or \"*\"; got 'x y'"},
    {ITEM("{name: a, for: {tenant: }}"), AT ".for.tenant: expected text; got nothing"},
    {ITEM("{name: a, for: {model: []}}"), AT ".for.model: expected text; got a list"},
    {ITEM("{name: a, for: {tag: team}}"), AT ".for.tag: expected one name and value, as \"team:search\"; got text"},
    {ITEM("{name: a, for: {tag: {a: b, c: d}}}"), AT ".for.tag: expected one name and value, as \"team:search\"; got a map"},
    {ITEM("{name: a, for: {tag: ':x'}}"), AT ".for.tag: expected a name of 1 to 64 of [A-Za-z0-9._-] before the ':'"},
    /* per, policy */
    {ITEM("{name: a, for: {all: true}, limit_usd: 1}"), AT ": expected per: hour, day or month"},
    {ITEM("{name: a, for: {all: true}, per: dya}"), AT ".per: 'dya': unknown per; did you mean 'day'?"},
    {ITEM("{" GOOD ", policy: regect}"), AT ".policy: 'regect': unknown policy; did you mean 'reject'?"},
    /* limit_usd */
    {ITEM("{name: a, for: {all: true}, per: day}"), AT ": expected limit_usd, as 'limit_usd: 250'"},
    {ITEM("{name: a, for: {all: true}, per: day, limit_usd: -1}"), AT ".limit_usd: expected an amount in USD like 0.15, not negative; got '-1'"},
    {ITEM("{name: a, for: {all: true}, per: day, limit_usd: 1 $}"), AT ".limit_usd: expected an amount in USD like 0.15, not negative; got '1 $'"},
    {ITEM("{name: a, for: {all: true}, per: day, limit_usd: 9000000.01}"), AT ".limit_usd: expected at most 9000000"},
    /* alert_percent */
    {ITEM("{" GOOD ", alert_percent: 80}"), AT ".alert_percent: expected a list of at most 8, as [50, 80, 100]"},
    {ITEM("{" GOOD ", alert_percent: [1,2,3,4,5,6,7,8,9]}"), AT ".alert_percent: expected a list of at most 8, as [50, 80, 100]"},
    {ITEM("{" GOOD ", alert_percent: [101]}"), AT ".alert_percent: expected whole numbers from 1 to 100; got '101'"},
    {ITEM("{" GOOD ", alert_percent: [[1]]}"), AT ".alert_percent: expected whole numbers from 1 to 100; got a list"},
    {ITEM("{" GOOD ", alert_percent: [80, 50, 80]}"), AT ".alert_percent: 80 is given twice"},
};
/* clang-format on */

START_TEST(refuses_a_bad_budget_with_one_clear_message)
{
    struct err err = {0};
    struct config *c = config_of(bad[_i].text, NULL, &err);

    ck_assert_msg(!c, "row %d was accepted:\n%s", _i, bad[_i].text);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_str_eq(err.msg, bad[_i].says);
}
END_TEST

static const char all_kinds[] =
    "budgets:\n"
    "  - {name: a, for: {tenant: acme}, per: hour, limit_usd: 0.000000001, policy: batch}\n"
    "  - {name: b, for: {tag: 'team:a:b'}, per: day, limit_usd: 9000000, alert_percent: [90, 5]}\n"
    "  - {name: c, for: {tag: {team: 7}}, per: month, limit_usd: 0, policy: downgrade}\n"
    "  - {name: d, for: {model: me/m}, per: day, limit_usd: 1e-2, alert_percent: []}\n"
    "  - {name: e, for: {tenant: '*'}, per: day, limit_usd: 1, policy: reject}\n"
    "  - {name: f, for: {all: yes}, per: day, limit_usd: 2.5, policy: wait}\n";

START_TEST(shows_what_it_read)
{
    static const char shown[] =
        "\nbudgets: [{\"name\":\"a\",\"for\":{\"tenant\":\"acme\"},\"per\":\"hour\","
        "\"limit_usd\":0.000000001,\"policy\":\"batch\",\"alert_percent\":[80,100]},"
        "{\"name\":\"b\",\"for\":{\"tag\":{\"team\":\"a:b\"}},\"per\":\"day\","
        "\"limit_usd\":9000000,\"policy\":\"wait\",\"alert_percent\":[5,90]},"
        "{\"name\":\"c\",\"for\":{\"tag\":{\"team\":\"7\"}},\"per\":\"month\","
        "\"limit_usd\":0,\"policy\":\"downgrade\",\"alert_percent\":[80,100]},"
        "{\"name\":\"d\",\"for\":{\"model\":\"me/m\"},\"per\":\"day\","
        "\"limit_usd\":0.01,\"policy\":\"wait\",\"alert_percent\":[]},"
        "{\"name\":\"e\",\"for\":{\"tenant\":\"*\"},\"per\":\"day\","
        "\"limit_usd\":1,\"policy\":\"reject\",\"alert_percent\":[80,100]},"
        "{\"name\":\"f\",\"for\":{\"all\":true},\"per\":\"day\","
        "\"limit_usd\":2.5,\"policy\":\"wait\",\"alert_percent\":[80,100]}]  # f.yaml:1\n";
    struct err err = {0};
    struct config *c = config_of(all_kinds, NULL, &err);
    struct buf out = BUF(1 << 20);

    ck_assert_msg(c, "%s", err.msg);
    ck_assert_uint_eq(c->budget_count, 6);
    config_show(c, &out, false);
    ck_assert_msg(strstr(out.p, shown), "not in:\n%s", strstr(out.p, "\nbudgets:"));
    buf_done(&out);
    config_free(c);
}
END_TEST

START_TEST(what_is_shown_is_read_again)
{
    struct err err = {0};
    struct config *a = config_of(all_kinds, NULL, &err), *b;
    struct buf out = BUF(1 << 20), changed = BUF(4096), restart = BUF(4096);
    char *list;

    config_show(a, &out, false);
    list = strstr(out.p, "\nbudgets:") + 1;
    list[strcspn(list, "\n")] = '\0';
    b = config_of(list, NULL, &err);
    ck_assert_msg(b, "%s", err.msg);
    config_diff(a, b, &changed, &restart);
    ck_assert_uint_eq(changed.n + restart.n, 0);
    b->budgets[3].limit_nanousd++;
    config_diff(a, b, &changed, &restart);
    ck_assert_str_eq(changed.p, "budgets"); /* a reload will do */
    ck_assert_uint_eq(restart.n, 0);
    buf_done(&out);
    buf_done(&changed);
    buf_done(&restart);
    config_free(a);
    config_free(b);
}
END_TEST

Suite *test_config_budgets(void);
Suite *test_config_budgets(void)
{
    Suite *s = suite_create("test_config_budgets");
    TCase *tc = tcase_create("config_budgets");

    tcase_add_loop_test(tc, refuses_a_bad_budget_with_one_clear_message, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, shows_what_it_read);
    tcase_add_test(tc, what_is_shown_is_read_again);
    suite_add_tcase(s, tc);
    return s;
}
