#include <check.h>

#include "worker/route/habits.h"

static struct habits *habits;
static char a_name[] = "a", b_name[] = "b";
static struct config_provider a, b;

static void setup(void)
{
    habits = habits_new();
    a = (struct config_provider){.name = a_name};
    b = (struct config_provider){.name = b_name};
}

static void teardown(void) { habits_free(habits); }

START_TEST(a_stream_without_usage_makes_the_next_call_ask)
{
    ck_assert(!habits_ask_usage(habits, &a));
    habits_streamed(habits, &a, false, true);
    ck_assert(!habits_ask_usage(habits, &a));
    habits_streamed(habits, &a, false, false);
    ck_assert(habits_ask_usage(habits, &a));
    habits_streamed(habits, &a, true, true);
    ck_assert(habits_ask_usage(habits, &a));
    ck_assert(!habits_ask_usage(habits, &b));
}
END_TEST

START_TEST(asking_in_vain_ends_it)
{
    habits_streamed(habits, &a, false, false);
    habits_streamed(habits, &a, true, false);
    ck_assert(!habits_ask_usage(habits, &a));
    habits_streamed(habits, &a, false, false);
    ck_assert(!habits_ask_usage(habits, &a));
}
END_TEST

START_TEST(a_refusal_of_the_question_ends_it_and_no_other_refusal_does)
{
    habits_streamed(habits, &a, false, false);
    ck_assert(!habits_refused(habits, &a, "temperature: too hot"));
    ck_assert(habits_ask_usage(habits, &a));
    ck_assert(habits_refused(habits, &a, "Unrecognized request argument: stream_options"));
    ck_assert(!habits_ask_usage(habits, &a));
}
END_TEST

START_TEST(the_setting_decides_over_what_was_seen)
{
    a.stream_usage = STREAM_USAGE_ALWAYS;
    ck_assert(habits_ask_usage(habits, &a));
    ck_assert(!habits_refused(habits, &a, "stream_options"));
    habits_streamed(habits, &b, false, false);
    b.stream_usage = STREAM_USAGE_NEVER;
    ck_assert(!habits_ask_usage(habits, &b));
}
END_TEST

Suite *test_habits(void);
Suite *test_habits(void)
{
    Suite *s = suite_create("habits");
    TCase *tc = tcase_create("usage");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_stream_without_usage_makes_the_next_call_ask);
    tcase_add_test(tc, asking_in_vain_ends_it);
    tcase_add_test(tc, a_refusal_of_the_question_ends_it_and_no_other_refusal_does);
    tcase_add_test(tc, the_setting_decides_over_what_was_seen);
    suite_add_tcase(s, tc);
    return s;
}
