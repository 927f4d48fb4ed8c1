/* test_cli_jobs.c - submitting jobs by the command line, waiting for them and changing them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/cli_checks.h"

enum { ALL_MS = 60000 };

/* ---- submit ----------------------------------------------------------------------- */
START_TEST(jobs_come_from_arguments_files_and_stdin)
{
    struct world *w = world_with_all();
    char *lines = world_file(w, "jobs.jsonl", NOOP("f-1") "\n\n" NOOP("f-2") "\n" NOOP("f-3"));
    struct cli cli = world_cli(w, "submit", NOOP("arg-1"), NOOP("arg-2"));

    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "arg-1\narg-2\n");
    cli = world_cli(w, "submit", "-f", lines, "--json");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "{\"id\":\"f-1\"}\n{\"id\":\"f-2\"}\n{\"id\":\"f-3\"}\n");
    cli = world_cli_input(w, NOOP("in-1") "\n", "submit");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "in-1\n");
    cli = world_cli_input(w, "\n \n" NOOP("in-2"), "submit", "-f", "-");
    CHECK_EXIT(cli, 0);
    /* one document over several lines; and such an argument */
    cli = world_cli_input(w, "\n{\n \"id\": \"tall\",\n \"type\": \"noop\",\n \"payload\": {}\n}\n",
                          "submit");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "tall\n");
    cli = world_cli(w, "submit", "{\"id\":\"tall-2\",\n\"type\":\"noop\",\n\"payload\":{}}");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "tall-2\n");
    /* a byte order mark, and a number that jansson does not take */
    cli = world_cli_input(
        w,
        "\xef\xbb\xbf{\"id\":\"mark\",\n\"type\":\"noop\",\n\"payload\":{\"result\":"
        "18446744073709551615}}\n",
        "submit");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "mark\n");
    /* no id: one is made and told */
    cli = world_cli(w, "submit", "{\"type\":\"noop\",\"payload\":{}}");
    CHECK_EXIT(cli, 0);
    ck_assert_int_eq((int)strlen(cli.out), 37);
    cli = world_cli(w, "wait", line_of(w, cli.out, 0));
    CHECK_EXIT(cli, 0);
    world_wait_results(w, 11, ALL_MS);
    world_check_one_result_each(w, 11);
    world_free(w);
}
END_TEST

START_TEST(bad_lines_are_told_by_number_and_the_others_go)
{
    struct world *w = world_with_all();
    struct cli cli =
        world_cli_input(w,
                        NOOP("a") "\nnot json\n\n{\"type\":\"nop\",\"payload\":{}}\n" NOOP(
                            "b") "\n{\"id\":\"c\",\"type\":\"noop\"}\n",
                        "submit");

    CHECK_EXIT(cli, 1);
    ck_assert_str_eq(cli.out, "a\nb\n");
    CHECK_HAS(cli.err, "line 2: not JSON");
    CHECK_HAS(cli.err, "line 4: type");
    CHECK_HAS(cli.err, "did you mean 'noop'?");
    CHECK_HAS(cli.err, "line 6: payload");
    ck_assert_int_eq(lines_in(cli.err), 3);
    world_wait_results(w, 2, ALL_MS);
    /* the same when the first line is the bad one */
    cli = world_cli_input(w, "{\n" NOOP("d") "\n", "submit", "--wait");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "line 1: not JSON");
    CHECK_HAS(cli.out, "\"id\":\"d\"");
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

START_TEST(what_cannot_become_a_job_is_no_success)
{
    struct world *w = world_with_all();
    char *long_doc = world_text(w, "{\"type\":\"noop\",\"payload\":{\"result\":\"%0999960d\"}}", 0);
    struct cli cli = world_cli_input(w, long_doc, "submit");

    ck_assert_int_le((int)strlen(long_doc), 1000000);
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "line 1: document: with an id it is larger than limits.job_bytes");
    cli = world_cli(w, "submit", "-f", w->dir);
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, ": cannot be read");
    /* another document under an id in use, which has ended or is yet to run */
    CHECK_EXIT(world_cli(w, "submit", "--wait", NOOP("a")), 0);
    CHECK_EXIT(world_cli(w, "submit", "--wait", NOOP("a")), 0);
    CHECK_EXIT(world_cli(w, "submit",
                         "{\"id\":\"b\",\"type\":\"noop\",\"payload\":{},"
                         "\"delay_ms\":600000}"),
               0);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:b") == 1);
    cli = world_cli(w, "submit", "--wait",
                    "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":1}}", NOOP("b"));
    CHECK_EXIT(cli, 3);
    ck_assert_str_eq(cli.out, "");
    CHECK_HAS(cli.err, "a: refused: another document was already submitted as 'a'");
    CHECK_HAS(cli.err, "b: refused: another document was already submitted as 'b'");
    world_free(w);
}
END_TEST

