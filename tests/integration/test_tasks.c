/* test_tasks.c - every task of an inference job, from the document to the result.
 *
 * What goes out and what comes back must be the caller's and the provider's own
 * bytes; the canned provider of facts.h notes the first and dictates the second.
 */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/facts.h"

/* ---- byte for byte ---- */

/* Spelled as no encoder would spell them: what is parsed and printed again differs. */
static const struct {
    const char *task, *path, *body, *answer;
} passed[] = {
    {"chat", "/chat/completions",
     "{ \"messages\":[ {\"role\":\"user\" ,\"content\":\"caf\\u00e9 \xe6\x9d\xb1\"} ],"
     "\"temperature\":0.70, \"model\" : \"openai/gpt-oss-20b\",\"x_new\":[1e3,-0.0,\"\\/\"],"
     "\"seed\":15924764223251450000,\"y_new\":{\"maximum\":18446744073709551615,\"m\":-1E+999}}",
     "{\n  \"choices\" : [ {\"message\":{\"content\":\"\\u0041\\/\"},\"seed\": "
     "15924764223251450000} ] ,\n \"usage\":{\"prompt_tokens\":4,\"completion_tokens\":1.0} }"},
    {"completion", "/completions",
     "{\"prompt\" : \"Once\",\"max_tokens\":5,\"model\":\"Qwen/Qwen3.5-9B\", \"echo\":true }",
     "{\"choices\":[{\"text\":\"upon\"}],\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":1}}"},
    {"code", "/chat/completions",
     "{\"model\":\"moonshotai/Kimi-K3\",\"messages\":[{\"content\":\"fib\",\"role\":\"user\"}]}",
     "{\"choices\":[{\"message\":{\"content\":\"int\"}}] , \"usage\" : null}"},
    {"embedding", "/embeddings",
     "{\"input\":[\"a\" , \"b\"],\"model\":\"intfloat/multilingual-e5-large-instruct\"}",
     "{\"data\":[{\"embedding\":[0.10,-1E-7]}],\"usage\":{\"prompt_tokens\":2}}"},
    {"image", "/images/generations",
     "{\"prompt\":\"a cat\",\"width\":512, \"model\":\"black-forest-labs/FLUX.1-schnell\"}",
     "{\"data\":[{\"url\":\"https:\\/\\/example.com\\/a\"}]}"},
    {"rerank", "/rerank",
     "{\"query\":\"q\",\"documents\":[\"a\", "
     "\"b\"],\"model\":\"mixedbread-ai/Mxbai-Rerank-Large-V2\"}",
     "{\"results\":[{\"index\":1,\"relevance_score\":0.50}],\"usage\":{\"total_tokens\":3}}"},
};

static void check_passed(struct world *w, size_t i)
{
    json_t *calls = canned_calls(w, passed[i].body), *call = json_array_get(calls, 0);
    const char *task = passed[i].task;

    ck_assert_str_eq(world_result(w, task)->status, "completed");
    ck_assert_msg(json_array_size(calls) == 1, "%s: %zu calls", task, json_array_size(calls));
    ck_assert_msg(strstr(world_string_at(call, "path"), passed[i].path), "%s", task);
    ck_assert_str_eq(world_string_at(call, "body"), passed[i].body);
    ck_assert_str_eq(world_string_at(call, "headers.authorization"), "Bearer a-key-of-the-tests");
    ck_assert_str_eq(world_string_at(call, "headers.content-type"), "application/json");
    ck_assert_ptr_nonnull(strstr(facts_result_text(w, task),
                                 world_text(w, "\"output\":%s,\"usage\":", passed[i].answer)));
}

START_TEST(bodies_go_out_and_answers_come_back_byte_for_byte)
{
    struct world *w = world_new(.simulator = true);

    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        canned_answer(w, passed[i].body, passed[i].answer);
    world_start_both(w, canned_provider(w));
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        facts_push_text(
            w, world_text(w,
                          "{\"id\":\"%s\",\"type\":\"inference\",\"payload\":{\"task\":\"%s\","
                          "\"body\":%s}}",
                          passed[i].task, passed[i].task, passed[i].body));
    world_wait_results(w, ARRAY_LEN(passed), 10000);
    for (size_t i = 0; i < ARRAY_LEN(passed); i++)
        check_passed(w, i);
    world_check_one_result_each(w, ARRAY_LEN(passed));
    world_free(w);
}
END_TEST

/* ---- models and the shorthand ---- */

