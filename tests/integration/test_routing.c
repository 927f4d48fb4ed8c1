/* test_routing.c - which model a job gets, and which one next. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define QWEN  "Qwen/Qwen3.5-9B"
#define SMALL "openai/gpt-oss-20b"
#define LARGE "openai/gpt-oss-120b"
#define BEST  "input_usd: 0.001, output_usd: 0.001, quality: 1, p50_ms: 1"

static void push(struct world *w, const char *id, const char *model, const char *rest)
{
    world_push(w,
               "{'id':'%s','type':'inference','max_attempts':1,'timeout_ms':400,'payload':{"
               "'task':'chat','prompt':'What is <%s>?','max_tokens':20%s%s%s%s}}",
               id, id, model ? ",'model':'" : "", model ? model : "", model ? "'" : "", rest);
}

static const char *model_of(struct world *w, const char *id)
{
    return world_string_at(world_result(w, id)->doc, "model");
}

static void check_done(struct world *w, const char *id, const char *model)
{
    json_t *doc = world_result(w, id)->doc;

    ck_assert_msg(!strcmp(world_string_at(doc, "status"), "completed") &&
                      !strcmp(world_string_at(doc, "model"), model) &&
                      world_int_at(doc, "attempts") == 1,
                  "%s", facts_result_text(w, id));
}

/* Requests to a model, by the simulator's books. */
static int64_t requests(struct world *w, const char *model)
{
    json_t *ledger = world_sim(w, "GET", "/_sim/ledger?items=0", NULL);
    json_t *row = json_object_get(json_object_get(ledger, "by_model"), model);

    return json_integer_value(json_object_get(row, "requests"));
}

/* The model that `flotilla models --explain` says is the n-th (from 0) choice for "auto". */
static const char *choice(struct world *w, const char *priority, size_t n)
{
    struct cli c = world_cli(w, "models", "--explain", "--auto", "--priority", priority, "--json");

    ck_assert_int_eq(c.exit_code, 0);
    return world_string_at(json_array_get(world_json(w, c.out), n), "id");
}

START_TEST(the_router_chooses_for_auto_what_it_explains)
{
    static const char *const priorities[] = {"realtime", "standard", "batch"};
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(priorities); i++)
        world_push(w,
                   "{'id':'%s','type':'inference','priority':'%s','payload':{'task':'chat',"
                   "'body':{'model':'auto','messages':[{'role':'user','content':'Hi'}]}}}",
                   priorities[i], priorities[i]);
    push(w, "none", NULL, "");
    world_wait_results(w, 4, 10000);
    for (size_t i = 0; i < ARRAY_LEN(priorities); i++)
        check_done(w, priorities[i], choice(w, priorities[i], 0));
    check_done(w, "none", QWEN);
    ck_assert_int_eq(world_cli(w, "models", "--explain", "--task", "dance").exit_code, 2);
    ck_assert_ptr_nonnull(strstr(world_cli(w, "models", "--explain").out,
                                 "it is the default of its task, which comes before any score"));
    ck_assert_ptr_null(strstr(world_cli(w, "models", "--explain", "--auto").out, "before any"));
    ck_assert_str_eq(choice(w, "batch", 0), SMALL);
    ck_assert_str_ne(choice(w, "batch", 1), choice(w, "realtime", 1));
    ck_assert_str_eq(world_string_at(json_array_get(facts_costs(w, "batch"), 0), "requested_model"),
                     "auto");
    world_check_one_result_each(w, 4);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* What one model does, and what that leaves behind. */
static const struct {
    const char *id, *fault;
    bool lost; /* it may have been billed */
} faults[] = {
    {"f500", "'status':500", false},
    {"f502", "'fixture':'html_502'", false},
    {"f503", "'fixture':'overloaded'", false},
    {"f524", "'fixture':'html_524'", true},
    {"f529", "'fixture':'site_overloaded'", false},
    {"late", "'delay_ms':2000", true},
};