START_TEST(a_full_redis_refuses_the_submission)
{
    struct world *w = world_new();
    struct cli cli;

    world_redis(w, "CONFIG SET maxmemory 1000");
    cli = world_cli(w, "submit", "--wait", NOOP("a"));
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "OOM");
    ck_assert_str_eq(cli.out, ""); /* no id: there is no such job */
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:intake"), 0);
    world_free(w);
}
END_TEST

/* ---- wait ------------------------------------------------------------------------- */
START_TEST(waiting_tells_how_the_jobs_ended)
{
    static const char job[] = NOOP("a");
    struct world *w = world_with_all();
    struct cli cli = world_cli(w, "submit", "--wait", "--json", job);

    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "status"), "completed");
    cli = world_cli_input(w, NOOP("b") "\n" NOOP("c"), "submit", "--wait");
    CHECK_EXIT(cli, 0);
    ck_assert_int_eq(lines_in(cli.out), 2);
    CHECK_HAS(cli.out, "completed");
    ck_assert_str_eq(cli.err, ""); /* no bar without a terminal */
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':400,'times':1}");
    world_push_questions(w, 1, NULL);
    cli = world_cli(w, "wait", "q-0");
    CHECK_EXIT(cli, 3);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "status"), "failed");
    cli = world_cli(w, "wait", "a", "nobody");
    CHECK_EXIT(cli, 4);
    CHECK_HAS(cli.err, "nobody: no such job");
    world_push(w, "{'id':'slow','type':'noop','payload':{'sleep_ms':20000}}");
    cli = world_cli(w, "wait", "slow", "--timeout", "1");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "1 of 1 jobs have not ended in time");
    CHECK_EXIT(world_cli(w, "cancel", "slow"), 0);
    cli = world_cli(w, "wait", "slow", "--timeout=20", "--json");
    CHECK_EXIT(cli, 3);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "status"), "cancelled");
    world_check_one_result_each(w, 5);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Nobody takes it in: it is not there yet, but it is not unknown either. */
START_TEST(a_job_in_intake_is_waited_for)
{
    struct world *w = world_new();
    struct cli cli;

    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    cli = world_cli(w, "wait", "a", "--timeout", "1");
    ck_assert_int_eq(cli.exit_code, 1); /* not 4: it may be a job by then */
    CHECK_HAS(cli.err, "1 of 1 jobs have not ended in time");
    ck_assert_str_eq(cli.out, "");
    world_free(w);
}
END_TEST

