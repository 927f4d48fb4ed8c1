/* test_errors.c - every way in which the provider says no, and what becomes of the job.
 *
 *   ends      an answer that sending again cannot change: failed at once
 *   retries   the job's own bad luck: an attempt each, failed after max_attempts
 *   waits     the provider's state: parked, no attempt spent, completed later
 *
 * The answers are the simulator's fixtures.  Each job names its model, so that no other one is
 * tried for it (test_routing.c does that), and says its fixture's name in
 * its prompt, and that picks the fault, so all of a table run side by side.
 * What stops a key is in test_outage.c.
 */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

static const char *const quick[] = {"FLOTILLA_RETRY_PARK_MIN_MS=20",
                                    "FLOTILLA_RETRY_PARK_MAX_MS=40"};

struct row {
    const char *fixture, *code, *provider_code;
    int http_status; /* 0: null */
    int calls_lost;  /* of each call: may it have been billed? */
};

/* clang-format off */
static const struct row ends[] = {
    {"unknown_model",      "model_not_available", "model_not_available", 404, 0},
    {"not_serverless",     "model_not_available", "model_not_available", 400, 0},
    {"removed_model",      "model_not_available", "model_not_available", 503, 0},
    {"over_context",       "context_length",      "invalid_request_error", 403, 0},
    {"over_context_400",   "context_length",      "context_length_exceeded", 400, 0},
    {"partner_blocked",    "forbidden",           "third_party_data_sharing_blocked", 403, 0},
    {"bad_params",         "bad_request",         "invalid_request_error", 422, 0},
    {"too_large",          "request_too_large",   "", 413, 0},
    {"streaming_required", "bad_request",         "streaming_required", 400, 0},
};
static const struct row retries[] = {
    {"endpoint_not_running", "endpoint_not_ready", "dedicated_endpoint_not_running", 400, 0},
    {"server_error",         "server_error",       "server_error", 500, 0},
    {"request_timeout",      "request_timeout",    "server_error", 408, 0},
    {"not_json",             "bad_answer",         "", 200, 1},
    {"no_choices",           "bad_answer",         "", 200, 1},
    {"cut_answer",           "answer_lost",        "", 200, 1},
    {"html_524",             "answer_lost",        "", 524, 1},
    {"empty_body",           "answer_lost",        "", 504, 1},
    {"hang",                 "timeout",            "",   0, 1},
    {"slow_drip",            "timeout",            "", 200, 1},
};
static const struct row waits[] = {
    {"throttled",        "rate_limited", "dynamic_request_limited", 429, 0},
    {"throttled_tokens", "rate_limited", "dynamic_token_limited", 429, 0},
    {"batch_throttled",  "rate_limited", "", 429, 0},
    {"overloaded",       "overloaded",   "server_error", 503, 0},
    {"routing_error",    "overloaded",   "routing_error", 503, 0},
    {"html_502",         "gateway",      "", 502, 0},
    {"site_overloaded",  "overloaded",   "", 529, 0},
};
/* clang-format on */

/* A model for each row of a table: what one job meets changes neither the rate nor the health that
 * another one sees, so that all of its pauses are its own. */
static const char *const models[] = {
    "Qwen/Qwen3.5-9B",      "openai/gpt-oss-120b", "openai/gpt-oss-20b",   "google/gemma-4-31B-it",
    "MiniMaxAI/MiniMax-M3", "zai-org/GLM-5.3",     "zai-org/GLM-5.2",      "moonshotai/Kimi-K3",
    "Qwen/Qwen3.7-Max",     "Qwen/Qwen3.6-Plus",   "zai-org/GLM-5.3-Flash"};

static void push_to(struct world *w, const char *model, const char *id, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference',%s,'payload':{'task':'chat',"
               "'body':{'model':'%s','max_tokens':50,"
               "'messages':[{'role':'user','content':'fixture <%s>'}]}}}",
               id, members, model, id);
}

static void push(struct world *w, const char *id, const char *members)
{
    push_to(w, models[0], id, members);
}

static void set_faults(struct world *w, const struct row *rows, size_t n, int times)
{
    for (size_t i = 0; i < n; i++)
        world_sim_faults(w, "{'fixture':'%s','match':'<%s>','times':%d}", rows[i].fixture,
                         rows[i].fixture, times);
}

static void push_all(struct world *w, const struct row *rows, size_t n, const char *members)
{
    ck_assert_uint_le(n, ARRAY_LEN(models));
    for (size_t i = 0; i < n; i++)
        push_to(w, models[i], rows[i].fixture, members);
}

