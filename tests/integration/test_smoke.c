/* test_smoke.c - the shortest way through everything: if this fails, look here first. */
#include <check.h>
#include <signal.h>

#include "tests/support/world.h"

START_TEST(a_noop_job_goes_through)
{
    struct world *w = world_new();

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w, "{'id':'a','type':'noop','payload':{'result':{'n':7}}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_int_eq(world_int_at(world_result(w, "a")->doc, "output.n"), 7);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(chat_jobs_are_answered_and_paid_once)
{
    struct world *w = world_new(.simulator = true);
    struct money m;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2");
    world_push_questions(w, 50, NULL);
    world_wait_results(w, 50, 20000);
    ck_assert_str_eq(world_result(w, "q-0")->status, "completed");
    world_check_one_result_each(w, 50);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_gt(m.billed_nanousd, 0);
    world_free(w);
}
END_TEST

START_TEST(the_command_line_submits_and_waits)
{
    struct world *w = world_new();
    struct cli cli;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    cli = world_cli_input(w, "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}}", "submit", "-f", "-",
                          "--wait", "--json");
    ck_assert_msg(cli.exit_code == 0, "%d: %s", cli.exit_code, cli.err);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "status"), "completed");
    cli = world_cli(w, "queues", "--json");
    ck_assert_msg(cli.exit_code == 0, "%d: %s", cli.exit_code, cli.err);
    world_json(w, cli.out);
    cli = world_cli(w, "job", "no-such-job");
    ck_assert_int_eq(cli.exit_code, 4);
    world_free(w);
}
END_TEST

START_TEST(programs_stop_cleanly_when_told)
{
    struct world *w = world_new(.simulator = true);
    struct program *scheduler = world_start_scheduler(w);
    struct program *worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=3");
    pid_t pids[16];
    size_t n;

    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_wait_results(w, 1, 10000);
    WAIT_UNTIL(w, 5000, (n = world_worker_pids(worker, pids, ARRAY_LEN(pids))) == 3);
    world_stop(w, worker, 10000);
    for (size_t i = 0; i < n; i++)
        ck_assert_int_eq(kill(pids[i], 0), -1);
    world_stop(w, scheduler, 10000);
    world_free(w);
}
END_TEST

Suite *test_smoke(void)
{
    Suite *s = suite_create("smoke");
    TCase *tc = tcase_create("smoke");

    tcase_add_test(tc, a_noop_job_goes_through);
    tcase_add_test(tc, chat_jobs_are_answered_and_paid_once);
    tcase_add_test(tc, the_command_line_submits_and_waits);
    tcase_add_test(tc, programs_stop_cleanly_when_told);
    suite_add_tcase(s, tc);
    return s;
}
