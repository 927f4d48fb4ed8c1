/* test_cli.c - every command of `flotilla` but those about jobs: what it prints, for people and for
 * programs, and how it exits. */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "tests/support/cli_checks.h"

enum { ALL_MS = 60000 };

/* ---- what needs no Redis -------------------------------------------------------- */
static const struct {
    const char *args[5];
    int exit_code;
    const char *out, *err; /* parts of what is printed */
} plain[] = {
    {{NULL}, 2, "", "usage: flotilla"},
    {{"--help"}, 0, "exit status:", ""},
    {{"help"}, 0, "submit", ""},
    {{"help"}, 0, "\n  jobs ", ""},
    {{"help", "jobs"}, 0, "JOBS\n\n  A job is ", ""},
    {{"help", "costs"}, 0, "COSTS\n", ""}, /* the page, not the command */
    {{"help", "submit"}, 0, "usage: flotilla submit", ""},
    {{"help", "-c", "/no/such/file", "jobs"}, 0, "JOBS\n", ""},
    {{"help", "jbos"}, 4, "", "did you mean 'jobs'?"},
    {{"help", "nothing"}, 4, "", "\n  webhooks "},
    {{"help", "jobs", "costs"}, 2, "", "usage: flotilla help"},
    {{"submit", "--help"}, 0, "read documents from FILE", ""},
    {{"submit", "--wait", "-h"}, 0, "read documents from FILE", ""},
    {{"-h"}, 0, "exit status:", ""},
    {{"--help", "frobnicate"}, 2, "", "unknown command 'frobnicate'"},
    {{"version"}, 0, "flotilla ", ""},
    {{"--version"}, 0, "flotilla ", ""},
    {{"version", "--json"}, 0, "{\"version\":\"", ""},
    {{"models"}, 0, "CONTEXT", ""},
    {{"models", "more"}, 2, "", "usage: flotilla models"},
    {{"config", "show"}, 0, "redis.url", ""},
    {{"config", "check"}, 0, "good", ""},
    {{"config", "check", "--json"}, 0, "{\"ok\":true,\"warnings\":[]}", ""},
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
    {{"jobs", "--state", "asleep"}, 2, "", "asleep: unknown state"},
    {{"jobs", "--queue", "noops"}, 2, "", "noops: unknown queue"},
    {{"cancel"}, 2, "", "usage: flotilla cancel"},
    {{"cancel", "--all"}, 2, "", "usage: flotilla cancel"},
    {{"retry"}, 2, "", "usage: flotilla retry"},
    {{"retry", "--dead", "a"}, 2, "", "usage: flotilla retry"},
    {{"queues", "a"}, 2, "", "usage: flotilla queues"},
    {{"pause"}, 2, "", "usage: flotilla pause"},
    {{"pause", "nop"}, 4, "", "did you mean 'noop'?"},
    {{"resume", "nop"}, 4, "", "did you mean 'noop'?"},
    {{"resume", "0123456789abcdef"}, 4, "", "no stopped key has this fingerprint"},
    {{"workers", "a"}, 2, "", "usage: flotilla workers"},
    {{"scale"}, 2, "", "usage: flotilla scale"},
    {{"scale", "many"}, 2, "", "usage: flotilla scale"},
    {{"scale", "gpu", "2"}, 4, "", "gpu: this configuration has no such worker group"},
    {{"costs", "--since", "soon"}, 2, "", "expected days or hours, like 7d or 12h; got 'soon'"},
    {{"costs", "--by", "colour"}, 2, "", "expected model, tenant, type, tag or total; got"},
    {{"models", "--task", "talk"}, 2, "", "--task: expected chat, completion, code"},
    {{"models", "--priority", "high"}, 2, "", "expected realtime, standard or batch; got 'high'"},
    {{"tail", "webhooks"}, 2, "", "usage: flotilla tail"},
    {{"submit", "--wat"}, 2, "", "usage: flotilla submit"},
    {{"pause", "--all"}, 2, "", "usage: flotilla pause"},
    {{"resume", "--all"}, 2, "", "usage: flotilla resume"},
    {{"scale", "--to", "3"}, 2, "", "usage: flotilla scale"},
    {{"version", "--all"}, 2, "", "usage: flotilla version"},
    {{"version", "more"}, 2, "", "usage: flotilla version"},
    {{"submit", "-f"}, 2, "", "usage: flotilla submit"},
    {{"submit", "-f", "x", NOOP("a")}, 2, "", "usage: flotilla submit"},
    {{"submit", "-f", "/no/such/file"}, 1, "", "/no/such/file"},
    /* and there is nothing */
    {{"job", "a"}, 4, "", "a: no such job"},
    {{"wait", "a"}, 4, "", "a: no such job"},
    {{"cancel", "a"}, 4, "", "a: no such job"},
    {{"retry", "a"}, 4, "", "a: no such job"},
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

START_TEST(the_manual_knows_every_command)
{
    struct world *w = world_new();
    char *manual = text_of_file(w, "deploy/man/flotilla.1");
    char *help = world_cli(w, "--help").out;
    int commands = 0;

    for (int i = 2; line_of(w, help, i)[0]; i++) { /* up to the next empty line */
        char name[32] = "";

        if (!strncmp(line_of(w, help, i), "   ", 3)) /* goes on with the one before */
            continue;
        ck_assert_int_eq(sscanf(line_of(w, help, i), "%31s", name), 1);
        CHECK_HAS(manual, world_text(w, "\n.It Cm %s", name));
        commands++;
    }
    ck_assert_int_gt(commands, 15);
    world_free(w);
}
END_TEST

static void check_columns(const char *text)
{
    for (const char *line = text; *line;) {
        size_t n = strcspn(line, "\n"), columns = 0;

        for (size_t i = 0; i < n; i++)
            columns += (line[i] & 0xc0) != 0x80; /* characters */
        ck_assert_msg(columns <= 80, "%zu columns: %.*s", columns, (int)n, line);
        line += n + (line[n] == '\n');
    }
}

static const char *const names[] = {
#define X(symbol, name, args, flags, text) name,
#include "scheduler/cli/commands.def"
};

START_TEST(help_fits_into_80_columns_for_all_and_for_each_command)
{
    struct world *w = world_new();

    check_columns(world_cli(w, "--help").out);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        struct cli cli = world_cli(w, names[i], "--help");

        CHECK_EXIT(cli, 0);
        check_columns(cli.out);
        CHECK_HAS(cli.out, world_text(w, "usage: flotilla %s", names[i]));
        if (access(world_text(w, "deploy/docs/%s.md", names[i]), R_OK) != 0)
            ck_assert_str_eq(cli.out, world_cli(w, "help", names[i]).out);
    }
    world_free(w);
}
END_TEST

