/* test_job_check.c - which documents are accepted, and to whom a refusal is told. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/json.h"
#include "tests/unit/job_scene.h"

#define LONG_512  LONG_128 LONG_128 LONG_128 LONG_128
#define LONG_2048 LONG_512 LONG_512 LONG_512 LONG_512

/* ---- whose it was ---- */

static const struct {
    const char *doc, *id, *submitted;
    bool reply;
} whose[] = {
    {"{\"id\":\"a-1\",\"reply\":true,\"type\":\"nop\"}", "a-1", "", true},
    {"{\"reply\":true,\"id\":\"a-1\",\"payload\":{\"x\":", "a-1", "", true},
    {"{\"id\":\"a-1\",\"reply\":1}", "a-1", "", false},
    {"{\"id\":\"a-1\",\"id\":\"b\"}", "a-1", "", false},
    {"{\"type\":\"nop\"}", NULL, "", false},
    {"{\"id\":\"\",\"type\":\"noop\"}", NULL, "", false},
    {"{\"id\":\"a~w\",\"type\":\"noop\"}", NULL, "a~w", false},
    {"{\"id\":\"sp ace\",\"type\":\"noop\"}", NULL, "sp ace", false},
    {"{\"id\":\"\\u0007\xc3\xa4\\n\",\"type\":\"noop\"}", NULL, "?\xc3\xa4?", false},
    {"{\"id\":4711,\"type\":\"noop\"}", NULL, "4711", false},
    {"{\"id\":{\"a\":1},\"type\":\"noop\"}", NULL, "{\"a\":1}", false},
    {"{\"id\":\"" LONG_128 "x\",\"type\":\"noop\"}", NULL, LONG_128, false},
    {"{\"payload\":{\"id\":\"inner\"},\"type\":\"nop\"}", NULL, "", false},
    {"[\"id\"]", NULL, "", false},
    {"[{\"id\":\"a\"}]", NULL, "", false},
    {"garbage", NULL, "", false},
    {"", NULL, "", false},
    /* behind the fault, or in it */
    {"{\"type\":\"noop\" \"payload\":{},\"id\":\"a-1\",\"reply\":true}", "a-1", "", true},
    {"{\"x\":01,\"id\":\"a-1\",\"reply\":true,}", "a-1", "", true},
    {"{'id': 'a-1', 'payload': {'n': None, 'q': \"don't\"}, 'reply': True}", "a-1", "", true},
    {"{id: \"a-1\", reply: true, payload: {a: NaN}}", "a-1", "", true},
    {"{\"payload\":{\"text\":\"say \"hi\" and go\"},\"id\":\"a-1\"}", "a-1", "", false},
    {"{\"payload\":{\"text\":\"5\" nails, it's\"},\"id\":\"a-1\"}", "a-1", "", false},
    {"{\"payload\":{\"text\":\"two\nlines\"},\"reply\":true,\"id\":\"a-1\"}", "a-1", "", true},
    {"{\"payload\":{\"text\":\"\xff\xfe\"},\"reply\":true,\"id\":\"a-1\"}", "a-1", "", true},
    {"{\"payload\":{\"list\":[1,2},\"reply\":true,\"id\":\"a-1\"}", "a-1", "", true},
    {"{\"payload\":{\"list\":1]},\"reply\":true,\"id\":\"a-1\"}", "a-1", "", true},
    {"{// first\n\"id\":\"a-1\", // it, and\n\"reply\":true}", "a-1", "", true},
    {"b'{\"id\": \"a-1\", \"reply\": true}'", "a-1", "", true},
    {"\"{\\\"id\\\":\\\"a-1\\\",\\\"reply\\\":true}\"", "a-1", "", true},
    {"\xef\xbb\xbf{\"id\":\"a-1\",\"reply\":true,\"type\":1", "a-1", "", true},
    {"{\"id\":\"a-1\",\"payload\":{\"id\":\"b\"},\"id\":\"c\",}", "a-1", "", false},
    {"{\"id\":'sp ace',\"reply\":true", NULL, "sp ace", true},
    /* what is deeper is not the document's */
    {"{\"payload\":{\"id\":\"inner\",\"reply\":true", NULL, "", false},
    {"{\"payload\":[{\"id\":\"inner\"}", NULL, "", false},
    {"{\"text\":\"never closed, \\\"id\\\":\\\"a\\\"}", NULL, "", false},
    {"{}} \"id\":\"a\"}", NULL, "", false},
};