static const struct {
    const char *id, *payload, *sent;
} formed[] = {
    {"default-chat", "{'task':'chat','body':{ 'messages':[{'role':'user','content':'m1'}]}}",
     "{'model':'Qwen/Qwen3.5-9B', 'messages':[{'role':'user','content':'m1'}]}"},
    {"default-code", "{'task':'code','body':{'messages':[{'role':'user','content':'m2'}]}}",
     "{'model':'deepseek-ai/DeepSeek-V4-Flash-0731','messages':[{'role':'user','content':'m2'}]}"},
    {"default-embedding", "{'task':'embedding','body':{'input':'m3'}}",
     "{'model':'intfloat/multilingual-e5-large-instruct','input':'m3'}"},
    {"short-messages",
     "{'task':'chat','messages':[{'role':'user','content':'m4'}],'temperature':0.50}",
     "{'model':'Qwen/Qwen3.5-9B','messages':[{'role':'user','content':'m4'}],'temperature':0.50}"},
    {"short-prompt",
     "{'task':'chat','prompt':'m5','model':'openai/gpt-oss-20b','max_tokens':7,"
     "'allow_cached':false}",
     "{'model':'openai/gpt-oss-20b','messages':[{'role':'user','content':'m5'}],'max_tokens':7}"},
    {"short-completion", "{'task':'completion','prompt':'m6'}",
     "{'model':'Qwen/Qwen3.5-9B','prompt':'m6'}"},
    {"short-code", "{'task':'code','prompt':'m7','model':'Qwen/Qwen3-Coder-Next-FP8'}",
     "{'model':'Qwen/Qwen3-Coder-Next-FP8','prompt':'m7'}"},
    {"short-image", "{'task':'image','prompt':'m8'}",
     "{'model':'black-forest-labs/FLUX.1-schnell','prompt':'m8'}"},
    {"short-embedding", "{'task':'embedding','input':['m9','x']}",
     "{'model':'intfloat/multilingual-e5-large-instruct','input':['m9','x']}"},
    {"short-rerank", "{'task':'rerank','query':'m10','documents':['a']}",
     "{'model':'mixedbread-ai/Mxbai-Rerank-Large-V2','query':'m10','documents':['a']}"},
};

/* In the order in which they were made. */
static char *double_quoted(struct world *w, const char *text)
{
    char *copy = world_text(w, "%s", text);

    for (char *p = copy; (p = strchr(p, '\'')); p++)
        *p = '"';
    return copy;
}

START_TEST(a_missing_model_is_put_in_and_a_shorthand_becomes_a_body)
{
    struct world *w = world_new(.simulator = true);

    canned_answer(w, NULL,
                  "{\"choices\":[{\"message\":{\"content\":\"\"}}],\"data\":[{}],\"results\":[]}");
    world_start_both(w, canned_provider(w));
    for (size_t i = 0; i < ARRAY_LEN(formed); i++)
        facts_push_text(
            w, double_quoted(w, world_text(w, "{'id':'%s','type':'inference','payload':%s}",
                                           formed[i].id, formed[i].payload)));
    world_wait_results(w, ARRAY_LEN(formed), 10000);
    for (size_t i = 0; i < ARRAY_LEN(formed); i++) {
        const char *sent = double_quoted(w, formed[i].sent);
        json_t *doc = world_result(w, formed[i].id)->doc;

        ck_assert_msg(json_array_size(canned_calls(w, sent)) == 1, "%s: not sent as %s",
                      formed[i].id, sent);
        ck_assert_str_eq(world_string_at(doc, "status"), "completed");
        ck_assert_str_eq(world_string_at(doc, "model"),
                         world_string_at(world_json(w, sent), "model"));
    }
    world_check_one_result_each(w, ARRAY_LEN(formed));
    world_free(w);
}
END_TEST

/* ---- the simulator's own answers ---- */

static const struct {
    const char *task, *payload, *there;
    bool has_usage;
} asked[] = {
    {"chat", "'messages':[{'role':'user','content':'What is 2 + 2?'}]", "choices.0.message.content",
     true},
    {"completion", "'prompt':'Once upon','max_tokens':20", "choices.0.text", true},
    {"code", "'prompt':'int main'", "choices.0.text", true},
    {"embedding", "'input':['one text','another one']", "data.1.embedding.0", false},
    {"image", "'prompt':'a cat'", "data.0.url", false},
    {"rerank", "'query':'red','documents':['blue','red thing']", "results.0.index", true},
};

START_TEST(all_tasks_are_answered_and_their_bill_agrees)
{
    struct world *w = world_new(.simulator = true);
    struct money m;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++)
        world_push(w,
                   "{'id':'%s','type':'inference','tenant':'acme','tags':{'team':'t'},"
                   "'payload':{'task':'%s',%s}}",
                   asked[i].task, asked[i].task, asked[i].payload);
    world_wait_results(w, ARRAY_LEN(asked), 10000);
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        json_t *doc = world_result(w, asked[i].task)->doc;
        json_t *costs = facts_costs(w, asked[i].task), *cost = json_array_get(costs, 0);

        ck_assert_str_eq(world_string_at(doc, "status"), "completed");
        ck_assert_msg(world_at(json_object_get(doc, "output"), asked[i].there), "%s has no %s",
                      asked[i].task, asked[i].there);
        ck_assert_msg((world_int_at(doc, "usage.prompt_tokens") > 0) == asked[i].has_usage,
                      "%s: %s", asked[i].task, facts_result_text(w, asked[i].task));
        ck_assert_int_eq(json_array_size(costs), 1);
        ck_assert_int_gt(world_int_at(cost, "cost_nanousd"), 0);
        ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), world_int_at(doc, "cost_nanousd"));
        ck_assert_str_eq(world_string_at(cost, "model"), world_string_at(doc, "model"));
        ck_assert_str_eq(world_string_at(cost, "tenant"), "acme");
        ck_assert_str_eq(world_string_at(cost, "tags.team"), "t");
        /* embeddings come without usage */
        ck_assert_int_eq(facts_flagged(cost, "estimated"), !strcmp(asked[i].task, "embedding"));
        ck_assert_int_eq(json_array_size(json_object_get(cost, "flags")),
                         facts_flagged(cost, "estimated"));
    }
    world_check_one_result_each(w, ARRAY_LEN(asked));
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    world_free(w);
}
END_TEST

