/* test_structured.c - answers that must be JSON: asked again so often, each call paid, then failed.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define AGE "{'type':'object','properties':{'age':{'type':'integer'}},'required':['age']}"

#define PACED    "Qwen/Qwen3.5-9B"
#define BUDGETED "moonshotai/Kimi-K3"

/* A chat job; the fault that names it makes its first answers bad. */
static void push(struct world *w, const char *id, const char *members, const char *validate)
{
    world_push(w,
               "{'id':'%s','type':'inference','payload':{'task':'chat'%s,'body':{'temperature':0.5,"
               "'messages':[{'role':'user','content':'%s: how old?'}]%s}}}",
               id, validate, id, members);
}

static void say(struct world *w, const char *id, const char *answer, int times)
{
    json_t *fault = json_pack("{s:s,s:s,s:i}", "match", world_text(w, "%s:", id), "answer", answer,
                              "times", times);
    char *text = json_dumps(fault, 0);

    world_sim(w, "POST", "/_sim/faults", text);
    free(text);
    json_decref(fault);
}

static const struct {
    const char *id, *members, *validate, *bad, *good;
    int times; /* the bad answer comes so often */
    const char *message;
} jobs[] = {
    {"object", ",'response_format':{'type':'json_object'}", "", "old", "{}", 2, NULL},
    {"format", ",'response_format':{'type':'json_schema','json_schema':{'schema':" AGE "}}", "",
     "{\"age\":\"x\"}", "{\"age\":8}", 2, NULL},
    {"validate", "", ",'validate':{'schema':" AGE "}", "{}", "{\"age\":9}", 1, NULL},
    {"stream", ",'stream':true", ",'validate':{'schema':" AGE "}", "{}", "{\"age\":9}", 1, NULL},
    {"often", "", ",'validate':{'schema':" AGE ",'max_retries':5}", "[]", "{\"age\":9}", 5, NULL},
    {"never", "", ",'validate':{'schema':" AGE ",'max_retries':0}", "{\"age\":1.5}", "{}", 1,
     "choices[0]: age: expected an integer, got 1.5; asked 1 time; the last answer: "
     "{\"age\":1.5}"},
    {"fails", ",'response_format':{'type':'json_object'}", "", "never mind", "{}", 9,
     "choices[0]: not JSON: line 1, column 5; asked 3 times; the last answer: never mind"},
};

static void check_job(struct world *w, size_t i)
{
    const struct result *r = world_result(w, jobs[i].id);
    size_t calls = json_array_size(facts_costs(w, jobs[i].id));

    ck_assert_int_eq(world_int_at(r->doc, "attempts"), 1);
    ck_assert_int_eq(world_int_at(facts_job(w, jobs[i].id), "parks"), 0);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, jobs[i].id), "failed"), 0);
    if (jobs[i].message) {
        ck_assert_str_eq(r->status, "failed");
        ck_assert_str_eq(world_string_at(r->doc, "error.code"), "invalid_output");
        ck_assert_str_eq(world_string_at(r->doc, "error.message"), jobs[i].message);
        ck_assert(json_is_null(json_object_get(r->doc, "output")));
        ck_assert_uint_eq(calls, strcmp(jobs[i].id, "never") == 0 ? 1 : 3);
    } else {
        ck_assert_msg(!strcmp(r->status, "completed"), "%s: %s", jobs[i].id,
                      world_string_at(r->doc, "error.message"));
        ck_assert_str_eq(world_string_at(r->doc, "output.choices.0.message.content"), jobs[i].good);
        ck_assert_uint_eq(calls, (size_t)jobs[i].times + 1);
    }
}

START_TEST(an_answer_that_does_not_fit_is_asked_for_again_and_each_call_is_paid)
{
    struct world *w = world_new(.simulator = true);
    struct money m;

    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        say(w, jobs[i].id, jobs[i].bad, jobs[i].times);
        say(w, jobs[i].id, jobs[i].good, 1);
    }
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2");
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        push(w, jobs[i].id, jobs[i].members, jobs[i].validate);
    world_wait_results(w, ARRAY_LEN(jobs), 10000);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        check_job(w, i);
    world_check_one_result_each(w, ARRAY_LEN(jobs));
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_eq(m.estimated_nanousd, 0);
    /* a replay counts from the beginning */
    world_sim_reset(w);
    say(w, "fails", "x", 2);
    say(w, "fails", "{}", 1);
    ck_assert_int_eq(world_cli(w, "retry", "fails").exit_code, 0);
    world_wait_results(w, ARRAY_LEN(jobs) + 1, 10000);
    ck_assert_str_eq(world_result(w, "fails")->status, "completed");
    world_free(w);
}
END_TEST

