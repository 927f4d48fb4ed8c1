/* test_cli.c - every command of `flotilla`: what it prints, for people and for programs, and how it
 * exits. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/world.h"

enum { ALL_MS = 60000 };

#define NOOP(id) "{\"id\":\"" id "\",\"type\":\"noop\",\"payload\":{}}"

static bool has(const char *text, const char *part) { return strstr(text, part) != NULL; }

#define CHECK_EXIT(cli, code) \
    ck_assert_msg((cli).exit_code == (code), "exit %d: %s", (cli).exit_code, (cli).err)
#define CHECK_HAS(text, part) ck_assert_msg(has(text, part), "no '%s' in: %s", part, text)

static struct world *world_with_all(void)
{
    struct world *w = world_new(.simulator = true);

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == 1);
    return w;
}

static char *file_in(struct world *w, const char *name, const char *text)
{
    char *path = world_text(w, "%s/%s", w->dir, name);
    FILE *f = fopen(path, "we");

    ck_assert_ptr_nonnull(f);
    fputs(text, f);
    fclose(f);
    return path;
}

/* The i-th line of a text; the world's own. */
static char *line_of(struct world *w, const char *text, int i)
{
    for (; i > 0 && (text = strchr(text, '\n')); i--)
        text++;
    return world_text(w, "%.*s", text ? (int)strcspn(text, "\n") : 0, text ? text : "");
}

static int lines_in(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += *text == '\n';
    return n;
}

/* ---- what needs no Redis -------------------------------------------------------- */
static const struct {
    const char *args[5];
    int exit_code;
    const char *out, *err; /* parts of what is printed */
} plain[] = {
    {{NULL}, 2, "", "usage: flotilla"},
    {{"--help"}, 0, "exit status:", ""},
    {{"help"}, 0, "submit", ""},
    {{"submit", "--help"}, 0, "usage: flotilla", ""},
    {{"version"}, 0, "flotilla ", ""},
    {{"--version"}, 0, "flotilla ", ""},
    {{"version", "--json"}, 0, "{\"version\":\"", ""},
    {{"models"}, 0, "CONTEXT", ""},
    {{"models", "more"}, 2, "", "usage: flotilla models"},
    {{"config", "show"}, 0, "redis.url", ""},
    {{"config", "check"}, 0, "good", ""},
    {{"config", "check", "--json"}, 0, "{\"ok\":true}", ""},
    {{"config"}, 2, "", "usage: flotilla config"},
    {{"config", "change"}, 2, "", "usage: flotilla config"},
    {{"frobnicate"}, 2, "", "unknown command 'frobnicate'"},
    {{"config", "check", "-c", "/no/such/file"}, 78, "", "/no/such/file"},
    /* asked wrongly */
    {{"wait"}, 2, "", "usage: flotilla wait"},
    {{"wait", "a", "--timeout", "soon"}, 2, "", "usage: flotilla wait"},
    {{"wait", "a", "--timeout"}, 2, "", "usage: flotilla wait"},
    {{"job"}, 2, "", "usage: flotilla job"},
    {{"job", "a", "b"}, 2, "", "usage: flotilla job"},
    {{"jobs", "a"}, 2, "", "usage: flotilla jobs"},
    {{"jobs", "--limit", "0"}, 2, "", "usage: flotilla jobs"},
    {{"jobs", "--state", "asleep"}, 2, "", "asleep: there is no such state"},
    {{"jobs", "--queue", "noops"}, 2, "", "noops: there is no such queue"},
    {{"cancel"}, 2, "", "usage: flotilla cancel"},
    {{"cancel", "--all"}, 2, "", "usage: flotilla cancel"},
    {{"retry"}, 2, "", "usage: flotilla retry"},
    {{"retry", "--dead", "a"}, 2, "", "usage: flotilla retry"},
    {{"queues", "a"}, 2, "", "usage: flotilla queues"},
    {{"pause"}, 2, "", "usage: flotilla pause"},
    {{"pause", "nop"}, 4, "", "did you mean 'noop'?"},
    {{"resume", "nop"}, 4, "", "did you mean 'noop'?"},
    {{"resume", "0123456789abcdef"}, 4, "", "no such key is stopped"},
    {{"workers", "a"}, 2, "", "usage: flotilla workers"},
    {{"scale"}, 2, "", "usage: flotilla scale"},
    {{"scale", "many"}, 2, "", "usage: flotilla scale"},
    {{"scale", "gpu", "2"}, 4, "", "gpu: there is no such worker group"},
    {{"costs", "--since", "soon"}, 2, "", "usage: flotilla costs"},
    {{"costs", "--by", "colour"}, 2, "", "usage: flotilla costs"},
    {{"tail", "webhooks"}, 2, "", "usage: flotilla tail"},
    {{"submit", "--wat"}, 2, "", "usage: flotilla submit"},
    {{"submit", "-f"}, 2, "", "usage: flotilla submit"},
    {{"submit", "-f", "x", NOOP("a")}, 2, "", "usage: flotilla submit"},
    {{"submit", "-f", "/no/such/file"}, 1, "", "/no/such/file"},
    /* and there is nothing */
    {{"job", "a"}, 4, "", "a: there is no such job"},
    {{"wait", "a"}, 4, "", "a: there is no such job"},
    {{"cancel", "a"}, 4, "", "a: there is no such job"},
    {{"retry", "a"}, 4, "", "a: there is no such job"},
    {{"retry", "--dead"}, 0, "", ""},
    {{"jobs"}, 0, "STATE", ""},
    {{"workers"}, 0, "WORKER", ""},
    {{"workers", "--json"}, 0, "[]", ""},
    {{"costs"}, 0, "COST", ""},
    {{"costs", "--json"}, 0, "{}", ""},
};

