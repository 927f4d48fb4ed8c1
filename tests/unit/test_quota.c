#include <check.h>
#include <string.h>

#include "worker/claims/quota.h"

static const queue_set ALL = ~0u;

static struct config_group group_of(const char *names[], const int weights[], size_t n)
{
    struct config_group g = {.queue_count = n};

    for (size_t i = 0; i < n; i++) {
        g.queues[i].name = (char *)(uintptr_t)names[i];
        g.queues[i].weight = weights[i];
    }
    return g;
}

static struct quota three(void)
{
    static const char *names[] = {"inference.standard", "inference.realtime", "inference.batch"};
    static const int weights[] = {4, 16, 1};
    const struct config_group g = group_of(names, weights, 3);
    struct quota q;

    quota_init(&q, &g);
    return q;
}

static int quota_of(const struct work_want *wants, size_t n, enum queue_id queue)
{
    for (size_t i = 0; i < n; i++)
        if (wants[i].queue == queue)
            return wants[i].quota;
    return 0;
}

START_TEST(realtime_stands_first)
{
    struct quota q = three();
    struct work_want wants[QUEUE_COUNT];

    ck_assert(quota_has_realtime(&q));
    ck_assert_uint_eq(quota_share(&q, ALL, 21, 21, 21, wants), 3);
    ck_assert_int_eq(wants[0].queue, QUEUE_INFERENCE_REALTIME);
    ck_assert_int_eq(wants[0].quota, 16);
    ck_assert_int_eq(quota_of(wants, 3, QUEUE_INFERENCE_STANDARD), 4);
    ck_assert_int_eq(quota_of(wants, 3, QUEUE_INFERENCE_BATCH), 1);
}
END_TEST

START_TEST(a_class_without_room_is_left_out)
{
    struct quota q = three();
    struct work_want wants[QUEUE_COUNT];

    ck_assert_uint_eq(quota_share(&q, ALL, 5, 5, 0, wants), 1);
    ck_assert_int_eq(wants[0].queue, QUEUE_INFERENCE_REALTIME);
    ck_assert_int_eq(wants[0].quota, 5);
    ck_assert_int_eq(wants[0].most, 5);
    ck_assert_uint_eq(quota_share(&q, ALL, 5, 0, 5, wants), 2);
    for (size_t i = 0; i < 2; i++)
        ck_assert_int_ne(wants[i].queue, QUEUE_INFERENCE_REALTIME);
}
END_TEST

static const int totals[] = {1, 2, 3, 7, 64, 256};

START_TEST(shares_follow_the_weights_over_time_and_nobody_starves)
{
    struct quota q = three();
    struct work_want wants[QUEUE_COUNT];
    int total = totals[_i], claims = 2100, standard = 0, batch = 0;

    for (int i = 0; i < claims; i++) {
        size_t n = quota_share(&q, ALL, total, 0, total, wants);
        int sum = 0;

        for (size_t k = 0; k < n; k++) {
            ck_assert_int_ge(wants[k].quota, 0);
            ck_assert_int_le(wants[k].quota, wants[k].most);
            sum += wants[k].quota;
        }
        ck_assert_int_le(sum, total);
        standard += quota_of(wants, n, QUEUE_INFERENCE_STANDARD);
        batch += quota_of(wants, n, QUEUE_INFERENCE_BATCH);
    }
    ck_assert_int_ge(standard + batch, claims * total * 99 / 100);
    ck_assert_int_ge(batch * 5L, (int64_t)claims * total * 9 / 10); /* a fifth */
    ck_assert_int_le(batch * 5L, (int64_t)claims * total * 11 / 10);
}
END_TEST

START_TEST(only_queues_of_the_set_are_asked)
{
    struct quota q = three();
    struct work_want wants[QUEUE_COUNT];

    ck_assert_uint_eq(quota_share(&q, QUEUE_BIT(QUEUE_INFERENCE_BATCH), 7, 7, 5, wants), 1);
    ck_assert_int_eq(wants[0].queue, QUEUE_INFERENCE_BATCH);
    ck_assert_int_eq(wants[0].most, 5);
    ck_assert_int_eq(wants[0].quota, 5);
    ck_assert_uint_eq(quota_share(&q, QUEUE_BIT(QUEUE_NOOP), 7, 7, 7, wants), 0);
    ck_assert_uint_eq(quota_share(&q, 0, 7, 7, 7, wants), 0);
}
END_TEST

START_TEST(a_queue_that_is_not_asked_earns_nothing)
{
    struct quota q = three();
    struct work_want wants[QUEUE_COUNT];
    size_t n;

    for (int i = 0; i < 100; i++)
        ck_assert_uint_eq(quota_share(&q, QUEUE_BIT(QUEUE_INFERENCE_STANDARD), 5, 5, 5, wants), 1);
    n = quota_share(&q, ALL, 5, 0, 5, wants);
    ck_assert_uint_eq(n, 2);
    ck_assert_int_eq(quota_of(wants, n, QUEUE_INFERENCE_STANDARD), 4);
    ck_assert_int_eq(quota_of(wants, n, QUEUE_INFERENCE_BATCH), 1);
}
END_TEST

START_TEST(the_sets_of_the_two_classes_are_the_queues_of_the_group)
{
    struct quota q = three();

    ck_assert_uint_eq(quota_queues(&q, true), QUEUE_BIT(QUEUE_INFERENCE_REALTIME));
    ck_assert_uint_eq(quota_queues(&q, false),
                      QUEUE_BIT(QUEUE_INFERENCE_STANDARD) | QUEUE_BIT(QUEUE_INFERENCE_BATCH));
}
END_TEST

START_TEST(unknown_queues_are_left_out)
{
    const char *names[] = {"noop", "no.such.queue"};
    const int weights[] = {1, 1};
    const struct config_group g = group_of(names, weights, 2);
    struct quota q;

    quota_init(&q, &g);
    ck_assert_uint_eq(q.count, 1);
    ck_assert(!quota_has_realtime(&q));
}
END_TEST

Suite *test_quota(void)
{
    Suite *s = suite_create("quota");
    TCase *tc = tcase_create("quota");

    tcase_add_test(tc, realtime_stands_first);
    tcase_add_test(tc, a_class_without_room_is_left_out);
    tcase_add_loop_test(tc, shares_follow_the_weights_over_time_and_nobody_starves, 0,
                        (int)ARRAY_LEN(totals));
    tcase_add_test(tc, only_queues_of_the_set_are_asked);
    tcase_add_test(tc, a_queue_that_is_not_asked_earns_nothing);
    tcase_add_test(tc, the_sets_of_the_two_classes_are_the_queues_of_the_group);
    tcase_add_test(tc, unknown_queues_are_left_out);
    suite_add_tcase(s, tc);
    return s;
}
