/* test_batcher.c - when what is collected is sent. */
#include <check.h>

#include "common/core/clock.h"
#include "worker/batcher.h"

static struct loop *loop;
static struct batcher batcher;
static int flushes;

static void flush(void *arg)
{
    ck_assert_ptr_eq(arg, &batcher);
    flushes++;
}

static void setup(void)
{
    loop = loop_new();
    flushes = 0;
}

static void teardown(void)
{
    batcher_cancel(&batcher);
    loop_free(loop);
}

static void make(int64_t every_ms)
{
    batcher = (struct batcher){.loop = loop, .every_ms = every_ms, .flush = flush, .arg = &batcher};
}

START_TEST(what_one_turn_adds_is_sent_once_at_its_end)
{
    make(0);
    for (int turn = 1; turn <= 3; turn++) {
        for (int i = 0; i < 5; i++)
            batcher_soon(&batcher);
        ck_assert_int_eq(flushes, turn - 1);
        loop_turn(loop, 0);
        ck_assert_int_eq(flushes, turn);
    }
    loop_turn(loop, 10);
    ck_assert_int_eq(flushes, 3);
}
END_TEST

START_TEST(flushes_are_not_closer_than_their_interval)
{
    int64_t from = clock_mono_ms();

    make(60);
    batcher_soon(&batcher);
    loop_turn(loop, 0);
    ck_assert_int_eq(flushes, 1);
    for (int i = 0; i < 5; i++)
        batcher_soon(&batcher);
    loop_turn(loop, 0);
    ck_assert_int_eq(flushes, 1);
    while (flushes < 2)
        loop_turn(loop, 10);
    ck_assert_int_ge(clock_mono_ms() - from, 60);
    while (clock_mono_ms() - from < 150)
        loop_turn(loop, 10);
    ck_assert_int_eq(flushes, 2);
}
END_TEST

START_TEST(a_flush_now_is_the_one_that_was_to_come)
{
    make(0);
    batcher_soon(&batcher);
    batcher_flush(&batcher);
    ck_assert_int_eq(flushes, 1);
    loop_turn(loop, 0);
    ck_assert_int_eq(flushes, 1);
    batcher_soon(&batcher);
    batcher_cancel(&batcher);
    loop_turn(loop, 0);
    ck_assert_int_eq(flushes, 1);
}
END_TEST

Suite *test_batcher(void)
{
    Suite *s = suite_create("batcher");
    TCase *tc = tcase_create("batcher");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, what_one_turn_adds_is_sent_once_at_its_end);
    tcase_add_test(tc, flushes_are_not_closer_than_their_interval);
    tcase_add_test(tc, a_flush_now_is_the_one_that_was_to_come);
    suite_add_tcase(s, tc);
    return s;
}