START_TEST(a_command_alone_says_and_exits)
{
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(plain); i++) {
        struct cli cli = world_cli_run(w, NULL, plain[i].args);

        ck_assert_msg(cli.exit_code == plain[i].exit_code, "%s %s: exit %d: %s",
                      plain[i].args[0] ? plain[i].args[0] : "",
                      plain[i].args[0] && plain[i].args[1] ? plain[i].args[1] : "", cli.exit_code,
                      cli.err);
        CHECK_HAS(cli.out, plain[i].out);
        CHECK_HAS(cli.err, plain[i].err);
        if (plain[i].exit_code != 0)
            ck_assert_str_eq(cli.out, ""); /* data on stdout, messages on stderr */
    }
    world_free(w);
}
END_TEST

static char *text_of_file(struct world *w, const char *path)
{
    char *text = malloc(100000);
    FILE *f = fopen(path, "re");

    ck_assert_ptr_nonnull(text);
    ck_assert_msg(f != NULL, "%s", path);
    text[fread(text, 1, 99999, f)] = '\0';
    fclose(f);
    return world_own(w, text, free);
}

START_TEST(the_manual_knows_every_command)
{
    struct world *w = world_new();
    char *manual = text_of_file(w, "deploy/man/flotilla.1");
    char *help = world_cli(w, "--help").out;
    int commands = 0;

    for (int i = 2; line_of(w, help, i)[0]; i++, commands++) { /* up to the next empty line */
        char name[32] = "";

        ck_assert_int_eq(sscanf(line_of(w, help, i), "%31s", name), 1);
        CHECK_HAS(manual, world_text(w, "\n.It Cm %s", name));
    }
    ck_assert_int_gt(commands, 15);
    world_free(w);
}
END_TEST

static const char *const needing_redis[] = {"queues", "workers", "jobs", "costs", "tail"};

START_TEST(without_redis_the_exit_is_69)
{
    struct world *w = world_new();
    struct cli cli;

    world_redis_stop(w);
    for (size_t i = 0; i < ARRAY_LEN(needing_redis); i++) {
        cli = world_cli(w, needing_redis[i]);
        CHECK_EXIT(cli, 69);
        CHECK_HAS(cli.err, "flotilla: ");
        ck_assert_str_eq(cli.out, "");
    }
    CHECK_EXIT(world_cli(w, "submit", NOOP("a")), 69);
    CHECK_EXIT(world_cli(w, "wait", "a"), 69);
    CHECK_EXIT(world_cli(w, "models"), 0);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.out, "FAIL  redis");
    CHECK_HAS(cli.out, "skip");
    world_redis_start(w);
    world_free(w);
}
END_TEST

