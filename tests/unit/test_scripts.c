/* test_scripts.c - the transitions of a job, script by script: claim, start, defer,
 * promote, replay, cancel; finish is in test_scripts_finish.c. */
#include "tests/unit/scripts_scene.h"

#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"

static const char noop[] = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}}";

static void submit_ids(const char *ids)
{
    for (; *ids; ids++) {
        char doc[128];

        snprintf(doc, sizeof doc, "{\"id\":\"%c\",\"type\":\"noop\",\"payload\":{}}", *ids);
        ck_assert_int_eq(submit_one(doc), 's');
    }
}

/* ---- claim ---- */

START_TEST(claims_the_oldest_first_and_rings_on_while_work_is_left)
{
    submit_ids("abc");
    CK_SAYS("DEL @wake:noop", "1");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 2 noop 2 o 2",
              "[ok [a b] -]");
    CK_SAYS("LLEN @wake:noop", "1");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 9 noop 9 o 9",
              "[ok [c] d]");
    CK_SAYS("LLEN @wake:noop", "1");
    CK_SAYS("SCARD @active:" W, "3");
}
END_TEST

START_TEST(claims_nothing_for_a_worker_that_is_not_registered)
{
    submit_ids("a");
    CK_SCRIPT(CLAIM, "@workers @active:x @paused @ready:noop @wake:noop | x 1 2 noop 2 o 2",
              "[gone]");
    CK_SAYS("LLEN @ready:noop", "1");
}
END_TEST

START_TEST(claims_nothing_from_a_paused_queue_and_does_not_ring_for_it)
{
    submit_ids("ab");
    CK_SAYS("DEL @wake:noop", "1");
    CK_SAYS("HSET @paused noop 1", "1");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 1 noop 1 o 1",
              "[ok [] d]");
    CK_SAYS("LLEN @wake:noop", "0");
}
END_TEST

START_TEST(queues_of_a_class_together_get_no_more_than_its_most)
{
    CK_SAYS("RPUSH @ready:noop n1 n2 n3", "3");
    CK_SAYS("RPUSH @ready:webhook w1 w2 w3", "3");
    CK_SCRIPT(CLAIM,
              "@workers @active:" W " @paused @ready:inference.realtime @ready:noop @ready:webhook "
              "@wake:inference.realtime @wake:noop @wake:webhook | " W
              " 3 6 inference.realtime 4 r 6 noop 1 o 3 webhook 1 o 3",
              "[ok [] [n3 n2] [w3] d--]");
}
END_TEST

/* ---- start ---- */

START_TEST(a_start_that_is_sent_again_answers_the_same_job)
{
    struct record rec = running("a");

    ck_assert_int_eq(rec.state, JOB_STATE_ACTIVE);
    ck_assert_int_eq(rec.tnum, 1);
    ck_assert_str_eq(rec.token, TOKEN);
    ck_assert(claim_one(W, TOKEN, "a"));
    ck_assert_int_eq(record_of_job("a").tnum, 1);
}
END_TEST

/* The token of a wake list may tell an id that another worker has claimed by now. */
START_TEST(a_guess_starts_only_what_this_worker_has_claimed)
{
    static const char guess[] =
        "@workers @active:" W " @delayed @paused @job:a | " W " " TOKEN " 11 guess";

    submit_ids("a");
    CK_SAYS("LPOP @wake:noop", "a");
    CK_SCRIPT(START, guess, "[ok 0 0]");
    ck_assert_int_eq(state_of("a"), 'r');
    CK_SAYS("LLEN @ready:noop", "1");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 9 noop 9 o 9",
              "[ok [a] d]");
    ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_START, guess), noop));
    ck_assert_int_eq(state_of("a"), 'a');
    ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_START, guess), noop)); /* sent again */
    ck_assert_int_eq(record_of_job("a").tnum, 1);
}
END_TEST

#define ALL_QUEUES(of)                                                                   \
    "@" of ":inference.realtime @" of ":inference.standard @" of ":inference.batch @" of \
    ":batch @" of ":fine-tune-deploy @" of ":eval @" of ":webhook @" of ":noop "
#define GIVE_BACK "@active:" W " " ALL_QUEUES("ready") ALL_QUEUES("wake")

