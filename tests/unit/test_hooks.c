/* test_hooks.c - one slow or dead receiver of webhooks harms nobody. */
#include "worker/webhook/hooks.h"

#include <check.h>

#include "worker/process.h"

enum { PER_HOST = 2, FAILURES = 5 };

static struct config cfg;
static struct process process;
static struct hooks *hooks;

static void setup(void)
{
    cfg = (struct config){.webhooks_per_host = PER_HOST};
    process = (struct process){.env.cfg = &cfg};
    hooks = hooks_new(&process.env);
}

static void teardown(void) { hooks_free(hooks); }

static void break_host(const char *host)
{
    for (int i = 0; i < FAILURES; i++) {
        ck_assert_int_eq(hooks_begin(hooks, host), 0);
        hooks_end(hooks, host, false);
    }
}

START_TEST(a_host_takes_so_many_at_once_and_others_go_on)
{
    for (int i = 0; i < PER_HOST; i++)
        ck_assert_int_eq(hooks_begin(hooks, "slow"), 0);
    ck_assert_int_gt(hooks_begin(hooks, "slow"), 0);
    ck_assert_int_eq(hooks_begin(hooks, "other"), 0);
    hooks_end(hooks, "slow", true);
    ck_assert_int_eq(hooks_begin(hooks, "slow"), 0);
}
END_TEST

START_TEST(a_host_that_fails_in_a_row_is_left_alone)
{
    break_host("dead");
    ck_assert_int_gt(hooks_begin(hooks, "dead"), 0);
    ck_assert_int_eq(hooks_begin(hooks, "other"), 0);
}
END_TEST

START_TEST(a_delivery_that_we_cut_does_not_mend_its_receiver)
{
    ck_assert_int_eq(hooks_begin(hooks, "dead"), 0);
    break_host("dead");
    hooks_drop(hooks, "dead");
    ck_assert_int_gt(hooks_begin(hooks, "dead"), 0);
}
END_TEST

START_TEST(a_delivery_that_we_cut_gives_its_place_free)
{
    for (int i = 0; i < PER_HOST; i++)
        ck_assert_int_eq(hooks_begin(hooks, "host"), 0);
    hooks_drop(hooks, "host");
    ck_assert_int_eq(hooks_begin(hooks, "host"), 0);
}
END_TEST

START_TEST(the_more_wait_for_a_host_the_longer_each)
{
    int64_t wait = 0;

    for (int i = 0; i < PER_HOST; i++)
        ck_assert_int_eq(hooks_begin(hooks, "slow"), 0);
    ck_assert_int_le(hooks_begin(hooks, "slow"), 1000);
    for (int i = 0; i < 10000; i++) {
        wait = hooks_begin(hooks, "slow");
        ck_assert_int_le(wait, 20000);
    }
    ck_assert_int_ge(wait, 4000);
    for (int i = 0; i < 200; i++) { /* their turn comes: it is quick again */
        hooks_end(hooks, "slow", true);
        ck_assert_int_eq(hooks_begin(hooks, "slow"), 0);
    }
    ck_assert_int_le(hooks_begin(hooks, "slow"), 1000);
}
END_TEST

Suite *test_hooks(void);
Suite *test_hooks(void)
{
    Suite *s = suite_create("hooks");
    TCase *t = tcase_create("hooks");

    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_host_takes_so_many_at_once_and_others_go_on);
    tcase_add_test(t, a_host_that_fails_in_a_row_is_left_alone);
    tcase_add_test(t, a_delivery_that_we_cut_does_not_mend_its_receiver);
    tcase_add_test(t, a_delivery_that_we_cut_gives_its_place_free);
    tcase_add_test(t, the_more_wait_for_a_host_the_longer_each);
    suite_add_tcase(s, t);
    return s;
}
