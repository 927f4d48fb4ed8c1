/* test_sim_call.c - whole requests through the simulator, without a socket. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "tests/sim/sim.h"

#define BIG   "\"model\":\"Qwen/Qwen3.5-9B\""
#define OSS   "\"model\":\"openai/gpt-oss-20b\""
#define LLAMA "\"model\":\"meta-llama/Llama-3.3-70B-Instruct-Turbo\""
#define HI    "\"messages\":[{\"role\":\"user\",\"content\":\"Hi there\"}]"
#define CHAT  "/v1/chat/completions"

static struct sim sim;
static struct sim_call call;

static void setup(void)
{
    struct err err = {0};

    sim = (struct sim){.port = 80};
    ck_assert(sim_init(&sim, 0, &err));
    sim_call_init(&call, &sim);
}

static void teardown(void)
{
    sim_call_done(&call);
    sim_done(&sim);
}

/* Send it, get the body; the ledger is closed as delivered. */
static struct span ask_with(const char *method, const char *path, const char *headers,
                            const char *body)
{
    static char *text;
    size_t n = strlen(body);
    int len;

    free(text);
    len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method,
                   path, headers, n, body);
    sim_http_init(&call.http);
    ck_assert_int_eq(sim_http_parse(&call.http, text, (size_t)len), SIM_HTTP_DONE);
    sim_call_run(&call, text);
    sim_call_end(&call, true);
    return buf_span(&call.reply.body);
}

static struct span ask(const char *path, const char *body)
{
    return ask_with("POST", path, "", body);
}

static int64_t number(struct span doc, const char *path)
{
    int64_t v = -1;

    ck_assert_msg(json_read_int(json_at(doc, path), &v), "no %s in %.*s", path, (int)doc.n, doc.p);
    return v;
}

static void check_string(struct span doc, const char *path, const char *text)
{
    ck_assert_msg(json_equals(json_at(doc, path), text), "%s is not %s in %.*s", path, text,
                  (int)doc.n, doc.p);
}

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
    struct span body = ask(answers[_i].path, answers[_i].body);

    ck_assert_msg(call.reply.status == answers[_i].status, "row %d: %d %.*s", _i, call.reply.status,
                  (int)body.n, body.p);
    ck_assert(json_valid(body.p, body.n));
    if (answers[_i].code && *answers[_i].code)
        check_string(body, "error.code", answers[_i].code);
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
    body = ask_with("POST", keys[_i].path, keys[_i].header, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, keys[_i].status);
    if (keys[_i].status == 401)
        check_string(body, "error.code", "invalid_api_key");
}
END_TEST

START_TEST(models_says_unauthorized_in_its_own_way)
{
    struct span body;

    sim.require_key = "secret";
    body = ask_with("GET", "/v1/models", "", "");
    ck_assert_int_eq(call.reply.status, 401);
    ck_assert_str_eq(body.p, "{\"error\":{\"message\":\"Unauthorized\"}}");
}
END_TEST

/* ---- answers ---- */

START_TEST(the_same_request_gets_the_same_text_and_another_one_another)
{
    char first[256], second[256], other[256];

    ck_assert(json_read_text(json_at(ask(CHAT, "{" BIG "," HI "}"), "choices.0.message.content"),
                             first, sizeof(first)));
    ck_assert(json_read_text(
        json_at(ask(CHAT, "{" HI ",\"seed\":1," BIG "}"), "choices.0.message.content"), second,
        sizeof(second)));
    ck_assert(json_read_text(json_at(ask(CHAT, "{" LLAMA "," HI "}"), "choices.0.message.content"),
                             other, sizeof(other)));
    ck_assert_str_eq(first, second);
    ck_assert_str_ne(first, other);
    ck_assert_uint_ge(strlen(first), 20);
}
END_TEST

START_TEST(usage_is_what_the_ledger_bills)
{
    struct span body = ask(CHAT, "{" OSS ",\"n\":2," HI "}");
    int64_t prompt = number(body, "usage.prompt_tokens");
    int64_t completion = number(body, "usage.completion_tokens");

    ck_assert_int_eq(prompt, 2); /* "Hi there": 8 bytes */
    ck_assert_int_eq(number(body, "usage.total_tokens"), prompt + completion);
    ck_assert_int_gt(number(body, "usage.reasoning_tokens"), 0);
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
    body = ask(CHAT, "{\"model\":\"moonshotai/Kimi-K3\",\"max_tokens\":1," HI "}");
    ck_assert_int_eq(number(body, "usage.prompt_tokens_details.cached_tokens"), 1);
    ck_assert_int_eq(sim.ledger.billed_nanousd, 3000 + 300 + 15000);
    ck_assert(sim_reset(&sim, &err));
    ck_assert_int_eq(sim.ledger.billed_nanousd, 0);
}
END_TEST

