/* test_frames.c - right answers in frames and shapes that other providers and gateways use.
 *
 * Each row is what one provider was seen to send.  Whatever its header says, it is one call, the
 * job gets what the provider meant, and what the provider says it billed is booked. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

#define DELTA(delta) "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{" delta "}}]}\n\n"
#define FINISH \
    "data: {\"id\":\"1\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
#define USAGE \
    "data: "  \
    "{\"id\":\"1\",\"choices\":[],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}\n\n"
#define DONE "data: [DONE]\n\n"
#define WHOLE                                                                             \
    "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"}," \
    "\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":5}}"
#define HI DELTA("\"content\":\"Hi\"") FINISH USAGE DONE

static const struct {
    const char *id, *type, *body;
    bool stream;
    const char *path, *value; /* of the output */
} rows[] = {
    {"json-as-events", "text/event-stream", WHOLE, true, "choices.0.message.content", "Hi"},
    {"events-unasked", "text/event-stream", HI, false, "choices.0.message.content", "Hi"},
    {"events-as-json", "application/json", HI, true, "choices.0.message.content", "Hi"},
    {"json-then-done", "application/json", WHOLE "\n\ndata: [DONE]\n\n", false,
     "choices.0.message.content", "Hi"},
    {"no-finish", "text/event-stream", DELTA("\"content\":\"Hi\"") USAGE DONE, true,
     "choices.0.message.content", "Hi"},
    {"two-calls-of-index-0", "text/event-stream",
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":"
           "\"{}\"}"
           "}]")
         DELTA(
             "\"tool_calls\":[{\"index\":0,\"id\":\"b\",\"function\":{\"name\":\"g\",\"arguments\":"
             "\"{}\"}}]") FINISH USAGE DONE,
     true, "choices.0.message.tool_calls.1.function.name", "g"},
    {"index-of-minus-1", "text/event-stream",
     DELTA("\"tool_calls\":[{\"index\":-1,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":"
           "\"{\"}"
           "}]") DELTA("\"tool_calls\":[{\"index\":-1,\"function\":{\"arguments\":\"}\"}}]")
         FINISH USAGE DONE,
     true, "choices.0.message.tool_calls.0.function.arguments", "{}"},
    {"unknown-members", "text/event-stream",
     DELTA("\"refusal\":\"I \"") DELTA("\"refusal\":\"cannot\"") FINISH USAGE DONE, true,
     "choices.0.message.refusal", "I cannot"},
};

static void set_fault(struct world *w, const char *match, int status, const char *type,
                      const char *body)
{
    json_t *fault = json_pack("{s:s, s:i, s:{s:s}, s:s, s:i}", "match", match, "status", status,
                              "headers", "content-type", type, "body", body, "times", -1);
    char *text = json_dumps(fault, 0);

    world_sim(w, "POST", "/_sim/faults", text);
    free(text);
    json_decref(fault);
}

static void push(struct world *w, const char *id, bool stream)
{
    world_push(
        w,
        "{'id':'%s','type':'inference','max_attempts':2,'backoff':{'type':'fixed',"
        "'delay_ms':10},'payload':{'task':'chat','body':{'model':'Qwen/Qwen3.5-9B','max_tokens':50,"
        "'stream':%s,'messages':[{'role':'user','content':'answer <%s>'}]}}}",
        id, stream ? "true" : "false", id);
}

START_TEST(an_answer_in_another_frame_is_one_call_and_a_right_result)
{
    struct world *w = world_new(.simulator = true);

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char match[64];

        snprintf(match, sizeof match, "<%s>", rows[i].id);
        set_fault(w, match, 200, rows[i].type, rows[i].body);
    }
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        push(w, rows[i].id, rows[i].stream);
    world_wait_results(w, ARRAY_LEN(rows), 10000);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct result *r = world_result(w, rows[i].id);
        json_t *costs = facts_costs(w, rows[i].id);

        ck_assert_msg(!strcmp(r->status, "completed") && facts_attempts(w, r->id) == 1, "%s: %s",
                      r->id, facts_result_text(w, r->id));
        ck_assert_str_eq(world_string_at(world_at(r->doc, "output"), rows[i].path), rows[i].value);
        ck_assert_uint_eq(json_array_size(costs), 1);
        ck_assert_int_eq(world_int_at(json_array_get(costs, 0), "completion_tokens"), 5);
        ck_assert(!facts_flagged(json_array_get(costs, 0), "estimated"));
    }
    world_free(w);
}
END_TEST