/* What a terminal gets: marks, and lines of its width (help_markdown.h). */
START_TEST(pages_of_the_manual_fit_into_80_columns_and_have_no_escapes)
{
    struct world *w = world_new();
    glob_t pages = {0};

    ck_assert_int_eq(glob("deploy/docs/*.md", 0, NULL, &pages), 0);
    for (size_t i = 0; i < pages.gl_pathc; i++) {
        const char *file = strrchr(pages.gl_pathv[i], '/') + 1;
        const char *name = world_text(w, "%.*s", (int)strcspn(file, "."), file);
        struct cli cli = world_cli(w, "help", name);

        CHECK_EXIT(cli, 0);
        check_columns(cli.out);
        ck_assert_ptr_null(strchr(cli.out, '\x1b'));
        CHECK_HAS(world_cli(w, "help").out, world_text(w, "\n  %s ", name));
    }
    globfree(&pages);
    world_free(w);
}
END_TEST

static const char *const options[][2] = {
#define X(command, option, text) {command, option},
#include "scheduler/cli/options.def"
};

/* And an option that stands in a usage stands in the table. */
START_TEST(help_of_a_command_lists_its_options)
{
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        CHECK_HAS(world_cli(w, options[i][0], "--help").out,
                  world_text(w, "\n  %s", options[i][1]));
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *help = world_cli(w, names[i], "--help").out, *usage = line_of(w, help, 0);

        for (const char *p = usage; (p = strstr(p, "--")); p += 2)
            CHECK_HAS(help + strlen(usage), world_text(w, "\n  %.*s", (int)strcspn(p, " ]"), p));
    }
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
    CHECK_EXIT(world_cli(w, "jobs", "--all"), 2);
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
    char *bad = world_file(w, "bad.yaml", "redis:\n  prefix: fl\nworkers:\n  concurency: 4\n");
    char *good = world_file(w, "good.yaml", "workers:\n  concurrency: 4\n");
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

