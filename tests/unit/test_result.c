/* test_result.c - the result document, byte for byte. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/queue/result.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

static struct buf out = {.max_bytes = 1 << 20};

static void teardown(void) { buf_done(&out); }

START_TEST(writes_the_contract_s_example_byte_for_byte)
{
    const struct result r = {.id = "order-4711",
                             .run = 1,
                             .type = JOB_INFERENCE,
                             .status = JOB_STATE_COMPLETED,
                             .attempts = 1,
                             .tenant = SPAN("\"acme\""),
                             .tags = SPAN("{\"team\": \"search\"}"),
                             .model = SPAN("Qwen/Qwen3.5-9B"),
                             .provider = "together",
                             .output = SPAN("{\"seed\": 18446744073709551615.0}"),
                             .has_usage = true,
                             .prompt_tokens = 9,
                             .completion_tokens = 3,
                             .cost_nanousd = 2280,
                             .submitted_ms = 1790000000000,
                             .started_ms = 1790000000004,
                             .finished_ms = 1790000000650};

    result_write(&r, &out);
    ck_assert_str_eq(
        out.p, "{\"id\":\"order-4711\",\"run\":1,\"type\":\"inference\",\"status\":\"completed\","
               "\"attempts\":1,"
               "\"tenant\":\"acme\",\"tags\":{\"team\": \"search\"},\"model\":\"Qwen/Qwen3.5-9B\","
               "\"provider\":\"together\",\"cached\":false,"
               "\"output\":{\"seed\": 18446744073709551615.0},"
               "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"cached_tokens\":0},"
               "\"cost_nanousd\":2280,\"cost_usd\":0.00000228,\"error\":null,"
               "\"submitted_at\":1790000000000,\"started_at\":1790000000004,"
               "\"finished_at\":1790000000650}");
}
END_TEST

START_TEST(a_structured_answer_stands_beside_the_output)
{
    const struct result r = {.id = "a",
                             .status = JOB_STATE_COMPLETED,
                             .output = SPAN("{}"),
                             .structured = SPAN("{\"a\": 1}")};

    result_write(&r, &out);
    buf_putc(&out, '\0');
    ck_assert_ptr_nonnull(strstr(out.p, "\"output\":{},\"structured\":{\"a\": 1},\"usage\""));
}
END_TEST

START_TEST(a_rejection_says_under_which_id_it_came_and_why)
{
    struct err err = {0};
    struct result r = {.id = "0199-made",
                       .submitted_id = "bad id\"",
                       .submitted = SPAN("\x1f\xff'"),
                       .run = 1,
                       .status = JOB_STATE_REJECTED,
                       .err = &err,
                       .submitted_ms = 5,
                       .finished_ms = 6};

    err_set(&err, ERR_INVALID, "type: required, but missing; got \"x\"");
    result_write(&r, &out);
    ck_assert_str_eq(
        out.p,
        "{\"id\":\"0199-made\",\"submitted_id\":\"bad id\\\"\","
        "\"submitted\":\"\\u001f\xef\xbf\xbd'\",\"run\":1,\"type\":null,"
        "\"status\":\"rejected\",\"attempts\":0,\"tenant\":null,\"tags\":null,\"model\":null,"
        "\"provider\":null,\"cached\":false,\"output\":null,\"usage\":null,\"cost_nanousd\":0,"
        "\"cost_usd\":0,\"error\":{\"code\":\"invalid\",\"message\":\"type: required, but missing; "
        "got \\\"x\\\"\",\"retryable\":false,\"http_status\":null,\"provider_code\":null},"
        "\"submitted_at\":5,\"started_at\":null,\"finished_at\":6}");
}
END_TEST

START_TEST(a_failure_tells_what_the_provider_said)
{
    struct err err = {0};
    struct result r = {.id = "a", .run = 2, .type = JOB_INFERENCE, .status = JOB_STATE_FAILED};
    int64_t status;
    struct span text;

    err_set(&err, ERR_RATE_LIMITED, "429");
    r.err = &err;
    r.http_status = 429;
    r.provider_code = "dynamic_request_limited";
    result_write(&r, &out);
    text = buf_span(&out);
    ck_assert(json_valid(text.p, text.n));
    ck_assert(json_read_int(json_at(text, "error.http_status"), &status));
    ck_assert_int_eq(status, 429);
    ck_assert(json_equals(json_at(text, "error.provider_code"), "dynamic_request_limited"));
    ck_assert(json_equals(json_at(text, "error.code"), "rate_limited"));
    ck_assert_int_eq(json_at(text, "error.retryable").n, 4);
    r.provider_code = "";
    buf_clear(&out);
    result_write(&r, &out);
    ck_assert(json_absent(json_at(buf_span(&out), "error.provider_code")));
}
END_TEST

START_TEST(what_others_wrote_is_escaped_so_that_the_document_stays_valid)
{
    struct err err = {0};
    struct result r = {.id = "a\"\\\n",
                       .submitted_id = "\xff\x01",
                       .status = JOB_STATE_FAILED,
                       .model = SPAN("m\"\xc3\x28"),
                       .err = &err,
                       .provider_code = "\x7f\xc3"};
    char text[200];

    err_set(&err, ERR_BAD_REQUEST, "%s", "line\nbreak \"quoted\" \xf0\x9f\x98");
    result_write(&r, &out);
    ck_assert(json_valid(out.p, out.n));
    ck_assert(json_read_text(json_at(buf_span(&out), "id"), text, sizeof text));
    ck_assert_str_eq(text, "a\"\\\n");
    ck_assert(json_read_text(json_at(buf_span(&out), "error.message"), text, sizeof text));
    ck_assert(strncmp(text, "line\nbreak \"quoted\" ", 20) == 0);
}
END_TEST

static const struct {
    int64_t nanousd;
    const char *usd;
} money[] = {
    {0, "0"},          {1, "0.000000001"},  {2280, "0.00000228"},
    {1000000000, "1"}, {1500000000, "1.5"}, {123456789012345678, "123456789.012345678"},
};

START_TEST(money_is_exact_in_both_units)
{
    struct result r = {.id = "a", .status = JOB_STATE_COMPLETED, .cost_nanousd = money[_i].nanousd};
    struct span usd;

    result_write(&r, &out);
    usd = json_at(buf_span(&out), "cost_usd");
    ck_assert_uint_eq(usd.n, strlen(money[_i].usd));
    ck_assert_mem_eq(usd.p, money[_i].usd, usd.n);
}
END_TEST

START_TEST(takes_from_record_and_document_what_they_know)
{
    static const char doc[] =
        "{\"type\":\"noop\",\"payload\":{},\"tenant\":\"t1\",\"tags\":{\"a\":\"b\"}}";
    const struct job_defaults d = {.max_attempts = 3};
    const struct record rec = {.run = 2,
                               .attempts = 3,
                               .type = JOB_NOOP,
                               .state = JOB_STATE_ACTIVE,
                               .submitted_ms = 10,
                               .started_ms = 20};
    struct job job;
    struct result r;

    ck_assert(job_read(SPAN(doc), &d, &job));
    result_from(&r, "x", &rec, &job, (struct span){NULL, 0});
    ck_assert_str_eq(r.id, "x");
    ck_assert_int_eq(r.run, 2);
    ck_assert_int_eq(r.attempts, 3);
    ck_assert_int_eq(r.type, JOB_NOOP);
    ck_assert(json_equals(r.tenant, "t1"));
    ck_assert_uint_eq(r.tags.n, strlen("{\"a\":\"b\"}"));
    ck_assert_int_eq(r.submitted_ms, 10);
    ck_assert_int_eq(r.started_ms, 20);
    ck_assert_int_eq(r.finished_ms, 0);
}
END_TEST

static const struct {
    enum job_state state;
    const char *tail;
    int64_t cost;
} tails[] = {
    {JOB_STATE_READY, "", 0},
    {JOB_STATE_READY, "{\"cost\":1234}", 1234},
    {JOB_STATE_ACTIVE, "{\"cost\":7,\"data\":{\"cost\":9}}", 7},
    {JOB_STATE_ACTIVE, "{\"data\":{\"cost\":9}}", 0},
    {JOB_STATE_COMPLETED, "{\"cost\":1234}", 0}, /* that is a result */
};

