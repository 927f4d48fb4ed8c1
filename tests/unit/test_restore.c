/* test_restore.c - peek.lua and restore.lua: unnamed jobs are named again, once, and only while
 * they are as they were seen. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/scripts_scene.h"

#define NOBODY "@active:unnamed-aaaaaaaa"

/* Its claim is that of a fresh record. */
static const char *restore_with(const char *lease, const char *active, const char *claim)
{
    char words[512];

    snprintf(words, sizeof words,
             "@lease @delayed @bell @alerts @alerted @QUEUES @job:a %s | %s 3600000 a %s 8 noop",
             active, lease, claim);
    return script_says(SCRIPT_RESTORE, words);
}

static const char fresh[] = "r0000000000000000000000", started[] = "a000001" TOKEN;

static void store(const char *members)
{
    char doc[256];

    snprintf(doc, sizeof doc, "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}%s}", members);
    ck_assert_int_eq(submit_one(doc), 's');
}

START_TEST(a_ready_job_goes_to_the_front_of_its_list_once)
{
    store("");
    CK_SAYS("DEL @ready:noop @wake:noop", "2");
    CK_SAYS("RPUSH @ready:noop other", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok k]");
    CK_SAYS("LRANGE @ready:noop 0 -1", "[other a]");
    CK_SAYS("LLEN @wake:noop", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok n]");
    CK_SAYS("LRANGE @ready:noop 0 -1", "[other a]");
    CK_SAYS("XLEN @alerts", "1");
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"), "put back: a\""));
}
END_TEST

START_TEST(a_job_that_is_not_due_goes_to_delayed_once)
{
    char due[32];

    store(",\"delay_ms\":60000");
    snprintf(due, sizeof due, "%lld.5", (long long)record_of_job("a").due_ms);
    CK_SAYS("DEL @delayed", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok k]");
    CK_SAYS("ZSCORE @delayed noop/a", due);
    CK_SAYS("LLEN @ready:noop", "0");
    CK_SAYS("LLEN @bell", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok n]");
    CK_SAYS("ZCARD @delayed", "1");
}
END_TEST

START_TEST(an_active_job_goes_to_the_ids_of_its_worker_once)
{
    running("a");
    CK_SAYS("SREM @active:" W " a", "1");
    ck_assert_str_eq(restore_with("L", "@active:" W, started), "[ok k]");
    CK_SAYS("SMEMBERS @active:" W, "[a]");
    ck_assert_str_eq(restore_with("L", "@active:" W, started), "[ok n]");
    ck_assert_int_eq(record_of_job("a").state, JOB_STATE_ACTIVE);
    ck_assert_int_eq(record_of_job("a").tnum, 1);
}
END_TEST

START_TEST(a_job_that_moved_meanwhile_is_left_alone)
{
    struct record rec = running("a");
    struct finish f = plain_finish("a", &rec);

    CK_SAYS("SREM @active:" W " a", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok s]");
    ck_assert_int_eq(finish_one(W, &f), 'k');
    ck_assert_str_eq(restore_with("L", "@active:" W, started), "[ok s]");
    CK_SAYS("DEL @job:a", "1");
    CK_SAYS("HSET @job:a no record", "1");
    ck_assert_str_eq(restore_with("L", NOBODY, fresh), "[ok s]");
    CK_SAYS("EXISTS @ready:noop @delayed " NOBODY " @active:" W " @alerts", "0");
}
END_TEST

START_TEST(a_deposed_scheduler_restores_nothing)
{
    store("");
    CK_SAYS("DEL @ready:noop", "1");
    ck_assert_str_eq(restore_with("another", NOBODY, fresh), "[deposed]");
    CK_SCRIPT(PEEK, "@lease @sweep @job:a | another 17", "[deposed]");
    CK_SAYS("EXISTS @ready:noop @alerts @sweep", "0");
}
END_TEST

START_TEST(headers_are_those_of_unfinished_jobs)
{
    struct record rec;
    struct finish f;
    const char *all;

    store("");
    CK_SAYS("HSET @job:odd no record", "1");
    all = script_says(SCRIPT_PEEK, "@lease @sweep @job:a @job:odd @job:none | L 17");
    ck_assert_int_eq(strncmp(all, "[ok 01r-000000", 14), 0);
    ck_assert_int_eq(strlen(all), strlen("[ok   ]") + RECORD_HEADER);
    CK_SAYS("GET @sweep", "17");
    ck_assert(claim_one(W, TOKEN, "a"));
    rec = record_of_job("a");
    f = plain_finish("a", &rec);
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SCRIPT(PEEK, "@lease @sweep @job:a | L ''", "[ok ]");
    CK_SAYS("GET @sweep", "17");
}
END_TEST

Suite *test_restore(void)
{
    Suite *s = suite_create("restore");
    TCase *tc = tcase_create("scripts");

    tcase_add_checked_fixture(tc, scene_open, scene_close);
    tcase_add_test(tc, a_ready_job_goes_to_the_front_of_its_list_once);
    tcase_add_test(tc, a_job_that_is_not_due_goes_to_delayed_once);
    tcase_add_test(tc, an_active_job_goes_to_the_ids_of_its_worker_once);
    tcase_add_test(tc, a_job_that_moved_meanwhile_is_left_alone);
    tcase_add_test(tc, a_deposed_scheduler_restores_nothing);
    tcase_add_test(tc, headers_are_those_of_unfinished_jobs);
    suite_add_tcase(s, tc);
    return s;
}