START_TEST(a_job_of_a_paused_queue_is_not_started)
{
    static const char start[] =
        "@workers @active:" W " @delayed @paused @job:a @job:b | " W " " TOKEN " 11";

    submit_ids("ab");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 9 noop 9 o 9",
              "[ok [a b] d]");
    CK_SAYS("HSET @paused noop 1", "1");
    for (int i = 0; i < 2; i++)
        ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_START, start), " -8 -8]"));
    ck_assert_int_eq(state_of("a"), 'r');
    CK_SAYS("SCARD @active:" W, "2");
    CK_SAYS("HSET @paused webhook 1", "1");
    CK_SAYS("HDEL @paused noop", "1");
    ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_START, start), noop));
    ck_assert_int_eq(state_of("b"), 'a');
}
END_TEST

START_TEST(claimed_ids_go_back_once_to_the_end_that_was_asked_for)
{
    submit_ids("abcd");
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 3 noop 3 o 3",
              "[ok [a b c] -]");
    CK_SCRIPT(GIVEBACK, GIVE_BACK "@job:a @job:b | front a 8 b 8", "2");
    CK_SCRIPT(GIVEBACK, GIVE_BACK "@job:a @job:b | front a 8 b 8", "0");
    CK_SCRIPT(GIVEBACK, GIVE_BACK "@job:c | back c 8", "1");
    CK_SAYS("LRANGE @ready:noop 0 -1", "[c d b a]");
    CK_SAYS("EXISTS @active:" W, "0");
}
END_TEST

/* Its id was in the list twice: the second claim goes back, and the job runs here. */
START_TEST(an_active_job_does_not_go_back)
{
    running("a");
    CK_SCRIPT(GIVEBACK, GIVE_BACK "@job:a | front a 8", "0");
    CK_SAYS("SMEMBERS @active:" W, "[a]");
    CK_SAYS("EXISTS @ready:noop", "0");
}
END_TEST

START_TEST(a_claim_rings_on_once)
{
    submit_ids("abcd");
    CK_SAYS("DEL @wake:noop", "1");
    for (int i = 0; i < 2; i++) {
        CK_SCRIPT(CLAIM,
                  "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 1 noop 1 o 1",
                  i ? "[ok [b] -]" : "[ok [a] -]");
        CK_SAYS("LRANGE @wake:noop 0 -1", "[1]");
    }
    CK_SCRIPT(CLAIM,
              "@workers @active:" W " @paused @ready:noop @ready:eval @wake:noop @wake:eval | " W
              " 2 1 noop 1 o 1 eval 1 o 1",
              "[ok [c] [] -d]");
    CK_SAYS("LRANGE @wake:noop 0 -1", "[1]");
    CK_SAYS("EXISTS @wake:eval", "0");
}
END_TEST

START_TEST(an_id_that_lay_twice_in_the_list_is_started_once)
{
    running("a");
    CK_SAYS("LPUSH @ready:noop a", "1");
    ck_assert(!claim_one(W, "aaaaaaaa00000002", "a"));
    CK_SAYS("SISMEMBER @active:" W " a", "1");
    CK_SAYS("HSET @workers w-bbbbbbbb {}", "1");
    CK_SAYS("LPUSH @ready:noop a", "1");
    ck_assert(!claim_one("w-bbbbbbbb", "bbbbbbbb00000001", "a"));
    CK_SAYS("SISMEMBER @active:w-bbbbbbbb a", "0");
    ck_assert_str_eq(record_of_job("a").token, TOKEN);
}
END_TEST

START_TEST(what_is_gone_or_ended_or_no_record_is_dropped)
{
    struct record rec = running("a");
    struct finish f = plain_finish("a", &rec);

    finish_one(W, &f);
    CK_SAYS("LPUSH @active:x y", "1");
    CK_SAYS("HSET @job:h f v", "1");
    CK_SAYS("SADD @active:" W " a b h", "3");
    script_says(SCRIPT_START, "@workers @active:" W " @delayed @paused @job:a @job:b @job:h | " W
                              " aaaaaaaa00000002 11");
    CK_SAYS("SCARD @active:" W, "0");
}
END_TEST

