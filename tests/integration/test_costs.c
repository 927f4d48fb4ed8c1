/* test_costs.c - what calls cost: prices, cached tokens, images, unknown models.
 *
 * Where the simulator bills, its ledger is the other opinion; where the answer
 * is canned, the sum is worked out here by hand.
 */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

#define CHAT(model)                                                          \
    "{'task':'chat','body':{'model':'" model "','messages':[{'role':'user'," \
    "'content':'How many legs have seven spiders and two cats together?'}]}}"

static json_t *only_cost(struct world *w, const char *id)
{
    json_t *costs = facts_costs(w, id);

    ck_assert_msg(json_array_size(costs) == 1, "%s: %zu costs", id, json_array_size(costs));
    return json_array_get(costs, 0);
}

static void push(struct world *w, const char *id, const char *payload)
{
    world_push(w, "{'id':'%s','type':'inference','payload':%s}", id, payload);
}

static void check_agreement(struct world *w, int64_t jobs)
{
    struct money m;

    world_check_one_result_each(w, jobs);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_eq(m.estimated_nanousd, 0);
}

/* Form A tells cached tokens in prompt_tokens_details, form B flat (quirks.def). */
START_TEST(cached_tokens_have_their_own_price)
{
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models",
              "{'MiniMaxAI/MiniMax-M3':{'cached_percent':50},"
              "'meta-llama/Llama-3.3-70B-Instruct-Turbo':{'cached_percent':100}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", CHAT("MiniMaxAI/MiniMax-M3"));
    push(w, "b", CHAT("meta-llama/Llama-3.3-70B-Instruct-Turbo"));
    world_wait_results(w, 2, 10000);
    for (int i = 0; i < 2; i++) {
        const char *id = i ? "b" : "a";
        json_t *doc = world_result(w, id)->doc, *cost = only_cost(w, id);
        int64_t prompt = world_int_at(doc, "usage.prompt_tokens");
        int64_t cached = world_int_at(doc, "usage.cached_tokens");

        ck_assert_int_gt(prompt, 1);
        ck_assert_int_eq(cached, i ? prompt : prompt / 2);
        ck_assert_int_eq(world_int_at(cost, "cached_tokens"), cached);
        ck_assert_int_eq(world_int_at(doc, "cost_nanousd"), world_int_at(cost, "cost_nanousd"));
    }
    /* 300 - 60 nano-USD less per cached token; the other model has no price of its own */
    ck_assert_int_eq(world_int_at(only_cost(w, "a"), "list_cost_nanousd") -
                         world_int_at(only_cost(w, "a"), "cost_nanousd"),
                     240 * world_int_at(only_cost(w, "a"), "cached_tokens"));
    ck_assert_int_eq(world_int_at(only_cost(w, "b"), "list_cost_nanousd"),
                     world_int_at(only_cost(w, "b"), "cost_nanousd"));
    check_agreement(w, 2);
    world_free(w);
}
END_TEST

static const struct {
    const char *id, *body, *unit;
    double units;
    int64_t nanousd;
} images[] = {
    {"default", "{'prompt':'a cat'}", "megapixels", 1.049, 2831155}, /* 1024 x 1024 at $0.0027 */
    {"megapixels", "{'prompt':'a','width':512,'height':768,'n':3}", "megapixels", 1.18, 3185050},
    {"pieces", "{'prompt':'a','width':2048,'n':2,'model':'black-forest-labs/FLUX.2-dev'}", "images",
     2, 30800000},
};

START_TEST(images_cost_by_megapixel_or_by_piece)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(images); i++)
        push(w, images[i].id, world_text(w, "{'task':'image','body':%s}", images[i].body));
    world_wait_results(w, ARRAY_LEN(images), 10000);
    for (size_t i = 0; i < ARRAY_LEN(images); i++) {
        json_t *cost = only_cost(w, images[i].id);
        double units =
            json_number_value(json_object_get(json_object_get(cost, "units"), images[i].unit));

        ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), images[i].nanousd);
        ck_assert_double_eq_tol(units, images[i].units, 0.0001);
    }
    check_agreement(w, ARRAY_LEN(images));
    world_free(w);
}
END_TEST