START_TEST(a_failure_goes_on_to_the_next_model_within_the_attempt)
{
    struct world *w = world_new(.simulator = true);
    const char *first = choice(w, "batch", 0), *second = choice(w, "batch", 1);

    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        world_sim_faults(w, "{%s,'model':'%s','match':'<%s>','times':-1}", faults[i].fault, first,
                         faults[i].id);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_ROUTING_BREAKER_FAILURES=1000",
                     "FLOTILLA_ROUTING_BREAKER_MIN_CALLS=1000");
    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        world_push(w,
                   "{'id':'%s','type':'inference','priority':'batch','timeout_ms':300,"
                   "'payload':{'task':'chat','model':'auto','prompt':'<%s>'}}",
                   faults[i].id, faults[i].id);
    world_wait_results(w, ARRAY_LEN(faults), 10000);
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        json_t *costs = facts_costs(w, faults[i].id);

        check_done(w, faults[i].id, second);
        ck_assert_int_eq(json_array_size(costs), 2);
        ck_assert_str_eq(world_string_at(json_array_get(costs, 0), "model"), first);
        ck_assert(
            facts_flagged(json_array_get(costs, 0), faults[i].lost ? "unconfirmed" : "failed"));
        ck_assert_int_eq(world_int_at(facts_job(w, faults[i].id), "parks"), 0);
    }
    world_check_one_result_each(w, ARRAY_LEN(faults));
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_name_is_obeyed_and_its_fallbacks_are_those_that_are_given)
{
    struct world *w = world_new(.simulator = true);
    const char *config =
        world_config(w, "models:\n  - {id: " LARGE ", fallbacks: [" SMALL "]}\n"
                        "routing:\n  fallbacks:\n    - {task: completion, models: [" QWEN "]}\n");

    world_sim_faults(w, "{'status':500,'model':'" QWEN "','times':-1}");
    world_sim_faults(w, "{'status':500,'model':'" LARGE "','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", config);
    push(w, "alone", QWEN, "");
    push(w, "jobs-own", QWEN, ",'fallbacks':['" LARGE "','" SMALL "']");
    push(w, "models-own", LARGE, "");
    push(w, "none-at-all", LARGE, ",'fallbacks':[]");
    world_wait_results(w, 4, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "alone")->doc, "error.code"), "server_error");
    ck_assert_int_eq(json_array_size(facts_costs(w, "alone")), 1);
    check_done(w, "jobs-own", SMALL);
    ck_assert_int_eq(json_array_size(facts_costs(w, "jobs-own")), 3);
    check_done(w, "models-own", SMALL);
    ck_assert_str_eq(world_string_at(world_result(w, "none-at-all")->doc, "error.code"),
                     "server_error");
    world_check_one_result_each(w, 4);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_job_is_parked_when_one_of_its_routes_will_come_back)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'status':500,'model':'" QWEN "','times':2}");
    world_sim_faults(w, "{'fixture':'overloaded','model':'" SMALL "','times':2}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=20");
    push(w, "a", QWEN, ",'fallbacks':['" SMALL "']");
    world_wait_results(w, 1, 10000);
    check_done(w, "a", QWEN); /* of one attempt at most */
    ck_assert_int_eq(world_int_at(facts_job(w, "a"), "parks"), 2);
    ck_assert_int_eq(json_array_size(facts_costs(w, "a")), 5);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_call_that_may_be_paid_is_an_attempt_whatever_the_other_routes_say)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'delay_ms':2000,'model':'" QWEN "','times':-1}");
    world_sim_faults(w, "{'fixture':'overloaded','model':'" SMALL "','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=20");
    world_push(w, "{'id':'a','type':'inference','max_attempts':2,'timeout_ms':200,"
                  "'backoff':{'type':'fixed','delay_ms':10},'payload':{'task':'chat',"
                  "'prompt':'Hi','model':'" QWEN "','fallbacks':['" SMALL "']}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "timeout");
    ck_assert_int_eq(world_int_at(world_result(w, "a")->doc, "attempts"), 2);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "a"), "unconfirmed"), 2);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "a"), "failed"), 2);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* The call before the one that was under way is known all the same. */
