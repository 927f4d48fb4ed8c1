/* test_alert.c - how bad what an alert tells is. */
#include <check.h>

#include "common/queue/alert.h"

static const struct {
    const char *code;
    enum alert_level level;
} codes[] = {{"bad_key", ALERT_ERROR},     {"route_opened", ALERT_WARNING},
             {"route_closed", ALERT_INFO}, {"of a newer program", ALERT_WARNING},
             {"budget_50", ALERT_INFO},    {"budget_95", ALERT_INFO},
             {"budget_100", ALERT_WARNING}};

START_TEST(a_code_has_a_level) { ck_assert_int_eq(alert_level(codes[_i].code), codes[_i].level); }
END_TEST

Suite *test_alert(void);
Suite *test_alert(void)
{
    Suite *s = suite_create("alert");
    TCase *t = tcase_create("levels");

    tcase_add_loop_test(t, a_code_has_a_level, 0, (int)ARRAY_LEN(codes));
    suite_add_tcase(s, t);
    return s;
}