START_TEST(an_unknown_model_is_called_and_flagged_unpriced)
{
    struct world *w = world_new(.simulator = true);
    json_t *cost;

    world_sim(w, "POST", "/_sim/models", "{'acme/new-model':{'answer_bytes':40}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", CHAT("acme/new-model"));
    world_wait_results(w, 1, 10000);
    cost = only_cost(w, "a");
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "model"), "acme/new-model");
    ck_assert_str_eq(world_string_at(cost, "model"), "acme/new-model");
    ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), 0);
    ck_assert_int_gt(world_int_at(cost, "completion_tokens"), 0);
    ck_assert(facts_flagged(cost, "unpriced"));
    check_agreement(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_model_that_was_replaced_is_priced_as_what_answered)
{
    struct world *w = world_new(.simulator = true);
    json_t *cost;

    world_sim(w, "POST", "/_sim/models",
              "{'openai/gpt-oss-20b':{'redirect':'openai/gpt-oss-120b'}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", CHAT("openai/gpt-oss-20b"));
    world_wait_results(w, 1, 10000);
    cost = only_cost(w, "a");
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "model"), "openai/gpt-oss-120b");
    ck_assert_str_eq(world_string_at(cost, "model"), "openai/gpt-oss-120b");
    ck_assert_str_eq(world_string_at(cost, "requested_model"), "openai/gpt-oss-20b");
    ck_assert_int_gt(world_int_at(cost, "cost_nanousd"), 0);
    check_agreement(w, 1);
    world_free(w);
}
END_TEST

/* 10 prompt tokens (40 bytes) at 170 and 2 of the answer (8 bytes) at 250 nano-USD. */
START_TEST(missing_usage_is_estimated_and_says_so)
{
    struct world *w = world_new(.simulator = true);
    json_t *doc, *cost;

    canned_answer(w, NULL, "{\"choices\":[{\"message\":{\"content\":\"12345678\"}}]}");
    world_start_both(w, canned_provider(w));
    push(w, "a", "{'task':'chat','prompt':'0123456789012345678901234567890123456789'}");
    world_wait_results(w, 1, 10000);
    doc = world_result(w, "a")->doc;
    cost = only_cost(w, "a");
    ck_assert_str_eq(world_string_at(doc, "status"), "completed");
    ck_assert(facts_flagged(cost, "estimated"));
    ck_assert_int_eq(world_int_at(cost, "prompt_tokens"), 10);
    ck_assert_int_eq(world_int_at(cost, "completion_tokens"), 2);
    ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), 10 * 170 + 2 * 250);
    ck_assert_int_eq(world_int_at(doc, "cost_nanousd"), 10 * 170 + 2 * 250);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* ---- what no bill can be ---- */

static const char dear[] =
    "models:\n  - {id: m/dear, tasks: [chat], input_usd: 9000000000, output_usd: 0}\n"
    "budgets:\n  - {name: b, per: month, limit_usd: 5000000, for: {model: m/other}}\n";

static const char *answer_of(struct world *w, const char *tokens)
{
    return world_text(w,
                      "{\"choices\":[{\"message\":{\"content\":\"no\"},\"finish_reason\":"
                      "\"stop\"}],\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":1}}",
                      tokens);
}

/* So many tokens are no usage: what the texts say counts.  The most that is believed, at a price
 * that must be a mistake, is cut, and so is the sum of the job's calls. */
START_TEST(usage_that_cannot_be_true_is_estimated_and_no_sum_wraps_round)
{
    struct world *w = world_new(.simulator = true);
    json_t *costs, *cost;

    canned_answer(w, "absurd:", answer_of(w, "9000000000000000"));
    canned_answer(w, "dear:", answer_of(w, "999999999"));
    world_start_both(w, canned_provider(w), world_config(w, dear));
    push(w, "a", "{'task':'chat','prompt':'absurd:','model':'m/dear'}");
    push(w, "b",
         "{'task':'chat','prompt':'dear:','model':'m/dear','validate':{'schema':{'type':"
         "'object'}}}");
    world_wait_results(w, 2, 10000);
    cost = only_cost(w, "a");
    ck_assert(facts_flagged(cost, "estimated"));
    ck_assert_int_eq(world_int_at(cost, "prompt_tokens"), 2);
    ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), INT64_C(2) * 9000000000000);
    costs = facts_costs(w, "b");
    ck_assert_uint_eq(json_array_size(costs), 3);
    for (size_t i = 0; i < 3; i++) {
        cost = json_array_get(costs, i);
        ck_assert(facts_flagged(cost, "estimated"));
        ck_assert_int_eq(world_int_at(cost, "prompt_tokens"), 999999999);
        ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), INT64_MAX);
    }
    ck_assert_str_eq(world_string_at(world_result(w, "b")->doc, "error.code"), "invalid_output");
    ck_assert_int_eq(world_int_at(world_result(w, "b")->doc, "cost_nanousd"), INT64_MAX);
    ck_assert_str_eq(world_string(w, "HGET %s total|cost",
                                  world_redis(w, "KEYS fl:{0}:spend:*")->element[0]->str),
                     "9200000000000000000");
    ck_assert_ptr_nonnull(strstr(world_cli(w, "costs").out, "$9200000000.00"));
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

