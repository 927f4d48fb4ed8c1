#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/secret.h"
#include "common/model/model.h"
#include "worker/together/reply.h"

#define SPAN(s) ((struct span){s, strlen(s)})
#define ERROR(message, type, code)                                              \
    "{\"id\":\"om1-2-3\",\"error\":{\"message\":\"" message "\",\"type\":" type \
    ",\"param\":null,\"code\":" code "}}"

static const char html[] =
    "<!DOCTYPE html>\n<html><head>\n<title>together.ai | 524: A timeout occurred"
    "</title></head><body>...</body></html>";

/* ---- refusals ---- */

static const struct {
    int status;
    enum err_kind kind;
    const char *body, *code, *message;
} refusals[] = {
    /* every status */
    {300, ERR_BAD_ANSWER, "", "", "an empty answer"},
    {302, ERR_BAD_ANSWER, "", "", "an empty answer"},
    {304, ERR_BAD_ANSWER, "", "", "an empty answer"},
    {400, ERR_BAD_REQUEST, "{\"error\":{\"message\":\"no\"}}", "", "no"},
    {401, ERR_BAD_KEY, "{\"error\":{\"message\":\"no\"}}", "", "no"},
    {402, ERR_NO_CREDIT, "{\"error\":{\"message\":\"no\"}}", "", "no"},
    {403, ERR_FORBIDDEN, "{\"error\":{\"message\":\"no\"}}", "", "no"},
    {404, ERR_PROVIDER_NOT_FOUND, "{\"error\":{\"message\":\"no\"}}", "", "no"},
    {405, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {408, ERR_REQUEST_TIMEOUT, "", "", "an empty answer"},
    {409, ERR_REQUEST_TIMEOUT, "", "", "an empty answer"},
    {410, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {413, ERR_BODY_TOO_LARGE, "", "", "an empty answer"},
    {418, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {422, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {429, ERR_RATE_LIMITED, "", "", "an empty answer"},
    {451, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {499, ERR_BAD_REQUEST, "", "", "an empty answer"},
    {500, ERR_SERVER_ERROR, "", "", "an empty answer"},
    {501, ERR_SERVER_ERROR, "", "", "an empty answer"},
    {502, ERR_GATEWAY, "", "", "an empty answer"},
    {503, ERR_OVERLOADED, "", "", "an empty answer"},
    {504, ERR_ANSWER_LOST, "", "", "an empty answer"},
    {505, ERR_SERVER_ERROR, "", "", "an empty answer"},
    {520, ERR_ANSWER_LOST, "", "", "an empty answer"},
    {521, ERR_GATEWAY, "", "", "an empty answer"},
    {522, ERR_ANSWER_LOST, "", "", "an empty answer"},
    {523, ERR_GATEWAY, "", "", "an empty answer"},
    {524, ERR_ANSWER_LOST, "", "", "an empty answer"},
    {525, ERR_GATEWAY, "", "", "an empty answer"}, /* it had no TLS with its origin */
    {526, ERR_GATEWAY, "", "", "an empty answer"},
    {529, ERR_OVERLOADED, "", "", "an empty answer"},
    {530, ERR_GATEWAY, "", "", "an empty answer"},
    {531, ERR_SERVER_ERROR, "", "", "an empty answer"},
    {599, ERR_SERVER_ERROR, "", "", "an empty answer"},
    {600, ERR_BAD_ANSWER, "", "", "an empty answer"},
    {100, ERR_BAD_ANSWER, "", "", "an empty answer"},
    {0, ERR_BAD_ANSWER, "", "", "an empty answer"},
    /* codes that say more */
    {401, ERR_BAD_KEY,
     ERROR("Invalid API key provided.", "\"invalid_request_error\"", "\"invalid_api_key\""),
     "invalid_api_key", "Invalid API key provided."},
    {401, ERR_BAD_KEY, "{\"error\":{\"message\":\"Unauthorized\"}}", "", "Unauthorized"},
    {404, ERR_MODEL_UNAVAILABLE,
     ERROR("Unable to access model x.", "\"invalid_request_error\"", "\"model_not_available\""),
     "model_not_available", "Unable to access model x."},
    {400, ERR_MODEL_UNAVAILABLE,
     ERROR("Unable to access non-serverless model x.", "\"invalid_request_error\"",
           "\"model_not_available\""),
     "model_not_available", "Unable to access non-serverless model x."},
    {503, ERR_MODEL_UNAVAILABLE, ERROR("gone", "\"x\"", "\"model_not_available\""),
     "model_not_available", "gone"},
    {404, ERR_MODEL_UNAVAILABLE, ERROR("no", "\"x\"", "\"model_not_found\""), "model_not_found",
     "no"},
    {400, ERR_NOT_READY, ERROR("no", "null", "\"dedicated_endpoint_not_running\""),
     "dedicated_endpoint_not_running", "no"},
    {400, ERR_NOT_READY, ERROR("no", "\"endpoint_not_ready\"", "null"), "endpoint_not_ready", "no"},
    {400, ERR_BAD_REQUEST, ERROR("no", "\"x\"", "\"streaming_required\""), "streaming_required",
     "no"},
    {402, ERR_NO_CREDIT, ERROR("Credit limit exceeded", "\"credit_limit\"", "null"), "credit_limit",
     "Credit limit exceeded"},
    {429, ERR_NO_CREDIT, ERROR("Credit limit exceeded", "\"credit_limit\"", "null"), "credit_limit",
     "Credit limit exceeded"},
    {429, ERR_NO_CREDIT, ERROR("no", "\"credit_limit\"", "\"other\""), "credit_limit", "no"},
    {402, ERR_NO_CREDIT, ERROR("no", "null", "\"insufficient_balance\""), "insufficient_balance",
     "no"},
    {429, ERR_RATE_LIMITED, ERROR("slow", "\"dynamic_request_limited\"", "null"),
     "dynamic_request_limited", "slow"},
    {429, ERR_RATE_LIMITED,
     "{\"error\":{\"message\":\"slow\",\"type\":\"x\",\"error_type\":\"dynamic_token_limited\"}}",
     "dynamic_token_limited", "slow"},
    {429, ERR_RATE_LIMITED, "{\"error_type\":\"dynamic_token_limited\",\"error\":\"slow\"}",
     "dynamic_token_limited", "slow"},
    {403, ERR_FORBIDDEN, ERROR("no", "null", "\"third_party_data_sharing_blocked\""),
     "third_party_data_sharing_blocked", "no"},
    {403, ERR_FORBIDDEN, ERROR("no", "null", "\"endpoints_v1_create_access_disabled\""),
     "endpoints_v1_create_access_disabled", "no"},
    {503, ERR_OVERLOADED, ERROR("no", "null", "\"routing_error\""), "routing_error", "no"},
    {500, ERR_SERVER_ERROR, ERROR("no", "\"server_error\"", "null"), "server_error", "no"},
    {500, ERR_SERVER_ERROR, ERROR("no", "null", "500"), "500", "no"},
    /* too long a prompt: 403, and the 400 variant */
    {403, ERR_CONTEXT_LENGTH,
     ERROR("Input token count + max_tokens parameter exceeds model context length", "\"x\"",
           "null"),
     "x", "Input token count + max_tokens parameter exceeds model context length"},
    {403, ERR_CONTEXT_LENGTH, ERROR("no", "null", "\"context_length_exceeded\""),
     "context_length_exceeded", "no"},
    {400, ERR_CONTEXT_LENGTH,
     ERROR("This model's maximum Context Length is 8193 tokens.", "\"x\"", "null"), "x",
     "This model's maximum Context Length is 8193 tokens."},
    {400, ERR_BAD_REQUEST, ERROR("max_tokens must be positive", "\"x\"", "null"), "x",
     "max_tokens must be positive"},
    {422, ERR_CONTEXT_LENGTH,
     "{\"error\":{\"message\":\"`inputs` tokens + `max_new_tokens` must be <= 4097\"}}", "",
     "`inputs` tokens + `max_new_tokens` must be <= 4097"},
    {500, ERR_SERVER_ERROR, ERROR("context length", "null", "null"), "", "context length"},
    /* what money is spent, by code or type only */
    {429, ERR_NO_CREDIT, ERROR("You exceeded your current quota", "\"insufficient_quota\"", "null"),
     "insufficient_quota", "You exceeded your current quota"},
    {429, ERR_NO_CREDIT, ERROR("m", "\"x\"", "\"insufficient_quota\""), "insufficient_quota", "m"},
    {429, ERR_NO_CREDIT, ERROR("m", "\"exceeded_current_quota_error\"", "null"),
     "exceeded_current_quota_error", "m"},
    {429, ERR_RATE_LIMITED, ERROR("INSUFFICIENT QUOTA: 60 requests per minute", "\"x\"", "null"),
     "x", "INSUFFICIENT QUOTA: 60 requests per minute"},
    {429, ERR_OVERLOADED, ERROR("m", "\"engine_overloaded_error\"", "null"),
     "engine_overloaded_error", "m"},
    {498, ERR_OVERLOADED, ERROR("m", "\"x\"", "\"capacity_exceeded\""), "capacity_exceeded", "m"},
    {498, ERR_OVERLOADED, "", "", "an empty answer"},
    /* models that are not there, and paths that are not */
    {404, ERR_MODEL_UNAVAILABLE,
     "{\"object\":\"error\",\"message\":\"The model `x` does not "
     "exist.\",\"type\":\"NotFoundError\","
     "\"param\":null,\"code\":404}",
     "NotFoundError", "The model `x` does not exist."},
    {404, ERR_MODEL_UNAVAILABLE, "{\"error\":\"model 'x' not found\"}", "", "model 'x' not found"},
    {404, ERR_MODEL_UNAVAILABLE,
     "{\"error\":{\"message\":\"model \\\"x\\\" not found, try pulling it "
     "first\",\"type\":\"api_error\"}}",
     "api_error", "model \"x\" not found, try pulling it first"},
    {404, ERR_PROVIDER_NOT_FOUND, "{\"detail\":\"Not Found\"}", "", "Not Found"},
    {404, ERR_PROVIDER_NOT_FOUND, "404 page not found", "", "404 page not found"},
    {404, ERR_MODEL_UNAVAILABLE,
     "{\"error\":{\"message\":\"No endpoints found for a/b.\",\"code\":404}}", "404",
     "No endpoints found for a/b."},
    {400, ERR_MODEL_UNAVAILABLE, ERROR("m", "\"x\"", "\"model_not_found\""), "model_not_found",
     "m"},
    {400, ERR_MODEL_UNAVAILABLE, ERROR("m", "\"invalid_model\"", "\"1500\""), "invalid_model", "m"},
    {400, ERR_MODEL_UNAVAILABLE,
     "{\"error\":{\"message\":\"a/b is not a valid model ID\",\"code\":400}}", "400",
     "a/b is not a valid model ID"},
    {400, ERR_MODEL_UNAVAILABLE, ERROR("Model Not Exist", "\"invalid_request_error\"", "null"),
     "invalid_request_error", "Model Not Exist"},
    /* not the key, but what it may do */
    {401, ERR_FORBIDDEN,
     ERROR("You have insufficient permissions for this operation. Missing scopes: model.request",
           "\"invalid_request_error\"", "null"),
     "invalid_request_error",
     "You have insufficient permissions for this operation. Missing scopes: model.request"},
    {401, ERR_FORBIDDEN, ERROR("m", "\"x\"", "\"missing_scope\""), "missing_scope", "m"},
    {400, ERR_BAD_KEY,
     "[{\"error\":{\"code\":400,\"message\":\"API key not valid. Please pass a valid API key.\","
     "\"status\":\"INVALID_ARGUMENT\"}}]",
     "400", "API key not valid. Please pass a valid API key."},
    /* the reason behind the message */
    {429, ERR_RATE_LIMITED,
     "{\"error\":{\"message\":\"Provider returned error\",\"code\":429,\"metadata\":{\"raw\":\"a/b "
     "is "
     "rate-limited upstream\",\"provider_name\":\"P\"}}}",
     "429", "Provider returned error: a/b is rate-limited upstream"},
    {400, ERR_BAD_REQUEST,
     "{\"error\":{\"message\":\"Provider returned "
     "error\",\"code\":400,\"metadata\":{\"raw\":\"{\\\"error\\\":"
     "{\\\"message\\\":\\\"top_k: too large\\\"}}\"}}}",
     "400", "Provider returned error: top_k: too large"},
    {400, ERR_BAD_REQUEST,
     "{\"error\":{\"message\":\"invalid value\",\"param\":\"temperature\",\"code\":\"c\"}}", "c",
     "invalid value (parameter temperature)"},
    {400, ERR_BAD_REQUEST,
     "{\"message\":{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"extra\"}]},\"type\":\"t\"}", "t",
     "extra [\"body\"]"},
    {400, ERR_BAD_REQUEST, "{\"code\":400,\"details\":\"no such voice\"}", "400", "no such voice"},
    {400, ERR_BAD_REQUEST, "{\"error\":{\"message\":\"m\",\"details\":\"why\"}}", "", "m: why"},
    /* shapes */
    {400, ERR_BAD_REQUEST, "{\"error\":\"text\"}", "", "text"},
    {400, ERR_BAD_REQUEST, "{\"error\":\"text\",\"code\":\"c\"}", "c", "text"},
    {400, ERR_BAD_REQUEST, "{\"message\":\"m\",\"type\":\"t\"}", "t", "m"},
    {422, ERR_BAD_REQUEST, "{\"detail\":\"Not good\"}", "", "Not good"},
    {422, ERR_BAD_REQUEST,
     "{\"detail\":[{\"loc\":[\"body\",\"n\"],\"msg\":\"field required\",\"type\":\"missing\"}]}",
     "", "field required [\"body\",\"n\"]"},
    {422, ERR_BAD_REQUEST, "{\"detail\":[{\"msg\":\"field required\",\"input\":\"a prompt\"}]}", "",
     "field required"},
    {500, ERR_SERVER_ERROR, "{\"error\":{}}", "", "an error without a message"},
    {500, ERR_SERVER_ERROR, "{\"error\":null}", "", "an error without a message"},
    {500, ERR_SERVER_ERROR, "{\"error\":true,\"message\":\"m\"}", "", "m"},
    {500, ERR_SERVER_ERROR, "{\"error\":{\"message\":{\"a\":1}}}", "", "{\"a\":1}"},
    {500, ERR_SERVER_ERROR, "[1,2]", "", "[1,2]"},
    {500, ERR_SERVER_ERROR, "{\"error\":{\"message\":\"cut", "", "{\"error\":{\"message\":\"cut"},
    {500, ERR_SERVER_ERROR, "  \r\n ", "", "an empty answer"},
    {502, ERR_GATEWAY, " upstream\nis\tgone\x01 \xff", "", "upstream\\nis\\tgone\\x01 \\xff"},
    {502, ERR_GATEWAY, "<html><body>Bad Gateway</body></html>", "", "an HTML page of 37 bytes"},
    {502, ERR_GATEWAY, "<title></title>", "", "an HTML page of 15 bytes"},
    {524, ERR_ANSWER_LOST, html, "", "together.ai | 524: A timeout occurred"},
    {500, ERR_SERVER_ERROR, "{\"error\":{\"message\":\"a\\u0000b\\nc\"}}", "", "a\\x00b\\nc"},
};

START_TEST(names_what_the_provider_refused)
{
    struct together_reply r;

    together_reply_read(TASK_CHAT, refusals[_i].status, SPAN(refusals[_i].body), &r);
    ck_assert_msg(r.kind == refusals[_i].kind, "row %d (%d): %s", _i, refusals[_i].status,
                  err_code(r.kind));
    ck_assert_str_eq(r.provider_code, refusals[_i].code);
    ck_assert_str_eq(r.message, refusals[_i].message);
    ck_assert(!r.usage.there);
}
END_TEST

START_TEST(every_status_from_300_to_599_is_a_failure)
{
    struct together_reply r;

    for (int status = 300; status < 600; status++) {
        together_reply_read(TASK_CHAT, status, SPAN("{\"choices\":[{}]}"), &r);
        ck_assert_msg(r.kind != ERR_NONE && err_class(r.kind) != ERR_CLASS_NONE, "%d", status);
    }
}
END_TEST

START_TEST(a_message_is_one_line_and_cut_at_a_whole_character)
{
    char body[2000] = "{\"error\":{\"message\":\"";
    struct together_reply r;
    size_t n = strlen(body), len;

    for (int i = 0; i < 500; i++, n += 3)
        snprintf(body + n, sizeof(body) - n, "\xe2\x82\xac"); /* the euro sign */
    memcpy(body + n, "\"}}", 4);
    together_reply_read(TASK_CHAT, 500, SPAN(body), &r);
    len = strlen(r.message);
    ck_assert_uint_lt(len, 300);
    ck_assert_uint_gt(len, 290);
    ck_assert_str_eq(r.message + len - 6, "\xe2\x82\xac...");
    ck_assert_uint_eq((len - 3) % 3, 0);
}
END_TEST

START_TEST(a_code_that_is_too_long_is_no_code)
{
    char body[300] = "{\"error\":{\"message\":\"m\",\"code\":\"";
    struct together_reply r;

    memset(body + strlen(body), 'c', 100);
    snprintf(body + strlen(body), 100, "\",\"type\":\"t\"}}");
    together_reply_read(TASK_CHAT, 500, SPAN(body), &r);
    ck_assert_str_eq(r.provider_code, "t");
    ck_assert_int_eq(r.kind, ERR_SERVER_ERROR);
}
END_TEST

/* ---- answers that are none ---- */

static const struct {
    unsigned task;
    int status;
    const char *body;
    enum err_kind kind;
    const char *message;
} bad_answers[] = {
    {TASK_CHAT, 200, "", ERR_BAD_ANSWER, "the answer is empty"},
    {TASK_CHAT, 204, "", ERR_BAD_ANSWER, "the answer is empty"},
    {TASK_CHAT, 200, "<html>ok</html>", ERR_BAD_ANSWER, "the answer is no JSON object"},
    {TASK_CHAT, 200, "{\"choices\":[{}]", ERR_BAD_ANSWER, "the answer is no JSON object"},
    {TASK_CHAT, 200, "{\"choices\":[{}]} x", ERR_BAD_ANSWER, "the answer is no JSON object"},
    {TASK_CHAT, 200, "{\"choices\":[{\"a\":\"\xff\"}]}", ERR_BAD_ANSWER,
     "the answer is no JSON object"},
    {TASK_CHAT, 200, "[]", ERR_BAD_ANSWER, "the answer is no JSON object"},
    {TASK_CHAT, 200, "{}", ERR_BAD_ANSWER, "the answer has no choices"},
    {TASK_CHAT, 200, "{\"choices\":[]}", ERR_BAD_ANSWER, "the answer has no choices"},
    {TASK_CHAT, 200, "{\"choices\":null}", ERR_BAD_ANSWER, "the answer has no choices"},
    {TASK_COMPLETION, 200, "{\"choices\":{}}", ERR_BAD_ANSWER, "the answer has no choices"},
    {TASK_CODE, 200, "{\"data\":[1]}", ERR_BAD_ANSWER, "the answer has no choices"},
    {TASK_CHAT, 200, "{\"choices\":[1]}", ERR_BAD_ANSWER, "the answer's first choice is no object"},
    {TASK_EMBEDDING, 200, "{\"data\":[]}", ERR_BAD_ANSWER, "the answer has no data"},
    {TASK_IMAGE, 200, "{\"data\":[]}", ERR_BAD_ANSWER, "the answer has no data"},
    {TASK_RERANK, 200, "{\"data\":[]}", ERR_BAD_ANSWER, "the answer has no results"},
    /* an error in a success */
    {TASK_CHAT, 200, "{\"error\":{\"message\":\"boom\"}}", ERR_SERVER_ERROR, "boom"},
    {TASK_CHAT, 200, "{\"error\":\"boom\",\"choices\":[{}]}", ERR_SERVER_ERROR, "boom"},
    {TASK_CHAT, 200, "{\"error\":{\"message\":\"b\",\"code\":429}}", ERR_RATE_LIMITED, "b"},
    {TASK_CHAT, 200, "{\"error\":{\"message\":\"b\",\"code\":503}}", ERR_OVERLOADED, "b"},
    {TASK_CHAT, 200, "{\"error\":{\"message\":\"b\",\"code\":7}}", ERR_SERVER_ERROR, "b"},
    {TASK_CHAT, 200, ERROR("b", "\"overloaded_error\"", "null"), ERR_OVERLOADED, "b"},
    {TASK_CHAT, 200, ERROR("b", "\"dynamic_token_limited\"", "null"), ERR_RATE_LIMITED, "b"},
    {TASK_CHAT, 200, ERROR("b", "null", "\"model_not_available\""), ERR_MODEL_UNAVAILABLE, "b"},
    {TASK_CHAT, 200, ERROR("b", "\"invalid_request_error\"", "null"), ERR_BAD_REQUEST, "b"},
    {TASK_CHAT, 200, "{\"choices\":[{\"error\":{\"message\":\"b\",\"type\":\"overloaded\"}}]}",
     ERR_OVERLOADED, "b"},
};

START_TEST(a_success_without_an_answer_is_a_failure)
{
    struct together_reply r;

    together_reply_read(bad_answers[_i].task, bad_answers[_i].status, SPAN(bad_answers[_i].body),
                        &r);
    ck_assert_msg(r.kind == bad_answers[_i].kind, "row %d: %s", _i, err_code(r.kind));
    ck_assert_str_eq(r.message, bad_answers[_i].message);
}
END_TEST

/* ---- good answers ---- */

#define CHOICE                                                                           \
    "\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"}," \
    "\"finish_reason\":\"stop\",\"seed\":15924764223251450000}]"

static const struct {
    const char *usage;
    bool there;
    int64_t prompt, completion, cached;
} usages[] = {
    {"{\"prompt_tokens\":119,\"total_tokens\":214,\"completion_tokens\":95,\"reasoning_tokens\":"
     "84}",
     true, 119, 95, 0},
    {"{\"prompt_tokens\":119,\"completion_tokens\":95,\"cached_tokens\":64}", true, 119, 95, 64},
    {"{\"prompt_tokens\":119,\"completion_tokens\":95,\"prompt_tokens_details\":{\"cached_tokens\":"
     "64},"
     "\"completion_tokens_details\":{\"reasoning_tokens\":9}}",
     true, 119, 95, 64},
    {"{\"prompt_tokens\":119,\"completion_tokens\":95,\"cached_tokens\":null,"
     "\"prompt_tokens_details\":{\"cached_tokens\":64}}",
     true, 119, 95, 64},
    {"{\"prompt_tokens\":119,\"completion_tokens\":95,\"prompt_tokens_details\":null}", true, 119,
     95, 0},
    {"{\"prompt_tokens\":9,\"completion_tokens\":95,\"cached_tokens\":64}", true, 9, 95, 9},
    {"{\"prompt_tokens\":119.0,\"completion_tokens\":9.5e1}", true, 119, 95, 0},
    {"{\"prompt_tokens\":118.99999999999999,\"completion_tokens\":95.00000000000001}", true, 119,
     95, 0},
    {"{\"prompt_tokens\":119,\"total_tokens\":214}", true, 119, 95, 0},
    {"{\"completion_tokens\":95,\"total_tokens\":214}", true, 119, 95, 0},
    {"{\"prompt_tokens\":0,\"completion_tokens\":0}", true, 0, 0, 0},
    {"{\"prompt_tokens\":10,\"completion_tokens\":20,\"completion_tokens_details\":{"
     "\"reasoning_tokens\":320},\"total_tokens\":350}",
     true, 10, 340, 0},
    {"{\"prompt_tokens\":10,\"completion_tokens\":340,\"reasoning_tokens\":320,\"total_tokens\":"
     "350}",
     true, 10, 340, 0},
    {"{\"input_tokens\":10,\"output_tokens\":20,\"input_tokens_details\":{\"cached_tokens\":4}}",
     true, 10, 20, 4},
    {"{\"prompt_tokens\":10,\"completion_tokens\":20,\"prompt_cache_hit_tokens\":8}", true, 10, 20,
     8},
    {"{\"input_tokens\":10,\"output_tokens\":20,\"cache_read_input_tokens\":7}", true, 17, 20, 7},
    {"{\"total_tokens\":214}", false, 0, 0, 0},
    {"{\"prompt_tokens\":119}", false, 0, 0, 0},
    {"{\"prompt_tokens\":-1,\"completion_tokens\":5}", false, 0, 0, 0},
    {"{\"prompt_tokens\":\"119\",\"completion_tokens\":5}", false, 0, 0, 0},
    {"{\"prompt_tokens\":99999999999999999999,\"completion_tokens\":5}", false, 0, 0, 0},
    {"{\"prompt_tokens\":9223372036854775807,\"completion_tokens\":5}", false, 0, 0, 0},
    {"{\"prompt_tokens\":5,\"completion_tokens\":1000000000}", false, 0, 0, 0},
    {"{}", false, 0, 0, 0},
    {"null", false, 0, 0, 0},
    {"[]", false, 0, 0, 0},
};

START_TEST(reads_usage_in_all_its_forms)
{
    struct together_reply r;
    char body[1000];

    snprintf(body, sizeof(body), "{\"id\":\"o\",%s,\"usage\":%s,\"model\":\"a/b\"}", CHOICE,
             usages[_i].usage);
    together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
    ck_assert_int_eq(r.kind, ERR_NONE);
    ck_assert_msg(r.usage.there == usages[_i].there, "row %d", _i);
    ck_assert_int_eq(r.usage.prompt_tokens, usages[_i].prompt);
    ck_assert_int_eq(r.usage.completion_tokens, usages[_i].completion);
    ck_assert_int_eq(r.usage.cached_tokens, usages[_i].cached);
}
END_TEST

static const struct {
    const char *usage;
    int64_t prompt, completion;
} disagreeing[] = {
    {"{\"prompt_tokens\":10,\"completion_tokens\":20,\"reasoning_tokens\":320,\"total_tokens\":"
     "400}",
     10, 390},
    {"{\"prompt_tokens\":10,\"completion_tokens\":20,\"total_tokens\":25}", 10, 20},
    {"{\"prompt_tokens\":10,\"completion_tokens\":20,\"reasoning_tokens\":320}", 10, 340},
    {"{\"input_tokens\":10,\"output_tokens\":20,\"cache_creation_input_tokens\":100}", 110, 20},
};

START_TEST(numbers_that_disagree_count_as_the_larger_and_are_estimates)
{
    struct together_reply r;
    char body[1000];

    snprintf(body, sizeof(body), "{%s,\"usage\":%s}", CHOICE, disagreeing[_i].usage);
    together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
    ck_assert(r.usage.there && r.usage.estimated);
    ck_assert_int_eq(r.usage.prompt_tokens, disagreeing[_i].prompt);
    ck_assert_int_eq(r.usage.completion_tokens, disagreeing[_i].completion);
}
END_TEST

START_TEST(usage_beside_an_error_is_kept)
{
    static const char *const bodies[] = {
        "{\"choices\":[{\"error\":{\"code\":502,\"message\":\"m\"}}],\"usage\":{\"prompt_tokens\":"
        "15,"
        "\"completion_tokens\":2528}}",
        "{\"choices\":[{},{\"error\":{\"code\":502}}],\"usage\":{\"prompt_tokens\":15,"
        "\"completion_tokens\":2528}}",
        "{\"error\":{\"code\":502},\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":2528}}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":15,\"completion_tokens\":2528}}"};
    struct together_reply r;

    together_reply_read(TASK_CHAT, 200, SPAN(bodies[_i]), &r);
    ck_assert_int_ne(r.kind, ERR_NONE);
    ck_assert(r.usage.there);
    ck_assert_int_eq(r.usage.completion_tokens, 2528);
}
END_TEST

/* Results and webhooks wrap an answer, and are read again: what is deeper cannot be one. */
START_TEST(an_answer_nests_as_deep_as_a_result_can_hold)
{
    char body[512], arrays[2 * JSON_ANSWER_DEPTH + 1] = "";
    struct together_reply r;

    for (int depth = JSON_ANSWER_DEPTH; depth <= JSON_ANSWER_DEPTH + 1; depth++) {
        memset(arrays, '[', (size_t)depth - 1);
        memset(arrays + depth - 1, ']', (size_t)depth - 1);
        snprintf(body, sizeof body, "{\"x\":%s," CHOICE "}", arrays);
        together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
        ck_assert_int_eq(r.kind, depth > JSON_ANSWER_DEPTH ? ERR_BAD_ANSWER : ERR_NONE);
    }
    ck_assert_str_eq(r.message, "the answer is nested too deep");
}
END_TEST

START_TEST(reads_a_good_answer)
{
    static const char body[] = "{\"error\":null,\"model\":\"openai/gpt-oss-20b\"," CHOICE "}";
    static const char slashed[] = "{\"model\":\"openai\\/gpt-oss-20b\"," CHOICE "}";
    struct together_reply r;

    together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
    ck_assert_int_eq(r.kind, ERR_NONE);
    ck_assert_str_eq(r.message, "");
    ck_assert_str_eq(r.provider_code, "");
    ck_assert(r.model.n == 18 && !memcmp(r.model.p, "openai/gpt-oss-20b", 18));
    together_reply_read(TASK_CHAT, 200, SPAN(slashed), &r);
    ck_assert(r.model.n == 18 && !memcmp(r.model.p, "openai/gpt-oss-20b", 18));
    ck_assert(r.finish_reason.n == 4 && !memcmp(r.finish_reason.p, "stop", 4));
}
END_TEST

/* Whole or cut, alone or among other text, as it is or escaped. */
START_TEST(the_name_of_a_model_has_no_secret)
{
    static const char *const names[][2] = {
        {"tgp_v1_0123456789abcdef", "***"},
        {"x\\/tgp_v1_0123456789abcdef\\/y", "x/***/y"},
        {"t\\u0067p_v1_0123456789abcdef", "***"},
        {"tgp_v1_0123456", "***"},
    };
    struct together_reply r;
    char body[2048];

    secret_add("tgp_v1_0123456789abcdef");
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(body, sizeof body, "{\"model\":\"%s\"," CHOICE "}", names[i][0]);
        together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
        ck_assert_int_eq(r.kind, ERR_NONE);
        ck_assert_msg(r.model.n == strlen(names[i][1]) &&
                          !memcmp(r.model.p, names[i][1], r.model.n),
                      "%s: %.*s", names[i][0], (int)r.model.n, r.model.p);
    }
    snprintf(body, sizeof body, "{\"model\":\"%01100d\"," CHOICE "}", 7);
    together_reply_read(TASK_CHAT, 200, SPAN(body), &r);
    ck_assert_int_eq(r.kind, ERR_NONE);
    ck_assert_uint_eq(r.model.n, 0);
}
END_TEST

static const struct {
    unsigned task;
    bool usage;
    const char *body;
    int64_t images, prompt;
} goods[] = {
    {TASK_COMPLETION, false, "{\"choices\":[{\"text\":\"x\"}]}", 0, 0},
    {TASK_CHAT, false, "{\"error\":\"\",\"choices\":[{}]}", 0, 0},
    {TASK_CHAT, false, "{\"error\":false,\"choices\":[{\"error\":null}]}", 0, 0},
    {TASK_CHAT, false, " {\"choices\":[{\"finish_reason\":7}],\"model\":1} \n", 0, 0},
    {TASK_EMBEDDING, false, "{\"data\":[{\"embedding\":[0.1]}]}", 0, 0},
    {TASK_EMBEDDING, true, "{\"data\":[{}],\"usage\":{\"prompt_tokens\":8}}", 0, 8},
    {TASK_EMBEDDING, true, "{\"data\":[{}],\"usage\":{\"total_tokens\":8}}", 0, 8},
    {TASK_IMAGE, false, "{\"data\":[{\"url\":\"u\"},{\"b64_json\":\"v\"}]}", 2, 0},
    {TASK_RERANK, true, "{\"results\":[],\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":0}}",
     0, 8},
};

