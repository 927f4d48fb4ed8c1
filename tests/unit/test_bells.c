#include <check.h>

#include "worker/claims/bells.h"

enum { A = 2, B = 4, C = 8, R = 16, OTHERS = A | B | C };

static const queue_set classes[] = {R, OTHERS};

static queue_set claim_at(struct bells *b, int64_t now_ms)
{
    return bells_claim(b, classes, ARRAY_LEN(classes), now_ms);
}

START_TEST(a_bell_names_one_queue_and_an_empty_one_is_forgotten)
{
    struct bells b = {0};

    bells_rang(&b, B, false);
    ck_assert_uint_eq(claim_at(&b, 1000), B);
    bells_claimed(&b, B, B);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

START_TEST(what_rings_while_a_claim_is_under_way_is_asked_again)
{
    struct bells b = {.maybe = OTHERS};

    ck_assert_uint_eq(claim_at(&b, 1000), OTHERS);
    bells_rang(&b, B, true);
    bells_claimed(&b, OTHERS, OTHERS);
    ck_assert_uint_eq(claim_at(&b, 1001), B);
    bells_claimed(&b, B, B);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

START_TEST(what_rang_before_a_claim_was_sent_is_answered_by_it)
{
    struct bells b = {0};

    bells_rang(&b, A, true); /* an earlier claim was under way */
    ck_assert_uint_eq(claim_at(&b, 1000), A);
    bells_claimed(&b, A, A);
    ck_assert_uint_eq(b.maybe, 0);
}
END_TEST

/* A class that has work does not wait at its bells. */
START_TEST(the_other_queues_of_a_busy_class_are_asked_now_and_then)
{
    struct bells b = {0};
    int64_t now = 1000;

    bells_rang(&b, A, false);
    ck_assert_uint_eq(claim_at(&b, now), A);
    bells_claimed(&b, A, 0);
    for (int i = 0; i < 3; i++) {
        now += BELLS_LOOK_MS;
        ck_assert_uint_eq(claim_at(&b, now), OTHERS);
        bells_claimed(&b, OTHERS, B | C);
        ck_assert_uint_eq(claim_at(&b, now + BELLS_LOOK_MS - 1), A);
        bells_claimed(&b, A, 0);
    }
    ck_assert_uint_eq(claim_at(&b, now + BELLS_LOOK_MS), OTHERS);
    bells_claimed(&b, OTHERS, B); /* C has work too */
    ck_assert_uint_eq(claim_at(&b, now + BELLS_LOOK_MS + 1), A | C);
}
END_TEST

START_TEST(a_class_without_work_is_not_looked_at_because_another_is_busy)
{
    struct bells b = {0};

    bells_rang(&b, R, false);
    ck_assert_uint_eq(claim_at(&b, 1000), R);
    bells_claimed(&b, R, 0);
    ck_assert_uint_eq(claim_at(&b, 2000), R);
    bells_claimed(&b, R, R);
    ck_assert_uint_eq(b.maybe, 0);
    bells_rang(&b, A, false);
    ck_assert_uint_eq(claim_at(&b, 3000), A);
}
END_TEST

START_TEST(a_queue_is_forgotten_only_when_it_was_seen_empty)
{
    struct bells b = {.maybe = A | B};

    ck_assert_uint_eq(claim_at(&b, 1000), A | B);
    bells_claimed(&b, A | B, A);
    ck_assert_uint_eq(b.maybe, B);
    bells_claimed(&b, 0, 0);
    ck_assert_uint_eq(b.maybe, B);
}
END_TEST

Suite *test_bells(void)
{
    Suite *s = suite_create("bells");
    TCase *tc = tcase_create("bells");

    tcase_add_test(tc, a_bell_names_one_queue_and_an_empty_one_is_forgotten);
    tcase_add_test(tc, what_rings_while_a_claim_is_under_way_is_asked_again);
    tcase_add_test(tc, what_rang_before_a_claim_was_sent_is_answered_by_it);
    tcase_add_test(tc, the_other_queues_of_a_busy_class_are_asked_now_and_then);
    tcase_add_test(tc, a_class_without_work_is_not_looked_at_because_another_is_busy);
    tcase_add_test(tc, a_queue_is_forgotten_only_when_it_was_seen_empty);
    suite_add_tcase(s, tc);
    return s;
}
