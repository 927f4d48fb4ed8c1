/* test_rate.c - single decisions of the rate; test_limit_fleet.c shows what they come to. */
#include <check.h>
#include <string.h>

#include "worker/limit/rate.h"

#define S INT64_C(1000000)

static void refuse_between(struct rate *r, int64_t now_us, struct rate_met met)
{
    rate_cut(
        r, &(struct rate_refusal){
               .now_us = now_us, .until_us = now_us + S, .met = met, .passed = 1000, .well = 1000});
}

static void refuse(struct rate *r, int64_t now_us, double met)
{
    refuse_between(r, now_us, (struct rate_met){met, met});
}

/* It is answered well, and used in full, until then. */
static void use(struct rate *r, int64_t from_us, int64_t until_us)
{
    (void)rate_well(r, from_us);
    for (int64_t t = from_us; t < until_us; t += S / 4)
        (void)rate_step(r, t, 0, true, false);
}

/* A lane that has learned: it met 100 a second and is used in full. */
static struct rate known(void)
{
    struct rate r;

    rate_init(&r, 200, 0.5, 100 * S);
    refuse(&r, 100 * S, 100);
    use(&r, 102 * S, 107 * S);
    return r;
}

/* One whose limit fell at each refusal. */
static struct rate moving(void)
{
    struct rate r = known();
    int64_t t = 110;

    for (double met = 60; r.line.unsure > 0; met *= 0.6, t += 3) {
        ck_assert_int_lt(t, 120);
        refuse(&r, t * S, met);
        use(&r, (t + 1) * S, (t + 2) * S);
    }
    use(&r, t * S, (t + 4) * S);
    return r;
}

START_TEST(a_refusal_with_successes_between_is_learned_from)
{
    struct rate r = known();

    refuse(&r, 110 * S, 90);
    ck_assert(!rate_is_blocked(&r));
    ck_assert_double_eq(r.line.met, 90);
    ck_assert_double_le(r.rate, 90);
}
END_TEST

/* ---- a limit that stays ---- */

START_TEST(what_a_refusal_leaves_open_is_as_it_was_thought)
{
    struct rate r = known();

    refuse_between(&r, 110 * S, (struct rate_met){80, 120});
    ck_assert_double_eq_tol(r.line.met, 95, 1e-9); /* 100, and a quarter of the way to 80 */
    use(&r, 112 * S, 118 * S);
    refuse_between(&r, 120 * S, (struct rate_met){110, 150});
    ck_assert_double_eq_tol(r.line.met, 110, 1e-9);
}
END_TEST

START_TEST(the_surer_it_is_the_flatter_it_sweeps)
{
    struct rate r = known();
    double begins = 0;

    for (int64_t t = 110; t < 170; t += 10) {
        refuse(&r, t * S, 100);
        ck_assert_double_ge(r.rate, begins);
        ck_assert_double_lt(r.rate, 100);
        begins = r.rate;
        use(&r, (t + 1) * S, (t + 7) * S);
    }
    ck_assert_double_ge(begins, 94);
    ck_assert_double_le(r.rate, 103);
}
END_TEST

START_TEST(without_a_refusal_it_grows_ever_faster)
{
    struct rate r = known();

    use(&r, 110 * S, 140 * S);
    ck_assert_double_ge(r.rate, 1000);
}
END_TEST

START_TEST(a_limit_that_falls_at_each_refusal_does_not_stay)
{
    struct rate r = moving();

    ck_assert_double_eq(r.line.unsure, 0);
    ck_assert_double_gt(r.line.beta, 0);
}
END_TEST

START_TEST(after_a_while_it_is_tried_again_whether_it_stays)
{
    struct rate r = moving();
    int refusals = 0;

    for (int64_t t = 200; r.line.unsure <= 0; t += 20, refusals++) {
        ck_assert_int_lt(refusals, 20);
        refuse(&r, t * S, 100);
        use(&r, (t + 1) * S, (t + 12) * S);
    }
    ck_assert_int_eq(refusals, 16);
    for (int64_t t = 1000; t < 1040; t += 20) {
        refuse(&r, t * S, 100);
        use(&r, (t + 1) * S, (t + 12) * S);
        ck_assert_double_gt(r.line.unsure, 0);
    }
}
END_TEST

/* ---- refusals that show no limit ---- */

START_TEST(refusals_without_a_success_between_are_forgotten_by_the_first_success)
{
    struct rate r = known(), before = r;

    for (int i = 0; i < 15; i++)
        refuse(&r, (110 + 2 * i) * S, 0);
    ck_assert(rate_is_blocked(&r));
    ck_assert(!rate_step(&r, 150 * S, 0, true, false)); /* it only probes */
    ck_assert(rate_well(&r, 150 * S));
    ck_assert(rate_is_climbing(&r));
    ck_assert_double_eq(rate_expected(&r), rate_expected(&before));
    for (int64_t t = 150 * S; t < 153 * S; t += S / 4)
        (void)rate_step(&r, t, 0, true, false);
    ck_assert_double_ge(r.rate, 0.84 * before.rate);
    ck_assert(!rate_is_climbing(&r));
}
END_TEST

START_TEST(a_refusal_on_the_way_back_is_a_limit)
{
    struct rate r = known();

    refuse(&r, 110 * S, 90);
    refuse(&r, 112 * S, 0);
    (void)rate_well(&r, 114 * S);
    ck_assert(rate_is_climbing(&r));
    refuse(&r, 115 * S, 30);
    ck_assert(!rate_is_blocked(&r) && !rate_is_climbing(&r));
    ck_assert_double_le(r.rate, 30);
}
END_TEST