/* The sums of a day are those of the events, by each dimension. */
START_TEST(spend_is_summed_with_the_events)
{
    struct world *w = world_new(.simulator = true);
    redisReply *keys;
    const char *spend;
    struct money m;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2");
    world_push_questions(w, 30, "'tenant':'acme','tags':{'team':'search'}");
    world_wait_results(w, 30, 10000);
    m = world_check_money(w);
    keys = world_redis(w, "KEYS fl:{0}:spend:*");
    ck_assert_int_ge(keys->elements, 1); /* two at midnight */
    if (keys->elements == 1) {
        spend = world_text(w, "%s", keys->element[0]->str);
        static const char *const sums[] = {"total|cost", "tenant:acme|cost", "tag:team=search|cost",
                                           "type:inference|cost", "model:Qwen/Qwen3.5-9B|cost"};
        for (size_t i = 0; i < ARRAY_LEN(sums); i++) {
            const char *sum = world_string(w, "HGET %s %s", spend, sums[i]);

            ck_assert_msg(sum &&
                              strcmp(sum, world_text(w, "%lld", (long long)m.billed_nanousd)) == 0,
                          "%s is %s, billed were %lld", sums[i], sum, (long long)m.billed_nanousd);
        }
    }
    check_agreement(w, 30);
    world_free(w);
}
END_TEST

/* Put aside three times, the job waits where it is for its turn at the last of its models: more
 * calls than a claim has room for. */
START_TEST(each_of_many_failed_calls_has_an_event_of_its_own)
{
    enum { BROKEN = 7, REFUSED = 4, CALLS = 4 * BROKEN + REFUSED + 1 };
    struct world *w = world_new(.simulator = true);
    json_t *costs;

    for (int i = 0; i < BROKEN; i++)
        world_sim_faults(w, "{'status':500,'model':'m/%d','times':-1}", i);
    world_sim_faults(w, "{'fixture':'throttled','model':'openai/gpt-oss-20b','times':%d}", REFUSED);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=20",
                     "FLOTILLA_RETRY_PARK_MAX_MS=40", "FLOTILLA_RETRY_SERVER_WAIT_MAX_MS=10",
                     "FLOTILLA_LIMITS_START_RATE=1000", "FLOTILLA_ROUTING_BREAKER_FAILURES=1000");
    push(w, "a",
         "{'task':'chat','prompt':'Hi','model':'m/0','fallbacks':['m/1','m/2','m/3','m/4','m/5',"
         "'m/6','openai/gpt-oss-20b']}");
    world_wait_results(w, 1, 20000);
    costs = facts_costs(w, "a");
    ck_assert_uint_eq(json_array_size(costs), CALLS);
    ck_assert_uint_eq(facts_count_flagged(costs, "failed"), CALLS - 1);
    for (size_t i = 0; i < CALLS; i++)
        ck_assert_int_eq(world_int_at(json_array_get(costs, i), "cost_nanousd") > 0,
                         i == CALLS - 1);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_costs(void)
{
    Suite *s = suite_create("costs");
    TCase *tc = tcase_create("costs");

    tcase_add_test(tc, cached_tokens_have_their_own_price);
    tcase_add_test(tc, images_cost_by_megapixel_or_by_piece);
    tcase_add_test(tc, an_unknown_model_is_called_and_flagged_unpriced);
    tcase_add_test(tc, a_model_that_was_replaced_is_priced_as_what_answered);
    tcase_add_test(tc, missing_usage_is_estimated_and_says_so);
    tcase_add_test(tc, usage_that_cannot_be_true_is_estimated_and_no_sum_wraps_round);
    tcase_add_test(tc, spend_is_summed_with_the_events);
    tcase_add_test(tc, each_of_many_failed_calls_has_an_event_of_its_own);
    suite_add_tcase(s, tc);
    return s;
}