/* ---- configuration ---------------------------------------------------------------- */
START_TEST(a_bad_configuration_is_told_by_file_and_line)
{
    struct world *w = world_new();
    char *bad = file_in(w, "bad.yaml", "redis:\n  prefix: fl\nworkers:\n  concurency: 4\n");
    char *good = file_in(w, "good.yaml", "workers:\n  concurrency: 4\n");
    static const char *const commands[] = {"check", "show"};
    struct cli cli;

    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        cli = world_cli(w, "-c", bad, "config", commands[i]);
        CHECK_EXIT(cli, 78);
        CHECK_HAS(cli.err, "bad.yaml:4");
        CHECK_HAS(cli.err, "concurrency");
        ck_assert_str_eq(cli.out, "");
    }
    CHECK_EXIT(world_cli(w, "queues", "-c", bad), 78);
    cli = world_cli(w, "-c", good, "config", "check");
    CHECK_EXIT(cli, 0);
    CHECK_HAS(cli.out, "good.yaml: good");
    cli = world_cli(w, "config", "show", "--json", "-c", good);
    CHECK_EXIT(cli, 0);
    world_json(w, cli.out);
    CHECK_HAS(cli.out, "good.yaml");
    ck_assert_ptr_null(strstr(cli.out, "a-key-of-the-tests"));
    world_free(w);
}
END_TEST

/* ---- submit ----------------------------------------------------------------------- */
START_TEST(jobs_come_from_arguments_files_and_stdin)
{
    struct world *w = world_with_all();
    char *lines = file_in(w, "jobs.jsonl", NOOP("f-1") "\n\n" NOOP("f-2") "\n" NOOP("f-3"));
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
    /* no id: one is made and told */
    cli = world_cli(w, "submit", "{\"type\":\"noop\",\"payload\":{}}");
    CHECK_EXIT(cli, 0);
    ck_assert_int_eq((int)strlen(cli.out), 37);
    cli = world_cli(w, "wait", line_of(w, cli.out, 0));
    CHECK_EXIT(cli, 0);
    world_wait_results(w, 10, ALL_MS);
    world_check_one_result_each(w, 10);
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

START_TEST(a_full_redis_refuses_the_submission)
{
    struct world *w = world_new();
    struct cli cli;

    world_redis(w, "CONFIG SET maxmemory 1000");
    cli = world_cli(w, "submit", "--wait", NOOP("a"));
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "OOM");
    world_free(w);
}
END_TEST

/* ---- wait ------------------------------------------------------------------------- */
START_TEST(waiting_tells_how_the_jobs_ended)
{
    struct world *w = world_with_all();
    struct cli cli = world_cli(w, "submit", "--wait", "--json", NOOP("a"));

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
    CHECK_HAS(cli.err, "nobody: there is no such job");
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
    CHECK_EXIT(cli, 1);
    world_free(w);
}
END_TEST

START_TEST(a_terminal_sees_a_progress_bar)
{
    struct world *w = world_with_all();
    char exe[4096], *out, *lines = file_in(w, "jobs.jsonl", NOOP("a") "\n" NOOP("b") "\n");
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    struct program *p;

    ck_assert_int_gt(n, 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    p = world_start(
        w, "/usr/bin/script",
        (const char *const[]){"-qec", world_text(w, "%s/flotilla submit --wait -f %s", exe, lines),
                              "/dev/null", NULL},
        NULL);
    ck_assert_int_eq(program_wait(p, 30000), 0);
    out = program_out(p);
    CHECK_HAS(out, "########################################] 2/2");
    free(out);
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

/* ---- queues and workers ------------------------------------------------------------- */
START_TEST(queues_are_shown_paused_and_resumed)
{
    struct world *w = world_with_all();
    struct cli cli;

    ck_assert_str_eq(world_cli(w, "pause", "noop").out, "noop  paused\n");
    for (int i = 0; i < 3; i++)
        world_push(w, "{'id':'a-%d','type':'noop','payload':{}}", i);
    world_push_questions(w, 1, NULL);
    world_wait_results(w, 1, ALL_MS); /* the other queue goes on */
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 3);
    cli = world_cli(w, "queues");
    CHECK_EXIT(cli, 0);
    CHECK_HAS(cli.out, "paused");
    CHECK_HAS(cli.out, "(intake)");
    cli = world_cli(w, "queues", "--json");
    ck_assert_int_eq(
        world_int_at(world_at(world_at(world_json(w, cli.out), "queues"), "noop"), "ready"), 3);
    ck_assert(json_is_true(world_at(world_json(w, cli.out), "queues.noop.paused")));
    cli = world_cli(w, "resume", "noop", "--json");
    CHECK_EXIT(cli, 0);
    ck_assert_str_eq(cli.out, "{\"id\":\"noop\",\"outcome\":\"resumed\"}\n");
    world_wait_results(w, 4, ALL_MS);
    world_check_one_result_each(w, 4);
    world_free(w);
}
END_TEST

START_TEST(workers_are_shown_and_scaled)
{
    struct world *w = world_with_all();
    struct cli cli = world_cli(w, "workers");

    CHECK_EXIT(cli, 0);
    ck_assert_int_eq(lines_in(cli.out), 2);
    CHECK_HAS(cli.out, "default");
    CHECK_HAS(cli.out, "working");
    CHECK_EXIT(world_cli(w, "scale", "3"), 0);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 3);
    CHECK_EXIT(world_cli(w, "scale", "default", "1"), 0);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 1);
    cli = world_cli(w, "workers", "--json");
    ck_assert_int_eq((int)json_array_size(world_json(w, cli.out)), 1);
    ck_assert_str_eq(world_string_at(json_array_get(world_json(w, cli.out), 0), "group"),
                     "default");
    world_free(w);
}
END_TEST

