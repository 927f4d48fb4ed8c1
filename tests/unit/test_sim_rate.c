/* test_sim_rate.c - the provider's dynamic limit, without a clock. */
#include <check.h>

#include "tests/sim/sim_rate.h"

#define S INT64_C(1000000)

/* How many of n requests, evenly spread over one second from start_us, pass. */
static int passes(struct sim_rate *r, int64_t start_us, int n)
{
    int passed = 0, reset_s = 0;

    for (int i = 0; i < n; i++)
        passed += sim_rate_take(r, start_us + (int64_t)i * S / n, &reset_s);
    return passed;
}

START_TEST(without_a_rule_everything_passes)
{
    struct sim_rate r = {0};

    ck_assert_int_eq(passes(&r, S, 1000), 1000);
}
END_TEST

START_TEST(a_fixed_window_lets_the_limit_pass_in_each_second)
{
    struct sim_rate r = {.on = true, .fixed_window = true, .start_per_s = 10};

    ck_assert_int_eq(passes(&r, 100 * S, 25), 10);
    ck_assert_int_eq(passes(&r, 101 * S, 25), 10);
    ck_assert_int_eq(passes(&r, 102 * S, 5), 5);
}
END_TEST

START_TEST(a_bucket_lets_a_burst_of_one_second_pass_and_then_the_rate)
{
    struct sim_rate r = {.on = true, .start_per_s = 10};
    int reset_s = 0, passed = 0;

    for (int i = 0; i < 100; i++)
        passed += sim_rate_take(&r, 100 * S + 1, &reset_s);
    ck_assert_int_eq(passed, 10);
    ck_assert_int_ge(reset_s, 1);
    ck_assert(!sim_rate_take(&r, 100 * S + 90000, &reset_s));
    ck_assert(sim_rate_take(&r, 100 * S + 110000, &reset_s));
}
END_TEST

START_TEST(clean_seconds_raise_the_limit_and_refusals_cut_it)
{
    struct sim_rate r = {.on = true,
                         .fixed_window = true,
                         .start_per_s = 10,
                         .growth_per_clean_s = 5,
                         .cut_percent = 50};

    ck_assert_int_eq(passes(&r, 100 * S, 10), 10); /* clean */
    ck_assert_int_eq(passes(&r, 101 * S, 40), 15); /* refused */
    ck_assert_int_eq(passes(&r, 102 * S, 40), 7);  /* 15 halved */
    ck_assert_int_eq(passes(&r, 103 * S, 2), 2);
    for (int i = 0; i < 20; i++)
        passes(&r, (104 + i) * S, 100);
    ck_assert_int_ge(passes(&r, 200 * S, 100), 1); /* never below one */
}
END_TEST

START_TEST(it_sums_up_what_it_would_have_allowed)
{
    struct sim_rate dynamic = {.on = true, .start_per_s = 10, .growth_per_clean_s = 10},
                    fixed = {.on = true, .fixed_window = true, .start_per_s = 10.5};

    passes(&dynamic, 100 * S, 5);
    passes(&dynamic, 101 * S, 5);
    sim_rate_look(&dynamic, 102 * S);
    ck_assert_double_eq_tol(dynamic.allowed, 10 + 20, 2.1); /* growth is seen by a request */
    ck_assert_int_eq(dynamic.passed, 10);
    passes(&fixed, 100 * S, 15);
    passes(&fixed, 103 * S, 5);
    sim_rate_look(&fixed, 103 * S + S / 2);
    ck_assert_double_eq(fixed.allowed, 4 * 10);
    ck_assert_int_eq(fixed.passed, 15);
    ck_assert_int_eq(fixed.refused_in_all, 5);
}
END_TEST

START_TEST(a_reset_forgets_what_happened)
{
    struct sim_rate r = {.on = true, .fixed_window = true, .start_per_s = 4, .cut_percent = 50};

    passes(&r, 100 * S, 40);
    passes(&r, 101 * S, 40);
    sim_rate_reset(&r);
    ck_assert_int_eq(passes(&r, 102 * S, 40), 4);
}
END_TEST

START_TEST(tokens_may_be_owed_and_are_waited_for)
{
    struct sim_rate r = {.on = true, .start_per_s = 1000, .tokens_per_s = 100};
    int reset_s = 0;

    sim_rate_reset(&r);
    ck_assert(sim_rate_take_tokens(&r, 100 * S, &reset_s));
    sim_rate_used(&r, 250);
    ck_assert(!sim_rate_take_tokens(&r, 100 * S + 1, &reset_s));
    ck_assert_int_eq(reset_s, 2);
    ck_assert(!sim_rate_take_tokens(&r, 101 * S, &reset_s));
    ck_assert(sim_rate_take_tokens(&r, 102 * S, &reset_s));
    ck_assert_int_eq(r.tokens_refused, 2);
    r.tokens_per_s = 0;
    sim_rate_used(&r, 1e6);
    ck_assert(sim_rate_take_tokens(&r, 102 * S, &reset_s));
}
END_TEST

Suite *test_sim_rate(void);
Suite *test_sim_rate(void)
{
    Suite *s = suite_create("test_sim_rate");
    TCase *tc = tcase_create("rate");

    tcase_add_test(tc, tokens_may_be_owed_and_are_waited_for);
    tcase_add_test(tc, without_a_rule_everything_passes);
    tcase_add_test(tc, a_fixed_window_lets_the_limit_pass_in_each_second);
    tcase_add_test(tc, a_bucket_lets_a_burst_of_one_second_pass_and_then_the_rate);
    tcase_add_test(tc, clean_seconds_raise_the_limit_and_refusals_cut_it);
    tcase_add_test(tc, it_sums_up_what_it_would_have_allowed);
    tcase_add_test(tc, a_reset_forgets_what_happened);
    suite_add_tcase(s, tc);
    return s;
}
