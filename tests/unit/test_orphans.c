/* test_orphans.c - the money that a dead worker had set aside, among that of the living. */
#include "common/budget/orphans.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/core/clock.h"
#include "tests/unit/budget_scene.h"

struct charged {
    bool done, failed;
};

static void on_charged(void *arg, const struct err *err)
{
    struct charged *c = arg;

    ck_assert(!c->done);
    c->done = true;
    c->failed = err != NULL;
}

static struct charged charge(const char *worker)
{
    struct charged c = {0};

    orphans_charge(scene_redis(), scene_keys(), worker, on_charged, &c);
    ck_assert(!c.done);
    scene_turn_until(&c.done);
    return c;
}

START_TEST(what_a_dead_worker_reserved_is_spent_and_what_others_did_is_not)
{
    hold("a:deaddead00000001.1", 20, A | B, HOUR_MS);
    hold("b.deaddead:deaddead0000000f.12", 5, A, HOUR_MS);
    hold("a:1234567800000001.1", 10, A | B, HOUR_MS);
    hold("deaddead:12345678deaddead.2", 7, A, HOUR_MS);
    ck_assert(!charge("host-deaddead").failed);
    check_sum(0, 25, 17);
    check_sum(1, 20, 10);
    ck_assert(!charge("host-deaddead").failed);
    check_sum(0, 25, 17);
    settle_hold("a:deaddead00000001.1", 3); /* it was not dead */
    check_sum(0, 8, 17);
    check_sum(1, 3, 10);
    settle_hold("a:1234567800000001.1", 4);
    check_sum(1, 7, 0);
}
END_TEST

START_TEST(it_is_remembered_for_as_long_as_an_expired_one)
{
    hold("a:deaddead00000001.1", 20, A, 1000);
    charge("host-deaddead");
    CK_SAYS("HGET @holds a:deaddead00000001.1", "c 20|a d20261122");
    look();
    CK_SAYS("HLEN @holds", "1");
    CK_SAYS("ZADD @holds-due XX CH 1 ha:deaddead00000001.1", "1");
    look();
    CK_SAYS("HLEN @holds", "0");
    check_sum(0, 20, 0);
}
END_TEST

START_TEST(all_pages_are_read)
{
    enum { MANY = 3000, STEP = 500 };
    static char names[STEP][32];
    static struct item made[STEP];
    char words[80];

    for (int at = 0; at < MANY; at += STEP) {
        for (int i = 0; i < STEP; i++) {
            snprintf(names[i], sizeof names[i], "%d:%s00000001.1", at + i,
                     i % 100 ? "deaddead" : "12345678");
            made[i] = (struct item){names[i], i < 10 && i % 2 == 0, A, INT64_C(10) * HOUR_MS};
        }
        tell_budget(NULL, 0, made, STEP);
    }
    CK_SAYS("HLEN @holds", "3000");
    check_sum(0, 0, 30);
    ck_assert(!charge("host-deaddead").failed);
    check_sum(0, 24, 6);
    snprintf(words, sizeof words, "ZCOUNT @holds-due %" PRId64 " +inf",
             clock_wall_ms() + INT64_C(9) * HOUR_MS);
    CK_SAYS(words, "30"); /* those that are open yet */
}
END_TEST

START_TEST(without_any_hold_nothing_is_written)
{
    ck_assert(!charge("host-deaddead").failed);
    CK_SAYS("EXISTS @budget @holds @holds-due", "0");
}
END_TEST

START_TEST(a_key_of_another_type_is_a_failure)
{
    CK_SAYS("SET @holds garbage", "OK");
    ck_assert(charge("host-deaddead").failed);
    CK_SAYS("DEL @holds", "1");
    hold("a:deaddead00000001.1", 20, A, HOUR_MS);
    CK_SAYS("RENAME @budget @aside", "OK");
    CK_SAYS("SET @budget garbage", "OK");
    ck_assert(charge("host-deaddead").failed);
    CK_SAYS("RENAME @aside @budget", "OK");
    ck_assert(!charge("host-deaddead").failed);
    check_sum(0, 20, 0);
}
END_TEST

Suite *test_orphans(void);
Suite *test_orphans(void)
{
    Suite *s = suite_create("test_orphans");
    TCase *tc = tcase_create("orphans");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, budget_scene_open, scene_close);
    tcase_add_test(tc, what_a_dead_worker_reserved_is_spent_and_what_others_did_is_not);
    tcase_add_test(tc, it_is_remembered_for_as_long_as_an_expired_one);
    tcase_add_test(tc, all_pages_are_read);
    tcase_add_test(tc, without_any_hold_nothing_is_written);
    tcase_add_test(tc, a_key_of_another_type_is_a_failure);
    suite_add_tcase(s, tc);
    return s;
}
