/* test_catalogue.c - what providers offer at what price, fetched by internal jobs, and used. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define MODEL "openai/gpt-oss-20b"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";
static const char nothing[] = "FLOTILLA_LOG_FORMAT=logfmt";
static const char beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=100";
static const char once[] = "FLOTILLA_ROUTING_CATALOGUE_MS=86400000";
static const char often[] = "FLOTILLA_ROUTING_CATALOGUE_MS=200";

/* How often the provider was asked for its catalogue. */
static size_t fetches(struct world *w)
{
    json_t *items = world_sim_items(w), *item;
    size_t i, n = 0;

    json_array_foreach (items, i, item)
        n += strcmp(world_string_at(item, "path"), "/v1/models") == 0;
    return n;
}

static const char *stamp(struct world *w)
{
    const char *text = world_string(w, "HGET fl:{0}:catalogues together");

    return text ? world_text(w, "%s", text) : "";
}

/* The worker first: without one, nothing is fetched for a second. */
static struct program *start_fleet(struct world *w, const char *how_often, const char *more)
{
    struct program *worker = world_start_worker(w, one_process, beat, how_often, more);

    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == 1);
    world_start_scheduler(w, how_often, more);
    return worker;
}

static void set_models(struct world *w, const char *settings)
{
    world_sim(w, "POST", "/_sim/models", settings);
}

static size_t alerts_about(struct world *w, const char *code, const char *subject)
{
    json_t *all = world_alerts(w), *one;
    size_t i, n = 0;

    json_array_foreach (all, i, one)
        n += !strcmp(world_string_at(one, "code"), code) &&
             !strcmp(world_string_at(one, "subject"), subject);
    return n;
}

START_TEST(a_catalogue_is_fetched_once_whichever_scheduler_works)
{
    static const char lease[] = "FLOTILLA_SCHEDULER_LEASE_MS=500";
    struct world *w = world_new(.simulator = true);
    struct program *holder = world_start_scheduler(w, once, lease);

    WAIT_UNTIL(w, 5000, look_logged(holder, "event=lease.held ") == 1);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:errands"), 0); /* nobody would run it */
    world_start_worker(w, one_process, once, "FLOTILLA_CACHE_MODELS_TTL_MS=7200000");
    WAIT_UNTIL(w, 10000, world_int(w, "EXISTS fl:{0}:models:together") == 1 && *stamp(w));
    program_kill(holder);
    holder = world_start_scheduler(w, once, lease);
    WAIT_UNTIL(w, 10000, look_logged(holder, "event=lease.held ") == 1);
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_wait_results(w, 1, 10000); /* by then the new one has looked as well */
    ck_assert_uint_eq(fetches(w), world_redis(w, "KEYS fl:{0}:job:catalogue~*")->elements);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 0);
    ck_assert_int_gt(world_int(w, "PTTL fl:{0}:models:together"), 7200000);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* Who starts everything anew wants the prices of today, and not those of an hour ago. */
START_TEST(a_new_holder_of_the_lease_has_it_fetched_unless_that_was_just_done)
{
    struct world *w = world_new(.simulator = true);
    struct program *holder;

    world_start_worker(w, one_process, once);
    WAIT_UNTIL(w, 5000, world_int(w, "HLEN fl:{0}:workers") == 1);
    holder = world_start_scheduler(w, once);
    WAIT_UNTIL(w, 10000, fetches(w) == 1);
    world_stop(w, holder, 5000);
    world_redis(w, "HSET fl:{0}:errands catalogue:together %lld",
                (long long)(time(NULL) - 70) * 1000);
    holder = world_start_scheduler(w, once);
    WAIT_UNTIL(w, 10000, fetches(w) == 2);
    world_stop(w, holder, 5000);
    holder = world_start_scheduler(w, once);
    WAIT_UNTIL(w, 10000, look_logged(holder, "event=lease.held ") == 1);
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_wait_results(w, 1, 10000); /* by then this one has looked as well */
    ck_assert_uint_eq(world_redis(w, "KEYS fl:{0}:job:catalogue~*")->elements, 2);
    ck_assert_uint_eq(fetches(w), 2);
    world_free(w);
}
END_TEST

/* As they were meant: without the noise of floats. */
static void check_kept(struct world *w)
{
    json_t *kept = world_json(w, world_string(w, "GET fl:{0}:models:together")), *model;
    size_t i, found = 0;

    ck_assert_str_eq(world_string_at(kept, "provider"), "together");
    json_array_foreach (json_object_get(kept, "models"), i, model) {
        double usd = json_real_value(json_object_get(model, "input_usd"));

        if (strcmp(world_string_at(model, "id"), "meta-llama/Llama-3.3-70B-Instruct-Turbo") != 0)
            continue;
        found++;
        ck_assert_int_eq((int64_t)(usd * 1e9 + 0.5), 1040000000);
        ck_assert_int_eq(world_int_at(model, "context"), 131072);
    }
    ck_assert_uint_eq(found, 1);
}