START_TEST(max_tokens_cuts_and_says_length)
{
    struct span body = ask(CHAT, "{" BIG ",\"max_tokens\":2," HI "}");
    char text[64];

    ck_assert(json_read_text(json_at(body, "choices.0.message.content"), text, sizeof(text)));
    ck_assert_uint_eq(strlen(text), 8);
    check_string(body, "choices.0.finish_reason", "length");
    ck_assert_int_eq(number(body, "usage.completion_tokens"), 2);
}
END_TEST

START_TEST(max_tokens_may_end_inside_the_reasoning)
{
    struct span body = ask(CHAT, "{" OSS ",\"max_tokens\":2," HI "}");

    check_string(body, "choices.0.message.content", "");
    check_string(body, "choices.0.message.reasoning", "The user");
    check_string(body, "choices.0.finish_reason", "length");
}
END_TEST

START_TEST(a_cut_never_splits_a_character)
{
    struct span body;

    sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15})->answer =
        xstrdup("abcd123\xe6\x9d\xb1");
    body = ask(CHAT, "{" BIG ",\"max_tokens\":2," HI "}");
    check_string(body, "choices.0.message.content", "abcd123");
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
    struct span body = ask(CHAT, schema);

    ck_assert(json_read_string(json_at(body, "choices.0.message.content"), &text));
    ck_assert_str_eq(text.p, "{\"n\":3,\"tags\":[\"a\",\"a\"]}");
    buf_clear(&text);
    body = ask(CHAT, "{" BIG "," HI ",\"response_format\":{\"type\":\"json_object\"}}");
    ck_assert(json_read_string(json_at(body, "choices.0.message.content"), &text));
    ck_assert(json_at(buf_span(&text), "answer").n > 20);
    buf_done(&text);
}
END_TEST

START_TEST(a_function_is_called_when_one_is_required)
{
    struct span body =
        ask(CHAT, "{" BIG "," HI ",\"tool_choice\":\"required\",\"tools\":[{\"type\":"
                  "\"function\",\"function\":{\"name\":\"w\",\"parameters\":{\"type\":"
                  "\"object\",\"properties\":{\"k\":{\"const\":1}}}}}]}");

    check_string(body, "choices.0.finish_reason", "tool_calls");
    ck_assert(json_absent(json_at(body, "choices.0.message.content")));
    check_string(body, "choices.0.message.tool_calls.0.function.name", "w");
}
END_TEST

START_TEST(an_upgraded_model_answers_and_bills_under_its_new_id)
{
    struct span body;

    sim_model_find(&sim.models, (struct span){"zai-org/GLM-5.2", 15})->redirect =
        xstrdup("zai-org/GLM-5.3");
    body = ask(CHAT, "{\"model\":\"zai-org/GLM-5.2\"," HI "}");
    check_string(body, "model", "zai-org/GLM-5.3");
    ck_assert_str_eq(sim.ledger.items[0].model->id, "zai-org/GLM-5.3");
}
END_TEST

/* ---- streams ---- */

/* All data lines of the last answer: texts joined, chunks counted, finish and usage noted. */
struct heard {
    struct buf text;
    int chunks, empty_choices;
    bool finish, done, finish_with_usage;
    int64_t completion_tokens;
};

static void hear(struct heard *h, struct span line)
{
    struct span usage = json_at(line, "usage"), finish = json_at(line, "choices.0.finish_reason");

    ck_assert_msg(json_valid(line.p, line.n), "%.*s", (int)line.n, line.p);
    h->chunks++;
    h->empty_choices += json_at(line, "choices").n == 2;
    h->finish |= !json_absent(finish);
    h->finish_with_usage |= !json_absent(finish) && !json_absent(usage);
    if (!json_absent(usage))
        h->completion_tokens = number(usage, "completion_tokens");
    if (json_at(line, "choices.0.delta.content").n)
        ck_assert(json_read_string(json_at(line, "choices.0.delta.content"), &h->text));
}

static void hear_all(struct heard *h)
{
    const char *p = call.reply.body.p;

    *h = (struct heard){.text = BUF(100000)};
    for (size_t i = 0; i < call.reply.pieces; i++) {
        const char *end = call.reply.body.p + call.reply.ends[i];
        ck_assert(!memcmp(p, "data: ", 6) && !memcmp(end - 2, "\n\n", 2));
        if (!memcmp(p + 6, "[DONE]", 6))
            h->done = true;
        else
            hear(h, (struct span){p + 6, (size_t)(end - 2 - p - 6)});
        p = end;
    }
}

static const char *const stream_models[] = {BIG, OSS, LLAMA};

/* Ask the same, whole and streamed. */
static int64_t ask_twice(const char *model, char *whole, size_t size, struct heard *h)
{
    char body[512];
    int64_t tokens;

    snprintf(body, sizeof(body), "{%s," HI "}", model);
    ck_assert(json_read_text(json_at(ask(CHAT, body), "choices.0.message.content"), whole, size));
    tokens = number(buf_span(&call.reply.body), "usage.completion_tokens");
    snprintf(body, sizeof(body), "{%s,\"stream\":true," HI "}", model);
    ask(CHAT, body);
    hear_all(h);
    return tokens;
}