START_TEST(a_worker_that_dies_in_a_fallback_has_told_what_the_calls_before_may_cost)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    json_t *costs;
    pid_t pid;

    world_sim_faults(w, "{'status':504,'model':'" SMALL "','times':1}");
    world_sim(w, "POST", "/_sim/latency", "{\"model\":\"" LARGE "\",\"ms\":20000}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'Hi','model':"
                  "'" SMALL "','fallbacks':['" LARGE "'],'max_tokens':20}}");
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "a")), 1); /* while the second one runs */
    ck_assert_uint_eq(world_worker_pids(worker, &pid, 1), 1);
    kill(pid, SIGKILL);
    world_wait_results(w, 1, 30000);
    check_done(w, "a", SMALL);
    costs = facts_costs(w, "a");
    ck_assert_uint_eq(json_array_size(costs), 3);
    ck_assert_uint_eq(facts_count_flagged(costs, "unconfirmed"), 2);
    ck_assert_uint_eq(facts_count_flagged(costs, "duplicate"), 0);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_model_that_is_gone_is_replaced_and_not_asked_for_again)
{
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, "models:\n  - {id: " SMALL ", replacement: " LARGE "}\n");

    world_sim_faults(w, "{'fixture':'not_serverless','model':'" SMALL "','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", config);
    push(w, "first", SMALL, "");
    world_wait_results(w, 1, 10000);
    check_done(w, "first", LARGE);
    push(w, "second", SMALL, "");
    world_push(w, "{'id':'third','type':'inference','priority':'batch','payload':{'task':'chat',"
                  "'model':'auto','prompt':'Hi'}}");
    world_wait_results(w, 3, 10000);
    check_done(w, "second", LARGE);
    ck_assert_str_ne(model_of(w, "third"), SMALL);
    ck_assert_int_eq(requests(w, SMALL), 1);
    WAIT_UNTIL(w, 5000, world_has_alert(w, "route_gone"));
    world_check_one_result_each(w, 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(an_answer_of_another_model_has_that_ones_price)
{
    struct world *w = world_new(.simulator = true);
    json_t *cost;

    world_sim(w, "POST", "/_sim/models", "{'" QWEN "':{'redirect':'" LARGE "'}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", QWEN, "");
    push(w, "b", QWEN, "");
    world_wait_results(w, 2, 10000);
    cost = json_array_get(facts_costs(w, "a"), 0);
    ck_assert_str_eq(world_string_at(cost, "model"), LARGE);
    ck_assert_str_eq(world_string_at(cost, "requested_model"), QWEN);
    ck_assert_str_eq(model_of(w, "a"), LARGE);
    WAIT_UNTIL(w, 5000, world_has_alert(w, "model_differs"));
    ck_assert_int_eq(json_array_size(world_alerts(w)), 1);
    world_check_one_result_each(w, 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* The address in what a simulator says at its start; NULL: it has not said it yet. */
static const char *announced(struct world *w, struct program *sim)
{
    static const char sign[] = "listening ";
    char *text = program_out(sim), *at = strstr(text, sign);
    const char *url = NULL;

    if (at && strchr(at, '\n'))
        url =
            world_text(w, "%.*s", (int)strcspn(at + sizeof sign - 1, " \n"), at + sizeof sign - 1);
    free(text);
    return url;
}

/* Another simulator, as another provider: its address. */
static const char *second_provider(struct world *w)
{
    static const char *const args[] = {"--listen", "127.0.0.1:0", NULL};
    struct program *sim = world_start(w, "together-sim", args, NULL);
    const char *url = NULL;

    WAIT_UNTIL(w, 10000, (url = announced(w, sim)));
    return url;
}

static int64_t requests_at(struct world *w, const char *url)
{
    struct web_answer a =
        web_request("GET", world_text(w, "%s/_sim/ledger?items=0", url), NULL, NULL);
    int64_t n = world_int_at(world_json(w, a.body), "requests");

    web_answer_done(&a);
    return n;
}

START_TEST(the_same_model_at_another_provider_takes_over)
{
    struct world *w = world_new(.simulator = true);
    const char *other = second_provider(w);
    const char *config =
        world_config(w, world_text(w,
                                   "providers:\n  others:\n    - {name: spare, base_url: '%s/v1'}\n"
                                   "models:\n  - id: " QWEN "\n"
                                   "  - {id: " QWEN ", provider: spare}\n",
                                   other));

    world_sim_faults(w, "{'status':500,'match':'<a>','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", config, "FLOTILLA_RETRY_PARK_MIN_MS=20");
    push(w, "a", QWEN, "");
    push(w, "b", QWEN, "");
    world_wait_results(w, 2, 10000);
    check_done(w, "a", QWEN);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "provider"), "spare");
    ck_assert_str_eq(world_string_at(world_result(w, "b")->doc, "provider"), "together");
    program_kill(w->sim); /* no connection at all */
    push(w, "c", QWEN, "");
    world_wait_results(w, 3, 10000);
    check_done(w, "c", QWEN);
    ck_assert_str_eq(world_string_at(world_result(w, "c")->doc, "provider"), "spare");
    ck_assert_int_eq(requests_at(w, other), 2);
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

/* The provider was a choice when the job was planned, and a reload has removed it since. */
START_TEST(a_provider_that_a_reload_removed_is_passed_over)
{
    struct world *w = world_new(.simulator = true);
    const char *other = second_provider(w);
    const char *model = "models:\n  - id: " QWEN "\n";
    const char *config =
        world_config(w, world_text(w,
                                   "providers:\n  others:\n    - {name: spare, base_url: '%s/v1'}\n"
                                   "%s  - {id: " QWEN ", provider: spare}\n",
                                   other, model));
    struct program *worker;

    world_sim_faults(w, "{'status':500,'delay_ms':1500,'match':'<a>','times':1}");
    world_start_scheduler(w, config);
    worker =
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", config, "FLOTILLA_RETRY_DELAY_MS=20");
    push(w, "a", QWEN, "");
    WAIT_UNTIL(w, 10000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    world_config(w, model);
    program_signal(worker, SIGHUP);
    WAIT_UNTIL(w, 10000, look_logged(worker, "event=reload") == 2);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "timeout");
    ck_assert_int_eq(requests_at(w, other), 0);
    ck_assert_int_eq(look_logged(worker, "event=process.ended"), 0);
    world_free(w);
}
END_TEST

START_TEST(a_reload_changes_the_address_of_a_provider)
{
    static const char text[] =
        "providers:\n  others:\n    - {name: spare, base_url: '%s/v1'}\n"
        "models:\n  - {id: acme/spare, provider: spare, tasks: [chat], " BEST "}\n";
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, world_text(w, text, "http://127.0.0.1:1"));
    struct program *worker;

    world_sim(w, "POST", "/_sim/models", "{'acme/spare':{'tasks':1}}");
    world_start_scheduler(w, config);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", config,
                                "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=100");
    push(w, "a", "acme/spare", "");
    WAIT_UNTIL(w, 10000, world_int_at(facts_job(w, "a"), "parks") > 0);
    world_config(w, world_text(w, text, w->sim_url));
    program_signal(worker, SIGHUP);
    world_wait_results(w, 1, 10000);
    check_done(w, "a", "acme/spare");
    ck_assert_int_eq(look_logged(worker, "changed=\"providers.others\" needs_restart=\"\""), 2);
    world_free(w);
}
END_TEST

