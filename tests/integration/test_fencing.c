/* test_fencing.c - who was taken for dead changes nothing any more, but what it paid is told. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ALL_MS = 60000 };
/* Else the late answers would spare the second calls. */
#define NO_CACHE    "FLOTILLA_CACHE_ENABLED=false"
#define QUICK_LEASE "FLOTILLA_WORKERS_LEASE_MS=1500", "FLOTILLA_WORKERS_HEARTBEAT_MS=200"

/* The process has another id than this one by now; fails when it takes too long. */
static void wait_for_new_id(struct world *w, pid_t pid, const char *old)
{
    const char *id = NULL;

    WAIT_UNTIL(w, ALL_MS, (id = look_worker(w, pid)) && strcmp(id, old) != 0);
}

/* _i: is there another worker that does the jobs meanwhile, or must it do them itself? */
START_TEST(a_stopped_worker_is_fenced_and_works_on)
{
    enum { JOBS = 20 };
    struct world *w = world_new(.simulator = true);
    struct program *stopped, *other = NULL;
    const char *old;
    pid_t pid;

    world_sim_latency(w, 1000);
    world_start_scheduler(w, QUICK_LEASE);
    stopped = world_start_worker(w, QUICK_LEASE, "FLOTILLA_WORKERS_PROCESSES=1", NO_CACHE);
    pid = look_wait_workers(w, stopped, 1)[0];
    old = look_worker(w, pid);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == JOBS);
    kill(pid, SIGSTOP);
    WAIT_UNTIL(w, ALL_MS, !look_is_registered(w, old));
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), JOBS);
    if (_i == 0) {
        other = world_start_worker(w, QUICK_LEASE, "FLOTILLA_WORKERS_PROCESSES=1", NO_CACHE);
        world_wait_results(w, JOBS, ALL_MS);
    }
    kill(pid, SIGCONT);
    wait_for_new_id(w, pid, old);
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, look_flagged(w, "duplicate") == JOBS);
    if (other)
        world_stop(w, other, 10000);
    look_push_noops(w, 0, 10, "{}");
    world_wait_results(w, JOBS + 10, ALL_MS);
    world_check_one_result_each(w, JOBS + 10);
    world_check_money(w);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 2L * JOBS);
    ck_assert_int_eq(look_logged(stopped, "record.damaged"), 0);
    ck_assert_int_eq(look_held(w), 0);
    world_free(w);
}
END_TEST

/* Somebody forgot the worker by hand: its heartbeat hears it, and its jobs go on under a new id. */
START_TEST(a_forgotten_worker_takes_a_new_id_and_its_jobs_run_again)
{
    enum { JOBS = 20 };
    struct world *w = world_new();
    struct program *worker;
    const char *old;
    pid_t pid;

    world_start_scheduler(w, QUICK_LEASE);
    worker = world_start_worker(w, QUICK_LEASE, "FLOTILLA_WORKERS_PROCESSES=1");
    pid = look_wait_workers(w, worker, 1)[0];
    old = look_worker(w, pid);
    look_push_noops(w, 0, JOBS, "{'sleep_ms':2500}");
    WAIT_UNTIL(w, ALL_MS, look_held(w) == JOBS);
    world_redis(w, "HDEL fl:{0}:workers %s", old);
    wait_for_new_id(w, pid, old);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(world_int_at(world_result(w, world_text(w, "x-%d", i))->doc, "attempts"),
                         1);
    ck_assert_int_eq(look_held(w), 0);
    world_free(w);
}
END_TEST

START_TEST(a_reaped_worker_that_claims_is_told_so)
{
    struct world *w = world_new();
    struct program *worker;
    const char *old;
    pid_t pid;

    world_start_scheduler(w);
    worker =
        world_start_worker(w, "FLOTILLA_WORKERS_HEARTBEAT_MS=3000", "FLOTILLA_WORKERS_PROCESSES=1");
    pid = look_wait_workers(w, worker, 1)[0];
    old = look_worker(w, pid);
    look_push_noops(w, 0, 1, "{}");
    world_wait_results(w, 1, ALL_MS);
    world_redis(w, "HDEL fl:{0}:workers %s", old);
    look_push_noops(w, 1, 1, "{}");
    wait_for_new_id(w, pid, old);
    world_wait_results(w, 2, ALL_MS);
    world_check_one_result_each(w, 2);
    ck_assert_int_eq(look_logged(worker, "event=gone "), 1);
    world_free(w);
}
END_TEST

START_TEST(ids_that_lie_in_a_list_many_times_run_once)
{
    enum { JOBS = 50, TIMES = 4 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    world_sim_latency(w, 100);
    world_start_scheduler(w);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == JOBS);
    for (int i = 0; i < JOBS * TIMES; i++)
        world_redis(w, "RPUSH fl:{0}:ready:inference.standard q-%d", i / 2 % JOBS);
    worker =
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=30");
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == 0);
    WAIT_UNTIL(w, ALL_MS, look_held(w) == 0);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), JOBS);
    ck_assert_int_eq(look_flagged(w, "duplicate"), 0);
    ck_assert_int_eq(look_logged(worker, "level=error"), 0);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Its first call is paid; before the second one the worker hears that the job is its no more. */
START_TEST(no_further_call_is_made_for_a_job_that_was_taken_away)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'status':504,'delay_ms':400,'body':'late'}");
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", NO_CACHE);
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'Hi','model':"
                  "'Qwen/Qwen3.5-9B','fallbacks':['openai/gpt-oss-20b']}}");
    WAIT_UNTIL(w, ALL_MS, facts_has_state(w, "a", "active"));
    ck_assert_int_eq(world_int(w, "DEL fl:{0}:job:a"), 1);
    WAIT_UNTIL(w, ALL_MS, look_flagged(w, "unconfirmed") == 1);
    WAIT_UNTIL(w, ALL_MS, look_held(w) == 0);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 1);
    world_free(w);
}
END_TEST

Suite *test_fencing(void)
{
    Suite *s = suite_create("fencing");
    TCase *tc = tcase_create("fenced");

    tcase_set_timeout(tc, 90);
    tcase_add_loop_test(tc, a_stopped_worker_is_fenced_and_works_on, 0, 2);
    tcase_add_test(tc, a_forgotten_worker_takes_a_new_id_and_its_jobs_run_again);
    tcase_add_test(tc, a_reaped_worker_that_claims_is_told_so);
    tcase_add_test(tc, no_further_call_is_made_for_a_job_that_was_taken_away);
    tcase_add_test(tc, ids_that_lie_in_a_list_many_times_run_once);
    suite_add_tcase(s, tc);
    return s;
}