START_TEST(costs_are_exact_and_hours_reach_back)
{
    static const struct {
        const char *nanousd, *text;
    } sums[] = {{"20", "$0.00000002 "},      {"411000", "$0.000411 "},
                {"2280", "$0.00000228 "},    {"1234567", "$0.001235 "},
                {"999999500", "$1.000000 "}, {"9223372036854775807", "$9223372036.854775807 "}};
    struct world *w = world_new();
    char today[9], other[9];
    struct cli cli;

    do { /* not over a midnight */
        clock_day(clock_wall_ms(), today);
        clock_day(clock_wall_ms() - 86400000, other);
        world_redis(w, "HSET fl:{0}:spend:%s total|cost 7", other);
        cli = world_cli(w, "costs", "--by", "total", "--since", "24h", "--json");
        clock_day(clock_wall_ms(), other);
    } while (strcmp(today, other) != 0);
    CHECK_HAS(cli.out, "\"cost\":7");
    for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
        world_redis(w, "HSET fl:{0}:spend:%s total|cost %s", today, sums[i].nanousd);
        CHECK_HAS(world_cli(w, "costs", "--by", "total", "--since", "1d").out, sums[i].text);
    }
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

/* TIME, LEVEL, CODE and MESSAGE, one line when piped. */
static void check_alert_row(struct world *w, const char *out)
{
    int year, day;
    char level[16], code[32], word[32];

    CHECK_HAS(line_of(w, out, 0), "MESSAGE");
    ck_assert_int_eq(sscanf(line_of(w, out, 1), "%d-%*d-%d %*d:%*d:%*d  %15s %31s %31s", &year,
                            &day, level, code, word),
                     5);
    ck_assert_str_eq(level, "info");
    ck_assert_str_eq(code, "id_conflict");
    ck_assert_str_eq(word, "another");
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
    check_alert_row(w, world_own(w, program_out(alerts), free));
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
    ck_assert_str_eq(cli.out, "");
    ck_assert_str_eq(world_string(w, "GETDEL fl:{0}:results"), "garbage"); /* only looked at */
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
    {stop_key, "FAIL  stopped keys   key 0123456789abcdef is stopped since ",
     "flotilla resume FINGERPRINT"},
};

START_TEST(the_doctor_finds_what_is_wrong_and_how_to_mend_it)
{
    struct world *w = world_new();
    struct cli cli;
    size_t found = 0;
    char *file;

    for (size_t i = 0; i < ARRAY_LEN(findings); i++)
        findings[i].spoil(w);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 1);
    for (size_t i = 0; i < ARRAY_LEN(findings); i++) {
        CHECK_HAS(cli.out, findings[i].finding);
        CHECK_HAS(cli.out, findings[i].advice);
    }
    for (int i = 0; i < lines_in(cli.out); i++) { /* and nothing else */
        const char *line = line_of(w, cli.out, i);

        found += !strncmp(line, "FAIL", 4) || !strncmp(line, "warn", 4);
    }
    ck_assert_uint_eq(found, ARRAY_LEN(findings));
    CHECK_HAS(cli.out, " ago: the provider rejects the API key (401)\n");
    file = world_file(w, "keyless.yaml",
                      "providers:\n  together_api_key: k\n  others:\n    - {name: mine, base_url: "
                      "'https://example.invalid/v1', api_key: a-key}\n    - {name: keyless, "
                      "base_url: 'https://example.invalid/v1'}\n");
    world_redis(w, "HSET fl:{0}:stops 2a8a1240f5063665 %s", "1 9999999999999 no_credit");
    cli = world_cli(w, "-c", file, "doctor");
    CHECK_HAS(cli.out, "a key is set; keyless: no key is set\n");
    CHECK_HAS(cli.out, "key 2a8a1240f5063665 (mine) is stopped");
    world_free(w);
}
END_TEST

Suite *test_cli(void)
{
    static const TTest *const *const tests[] = {
        &a_command_alone_says_and_exits,
        &the_manual_knows_every_command,
        &help_fits_into_80_columns_for_all_and_for_each_command,
        &pages_of_the_manual_fit_into_80_columns_and_have_no_escapes,
        &help_of_a_command_lists_its_options,
        &without_redis_the_exit_is_69,
        &a_bad_configuration_is_told_by_file_and_line,
        &queues_are_shown_paused_and_resumed,
        &workers_are_shown_and_scaled,
        &costs_are_summed_by_each_dimension,
        &costs_are_exact_and_hours_reach_back,
        &streams_are_followed,
        &a_stream_that_is_none_ends_the_tail,
        &the_doctor_is_content_with_a_good_set_up,
        &the_doctor_finds_what_is_wrong_and_how_to_mend_it};
    Suite *s = suite_create("cli");
    TCase *tc = tcase_create("cli");

    tcase_set_timeout(tc, 90);
    for (size_t i = 0; i < ARRAY_LEN(tests); i++)
        tcase_add_test(tc, *tests[i]);
    suite_add_tcase(s, tc);
    return s;
}
