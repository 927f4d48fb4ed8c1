#include <check.h>

#include "worker/claims/ahead.h"

START_TEST(a_worker_of_long_calls_claims_none_ahead)
{
    const struct ahead_marks m = ahead_marks(256 / 30000.0, 1, 256);

    ck_assert_int_eq(m.most, 0);
    ck_assert_int_eq(m.least, 0);
    ck_assert_int_eq(ahead_marks(0, 100, 256).most, 0);
}
END_TEST

START_TEST(a_fast_worker_claims_what_ends_within_a_round_trip_and_a_pause)
{
    const struct ahead_marks m = ahead_marks(5, 0.4, 1024);

    ck_assert_int_eq(m.least, 2);
    ck_assert_int_eq(m.most, 12);
}
END_TEST

START_TEST(no_more_is_claimed_ahead_than_a_part_of_the_slots)
{
    const struct ahead_marks slow = ahead_marks(5, 200, 100); /* Redis answers late */

    ck_assert_int_eq(slow.most, 100 * AHEAD_SLOTS_PERCENT / 100);
    ck_assert_int_lt(slow.least, slow.most);
    ck_assert_int_eq(ahead_marks(5, 1, 19).most, 0);
    ck_assert_int_eq(ahead_marks(5, 1, 20).most, 1);
    ck_assert_int_eq(ahead_marks(5, 1, 20).least, 0);
}
END_TEST

Suite *test_ahead(void);
Suite *test_ahead(void)
{
    Suite *s = suite_create("ahead");
    TCase *t = tcase_create("marks");

    tcase_add_test(t, a_worker_of_long_calls_claims_none_ahead);
    tcase_add_test(t, a_fast_worker_claims_what_ends_within_a_round_trip_and_a_pause);
    tcase_add_test(t, no_more_is_claimed_ahead_than_a_part_of_the_slots);
    suite_add_tcase(s, t);
    return s;
}