START_TEST(an_unknown_model_is_told_once)
{
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models", "{'acme/new-model':{'answer_bytes':40}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", "acme/new-model", "");
    push(w, "b", "acme/new-model", "");
    world_wait_results(w, 2, 10000);
    check_done(w, "a", "acme/new-model");
    ck_assert(facts_flagged(json_array_get(facts_costs(w, "a"), 0), "unpriced"));
    WAIT_UNTIL(w, 5000, world_has_alert(w, "unpriced"));
    ck_assert_int_eq(json_array_size(world_alerts(w)), 1);
    world_free(w);
}
END_TEST

/* Four models that are cheaper and better than all others, without a key that may be used. */
START_TEST(routes_without_a_key_that_may_be_used_come_last)
{
    struct world *w = world_new(.simulator = true);
    const char *config =
        world_config(w, world_text(w,
                                   "providers:\n  others:\n"
                                   "    - {name: keyless, base_url: 'https://example.invalid/v1'}\n"
                                   "    - {name: capped, base_url: '%s/v1', api_key: a-key}\n"
                                   "models:\n"
                                   "  - {id: k/1, provider: keyless, tasks: [chat], " BEST "}\n"
                                   "  - {id: k/2, provider: keyless, tasks: [chat], " BEST "}\n"
                                   "  - {id: c/1, provider: capped, tasks: [chat], " BEST "}\n"
                                   "  - {id: c/2, provider: capped, tasks: [chat], " BEST "}\n",
                                   w->sim_url));
    const char *stops = "HSET fl:{0}:stops 2a8a1240f5063665 %s"; /* a-key's */
    struct cli cli;
    int n = 0;

    world_sim(w, "POST", "/_sim/models", "{'c/1':{'tasks':1},'c/2':{'tasks':1}}");
    world_redis(w, stops, "1 9790000000000 no_credit");
    world_start_both(w, config, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "auto", "auto", "");
    push(w, "none", NULL, "");
    world_wait_results(w, 2, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "auto")->doc, "provider"), "together");
    ck_assert_str_eq(world_string_at(world_result(w, "none")->doc, "provider"), "together");
    ck_assert(!world_has_alert(w, "no_key")); /* nobody was sent there */
    cli = world_cli(w, "-c", strchr(config, '=') + 1, "models", "--explain");
    ck_assert_msg(strstr(cli.out, "open: no key") && strstr(cli.out, "open: its key is stopped"),
                  "%s", cli.out);
    world_redis(w, stops, "1 2 no_credit"); /* one call may try it, goes well, and all do */
    do {
        push(w, world_text(w, "later-%d", n++), "auto", "");
        world_wait_results(w, 2 + n, 10000);
    } while (
        strcmp(world_string_at(world_result(w, world_text(w, "later-%d", n - 1))->doc, "provider"),
               "capped") != 0);
    WAIT_UNTIL(w, 5000, world_int(w, "HLEN fl:{0}:stops") == 0);
    world_free(w);
}
END_TEST