/* Usage that stands beside an error: the call is paid, and spends an attempt. */
static const struct {
    const char *id, *body;
    bool stream;
} paid[] = {
    {"error-in-choice",
     "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"m\"}}],\"usage\":{\"prompt_tokens\":15,"
     "\"completion_tokens\":2528}}",
     false},
    {"error-beside",
     "{\"error\":{\"code\":503,\"message\":\"m\"},\"usage\":{\"prompt_tokens\":15,"
     "\"completion_tokens\":2528}}",
     false},
    {"no-choices", "{\"choices\":[],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":2528}}",
     false},
    {"error-in-stream",
     DELTA("\"content\":\"H\"") "data: {\"error\":{\"code\":502,\"message\":\"m\"},\"usage\":{"
                                "\"prompt_tokens\":15,\"completion_tokens\":2528}}\n\n",
     true},
};

START_TEST(usage_beside_an_error_is_paid_and_spends_an_attempt)
{
    struct world *w = world_new(.simulator = true);

    for (size_t i = 0; i < ARRAY_LEN(paid); i++) {
        char match[64];

        snprintf(match, sizeof match, "<%s>", paid[i].id);
        set_fault(w, match, 200, paid[i].stream ? "text/event-stream" : "application/json",
                  paid[i].body);
    }
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(paid); i++)
        push(w, paid[i].id, paid[i].stream);
    world_wait_results(w, ARRAY_LEN(paid), 20000);
    for (size_t i = 0; i < ARRAY_LEN(paid); i++) {
        json_t *costs = facts_costs(w, paid[i].id), *cost;
        size_t k;

        ck_assert_msg(!strcmp(world_result(w, paid[i].id)->status, "failed"), "%s",
                      facts_result_text(w, paid[i].id));
        ck_assert_int_eq(facts_attempts(w, paid[i].id), 2);
        ck_assert_msg(json_array_size(costs) == 2, "%s: %zu calls", paid[i].id,
                      json_array_size(costs));
        json_array_foreach (costs, k, cost) {
            ck_assert(facts_flagged(cost, "failed"));
            ck_assert_int_eq(world_int_at(cost, "completion_tokens"), 2528);
            ck_assert_int_gt(world_int_at(cost, "cost_nanousd"), 0);
        }
    }
    world_free(w);
}
END_TEST

/* The first stream without usage is an estimate, and teaches to ask; a provider that refuses the
 * question is called again without it, and its job loses no attempt. */
START_TEST(usage_of_streams_is_asked_for_where_it_does_not_come_by_itself)
{
    static const char without[] = DELTA("\"content\":\"Hi\"") FINISH DONE;
    struct world *w = world_new(.simulator = true);

    set_fault(w, "include_usage", 200, "text/event-stream", HI);
    set_fault(w, "stream", 200, "text/event-stream", without);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "first", true);
    world_wait_results(w, 1, 10000);
    push(w, "second", true);
    world_wait_results(w, 2, 10000);
    ck_assert(facts_flagged(json_array_get(facts_costs(w, "first"), 0), "estimated"));
    ck_assert(!facts_flagged(json_array_get(facts_costs(w, "second"), 0), "estimated"));
    world_sim_reset(w);
    set_fault(w, "include_usage", 400, "application/json",
              "{\"error\":{\"message\":\"Unrecognized request argument: stream_options\"}}");
    set_fault(w, "stream", 200, "text/event-stream", without);
    push(w, "third", true);
    world_wait_results(w, 3, 10000);
    ck_assert_str_eq(world_result(w, "third")->status, "completed");
    ck_assert_int_eq(facts_attempts(w, "third"), 1);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "third")), 2);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "third"), "failed"), 1);
    world_free(w);
}
END_TEST

Suite *test_frames(void);
Suite *test_frames(void)
{
    Suite *s = suite_create("frames");
    TCase *tc = tcase_create("frames");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_answer_in_another_frame_is_one_call_and_a_right_result);
    tcase_add_test(tc, usage_of_streams_is_asked_for_where_it_does_not_come_by_itself);
    tcase_add_test(tc, usage_beside_an_error_is_paid_and_spends_an_attempt);
    suite_add_tcase(s, tc);
    return s;
}