START_TEST(a_stream_says_what_a_whole_answer_says)
{
    struct heard h;
    char whole[256];
    int64_t tokens = ask_twice(stream_models[_i], whole, sizeof(whole), &h);
    bool form_b = _i == 2;

    ck_assert_str_eq(h.text.p, whole);
    ck_assert_int_eq(h.completion_tokens, tokens);
    ck_assert(call.reply.chunked && h.finish && h.done);
    ck_assert(h.empty_choices == !form_b && h.finish_with_usage == form_b);
    ck_assert_int_eq(sim.ledger.items[0].billed_nanousd, sim.ledger.items[1].billed_nanousd);
    buf_done(&h.text);
}
END_TEST

static void fault(const char *doc)
{
    struct err err = {0};

    ck_assert_msg(sim_faults_add_text(&sim.faults, (struct span){doc, strlen(doc)}, &err), "%s",
                  err.msg);
}

START_TEST(an_error_in_the_middle_of_a_stream_is_not_billed)
{
    fault("{\"fixture\":\"mid_stream_error\"}");
    ask(CHAT, "{" BIG ",\"stream\":true," HI "}");
    ck_assert_uint_eq(call.reply.pieces, 3);
    ck_assert_ptr_nonnull(strstr(call.reply.body.p + call.reply.ends[1], "\"error\""));
    ck_assert_int_eq(sim.ledger.items[0].status, 200);
    ck_assert_int_eq(sim.ledger.items[0].billed_nanousd, 0);
    ck_assert(sim.ledger.items[0].aborted);
}
END_TEST

START_TEST(what_the_client_left_is_billed_only_when_asked)
{
    sim.bill_aborted = _i == 1;
    ask(CHAT, "{" BIG "," HI "}");
    call.item = sim_ledger_open(&sim.ledger, "/chat/completions");
    sim_call_end(&call, false);
    ck_assert(sim.ledger.items[1].aborted);
    ck_assert_int_eq(sim.ledger.items[1].billed_nanousd > 0, _i == 1);
}
END_TEST

START_TEST(a_fault_bends_the_answer_it_meets)
{
    fault("{\"delay_ms\":40,\"close\":\"middle\",\"headers\":{\"x-a\":\"b\"},\"piece_bytes\":100}");
    ask(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    ck_assert_int_eq(call.reply.delay_ms, 40);
    ck_assert_int_eq(call.reply.close, SIM_CLOSE_MIDDLE);
    ck_assert_str_eq(call.reply.head.p, "x-a: b\r\n");
    ck_assert_uint_gt(call.reply.pieces, 4);
    ck_assert_uint_eq(call.reply.ends[0], 100);
    ck_assert_uint_eq(call.reply.ends[call.reply.pieces - 1], call.reply.body.n);
}
END_TEST

START_TEST(above_the_rate_it_says_429_and_when_to_come_back)
{
    struct sim_model *m = sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15});

    m->rate = (struct sim_rate){.on = true, .start_per_s = 1};
    ask(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    check_string(ask(CHAT, "{" BIG "," HI "}"), "error.type", "dynamic_request_limited");
    ck_assert_int_eq(call.reply.status, 429);
    ck_assert_ptr_nonnull(strstr(call.reply.head.p, "x-ratelimit-reset: "));
}
END_TEST

START_TEST(above_the_capacity_it_says_503)
{
    struct sim_model *m = sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15});

    m->capacity = 2;
    m->in_flight = 2;
    ask(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 503);
    m->in_flight = 1;
    ask(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    ck_assert_int_eq(m->in_flight, 1);
}
END_TEST

START_TEST(an_item_of_before_a_reset_is_not_counted_after_it)
{
    struct sim_ledger_ref ref = sim_ledger_open(&sim.ledger, "/chat/completions");
    struct sim_ledger_item item = {.status = 200, .billed_nanousd = 5};
    struct err err = {0};

    ck_assert(sim_reset(&sim, &err));
    sim_ledger_close(&sim.ledger, &ref, &item);
    ck_assert_int_eq(sim.ledger.billed_nanousd, 0);
    ck_assert_int_eq(sim.ledger.in_flight, 0);
}
END_TEST

Suite *test_sim_call(void);
Suite *test_sim_call(void)
{
    Suite *s = suite_create("test_sim_call");
    TCase *tc = tcase_create("call");

    tcase_add_checked_fixture(tc, setup, teardown);
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
    tcase_add_loop_test(tc, a_stream_says_what_a_whole_answer_says, 0,
                        (int)ARRAY_LEN(stream_models));
    tcase_add_test(tc, an_error_in_the_middle_of_a_stream_is_not_billed);
    tcase_add_loop_test(tc, what_the_client_left_is_billed_only_when_asked, 0, 2);
    tcase_add_test(tc, a_fault_bends_the_answer_it_meets);
    tcase_add_test(tc, above_the_rate_it_says_429_and_when_to_come_back);
    tcase_add_test(tc, above_the_capacity_it_says_503);
    tcase_add_test(tc, an_item_of_before_a_reset_is_not_counted_after_it);
    suite_add_tcase(s, tc);
    return s;
}