START_TEST(a_torn_document_of_any_depth_is_read_to_its_end)
{
    char *doc = malloc(400000);

    for (size_t depth = 1; depth < 100000; depth = depth * 3 + 1) {
        size_t n = (size_t)snprintf(doc, 400000, "{\"x\":");

        memset(doc + n, '[', depth);
        memset(doc + n + depth, ']', depth);
        snprintf(doc + n + 2 * depth, 400000 - n - 2 * depth, " oops,\"id\":\"a-1\"}");
        ck_assert(!job_checks(doc));
        ck_assert_int_eq(checked.made_id, depth > 64);
    }
    free(doc);
}
END_TEST

static const struct {
    const char *doc, *url;
} hooks[] = {
    {NOOP(",\"x\":1,\"webhook\":{\"url\":\"https://h.example/a\"}"), "\"https://h.example/a\""},
    {NOOP(",\"x\":1,\"webhook\":{\"url\":\"https:\\/\\/h.example\"}"), "\"https:\\/\\/h.example\""},
    {"{'webhook':{'url':'http://h.example/a'}}", "'http://h.example/a'"},
    {"{\"webhook\":{\"url\":\"http://h.example/a\"", "\"http://h.example/a\""},
    {"\"{\\\"webhook\\\":{\\\"url\\\":\\\"https://h.example/a\\\"}}\"", "\"https://h.example/a\\"},
    {"\"{\\\"webhook\\\":{\\\"url\\\":\\\"https:\\\\/\\\\/h.example\\\"}}\"", NULL},
    {"\"{\\\"webhook\\\":{\\\"url\\\":\\\"ftp://h.example/a\\\"}}\"", NULL},
    {HOOK("ftp://h.example"), NULL},
    {NOOP(",\"x\":1,\"webhook\":{\"url\":7}"), NULL},
    {NOOP(",\"x\":1,\"webhook\":{\"url\":\"\"}"), NULL},
    {NOOP(",\"x\":1,\"webhook\":\"https://h.example\""), NULL},
    {"{'webhook':{'url':'http://h\\/a'}}", NULL},
    {"{\"webhook\":{\"url\":\"http://h.example/" LONG_2048 "\"}}", NULL},
};

START_TEST(a_refusal_names_the_webhook_when_it_is_good)
{
    ck_assert(!job_checks(hooks[_i].doc));
    ck_assert_int_eq(checked.job.webhook_url.p != NULL, hooks[_i].url != NULL);
    if (hooks[_i].url) {
        ck_assert_uint_eq(checked.job.webhook_url.n, strlen(hooks[_i].url));
        ck_assert_mem_eq(checked.job.webhook_url.p, hooks[_i].url, strlen(hooks[_i].url));
    }
}
END_TEST

START_TEST(a_refusal_is_told_under_the_best_id_there_is)
{
    ck_assert(!job_checks(whose[_i].doc));
    ck_assert_int_eq(checked.made_id, whose[_i].id == NULL);
    if (whose[_i].id)
        ck_assert_str_eq(checked.id, whose[_i].id);
    else
        ck_assert_uint_eq(strlen(checked.id), 36);
    ck_assert_str_eq(checked.submitted_id, whose[_i].submitted);
    ck_assert_int_eq(checked.wants_reply, whose[_i].reply);
}
END_TEST

START_TEST(a_refusal_carries_type_tenant_and_tags_when_they_are_good)
{
    ck_assert(
        !job_checks("{\"tenant\":\"acme\",\"tags\":{\"a\":\"b\"},\"type\":\"batch\",\"x\":1}"));
    ck_assert(json_equals(checked.job.tenant, "acme"));
    ck_assert_uint_eq(checked.job.tags.n, 9);
    ck_assert_int_eq(checked.job.type, JOB_BATCH);
    ck_assert(!job_checks("{\"tenant\":\"a b\",\"tags\":{\"a\":1},\"type\":\"webhook\"}"));
    ck_assert_ptr_null(checked.job.tenant.p);
    ck_assert_ptr_null(checked.job.tags.p);
    ck_assert_int_eq(checked.job.type, JOB_TYPE_NONE);
    ck_assert(!job_checks("{\"tags\":[1],\"type\":\"noop\"}"));
    ck_assert_ptr_null(checked.job.tags.p);
    ck_assert(!job_checks("{\"tags\":{\"a\":\"" LONG_128 "x\"},\"type\":\"noop\"}"));
    ck_assert_ptr_null(checked.job.tags.p);
}
END_TEST

