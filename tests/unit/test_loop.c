/* test_loop.c - timers, deferred calls, signals and descriptors of the loop. */
#include "common/io/loop.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/core/clock.h"

static struct loop *loop;
static char order[64];
static size_t order_n;

static void setup(void) { loop = loop_new(); }
static void teardown(void) { loop_free(loop); }

/* A letter as the argument of a callback. */
static void *letter(char c)
{
    static char letters[128];

    letters[(unsigned char)c] = c;
    return &letters[(unsigned char)c];
}

static void note(void *arg)
{
    order[order_n++] = *(const char *)arg;
    order[order_n] = '\0';
}

static void stop(void *arg)
{
    (void)arg;
    loop_stop(loop);
}

struct shot {
    int64_t due_us, late_us;
};

static void on_shot(void *arg)
{
    struct shot *s = arg;

    s->late_us = clock_mono_us() - s->due_us;
    loop_stop(loop);
}

static int64_t lateness_us(int64_t ms)
{
    struct shot s = {.due_us = clock_mono_us() + ms * 1000};

    loop_after(loop, ms, on_shot, &s);
    loop_run(loop);
    return s.late_us;
}

START_TEST(a_timer_is_never_early_and_mostly_exact_to_a_millisecond)
{
    int good = 0;

    for (int i = 0; i < 40; i++) {
        int64_t late_us = lateness_us(1 + i % 7);

        ck_assert_int_ge(late_us, 0);
        good += late_us < 1000;
    }
    ck_assert_int_ge(good, 20); /* the machine may be busy, but not always */
}
END_TEST

static void work_then_time(void *arg)
{
    struct shot *s = arg;
    int64_t until_us = clock_mono_us() + 20000;

    while (clock_mono_us() < until_us)
        ;
    s->due_us = clock_mono_us() + 10000;
    loop_after(loop, 10, on_shot, s);
}

START_TEST(a_timer_made_late_in_a_long_turn_counts_from_then)
{
    struct shot s = {0};

    loop_after(loop, 0, work_then_time, &s);
    loop_run(loop);
    ck_assert_int_ge(s.late_us, 0);
}
END_TEST

START_TEST(timers_fire_in_the_order_of_their_times)
{
    loop_after(loop, 9, note, letter('c'));
    loop_after(loop, 1, note, letter('a'));
    loop_after(loop, 5, note, letter('b'));
    loop_after(loop, 12, stop, NULL);
    loop_run(loop);
    ck_assert_str_eq(order, "abc");
}
END_TEST

START_TEST(a_cancelled_timer_does_not_fire_and_its_handle_is_null)
{
    struct loop_timer *t = loop_after(loop, 1, note, letter('x'));

    loop_cancel(&t);
    ck_assert_ptr_null(t);
    loop_cancel(&t);
    loop_after(loop, 5, stop, NULL);
    loop_run(loop);
    ck_assert_str_eq(order, "");
}
END_TEST

static void defer_more(void *arg)
{
    note(arg);
    loop_defer(loop, note, letter('2'));
    loop_defer(loop, note, letter('3'));
    note(letter('1'));
}

START_TEST(deferred_calls_run_after_the_callback_and_before_the_next_wait)
{
    loop_after(loop, 0, defer_more, letter('0'));
    loop_turn(loop, 1000);
    ck_assert_str_eq(order, "0123");
}
END_TEST

START_TEST(calls_deferred_by_deferred_calls_do_not_wait)
{
    int64_t began_ms = clock_mono_ms();

    loop_defer(loop, defer_more, letter('0'));
    loop_turn(loop, 5000);
    ck_assert_str_eq(order, "01");
    loop_turn(loop, 5000);
    ck_assert_str_eq(order, "0123");
    ck_assert_int_lt(clock_mono_ms() - began_ms, 1000);
}
END_TEST

static void undefer_b(void *arg)
{
    loop_undefer(loop, note, arg);
    note(letter('-'));
}

START_TEST(undeferred_calls_do_not_run_even_in_the_same_batch)
{
    static char b[] = "b";

    loop_defer(loop, note, letter('a'));
    loop_defer(loop, undefer_b, b);
    loop_defer(loop, note, b);
    loop_defer(loop, note, letter('c'));
    loop_turn(loop, 0);
    ck_assert_str_eq(order, "a-c");
}
END_TEST

START_TEST(a_turn_waits_no_longer_than_it_was_told)
{
    int64_t began_ms = clock_mono_ms();

    loop_turn(loop, 0);
    loop_turn(loop, 20);
    ck_assert_int_ge(clock_mono_ms() - began_ms, 19);
    ck_assert_int_lt(clock_mono_ms() - began_ms, 2000);
    ck_assert_uint_eq(loop_turns(loop), 2);
}
END_TEST

