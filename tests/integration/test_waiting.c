/* test_waiting.c - jobs that wait: for their time, for a slot, for a queue, for somebody to cancel
 * them.
 */
#include <check.h>
#include <string.h>
#include <time.h>

#include "tests/support/facts.h"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";
static const char quick_beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=100";

/* Time after its time within which a job starts: far less than any net (5 s) or look (0.5 s). */
enum { LATE_MS = 250 };

static int64_t place_of(struct world *w, const char *id)
{
    const struct results *rs = world_results(w);

    for (size_t i = 0; i < rs->count; i++)
        if (strcmp(rs->items[i].id, id) == 0)
            return (int64_t)i;
    world_fail(w, "%s has no result", id);
}

/* ---- for their time ---- */

START_TEST(delayed_jobs_start_at_their_time_and_in_their_order)
{
    static const int delays[] = {900, 300, 600, 301, 0, 1200, 302, 599};
    struct world *w = world_new();
    int late = 0;

    world_start_both(w, one_process);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++)
        facts_push_noop(w, world_text(w, "d-%d", delays[i]),
                        world_text(w, ",'delay_ms':%d", delays[i]));
    world_wait_results(w, ARRAY_LEN(delays), 10000);
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        json_t *doc = world_result(w, world_text(w, "d-%d", delays[i]))->doc;
        int64_t ms = facts_ms_of(doc, "submitted_at", "started_at");

        ck_assert_msg(ms >= delays[i], "%d ms: started after %lld", delays[i], (long long)ms);
        late += ms > delays[i] + LATE_MS;
        for (size_t k = 0; k < ARRAY_LEN(delays); k++)
            if (delays[i] + 100 < delays[k])
                ck_assert_int_lt(place_of(w, world_text(w, "d-%d", delays[i])),
                                 place_of(w, world_text(w, "d-%d", delays[k])));
    }
    ck_assert_msg(late <= 1, "%d of %zu started over %d ms late", late, ARRAY_LEN(delays), LATE_MS);
    world_check_one_result_each(w, ARRAY_LEN(delays));
    world_free(w);
}
END_TEST

START_TEST(run_at_is_a_time_of_day_past_or_future)
{
    struct world *w = world_new();
    time_t soon = time(NULL) + 2;
    char text[32];
    struct tm tm;
    json_t *doc;

    gmtime_r(&soon, &tm);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.250Z", &tm);
    world_start_both(w, one_process);
    facts_push_noop(w, "soon", world_text(w, ",'run_at':'%s'", text));
    facts_push_noop(w, "past", ",'run_at':'2001-01-01T00:00:00+02:00'");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_results(w)->items[0].id, "past");
    ck_assert(facts_has_state(w, "soon", "delayed"));
    world_wait_results(w, 2, 10000);
    doc = world_result(w, "soon")->doc;
    ck_assert_int_ge(world_int_at(doc, "started_at"), (int64_t)soon * 1000 + 250);
    ck_assert_int_le(world_int_at(doc, "started_at"), (int64_t)soon * 1000 + 250 + 1000);
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

START_TEST(jobs_expire_before_their_first_start)
{
    struct world *w = world_new();
    static const char *const ids[] = {"ready", "paused", "delayed"};

    world_start_scheduler(w);
    facts_command(w, "pause", "inference.standard");
    facts_push_noop(w, "ready", ",'expires_in_ms':300");
    facts_push_chat(w, "paused", ",'expires_in_ms':300");
    facts_push_noop(w, "delayed", ",'expires_in_ms':300,'delay_ms':60000");
    facts_push_noop(w, "in-time", ",'expires_in_ms':60000");
    world_wait_results(w, 3, 10000); /* without any worker */
    world_start_worker(w, one_process);
    world_wait_results(w, 4, 10000);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        json_t *doc = world_result(w, ids[i])->doc;
        int64_t ms = facts_ms_of(doc, "submitted_at", "finished_at");

        ck_assert_str_eq(world_string_at(doc, "status"), "expired");
        ck_assert_str_eq(world_string_at(doc, "error.code"), "expired");
        ck_assert_int_eq(world_int_at(doc, "attempts"), 0);
        ck_assert(json_is_null(world_at(doc, "started_at")));
        ck_assert_msg(ms >= 300 && ms < 300 + patience_ms(3000), "%s: after %lld ms", ids[i],
                      (long long)ms);
    }
    ck_assert_str_eq(world_result(w, "in-time")->status, "completed");
    facts_command(w, "resume", "inference.standard");
    world_check_one_result_each(w, 4);
    world_free(w);
}
END_TEST