/* ---- accepted ---- */

extern const char asset_schemas_job_json[];

/* What the reader of documents says must be what the tree says. */
static void compare(const json_t *tree, const struct job *j)
{
    const json_t *backoff = json_object_get(tree, "backoff");
    const json_t *v;
    char text[2100];

    ck_assert_str_eq(job_type_name(j->type), json_string_value(json_object_get(tree, "type")));
    ck_assert_int_eq(j->reply, json_is_true(json_object_get(tree, "reply")));
    if ((v = json_object_get(tree, "max_attempts")))
        ck_assert_int_eq(j->max_attempts, json_integer_value(v));
    if ((v = json_object_get(backoff, "delay_ms")))
        ck_assert_int_eq(j->backoff_delay_ms, json_integer_value(v));
    if ((v = json_object_get(tree, "delay_ms")))
        ck_assert_int_eq(j->delay_ms, json_integer_value(v));
    if ((v = json_object_get(tree, "tenant"))) {
        ck_assert(json_read_text(j->tenant, text, sizeof text));
        ck_assert_str_eq(text, json_string_value(v));
    }
    if ((v = json_object_get(json_object_get(tree, "webhook"), "url"))) {
        ck_assert(json_read_text(j->webhook_url, text, sizeof text));
        ck_assert_str_eq(text, json_string_value(v));
    }
    ck_assert_int_eq(j->run_at_ms != 0, json_object_get(tree, "run_at") != NULL);
}

START_TEST(every_example_of_a_built_type_is_accepted_and_the_others_are_refused_by_name)
{
    json_t *schema = json_loads(asset_schemas_job_json, 0, NULL);
    json_t *example;
    size_t i;

    json_array_foreach (json_object_get(schema, "examples"), i, example) {
        const char *type = json_string_value(json_object_get(example, "type"));
        bool later = job_type_flags(job_type_of(type, strlen(type))) & JOB_LATER;
        char *text = json_dumps(example, JSON_INDENT(i % 3));

        ck_assert_msg(job_checks(text) == !later, "example %zu: %s", i, refused.msg);
        if (later) {
            ck_assert_int_eq(refused.kind, ERR_UNKNOWN_TYPE);
            ck_assert_ptr_nonnull(strstr(refused.msg, "is not built yet"));
        } else {
            compare(example, &checked.job);
            ck_assert_int_eq(checked.queue, job_queue(checked.job.type, checked.job.priority));
            ck_assert_int_eq(checked.made_id, json_object_get(example, "id") == NULL);
        }
        free(text);
    }
    json_decref(schema);
}
END_TEST

static const char *const good[] = {
    NOOP(",\"run_at\":\"1970-01-01T00:00:00Z\""),
    NOOP(",\"run_at\":\"2026-11-22T09:00:00.123456+05:30\""),
    NOOP(",\"tags\":{}"),
    NOOP(",\"tags\":{\"a\":\"\\u0000\"}"),
    NOOP(",\"backoff\":{}"),
    NOOP(",\"id\":\"" LONG_64 "\""),
    HOOK("http://127.0.0.1:8080"),
    HOOK("HTTPS://example.com?x=1"),
    HOOK("https://user:pass@example.com:443/a/b?c=%20#d"),
    HOOK("https://[2001:db8::1]:8443/hook"),
    HOOK("https:\\/\\/example.com\\/hook"),
    " \t\r\n{ \"payload\" : { } , \"type\" : \"noop\" }\n",
    "{\"type\":\"noop\",\"payload\":{\"result\":\"\\u0000\\ud83d\\ude00\"}}",
    "{\"type\":\"noop\",\"payload\":{\"result\":-9223372036854775808}}",
    CALL("\"task\":\"chat\",\"body\":{\"messages\":[{}]}"),
    CALL("\"task\":\"chat\",\"body\":{\"messages\":[7],\"prompt\":null}"),
    CALL("\"task\":\"chat\",\"body\":{\"prompt\":[1,2]}"),
    CALL("\"task\":\"code\",\"body\":{\"stream\":true,\"prompt\":\"x\"}"),
    CALL("\"task\":\"completion\",\"body\":{\"prompt\":[\"a\",\"b\"]}"),
    CALL("\"task\":\"image\",\"body\":{\"prompt\":\"a boat\"}"),
    CALL("\"task\":\"embedding\",\"body\":{\"input\":[[1,2],[3]]}"),
    CALL("\"task\":\"chat\",\"body\":{\"seed\":15924764223251450000,\"prompt\":\"x\",\"tools\":[{"
         "\"maximum\":18446744073709551615,\"minimum\":-1e400}]}"),
    CALL("\"task\":\"chat\",\"prompt\":\"x\",\"max_tokens\":16.0,\"validate\":{\"schema\":{"
         "\"maximum\":18446744073709551615},\"max_retries\":1e0}"),
    CALL("\"task\":\"rerank\",\"body\":{\"query\":\"q\",\"documents\":[1]}"),
    CALL("\"task\":\"chat\",\"prompt\":\"x\",\"validate\":{\"max_retries\":0,\"schema\":{\"type\":"
         "\"object\",\"properties\":{\"a\":{\"$ref\":\"#/definitions/a\"}},\"definitions\":{\"a\":"
         "{\"type\":\"integer\",\"$comment\":\"x\"}}}}"),
    CALL("\"task\":\"chat\",\"body\":{\"prompt\":\"x\",\"response_format\":{\"type\":\"json_"
         "schema\",\"json_schema\":"
         "{\"schema\":{\"unheard\":1}}}}"),
    CALL("\"task\":\"chat\",\"body\":{\"prompt\":\"x\",\"stream\":null,\"anything\":{\"at\":["
         "\"all\"]}}"),
    CALL("\"task\":\"chat\",\"body\":{\"messages\":[{\"role\":\"developer\",\"content\":1}]},"
         "\"allow_cached\":true"),
    CALL("\"task\":\"chat\",\"messages\":[{\"role\":\"tool\",\"content\":null,\"tool_call_id\":"
         "\"x\"}]"),
};

