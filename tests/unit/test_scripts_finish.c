/* test_scripts_finish.c - lua/finish.lua: a job ends once, with its costs, webhook and reply. */
#include "tests/unit/scripts_scene.h"

#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"

START_TEST(a_finish_is_written_once_and_then_answered_again)
{
    struct record rec = running("a");
    struct cost_event cost = plain_cost("a:1:1:1.1", 500);
    struct finish f = plain_finish("a", &rec);

    f.reply = true;
    f.webhook_id = "a~w";
    f.webhook_spare_id = "a~w.1";
    f.webhook_record = (struct span){"hook", 4};
    f.costs = &cost;
    f.cost_count = 1;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish_one(W, &f), i ? 'a' : 'k');
        CK_SAYS("XLEN @results", "1");
        CK_SAYS("XLEN @costs", "1");
        CK_SAYS("LRANGE @reply:a 0 -1", "[{\"the\":\"result\"}]");
        CK_SAYS("LRANGE @ready:webhook 0 -1", "[a~w]");
        CK_SAYS("SCARD @active:" W, "0");
        ck_assert_int_eq(state_of("a"), 'c');
    }
    ck_assert_str_ne(says("PTTL @job:a"), "-1");
    CK_SAYS("GET @job:a~w", "hook");
}
END_TEST

/* A tag that is another one in each job must not fill Redis. */
START_TEST(sums_of_a_day_that_has_too_many_are_those_of_others)
{
    struct record rec = running("a");
    struct cost_event cost = plain_cost("a:1:1:1.1", 500);
    struct finish f = plain_finish("a", &rec);
    char day[9], words[300];

    clock_day(clock_wall_ms(), day);
    snprintf(words, sizeof words,
             "EVAL for\ti=1,200000\tdo\tredis.call('HSET',KEYS[1],'tag:x='..i..'|calls',1)\tend 1 "
             "@spend:%s",
             day);
    CK_SAYS(words, "nil");
    snprintf(words, sizeof words, "HSET @spend:%s tenant:known|calls 1", day);
    CK_SAYS(words, "1");
    cost.tenant = (struct span){"\"known\"", 7};
    cost.tags = (struct span){"{\"x\":\"new\"}", 11};
    f.costs = &cost;
    f.cost_count = 1;
    ck_assert_int_eq(finish_one(W, &f), 'k');
    snprintf(
        words, sizeof words,
        "HMGET @spend:%s tag:x=new|cost tag:(others)|cost tenant:known|cost model:(others)|cost "
        "total|cost",
        day);
    CK_SAYS(words, "[nil 500 500 500 500]");
}
END_TEST

START_TEST(a_stale_finish_only_tells_its_costs_and_only_once)
{
    struct record rec = running("a"), late = rec;
    struct cost_event cost = plain_cost("a:1:1:9.1", 500);
    struct finish f = plain_finish("a", &late);

    late.tnum = 7;
    f.costs = &cost;
    f.cost_count = 1;
    for (int i = 0; i < 2; i++) {
        ck_assert_int_eq(finish_one("w-zzzzzzzz", &f), 's');
        CK_SAYS("XLEN @costs", "1");
        CK_SAYS("XLEN @results", "0");
    }
    ck_assert_ptr_nonnull(strstr(says("XRANGE @costs - +"), "\"flags\":[\"duplicate\"]"));
    ck_assert_int_eq(state_of("a"), 'a');
    CK_SAYS("SISMEMBER @active:" W " a", "1");
}
END_TEST

/* Its worker was taken for dead, and was not: both tell of the call that may have been lost. */
START_TEST(the_lost_call_of_a_cancelled_job_is_told_once)
{
    struct record rec = running("a");
    struct cost_event lost = plain_cost("a:1:1:1.0", 500);
    struct finish f = plain_finish("a", &rec);
    struct defer d = {.id = "a", .held = &rec, .next = rec, .costs = &lost, .cost_count = 1};

    f.next.state = JOB_STATE_CANCELLED;
    f.taken = true;
    f.costs = &lost;
    f.cost_count = 1;
    ck_assert_int_eq(finish_one(W, &f), 'k');
    ck_assert_int_eq(defer_one(W, &d), 's');
    CK_SAYS("XLEN @costs", "1");
}
END_TEST