/* A macro, so that the world is named after the test. */
static const char *const bill_aborted[] = {"--bill-aborted", NULL};
#define new_world() world_new(.simulator = true, .simulator_args = bill_aborted)

static void check_error(struct world *w, const struct row *row, const char *code)
{
    json_t *doc = world_result(w, row->fixture)->doc;

    ck_assert_msg(strcmp(world_string_at(doc, "status"), "failed") == 0 &&
                      strcmp(world_string_at(doc, "error.code"), code) == 0 &&
                      world_int_at(doc, "error.http_status") == row->http_status &&
                      strcmp(world_string_at(doc, "error.provider_code"), row->provider_code) ==
                          0 &&
                      *world_string_at(doc, "error.message"),
                  "%s: %s", row->fixture, facts_result_text(w, row->fixture));
}

/* One event per call; lost calls have an estimate, failed ones cost nothing. */
static void check_events(struct world *w, const struct row *row, int failed_calls)
{
    json_t *costs = facts_costs(w, row->fixture), *cost;
    size_t i, lost = facts_count_flagged(costs, "unconfirmed"),
              failed = facts_count_flagged(costs, "failed");

    ck_assert_msg(lost == (size_t)(failed_calls * row->calls_lost) &&
                      lost + failed == (size_t)failed_calls,
                  "%s: %zu unconfirmed and %zu failed events", row->fixture, lost, failed);
    json_array_foreach (costs, i, cost) {
        if (facts_flagged(cost, "unconfirmed") || facts_flagged(cost, "failed"))
            ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), 0);
        ck_assert_int_eq(world_int_at(cost, "estimate_nanousd") > 0,
                         facts_flagged(cost, "unconfirmed"));
    }
}

/* ---- what becomes of a job ---- */

START_TEST(answers_that_cannot_change_end_the_job_at_once)
{
    struct world *w = new_world();

    set_faults(w, ends, ARRAY_LEN(ends), -1);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_all(w, ends, ARRAY_LEN(ends), "'max_attempts':5");
    world_wait_results(w, ARRAY_LEN(ends), 10000);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        check_error(w, &ends[i], ends[i].code);
        check_events(w, &ends[i], 1);
        ck_assert_int_eq(facts_attempts(w, ends[i].fixture), 1);
        ck_assert(
            json_is_false(world_at(world_result(w, ends[i].fixture)->doc, "error.retryable")));
    }
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), ARRAY_LEN(ends));
    world_check_one_result_each(w, ARRAY_LEN(ends));
    world_check_money(w);
    world_free(w);
}
END_TEST

static const char retry_members[] =
    "'max_attempts':3,'timeout_ms':300,'backoff':{'type':'fixed','delay_ms':10}";

START_TEST(bad_luck_spends_attempts_until_they_are_gone)
{
    struct world *w = new_world();

    set_faults(w, retries, ARRAY_LEN(retries), -1);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_all(w, retries, ARRAY_LEN(retries), retry_members);
    world_wait_results(w, ARRAY_LEN(retries), 10000);
    for (size_t i = 0; i < ARRAY_LEN(retries); i++) {
        check_error(w, &retries[i], retries[i].code);
        check_events(w, &retries[i], 3);
        ck_assert_int_eq(facts_attempts(w, retries[i].fixture), 3);
        ck_assert_int_eq(world_int_at(facts_job(w, retries[i].fixture), "parks"), 0);
        ck_assert(
            json_is_true(world_at(world_result(w, retries[i].fixture)->doc, "error.retryable")));
    }
    world_check_one_result_each(w, ARRAY_LEN(retries));
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(bad_luck_that_passes_costs_one_attempt)
{
    struct world *w = new_world();

    set_faults(w, retries, ARRAY_LEN(retries), 1);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_all(w, retries, ARRAY_LEN(retries), retry_members);
    world_wait_results(w, ARRAY_LEN(retries), 10000);
    for (size_t i = 0; i < ARRAY_LEN(retries); i++) {
        ck_assert_str_eq(world_result(w, retries[i].fixture)->status, "completed");
        check_events(w, &retries[i], 1);
        ck_assert_int_eq(facts_attempts(w, retries[i].fixture), 2);
    }
    world_check_one_result_each(w, ARRAY_LEN(retries));
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(the_providers_state_parks_a_job_and_spends_no_attempt)
{
    enum { PARKS = 3 };
    struct world *w = new_world();

    set_faults(w, waits, ARRAY_LEN(waits), PARKS);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", quick[0], quick[1],
                     "FLOTILLA_RETRY_SERVER_WAIT_MAX_MS=50");
    push_all(w, waits, ARRAY_LEN(waits), "'max_attempts':1");
    world_wait_results(w, ARRAY_LEN(waits), 10000);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        ck_assert_str_eq(world_result(w, waits[i].fixture)->status, "completed");
        check_events(w, &waits[i], PARKS);
        ck_assert_int_eq(facts_attempts(w, waits[i].fixture), 1);
        ck_assert_int_eq(world_int_at(facts_job(w, waits[i].fixture), "parks"), PARKS);
    }
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_check_one_result_each(w, ARRAY_LEN(waits));
    world_check_money(w);
    world_free(w);
}
END_TEST

