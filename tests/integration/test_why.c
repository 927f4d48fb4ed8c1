/* test_why.c - `flotilla why`: what a job waits for, told by the real programs. */
#include <check.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "tests/support/cli_checks.h"

enum { ALL_MS = 30000 };

#define CHAT "'type':'inference','payload':{'task':'chat','prompt':'why','max_tokens':100}"

static const char *reason(struct world *w, const char *id)
{
    struct cli cli = world_cli(w, "why", id, "--json");

    if (cli.exit_code == 4)
        return "none";
    CHECK_EXIT(cli, 0);
    return world_string_at(world_json(w, cli.out), "reason");
}

static json_t *answer(struct world *w, const char *id)
{
    struct cli cli = world_cli(w, "why", id, "--json");

    CHECK_EXIT(cli, 0);
    return world_json(w, cli.out);
}

START_TEST(a_waiting_job_tells_for_what)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_push(w, "{'id':'one'," CHAT "}");
    CHECK_HAS(world_cli(w, "why", "one").err, "no such job yet; 1 documents are in intake");
    world_start_scheduler(w);
    world_push(w, "{'id':'late','delay_ms':60000," CHAT "}");
    world_push(w, "{'id':'two'," CHAT "}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == 2);
    ck_assert_str_eq(reason(w, "late"), "delayed");
    ck_assert_str_eq(reason(w, "one"), "no_workers");
    world_cli(w, "pause", "inference.standard");
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 1);
    ck_assert_str_eq(reason(w, "two"), "paused");
    ck_assert_int_eq(world_int_at(answer(w, "two"), "ahead"), 1);
    /* Qwen3.5-9B: at most (body / 3 + 16) x 0.17 and 100 x 0.25 USD per million tokens */
    ck_assert_int_gt(world_int_at(answer(w, "two"), "cost_at_most_nanousd"), 100 * INT64_C(250));
    ck_assert_int_lt(world_int_at(answer(w, "two"), "cost_at_most_nanousd"), 100 * INT64_C(500));
    cli = world_cli(w, "why", "two");
    CHECK_HAS(cli.out, "its queue is paused");
    CHECK_HAS(cli.out, "at most $0.0000");
    world_cli(w, "resume", "inference.standard");
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(reason(w, "two"), "ended");
    cli = world_cli(w, "why", "nobody");
    CHECK_EXIT(cli, 4);
    CHECK_HAS(cli.err, "nobody: no such job");
    CHECK_EXIT(world_cli(w, "why"), 2);
    world_free(w);
}
END_TEST

START_TEST(a_job_in_the_hands_of_a_worker_tells_what_became_of_its_calls)
{
    struct world *w = world_new(.simulator = true);

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_DELAY_MS=60000");
    world_sim_latency(w, 2000);
    world_push(w, "{'id':'runs'," CHAT "}");
    WAIT_UNTIL(w, ALL_MS, strcmp(reason(w, "runs"), "running") == 0);
    world_wait_results(w, 1, ALL_MS);
    world_sim_latency(w, 0);
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':401,'times':1}");
    world_push(w, "{'id':'stopped'," CHAT "}");
    WAIT_UNTIL(w, ALL_MS, strcmp(reason(w, "stopped"), "stopped") == 0);
    world_redis(w, "DEL fl:{0}:health");
    world_redis(w, "SET fl:{0}:health %s", "of another type: what is told there is not known");
    ck_assert_str_eq(reason(w, "stopped"), "stopped");
    ck_assert_str_eq(world_result(w, "runs")->status, "completed");
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 1);
    world_free(w);
}
END_TEST

START_TEST(another_providers_key_is_no_reason_to_wait)
{
    struct world *w = world_new(.simulator = true);

    world_redis(w, "HSET fl:{0}:stops 0123456789abcdef %s", "1790000000000 9790000000000 bad_key");
    world_sim_faults(w, "{'fixture':'overloaded','times':-1}");
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=5000",
                       "FLOTILLA_ROUTING_BREAKER_FAILURES=1000");
    world_push(w, "{'id':'busy','type':'inference','payload':{'task':'chat','prompt':'why',"
                  "'model':'Qwen/Qwen3.5-9B'}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") == 1);
    ck_assert_str_eq(reason(w, "busy"), "parked");
    world_free(w);
}
END_TEST