START_TEST(being_blocked_again_soon_is_a_limit_of_a_longer_time)
{
    struct rate r = known();
    struct rate_refusal f = {.well = 1000};

    /* 60 a minute: they pass in a second, then nothing does */
    for (int minute = 0; minute < 3; minute++) {
        f.passed = 60 * minute;
        for (int64_t t = 2; t < 58; t += 8) {
            f.now_us = (200 + 60 * minute + t) * S;
            f.until_us = f.now_us + S;
            f.met.low = f.met.high = t == 2 ? 35 : 0;
            rate_cut(&r, &f);
        }
        (void)rate_well(&r, (200 + 60 * minute + 60) * S);
    }
    ck_assert(!rate_is_climbing(&r));
    ck_assert_double_le(r.line.met, 1.5);
    ck_assert_double_ge(r.line.met, 0.5);
}
END_TEST

START_TEST(a_refusal_of_a_lane_that_is_hardly_used_says_nothing_of_its_rate_once)
{
    struct rate r = known();
    double before = r.rate;

    refuse(&r, 150 * S, 2);
    ck_assert(rate_is_blocked(&r));
    (void)rate_well(&r, 152 * S);
    for (int64_t t = 152 * S; t < 160 * S; t += S / 4)
        (void)rate_step(&r, t, 0, true, false);
    ck_assert_double_ge(r.rate, 0.85 * before);
    before = r.rate;
    refuse(&r, 200 * S, 2);
    ck_assert(!rate_is_blocked(&r));
    ck_assert_double_lt(r.rate, before / 2);
}
END_TEST

START_TEST(pauses_grow_with_the_time_that_it_is_blocked)
{
    struct rate r = known();

    ck_assert_int_eq(rate_pause_us(&r, 110 * S, -1), 300000);
    ck_assert_int_eq(rate_pause_us(&r, 110 * S, 7 * S), 7 * S);
    refuse(&r, 110 * S, 90);
    ck_assert_int_eq(rate_pause_us(&r, 118 * S, -1), S);
    ck_assert_int_eq(rate_pause_us(&r, 126 * S, S), 2 * S);
    ck_assert_int_eq(rate_pause_us(&r, 9999 * S, S), 30 * S);
}
END_TEST

START_TEST(time_without_use_is_no_time_of_growth)
{
    struct rate r = known();
    double tau = r.line.tau;

    (void)rate_step(&r, 700 * S, 700 * S - S / 4, true, false);
    ck_assert_double_eq_tol(r.line.tau, tau + 0.25, 1e-9);
}
END_TEST

START_TEST(its_text_says_all)
{
    struct rate r[3] = {{0}, known(), known()}, back;

    rate_none(&r[0], 500);
    refuse(&r[2], 110 * S, 90);
    refuse(&r[2], 112 * S, 0);
    for (size_t i = 0; i < ARRAY_LEN(r); i++) {
        struct buf first = BUF(1000), second = BUF(1000);
        struct span text;

        rate_write(&r[i], &first);
        text = buf_span(&first);
        ck_assert_uint_lt(text.n, 500);
        ck_assert(rate_read(&text, &back));
        ck_assert_uint_eq(text.n, 0);
        rate_write(&back, &second);
        ck_assert_str_eq(first.p, second.p);
        buf_done(&first);
        buf_done(&second);
    }
}
END_TEST

static const char of_the_version_before[] = "3 1 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0";

static const char *const not_its_text[] = {
    "",
    "4",
    of_the_version_before,
    "5 1 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0",
    "4 3 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0",
    "4 2 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0",
    "4 1 1 0 0 0 0 0 0 0 200 nan 0 0 0 0",
    "4 2 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0 100 1 0.1 0 0 -1 0 0 0 0 0 0",
    "4 2 1 0 0 0 0 0 0 0 200 0.5 0 0 0 0 100 1 0.1 0 0 99 0 0 0 0 0 0",
};

START_TEST(another_text_is_none)
{
    struct span text = {not_its_text[_i], strlen(not_its_text[_i])};
    struct rate r;

    ck_assert(!rate_read(&text, &r));
}
END_TEST

Suite *test_rate(void);
Suite *test_rate(void)
{
    Suite *s = suite_create("test_rate");
    TCase *tc = tcase_create("rate");

    tcase_add_test(tc, a_refusal_with_successes_between_is_learned_from);
    tcase_add_test(tc, what_a_refusal_leaves_open_is_as_it_was_thought);
    tcase_add_test(tc, the_surer_it_is_the_flatter_it_sweeps);
    tcase_add_test(tc, without_a_refusal_it_grows_ever_faster);
    tcase_add_test(tc, a_limit_that_falls_at_each_refusal_does_not_stay);
    tcase_add_test(tc, after_a_while_it_is_tried_again_whether_it_stays);
    tcase_add_test(tc, refusals_without_a_success_between_are_forgotten_by_the_first_success);
    tcase_add_test(tc, a_refusal_on_the_way_back_is_a_limit);
    tcase_add_test(tc, being_blocked_again_soon_is_a_limit_of_a_longer_time);
    tcase_add_test(tc, a_refusal_of_a_lane_that_is_hardly_used_says_nothing_of_its_rate_once);
    tcase_add_test(tc, pauses_grow_with_the_time_that_it_is_blocked);
    tcase_add_test(tc, time_without_use_is_no_time_of_growth);
    tcase_add_test(tc, its_text_says_all);
    tcase_add_loop_test(tc, another_text_is_none, 0, ARRAY_LEN(not_its_text));
    suite_add_tcase(s, tc);
    return s;
}
