#include <check.h>

#include "worker/bells.h"

enum { A = 2, B = 4, C = 8, OTHER = 16, CLASS = A | B | C };

START_TEST(a_bell_names_one_queue_and_an_empty_claim_forgets_it)
{
    struct bells b = {0};

    bells_rang(&b, B, false);
    ck_assert_uint_eq(b.maybe, B);
    bells_claiming(&b);
    bells_claimed(&b, B, CLASS, true);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

START_TEST(what_rings_while_a_claim_is_under_way_is_asked_again)
{
    struct bells b = {.maybe = CLASS};

    bells_claiming(&b);
    bells_rang(&b, B, true);
    bells_claimed(&b, CLASS, CLASS, true);
    ck_assert_uint_eq(b.maybe, B);
    bells_claiming(&b);
    bells_claimed(&b, B, CLASS, true);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

START_TEST(what_rang_before_a_claim_was_sent_is_answered_by_it)
{
    struct bells b = {0};

    bells_rang(&b, A, false);
    bells_rang(&b, A, true); /* an earlier claim was under way */
    bells_claiming(&b);
    bells_claimed(&b, A, CLASS, true);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

/* A busy class does not wait at its bells, so all its queues are asked. */
START_TEST(a_claim_that_found_more_makes_its_whole_class_busy)
{
    struct bells b = {.maybe = A};

    bells_claiming(&b);
    bells_claimed(&b, A, CLASS, false);
    ck_assert_uint_eq(b.maybe, CLASS);
}
END_TEST

START_TEST(a_class_that_was_not_asked_stays_as_it_is)
{
    struct bells b = {.maybe = A | OTHER};

    bells_claiming(&b);
    bells_claimed(&b, A, OTHER, false);
    ck_assert_uint_eq(b.maybe, A | OTHER);
    bells_claimed(&b, A, OTHER, true);
    ck_assert_uint_eq(b.maybe, A | OTHER);
    bells_claimed(&b, A, CLASS, true);
    ck_assert_uint_eq(b.maybe, OTHER);
}
END_TEST

Suite *test_bells(void)
{
    Suite *s = suite_create("bells");
    TCase *tc = tcase_create("bells");

    tcase_add_test(tc, a_bell_names_one_queue_and_an_empty_claim_forgets_it);
    tcase_add_test(tc, what_rings_while_a_claim_is_under_way_is_asked_again);
    tcase_add_test(tc, what_rang_before_a_claim_was_sent_is_answered_by_it);
    tcase_add_test(tc, a_claim_that_found_more_makes_its_whole_class_busy);
    tcase_add_test(tc, a_class_that_was_not_asked_stays_as_it_is);
    suite_add_tcase(s, tc);
    return s;
}
