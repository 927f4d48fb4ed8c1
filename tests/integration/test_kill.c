/* test_kill.c - workers die at once, in every way: their jobs run again, and every call that
 * was under way is in the books. */
#include <check.h>
#include <signal.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };

/* Kill a process, and wait until somebody else has its jobs: how long that took. */
static int64_t kill_process(struct world *w, pid_t pid)
{
    const char *id = look_worker(w, pid);
    int64_t at_ms = now_ms();

    ck_assert_ptr_nonnull(id);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    WAIT_UNTIL(w, 5000, !look_is_registered(w, id)); /* the lease is 10 s: this was no reaper */
    return now_ms() - at_ms;
}

START_TEST(jobs_of_killed_processes_run_again_at_once)
{
    enum { JOBS = 1000, KILLS = 5 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    int64_t fastest_ms = INT64_MAX, unconfirmed;

    world_sim_latency(w, 300);
    world_start_scheduler(w);
    worker =
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=128");
    world_push_questions(w, JOBS, NULL);
    for (int i = 0; i < KILLS; i++) {
        const pid_t *pids = look_wait_workers(w, worker, 2);
        int64_t ms;

        WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") > i * 150L && look_held(w) > 100);
        ms = kill_process(w, pids[i % 2]);
        fastest_ms = ms < fastest_ms ? ms : fastest_ms;
    }
    ck_assert_int_le(fastest_ms, patience_ms(1000));
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    ck_assert_int_ge(look_logged(worker, "event=takeover.done "), KILLS);
    unconfirmed = look_flagged(w, "unconfirmed");
    ck_assert_int_gt(unconfirmed, 0);
    ck_assert_int_le(world_int_at(world_sim_ledger(w), "requests"), JOBS + unconfirmed);
    ck_assert_int_eq(look_held(w), 0);
    world_free(w);
}
END_TEST

/* ---- the moments in between -------------------------------------------------- */
/* What Redis has done for a worker that does not know: what is in one argument of the claim only,
 * and, once jobs are ready, in the start first. */
static const char *const unanswered[] = {"fl:{0}:paused", "fl:{0}:job:q-0"};

START_TEST(a_process_is_killed_before_it_knows_what_it_got)
{
    enum { JOBS = 20 };
    struct world *w = world_new(.simulator = true, .proxy = true);
    struct program *worker;
    pid_t pid;

    world_start_scheduler(w);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == JOBS);
    proxy_silence_reply(w->proxy, unanswered[_i]);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, proxy_stats(w->proxy).faults == 1 && look_held(w) == JOBS);
    ck_assert_uint_eq(world_worker_pids(worker, &pid, 1), 1);
    kill_process(w, pid);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), JOBS);
    ck_assert_int_eq(look_held(w), 0);
    world_free(w);
}
END_TEST

/* ---- the supervisor, the host ------------------------------------------------ */
START_TEST(processes_without_a_supervisor_finish_what_they_have_and_leave)
{
    enum { FLYING = 40, MORE = 20 };
    struct world *w = world_new(.simulator = true);
    const pid_t *pids;
    struct program *worker;

    world_sim_latency(w, 1500);
    world_start_scheduler(w);
    worker =
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_HEARTBEAT_MS=200");
    pids = look_wait_workers(w, worker, 2);
    world_push_questions(w, FLYING, NULL);
    WAIT_UNTIL(w, ALL_MS, look_running(w) == FLYING);
    program_kill(worker);
    for (int i = 0; i < 2; i++) {
        int status = -1;

        WAIT_UNTIL(w, 15000, look_ended(pids[i], &status));
        ck_assert_int_eq(status, 0);
    }
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), FLYING);
    ck_assert_int_eq(world_int(w, "HLEN fl:{0}:workers"), 0);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), 0);
    look_push_noops(w, 0, MORE, "{}");
    world_start_worker(w);
    world_wait_results(w, FLYING + MORE, ALL_MS);
    world_check_one_result_each(w, FLYING + MORE);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), FLYING);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(the_scheduler_gives_back_the_jobs_of_a_lost_host)
{
    enum { JOBS = 100 };
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1500";
    static const char beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=200";
    struct world *w = world_new(.simulator = true);
    struct program *scheduler, *worker;

    world_sim_latency(w, 1500);
    scheduler = world_start_scheduler(w, lease, beat);
    worker = world_start_worker(w, lease, beat, "FLOTILLA_WORKERS_PROCESSES=2");
    look_wait_workers(w, worker, 2);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, look_running(w) == JOBS);
    worker->may_end = true;
    kill(-worker->pid, SIGKILL);
    WAIT_UNTIL(w, ALL_MS, look_logged(scheduler, "event=reap.done ") == 2);
    ck_assert_int_eq(world_int(w, "HLEN fl:{0}:workers"), 0);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), JOBS);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:ready:inference.standard"), JOBS);
    world_sim_latency(w, 20);
    world_start_worker(w, lease, beat);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_kill(void)
{
    Suite *s = suite_create("kill");
    TCase *tc = tcase_create("kill -9");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, jobs_of_killed_processes_run_again_at_once);
    tcase_add_loop_test(tc, a_process_is_killed_before_it_knows_what_it_got, 0,
                        (int)ARRAY_LEN(unanswered));
    tcase_add_test(tc, processes_without_a_supervisor_finish_what_they_have_and_leave);
    tcase_add_test(tc, the_scheduler_gives_back_the_jobs_of_a_lost_host);
    suite_add_tcase(s, tc);
    return s;
}