/* Redis's clock was set back, or an earlier hint was left in the list. */
START_TEST(a_job_that_is_not_due_is_named_by_delayed_afterwards)
{
    ck_assert_int_eq(
        submit_one("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"delay_ms\":60000}"), 's');
    CK_SAYS("DEL @delayed", "1");
    CK_SAYS("LPUSH @ready:noop a", "1");
    ck_assert(!claim_one(W, TOKEN, "a"));
    ck_assert_int_eq(state_of("a"), 'r');
    CK_SAYS("SCARD @active:" W, "0");
    CK_SAYS("ZRANGE @delayed 0 -1", "[noop/a]");
    ck_assert_int_gt((int)strlen(says("ZSCORE @delayed noop/a")), 12);
}
END_TEST

START_TEST(jobs_of_a_version_or_type_that_is_not_known_are_left_alone)
{
    submit_ids("ab");
    CK_SAYS("SETRANGE @job:a 0 02", says("STRLEN @job:a"));
    CK_SAYS("SETRANGE @job:b 103 b", says("STRLEN @job:b"));
    ck_assert(!claim_one(W, TOKEN, "a"));
    ck_assert(!claim_one(W, TOKEN, "b"));
    ck_assert_int_eq(state_of("a"), 'r');
    ck_assert_int_eq(state_of("b"), 'r');
    CK_SAYS("SCARD @active:" W, "2");
}
END_TEST

/* A scheduler that took this worker for dead may have taken the id out after the claim. */
START_TEST(what_is_started_is_among_the_active_ids_whoever_took_it_out)
{
    struct record rec;
    struct defer d = {.id = "a", .held = &rec, .front = true};

    submit_ids("a");
    rec = d.next = record_of_job("a");
    CK_SAYS("SADD @active:" W " a", "1");
    ck_assert_int_eq(defer_one(W, &d), 'k'); /* claimed, and given back by the scheduler */
    CK_SAYS("DEL @ready:noop", "1");
    ck_assert(claim_one(W, TOKEN, "a"));
    CK_SAYS("SMEMBERS @active:" W, "[a]");
}
END_TEST

START_TEST(transition_numbers_go_round)
{
    struct record rec;

    submit_ids("a");
    CK_SAYS("SETRANGE @job:a 4 ffffff", says("STRLEN @job:a"));
    ck_assert(claim_one(W, TOKEN, "a"));
    rec = record_of_job("a");
    ck_assert_int_eq(rec.tnum, 0);
    ck_assert_str_eq(rec.token, TOKEN);
    ck_assert_int_eq(record_next_tnum(0xffffff), 0);
}
END_TEST

/* ---- defer ---- */

START_TEST(deferred_jobs_go_to_the_front_or_the_back_or_to_their_time)
{
    struct record rec[3] = {running("a"), running("b"), running("c")};
    struct defer d = {.id = "a", .held = &rec[0], .next = rec[0]};

    submit_ids("x");
    ck_assert_int_eq(defer_one(W, &d), 'k');
    d = (struct defer){.id = "b", .held = &rec[1], .next = rec[1], .front = true};
    ck_assert_int_eq(defer_one(W, &d), 'k');
    d = (struct defer){.id = "c", .held = &rec[2], .next = rec[2], .delay_ms = 60000};
    ck_assert_int_eq(defer_one(W, &d), 'k');
    ck_assert_int_eq(defer_one(W, &d), 'a');
    CK_SAYS("LRANGE @ready:noop 0 -1", "[a x b]"); /* the right end is next */
    CK_SAYS("ZRANGE @delayed 0 -1", "[noop/c]");
    CK_SAYS("LLEN @bell", "1");
    CK_SAYS("SCARD @active:" W, "0");
}
END_TEST

/* The answer was lost with the connection, and the job ran on before it was sent again. */
START_TEST(costs_of_a_deferral_are_told_once_even_if_it_is_sent_again_too_late)
{
    struct record rec = running("a");
    struct cost_event cost = plain_cost("a:1:1:1.1", 500);
    struct defer d = {.id = "a", .held = &rec, .next = rec, .costs = &cost, .cost_count = 1};

    ck_assert_int_eq(defer_one(W, &d), 'k');
    ck_assert(claim_one(W, "aaaaaaaa00000002", "a"));
    ck_assert_int_eq(defer_one(W, &d), 's');
    CK_SAYS("XLEN @costs", "1");
    CK_SAYS("SISMEMBER @active:" W " a", "1");
}
END_TEST

