/* test_poison.c - jobs that crash or hang their process: they alone are blamed, and end. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };
#define FAULTS      "FLOTILLA_TEST_FAULTS=1"
#define ONE_PROCESS "FLOTILLA_WORKERS_PROCESSES=1"

/* All but `bad` ended well, at the first attempt; bad is dead, and kept for a replay. */
static void check_poisoned(struct world *w, int others)
{
    const struct result *bad = world_result(w, "bad");

    world_check_one_result_each(w, others + 1);
    ck_assert_str_eq(bad->status, "failed");
    ck_assert_str_eq(world_string_at(bad->doc, "error.code"), "poison");
    ck_assert_ptr_nonnull(world_string(w, "ZSCORE fl:{0}:dead bad"));
    for (int i = 0; i < others; i++) {
        const char *id = world_text(w, "x-%d", i);
        json_t *doc = NULL;

        redisReply *r = world_redis(w, "GET fl:{0}:job:%s", id);
        ck_assert_ptr_nonnull(strstr(r->str, "\"status\":\"completed\""));
        doc = world_json(w, strstr(r->str, "{\"id\":"));
        ck_assert_int_eq(world_int_at(doc, "attempts"), 1);
    }
    ck_assert_int_eq(look_held(w), 0);
}

static const char *const crashes[] = {"crash", "abort"};

START_TEST(a_job_that_crashes_its_process_is_dead_and_the_others_are_unharmed)
{
    enum { OTHERS = 255 };
    struct world *w = world_new();
    struct program *worker;

    world_start_scheduler(w);
    world_push(w, "{'id':'bad','type':'noop','payload':{'sleep_ms':100,'result':'%s'}}",
               crashes[_i]);
    look_push_noops(w, 0, OTHERS, "{'sleep_ms':300}");
    worker = world_start_worker(w, FAULTS, ONE_PROCESS, "FLOTILLA_WORKERS_CONCURRENCY=300");
    world_wait_results(w, OTHERS + 1, ALL_MS);
    check_poisoned(w, OTHERS);
    ck_assert_int_eq(look_logged(worker, "event=process.exited "), 3); /* retry.max_crashes */
    world_free(w);
}
END_TEST

/* The second process is killed from outside, while the job that crashed the first one runs: if
 * that counted, it would have been the second crash. */
START_TEST(a_kill_from_outside_blames_nobody)
{
    struct world *w = world_new();
    struct program *worker;
    pid_t pid;

    world_start_scheduler(w);
    worker = world_start_worker(w, FAULTS, ONE_PROCESS, "FLOTILLA_RETRY_MAX_CRASHES=2");
    pid = look_wait_workers(w, worker, 1)[0];
    world_push(w, "{'id':'bad','type':'noop','payload':{'sleep_ms':1500,'result':'crash'}}");
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "SEGV") == 1);
    WAIT_UNTIL(w, ALL_MS,
               world_worker_pids(worker, &pid, 1) == 1 && look_worker(w, pid) && look_held(w) == 1);
    kill(pid, SIGKILL);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "KILL") == 1);
    world_wait_results(w, 1, ALL_MS);
    check_poisoned(w, 0);
    ck_assert_int_eq(look_logged(worker, "SEGV"), 2);
    world_free(w);
}
END_TEST

/* By the time the watchdog kills, the lease is over and the scheduler has given the job to others:
 * it must be blamed wherever it is. */
START_TEST(a_job_that_hangs_its_process_is_killed_and_blamed)
{
    enum { OTHERS = 50 };
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1000";
    static const char beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=200";
    struct world *w = world_new();
    struct program *worker;

    world_start_scheduler(w, lease, beat, "FLOTILLA_RETRY_MAX_CRASHES=2");
    world_push(w, "{'id':'bad','type':'noop','payload':{'sleep_ms':100,'result':'hang'}}");
    look_push_noops(w, 0, OTHERS, "{'sleep_ms':300}");
    worker = world_start_worker(w, FAULTS, lease, beat, "FLOTILLA_WORKERS_WATCHDOG_MS=2000",
                                "FLOTILLA_RETRY_MAX_CRASHES=2",
                                world_text(w, "FLOTILLA_WORKERS_PROCESSES=%d", _i + 1));
    world_wait_results(w, OTHERS + 1, ALL_MS);
    check_poisoned(w, OTHERS);
    ck_assert_int_ge(look_logged(worker, "event=process.stuck "), 2);
    world_free(w);
}
END_TEST

Suite *test_poison(void)
{
    Suite *s = suite_create("poison");
    TCase *tc = tcase_create("poison");

    tcase_set_timeout(tc, 90);
    tcase_add_loop_test(tc, a_job_that_crashes_its_process_is_dead_and_the_others_are_unharmed, 0,
                        (int)ARRAY_LEN(crashes));
    tcase_add_test(tc, a_kill_from_outside_blames_nobody);
    tcase_add_loop_test(tc, a_job_that_hangs_its_process_is_killed_and_blamed, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