START_TEST(what_got_worse_is_an_alert)
{
    struct world *w = world_new(.simulator = true);
    size_t before;

    start_fleet(w, often, nothing);
    WAIT_UNTIL(w, 10000, *stamp(w));
    check_kept(w);
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 0);
    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":80000000},\"zai-org/GLM-5.2\":{\"listed\":false},"
                  "\"openai/gpt-oss-120b\":{\"out_nanousd\":500000000}}");
    WAIT_UNTIL(w, 10000, alerts_about(w, "price_changed", MODEL) == 1);
    ck_assert_uint_eq(alerts_about(w, "model_unlisted", "zai-org/GLM-5.2"), 1);
    before = fetches(w);
    WAIT_UNTIL(w, 10000, fetches(w) > before + 1);
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 2); /* cheaper is no alert */
    world_free(w);
}
END_TEST

START_TEST(a_provider_without_a_catalogue_is_told_once_in_the_log)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    world_sim_faults(w, "{'path':'/models','status':404,'times':-1}");
    worker = start_fleet(w, often, nothing);
    WAIT_UNTIL(w, 10000, fetches(w) >= 3);
    ck_assert_int_eq(look_logged(worker, "event=catalogue.none "), 1);
    ck_assert_str_eq(stamp(w), "none");
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_free(w);
}
END_TEST

/* ---- in use ---- */

/* A chat job with that model; waits for its end. */
static void run_job(struct world *w, int n, const char *model, const char *members)
{
    world_push(w,
               "{'id':'job-%d','type':'inference'%s,'payload':{'task':'chat','model':'%s',"
               "'prompt':'Say %d words'}}",
               n, members, model, n);
    world_wait_results(w, n, 10000);
}

static int64_t calls_of(struct world *w, const char *model)
{
    json_t *by_model = json_object_get(world_sim_ledger(w), "by_model");

    return world_int_at(json_object_get(by_model, model), "requests");
}

/* Every nano-dollar, as nothing was lost. */
static void check_to_the_nano(struct world *w)
{
    struct money m = world_check_money(w);

    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_eq(m.estimated_nanousd, 0);
    ck_assert_int_gt(m.billed_nanousd, 0);
}

START_TEST(calls_cost_what_the_catalogue_says_and_then_what_it_says_next)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":70000000,\"out_nanousd\":123456000}}");
    worker = start_fleet(w, often, nothing);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") == 1);
    run_job(w, 1, MODEL, "");
    check_to_the_nano(w);
    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":40000000,\"out_nanousd\":777000}}");
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") == 2);
    run_job(w, 2, MODEL, "");
    check_to_the_nano(w);
    world_free(w);
}
END_TEST

/* Many times what the configuration says.  _i 0: the process dies, and its replacement tells what
 * its call may have cost; 1: the host is gone, and the scheduler does. */
START_TEST(what_was_lost_with_its_worker_is_told_at_the_listed_price)
{
    static const char *const bill[] = {"--bill-aborted", NULL};
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1000";
    static const int64_t worst = ((89 + 2) / 3 + 16) * 1000 + 7 * 3000; /* 89 bytes of body */
    struct world *w = world_new(.simulator = true, .simulator_args = bill);
    struct program *worker;
    const pid_t *pids;
    json_t *cost;

    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":1000000000,\"out_nanousd\":3000000000,"
                  "\"latency_ms\":20000}}");
    worker = world_start_worker(w, one_process, beat, once, lease);
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == 1);
    world_start_scheduler(w, beat, once, lease);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") == 1);
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','body':{'model':'" MODEL
                  "','max_tokens':7,'messages':[{'role':'user','content':'Hi'}]}}}");
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    ck_assert_int_eq(
        world_int_at(world_json(w, world_cli(w, "why", "a", "--json").out), "cost_at_most_nanousd"),
        worst);
    set_models(w, "{\"" MODEL "\":{\"latency_ms\":0}}");
    pids = look_wait_workers(w, worker, 1);
    if (_i) /* first: it would replace the process */
        program_kill(worker);
    kill(pids[0], SIGKILL);
    WAIT_UNTIL(w, 10000, look_flagged(w, "unconfirmed") == 1);
    cost = json_array_get(facts_costs(w, "a"), 0);
    ck_assert_int_eq(world_int_at(cost, "estimate_nanousd"), worst);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* A row of `flotilla models --all --json`. */