/* After a 429 a job waits for its turn, and keeps its place in memory when it was put aside for the
 * third time.  After anything else each pause is a park, and while the breaker is open there are
 * some without a call; none is shorter than half of park_min. */
static void check_parks_in_vain(struct world *w, const struct row *row)
{
    int64_t parks = world_int_at(facts_job(w, row->fixture), "parks"),
            calls = (int64_t)json_array_size(facts_costs(w, row->fixture)),
            ms = facts_ms_of(world_result(w, row->fixture)->doc, "submitted_at", "finished_at");

    if (!strcmp(row->code, "rate_limited"))
        ck_assert_msg(parks >= 1 && parks <= 3 && calls >= 2, "%s: %lld parks, %lld calls",
                      row->fixture, (long long)parks, (long long)calls);
    else
        ck_assert_msg(calls >= 2 && parks >= calls - 1 && parks <= ms / 10,
                      "%s: %lld parks, %lld calls, %lld ms", row->fixture, (long long)parks,
                      (long long)calls, (long long)ms);
}

START_TEST(a_job_that_waited_too_long_names_the_last_answer)
{
    struct world *w = new_world();

    set_faults(w, waits, ARRAY_LEN(waits), -1);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", quick[0], quick[1],
                     "FLOTILLA_RETRY_SERVER_WAIT_MAX_MS=50", "FLOTILLA_RETRY_MAX_WAIT_MS=400");
    push_all(w, waits, ARRAY_LEN(waits), "'max_attempts':1");
    world_wait_results(w, ARRAY_LEN(waits), 10000);
    for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
        json_t *doc = world_result(w, waits[i].fixture)->doc;

        check_error(w, &waits[i], "waited_too_long");
        ck_assert_int_ge(facts_ms_of(doc, "submitted_at", "finished_at"), 400);
        ck_assert_int_eq(facts_attempts(w, waits[i].fixture), 0);
        check_parks_in_vain(w, &waits[i]);
    }
    world_check_one_result_each(w, ARRAY_LEN(waits));
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(attempts_and_parks_are_counted_apart)
{
    struct world *w = new_world();

    world_sim_faults(w, "[{'fixture':'overloaded'},{'fixture':'server_error'},"
                        "{'fixture':'html_502'},{'fixture':'overloaded'},"
                        "{'fixture':'server_error'}]");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", quick[0], quick[1]);
    push(w, "a", retry_members);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_int_eq(facts_attempts(w, "a"), 3);
    ck_assert_int_eq(world_int_at(facts_job(w, "a"), "parks"), 3);
    ck_assert_int_eq(json_array_size(facts_costs(w, "a")), 6);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- pauses ---- */

static void refuse(struct world *w, const char *id, const char *rest)
{
    world_hook_rules(w, "{'match':'<%s>',%s}", id, rest);
}

static const struct {
    const char *id, *rule;
    int64_t least_ms, most_ms; /* most: far less than the wrong unit or policy would give */
} asked[] = {
    {"retry-after", "'status':429,'headers':{'retry-after':'1'}", 1000, 4000},
    {"reset", "'status':429,'headers':{'x-ratelimit-reset':'0.8'}", 800, 4000},
    {"both", "'status':503,'headers':{'retry-after':'0','x-ratelimit-reset':'1'}", 1000, 4000},
    {"ms", "'status':429,'headers':{'retry-after-ms':'700'}", 700, 4000},
    {"capped", "'status':429,'headers':{'retry-after':'86400'}", 1500, 6000},
    {"of-500", "'status':500,'headers':{'retry-after':'1'}", 1000, 4000},
    {"none", "'status':429", 1, 900},
};

START_TEST(what_the_server_asks_to_wait_is_obeyed)
{
    struct world *w = world_new(.simulator = true);

    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        refuse(w, asked[i].id, asked[i].rule);
    canned_answer(w, NULL, canned_chat);
    world_start_both(w, canned_provider(w), quick[0], quick[1],
                     "FLOTILLA_RETRY_SERVER_WAIT_MAX_MS=1500");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) /* a 429 stops its model for as long */
        world_push(
            w,
            "{'id':'%s','type':'inference','backoff':{'delay_ms':1},'payload':{'task':'chat',"
            "'body':{'model':'m/%s','messages':[{'role':'user','content':'<%s>'}]}}}",
            asked[i].id, asked[i].id, asked[i].id);
    world_wait_results(w, ARRAY_LEN(asked), 15000);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        int64_t gap = canned_gap_ms(canned_calls(w, world_text(w, "<%s>", asked[i].id)), 0);

        ck_assert_str_eq(world_result(w, asked[i].id)->status, "completed");
        ck_assert_msg(gap >= asked[i].least_ms && gap <= asked[i].most_ms,
                      "%s: called again after %lld ms", asked[i].id, (long long)gap);
    }
    world_check_one_result_each(w, ARRAY_LEN(asked));
    world_free(w);
}
END_TEST

