/* test_schedulers.c - schedulers die, stop and come back: another takes over, and nothing is taken
 * in twice, or never. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };

static void push_and_wait(struct world *w, int n)
{
    world_push(w, "{'id':'one-%d','type':'noop','payload':{}}", n);
    world_wait_results(w, n, 15000);
}

static const int signals[] = {SIGSTOP, SIGKILL};

/* A job that is pushed right after the takeover: the stopped one may still have it moved, by a
 * command that it had sent before. */
START_TEST(another_scheduler_takes_over_and_a_stopped_one_writes_nothing)
{
    struct world *w = world_new();
    struct program *holder = world_start_scheduler(w), *other;
    const char *token;
    int64_t at_ms;

    WAIT_UNTIL(w, ALL_MS, look_logged(holder, "event=lease.held ") == 1);
    other = world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_and_wait(w, 1);
    program_signal(holder, signals[_i]);
    at_ms = now_ms();
    holder->may_end = true;
    WAIT_UNTIL(w, 5000, look_logged(other, "event=lease.held ") == 1);
    ck_assert_int_lt(now_ms() - at_ms, patience_ms(5000));
    push_and_wait(w, 2);
    token = world_text(w, "%s", world_string(w, "GET fl:{0}:lease"));
    if (signals[_i] == SIGSTOP) {
        program_signal(holder, SIGCONT);
        WAIT_UNTIL(w, ALL_MS, look_logged(holder, "event=lease.lost ") == 1);
        push_and_wait(w, 3);
        ck_assert_str_eq(world_string(w, "GET fl:{0}:lease"), token);
        ck_assert_int_eq(look_logged(other, "event=lease.lost "), 0);
    }
    world_check_one_result_each(w, signals[_i] == SIGSTOP ? 3 : 2);
    world_free(w);
}
END_TEST

START_TEST(a_scheduler_that_stops_gives_up_its_lease)
{
    struct world *w = world_new();
    struct program *holder = world_start_scheduler(w), *other;

    WAIT_UNTIL(w, ALL_MS, look_logged(holder, "event=lease.held ") == 1);
    other = world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_stop(w, holder, 5000);
    WAIT_UNTIL(w, 5000, look_logged(other, "event=lease.held ") == 1);
    push_and_wait(w, 1);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* Delayed jobs, and jobs of workers that die, are the new one's affair as well. */
START_TEST(due_jobs_and_dead_workers_are_seen_after_a_takeover)
{
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1000";
    static const char beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=200";
    static const char held[] = "FLOTILLA_SCHEDULER_LEASE_MS=1000";
    struct world *w = world_new();
    struct program *holder = world_start_scheduler(w, lease, beat, held), *worker;

    WAIT_UNTIL(w, ALL_MS, look_logged(holder, "event=lease.held ") == 1);
    world_start_scheduler(w, lease, beat, held);
    worker = world_start_worker(w, lease, beat, "FLOTILLA_WORKERS_PROCESSES=1");
    look_push_noops(w, 0, 20, "{'sleep_ms':500}");
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':2000}");
    WAIT_UNTIL(w, ALL_MS, look_running(w) > 0 && world_int(w, "ZCARD fl:{0}:delayed") == 1);
    worker->may_end = true;
    kill(-worker->pid, SIGKILL);
    program_kill(holder);
    world_start_worker(w, lease, beat, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, 21, ALL_MS);
    world_check_one_result_each(w, 21);
    ck_assert_int_eq(look_held(w), 0);
    world_free(w);
}
END_TEST

START_TEST(twenty_thousand_jobs_are_taken_in_by_schedulers_that_die)
{
    enum { JOBS = 20000, KILLS = 6 };
    static const char lease[] = "FLOTILLA_SCHEDULER_LEASE_MS=500";
    struct world *w = world_new();

    look_push_noops(w, 0, JOBS, "{}");
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2");
    for (int i = 0; i < KILLS; i++) {
        struct program *scheduler = world_start_scheduler(w, lease);
        int64_t left = JOBS - (JOBS / (KILLS + 1)) * (i + 1);

        WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:intake") <= left);
        program_kill(scheduler);
    }
    world_start_scheduler(w, lease);
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:taken") == 0);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:intake"), 0);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), JOBS);
    world_check_one_result_each(w, JOBS);
    world_free(w);
}
END_TEST

Suite *test_schedulers(void)
{
    Suite *s = suite_create("schedulers");
    TCase *tc = tcase_create("schedulers");

    tcase_set_timeout(tc, 90);
    tcase_add_loop_test(tc, another_scheduler_takes_over_and_a_stopped_one_writes_nothing, 0,
                        (int)ARRAY_LEN(signals));
    tcase_add_test(tc, a_scheduler_that_stops_gives_up_its_lease);
    tcase_add_test(tc, due_jobs_and_dead_workers_are_seen_after_a_takeover);
    tcase_add_test(tc, twenty_thousand_jobs_are_taken_in_by_schedulers_that_die);
    suite_add_tcase(s, tc);
    return s;
}
