#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "worker/together/request.h"

#define SPAN(s) ((struct span){s, strlen(s)})

static struct model_table models;

static void make_models(void) { model_table_builtin(&models); }
static void free_models(void) { model_table_done(&models); }

static const struct {
    const char *payload, *path, *body, *model;
} good[] = {
    /* a body with a model goes out byte for byte, whatever its spelling */
    {"{\"task\":\"chat\",\"body\":{\"model\":\"m\",\"messages\":[]}}", "/chat/completions",
     "{\"model\":\"m\",\"messages\":[]}", "m"},
    {"{\"body\": { \"n\" : 1.0e0,\n\t\"model\" : \"a\\/b\" , \"x\":\"\\u00e9\" } }",
     "/chat/completions", "{ \"n\" : 1.0e0,\n\t\"model\" : \"a\\/b\" , \"x\":\"\\u00e9\" }", "a/b"},
    {"{\"task\":\"chat\",\"model\":\"other\",\"body\":{\"model\":\"m\"}}", "/chat/completions",
     "{\"model\":\"m\"}", "m"},
    /* a missing model is put in behind the brace */
    {"{\"task\":\"chat\",\"model\":\"other\",\"body\":{ \"messages\":[]}}", "/chat/completions",
     "{\"model\":\"other\", \"messages\":[]}", "other"},
    {"{\"task\":\"chat\",\"body\":{\"messages\":[]}}", "/chat/completions",
     "{\"model\":\"Qwen/Qwen3.5-9B\",\"messages\":[]}", "Qwen/Qwen3.5-9B"},
    {"{\"task\":\"chat\",\"body\":{}}", "/chat/completions", "{\"model\":\"Qwen/Qwen3.5-9B\"}",
     "Qwen/Qwen3.5-9B"},
    {"{\"task\":\"chat\",\"body\":{ \n}}", "/chat/completions",
     "{\"model\":\"Qwen/Qwen3.5-9B\" \n}", "Qwen/Qwen3.5-9B"},
    /* null and "" are no model */
    {"{\"task\":\"chat\",\"body\":{\"a\":1,\"model\": null ,\"b\":2}}", "/chat/completions",
     "{\"a\":1,\"model\": \"Qwen/Qwen3.5-9B\" ,\"b\":2}", "Qwen/Qwen3.5-9B"},
    {"{\"task\":\"chat\",\"model\":\"q\\\"\",\"body\":{\"model\":\"\"}}", "/chat/completions",
     "{\"model\":\"q\\\"\"}", "q\""},
    {"{\"task\":\"chat\",\"model\":null,\"body\":{\"model\":\"m\"}}", "/chat/completions",
     "{\"model\":\"m\"}", "m"},
    /* our own number is written plainly, the body's is the provider's */
    {"{\"task\":\"chat\",\"prompt\":\"p\",\"model\":\"m\",\"max_tokens\":1.6e1}",
     "/chat/completions",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"p\"}],\"max_tokens\":16}",
     "m"},
    {"{\"task\":\"chat\",\"body\":{\"model\":\"m\",\"seed\":18446744073709551615,\"max_tokens\":8."
     "0}}",
     "/chat/completions", "{\"model\":\"m\",\"seed\":18446744073709551615,\"max_tokens\":8.0}",
     "m"},
    /* one path per task */
    {"{\"task\":\"completion\",\"body\":{\"model\":\"m\",\"prompt\":\"p\"}}", "/completions",
     "{\"model\":\"m\",\"prompt\":\"p\"}", "m"},
    {"{\"task\":\"code\",\"body\":{\"model\":\"m\",\"prompt\":\"p\"}}", "/completions",
     "{\"model\":\"m\",\"prompt\":\"p\"}", "m"},
    {"{\"task\":\"code\",\"body\":{\"model\":\"m\",\"messages\":[]}}", "/chat/completions",
     "{\"model\":\"m\",\"messages\":[]}", "m"},
    {"{\"task\":\"embedding\",\"body\":{\"input\":\"i\"}}", "/embeddings",
     "{\"model\":\"intfloat/multilingual-e5-large-instruct\",\"input\":\"i\"}",
     "intfloat/multilingual-e5-large-instruct"},
    {"{\"task\":\"image\",\"body\":{\"model\":\"m\",\"prompt\":\"p\"}}", "/images/generations",
     "{\"model\":\"m\",\"prompt\":\"p\"}", "m"},
    {"{\"task\":\"rerank\",\"body\":{\"model\":\"m\",\"query\":\"q\"}}", "/rerank",
     "{\"model\":\"m\",\"query\":\"q\"}", "m"},
    /* the shorthand: the payload without what is meant for us */
    {"{\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"temperature\":0,"
     "\"allow_cached\":true}",
     "/chat/completions",
     "{\"model\":\"Qwen/Qwen3.5-9B\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],"
     "\"temperature\":0}",
     "Qwen/Qwen3.5-9B"},
    {"{\"task\":\"chat\",\"prompt\":\"Hi\",\"max_tokens\":5,\"model\":\"m\"}", "/chat/completions",
     "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":5}",
     "m"},
    {"{\"task\":\"completion\",\"prompt\":\"Hi\",\"model\":\"m\"}", "/completions",
     "{\"model\":\"m\",\"prompt\":\"Hi\"}", "m"},
    {"{\"task\":\"code\",\"prompt\":\"Hi\",\"model\":\"m\"}", "/completions",
     "{\"model\":\"m\",\"prompt\":\"Hi\"}", "m"},
    {"{\"task\":\"rerank\",\"model\":\"m\",\"query\":\"q\",\"documents\":[\"d\"],\"top_n\":1}",
     "/rerank", "{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"d\"],\"top_n\":1}", "m"},
    {"{\"task\":\"embedding\",\"model\":\"m\",\"input\":[1, 2]}", "/embeddings",
     "{\"model\":\"m\",\"input\":[1, 2]}", "m"},
};

