/* test_supervisor.c - processes come and go as told: scale, reload, drain, stop, memory, crashes.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };
#define BEAT "FLOTILLA_WORKERS_HEARTBEAT_MS=200"

static size_t processes(struct program *supervisor)
{
    pid_t pids[64];

    return world_worker_pids(supervisor, pids, ARRAY_LEN(pids));
}

static int64_t attempts_of(struct world *w, const char *id)
{
    return world_int_at(world_result(w, id)->doc, "attempts");
}

/* ---- how many --------------------------------------------------------------- */
START_TEST(processes_are_scaled_while_jobs_run)
{
    static const char *const wanted[] = {"3", "1", "2"};
    struct world *w = world_new();
    struct program *worker;
    int jobs = 0;

    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, "FLOTILLA_WORKERS_PROCESSES=2");
    look_wait_workers(w, worker, 2);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++, jobs += 100) {
        look_push_noops(w, jobs, 100, "{'sleep_ms':300}");
        ck_assert_int_eq(world_cli(w, "scale", wanted[i]).exit_code, 0);
        look_wait_workers(w, worker, (size_t)(wanted[i][0] - '0'));
    }
    world_wait_results(w, jobs, ALL_MS);
    world_check_one_result_each(w, jobs);
    for (int i = 0; i < jobs; i++)
        ck_assert_ptr_nonnull(strstr(world_string(w, "GET fl:{0}:job:x-%d", i), "\"attempts\":1,"));
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 2);
    ck_assert_int_eq(look_logged(worker, "event=takeover.done "), 0);
    world_free(w);
}
END_TEST

START_TEST(a_reload_changes_the_number_of_processes)
{
    struct world *w = world_new();
    const char *config = world_text(w, "FLOTILLA_CONFIG=%s/flotilla.yaml", w->dir);
    struct program *worker;

    world_config(w, "workers:\n  processes: 1\n");
    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, config);
    look_wait_workers(w, worker, 1);
    world_config(w, "workers:\n  processes: 3\n");
    program_signal(worker, SIGHUP);
    look_wait_workers(w, worker, 3);
    world_config(w, "workers:\n  processes: none\n");
    program_signal(worker, SIGHUP);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=reload.refused ") >= 1);
    ck_assert_uint_eq(processes(worker), 3);
    world_config(w, "workers:\n  processes: 2\n");
    program_signal(worker, SIGHUP);
    look_wait_workers(w, worker, 2);
    look_push_noops(w, 0, 10, "{}");
    world_wait_results(w, 10, ALL_MS);
    world_check_one_result_each(w, 10);
    world_free(w);
}
END_TEST

/* A process that dies while the configuration is bad is not tried again and again; mended and
 * reloaded, it is there again. */
START_TEST(a_process_that_still_starts_survives_a_reload)
{
    enum { STARTS = 2 }; /* one that dies more often rests */
    struct world *w = world_new();
    struct program *worker;
    pid_t old, fresh;

    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (int i = 0; i < STARTS; i++) {
        fresh = old = *look_wait_workers(w, worker, 1);
        kill(old, SIGKILL);
        WAIT_UNTIL(w, ALL_MS, world_worker_pids(worker, &fresh, 1) == 1 && fresh != old);
        for (int n = 0; n < 50; n++) {
            kill(fresh, SIGHUP);
            pause_ms(1); /* all its start long */
        }
        ck_assert_int_eq(*look_wait_workers(w, worker, 1), fresh);
    }
    world_free(w);
}
END_TEST

START_TEST(a_bad_configuration_ends_a_slot_until_the_reload)
{
    struct world *w = world_new();
    const char *config = world_text(w, "FLOTILLA_CONFIG=%s/flotilla.yaml", w->dir);
    struct program *worker;
    const pid_t *pids;

    world_config(w, "workers:\n  processes: 2\n");
    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, config);
    pids = look_wait_workers(w, worker, 2);
    world_config(w, "workers:\n  proceses: 2\n");
    kill(pids[0], SIGKILL);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "\"exit 78\"") == 1);
    WAIT_UNTIL(w, ALL_MS, processes(worker) == 1);
    world_config(w, "workers:\n  processes: 2\n");
    program_signal(worker, SIGHUP);
    look_wait_workers(w, worker, 2);
    ck_assert_int_eq(look_logged(worker, "\"exit 78\""), 1);
    look_push_noops(w, 0, 10, "{}");
    world_wait_results(w, 10, ALL_MS);
    world_check_one_result_each(w, 10);
    world_free(w);
}
END_TEST