START_TEST(each_task_has_its_own_form_of_answer)
{
    struct together_reply r;

    together_reply_read(goods[_i].task, 200, SPAN(goods[_i].body), &r);
    ck_assert_msg(r.kind == ERR_NONE, "row %d: %s", _i, r.message);
    ck_assert_int_eq(r.usage.images, goods[_i].images);
    ck_assert_int_eq(r.usage.prompt_tokens, goods[_i].prompt);
    ck_assert(r.usage.there == goods[_i].usage);
    ck_assert_uint_eq(r.finish_reason.n, 0);
    ck_assert_uint_eq(r.model.n, 0);
}
END_TEST

/* ---- errors that stand alone ---- */

static const struct {
    int status;
    enum err_kind kind;
    const char *error, *code, *message;
} alone[] = {
    {0, ERR_MODEL_UNAVAILABLE, "{\"message\":\"m\",\"code\":\"invalid_model\"}", "invalid_model",
     "m"},
    {0, ERR_SERVER_ERROR, "\"boom\"", "", "boom"},
    {0, ERR_SERVER_ERROR, "null", "", "an error without a message"},
    {429, ERR_RATE_LIMITED, "{\"message\":\"m\"}", "", "m"},
    {400, ERR_MODEL_UNAVAILABLE, "{\"message\":\"m\",\"code\":\"model_not_available\"}",
     "model_not_available", "m"},
};

