/* test_take.c - take.lua: portions shrink when schedulers die over them, and one entry that none
 * survives is set aside. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/scripts_scene.h"

/* As a scheduler that got no answer before (first), or did. */
static const char *take_as(const char *lease, bool first, const char *cannot)
{
    char words[512];

    snprintf(words, sizeof words, "SET @lease %s", lease);
    CK_SAYS(words, "OK");
    snprintf(
        words, sizeof words,
        "@lease @intake @taken @portion @aside @alerts @alerted | %s 64 1000 100 %s %s 3600000",
        lease, first ? lease : "''", cannot);
    return script_says(SCRIPT_TAKE, words);
}

static void push(int count)
{
    char words[64];

    for (int i = 0; i < count; i++) {
        snprintf(words, sizeof words, "LPUSH @intake %d", i);
        says(words);
    }
}

static void store(int count)
{
    char words[128];

    snprintf(words, sizeof words, "LTRIM @taken 0 %d", -count - 1);
    CK_SAYS(words, "OK");
}

static int shown(const char *answer)
{
    int n = 0;

    answer = strstr(answer, " [") + 2;
    for (const char *p = answer; *p != ']'; p++)
        n += *p == ' ';
    return *answer == ']' ? 0 : n + 1;
}

START_TEST(what_schedulers_die_over_is_shown_in_ever_smaller_portions)
{
    push(64);
    ck_assert_int_eq(shown(take_as("A", true, "''")), 64);
    CK_SAYS("EXISTS @portion", "0");
    ck_assert_int_eq(shown(take_as("A", false, "''")), 64);
    ck_assert_int_eq(shown(take_as("B", true, "''")), 8);
    ck_assert_int_eq(shown(take_as("B", true, "''")), 8); /* its answer was lost */
    ck_assert_int_eq(shown(take_as("C", true, "''")), 1);
    CK_SAYS("LLEN @taken", "64");
}
END_TEST

START_TEST(portions_grow_again_with_what_is_stored)
{
    push(70);
    take_as("A", true, "''");
    take_as("B", true, "''");
    ck_assert_int_eq(shown(take_as("C", true, "''")), 1);
    for (int n = 1, next = 2; n < 32; n = next, next *= 2) {
        store(n);
        ck_assert_int_eq(shown(take_as("C", false, "''")), next);
    }
    CK_SAYS("EXISTS @portion", "1");
    store(64 - 31);
    ck_assert_int_eq(shown(take_as("C", false, "''")), 6);
    CK_SAYS("EXISTS @portion", "0");
}
END_TEST

START_TEST(an_entry_that_schedulers_died_over_is_set_aside_and_told)
{
    CK_SAYS("LPUSH @intake {\"id\":\"big\"} next", "2");
    ck_assert_int_eq(shown(take_as("A", true, "''")), 2);
    ck_assert_int_eq(shown(take_as("B", true, "''")), 1);
    for (const char *const *one = (const char *const[]){"C", "D", "E", "F", NULL}; *one; one++)
        ck_assert_int_eq(shown(take_as(*one, true, "''")), 1);
    CK_SAYS("EXISTS @aside", "0");
    ck_assert_str_eq(take_as("G", true, "''"), "[ok 0 [next]]");
    CK_SAYS("LRANGE @aside 0 -1", "[{\"id\":\"big\"}]");
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"), "\"subject\":\"big\""));
    ck_assert_str_eq(take_as("G", true, "''"), "[ok 0 [next]]");
    CK_SAYS("LLEN @aside", "1");
}
END_TEST

START_TEST(a_scheduler_that_lacks_memory_sets_the_oldest_aside_once)
{
    CK_SAYS("LPUSH @intake big next", "2");
    take_as("A", true, "''");
    ck_assert_str_eq(take_as("A", false, "big"), "[ok 0 [next]]");
    ck_assert_str_eq(take_as("A", false, "big"), "[ok 0 [next]]");
    CK_SAYS("LRANGE @aside 0 -1", "[big]");
    CK_SAYS("XLEN @alerts", "1");
}
END_TEST

START_TEST(what_is_in_hand_is_shown_by_bytes_too)
{
    char words[600] = "LPUSH @taken";

    for (int i = 0; i < 20; i++) {
        size_t n = strlen(words);

        memset(words + n, 'a' + i, 20);
        words[n] = ' ';
        words[n + 20] = '\0';
    }
    says(words);
    CK_SCRIPT(TAKE, "@lease @intake @taken @portion @aside @alerts @alerted | L 64 40 100 '' '' 1",
              "[ok 0 [ccccccccccccccccccc bbbbbbbbbbbbbbbbbbb aaaaaaaaaaaaaaaaaaa]]");
}
END_TEST

Suite *test_take(void)
{
    Suite *s = suite_create("take");
    TCase *tc = tcase_create("script");

    tcase_add_checked_fixture(tc, scene_open, scene_close);
    tcase_add_test(tc, what_schedulers_die_over_is_shown_in_ever_smaller_portions);
    tcase_add_test(tc, portions_grow_again_with_what_is_stored);
    tcase_add_test(tc, an_entry_that_schedulers_died_over_is_set_aside_and_told);
    tcase_add_test(tc, a_scheduler_that_lacks_memory_sets_the_oldest_aside_once);
    tcase_add_test(tc, what_is_in_hand_is_shown_by_bytes_too);
    suite_add_tcase(s, tc);
    return s;
}