START_TEST(a_group_that_is_not_configured_is_no_worker)
{
    static const char *const args[] = {"--process", "--group", "nobody", NULL};
    struct world *w = world_new();
    struct program *p = world_start(w, "flotilla-worker", args, NULL);

    ck_assert_int_eq(program_wait(p, 10000), 78);
    p = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=many");
    ck_assert_int_eq(program_wait(p, 10000), 78);
    world_free(w);
}
END_TEST

/* ---- the end of a supervisor ------------------------------------------------ */
/* TERM comes to the supervisor alone, or to the whole group as Ctrl-C and init systems do it. */
START_TEST(what_runs_is_finished_at_term)
{
    enum { SLOTS = 10, JOBS = 40 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    world_sim_latency(w, 1000);
    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, "FLOTILLA_WORKERS_PROCESSES=2",
                                "FLOTILLA_WORKERS_CONCURRENCY=10",
                                "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    look_wait_workers(w, worker, 2);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, look_running(w) == 2L * SLOTS);
    worker->may_end = true;
    kill(_i ? -worker->pid : worker->pid, SIGTERM);
    ck_assert_int_eq(program_wait(worker, 10000), 0);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), 0);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"),
                     world_int_at(world_sim_ledger(w), "requests"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results") +
                         world_int(w, "LLEN fl:{0}:ready:inference.standard"),
                     JOBS);
    ck_assert_int_eq(world_int(w, "HLEN fl:{0}:workers"), 0);
    ck_assert_int_eq(look_held(w), 0);
    world_start_worker(w);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

static void push_chats(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        world_push(w,
                   "{'id':'c-%d','type':'inference','payload':{'task':'chat','messages':[{'role':"
                   "'user','content':'number %d'}]}}",
                   i, i);
}

/* _i 0: drain_ms passes; 1: a second TERM does not wait for it. */
START_TEST(what_cannot_be_finished_goes_back_to_the_front)
{
    enum { SLOTS = 8, JOBS = 20 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    redisReply *ready;
    int front = 0;

    world_sim_latency(w, 30000);
    world_start_scheduler(w);
    worker = world_start_worker(
        w, BEAT, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=8",
        "FLOTILLA_WORKERS_REALTIME_PERCENT=0",
        _i ? "FLOTILLA_WORKERS_DRAIN_MS=60000" : "FLOTILLA_WORKERS_DRAIN_MS=300");
    look_wait_workers(w, worker, 1);
    push_chats(w, JOBS);
    WAIT_UNTIL(w, ALL_MS,
               look_running(w) == SLOTS &&
                   world_int(w, "LLEN fl:{0}:ready:inference.standard") == JOBS - SLOTS);
    program_signal(worker, SIGTERM);
    if (_i) {
        WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=drain ") == 1);
        program_signal(worker, SIGTERM);
    }
    ck_assert_int_eq(program_wait(worker, 10000), 0);
    ck_assert_int_eq(look_held(w), 0);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), SLOTS);
    ready = world_redis(w, "LRANGE fl:{0}:ready:inference.standard 0 -1");
    ck_assert_uint_eq(ready->elements, JOBS);
    for (size_t i = JOBS - SLOTS; i < JOBS; i++) /* the next ones lie at the right */
        front += strtol(ready->element[i]->str + 2, NULL, 10) < SLOTS;
    ck_assert_int_eq(front, SLOTS);
    world_sim_latency(w, 20);
    world_start_worker(w);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(attempts_of(w, world_text(w, "c-%d", i)), 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* TERM comes while the answer to a claim is missing: the ids that it has put aside go back. */
START_TEST(what_was_claimed_without_an_answer_goes_back_at_term)
{
    enum { JOBS = 20 };
    struct world *w = world_new(.proxy = true);
    struct program *worker;

    world_start_scheduler(w);
    look_push_noops(w, 0, JOBS, "{}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == JOBS);
    proxy_silence_reply(w->proxy, "fl:{0}:paused"); /* only a claim names it */
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1",
                                "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000");
    WAIT_UNTIL(w, ALL_MS, proxy_stats(w->proxy).faults == 1 && look_held(w) == JOBS);
    world_stop(w, worker, 15000);
    ck_assert_int_eq(look_held(w), 0);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:ready:noop"), JOBS);
    ck_assert_int_eq(world_int(w, "HLEN fl:{0}:workers"), 0);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_free(w);
}
END_TEST

/* ---- one process ------------------------------------------------------------ */
START_TEST(a_process_over_its_memory_is_replaced_and_finishes_its_jobs)
{
    enum { JOBS = 50 };
    struct world *w = world_new();
    struct program *worker;
    const pid_t *old;
    pid_t now[8];

    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, "FLOTILLA_WORKERS_PROCESSES=1",
                                "FLOTILLA_WORKERS_MEMORY_BYTES=1");
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=process.exited ") == 1); /* seen at once */
    old = look_wait_workers(w, worker, 1);
    look_push_noops(w, 0, JOBS, "{'sleep_ms':5500}");
    WAIT_UNTIL(w, ALL_MS, look_running(w) == JOBS);
    WAIT_UNTIL(w, ALL_MS, world_worker_pids(worker, now, ARRAY_LEN(now)) == 2);
    ck_assert_int_eq(kill(old[0], 0), 0);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(attempts_of(w, world_text(w, "x-%d", i)), 1);
    ck_assert_int_eq(look_logged(worker, "event=takeover.done "), 0);
    ck_assert_int_eq(look_logged(worker, "given_back"), 0);
    world_free(w);
}
END_TEST