START_TEST(accepts_what_is_unusual_but_right)
{
    ck_assert_msg(job_checks(good[_i]), "%s: %s", good[_i], refused.msg);
    ck_assert(checked.job.doc.p == good[_i]);
    ck_assert_uint_eq(checked.job.doc.n, strlen(good[_i]));
}
END_TEST

START_TEST(a_byte_order_mark_is_no_part_of_the_document)
{
    ck_assert(job_checks("\xef\xbb\xbf" NOOP("")));
    ck_assert_uint_eq(checked.job.doc.n, strlen(NOOP("")));
    ck_assert_int_eq(*checked.job.doc.p, '{');
}
END_TEST

START_TEST(a_whole_number_may_be_written_as_a_real)
{
    ck_assert_msg(job_checks(NOOP(",\"max_attempts\":3.0,\"delay_ms\":1.5e3,\"timeout_ms\":1500.0,"
                                  "\"expires_in_ms\":25.92E8,\"backoff\":{\"delay_ms\":0.0,"
                                  "\"max_ms\":1e2}")),
                  "%s", refused.msg);
    ck_assert_int_eq(checked.job.max_attempts, 3);
    ck_assert_int_eq(checked.job.delay_ms, 1500);
    ck_assert_int_eq(checked.job.timeout_ms, 1500);
    ck_assert_int_eq(checked.job.expires_in_ms, 2592000000);
    ck_assert_int_eq(checked.job.backoff_delay_ms, 0);
    ck_assert_int_eq(checked.job.backoff_max_ms, 100);
}
END_TEST

START_TEST(a_number_that_is_too_long_to_be_read_is_not_taken_for_absent)
{
    char doc[1000];

    snprintf(doc, sizeof doc, "{\"type\":\"noop\",\"payload\":{},\"max_attempts\":3.%0500d}", 0);
    ck_assert(!job_checks(doc));
    ck_assert_str_eq(refused.msg, "document: a number in it is too long");
}
END_TEST

#define BIG(n)     "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":" n "}}"
#define BIG_TWO(n) "{\"type\":\"noop\",\"payload\":{ \"result\":" n "},\"id\":\"a\"}"

static const struct {
    const char *doc, *other;
    bool equal;
} numbers[] = {
    {BIG("18446744073709551615"), BIG_TWO("18446744073709551615"), true},
    {BIG("18446744073709551615"), BIG("18446744073709551614"), false},
    {BIG("-18446744073709551615"), BIG("18446744073709551615"), false},
    {BIG("18446744073709551615"), BIG("\"18446744073709551615\""), false},
    {BIG("18446744073709551615"), BIG("1.8446744073709552e+19"), false},
    {BIG("{\"b\":9223372036854775808,\"c\":9223372036854775809}"),
     BIG("{\"b\":9223372036854775809,\"c\":9223372036854775808}"), false},
    {BIG("{\"b\":9223372036854775808,\"c\":9223372036854775809}"),
     BIG("{\"c\":9223372036854775809,\"b\":9223372036854775808}"), true},
    {BIG("1e999"), BIG("2e999"), false},
    {BIG("[1e999,\"9\\\"9e999\",-1e999,1]"), BIG("[1e999,\"9\\\"9e999\",-1e999,1.5]"), false},
    {BIG("1500"), BIG("1500.0"), false},
};