/* Redis forgot its last second: the job is ready again, and in no list. */
START_TEST(a_stale_finish_of_a_ready_job_leaves_its_id_for_the_next_look)
{
    struct record rec = running("a"), late = rec;
    struct finish f = plain_finish("a", &late);
    struct defer d = {.id = "a", .held = &late, .next = late};

    CK_SAYS("SETRANGE @job:a 2 r-000000", says("STRLEN @job:a"));
    ck_assert_int_eq(finish_one(W, &f), 's');
    ck_assert_int_eq(defer_one(W, &d), 's');
    CK_SAYS("SISMEMBER @active:" W " a", "1");
    CK_SAYS("SETRANGE @job:a 2 c-000005", says("STRLEN @job:a"));
    ck_assert_int_eq(finish_one(W, &f), 's');
    CK_SAYS("SISMEMBER @active:" W " a", "0");
}
END_TEST

/* Ids may come again when their records are gone; deliveries go on for days. */
START_TEST(a_webhook_of_an_earlier_job_with_that_id_does_not_swallow_the_next)
{
    struct record rec = running("a");
    struct finish f = plain_finish("a", &rec);

    CK_SAYS("SET @job:a~w of-yesterday", "OK");
    f.webhook_id = "a~w";
    f.webhook_spare_id = "a~w.18f";
    f.webhook_record = (struct span){"hook", 4};
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SAYS("LRANGE @ready:webhook 0 -1", "[a~w.18f]");
    CK_SAYS("GET @job:a~w", "of-yesterday");
    CK_SAYS("GET @job:a~w.18f", "hook");
}
END_TEST

START_TEST(a_reply_key_of_another_type_keeps_nobody_from_finishing)
{
    struct record rec = running("a");
    struct finish f = plain_finish("a", &rec);

    CK_SAYS("SET @reply:a mine", "OK");
    f.reply = true;
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SAYS("XLEN @results", "1");
    CK_SAYS("SCARD @active:" W, "0");
}
END_TEST

START_TEST(a_sum_that_overflows_keeps_nobody_from_finishing)
{
    struct record rec = running("a");
    struct cost_event cost = plain_cost("a:1:1:1.1", INT64_MAX);
    struct finish f = plain_finish("a", &rec);

    f.costs = &cost;
    f.cost_count = 1;
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SAYS("XLEN @costs", "1");
    CK_SAYS("SCARD @active:" W, "0");
}
END_TEST

Suite *test_scripts_finish(void);
Suite *test_scripts_finish(void)
{
    Suite *s = suite_create("scripts_finish");
    TCase *t = tcase_create("finish");

    tcase_add_checked_fixture(t, scene_open, scene_close);
    tcase_add_test(t, a_finish_is_written_once_and_then_answered_again);
    tcase_add_test(t, sums_of_a_day_that_has_too_many_are_those_of_others);
    tcase_add_test(t, a_stale_finish_only_tells_its_costs_and_only_once);
    tcase_add_test(t, the_lost_call_of_a_cancelled_job_is_told_once);
    tcase_add_test(t, a_stale_finish_of_a_ready_job_leaves_its_id_for_the_next_look);
    tcase_add_test(t, a_webhook_of_an_earlier_job_with_that_id_does_not_swallow_the_next);
    tcase_add_test(t, a_reply_key_of_another_type_keeps_nobody_from_finishing);
    tcase_add_test(t, a_sum_that_overflows_keeps_nobody_from_finishing);
    suite_add_tcase(s, t);
    return s;
}