/* ---- costs ------------------------------------------------------------------------ */
static const char *const dimensions[] = {"model", "tenant", "type", "tag", "total"};

START_TEST(costs_are_summed_by_each_dimension)
{
    struct world *w = world_with_all();
    struct cli cli;
    struct money m;
    json_t *rows, *row;
    const char *name;

    world_push_questions(w, 10, "'tenant':'acme','tags':{'team':'search'}");
    world_wait_results(w, 10, ALL_MS);
    m = world_check_money(w);
    ck_assert_int_gt(m.confirmed_nanousd, 0);
    for (size_t i = 0; i < ARRAY_LEN(dimensions); i++) {
        int64_t sum = 0, calls = 0;

        cli = world_cli(w, "costs", "--by", dimensions[i], "--since", "1d", "--json");
        CHECK_EXIT(cli, 0);
        rows = world_json(w, cli.out);
        json_object_foreach (rows, name, row) {
            sum += world_int_at(row, "cost");
            calls += world_int_at(row, "calls");
        }
        ck_assert_int_eq(sum, m.confirmed_nanousd);
        ck_assert_int_eq(calls, 10);
        cli = world_cli(w, "costs", "--by", dimensions[i]);
        CHECK_EXIT(cli, 0);
        CHECK_HAS(cli.out, "$0.");
    }
    CHECK_HAS(world_cli(w, "costs", "--by", "tenant").out, "acme");
    CHECK_HAS(world_cli(w, "costs", "--by", "tag", "--since=12h").out, "team=search");
    world_free(w);
}
END_TEST

/* ---- tail ------------------------------------------------------------------------- */
static bool has_written(struct program *p, const char *part)
{
    char *out = program_out(p);
    bool found = has(out, part);

    free(out);
    return found;
}

START_TEST(streams_are_followed)
{
    struct world *w = world_with_all();
    struct program *results, *costs, *alerts, *as_json;

    world_push(w, "{'id':'before','type':'noop','payload':{}}");
    world_wait_results(w, 1, ALL_MS);
    results = world_start(w, "flotilla", (const char *const[]){"tail", NULL}, NULL);
    as_json =
        world_start(w, "flotilla", (const char *const[]){"tail", "results", "--json", NULL}, NULL);
    costs =
        world_start(w, "flotilla", (const char *const[]){"tail", "costs", "--json", NULL}, NULL);
    alerts = world_start(w, "flotilla", (const char *const[]){"tail", "alerts", NULL}, NULL);
    WAIT_UNTIL(w, ALL_MS, /* scheduler 2, worker 2, these 4 */
               has(world_string(w, "INFO clients"), "blocked_clients:8"));
    world_push_questions(w, 1, NULL);
    world_push(w, "{'id':'before','type':'noop','payload':{'result':'other'}}"); /* a conflict */
    WAIT_UNTIL(w, ALL_MS, has_written(results, "q-0  completed  {"));
    WAIT_UNTIL(w, ALL_MS, has_written(as_json, "{\"id\":\"q-0\""));
    WAIT_UNTIL(w, ALL_MS, has_written(costs, "\"job_id\":\"q-0\""));
    WAIT_UNTIL(w, ALL_MS, has_written(alerts, "id_conflict"));
    ck_assert(!has_written(results, "before  completed")); /* only what is new */
    program_kill(results);
    program_kill(as_json);
    program_kill(costs);
    program_kill(alerts);
    world_free(w);
}
END_TEST