START_TEST(builds_the_path_and_the_bytes_to_send)
{
    struct job job = {.payload = SPAN(good[_i].payload)};
    struct together_request req;
    struct err err = {0};

    ck_assert_msg(together_request_build(&job, &models, &req, &err), "row %d: %s", _i, err.msg);
    ck_assert_str_eq(req.path, good[_i].path);
    ck_assert_str_eq(req.body.p, good[_i].body);
    ck_assert_uint_eq(req.body.n, strlen(good[_i].body));
    ck_assert(json_valid(req.body.p, req.body.n));
    ck_assert_uint_eq(req.model.n, strlen(good[_i].model));
    ck_assert(!memcmp(req.model.p, good[_i].model, req.model.n));
    ck_assert(req.requested ==
              (strstr(good[_i].payload, good[_i].model) || strchr(good[_i].payload, '\\')));
    together_request_done(&req);
}
END_TEST

static const struct {
    const char *payload;
    enum err_kind kind;
    const char *says;
} bad[] = {
    {"[]", ERR_INVALID, "payload: expected an object"},
    {"", ERR_INVALID, "payload: expected an object"},
    {"{\"body\":[]}", ERR_INVALID, "payload.body: expected an object"},
    {"{\"body\":\"x\"}", ERR_INVALID, "payload.body: expected an object"},
    {"{\"task\":\"dance\",\"body\":{}}", ERR_INVALID, "payload.task: expected chat, "},
    {"{\"task\":1,\"body\":{}}", ERR_INVALID, "payload.task: expected chat, "},
    {"{\"body\":{\"model\":5}}", ERR_INVALID, "payload.body.model: expected the name of a model"},
    {"{\"body\":{\"model\":\"a\\u0000b\"}}", ERR_INVALID, "payload.body.model: expected"},
    {"{\"model\":[],\"body\":{}}", ERR_INVALID, "payload.model: expected the name of a model"},
    {"{\"model\":{},\"prompt\":\"p\"}", ERR_INVALID, "payload.model: expected the name of a model"},
    {"{\"prompt\":\"p\",\"fallbacks\":\"m\"}", ERR_INVALID, "payload.fallbacks: expected a list"},
    {"{\"prompt\":\"p\",\"fallbacks\":[1]}", ERR_INVALID, "payload.fallbacks: expected the name"},
    {"{\"prompt\":\"p\",\"fallbacks\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
     ERR_INVALID, "payload.fallbacks: expected at most 8 models"},
};

START_TEST(refuses_a_payload_that_makes_no_request_and_says_why)
{
    struct job job = {.payload = SPAN(bad[_i].payload)};
    struct together_request req;
    struct err err = {0};

    ck_assert(!together_request_build(&job, &models, &req, &err));
    ck_assert_int_eq(err.kind, bad[_i].kind);
    ck_assert_msg(strstr(err.msg, bad[_i].says), "row %d said: %s", _i, err.msg);
}
END_TEST

START_TEST(a_task_without_a_default_model_needs_one)
{
    struct job job = {.payload = SPAN("{\"task\":\"rerank\",\"body\":{\"query\":\"q\"}}")};
    struct model_table none = {0};
    struct together_request req;
    struct err err = {0};

    ck_assert(!together_request_build(&job, &none, &req, &err));
    ck_assert_int_eq(err.kind, ERR_MODEL_UNAVAILABLE);
    ck_assert_ptr_nonnull(strstr(err.msg, "'rerank'"));
}
END_TEST

