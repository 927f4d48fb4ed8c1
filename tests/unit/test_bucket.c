/* test_bucket.c - tickets: when they are due, whatever the rate does meanwhile. */
#include <check.h>
#include <string.h>

#include "common/limit/bucket.h"

#define S     INT64_C(1000000)
#define NEVER (INT64_MAX / 2)

static struct bucket bucket(double rate)
{
    struct bucket b = {.at_us = 1000 * S};

    b.lane[BUCKET_CALLS].rate = rate;
    return b;
}

/* n more tickets of a class; the number of the last. */
static double issue(struct bucket *b, enum bucket_class k, double n)
{
    return b->lane[BUCKET_CALLS].issued[k] += n;
}

static int64_t wait_ms(const struct bucket *b, enum bucket_class k, double number)
{
    const struct bucket_ticket t = {.class = k, .number = {number, 0}};
    int64_t us = bucket_wait_us(b, &t);

    return us >= NEVER ? -1 : (us + 500) / 1000;
}

START_TEST(tickets_are_due_at_the_rate)
{
    struct bucket b = bucket(10);

    issue(&b, BUCKET_STANDARD, 20);
    for (int i = 1; i <= 20; i++)
        ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, i), i * INT64_C(100));
    bucket_advance(&b, b.at_us + S);
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 10), 0);
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 20), 1000);
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 21), -1); /* not given out */
}
END_TEST

START_TEST(a_lower_rate_makes_all_wait_longer_and_keeps_their_order)
{
    struct bucket b = bucket(10);

    issue(&b, BUCKET_STANDARD, 20);
    bucket_advance(&b, b.at_us + S);
    b.lane[BUCKET_CALLS].rate = 5;
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 20), 2000);
    b.lane[BUCKET_CALLS].rate = 100;
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 20), 100);
}
END_TEST

START_TEST(a_pause_is_waited_out)
{
    struct bucket b = bucket(10);

    issue(&b, BUCKET_STANDARD, 1);
    b.pause_us = b.at_us + 3 * S;
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 1), 3100);
    bucket_advance(&b, b.at_us + 2 * S);
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, 1), 1100);
}
END_TEST

START_TEST(a_class_does_not_wait_for_the_backlog_of_another)
{
    struct bucket b = bucket(21);
    double front, standard;

    issue(&b, BUCKET_BATCH, 100000);
    front = issue(&b, BUCKET_FRONT, 16);
    standard = issue(&b, BUCKET_STANDARD, 4);
    ck_assert_int_eq(wait_ms(&b, BUCKET_FRONT, front), 1000); /* 16 : 4 : 1 */
    ck_assert_int_eq(wait_ms(&b, BUCKET_STANDARD, standard), 1000);
    ck_assert_int_eq(wait_ms(&b, BUCKET_BATCH, 1), 1000);
    ck_assert_int_eq(wait_ms(&b, BUCKET_BATCH, 22), 2000); /* then all is its */
}
END_TEST

START_TEST(looking_ahead_and_time_agree)
{
    struct bucket b = bucket(37);
    static const double steps_ms[] = {1, 30, 170, 411, 5, 900};

    issue(&b, BUCKET_FRONT, 5);
    issue(&b, BUCKET_STANDARD, 31);
    issue(&b, BUCKET_BATCH, 50);
    for (size_t i = 0; i < ARRAY_LEN(steps_ms); i++) {
        int64_t before = wait_ms(&b, BUCKET_BATCH, 50);

        bucket_advance(&b, b.at_us + (int64_t)(steps_ms[i] * 1000));
        ck_assert_int_le(before - wait_ms(&b, BUCKET_BATCH, 50) - (int64_t)steps_ms[i], 1);
        ck_assert_int_ge(before - wait_ms(&b, BUCKET_BATCH, 50) - (int64_t)steps_ms[i], -1);
    }
}
END_TEST

START_TEST(a_call_waits_for_its_tokens_too)
{
    struct bucket b = bucket(10);
    struct bucket_ticket t = {.class = BUCKET_STANDARD, .number = {1, 5000}};

    issue(&b, BUCKET_STANDARD, 1);
    ck_assert_int_le(bucket_wait_us(&b, &t), S / 10 + 1); /* no limit of tokens */
    b.lane[BUCKET_TOKENS].rate = 1000;
    b.lane[BUCKET_TOKENS].issued[BUCKET_STANDARD] = 5000;
    ck_assert_int_ge(bucket_wait_us(&b, &t), 5 * S);
    ck_assert_int_le(bucket_wait_us(&b, &t), 5 * S + 1);
}
END_TEST