START_TEST(a_stop_before_the_run_is_not_lost)
{
    loop_stop(loop);
    loop_run(loop);
    ck_assert_uint_eq(loop_turns(loop), 0);
}
END_TEST

START_TEST(a_signal_is_told_on_the_loop)
{
    loop_on_signal(loop, SIGUSR1, note, letter('s'));
    loop_on_signal(loop, SIGUSR1, stop, NULL);
    raise(SIGUSR1);
    ck_assert_str_eq(order, "");
    loop_run(loop);
    ck_assert_str_eq(order, "s");
}
END_TEST

START_TEST(a_signal_that_was_held_back_is_told_as_soon_as_somebody_listens)
{
    sigset_t held;

    sigemptyset(&held);
    sigaddset(&held, SIGUSR1);
    sigprocmask(SIG_BLOCK, &held, NULL);
    raise(SIGUSR1);
    loop_on_signal(loop, SIGUSR1, note, letter('s'));
    loop_on_signal(loop, SIGUSR1, stop, NULL);
    loop_turn(loop, 1000);
    ck_assert_str_eq(order, "s");
}
END_TEST

static void on_pipe(void *arg, int fd, bool readable, bool writable)
{
    struct loop_io **io = arg;
    char c = '?';

    note(letter(readable ? 'r' : '-'));
    note(letter(writable ? 'w' : '-'));
    if (readable && (read(fd, &c, 1) != 1 || c == 'q')) {
        loop_unwatch(io);
        loop_stop(loop);
    }
}

START_TEST(a_descriptor_is_told_as_long_as_it_is_watched)
{
    struct loop_io *io;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    io = loop_watch(loop, fds[0], true, false, on_pipe, &io);
    ck_assert_int_eq(write(fds[1], "aq", 2), 2);
    loop_run(loop);
    ck_assert_ptr_null(io);
    ck_assert_str_eq(order, "r-r-");
    ck_assert_int_eq(write(fds[1], "z", 1), 1);
    loop_turn(loop, 5);
    ck_assert_str_eq(order, "r-r-");
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(a_watch_can_be_changed_and_paused)
{
    struct loop_io *io;
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    io = loop_watch(loop, fds[1], false, false, on_pipe, &io);
    loop_turn(loop, 5);
    ck_assert_str_eq(order, "");
    loop_rewatch(io, false, true);
    loop_turn(loop, 1000);
    ck_assert_str_eq(order, "-w");
    loop_rewatch(io, false, false);
    loop_turn(loop, 5);
    ck_assert_str_eq(order, "-w");
    loop_unwatch(&io);
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(what_is_pending_at_the_end_is_dropped_without_being_run)
{
    int fds[2];

    ck_assert_int_eq(pipe(fds), 0);
    loop_after(loop, 0, note, letter('t'));
    loop_defer(loop, note, letter('d'));
    loop_watch(loop, fds[1], false, true, on_pipe, NULL);
    loop_dns(loop);
    loop_free(loop);
    ck_assert_str_eq(order, "");
    loop = loop_new();
    close(fds[0]);
    close(fds[1]);
}
END_TEST

START_TEST(an_idle_loop_does_nothing)
{
    loop_dns(loop);
    loop_after(loop, 150, stop, NULL);
    loop_run(loop);
    ck_assert_uint_le(loop_turns(loop), 3);
}
END_TEST

Suite *test_loop(void);
Suite *test_loop(void)
{
    Suite *s = suite_create("test_loop");
    TCase *tc = tcase_create("loop");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_timer_is_never_early_and_mostly_exact_to_a_millisecond);
    tcase_add_test(tc, a_timer_made_late_in_a_long_turn_counts_from_then);
    tcase_add_test(tc, timers_fire_in_the_order_of_their_times);
    tcase_add_test(tc, a_cancelled_timer_does_not_fire_and_its_handle_is_null);
    tcase_add_test(tc, deferred_calls_run_after_the_callback_and_before_the_next_wait);
    tcase_add_test(tc, calls_deferred_by_deferred_calls_do_not_wait);
    tcase_add_test(tc, undeferred_calls_do_not_run_even_in_the_same_batch);
    tcase_add_test(tc, a_turn_waits_no_longer_than_it_was_told);
    tcase_add_test(tc, a_stop_before_the_run_is_not_lost);
    tcase_add_test(tc, a_signal_is_told_on_the_loop);
    tcase_add_test(tc, a_signal_that_was_held_back_is_told_as_soon_as_somebody_listens);
    tcase_add_test(tc, a_descriptor_is_told_as_long_as_it_is_watched);
    tcase_add_test(tc, a_watch_can_be_changed_and_paused);
    tcase_add_test(tc, what_is_pending_at_the_end_is_dropped_without_being_run);
    tcase_add_test(tc, an_idle_loop_does_nothing);
    suite_add_tcase(s, tc);
    return s;
}