/* What a person sees who runs that command on a terminal of 80 columns; it ends with 0. */
static char *on_terminal(struct world *w, const char *arguments)
{
    char exe[4096];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    struct program *p;

    ck_assert_int_gt(n, 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    p = world_start(w, "/usr/bin/script",
                    (const char *const[]){"-qec", world_text(w, "%s/flotilla %s", exe, arguments),
                                          "/dev/null", NULL},
                    NULL);
    ck_assert_int_eq(program_wait(p, 30000), 0);
    return world_own(w, program_out(p), free);
}

START_TEST(a_terminal_sees_a_progress_bar)
{
    struct world *w = world_with_all();
    char *lines = world_file(w, "jobs.jsonl", NOOP("a") "\n" NOOP("b") "\n");

    CHECK_HAS(on_terminal(w, world_text(w, "submit --wait -f %s", lines)),
              "########################################] 2/2");
    world_free(w);
}
END_TEST

static const char answer[] =
    "An answer of many words that are folded at the width of the terminal, "
    "of which each line begins below the first.";

START_TEST(a_result_is_one_line_for_programs_and_the_answer_first_for_people)
{
    struct world *w = world_with_all();
    struct cli cli;
    const char *out, *line;

    world_sim_faults(w, "{'path':'/v1/chat/completions','answer':'%s','times':1}", answer);
    world_push_questions(w, 1, NULL);
    world_wait_results(w, 1, ALL_MS);
    cli = world_cli(w, "job", "q-0");
    CHECK_EXIT(cli, 0);
    line = strstr(cli.out, "\nresult     {");
    ck_assert_ptr_nonnull(line);
    CHECK_HAS(line_of(w, line + 1, 0), "\"finished_at\":"); /* its last member */
    ck_assert_ptr_null(strstr(cli.out, "\nanswer "));
    out = on_terminal(w, "job q-0");
    CHECK_HAS(
        out,
        "\nanswer     An answer of many words that are folded at the width of the terminal,\r\n"
        "           of which each line begins below the first.\r\n");
    ck_assert(strstr(out, "\nresult  ") > strstr(out, "\nanswer  "));
    for (int i = 0; line_of(w, out, i)[0]; i++)
        ck_assert_msg(strlen(line_of(w, out, i)) <= 81, "%s", line_of(w, out, i)); /* and CR */
    world_free(w);
}
END_TEST

/* ---- jobs ------------------------------------------------------------------------- */
START_TEST(a_job_is_shown_with_all_that_is_known)
{
    struct world *w = world_with_all();
    struct cli cli;
    json_t *doc;

    world_push(w, "{'id':'done','type':'noop','payload':{'result':{'n':7}},'tags':{'a':'b'}}");
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':3600000}");
    world_wait_results(w, 1, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:later") == 1);
    cli = world_cli(w, "job", "done");
    CHECK_EXIT(cli, 0);
    CHECK_HAS(cli.out, "state      completed");
    CHECK_HAS(cli.out, "queue      noop");
    CHECK_HAS(cli.out, "\"n\":7");
    cli = world_cli(w, "job", "later", "--json");
    CHECK_EXIT(cli, 0);
    doc = world_json(w, cli.out);
    ck_assert_str_eq(world_string_at(doc, "state"), "delayed");
    ck_assert_int_gt(world_int_at(doc, "due_at"), world_int_at(doc, "submitted_at"));
    ck_assert_str_eq(world_string_at(doc, "document.type"), "noop");
    cli = world_cli(w, "job", "later");
    CHECK_HAS(cli.out, "due        in ");
    world_redis(w, "SETRANGE fl:{0}:job:later 0 02");
    cli = world_cli(w, "job", "later");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "newer version");
    world_free(w);
}
END_TEST

START_TEST(a_cancelled_job_is_neither_counted_nor_due)
{
    struct world *w = world_new();
    struct cli cli;

    world_start_scheduler(w);
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':3600000}");
    world_push(w, "{'id':'expires','type':'noop','payload':{},'expires_in_ms':3600000}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:later fl:{0}:job:expires") == 2);
    CHECK_EXIT(world_cli(w, "cancel", "later", "expires"), 0);
    cli = world_cli(w, "queues", "--json");
    ck_assert_int_eq(world_int_at(world_json(w, cli.out), "delayed"), 0);
    ck_assert_int_eq(world_int_at(world_json(w, cli.out), "queues.noop.ready"), 0);
    ck_assert_ptr_null(strstr(world_cli(w, "job", "later").out, "\ndue "));
    ck_assert_ptr_null(strstr(world_cli(w, "job", "expires").out, "\nexpires "));
    ck_assert_ptr_null(strstr(world_cli(w, "jobs").out, "in 59 min"));
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

START_TEST(jobs_are_listed_by_state_and_queue)
{
    struct world *w = world_with_all();
    struct cli cli;

    world_redis(w, "HSET fl:{0}:paused inference.standard 1");
    for (int i = 0; i < 5; i++)
        world_push(w, "{'id':'noop-%d','type':'noop','payload':{}}", i);
    world_push_questions(w, 3, NULL);
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':3600000}");
    world_wait_results(w, 5, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:later") == 1);
    cli = world_cli(w, "jobs");
    CHECK_EXIT(cli, 0);
    ck_assert_int_eq(lines_in(cli.out), 1 + 9);
    cli = world_cli(w, "jobs", "--state", "ready");
    ck_assert_int_eq(lines_in(cli.out), 1 + 3);
    CHECK_HAS(cli.out, "q-2");
    cli = world_cli(w, "jobs", "--queue=noop", "--json");
    ck_assert_int_eq(lines_in(cli.out), 6);
    for (int i = 0; i < 6; i++)
        ck_assert_str_eq(world_string_at(world_json(w, line_of(w, cli.out, i)), "queue"), "noop");
    cli = world_cli(w, "jobs", "--queue", "noop", "--state", "delayed", "--json");
    ck_assert_int_eq(lines_in(cli.out), 1);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "id"), "later");
    cli = world_cli(w, "jobs", "--limit", "2");
    ck_assert_int_eq(lines_in(cli.out), 1 + 2);
    CHECK_HAS(cli.err, "--limit N shows more");
    world_free(w);
}
END_TEST