START_TEST(numbers_of_any_size_pass_and_tell_documents_apart)
{
    char first[17];

    ck_assert_msg(job_checks(numbers[_i].doc), "%s: %s", numbers[_i].doc, refused.msg);
    ck_assert(checked.job.doc.p == numbers[_i].doc);
    memcpy(first, checked.digest, sizeof first);
    ck_assert_msg(job_checks(numbers[_i].other), "%s: %s", numbers[_i].other, refused.msg);
    ck_assert_int_eq(strcmp(checked.digest, first) == 0, numbers[_i].equal);
}
END_TEST

START_TEST(equal_documents_have_equal_digests_and_others_do_not)
{
    char first[17];

    ck_assert(
        job_checks("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":{\"x\":1,\"y\":[1.0,"
                   "\"\\u00e4\"]}}}"));
    ck_assert_uint_eq(strlen(checked.digest), 16);
    memcpy(first, checked.digest, sizeof first);
    ck_assert(job_checks("{ \"payload\" : {\"result\":{\"y\":[1.0, \"\xc3\xa4\"],\"x\":1}}, "
                         "\"type\":\"noop\",\"id\":\"a\"}"));
    ck_assert_str_eq(checked.digest, first);
    ck_assert(job_checks("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":{\"x\":1,\"y\":["
                         "\"\\u00e4\",1.0]}}}"));
    ck_assert_str_ne(checked.digest, first);
    ck_assert(
        job_checks("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":{\"x\":\"1\",\"y\":[1."
                   "0,\"\\u00e4\"]}}}"));
    ck_assert_str_ne(checked.digest, first);
}
END_TEST

START_TEST(a_document_without_an_id_gets_one_and_needs_no_digest)
{
    char first[JOB_ID_MAX + 1];

    ck_assert(job_checks(NOOP("")));
    ck_assert(checked.made_id);
    ck_assert_uint_eq(strlen(checked.id), 36);
    ck_assert_str_eq(checked.digest, "0000000000000000");
    memcpy(first, checked.id, sizeof first);
    ck_assert(job_checks(NOOP("")));
    ck_assert_str_gt(checked.id, first);
    ck_assert(job_checks(NOOP(",\"id\":\"mine\",\"reply\":true")));
    ck_assert_str_eq(checked.id, "mine");
    ck_assert(!checked.made_id);
    ck_assert(checked.wants_reply);
    ck_assert_str_eq(checked.submitted_id, "");
}
END_TEST

Suite *test_job_check(void);
Suite *test_job_check(void)
{
    Suite *s = suite_create("test_job_check");
    TCase *tc = tcase_create("job_check");

    tcase_add_loop_test(tc, a_refusal_is_told_under_the_best_id_there_is, 0, (int)ARRAY_LEN(whose));
    tcase_add_test(tc, a_refusal_carries_type_tenant_and_tags_when_they_are_good);
    tcase_add_test(tc,
                   every_example_of_a_built_type_is_accepted_and_the_others_are_refused_by_name);
    tcase_add_test(tc, a_torn_document_of_any_depth_is_read_to_its_end);
    tcase_add_loop_test(tc, a_refusal_names_the_webhook_when_it_is_good, 0, (int)ARRAY_LEN(hooks));
    tcase_add_test(tc, a_byte_order_mark_is_no_part_of_the_document);
    tcase_add_test(tc, a_whole_number_may_be_written_as_a_real);
    tcase_add_test(tc, a_number_that_is_too_long_to_be_read_is_not_taken_for_absent);
    tcase_add_loop_test(tc, numbers_of_any_size_pass_and_tell_documents_apart, 0,
                        (int)ARRAY_LEN(numbers));
    tcase_add_loop_test(tc, accepts_what_is_unusual_but_right, 0, (int)ARRAY_LEN(good));
    tcase_add_test(tc, equal_documents_have_equal_digests_and_others_do_not);
    tcase_add_test(tc, a_document_without_an_id_gets_one_and_needs_no_digest);
    suite_add_tcase(s, tc);
    return s;
}