Suite *test_routing(void);
Suite *test_routing(void)
{
    Suite *s = suite_create("routing");
    TCase *tc = tcase_create("routing");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, the_router_chooses_for_auto_what_it_explains);
    tcase_add_test(tc, a_failure_goes_on_to_the_next_model_within_the_attempt);
    tcase_add_test(tc, a_name_is_obeyed_and_its_fallbacks_are_those_that_are_given);
    tcase_add_test(tc, a_job_is_parked_when_one_of_its_routes_will_come_back);
    tcase_add_test(tc, a_call_that_may_be_paid_is_an_attempt_whatever_the_other_routes_say);
    tcase_add_test(tc, a_worker_that_dies_in_a_fallback_has_told_what_the_calls_before_may_cost);
    tcase_add_test(tc, a_model_that_is_gone_is_replaced_and_not_asked_for_again);
    tcase_add_test(tc, an_answer_of_another_model_has_that_ones_price);
    tcase_add_test(tc, the_same_model_at_another_provider_takes_over);
    tcase_add_test(tc, a_provider_that_a_reload_removed_is_passed_over);
    tcase_add_test(tc, a_reload_changes_the_address_of_a_provider);
    tcase_add_test(tc, an_unknown_model_is_told_once);
    tcase_add_test(tc, routes_without_a_key_that_may_be_used_come_last);
    suite_add_tcase(s, tc);
    return s;
}
