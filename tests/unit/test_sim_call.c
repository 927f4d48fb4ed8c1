/* test_sim_call.c - what the simulator answers to whole requests: status, text, usage, bill. */
#include <string.h>

#include "common/core/xalloc.h"
#include "tests/unit/sim_scene.h"

/* ---- what is answered ---- */

static const struct {
    const char *path, *body;
    int status;
    const char *code; /* error.code; NULL: no error, "": null */
} answers[] = {
    {CHAT, "{" BIG "," HI "}", 200, NULL},
    {"/chat/completions", "{" BIG "," HI "}", 200, NULL},
    {CHAT, "{" BIG "," HI ",\"n\":3,\"max_tokens\":5}", 200, NULL},
    {CHAT,
     "{" BIG
     ",\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"}]}]}",
     200, NULL},
    {CHAT, "{" BIG ",\"messages\":[{\"role\":\"assistant\",\"content\":null}]}", 200, NULL},
    {"/v1/completions", "{" BIG ",\"prompt\":\"Hi\"}", 200, NULL},
    {"/v1/responses", "{}", 404, ""},
    {CHAT, "", 400, ""},
    {CHAT, "{bad", 400, ""},
    {CHAT, "[]", 400, ""},
    {CHAT, "{" HI "}", 400, ""},
    {CHAT, "{\"model\":7," HI "}", 400, ""},
    {CHAT, "{" BIG "}", 400, ""},
    {CHAT, "{" BIG ",\"messages\":[]}", 400, ""},
    {CHAT, "{" BIG ",\"messages\":{}}", 400, ""},
    {CHAT, "{" BIG ",\"messages\":[\"Hi\"]}", 400, ""},
    {CHAT, "{" BIG ",\"messages\":[{\"content\":\"Hi\"}]}", 400, ""},
    {CHAT, "{" BIG ",\"messages\":[{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[]}]}",
     400, ""},
    {CHAT, "{" BIG "," HI ",\"max_tokens\":0}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"max_tokens\":\"5\"}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"n\":129}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"stream\":1}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"max_tokens\":262143}", 403, ""},
    {CHAT, "{" BIG "," HI ",\"max_tokens\":262142}", 200, NULL},
    {CHAT,
     "{" BIG "," HI ",\"max_tokens\":262143,\"context_length_exceeded_behavior\":\"truncate\"}",
     200, NULL},
    {CHAT, "{" BIG "," HI ",\"temperature\":\"hot\"}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"temperature\":0.5,\"top_p\":null,\"seed\":18446744073709551615}", 200,
     NULL},
    {CHAT, "{" BIG "," HI ",\"seed\":[]}", 400, ""},
    {CHAT, "{" BIG "," HI ",\"logprobs\":21}", 400, ""},
    {CHAT, "{\"model\":\"Qwen\\/Qwen3.5-9B\"," HI "}", 200, NULL},
    {CHAT, "{\"model\":\"\\u0051wen\\/Qwen3.5-9B\"," HI "}", 200, NULL},
    {CHAT, "{\"model\":\"acme\\/none\"," HI "}", 404, "model_not_available"},
    {CHAT, "{\"model\":\"acme/none\"," HI "}", 404, "model_not_available"},
    {CHAT, "{\"model\":\"meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo\"," HI "}", 400,
     "model_not_available"},
    {CHAT, "{\"model\":\"black-forest-labs/FLUX.1-schnell\"," HI "}", 400, "model_not_available"},
    {"/v1/embeddings", "{" BIG ",\"input\":\"a\"}", 400, "model_not_available"},
    {"/v1/embeddings",
     "{\"model\":\"intfloat/multilingual-e5-large-instruct\",\"input\":[\"a\",\"b\"]}", 200, NULL},
    {"/v1/embeddings", "{\"model\":\"intfloat/multilingual-e5-large-instruct\"}", 400, ""},
    {"/v1/rerank",
     "{\"model\":\"mixedbread-ai/Mxbai-Rerank-Large-V2\",\"query\":\"a\",\"documents\":[\"a\"]}",
     200, NULL},
    {"/v1/rerank",
     "{\"model\":\"mixedbread-ai/Mxbai-Rerank-Large-V2\",\"query\":\"a\",\"documents\":[]}", 400,
     ""},
    {"/v1/images/generations",
     "{\"model\":\"black-forest-labs/FLUX.1-schnell\",\"prompt\":\"cat\",\"n\":5}", 400, ""},
    {"/v1/images/generations",
     "{\"model\":\"black-forest-labs/FLUX.1-schnell\",\"prompt\":\"cat\",\"n\":4}", 200, NULL},
};