START_TEST(a_name_that_is_too_long_is_no_model)
{
    char payload[1200] = "{\"model\":\"";
    struct job job;
    struct together_request req;
    struct err err = {0};

    memset(payload + 10, 'm', 600);
    memcpy(payload + 610, "\"}", 3);
    job = (struct job){.payload = SPAN(payload)};
    ck_assert(!together_request_build(&job, &models, &req, &err));
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_ptr_nonnull(strstr(err.msg, "at most 512 bytes"));
}
END_TEST

START_TEST(a_model_full_of_escapes_fits)
{
    char payload[2600] = "{\"body\":{\"messages\":[]},\"model\":\"";
    struct together_request req;
    struct err err = {0};
    struct job job;
    size_t n = strlen(payload);

    for (int i = 0; i < 400; i++, n += 6)
        memcpy(payload + n, "\\u0001", 7);
    memcpy(payload + n, "\"}", 3);
    job = (struct job){.payload = SPAN(payload)};
    ck_assert_msg(together_request_build(&job, &models, &req, &err), "%s", err.msg);
    ck_assert_uint_eq(req.model.n, 400);
    ck_assert(json_valid(req.body.p, req.body.n));
    together_request_done(&req);
}
END_TEST

START_TEST(knows_whether_a_stream_is_asked_for)
{
    static const char *const texts[] = {
        "{\"body\":{\"stream\":true}}", "{\"body\":{\"stream\":false}}",
        "{\"stream\":true,\"prompt\":\"p\"}", "{\"body\":{\"stream\":1}}", "{\"body\":{}}"};
    static const bool streams[] = {true, false, true, false, false};
    struct job job = {.payload = SPAN(texts[_i])};
    struct together_request req;
    struct err err = {0};

    ck_assert(together_request_build(&job, &models, &req, &err));
    ck_assert(req.stream == streams[_i]);
    together_request_done(&req);
}
END_TEST

/* ---- for the router ---- */

static const struct {
    const char *payload;
    unsigned features;
    int64_t max_tokens;
    bool automatic, requested;
    const char *fallbacks; /* joined by blanks; NULL: none given */
} facts[] = {
    {"{\"prompt\":\"p\"}", 0, 0, false, false, NULL},
    {"{\"prompt\":\"p\",\"model\":\"auto\"}", 0, 0, true, true, NULL},
    {"{\"body\":{\"model\":\"aut\\u006f\"}}", 0, 0, true, true, NULL},
    {"{\"body\":{},\"model\":\"auto\"}", 0, 0, true, true, NULL},
    {"{\"body\":{\"model\":\"Auto\"}}", 0, 0, false, true, NULL},
    {"{\"body\":{\"tools\":[{\"type\":\"function\"}],\"max_tokens\":7}}", FEATURE_TOOLS, 7, false,
     false, NULL},
    {"{\"body\":{\"tools\":[ ],\"max_tokens\":-7}}", 0, 0, false, false, NULL},
    {"{\"body\":{\"max_tokens\":9223372036854775807}}", 0, 1000000000000, false, false, NULL},
    {"{\"body\":{\"tools\":null,\"max_completion_tokens\":9,\"max_tokens\":7}}", 0, 9, false, false,
     NULL},
    {"{\"body\":{\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{}}}}",
     FEATURE_JSON_SCHEMA, 0, false, false, NULL},
    {"{\"body\":{\"response_format\":{\"type\":\"json_object\"}}}", 0, 0, false, false, NULL},
    {"{\"task\":\"image\",\"body\":{\"response_format\":\"url\"}}", 0, 0, false, false, NULL},
    {"{\"body\":{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","
     "\"image_url\":{\"url\":\"x\"}}]}]}}",
     FEATURE_VISION, 0, false, false, NULL},
    {"{\"body\":{\"messages\":[{\"role\":\"user\",\"content\":\"write \\\"image_url\\\"\"}]}}", 0,
     0, false, false, NULL},
    {"{\"prompt\":\"p\",\"fallbacks\":[]}", 0, 0, false, false, ""},
    {"{\"prompt\":\"p\",\"fallbacks\":null}", 0, 0, false, false, NULL},
    {"{\"body\":{\"model\":\"m\"},\"fallbacks\":[\"a\\/b\", \"c\"]}", 0, 0, false, true, "a/b c"},
};