START_TEST(a_job_that_waits_for_the_rate_or_for_its_model_says_so)
{
    enum { JOBS = 60 };
    struct world *w = world_new(.simulator = true);
    struct cli cli;
    int i = 0;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_sim(w, "POST", "/_sim/rate",
              "{\"model\":\"openai/gpt-oss-20b\",\"start_per_s\":2,\"growth_per_clean_s\":0,"
              "\"cut_percent\":0}");
    for (int n = 0; n < JOBS; n++)
        world_push(w,
                   "{'id':'r-%d','type':'inference','payload':{'task':'chat','prompt':'%d','model':"
                   "'openai/gpt-oss-20b','max_tokens':9}}",
                   n, n);
    WAIT_UNTIL(w, ALL_MS, strcmp(reason(w, world_text(w, "r-%d", i++ % JOBS)), "rate") == 0);
    cli = world_cli(w, "why", world_text(w, "r-%d", (i - 1) % JOBS));
    ck_assert_int_eq(cli.exit_code, 0);
    world_sim_faults(w, "{'path':'/v1/chat/completions','model':'Qwen/Qwen3.5-9B','status':500,"
                        "'times':-1}");
    for (int n = 0; n < 12; n++)
        world_push(w,
                   "{'id':'q-%d','type':'inference','max_attempts':50,'backoff':{'type':'fixed',"
                   "'delay_ms':20},'payload':{'task':'chat','prompt':'%d','model':"
                   "'Qwen/Qwen3.5-9B'}}",
                   n, n);
    WAIT_UNTIL(w, ALL_MS, strcmp(reason(w, world_text(w, "q-%d", i++ % 12)), "route_open") == 0);
    world_free(w);
}
END_TEST

/* With the configuration in FILE. */
static json_t *answer_by(struct world *w, const char *file, const char *id)
{
    struct cli cli = world_cli(w, "-c", file, "why", id, "--json");

    CHECK_EXIT(cli, 0);
    return world_json(w, cli.out);
}

static bool waits_for(struct world *w, const char *file, const char *id, const char *why)
{
    struct cli cli = world_cli(w, "-c", file, "why", id, "--json");

    return cli.exit_code == 0 && !strcmp(world_string_at(world_json(w, cli.out), "reason"), why);
}

/* All but 1,000 nano-dollars of this month's budget are spent. */
static void spend_it(struct world *w)
{
    time_t now = time(NULL);
    char month[16];

    strftime(month, sizeof month, "%Y%m", gmtime(&now));
    world_redis(w, "HSET fl:{0}:budget %s %s", world_text(w, "acme-month m%s", month),
                "99999000 0 100 9790000000000 100000000 80,100");
}

START_TEST(what_the_configuration_keeps_from_running_is_told)
{
    struct world *w = world_new(.simulator = true);
    char *file = world_file(w, "flotilla.yaml",
                            "providers:\n  others:\n    - {name: keyless, base_url: "
                            "'https://example.invalid/v1'}\n"
                            "models:\n  - {id: k/less, provider: keyless, tasks: [chat]}\n"
                            "workers:\n  groups:\n    - {name: main, processes: 1, queues: "
                            "[inference.standard, noop]}\n"
                            "budgets:\n  - {name: acme-month, for: {tenant: acme}, per: month, "
                            "limit_usd: 0.1}\n");
    struct program *scheduler = world_start_scheduler(w, "FLOTILLA_SCHEDULER_LEASE_MS=500");
    json_t *why;

    spend_it(w);
    world_push(w, "{'id':'keyless','type':'inference','payload':{'task':'chat','prompt':'why',"
                  "'model':'k/less'}}");
    world_redis(w, "HSET fl:{0}:routes k/added %s",
                "{\"provider\":\"keyless\",\"tasks\":[\"chat\"]}");
    world_push(w, "{'id':'added','type':'inference','payload':{'task':'chat','prompt':'why',"
                  "'model':'k/added'}}");
    world_push(w, "{'id':'poor','tenant':'acme'," CHAT "}");
    world_push(w, "{'id':'nobody','priority':'batch'," CHAT "}");
    world_start_worker(w, world_text(w, "FLOTILLA_CONFIG=%s", file));
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "poor", "budget"));
    why = answer_by(w, file, "poor"); /* not when it looks again: when there may be room */
    ck_assert_int_eq(world_int_at(why, "starts_at") / 1000 % 86400, 0);
    ck_assert_int_eq(world_int_at(why, "until"), world_int_at(why, "starts_at"));
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "keyless", "no_key"));
    CHECK_HAS(world_string_at(answer_by(w, file, "keyless"), "text"), "'keyless'");
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "added", "no_key"));
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 1);
    CHECK_HAS(world_string_at(answer_by(w, file, "nobody"), "text"),
              "no worker process is running that takes from its queue, inference.batch");
    world_push(w, "{'id':'later','type':'noop','delay_ms':1000,'payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_string(w, "ZSCORE fl:{0}:delayed noop/later"));
    world_push(w, "{'id':'never','type':'inference','payload':{'task':'chat','prompt':'why',"
                  "'model':'who/knows'}}");
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "never", "ended"));
    CHECK_HAS(world_string_at(answer_by(w, file, "never"), "text"),
              "failed (together answered 404: Unable to access model who/knows");
    program_kill(scheduler);
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "later", "no_scheduler"));
    world_free(w);
}
END_TEST