START_TEST(answers_with_the_providers_status_and_code)
{
    struct span body = sim_post(answers[_i].path, answers[_i].body);

    ck_assert_msg(call.reply.status == answers[_i].status, "row %d: %d %.*s", _i, call.reply.status,
                  (int)body.n, body.p);
    ck_assert(json_valid(body.p, body.n));
    if (answers[_i].code && *answers[_i].code)
        check_text_at(body, "error.code", answers[_i].code);
    else if (answers[_i].code)
        ck_assert(json_at(body, "error.message").n && json_absent(json_at(body, "error.code")));
    else
        ck_assert_ptr_null(json_at(body, "error").p);
}
END_TEST

static const struct {
    const char *require, *header, *path;
    int status;
} keys[] = {
    {NULL, "", CHAT, 200},
    {NULL, "Authorization: Bearer any\r\n", CHAT, 200},
    {"secret", "Authorization: Bearer secret\r\n", CHAT, 200},
    {"secret", "authorization: bearer secret\r\n", CHAT, 200},
    {"secret", "", CHAT, 401},
    {"secret", "Authorization: Bearer secre\r\n", CHAT, 401},
    {"secret", "Authorization: Bearer secrets\r\n", CHAT, 401},
    {"secret", "Authorization: Basic secret\r\n", CHAT, 401},
};

START_TEST(accepts_the_key_that_is_required)
{
    struct span body;

    sim.require_key = keys[_i].require;
    body = sim_request("POST", keys[_i].path, keys[_i].header, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, keys[_i].status);
    if (keys[_i].status == 401)
        check_text_at(body, "error.code", "invalid_api_key");
}
END_TEST

START_TEST(models_says_unauthorized_in_its_own_way)
{
    struct span body;

    sim.require_key = "secret";
    body = sim_request("GET", "/v1/models", "", "");
    ck_assert_int_eq(call.reply.status, 401);
    ck_assert_str_eq(body.p, "{\"error\":{\"message\":\"Unauthorized\"}}");
}
END_TEST

/* ---- answers ---- */

START_TEST(the_same_request_gets_the_same_text_and_another_one_another)
{
    char first[256], second[256], other[256];

    ck_assert(
        json_read_text(json_at(sim_post(CHAT, "{" BIG "," HI "}"), "choices.0.message.content"),
                       first, sizeof(first)));
    ck_assert(json_read_text(
        json_at(sim_post(CHAT, "{" HI ",\"seed\":1," BIG "}"), "choices.0.message.content"), second,
        sizeof(second)));
    ck_assert(
        json_read_text(json_at(sim_post(CHAT, "{" LLAMA "," HI "}"), "choices.0.message.content"),
                       other, sizeof(other)));
    ck_assert_str_eq(first, second);
    ck_assert_str_ne(first, other);
    ck_assert_uint_ge(strlen(first), 20);
}
END_TEST

START_TEST(usage_is_what_the_ledger_bills)
{
    struct span body = sim_post(CHAT, "{" OSS ",\"n\":2," HI "}");
    int64_t prompt = number_at(body, "usage.prompt_tokens");
    int64_t completion = number_at(body, "usage.completion_tokens");

    ck_assert_int_eq(prompt, 2); /* "Hi there": 8 bytes */
    ck_assert_int_eq(number_at(body, "usage.total_tokens"), prompt + completion);
    ck_assert_int_gt(number_at(body, "usage.reasoning_tokens"), 0);
    ck_assert_int_eq(sim.ledger.items[0].completion_tokens, completion);
    ck_assert_int_eq(sim.ledger.billed_nanousd, prompt * 50 + completion * 200);
    ck_assert_int_eq(sim.ledger.requests, 1);
    ck_assert_int_eq(sim.ledger.in_flight, 0);
}
END_TEST

START_TEST(cached_tokens_are_told_and_billed_at_their_price)
{
    struct err err = {0};
    struct span body;

    sim_model_find(&sim.models, (struct span){"moonshotai/Kimi-K3", 18})->cached_percent = 50;
    body = sim_post(CHAT, "{\"model\":\"moonshotai/Kimi-K3\",\"max_tokens\":1," HI "}");
    ck_assert_int_eq(number_at(body, "usage.prompt_tokens_details.cached_tokens"), 1);
    ck_assert_int_eq(sim.ledger.billed_nanousd, 3000 + 300 + 15000);
    ck_assert(sim_reset(&sim, &err));
    ck_assert_int_eq(sim.ledger.billed_nanousd, 0);
}
END_TEST