START_TEST(jobs_are_cancelled_in_each_state)
{
    struct world *w = world_with_all();
    struct cli cli;

    world_push(w, "{'id':'done','type':'noop','payload':{}}");
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':3600000}");
    world_push(w, "{'id':'runs','type':'noop','payload':{'sleep_ms':60000}}");
    world_wait_results(w, 1, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:later") == 1);
    WAIT_UNTIL(w, ALL_MS, strcmp(world_string(w, "GETRANGE fl:{0}:job:runs 2 2"), "a") == 0);
    cli = world_cli(w, "cancel", "done", "later", "runs");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "done  completed\nlater  cancelled\nruns  cancelling\n");
    world_wait_results(w, 3, ALL_MS);
    ck_assert_str_eq(world_result(w, "done")->status, "completed");
    ck_assert_str_eq(world_result(w, "later")->status, "cancelled");
    ck_assert_str_eq(world_result(w, "runs")->status, "cancelled");
    cli = world_cli(w, "cancel", "later", "nobody", "--json");
    CHECK_EXIT(cli, 4);
    ck_assert_str_eq(world_string_at(world_json(w, cli.out), "outcome"), "cancelled");
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

START_TEST(dead_jobs_run_again)
{
    enum { JOBS = 300 }; /* more than one call of the script takes */
    struct world *w = world_with_all();
    struct cli cli;

    world_sim_faults(w, "{'path':'/v1/chat/completions','status':400,'times':%d}", JOBS);
    world_push_questions(w, JOBS, NULL);
    world_wait_results(w, JOBS, ALL_MS);
    cli = world_cli(w, "queues", "--json");
    ck_assert_int_eq(world_int_at(world_json(w, cli.out), "dead"), JOBS);
    cli = world_cli(w, "retry", "q-0", "q-1", "--json");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "{\"id\":\"q-0\",\"outcome\":\"ready\"}\n"
                              "{\"id\":\"q-1\",\"outcome\":\"ready\"}\n");
    world_wait_results(w, JOBS + 2, ALL_MS);
    ck_assert_str_eq(world_result(w, "q-0")->status, "completed");
    ck_assert_int_eq(world_result(w, "q-0")->run, 2);
    cli = world_cli(w, "retry", "q-0");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "only dead jobs can be run again; this one is completed");
    for (int i = 2; i < 202; i++) /* the records of these are gone: they are only forgotten */
        world_redis(w, "DEL fl:{0}:job:q-%d", i);
    cli = world_cli(w, "retry", "--dead");
    CHECK_EXIT(cli, 0);
    ck_assert_int_eq(lines_in(cli.out), JOBS - 202);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_wait_results(w, JOBS + 2 + JOBS - 202, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_cli_jobs(void)
{
    static const TTest *const *const tests[] = {
        &jobs_come_from_arguments_files_and_stdin,
        &bad_lines_are_told_by_number_and_the_others_go,
        &what_cannot_become_a_job_is_no_success,
        &a_full_redis_refuses_the_submission,
        &waiting_tells_how_the_jobs_ended,
        &a_job_in_intake_is_waited_for,
        &a_terminal_sees_a_progress_bar,
        &a_result_is_one_line_for_programs_and_the_answer_first_for_people,
        &a_cancelled_job_is_neither_counted_nor_due,
        &a_job_is_shown_with_all_that_is_known,
        &jobs_are_listed_by_state_and_queue,
        &jobs_are_cancelled_in_each_state,
        &dead_jobs_run_again};
    Suite *s = suite_create("cli of jobs");
    TCase *tc = tcase_create("cli of jobs");

    tcase_set_timeout(tc, 90);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, *tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