static json_t *shown(struct world *w, const char *model)
{
    json_t *all = world_json(w, world_cli(w, "models", "--all", "--json").out), *row;
    size_t i;

    json_array_foreach (all, i, row) {
        if (!strcmp(world_string_at(row, "id"), model))
            return row;
    }
    world_fail(w, "%s is not shown", model);
}

START_TEST(a_listed_model_that_nobody_allowed_is_only_called_by_its_name)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    json_t *row;

    set_models(w, "{\"new/almost-free\":{\"listed\":true,\"tasks\":1,\"in_nanousd\":1000,"
                  "\"out_nanousd\":1000000,\"context\":1000000}}");
    worker = start_fleet(w, often, nothing);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") == 1);
    run_job(w, 1, "auto", ",'priority':'batch'");
    run_job(w, 2, "auto", "");
    ck_assert_int_eq(calls_of(w, "new/almost-free"), 0);
    run_job(w, 3, "new/almost-free", "");
    ck_assert_int_eq(calls_of(w, "new/almost-free"), 1);
    ck_assert(!facts_flagged(json_array_get(facts_costs(w, "job-3"), 0), "unpriced"));
    check_to_the_nano(w);
    row = shown(w, "new/almost-free");
    ck_assert_str_eq(world_string_at(row, "from"), "catalogue");
    ck_assert(json_is_false(json_object_get(row, "routed")));
    ck_assert_int_eq(world_int_at(row, "input_nanousd_per_million"), 1000);
    ck_assert_str_eq(world_string_at(shown(w, MODEL), "from"), "configuration");
    world_free(w);
}
END_TEST

START_TEST(what_the_file_says_of_a_price_counts)
{
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, "models:\n  - id: " MODEL "\n    input_usd: 1000\n");
    struct program *worker;
    json_t *cost;

    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":70000000,\"out_nanousd\":0}}");
    worker = start_fleet(w, often, config);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") == 1);
    run_job(w, 1, MODEL, "");
    cost = json_array_get(facts_costs(w, "job-1"), 0);
    /* input by the file; output is built in, as the catalogue has no price (0) for it */
    ck_assert_int_eq(world_int_at(cost, "cost_nanousd"),
                     world_int_at(cost, "prompt_tokens") * 1000000 +
                         world_int_at(cost, "completion_tokens") * 200);
    world_free(w);
}
END_TEST

/* ---- routes added at run time ---- */

START_TEST(an_added_route_is_used_and_a_removed_one_is_not)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    int64_t at_ms;

    set_models(w, "{\"my/tuned\":{\"tasks\":1,\"in_nanousd\":1000000,\"out_nanousd\":2000000}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, one_process);
    look_wait_workers(w, worker, 1);
    at_ms = now_ms();
    ck_assert_int_eq(world_cli(w, "route", "add", "my/tuned", "--tasks", "chat",
                               "--input-usd=0.001", "--output-usd", "0.002", "--quality", "1",
                               "--p50-ms", "1")
                         .exit_code,
                     0);
    WAIT_UNTIL(w, 5000, look_logged(worker, "event=routes.loaded ") == 1);
    ck_assert_int_lt(now_ms() - at_ms, patience_ms(2000));
    run_job(w, 1, "auto", ",'priority':'batch'");
    ck_assert_int_eq(calls_of(w, "my/tuned"), 1);
    check_to_the_nano(w);
    ck_assert_int_eq(world_cli(w, "route", "remove", "my/tuned").exit_code, 0);
    WAIT_UNTIL(w, 5000, look_logged(worker, "event=routes.loaded ") == 2);
    run_job(w, 2, "auto", ",'priority':'batch'");
    ck_assert_int_eq(calls_of(w, "my/tuned"), 1);
    world_free(w);
}
END_TEST

START_TEST(bad_routes_are_ignored_and_told)
{
    static const char *const bad[][2] = {
        {"no/json", "{"},
        {"no/task", "{}"},
        {"no/provider", "{\"tasks\":[\"chat\"],\"provider\":\"x\"}"},
        {"odd/price", "{\"tasks\":[\"chat\"],\"input_usd\":-1}"}};
    struct world *w = world_new(.simulator = true);
    struct program *worker = world_start_worker(w, one_process, beat);

    world_start_scheduler(w);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        world_redis(w, "HSET fl:{0}:routes %s %s", bad[i][0], bad[i][1]);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        WAIT_UNTIL(w, 5000, alerts_about(w, "bad_route", bad[i][0]) == 1);
    world_redis(w, "DEL fl:{0}:routes");
    world_redis(w, "EVAL %s 1 fl:{0}:routes",
                "for i=1,520 do redis.call('HSET',KEYS[1],'m'..i,'{\"tasks\":[\"rerank\"]}') end");
    WAIT_UNTIL(w, 5000, alerts_about(w, "bad_route", "(many)") == 1);
    world_redis(w, "DEL fl:{0}:routes");
    world_redis(w, "SET fl:{0}:routes text");
    WAIT_UNTIL(w, 5000, alerts_about(w, "bad_route", "*") == 1);
    run_job(w, 1, "auto", "");
    ck_assert_str_eq(world_result(w, "job-1")->status, "completed");
    ck_assert_int_eq(look_logged(worker, "event=process.died "), 0);
    world_free(w);
}
END_TEST