START_TEST(max_tokens_cuts_and_says_length)
{
    struct span body = sim_post(CHAT, "{" BIG ",\"max_tokens\":2," HI "}");
    char text[64];

    ck_assert(json_read_text(json_at(body, "choices.0.message.content"), text, sizeof(text)));
    ck_assert_uint_eq(strlen(text), 8);
    check_text_at(body, "choices.0.finish_reason", "length");
    ck_assert_int_eq(number_at(body, "usage.completion_tokens"), 2);
}
END_TEST

START_TEST(max_tokens_may_end_inside_the_reasoning)
{
    struct span body = sim_post(CHAT, "{" OSS ",\"max_tokens\":2," HI "}");

    check_text_at(body, "choices.0.message.content", "");
    check_text_at(body, "choices.0.message.reasoning", "The user");
    check_text_at(body, "choices.0.finish_reason", "length");
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
    struct span body;

    sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15})->answer =
        xstrdup("abcd123\xe6\x9d\xb1");
    body = sim_post(CHAT, "{" BIG ",\"max_tokens\":2," HI "}");
    check_text_at(body, "choices.0.message.content", "abcd123");
}
END_TEST

START_TEST(json_is_answered_when_it_is_asked_for)
{
    static const char schema[] =
        "{" BIG "," HI
        ",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\","
        "\"schema\":{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":3}"
        ","
        "\"tags\":{\"type\":\"array\",\"minItems\":2,\"items\":{\"enum\":[\"a\"]}}}}}}}";
    struct buf text = BUF(10000);
    struct span body = sim_post(CHAT, schema);

    ck_assert(json_read_string(json_at(body, "choices.0.message.content"), &text));
    ck_assert_str_eq(text.p, "{\"n\":3,\"tags\":[\"a\",\"a\"]}");
    buf_clear(&text);
    body = sim_post(CHAT, "{" BIG "," HI ",\"response_format\":{\"type\":\"json_object\"}}");
    ck_assert(json_read_string(json_at(body, "choices.0.message.content"), &text));
    ck_assert(json_at(buf_span(&text), "answer").n > 20);
    buf_done(&text);
}
END_TEST

START_TEST(a_function_is_called_when_one_is_required)
{
    struct span body =
        sim_post(CHAT, "{" BIG "," HI ",\"tool_choice\":\"required\",\"tools\":[{\"type\":"
                       "\"function\",\"function\":{\"name\":\"w\",\"parameters\":{\"type\":"
                       "\"object\",\"properties\":{\"k\":{\"const\":1}}}}}]}");

    check_text_at(body, "choices.0.finish_reason", "tool_calls");
    ck_assert(json_absent(json_at(body, "choices.0.message.content")));
    check_text_at(body, "choices.0.message.tool_calls.0.function.name", "w");
}
END_TEST

START_TEST(an_upgraded_model_answers_and_bills_under_its_new_id)
{
    struct span body;

    sim_model_find(&sim.models, (struct span){"zai-org/GLM-5.2", 15})->redirect =
        xstrdup("zai-org/GLM-5.3");
    body = sim_post(CHAT, "{\"model\":\"zai-org/GLM-5.2\"," HI "}");
    check_text_at(body, "model", "zai-org/GLM-5.3");
    ck_assert_str_eq(sim.ledger.items[0].model->id, "zai-org/GLM-5.3");
}
END_TEST

Suite *test_sim_call(void);
Suite *test_sim_call(void)
{
    Suite *s = suite_create("test_sim_call");
    TCase *tc = tcase_create("call");

    tcase_add_checked_fixture(tc, sim_scene_open, sim_scene_close);
    tcase_add_loop_test(tc, answers_with_the_providers_status_and_code, 0, (int)ARRAY_LEN(answers));
    tcase_add_loop_test(tc, accepts_the_key_that_is_required, 0, (int)ARRAY_LEN(keys));
    tcase_add_test(tc, models_says_unauthorized_in_its_own_way);
    tcase_add_test(tc, the_same_request_gets_the_same_text_and_another_one_another);
    tcase_add_test(tc, usage_is_what_the_ledger_bills);
    tcase_add_test(tc, cached_tokens_are_told_and_billed_at_their_price);
    tcase_add_test(tc, max_tokens_cuts_and_says_length);
    tcase_add_test(tc, max_tokens_may_end_inside_the_reasoning);
    tcase_add_test(tc, a_cut_never_splits_a_character);
    tcase_add_test(tc, json_is_answered_when_it_is_asked_for);
    tcase_add_test(tc, a_function_is_called_when_one_is_required);
    tcase_add_test(tc, an_upgraded_model_answers_and_bills_under_its_new_id);
    suite_add_tcase(s, tc);
    return s;
}
