#include <check.h>
#include <string.h>

#include "common/core/err.h"

START_TEST(set_fills_kind_and_message_and_returns_false)
{
    struct err err = {0};

    ck_assert(!err_set(&err, ERR_INVALID, "model: '%s' is not offered", "m"));
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_str_eq(err.msg, "model: 'm' is not offered");
}
END_TEST

START_TEST(wrap_puts_a_prefix_before_the_message)
{
    struct err err = {0};

    (void)err_set(&err, ERR_CONFIG, "no such key");
    ck_assert(!err_wrap(&err, "line %d", 7));
    ck_assert(!err_wrap(&err, "%s", "flotilla.yaml"));
    ck_assert_str_eq(err.msg, "flotilla.yaml: line 7: no such key");
    ck_assert_int_eq(err.kind, ERR_CONFIG);
}
END_TEST

START_TEST(a_message_may_be_made_from_the_one_it_replaces)
{
    struct err err = {0};

    (void)err_set(&err, ERR_REDIS, "ERR no");
    (void)err_set(&err, ERR_INTERNAL, "Redis said '%s'", err.msg);
    ck_assert_str_eq(err.msg, "Redis said 'ERR no'");
}
END_TEST

START_TEST(a_long_message_is_cut_and_says_so)
{
    struct err err = {0};
    char text[2000];

    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    (void)err_set(&err, ERR_INVALID, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
    ck_assert_str_eq(err.msg + sizeof err.msg - 5, "x...");
    (void)err_wrap(&err, "prefix");
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
    ck_assert(strncmp(err.msg, "prefix: xxx", 11) == 0);
    ck_assert_str_eq(err.msg + sizeof err.msg - 5, "x...");
    (void)err_wrap(&err, "%s", text);
    ck_assert_uint_eq(strlen(err.msg), sizeof err.msg - 1);
}
END_TEST

START_TEST(a_message_that_just_fits_is_not_cut)
{
    struct err err = {0};
    char text[sizeof err.msg];

    memset(text, 'y', sizeof text - 1);
    text[sizeof text - 1] = 0;
    (void)err_set(&err, ERR_INVALID, "%s", text);
    ck_assert_str_eq(err.msg, text);
}
END_TEST

START_TEST(a_cut_does_not_split_a_character)
{
    struct err err = {0};
    char text[1000] = "";
    size_t n;

    for (size_t i = 0; i + 3 < sizeof text; i += 3)
        memcpy(text + i, "\u20ac", 4);
    (void)err_set(&err, ERR_INVALID, "%s", text);
    n = strlen(err.msg);
    ck_assert_uint_eq((n - 3) % 3, 0);
    ck_assert_str_eq(err.msg + n - 3, "...");
}
END_TEST

START_TEST(every_kind_has_a_code_that_leads_back_to_it)
{
    enum err_kind kind = (enum err_kind)_i;
    const char *code = err_code(kind);

    ck_assert_msg(err_kind_of(code, strlen(code)) == kind, "row %d: %s", _i, code);
    ck_assert_int_ge(err_http_status(kind), 400);
    ck_assert_uint_gt(strlen(err_text(kind)), 0);
    ck_assert_uint_eq(strspn(code, "abcdefghijklmnopqrstuvwxyz_"), strlen(code));
}
END_TEST

START_TEST(unknown_codes_are_no_kind)
{
    ck_assert_int_eq(err_kind_of("nonsense", 8), ERR_NONE);
    ck_assert_int_eq(err_kind_of("invalid", 6), ERR_NONE);
    ck_assert_int_eq(err_kind_of("none", 4), ERR_NONE);
    ck_assert_int_eq(err_kind_of("", 0), ERR_NONE);
    ck_assert_str_eq(err_code(ERR_NONE), "none");
    ck_assert_str_eq(err_code((enum err_kind)12345), "internal");
}
END_TEST

START_TEST(the_class_decides_whether_a_job_may_survive)
{
    ck_assert(!err_is_retryable(ERR_INVALID));
    ck_assert(!err_is_retryable(ERR_USAGE));
    ck_assert(!err_is_retryable(ERR_NONE));
    ck_assert(err_is_retryable(ERR_TIMEOUT));
    ck_assert(err_is_retryable(ERR_RATE_LIMITED));
    ck_assert(err_is_retryable(ERR_BAD_KEY));
    ck_assert_int_eq(err_class(ERR_RATE_LIMITED), ERR_CLASS_PARK);
    ck_assert_int_eq(err_class(ERR_BAD_KEY), ERR_CLASS_STOP);
    ck_assert_int_eq(err_class(ERR_CONTEXT_LENGTH), ERR_CLASS_FAIL);
    ck_assert_int_eq(err_http_status(ERR_ID_CONFLICT), 409);
}
END_TEST

Suite *test_err(void)
{
    Suite *s = suite_create("test_err");
    TCase *tc = tcase_create("err");

    tcase_add_test(tc, set_fills_kind_and_message_and_returns_false);
    tcase_add_test(tc, wrap_puts_a_prefix_before_the_message);
    tcase_add_test(tc, a_message_may_be_made_from_the_one_it_replaces);
    tcase_add_test(tc, a_long_message_is_cut_and_says_so);
    tcase_add_test(tc, a_message_that_just_fits_is_not_cut);
    tcase_add_test(tc, a_cut_does_not_split_a_character);
    tcase_add_loop_test(tc, every_kind_has_a_code_that_leads_back_to_it, ERR_NONE + 1,
                        ERR_KIND_COUNT);
    tcase_add_test(tc, unknown_codes_are_no_kind);
    tcase_add_test(tc, the_class_decides_whether_a_job_may_survive);
    suite_add_tcase(s, tc);
    return s;
}
