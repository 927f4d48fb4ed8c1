/* test_streams_end.c - the worker goes while answers stream: what came is written, what was cut
 * starts anew. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"
#include "tests/support/reading.h"

static const char quick[] = "FLOTILLA_RETRY_DELAY_MS=1";
static const char *const bill_aborted[] = {"--bill-aborted", NULL};

START_TEST(a_stream_whose_worker_is_killed_starts_anew)
{
    struct world *w = world_new(.simulator = true, .simulator_args = bill_aborted);
    struct program *worker;
    const pid_t *pids;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':50,'answer_bytes':4000}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    pids = look_wait_workers(w, worker, 1);
    reading_push(w, "a", FORM_A);
    WAIT_UNTIL(w, 5000, world_int(w, "XLEN fl:{0}:chunks:a") > 0);
    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':0,'answer_bytes':100}}");
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0);
    world_wait_results(w, 1, 10000);
    ck_assert_int_eq(reading_check_whole(w, "a", 2).ends, 1);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "a"), "unconfirmed"), 1);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* One job streams, another waits for its slot. */
static struct program *start_streaming(struct world *w, const char *drain)
{
    struct program *worker;

    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=1",
                                drain);
    reading_push(w, "a", FORM_A);
    reading_push(w, "b", FORM_B);
    WAIT_UNTIL(w, 5000,
               world_int(w, "XLEN fl:{0}:chunks:a") > 1 &&
                   world_int(w, "LLEN fl:{0}:ready:inference.standard") == 1);
    return worker;
}

START_TEST(a_stream_is_finished_at_term)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    struct reading r;
    struct money m;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':15,'answer_bytes':200}}");
    worker = start_streaming(w, quick);
    ck_assert_str_eq(reading_of(w, "a").end, "");
    world_stop(w, worker, 10000);
    /* All is written when it is gone: nobody could do it any more. */
    r = reading_of(w, "a");
    ck_assert_str_eq(r.end, "completed");
    ck_assert_str_eq(reading_text(&r, 0), world_string_at(world_result(w, "a")->doc,
                                                          "output.choices.0.message.content"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 1);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 1);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:ready:inference.standard"), 1);
    world_start_worker(w, quick);
    world_wait_results(w, 2, 10000);
    reading_check_whole(w, "a", 1);
    reading_check_whole(w, "b", 1);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "a")), 1);
    world_check_one_result_each(w, 2);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_eq(m.estimated_nanousd, 0);
    world_free(w);
}
END_TEST

/* When the last outcome was told, and nothing else keeps the worker, Redis goes silent again; more
 * chunks wait then than may be on their way at once. */
START_TEST(chunks_that_redis_did_not_take_are_written_before_the_worker_leaves)
{
    enum { JOBS = 300, SILENT_MS = 600 };
    struct world *w = world_new(.simulator = true, .proxy = true);
    struct program *worker;
    int64_t silent_at;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'answer_bytes':200,'latency_ms':600}}");
    world_sim(w, "POST", "/_sim/models", "{'" FORM_B "':{'answer_bytes':200,'latency_ms':900}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1",
                                world_text(w, "FLOTILLA_WORKERS_CONCURRENCY=%d", 2 * JOBS),
                                "FLOTILLA_LIMITS_START_RATE=10000");
    for (int i = 0; i < JOBS; i++)
        reading_push(w, world_text(w, "j%d", i), i < JOBS - 1 ? FORM_A : FORM_B);
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == JOBS);
    program_signal(worker, SIGTERM);
    proxy_stall(w->proxy);
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "requests") == JOBS);
    proxy_stall_after(w->proxy, world_text(w, "\"id\":\"j%d\",\"run\":1", JOBS - 1));
    proxy_pass(w->proxy);
    WAIT_UNTIL(w, 5000, proxy_stats(w->proxy).faults == 1);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), JOBS);
    for (silent_at = now_ms(); now_ms() < silent_at + SILENT_MS;)
        ck_assert(program_runs(worker));
    proxy_pass(w->proxy);
    ck_assert_int_eq(program_wait(worker, 10000), 0);
    for (int i = 0; i < JOBS; i++) {
        const char *id = world_text(w, "j%d", i);
        struct reading r = reading_of(w, id);

        ck_assert_str_eq(r.end, "completed");
        ck_assert_str_eq(reading_text(&r, 0), world_string_at(world_result(w, id)->doc,
                                                              "output.choices.0.message.content"));
    }
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* _i 0: drain_ms passes; 1: a second TERM does not wait for it. */
START_TEST(a_stream_that_outlasts_the_drain_starts_anew_elsewhere)
{
    struct world *w = world_new(.simulator = true, .simulator_args = bill_aborted);
    struct program *worker;
    struct money m;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':50,'answer_bytes':4000}}");
    worker = start_streaming(w, _i ? "FLOTILLA_WORKERS_DRAIN_MS=60000"
                                   : "FLOTILLA_WORKERS_DRAIN_MS=300");
    program_signal(worker, SIGTERM);
    if (_i) {
        WAIT_UNTIL(w, 5000, look_logged(worker, "event=drain ") == 1);
        program_signal(worker, SIGTERM);
    }
    ck_assert_int_eq(program_wait(worker, 10000), 0);
    ck_assert_str_eq(reading_of(w, "a").end, "again");
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    ck_assert_str_eq(world_string(w, "LINDEX fl:{0}:ready:inference.standard -1"), "a");
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "a"), "unconfirmed"), 1);
    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':0,'answer_bytes':100}}");
    world_start_worker(w, quick);
    world_wait_results(w, 2, 10000);
    ck_assert_int_eq(reading_check_whole(w, "a", 2).ends, 2); /* again, completed */
    reading_check_whole(w, "b", 1);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "a")), 2);
    ck_assert_int_eq(world_int_at(world_result(w, "a")->doc, "attempts"), 1);
    world_check_one_result_each(w, 2);
    m = world_check_money(w);
    ck_assert_int_lt(m.confirmed_nanousd, m.billed_nanousd); /* what was cut is paid, and told */
    world_free(w);
}
END_TEST

Suite *test_streams_end(void)
{
    Suite *s = suite_create("streams_end");
    TCase *tc = tcase_create("streams");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_stream_whose_worker_is_killed_starts_anew);
    tcase_add_test(tc, a_stream_is_finished_at_term);
    tcase_add_test(tc, chunks_that_redis_did_not_take_are_written_before_the_worker_leaves);
    tcase_add_loop_test(tc, a_stream_that_outlasts_the_drain_starts_anew_elsewhere, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