START_TEST(reads_once_what_the_router_asks)
{
    struct job job = {.payload = SPAN(facts[_i].payload)};
    struct together_request req;
    struct err err = {0};
    char joined[256] = "";

    ck_assert_msg(together_request_read(&job, &req, &err), "row %d: %s", _i, err.msg);
    ck_assert_uint_eq(req.features, facts[_i].features);
    ck_assert_int_eq(req.max_tokens, facts[_i].max_tokens);
    ck_assert(req.automatic == facts[_i].automatic && req.requested == facts[_i].requested);
    ck_assert(req.has_fallbacks == (facts[_i].fallbacks != NULL));
    for (size_t i = 0; i < req.fallback_count; i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%.*s", i ? " " : "",
                 (int)req.fallbacks[i].n, req.fallbacks[i].p);
    ck_assert_str_eq(joined, facts[_i].fallbacks ? facts[_i].fallbacks : "");
    together_request_done(&req);
}
END_TEST

static const struct {
    const char *payload, *model, *body;
} rewritten[] = {
    {"{\"body\":{ \"n\":1.0, \"model\" : \"m\" }}", "other/one",
     "{ \"n\":1.0, \"model\" : \"other/one\" }"},
    {"{\"body\":{ \"n\":1.0, \"model\" : \"auto\" }}", "other/one",
     "{ \"n\":1.0, \"model\" : \"other/one\" }"},
    {"{\"body\":{\"n\":1},\"model\":\"auto\"}", "x", "{\"model\":\"x\",\"n\":1}"},
    {"{\"prompt\":\"p\",\"model\":\"auto\",\"fallbacks\":[\"y\"]}", "x",
     "{\"model\":\"x\",\"messages\":[{\"role\":\"user\",\"content\":\"p\"}]}"},
};

START_TEST(asks_for_usage_only_where_the_body_does_not_say)
{
    static const struct {
        const char *payload, *body;
        bool may;
    } rows[] = {
        {"{\"task\":\"chat\",\"body\":{\"model\":\"m\",\"stream\":true}}",
         "{\"stream_options\":{\"include_usage\":true},\"model\":\"m\",\"stream\":true}", true},
        {"{\"task\":\"chat\",\"prompt\":\"x\",\"model\":\"m\"}", "", false},
        {"{\"task\":\"chat\",\"body\":{\"model\":\"m\",\"stream\":true,\"stream_options\":null}}",
         "", false},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct job job = {.payload = {rows[i].payload, strlen(rows[i].payload)}};
        struct together_request req;
        struct err err = {0};

        ck_assert(together_request_read(&job, &req, &err));
        ck_assert(together_request_may_ask_usage(&req) == rows[i].may);
        req.ask_usage = rows[i].may;
        ck_assert(together_request_write(&job, (struct span){"m", 1}, &req, &err));
        if (rows[i].may)
            ck_assert_str_eq(req.body.p, rows[i].body);
        together_request_done(&req);
    }
}
END_TEST

START_TEST(writes_the_body_for_one_model_after_the_other)
{
    struct job job = {.payload = SPAN(rewritten[_i].payload)};
    struct together_request req;
    struct err err = {0};

    ck_assert(together_request_read(&job, &req, &err));
    ck_assert(together_request_write(&job, SPAN("first/a\"b"), &req, &err));
    ck_assert_ptr_nonnull(strstr(req.body.p, "\"first/a\\\"b\""));
    ck_assert(together_request_write(&job, SPAN(rewritten[_i].model), &req, &err));
    ck_assert_str_eq(req.body.p, rewritten[_i].body);
    ck_assert_uint_eq(req.model.n, strlen(rewritten[_i].model));
    together_request_done(&req);
}
END_TEST

Suite *test_together_request(void);
Suite *test_together_request(void)
{
    Suite *s = suite_create("test_together_request");
    TCase *tc = tcase_create("request");

    tcase_add_checked_fixture(tc, make_models, free_models);
    tcase_add_loop_test(tc, builds_the_path_and_the_bytes_to_send, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, refuses_a_payload_that_makes_no_request_and_says_why, 0,
                        (int)ARRAY_LEN(bad));
    tcase_add_test(tc, a_task_without_a_default_model_needs_one);
    tcase_add_test(tc, a_name_that_is_too_long_is_no_model);
    tcase_add_test(tc, a_model_full_of_escapes_fits);
    tcase_add_loop_test(tc, knows_whether_a_stream_is_asked_for, 0, 5);
    tcase_add_loop_test(tc, reads_once_what_the_router_asks, 0, (int)ARRAY_LEN(facts));
    tcase_add_test(tc, asks_for_usage_only_where_the_body_does_not_say);
    tcase_add_loop_test(tc, writes_the_body_for_one_model_after_the_other, 0,
                        (int)ARRAY_LEN(rewritten));
    suite_add_tcase(s, tc);
    return s;
}
