/* test_rooms_script.c - room.lua and retime.lua on a real server: hints about postponed jobs. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/scripts_scene.h"

/* One room "r": last place, most, entries. */
static const char *room(const char *rest)
{
    static char words[400];

    snprintf(words, sizeof words, "@rooms @budget @room:r | 4 60000 10 r %s", rest);
    return script_says(SCRIPT_ROOM, words);
}

START_TEST(entries_are_handed_out_in_order_and_once)
{
    ck_assert_str_eq(room("0 0 - 0 3 30 noop/c 10 noop/a 20 noop/b"), "[[3]]");
    CK_SAYS("ZRANGE @rooms 0 -1", "[r]");
    ck_assert_str_eq(room("20 1 - 0 0"), "[[2 noop/a 10]]");
    ck_assert_str_eq(room("20 9 - 0 0"), "[[1 noop/b 20]]");
    ck_assert_str_eq(room("20 9 - 0 0"), "[[1]]");
    ck_assert_str_eq(room("inf 9 - 0 0"), "[[0 noop/c 30]]");
    CK_SAYS("EXISTS @room:r @rooms", "0");
}
END_TEST

START_TEST(the_same_entry_again_changes_its_place_only)
{
    ck_assert_str_eq(room("0 0 - 0 2 10 noop/a 20 noop/b"), "[[2]]");
    ck_assert_str_eq(room("0 0 - 0 2 10 noop/a 20 noop/b"), "[[2]]"); /* the answer was lost */
    ck_assert_str_eq(room("0 0 - 0 1 30 noop/a"), "[[2]]");
    ck_assert_str_eq(room("inf 9 - 0 0"), "[[0 noop/b 20 noop/a 30]]");
}
END_TEST

START_TEST(a_room_is_bounded_and_does_not_stay_for_ever)
{
    ck_assert_str_eq(room("0 0 - 0 3 10 noop/a 20 noop/b 30 noop/c"), "[[3]]");
    ck_assert_str_eq(room("0 0 - 0 3 15 noop/d 16 noop/e 17 noop/f"), "[[4]]");
    CK_SAYS("ZRANGE @room:r 0 -1", "[noop/a noop/d noop/e noop/f]"); /* the first ones */
    CK_SAYS("PERSIST @room:r", "1");
    CK_SAYS("PERSIST @rooms", "1");
}
END_TEST

START_TEST(the_list_of_rooms_is_bounded)
{
    for (int i = 0; i < 15; i++) {
        char words[100];

        snprintf(words, sizeof words, "@rooms @budget @room:%d | 4 60000 10 %d 0 0 - 0 1 1 noop/a",
                 i, i);
        script_says(SCRIPT_ROOM, words);
    }
    CK_SAYS("ZCARD @rooms", "10");
}
END_TEST

START_TEST(an_entry_that_comes_after_money_came_back_is_handed_out)
{
    script_says(SCRIPT_BUDGET, "@budget @holds @holds-due @alerts @alerted @workers "
                               "@calls:w-aaaaaaaa | 60000 60000 w-aaaaaaaa 1 s 0 9999999999999 100 "
                               "'' 0 1 h 70 60000 note 1 1"); /* 70 are reserved */
    ck_assert_str_eq(room("0 0 s 70 2 10 noop/a 20 noop/b"), "[[2]]");
    ck_assert_str_eq(room("0 0 s 71 1 30 noop/c"), "[[2 noop/a 10]]"); /* they were 71 */
    ck_assert_str_eq(room("inf 2 s 71 1 40 noop/d"), "[[1 noop/b 20 noop/c 30]]");
    ck_assert_str_eq(room("0 0 gone 70 1 50 noop/e"), "[[1 noop/d 40]]");
}
END_TEST

START_TEST(only_a_job_that_waits_is_called_back)
{
    const struct record held = running("a");
    struct record next = held;
    const struct defer d = {.id = "a", .held = &held, .next = next, .delay_ms = 600000};

    CK_SCRIPT(RETIME, "@delayed @bell @job:a | noop/a 0", "0"); /* it runs */
    ck_assert_int_eq(defer_one(W, &d), 'k');
    CK_SCRIPT(RETIME, "@delayed @bell @job:a | noop/a 0", "1");
    CK_SAYS("LLEN @bell", "1");
    CK_SCRIPT(RETIME, "@delayed @bell @job:b | noop/b 0", "0"); /* no such job */
    CK_SAYS("ZCARD @delayed", "1");
}
END_TEST

Suite *test_rooms_script(void);
Suite *test_rooms_script(void)
{
    Suite *s = suite_create("rooms_script");
    TCase *tc = tcase_create("rooms_script");

    tcase_add_checked_fixture(tc, scene_open, scene_close);
    tcase_add_test(tc, entries_are_handed_out_in_order_and_once);
    tcase_add_test(tc, the_same_entry_again_changes_its_place_only);
    tcase_add_test(tc, a_room_is_bounded_and_does_not_stay_for_ever);
    tcase_add_test(tc, the_list_of_rooms_is_bounded);
    tcase_add_test(tc, an_entry_that_comes_after_money_came_back_is_handed_out);
    tcase_add_test(tc, only_a_job_that_waits_is_called_back);
    suite_add_tcase(s, tc);
    return s;
}