/* It went back to its list at once, and the same worker has claimed it since. */
START_TEST(a_deferral_that_is_sent_again_leaves_a_later_claim_alone)
{
    struct record rec = running("a");
    struct defer d = {.id = "a", .held = &rec, .next = rec};

    ck_assert_int_eq(defer_one(W, &d), 'k');
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 1 noop 1 o 1",
              "[ok [a] d]");
    ck_assert_int_eq(defer_one(W, &d), 'a');
    CK_SAYS("SMEMBERS @active:" W, "[a]");
    CK_SAYS("LLEN @ready:noop", "0");
}
END_TEST

/* The worker was taken for dead; meanwhile it has claimed what had gone back. */
START_TEST(an_id_is_dropped_unless_its_job_is_ready_or_runs_there)
{
    struct record rec = running("a");
    struct defer d = {.id = "a", .held = &rec, .next = rec, .taken = true};
    struct finish f;

    ck_assert_int_eq(defer_one(W, &d), 'k');
    CK_SCRIPT(CLAIM, "@workers @active:" W " @paused @ready:noop @wake:noop | " W " 1 1 noop 1 o 1",
              "[ok [a] d]");
    rec = running("b");
    f = plain_finish("b", &rec);
    running("c");
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SAYS("SADD @active:" W " b gone", "2");
    CK_SCRIPT(DROP, "@active:" W " @job:a @job:b @job:c @job:gone | a b c gone", "2");
    CK_SAYS("SISMEMBER @active:" W " a", "1");
    CK_SAYS("SISMEMBER @active:" W " c", "1");
    CK_SCRIPT(DROP, "@active:w-bbbbbbbb @job:c | c", "0");
    CK_SAYS("SADD @active:w-bbbbbbbb c", "1"); /* it runs at the other one */
    CK_SCRIPT(DROP, "@active:w-bbbbbbbb @job:c | c", "1");
    CK_SAYS("SCARD @active:" W, "2");
}
END_TEST

START_TEST(a_crash_that_is_counted_late_takes_back_none)
{
    running("a");
    CK_SCRIPT(BLAME, "@job:a | 000001" TOKEN " 01", "ok");
    CK_SCRIPT(BLAME, "@job:a | 000001" TOKEN " 02", "ok");
    CK_SCRIPT(BLAME, "@job:a | 000001" TOKEN " 01", "ok");
    ck_assert_int_eq(record_of_job("a").crashes, 2);
    CK_SCRIPT(BLAME, "@job:a | 000002" TOKEN " 03", "moved");
}
END_TEST

START_TEST(a_cancelled_job_is_not_deferred_but_finished)
{
    struct record rec = running("a");
    struct defer d = {.id = "a", .held = &rec, .next = rec};
    struct finish f = plain_finish("a", &rec);

    CK_SCRIPT(CANCEL, "@job:a @cancels | a 000001" TOKEN, "ok");
    CK_SCRIPT(CANCEL, "@job:a @cancels | a 000000" TOKEN, "moved");
    ck_assert_int_eq(defer_one(W, &d), 'c');
    CK_SAYS("SISMEMBER @active:" W " a", "1");
    ck_assert_int_eq(finish_one(W, &f), 'k');
    CK_SAYS("EXISTS @cancels", "0");
}
END_TEST

/* ---- promote, replay ---- */

#define PROMOTE_NAMES                                                                    \
    "inference.realtime inference.standard inference.batch batch fine-tune-deploy eval " \
    "webhook noop"

START_TEST(due_jobs_are_promoted_in_order_and_parked_ones_go_to_the_front)
{
    CK_SAYS("RPUSH @ready:noop x", "1");
    CK_SAYS("ZADD @delayed 1 noop/a 2 noop/b 3.5 noop/c 4.5 noop/d 9e14 noop/later 5 odd/e 6 odd",
            "7");
    ck_assert_int_eq(
        strncmp(script_says(SCRIPT_PROMOTE, "@lease @delayed @QUEUES | L 100 " PROMOTE_NAMES),
                "[ok 6 ", 6),
        0);
    CK_SAYS("LRANGE @ready:noop 0 -1", "[b a x d c]");
    CK_SAYS("ZCARD @delayed", "3"); /* what is of an unknown queue waits for a newer program */
    CK_SCRIPT(PROMOTE, "@lease @delayed @QUEUES | other 100 " PROMOTE_NAMES, "[deposed]");
}
END_TEST