#define FENCE "```json\n{\"age\": 7}\n```"
#define VALID ",'validate':{'schema':" AGE "}"

static const struct {
    const char *id, *members, *validate, *answer;
    bool fits;
} wrapped[] = {
    {"fence", "", VALID, "Here:\n" FENCE "\nWell?", true},
    {"think", "", VALID, "<think>hm " FENCE "</think>\n{\"age\": 7}", true},
    {"plain", "", VALID, "{\"age\": 7}", true},
    {"streamed", ",'stream':true", VALID, FENCE, true},
    {"unclosed", "", ",'validate':{'schema':" AGE ",'max_retries':0}", "<think>hm " FENCE, false},
    {"unasked", ",'response_format':{'type':'json_object'}", "", FENCE, false},
};

static void check_wrapped(struct world *w, size_t i)
{
    const struct result *r = world_result(w, wrapped[i].id);

    ck_assert_msg(!strcmp(r->status, wrapped[i].fits ? "completed" : "failed"), "%s", r->id);
    if (wrapped[i].fits) {
        ck_assert_str_eq(world_string_at(r->doc, "output.choices.0.message.content"),
                         wrapped[i].answer);
        ck_assert_int_eq(world_int_at(r->doc, "structured.age"), 7);
    } else {
        ck_assert_str_eq(world_string_at(r->doc, "error.code"), "invalid_output");
        ck_assert_ptr_null(json_object_get(r->doc, "structured"));
    }
}