static char *budget_of(struct world *w, const char *limit_usd)
{
    return world_file(
        w, "flotilla.yaml",
        world_text(w,
                   "budgets:\n  - {name: acme-month, for: {tenant: acme}, per: month, "
                   "limit_usd: %s}\n",
                   limit_usd));
}

/* Both waited for money; then one's call fails, and there is no room for the other's. */
START_TEST(what_a_job_waited_for_before_is_no_reason_any_more)
{
    struct world *w = world_new(.simulator = true);
    char *file = budget_of(w, "0.1");
    struct program *worker;

    spend_it(w);
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=50",
                                "FLOTILLA_RETRY_PARK_MAX_MS=50",
                                "FLOTILLA_ROUTING_BREAKER_FAILURES=1000",
                                world_text(w, "FLOTILLA_CONFIG=%s", file));
    world_push(w, "{'id':'a','tenant':'acme','type':'inference','backoff':{'type':'fixed','jitter':"
                  "false,'delay_ms':60000},'payload':{'task':'chat','model':'Qwen/"
                  "Qwen3.5-9B','prompt':'fails'}}");
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "a", "budget"));
    world_push(w, "{'id':'b','tenant':'acme','type':'inference','payload':{'task':'chat','model':"
                  "'Qwen/Qwen3.5-9B','prompt':'refused'}}");
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "b", "budget"));
    budget_of(w, "1");
    world_sim_faults(w, "{'match':'fails','status':500}");
    world_sim_faults(w, "{'match':'refused','status':503,'times':-1}");
    program_signal(worker, SIGHUP);
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "a", "retry"));
    CHECK_HAS(world_string_at(answer_by(w, file, "a"), "text"), "failed 1 time so far");
    WAIT_UNTIL(w, ALL_MS, waits_for(w, file, "b", "parked"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    world_free(w);
}
END_TEST

START_TEST(a_job_that_is_refused_again_and_again_tells_the_words_of_the_provider)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=50",
                       "FLOTILLA_RETRY_PARK_MAX_MS=100");
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':503,'times':100000,"
                        "'body':{'error':{'message':'all GPUs are busy','type':'overloaded'}}}");
    world_push(w, "{'id':'one'," CHAT "}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:one") == 1);
    WAIT_UNTIL(w, ALL_MS, world_int_at(answer(w, "one"), "failures") >= 2);
    cli = world_cli(w, "why", "one");
    CHECK_HAS(cli.out, "times so far, the last time: ");
    CHECK_HAS(cli.out, "all GPUs are busy");
    CHECK_HAS(world_string_at(answer(w, "one"), "last_failure"), "all GPUs are busy");
    CHECK_EXIT(world_cli(w, "cancel", "one"), 0);
    world_wait_results(w, 1, ALL_MS);
    world_free(w);
}
END_TEST

Suite *test_why(void)
{
    Suite *s = suite_create("why");
    TCase *tc = tcase_create("why");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, a_waiting_job_tells_for_what);
    tcase_add_test(tc, a_job_that_is_refused_again_and_again_tells_the_words_of_the_provider);
    tcase_add_test(tc, a_job_in_the_hands_of_a_worker_tells_what_became_of_its_calls);
    tcase_add_test(tc, another_providers_key_is_no_reason_to_wait);
    tcase_add_test(tc, a_job_that_waits_for_the_rate_or_for_its_model_says_so);
    tcase_add_test(tc, what_the_configuration_keeps_from_running_is_told);
    tcase_add_test(tc, what_a_job_waited_for_before_is_no_reason_any_more);
    suite_add_tcase(s, tc);
    return s;
}