START_TEST(a_job_that_was_started_in_time_does_not_expire)
{
    struct world *w = world_new();

    world_start_both(w, one_process);
    world_push(w, "{'id':'a','type':'noop','payload':{'sleep_ms':1500},'expires_in_ms':500}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* ---- for a queue ---- */

START_TEST(a_paused_queue_waits_and_the_others_do_not)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, one_process);
    facts_command(w, "pause", "inference.standard");
    for (int i = 0; i < 5; i++)
        facts_push_chat(w, world_text(w, "s-%d", i), "");
    facts_push_chat(w, "realtime", ",'priority':'realtime'");
    facts_push_noop(w, "noop", "");
    world_wait_results(w, 2, 10000);
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:inference.standard") == 5);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 2);
    ck_assert(facts_has_state(w, "s-0", "ready"));
    facts_command(w, "resume", "inference.standard");
    world_wait_results(w, 7, 2500); /* by the bell, not by the net of 5 s */
    world_check_one_result_each(w, 7);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(realtime_overtakes)
{
    enum { COUNT = 20 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 50);
    world_start_both(w, one_process, "FLOTILLA_WORKERS_CONCURRENCY=2",
                     "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    for (int i = 0; i < COUNT; i++)
        facts_push_chat(w, world_text(w, "s-%d", i), "");
    world_wait_results(w, 2, 10000);
    facts_push_chat(w, "now", ",'priority':'realtime'");
    world_wait_results(w, COUNT + 1, 10000);
    ck_assert_int_lt(place_of(w, "now"), COUNT - 2);
    ck_assert_str_eq(world_results(w)->items[0].id, "s-0");
    world_check_one_result_each(w, COUNT + 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_reserved_slot_serves_realtime_while_all_others_are_taken)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'match':'slow','delay_ms':20000,'times':-1}");
    world_start_both(w, one_process, "FLOTILLA_WORKERS_CONCURRENCY=10");
    for (int i = 0; i < 12; i++)
        world_push(w, "{'id':'s-%d','type':'inference','payload':{'task':'chat','prompt':'slow'}}",
                   i);
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == 9);
    facts_push_chat(w, "now", ",'priority':'realtime'");
    world_wait_results(w, 1, 2500);
    ck_assert_str_eq(world_result(w, "now")->status, "completed");
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* Pairs that become ready at almost the same moment: the ring for the second comes while the
 * worker's claim for the first is under way, and a lost one is only made good after 5 s. */
START_TEST(no_ring_is_lost_while_a_claim_is_under_way)
{
    enum { ROUNDS = 150 };
    struct world *w = world_new(.simulator = true);

    world_start_both(w, one_process);
    for (int i = 0; i < ROUNDS; i++) {
        facts_push_noop(w, world_text(w, "n-%d", i), "");
        facts_push_chat(w, world_text(w, "r-%d", i), ",'priority':'realtime'");
        world_wait_results(w, 2 * i + 2, 2500);
    }
    world_check_one_result_each(w, ROUNDS + ROUNDS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- cancel in each state ---- */

static void check_cancelled(struct world *w, const char *id, int64_t attempts)
{
    json_t *doc = world_result(w, id)->doc;

    ck_assert_msg(strcmp(world_string_at(doc, "status"), "cancelled") == 0 &&
                      strcmp(world_string_at(doc, "error.code"), "cancelled") == 0 &&
                      world_int_at(doc, "attempts") == attempts,
                  "%s", facts_result_text(w, id));
}

START_TEST(waiting_jobs_are_cancelled_at_once)
{
    struct world *w = world_new();

    world_start_scheduler(w);
    facts_command(w, "pause", "inference.standard");
    facts_push_noop(w, "delayed", ",'delay_ms':700");
    facts_push_noop(w, "ready", "");
    facts_push_chat(w, "paused", "");
    WAIT_UNTIL(w, 5000, facts_has_state(w, "paused", "ready"));
    facts_command(w, "cancel", "delayed");
    facts_command(w, "cancel", "ready");
    facts_command(w, "cancel", "paused");
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 3);
    world_start_worker(w, one_process);
    facts_command(w, "resume", "inference.standard");
    facts_push_noop(w, "after", ",'delay_ms':900"); /* the others' time comes first */
    world_wait_results(w, 4, 10000);
    check_cancelled(w, "delayed", 0);
    check_cancelled(w, "ready", 0);
    check_cancelled(w, "paused", 0);
    world_check_one_result_each(w, 4);
    world_free(w);
}
END_TEST

START_TEST(a_running_call_is_cut_and_its_cost_is_unconfirmed)
{
    static const char *const args[] = {"--bill-aborted", NULL};
    struct world *w = world_new(.simulator = true, .simulator_args = args);
    json_t *costs;

    world_sim_latency(w, 20000);
    world_start_both(w, one_process, quick_beat);
    facts_push_chat(w, "a", "");
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    ck_assert(facts_has_state(w, "a", "active"));
    facts_command(w, "cancel", "a");
    world_wait_results(w, 1, 5000);
    check_cancelled(w, "a", 1);
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == 0);
    ck_assert(json_is_true(world_at(world_sim_items(w), "0.aborted")));
    costs = facts_costs(w, "a");
    ck_assert_int_eq(json_array_size(costs), 1);
    ck_assert(facts_flagged(json_array_get(costs, 0), "unconfirmed"));
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:cancels"), 0);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_parked_job_and_one_between_attempts_are_cancelled)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "[{'fixture':'overloaded','match':'park','times':-1},"
                        "{'fixture':'server_error','match':'retry','times':-1}]");
    world_start_both(w, one_process, quick_beat, "FLOTILLA_RETRY_PARK_MIN_MS=60000");
    world_push(w, "{'id':'parked','type':'inference','payload':{'task':'chat','prompt':'park'}}");
    world_push(w, "{'id':'retried','type':'inference','payload':{'task':'chat','prompt':'retry'},"
                  "'backoff':{'type':'fixed','delay_ms':60000,'jitter':false}}");
    WAIT_UNTIL(w, 10000, world_int(w, "ZCARD fl:{0}:delayed") == 2);
    facts_command(w, "cancel", "parked");
    facts_command(w, "cancel", "retried");
    world_wait_results(w, 2, 5000);
    check_cancelled(w, "parked", 0);
    check_cancelled(w, "retried", 1);
    world_check_one_result_each(w, 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(what_has_ended_is_not_cancelled_and_what_is_not_there_neither)
{
    struct world *w = world_new();
    struct cli cli;

    world_start_both(w, one_process);
    facts_push_noop(w, "a", "");
    world_wait_results(w, 1, 10000);
    cli = world_cli(w, "cancel", "a", "--json");
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "outcome"), "completed");
    ck_assert_int_eq(world_cli(w, "cancel", "no-such").exit_code, 4);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 1);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

Suite *test_waiting(void)
{
    Suite *s = suite_create("waiting");
    TCase *tc = tcase_create("times");

    tcase_add_test(tc, delayed_jobs_start_at_their_time_and_in_their_order);
    tcase_add_test(tc, run_at_is_a_time_of_day_past_or_future);
    tcase_add_test(tc, jobs_expire_before_their_first_start);
    tcase_add_test(tc, a_job_that_was_started_in_time_does_not_expire);
    suite_add_tcase(s, tc);
    tc = tcase_create("queues");
    tcase_add_test(tc, a_paused_queue_waits_and_the_others_do_not);
    tcase_add_test(tc, realtime_overtakes);
    tcase_add_test(tc, a_reserved_slot_serves_realtime_while_all_others_are_taken);
    tcase_add_test(tc, no_ring_is_lost_while_a_claim_is_under_way);
    suite_add_tcase(s, tc);
    tc = tcase_create("cancel");
    tcase_add_test(tc, waiting_jobs_are_cancelled_at_once);
    tcase_add_test(tc, a_running_call_is_cut_and_its_cost_is_unconfirmed);
    tcase_add_test(tc, a_parked_job_and_one_between_attempts_are_cancelled);
    tcase_add_test(tc, what_has_ended_is_not_cancelled_and_what_is_not_there_neither);
    suite_add_tcase(s, tc);
    return s;
}