START_TEST(the_command_refuses_a_bad_route_and_says_why)
{
    static const struct {
        const char *args[8];
        int code;
        const char *says;
    } cases[] = {
        {{"route", "add", "a/b"}, 2, "tasks: expected at least one, like [\"chat\"]"},
        {{"route", "add", "a/b", "--task", "chat"},
         2,
         "task: unknown member; did you mean 'tasks'?"},
        {{"route", "add", "a/b", "--tasks"}, 2, "usage: flotilla route"},
        {{"route", "add", "a/b", "--tasks", "chat", "--provider", "x"},
         2,
         "provider: 'x' is not configured"},
        {{"route", "add", MODEL, "--tasks", "chat"}, 1, "is in the configuration"},
        {{"route", "remove", "a/b"}, 4, "no route 'a/b' was added"},
        {{"route", "rename", "a/b"}, 2, "usage: flotilla route"},
    };
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct cli cli = world_cli_run(w, NULL, cases[i].args);

        ck_assert_msg(cli.exit_code == cases[i].code && strstr(cli.err, cases[i].says),
                      "%zu: %d %s", i, cli.exit_code, cli.err);
    }
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:routes"), 0);
    world_free(w);
}
END_TEST

START_TEST(producers_cannot_ask_for_a_catalogue)
{
    static const char refused[] =
        "{\"id\":\"a\",\"type\":\"catalogue\",\"payload\":{\"provider\":\"together\"}}";
    struct world *w = world_new();

    world_start_scheduler(w);
    world_push_raw(w, refused, sizeof refused - 1);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "unknown_type");
    world_free(w);
}
END_TEST

/* The provider bills a call at the price at which it began; its worker dies later. */
START_TEST(a_lost_call_is_estimated_at_the_price_of_its_time)
{
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1000";
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    int64_t high, estimate = 0;
    int loaded;
    size_t i;
    json_t *costs, *one;

    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":90000000000,\"out_nanousd\":90000000000}}");
    worker = world_start_worker(w, one_process, beat, lease, often);
    world_start_scheduler(w, beat, lease, often);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") >= 1);
    world_sim_latency(w, 30000);
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','model':'" MODEL
                  "','prompt':'Hi','max_tokens':10}}");
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    high = INT64_C(90000) * 10; /* ten tokens alone */
    loaded = look_logged(worker, "event=catalogue.loaded ");
    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":1000000,\"out_nanousd\":1000000}}");
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=catalogue.loaded ") > loaded);
    world_sim_latency(w, 0);
    kill(look_wait_workers(w, worker, 1)[0], SIGKILL);
    world_wait_results(w, 1, 20000);
    costs = world_costs(w);
    json_array_foreach (costs, i, one)
        if (facts_flagged(one, "unconfirmed"))
            estimate += world_int_at(one, "estimate_nanousd");
    ck_assert_int_ge(estimate, high);
    world_free(w);
}
END_TEST

Suite *test_catalogue(void)
{
    Suite *s = suite_create("catalogue");
    TCase *tc = tcase_create("catalogue");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_catalogue_is_fetched_once_whichever_scheduler_works);
    tcase_add_test(tc, a_lost_call_is_estimated_at_the_price_of_its_time);
    tcase_add_test(tc, a_new_holder_of_the_lease_has_it_fetched_unless_that_was_just_done);
    tcase_add_test(tc, what_got_worse_is_an_alert);
    tcase_add_test(tc, a_provider_without_a_catalogue_is_told_once_in_the_log);
    tcase_add_test(tc, calls_cost_what_the_catalogue_says_and_then_what_it_says_next);
    tcase_add_loop_test(tc, what_was_lost_with_its_worker_is_told_at_the_listed_price, 0, 2);
    tcase_add_test(tc, a_listed_model_that_nobody_allowed_is_only_called_by_its_name);
    tcase_add_test(tc, what_the_file_says_of_a_price_counts);
    tcase_add_test(tc, an_added_route_is_used_and_a_removed_one_is_not);
    tcase_add_test(tc, bad_routes_are_ignored_and_told);
    tcase_add_test(tc, the_command_refuses_a_bad_route_and_says_why);
    tcase_add_test(tc, producers_cannot_ask_for_a_catalogue);
    suite_add_tcase(s, tc);
    return s;
}