START_TEST(reads_an_error_that_stands_alone)
{
    struct together_reply r;

    together_error_read(alone[_i].status, SPAN(alone[_i].error), &r);
    ck_assert_int_eq(r.kind, alone[_i].kind);
    ck_assert_str_eq(r.provider_code, alone[_i].code);
    ck_assert_str_eq(r.message, alone[_i].message);
}
END_TEST

Suite *test_together_reply(void);
Suite *test_together_reply(void)
{
    Suite *s = suite_create("test_together_reply");
    TCase *tc = tcase_create("reply");

    tcase_add_loop_test(tc, names_what_the_provider_refused, 0, (int)ARRAY_LEN(refusals));
    tcase_add_test(tc, every_status_from_300_to_599_is_a_failure);
    tcase_add_test(tc, a_message_is_one_line_and_cut_at_a_whole_character);
    tcase_add_test(tc, a_code_that_is_too_long_is_no_code);
    tcase_add_loop_test(tc, a_success_without_an_answer_is_a_failure, 0,
                        (int)ARRAY_LEN(bad_answers));
    tcase_add_loop_test(tc, reads_usage_in_all_its_forms, 0, (int)ARRAY_LEN(usages));
    tcase_add_loop_test(tc, numbers_that_disagree_count_as_the_larger_and_are_estimates, 0,
                        (int)ARRAY_LEN(disagreeing));
    tcase_add_loop_test(tc, usage_beside_an_error_is_kept, 0, 4);
    tcase_add_test(tc, an_answer_nests_as_deep_as_a_result_can_hold);
    tcase_add_test(tc, reads_a_good_answer);
    tcase_add_test(tc, the_name_of_a_model_has_no_secret);
    tcase_add_loop_test(tc, each_task_has_its_own_form_of_answer, 0, (int)ARRAY_LEN(goods));
    tcase_add_loop_test(tc, reads_an_error_that_stands_alone, 0, (int)ARRAY_LEN(alone));
    suite_add_tcase(s, tc);
    return s;
}