START_TEST(what_earlier_calls_cost_stands_behind_the_document)
{
    static const char doc[] = "{\"type\":\"noop\",\"payload\":{}}";
    const struct job_defaults d = {.max_attempts = 3};
    struct record rec = {.run = 1, .state = tails[_i].state, .doc_bytes = strlen(doc)};
    char bytes[512];
    struct job job;
    struct result r;
    int n;

    memset(bytes, '0', RECORD_HEADER);
    n = RECORD_HEADER +
        snprintf(bytes + RECORD_HEADER, sizeof bytes - RECORD_HEADER, "%s%s", doc, tails[_i].tail);
    ck_assert(job_read(SPAN(doc), &d, &job));
    result_from(&r, "x", &rec, &job, (struct span){bytes, (size_t)n});
    ck_assert_int_eq(r.cost_nanousd, tails[_i].cost);
}
END_TEST

START_TEST(a_buffer_that_is_too_small_fails_once_and_for_all)
{
    struct buf small = BUF(100);
    struct result r = {.id = "a", .status = JOB_STATE_COMPLETED};

    result_write(&r, &small);
    ck_assert(buf_failed(&small));
    buf_done(&small);
}
END_TEST

Suite *test_result(void);
Suite *test_result(void)
{
    Suite *s = suite_create("test_result");
    TCase *tc = tcase_create("result");

    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_test(tc, writes_the_contract_s_example_byte_for_byte);
    tcase_add_test(tc, a_structured_answer_stands_beside_the_output);
    tcase_add_test(tc, a_rejection_says_under_which_id_it_came_and_why);
    tcase_add_test(tc, a_failure_tells_what_the_provider_said);
    tcase_add_test(tc, what_others_wrote_is_escaped_so_that_the_document_stays_valid);
    tcase_add_loop_test(tc, money_is_exact_in_both_units, 0, (int)ARRAY_LEN(money));
    tcase_add_loop_test(tc, what_earlier_calls_cost_stands_behind_the_document, 0,
                        (int)ARRAY_LEN(tails));
    tcase_add_test(tc, takes_from_record_and_document_what_they_know);
    tcase_add_test(tc, a_buffer_that_is_too_small_fails_once_and_for_all);
    suite_add_tcase(s, tc);
    return s;
}