START_TEST(a_stream_that_is_none_ends_the_tail)
{
    struct world *w = world_new();
    struct cli cli;

    world_redis(w, "SET fl:{0}:results garbage");
    cli = world_cli(w, "tail");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "WRONGTYPE");
    world_free(w);
}
END_TEST

/* ---- doctor ----------------------------------------------------------------------- */
START_TEST(the_doctor_is_content_with_a_good_set_up)
{
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    struct cli cli;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, 10000,
               world_int(w, "HLEN fl:{0}:workers") == 1 &&
                   world_int(w, "EXISTS fl:{0}:lease") == 1);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 0);
    ck_assert(!has(cli.out, "FAIL"));
    cli = world_cli(w, "doctor", "--json");
    CHECK_EXIT(cli, 0);
    for (int i = 0; i < lines_in(cli.out); i++)
        ck_assert(world_string_at(world_json(w, line_of(w, cli.out, i)), "verdict")[0]);
    world_free(w);
}
END_TEST

static void evict(struct world *w) { world_redis(w, "CONFIG SET maxmemory-policy allkeys-lru"); }
static void pause_one(struct world *w) { world_redis(w, "HSET fl:{0}:paused noop 1"); }
static void stop_key(struct world *w)
{
    world_redis(w, "HSET fl:{0}:stops 0123456789abcdef %s", "1 9999999999999 bad_key");
}
static void nothing(struct world *w) { (void)w; }

static const struct {
    void (*spoil)(struct world *);
    const char *finding, *advice;
} findings[] = {
    {evict, "FAIL  eviction       allkeys-lru", "CONFIG SET maxmemory-policy noeviction"},
    {nothing, "FAIL  scheduler", "start flotilla-scheduler"},
    {nothing, "FAIL  workers", "start flotilla-worker"},
    {nothing, "FAIL  provider key", "set TOGETHER_API_KEY"},
    {nothing, "warn  persistence", "appendonly yes"},
    {nothing, "warn  memory limit", "set maxmemory"},
    {nothing, "warn  webhooks", "webhooks.secret"},
    {pause_one, "warn  paused queues  1", "flotilla resume QUEUE"},
    {stop_key, "FAIL  stopped keys   key 0123456789abcdef", "flotilla resume FINGERPRINT"},
};

START_TEST(the_doctor_finds_what_is_wrong_and_how_to_mend_it)
{
    struct world *w = world_new();
    struct cli cli;

    for (size_t i = 0; i < ARRAY_LEN(findings); i++)
        findings[i].spoil(w);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 1);
    for (size_t i = 0; i < ARRAY_LEN(findings); i++) {
        CHECK_HAS(cli.out, findings[i].finding);
        CHECK_HAS(cli.out, findings[i].advice);
    }
    world_free(w);
}
END_TEST

static TCase *tests_of(const char *name, const TTest *const *tests, size_t n)
{
    TCase *tc = tcase_create(name);

    tcase_set_timeout(tc, 90);
    for (size_t i = 0; i < n; i++)
        tcase_add_test(tc, tests[i]);
    return tc;
}

Suite *test_cli(void)
{
    const TTest *const jobs[] = {jobs_come_from_arguments_files_and_stdin,
                                 bad_lines_are_told_by_number_and_the_others_go,
                                 a_full_redis_refuses_the_submission,
                                 waiting_tells_how_the_jobs_ended,
                                 a_job_in_intake_is_waited_for,
                                 a_terminal_sees_a_progress_bar,
                                 a_job_is_shown_with_all_that_is_known,
                                 jobs_are_listed_by_state_and_queue,
                                 jobs_are_cancelled_in_each_state,
                                 dead_jobs_run_again};
    const TTest *const fleet[] = {a_command_alone_says_and_exits,
                                  the_manual_knows_every_command,
                                  without_redis_the_exit_is_69,
                                  a_bad_configuration_is_told_by_file_and_line,
                                  queues_are_shown_paused_and_resumed,
                                  workers_are_shown_and_scaled,
                                  costs_are_summed_by_each_dimension,
                                  streams_are_followed,
                                  a_stream_that_is_none_ends_the_tail,
                                  the_doctor_is_content_with_a_good_set_up,
                                  the_doctor_finds_what_is_wrong_and_how_to_mend_it};
    Suite *s = suite_create("cli");

    suite_add_tcase(s, tests_of("jobs", jobs, ARRAY_LEN(jobs)));
    suite_add_tcase(s, tests_of("fleet", fleet, ARRAY_LEN(fleet)));
    return s;
}