START_TEST(an_idle_bucket_saves_up_little)
{
    struct bucket b = bucket(1000);

    bucket_advance(&b, b.at_us + 3600 * S);
    ck_assert_double_eq_tol(b.lane[BUCKET_CALLS].credit, 1000 * BUCKET_BURST_S, 0.001);
    b = bucket(5);
    bucket_advance(&b, b.at_us + 3600 * S);
    ck_assert_double_eq_tol(b.lane[BUCKET_CALLS].credit, 1, 0.001);
}
END_TEST

START_TEST(what_is_overdue_is_told_in_seconds_of_the_rate)
{
    struct bucket b = bucket(10);
    const struct bucket_ticket t = {.class = BUCKET_STANDARD, .number = {1, 0}};

    issue(&b, BUCKET_STANDARD, 100);
    ck_assert_double_lt(bucket_overdue_s(&b, &t), 0);
    bucket_advance(&b, b.at_us + 3 * S);
    ck_assert_double_eq_tol(bucket_overdue_s(&b, &t), 2.9, 0.001);
}
END_TEST

static const char *const bad[] = {
    "",
    "1",
    "2 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 text",
    "1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22",
    "1 1 2 x 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 text",
    "1 1 2 nan 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 text"};

START_TEST(reads_its_text_and_nothing_else)
{
    static const char good[] =
        "1 1 2 3 4 5 6 7 8.5 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 a b";
    struct bucket b = {0};

    ck_assert(bucket_read((struct span){good, sizeof good - 1}, &b));
    ck_assert_int_eq(b.cuts, 4);
    ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 8.5);
    ck_assert_double_eq(b.lane[BUCKET_TOKENS].issued[BUCKET_BATCH], 23);
    ck_assert_str_eq(b.control, "a b");
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!bucket_read((struct span){bad[i], strlen(bad[i])}, &b), "%s", bad[i]);
    ck_assert(!bucket_read((struct span){NULL, 0}, &b));
}
END_TEST

static const struct {
    const char *progress;
    double calls; /* 0: none */
} places[] = {
    {"{\"bucket\":\"f:m\",\"class\":1,\"calls\":12.000,\"tokens\":0.000}", 12},
    {"{\"bucket\":\"f:m\",\"class\":3,\"calls\":12,\"tokens\":0}", 0},
    {"{\"bucket\":\"f:m\",\"class\":1,\"calls\":0,\"tokens\":0}", 0},
    {"{\"bucket\":7,\"class\":1,\"calls\":5,\"tokens\":0}", 0},
    {"{\"budget\":\"all\"}", 0},
    {"[]", 0},
    {"", 0},
};

START_TEST(reads_the_place_of_a_job)
{
    const char *text = places[_i].progress;
    struct bucket_ticket t = {0};
    char name[32];

    ck_assert(bucket_read_place((struct span){text, strlen(text)}, name, sizeof name, &t) ==
              (places[_i].calls > 0));
    ck_assert_double_eq(t.number[BUCKET_CALLS], places[_i].calls);
    if (places[_i].calls > 0)
        ck_assert_str_eq(name, "f:m");
}
END_TEST

Suite *test_bucket(void);
Suite *test_bucket(void)
{
    Suite *s = suite_create("test_bucket");
    TCase *tc = tcase_create("bucket");

    tcase_add_test(tc, tickets_are_due_at_the_rate);
    tcase_add_test(tc, a_lower_rate_makes_all_wait_longer_and_keeps_their_order);
    tcase_add_test(tc, a_pause_is_waited_out);
    tcase_add_test(tc, a_class_does_not_wait_for_the_backlog_of_another);
    tcase_add_test(tc, looking_ahead_and_time_agree);
    tcase_add_test(tc, a_call_waits_for_its_tokens_too);
    tcase_add_test(tc, an_idle_bucket_saves_up_little);
    tcase_add_test(tc, what_is_overdue_is_told_in_seconds_of_the_rate);
    tcase_add_test(tc, reads_its_text_and_nothing_else);
    tcase_add_loop_test(tc, reads_the_place_of_a_job, 0, ARRAY_LEN(places));
    suite_add_tcase(s, tc);
    return s;
}