START_TEST(json_in_a_fence_or_behind_thinking_is_an_answer_and_stands_in_structured)
{
    struct world *w = world_new(.simulator = true);
    size_t good = 0;

    for (size_t i = 0; i < ARRAY_LEN(wrapped); i++)
        say(w, wrapped[i].id, wrapped[i].answer, -1);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(wrapped); i++)
        push(w, wrapped[i].id, wrapped[i].members, wrapped[i].validate);
    world_wait_results(w, ARRAY_LEN(wrapped), 10000);
    for (size_t i = 0; i < ARRAY_LEN(wrapped); i++) {
        check_wrapped(w, i);
        good += wrapped[i].fits;
        if (wrapped[i].fits)
            ck_assert_uint_eq(json_array_size(facts_costs(w, wrapped[i].id)), 1);
    }
    ck_assert_uint_eq(good, 4);
    world_check_one_result_each(w, ARRAY_LEN(wrapped));
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(cached_and_equal_jobs_and_webhooks_have_the_value_too)
{
    enum { JOBS = 10 };
    struct world *w = world_new(.simulator = true);

    say(w, "equal", FENCE, -1);
    world_sim_latency(w, 200);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_CACHE_WAIT_MS=5000");
    for (int i = 0; i < JOBS; i++) {
        if (i == JOBS - 1) /* from the cache */
            world_wait_results(w, JOBS - 1, 10000);
        world_push(
            w,
            "{'id':'j-%d','type':'inference','webhook':{'url':'%s'},'payload':{'task':'chat',"
            "'prompt':'equal:','temperature':0" VALID "}}",
            i, world_hook_url(w, "x"));
    }
    world_wait_results(w, JOBS, 10000);
    ck_assert_uint_eq(json_array_size(world_sim_items(w)), 1);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_eq(
            world_int_at(world_result(w, world_text(w, "j-%d", i))->doc, "structured.age"), 7);
    WAIT_UNTIL(w, 5000, json_array_size(world_hooks(w)) == JOBS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_ptr_nonnull(strstr(world_string_at(json_array_get(world_hooks(w), i), "body"),
                                     "\"structured\":{\"age\": 7}"));
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* And not one per job. */
START_TEST(when_the_answer_to_equal_jobs_does_not_fit_one_more_call_is_made)
{
    enum { JOBS = 40 };
    struct world *w = world_new(.simulator = true);

    say(w, "equal", "no", 1);
    say(w, "equal", "{}", -1);
    world_sim_latency(w, 300);
    for (int i = 0; i < JOBS; i++)
        world_push(w,
                   "{'id':'j-%d','type':'inference','payload':{'task':'chat','prompt':'equal:',"
                   "'temperature':0,'validate':{'schema':{'type':'object'}}}}",
                   i);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_CACHE_WAIT_MS=5000");
    world_wait_results(w, JOBS, 10000);
    world_check_one_result_each(w, JOBS);
    ck_assert_uint_eq(json_array_size(world_sim_items(w)), 2);
    for (int i = 0; i < JOBS; i++)
        ck_assert_str_eq(world_result(w, world_text(w, "j-%d", i))->status, "completed");
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(the_count_survives_the_death_of_the_worker)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    const pid_t *pids;

    say(w, "a", "no", 1);
    world_sim_faults(w, "{'match':'a:','answer':'no','delay_ms':700,'times':-1}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    pids = look_wait_workers(w, worker, 1);
    push(w, "a", "", ",'validate':{'schema':{},'max_retries':1}");
    WAIT_UNTIL(w, 5000, world_int(w, "XLEN fl:{0}:costs") == 1 && look_held(w) == 1);
    ck_assert_int_eq(kill(pids[0], SIGKILL), 0); /* in the second call, or about to make it */
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "invalid_output");
    ck_assert_ptr_nonnull(
        strstr(world_string_at(world_result(w, "a")->doc, "error.message"), "asked 2 times"));
    world_check_money(w);
    world_free(w);
}
END_TEST

static const char *config_of(struct world *w, const char *limit_usd)
{
    return world_config(w, world_text(w,
                                      "budgets:\n  - {name: b, for: {model: " BUDGETED "}, per: "
                                      "month, limit_usd: %s}\n",
                                      limit_usd));
}

/* The record of a job that was put aside says so much about why. */
static bool is_aside(struct world *w, const char *id, const char *why)
{
    const char *record = world_string(w, "GET fl:{0}:job:%s", id);

    return record && strstr(record, why) &&
           world_string(w, "ZSCORE fl:{0}:delayed inference.standard/%s", id);
}

/* Between two answers one job waits for the rate, which another one's 429 has stopped, and one for
 * money: the first call costs most of the worst case, and the limit is little more.  What is in the
 * record is what the next claim counts on from. */
START_TEST(the_count_survives_a_wait_between_two_answers)
{
    struct world *w = world_new(.simulator = true);
    const char *config = config_of(w, "0.002");
    struct program *worker;
    json_t *doc;

    world_sim_faults(w, "{'match':'rate:','answer':'no','delay_ms':300,'times':-1}");
    world_sim_faults(w, "{'match':'money:','answer':'%0300d no','times':-1}", 0);
    world_sim_faults(w, "{'match':'refused:','status':429,'headers':{'x-ratelimit-reset':'20'}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1",
                                "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=50");
    push(w, "rate", ",'model':'" PACED "'", ",'validate':{'schema':{},'max_retries':1}");
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    push(w, "refused", ",'model':'" PACED "'", "");
    push(w, "money", ",'model':'" BUDGETED "','max_tokens':100",
         ",'validate':{'schema':{},'max_retries':1}");
    WAIT_UNTIL(w, 5000, is_aside(w, "rate", "\"bucket\""));
    ck_assert(is_aside(w, "rate", "\"invalid\":1"));
    WAIT_UNTIL(w, 5000, is_aside(w, "money", "\"over_budget_since\""));
    config_of(w, "1");
    program_signal(worker, SIGHUP);
    world_wait_results(w, 1, 10000);
    doc = world_result(w, "money")->doc;
    ck_assert_str_eq(world_string_at(doc, "error.code"), "invalid_output");
    ck_assert_ptr_nonnull(strstr(world_string_at(doc, "error.message"), "asked 2 times"));
    ck_assert_uint_eq(json_array_size(facts_costs(w, "money")), 2);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "rate")), 1);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_schema_that_is_not_understood_is_refused_at_submission)
{
    struct world *w = world_new(.simulator = true);

    world_start_scheduler(w);
    push(w, "a", "", ",'validate':{'schema':{'properties':{'a':{'contains':{}}}}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "rejected");
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.message"),
                     "payload.validate.schema: properties: a: contains: unknown keyword");
    world_free(w);
}
END_TEST

Suite *test_structured(void)
{
    Suite *s = suite_create("structured");
    TCase *tc = tcase_create("structured answers");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, an_answer_that_does_not_fit_is_asked_for_again_and_each_call_is_paid);
    tcase_add_test(tc, when_the_answer_to_equal_jobs_does_not_fit_one_more_call_is_made);
    tcase_add_test(tc, json_in_a_fence_or_behind_thinking_is_an_answer_and_stands_in_structured);
    tcase_add_test(tc, cached_and_equal_jobs_and_webhooks_have_the_value_too);
    tcase_add_test(tc, the_count_survives_the_death_of_the_worker);
    tcase_add_test(tc, the_count_survives_a_wait_between_two_answers);
    tcase_add_test(tc, a_schema_that_is_not_understood_is_refused_at_submission);
    suite_add_tcase(s, tc);
    return s;
}