START_TEST(a_process_that_dies_again_and_again_rests)
{
    struct world *w = world_new();
    struct program *worker;
    int64_t died_ms = 0;

    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, "FLOTILLA_WORKERS_PROCESSES=1");
    look_push_noops(w, 0, 20, "{'sleep_ms':1500}");
    for (int i = 1; i <= 4; i++) {
        pid_t pid = look_wait_workers(w, worker, 1)[0];

        WAIT_UNTIL(w, ALL_MS, look_held(w) == 20);
        kill(pid, SIGKILL);
        died_ms = now_ms();
        WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=process.exited ") == i);
    }
    look_wait_workers(w, worker, 1);
    ck_assert_int_ge(now_ms() - died_ms, 990); /* SLOT_REST_MIN_MS */
    world_wait_results(w, 20, ALL_MS);
    world_check_one_result_each(w, 20);
    for (int i = 0; i < 20; i++)
        ck_assert_int_eq(attempts_of(w, world_text(w, "x-%d", i)), 1);
    world_free(w);
}
END_TEST

/* What is scaled away and dies while it drains leaves jobs behind: a process comes for them alone.
 */
START_TEST(the_jobs_of_a_process_that_dies_while_draining_are_taken_over)
{
    struct world *w = world_new();
    struct program *worker;
    const pid_t *pids;
    const char *ids[2];
    pid_t drains = 0;

    world_start_scheduler(w);
    worker = world_start_worker(w, BEAT, "FLOTILLA_WORKERS_PROCESSES=2",
                                "FLOTILLA_WORKERS_CONCURRENCY=10",
                                "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    pids = look_wait_workers(w, worker, 2);
    ids[0] = look_worker(w, pids[0]);
    ids[1] = look_worker(w, pids[1]);
    look_push_noops(w, 0, 20, "{'sleep_ms':4000}");
    WAIT_UNTIL(w, ALL_MS, look_running(w) == 20);
    ck_assert_int_eq(world_cli(w, "scale", "1").exit_code, 0);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=drain ") == 1);
    for (int i = 0; i < 2; i++)
        if (look_logged(worker, world_text(w, "event=drain worker=%s ", ids[i])))
            drains = pids[i];
    ck_assert_int_ne(drains, 0);
    kill(drains, SIGKILL);
    WAIT_UNTIL(w, 5000, look_logged(worker, "event=takeover.done ") == 1); /* the lease is 10 s */
    ck_assert_int_eq(look_logged(worker, "given_back=10 "), 1);
    WAIT_UNTIL(w, ALL_MS, processes(worker) == 1);
    world_wait_results(w, 20, ALL_MS);
    world_check_one_result_each(w, 20);
    world_free(w);
}
END_TEST

Suite *test_supervisor(void)
{
    Suite *s = suite_create("supervisor");
    TCase *tc = tcase_create("supervisor");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, processes_are_scaled_while_jobs_run);
    tcase_add_test(tc, a_reload_changes_the_number_of_processes);
    tcase_add_test(tc, a_process_that_still_starts_survives_a_reload);
    tcase_add_test(tc, a_bad_configuration_ends_a_slot_until_the_reload);
    tcase_add_test(tc, a_group_that_is_not_configured_is_no_worker);
    tcase_add_loop_test(tc, what_runs_is_finished_at_term, 0, 2);
    tcase_add_loop_test(tc, what_cannot_be_finished_goes_back_to_the_front, 0, 2);
    tcase_add_test(tc, what_was_claimed_without_an_answer_goes_back_at_term);
    tcase_add_test(tc, a_process_over_its_memory_is_replaced_and_finishes_its_jobs);
    tcase_add_test(tc, a_process_that_dies_again_and_again_rests);
    tcase_add_test(tc, the_jobs_of_a_process_that_dies_while_draining_are_taken_over);
    suite_add_tcase(s, tc);
    return s;
}