START_TEST(many_due_jobs_of_unknown_queues_do_not_overflow_the_stack)
{
    for (int i = 0; i < 50; i++) {
        char words[4096] = "ZADD @delayed";

        for (int k = 0; k < 100; k++)
            snprintf(words + strlen(words), sizeof words - strlen(words), " 1 odd/%d.%d", i, k);
        CK_SAYS(words, "100");
    }
    ck_assert_int_eq(
        strncmp(script_says(SCRIPT_PROMOTE, "@lease @delayed @QUEUES | L 4500 " PROMOTE_NAMES),
                "[ok 4500 ", 9),
        0);
    CK_SAYS("ZCARD @delayed", "5000");
}
END_TEST

START_TEST(a_dead_job_is_replayed_once)
{
    CK_SAYS("SET @job:a 01f-000005" TOKEN "rest PX 60000", "OK");
    CK_SAYS("ZADD @dead 1 a", "1");
    CK_SCRIPT(REPLAY, "@dead @QUEUES @job:a | a 000005" TOKEN " 8 01r-000006" TOKEN "next", "k");
    CK_SCRIPT(REPLAY, "@dead @QUEUES @job:a | a 000005" TOKEN " 8 01r-000006" TOKEN "next", "s");
    CK_SAYS("LRANGE @ready:noop 0 -1", "[a]");
    CK_SAYS("ZCARD @dead", "0");
    CK_SAYS("PTTL @job:a", "-1");
}
END_TEST

START_TEST(a_job_is_submitted_once)
{
    ck_assert_int_eq(submit_one(noop), 's');
    ck_assert_int_eq(submit_one(noop), 'd');
    CK_SAYS("LLEN @ready:noop", "1");
}
END_TEST

Suite *test_scripts(void);
Suite *test_scripts(void)
{
    Suite *s = suite_create("scripts");
    TCase *t = tcase_create("jobs");

    tcase_add_checked_fixture(t, scene_open, scene_close);
    tcase_add_test(t, claims_the_oldest_first_and_rings_on_while_work_is_left);
    tcase_add_test(t, claims_nothing_for_a_worker_that_is_not_registered);
    tcase_add_test(t, claims_nothing_from_a_paused_queue_and_does_not_ring_for_it);
    tcase_add_test(t, queues_of_a_class_together_get_no_more_than_its_most);
    tcase_add_test(t, a_start_that_is_sent_again_answers_the_same_job);
    tcase_add_test(t, a_guess_starts_only_what_this_worker_has_claimed);
    tcase_add_test(t, a_job_of_a_paused_queue_is_not_started);
    tcase_add_test(t, claimed_ids_go_back_once_to_the_end_that_was_asked_for);
    tcase_add_test(t, an_active_job_does_not_go_back);
    tcase_add_test(t, a_claim_rings_on_once);
    tcase_add_test(t, an_id_that_lay_twice_in_the_list_is_started_once);
    tcase_add_test(t, what_is_gone_or_ended_or_no_record_is_dropped);
    tcase_add_test(t, a_job_that_is_not_due_is_named_by_delayed_afterwards);
    tcase_add_test(t, jobs_of_a_version_or_type_that_is_not_known_are_left_alone);
    tcase_add_test(t, what_is_started_is_among_the_active_ids_whoever_took_it_out);
    tcase_add_test(t, transition_numbers_go_round);
    tcase_add_test(t, deferred_jobs_go_to_the_front_or_the_back_or_to_their_time);
    tcase_add_test(t, costs_of_a_deferral_are_told_once_even_if_it_is_sent_again_too_late);
    tcase_add_test(t, a_deferral_that_is_sent_again_leaves_a_later_claim_alone);
    tcase_add_test(t, an_id_is_dropped_unless_its_job_is_ready_or_runs_there);
    tcase_add_test(t, a_crash_that_is_counted_late_takes_back_none);
    tcase_add_test(t, a_cancelled_job_is_not_deferred_but_finished);
    tcase_add_test(t, due_jobs_are_promoted_in_order_and_parked_ones_go_to_the_front);
    tcase_add_test(t, many_due_jobs_of_unknown_queues_do_not_overflow_the_stack);
    tcase_add_test(t, a_dead_job_is_replayed_once);
    tcase_add_test(t, a_job_is_submitted_once);
    suite_add_tcase(s, t);
    return s;
}