START_TEST(a_trace_goes_on_to_the_provider_and_the_webhook)
{
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct world *w = world_new(.simulator = true);
    json_t *hooks;

    canned_answer(w, "messages", canned_chat);
    world_start_both(w, canned_provider(w));
    world_push(w,
               "{'id':'a','type':'inference','traceparent':'%s','webhook':{'url':'%s'},"
               "'payload':{'task':'chat','prompt':'Hi'}}",
               trace, world_hook_url(w, "done"));
    WAIT_UNTIL(w, 10000, json_array_size(hooks = world_hooks(w)) == 2);
    ck_assert_str_eq(world_string_at(hooks, "0.headers.traceparent"), trace);
    ck_assert_str_eq(world_string_at(hooks, "1.headers.traceparent"), trace);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(large_bodies_and_answers_come_through_whole)
{
    enum { TEXT_BYTES = 600000 };
    struct world *w = world_new(.simulator = true);
    char *text = world_text(w, "%0*d", TEXT_BYTES, 7), *answer;

    answer = world_text(w, "{\"choices\":[{\"message\":{\"content\":\"%s\"}}]}", text);
    canned_answer(w, "big", answer);
    world_start_both(w, canned_provider(w));
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'big %s'}}",
               text);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_ptr_nonnull(strstr(facts_result_text(w, "a"), answer));
    ck_assert_int_gt(world_int_at(world_hooks(w), "0.body_bytes"), TEXT_BYTES);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* Some providers cut a text at max_tokens wherever it is, even amid a character; what is paid is
 * not thrown away for it. */
START_TEST(an_answer_that_was_cut_amid_a_character_is_good_but_for_that)
{
    static const char form[] = "{\"choices\":[{\"message\":{\"content\":\"so \\ud83d\\ude00 %s\"},"
                               "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":4,"
                               "\"completion_tokens\":3}}";
    struct world *w = world_new(.simulator = true);
    json_t *costs;

    canned_answer(w, "Say", world_text(w, form, "\\ud83d"));
    world_start_both(w, canned_provider(w));
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'Say','model':"
                  "'moonshotai/Kimi-K3','max_tokens':3}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_ptr_nonnull(strstr(facts_result_text(w, "a"), world_text(w, form, "\\ufffd")));
    ck_assert_uint_eq(json_array_size(canned_calls(w, "Say")), 1);
    costs = facts_costs(w, "a");
    ck_assert_uint_eq(json_array_size(costs), 1);
    ck_assert_uint_eq(json_array_size(world_at(json_array_get(costs, 0), "flags")), 0);
    ck_assert_int_eq(world_int_at(json_array_get(costs, 0), "cost_nanousd"), 4 * 3000 + 3 * 15000);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_model_whose_name_has_json_escapes_is_called_and_priced)
{
    struct world *w = world_new(.simulator = true);
    struct money m;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','body':{"
                  "'model':'Qwen\\/Qwen3.5-9B','messages':[{'role':'user','content':'Hi'}]}}}");
    world_push(w, "{'id':'b','type':'inference','payload':{'task':'chat','prompt':'Hi',"
                  "'model':'\\u0051wen\\/Qwen3.5-9B'}}");
    world_wait_results(w, 2, 10000);
    for (int i = 0; i < 2; i++) {
        const struct result *r = world_result(w, i ? "b" : "a");

        ck_assert_str_eq(r->status, "completed");
        ck_assert_str_eq(world_string_at(r->doc, "model"), "Qwen/Qwen3.5-9B");
    }
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_gt(m.billed_nanousd, 0);
    world_free(w);
}
END_TEST

Suite *test_tasks(void)
{
    Suite *s = suite_create("tasks");
    TCase *tc = tcase_create("tasks");

    tcase_add_test(tc, bodies_go_out_and_answers_come_back_byte_for_byte);
    tcase_add_test(tc, a_missing_model_is_put_in_and_a_shorthand_becomes_a_body);
    tcase_add_test(tc, all_tasks_are_answered_and_their_bill_agrees);
    tcase_add_test(tc, a_trace_goes_on_to_the_provider_and_the_webhook);
    tcase_add_test(tc, large_bodies_and_answers_come_through_whole);
    tcase_add_test(tc, an_answer_that_was_cut_amid_a_character_is_good_but_for_that);
    tcase_add_test(tc, a_model_whose_name_has_json_escapes_is_called_and_priced);
    suite_add_tcase(s, tc);
    return s;
}