static const struct {
    const char *id, *backoff;
    int64_t least_ms[4], sum_most_ms;
} backoffs[] = {
    {"fixed", "{'type':'fixed','delay_ms':200,'jitter':false}", {200, 200, 200, 200}, 2500},
    {"doubled", "{'type':'exponential','delay_ms':50,'jitter':false}", {50, 100, 200, 400}, 2500},
    {"bounded", "{'delay_ms':100,'max_ms':150,'jitter':false}", {100, 150, 150, 150}, 2500},
    {"jittered", "{'delay_ms':100,'max_ms':200}", {0, 0, 0, 0}, 2500},
    {"none", "{'type':'fixed','delay_ms':0}", {0, 0, 0, 0}, 1500},
};

START_TEST(each_job_has_its_own_backoff)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "{'status':500,'times':-1}");
    world_start_both(w, canned_provider(w), "FLOTILLA_RETRY_DELAY_MS=60000");
    for (size_t i = 0; i < ARRAY_LEN(backoffs); i++)
        push_to(w, models[i], backoffs[i].id,
                world_text(w, "'max_attempts':5,'backoff':%s", backoffs[i].backoff));
    world_wait_results(w, ARRAY_LEN(backoffs), 15000);
    for (size_t i = 0; i < ARRAY_LEN(backoffs); i++) {
        json_t *calls = canned_calls(w, world_text(w, "<%s>", backoffs[i].id));
        int64_t sum = 0;

        ck_assert_int_eq(json_array_size(calls), 5);
        for (size_t n = 0; n < 4; n++) {
            int64_t gap = canned_gap_ms(calls, n);

            ck_assert_msg(gap >= backoffs[i].least_ms[n], "%s: pause %zu was %lld ms",
                          backoffs[i].id, n, (long long)gap);
            sum += gap;
        }
        ck_assert_msg(sum <= backoffs[i].sum_most_ms, "%s: %lld ms in all", backoffs[i].id,
                      (long long)sum);
    }
    world_check_one_result_each(w, ARRAY_LEN(backoffs));
    world_free(w);
}
END_TEST

Suite *test_errors(void)
{
    Suite *s = suite_create("errors");
    TCase *tc = tcase_create("errors");

    tcase_add_test(tc, answers_that_cannot_change_end_the_job_at_once);
    tcase_add_test(tc, bad_luck_spends_attempts_until_they_are_gone);
    tcase_add_test(tc, bad_luck_that_passes_costs_one_attempt);
    tcase_add_test(tc, the_providers_state_parks_a_job_and_spends_no_attempt);
    tcase_add_test(tc, a_job_that_waited_too_long_names_the_last_answer);
    tcase_add_test(tc, attempts_and_parks_are_counted_apart);
    suite_add_tcase(s, tc);
    tc = tcase_create("pauses");
    tcase_add_test(tc, what_the_server_asks_to_wait_is_obeyed);
    tcase_add_test(tc, each_job_has_its_own_backoff);
    suite_add_tcase(s, tc);
    return s;
}
