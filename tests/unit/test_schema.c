/* test_schema.c - the validator, and our schemas against their own examples. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/schema/schema.h"

/* ---- keywords ---- */

static const struct {
    const char *schema, *doc;
    const char *says; /* NULL: accepted */
} cases[] = {
    {"true", "1", NULL},
    {"false", "1", "not allowed here"},
    {"{}", "[1, {\"a\": null}]", NULL},
    {"{\"type\": \"string\"}", "\"\"", NULL},
    {"{\"type\": \"string\"}", "5", "expected a string, got 5"},
    {"{\"type\": \"string\"}", "null", "expected a string, got null"},
    {"{\"type\": \"object\"}", "[1,2,3]", "expected an object, got an array"},
    {"{\"type\": \"array\"}", "{}", "expected an array, got an object"},
    {"{\"type\": \"boolean\"}", "\"true\"", "expected true or false, got \"true\""},
    {"{\"type\": \"null\"}", "false", "expected null, got false"},
    {"{\"type\": [\"string\", \"null\"]}", "null", NULL},
    {"{\"type\": [\"string\", \"null\"]}", "1", "expected a string or null, got 1"},
    {"{\"type\": \"number\"}", "1.5", NULL},
    {"{\"type\": \"number\"}", "-3", NULL},
    {"{\"type\": \"number\"}", "\"1\"", "expected a number, got \"1\""},
    {"{\"type\": \"integer\"}", "9223372036854775807", NULL},
    {"{\"type\": \"integer\"}", "1.5", "expected an integer, got 1.5"},
    {"{\"type\": \"integer\"}", "3.0", NULL},
    {"{\"type\": \"integer\"}", "-1.5e3", NULL},
    {"{\"type\": \"integer\"}", "1e16", "expected an integer, got 10000000000000000.0"},
    {"{\"type\": \"integer\", \"maximum\": 3}", "4.0", "expected an integer of at most 3, got 4.0"},

    {"{\"const\": 1}", "1", NULL},
    {"{\"const\": \"a\"}", "\"b\"", "expected a; got \"b\""},
    {"{\"enum\": [\"a\", 1, null]}", "null", NULL},
    {"{\"enum\": [\"a\", 1, null]}", "\"a\"", NULL},
    {"{\"enum\": [\"a\", 1, null]}", "2", "expected one of a, 1, null; got 2"},
    {"{\"enum\": [\"a\"]}", "\"a\\u0000\"", "expected a; got \"a\\u0000\""},
    {"{\"const\": [1, {\"a\": 2}]}", "[1, {\"a\": 2}]", NULL},

    {"{\"minLength\": 2}", "\"a\"", "expected at least 2 characters, got 1"},
    {"{\"maxLength\": 3}", "\"\\u00e4\\u20ac\\ud83d\\ude00\"", NULL},
    {"{\"maxLength\": 2}", "\"\\u00e4\\u20ac\\ud83d\\ude00\"",
     "expected at most 2 characters, got 3"},
    {"{\"minLength\": 1, \"maxLength\": 2}", "\"\"", "expected 1 to 2 characters, got 0"},
    {"{\"minLength\": 3, \"maxLength\": 3}", "\"ab\"", "expected 3 characters, got 2"},
    {"{\"minLength\": 3}", "1", NULL},
    {"{\"pattern\": \"^[a-c]+$\"}", "\"abc\"", NULL},
    {"{\"pattern\": \"^[a-c]+$\"}", "\"abd\"", "expected only characters of [a-c], got \"abd\""},
    {"{\"pattern\": \"^[a-c]+$\"}", "\"\"", "expected only characters of [a-c], got \"\""},
    {"{\"pattern\": \"^[a-c]*$\"}", "\"\"", NULL},
    {"{\"pattern\": \"^[a-c]+$\"}", "\"ab\\n\"", "got \"ab\\u000a\""},
    {"{\"pattern\": \"^[a-c.-]{2,3}$\"}", "\"a-.\"", NULL},
    {"{\"pattern\": \"^[a-c]{2,3}$\"}", "\"a\"", "expected 2 to 3 characters of [a-c], got \"a\""},
    {"{\"pattern\": \"^[a-c]{2,3}$\"}", "\"aaaa\"", "expected 2 to 3 characters of [a-c]"},
    {"{\"pattern\": \"^a[0-9]{2}$\"}", "\"a12\"", NULL},
    {"{\"pattern\": \"^a[0-9]{2}$\"}", "\"a123\"",
     "expected text that matches ^a[0-9]{2}$, got \"a123\""},
    {"{\"pattern\": \"^a\"}", "\"a\\u0000b\"", NULL},
    {"{\"pattern\": \"b\"}", "\"abc\"", NULL},
    {"{\"pattern\": \"^[^a]+$\"}", "\"b\"", NULL},
    {"{\"pattern\": \"^[^a]+$\"}", "\"a\"", "expected text that matches ^[^a]+$, got \"a\""},

    {"{\"minimum\": 1}", "1", NULL},
    {"{\"type\": \"integer\", \"minimum\": 1}", "0", "expected an integer of at least 1, got 0"},
    {"{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9}", "10",
     "expected an integer from 0 to 9, got 10"},
    {"{\"type\": \"integer\", \"minimum\": 0, \"maximum\": 9}", "\"x\"",
     "expected an integer from 0 to 9, got \"x\""},
    {"{\"exclusiveMinimum\": 1}", "1", "expected a number over 1, got 1"},
    {"{\"exclusiveMinimum\": 0, \"exclusiveMaximum\": 1}", "0.5", NULL},
    {"{\"exclusiveMaximum\": 1}", "1.0", "expected a number under 1, got 1.0"},
    {"{\"minimum\": 9007199254740993}", "9007199254740992",
     "of at least 9007199254740993, got 9007199254740992"},
    {"{\"maximum\": 2.5}", "3", "expected a number of at most 2.5, got 3"},
    {"{\"minimum\": 5}", "\"text\"", NULL},

    {"{\"items\": {\"type\": \"integer\"}}", "[1, 2]", NULL},
    {"{\"items\": {\"type\": \"integer\"}}", "[1, \"2\"]", "[1]: expected an integer, got \"2\""},
    {"{\"minItems\": 1}", "[]", "expected at least 1 items, got 0"},
    {"{\"maxItems\": 1}", "[1, 2]", "expected at most 1 items, got 2"},

    {"{\"properties\": {\"a\": {\"type\": \"integer\"}}}", "{\"a\": 1, \"b\": 2}", NULL},
    {"{\"properties\": {\"a\": {\"type\": \"integer\"}}}", "{\"a\": \"1\"}",
     "a: expected an integer, got \"1\""},
    {"{\"required\": [\"a\"]}", "{\"b\": 1}", "a: required, but missing"},
    {"{\"required\": [\"a\"]}", "[]", NULL},
    {"{\"properties\": {\"alpha\": {}}, \"additionalProperties\": false}", "{\"alhpa\": 1}",
     "alhpa: unknown field; did you mean 'alpha'?"},
    {"{\"properties\": {\"alpha\": {}, \"beta\": {}}, \"additionalProperties\": false}",
     "{\"zzz\": 1}", "zzz: unknown field; known are alpha, beta"},
    {"{\"additionalProperties\": false}", "{\"zzz\": 1}",
     "zzz: unknown field; none is allowed here"},
    {"{\"additionalProperties\": {\"type\": \"string\"}}", "{\"a b\": 1}",
     "[\"a b\"]: expected a string, got 1"},
    {"{\"patternProperties\": {\"^[a-z]{1,2}$\": {\"type\": \"integer\"}}, "
     "\"additionalProperties\": false}",
     "{\"ab\": 1}", NULL},
    {"{\"patternProperties\": {\"^[a-z]{1,2}$\": {\"type\": \"integer\"}}, "
     "\"additionalProperties\": false}",
     "{\"abc\": 1}", "abc: this name is not allowed; expected 1 to 2 characters of [a-z]"},
    {"{\"patternProperties\": {\"^[a-z]{1,2}$\": {\"type\": \"integer\"}}}", "{\"ab\": null}",
     "ab: expected an integer, got null"},
    {"{\"maxProperties\": 1}", "{\"a\": 1, \"b\": 2}", "expected at most 1 members, got 2"},

    {"{\"allOf\": [{\"minimum\": 1}, {\"maximum\": 2}]}", "3",
     "expected a number of at most 2, got 3"},
    {"{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\"}]}", "[]", NULL},
    {"{\"anyOf\": [{\"type\": \"string\"}, {\"type\": \"array\"}]}", "1",
     "expected a string or an array, got 1"},
    {"{\"anyOf\": [{\"type\": \"string\", \"minLength\": 1}, {\"type\": \"array\"}]}", "\"\"",
     "expected at least 1 characters, got 0"},
    {"{\"anyOf\": [{\"properties\": {\"k\": {\"const\": \"a\"}, \"n\": {\"type\": \"integer\"}}},"
     " {\"properties\": {\"k\": {\"const\": \"b\"}, \"n\": {\"type\": \"string\"}}}]}",
     "{\"k\": \"b\", \"n\": 1}", "n: expected a string, got 1"},
    {"{\"anyOf\": [{\"const\": 1}, {\"const\": 2}]}", "3", "none of the allowed forms"},
    {"{\"oneOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}", "{\"a\": 1}", NULL},
    {"{\"oneOf\": [{\"required\": [\"a\"]}, {\"required\": [\"b\"]}]}", "{\"a\": 1, \"b\": 2}",
     "more than one of the allowed forms at once"},
    {"{\"oneOf\": [{\"required\": [\"a\"]}], \"$comment\": \"give a, please\"}", "{}",
     "give a, please"},
    {"{\"not\": {\"type\": \"string\"}}", "1", NULL},
    {"{\"not\": {\"type\": \"string\"}}", "\"x\"", "not allowed here"},
    {"{\"not\": {}, \"$comment\": \"expected a miracle\"}", "5", "expected a miracle, got 5"},
    {"{\"if\": {\"type\": \"string\"}, \"then\": {\"minLength\": 2}, \"else\": {\"minimum\": 2}}",
     "\"a\"", "expected at least 2 characters, got 1"},
    {"{\"if\": {\"type\": \"string\"}, \"then\": {\"minLength\": 2}, \"else\": {\"minimum\": 2}}",
     "1", "expected a number of at least 2, got 1"},
    {"{\"if\": {\"type\": \"string\"}, \"then\": false}", "1", NULL},

    {"{\"$defs\": {\"n\": {\"type\": \"integer\"}}, \"items\": {\"$ref\": \"#/$defs/n\"}}",
     "[1, null]", "[1]: expected an integer, got null"},
    {"{\"$ref\": \"#/$defs/t\", \"$defs\": {\"t\": {\"properties\": {\"l\": {\"$ref\": "
     "\"#/$defs/t\"}},"
     " \"additionalProperties\": false}}}",
     "{\"l\": {\"l\": {\"x\": 1}}}", "l.l.x: unknown field; known are l"},
    {"{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"$ref\": \"#/$defs/b\"}, \"b\": {\"$ref\": "
     "\"#/$defs/a\"}}}",
     "1", "nested deeper than 128 levels"},
    {"{\"$ref\": \"#/$defs/a\", \"minimum\": 5, \"$defs\": {\"a\": {\"type\": \"integer\"}}}", "4",
     "expected a number of at least 5, got 4"},
    {"{\"properties\": {\"a\": {\"items\": {\"properties\": {\"b c\": false}}}}}",
     "{\"a\": [{}, {\"b c\": 1}]}", "a[1][\"b c\"]: not allowed here"},
    {"{\"title\": \"x\", \"description\": \"y\", \"examples\": [], \"default\": 1, \"format\": "
     "\"uri\","
     " \"$id\": \"urn:x\", \"$schema\": \"s\", \"$comment\": \"c\"}",
     "1", NULL},
};

START_TEST(keywords_mean_what_the_standard_says)
{
    struct err err = {0};
    struct schema *s = schema_new(cases[_i].schema, &err);
    json_t *doc = json_loads(cases[_i].doc, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool ok;

    ck_assert_msg(s != NULL, "%s: %s", cases[_i].schema, err.msg);
    ck_assert_ptr_nonnull(doc);
    ok = schema_check(s, doc, &err);
    ck_assert_msg(ok == !cases[_i].says, "%s on %s: %s", cases[_i].schema, cases[_i].doc, err.msg);
    if (!ok) {
        ck_assert_int_eq(err.kind, ERR_INVALID);
        ck_assert_msg(strstr(err.msg, cases[_i].says) != NULL, "said: %s", err.msg);
    }
    json_decref(doc);
    schema_free(s);
}
END_TEST

static const struct {
    const char *schema, *says;
} broken[] = {
    {"", "schema: line"},
    {"{\"a\": 1, \"a\": 2}", "duplicate"},
    {"5", "schema: not a schema"},
    {"{\"typ\": \"string\"}", "schema: typ: unknown keyword"},
    {"{\"unevaluatedProperties\": false}", "unevaluatedProperties: unknown keyword"},
    {"{\"properties\": {\"a\": {\"minLen\": 1}}}",
     "schema: properties: a: minLen: unknown keyword"},
    {"{\"type\": \"text\"}", "type: not the name of a type"},
    {"{\"type\": []}", "type: an empty list"},
    {"{\"type\": [\"string\", 1]}", "type: not the names of types"},
    {"{\"enum\": []}", "enum: not a list of values"},
    {"{\"minLength\": -1}", "minLength: not a count"},
    {"{\"minimum\": \"1\"}", "minimum: not a number"},
    {"{\"minimum\": 1, \"exclusiveMinimum\": 2}", "a second bound"},
    {"{\"pattern\": \"(\"}", "pattern: missing closing parenthesis"},
    {"{\"pattern\": 1}", "pattern: not a regular expression"},
    {"{\"patternProperties\": {\"[\": {}}}",
     "patternProperties: [: missing terminating ] for character class"},
    {"{\"required\": \"a\"}", "required: not a list of names"},
    {"{\"required\": [1]}", "required: not a list of names"},
    {"{\"properties\": []}", "properties: not an object"},
    {"{\"items\": []}", "items: not a schema"},
    {"{\"allOf\": []}", "allOf: not a list of schemas"},
    {"{\"allOf\": [{}, 1]}", "allOf: [1]: not a schema"},
    {"{\"$ref\": \"other.json\"}", "$ref: not of the form"},
    {"{\"$ref\": \"#/$defs/x\"}", "$ref: no such definition"},
    {"{\"$defs\": {\"x\": {\"foo\": 1}}}", "$defs: x: foo: unknown keyword"},
    {"{\"$comment\": 1}", "$comment: not a string"},
};

START_TEST(a_schema_that_is_not_understood_is_refused)
{
    struct err err = {0};

    ck_assert_ptr_null(schema_new(broken[_i].schema, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, broken[_i].says) != NULL, "%s said: %s", broken[_i].schema,
                  err.msg);
}
END_TEST

/* ---- hostile values in messages ---- */

static void say(const char *schema, json_t *take_doc, struct err *err)
{
    struct schema *s = schema_new(schema, err);

    ck_assert_ptr_nonnull(s);
    ck_assert(!schema_check(s, take_doc, err));
    json_decref(take_doc);
    schema_free(s);
}

START_TEST(long_values_are_cut_between_characters)
{
    char text[1001];
    struct err err = {0};

    for (int i = 0; i < 500; i++)
        memcpy(text + (ptrdiff_t)2 * i, "\xc3\xa4", 3);
    say("{\"type\": \"integer\"}", json_string(text), &err);
    ck_assert_uint_eq(strlen(err.msg),
                      strlen("expected an integer, got \"") + (size_t)2 * SCHEMA_SHOWN_MAX + 4);
    ck_assert_str_eq(err.msg + strlen(err.msg) - 6, "\xc3\xa4...\"");
}
END_TEST

START_TEST(control_characters_are_never_told_raw)
{
    struct err err = {0};

    say("{\"type\": \"integer\"}", json_string("a\x1b[31m\n\"\\\x7f\xc2\x9b"), &err);
    ck_assert_str_eq(err.msg,
                     "expected an integer, got \"a\\u001b[31m\\u000a\\\"\\\\\\u007f\\u009b\"");
}
END_TEST

START_TEST(long_and_strange_names_are_cut_and_quoted)
{
    char name[1001];
    struct err err = {0};
    json_t *doc = json_object();

    memset(name, 'x', 1000);
    name[1000] = 0;
    name[1] = '\n';
    json_object_set_new(doc, name, json_null());
    say("{\"additionalProperties\": false}", doc, &err);
    ck_assert_msg(strncmp(err.msg, "[\"x\\u000axxx", 12) == 0, "said: %s", err.msg);
    ck_assert_uint_lt(strlen(err.msg), 130);
}
END_TEST

START_TEST(a_long_way_is_told_from_its_end)
{
    json_t *doc = json_string("leaf");
    struct err err = {0};

    for (int i = 0; i < 40; i++)
        doc = json_pack("{so}", "member", doc);
    say("{\"$ref\": \"#/$defs/t\", \"$defs\": {\"t\": {\"type\": \"object\", "
        "\"additionalProperties\": {\"$ref\": \"#/$defs/t\"}}}}",
        doc, &err);
    ck_assert_msg(strncmp(err.msg, "....member.member", 17) == 0, "said: %s", err.msg);
    ck_assert_ptr_nonnull(strstr(err.msg, ": expected an object, got \"leaf\""));
}
END_TEST

START_TEST(a_schema_that_would_take_for_ever_is_given_up)
{
    struct err err = {0};

    say("{\"$ref\": \"#/$defs/a\", \"$defs\": {\"a\": {\"anyOf\": [{\"$ref\": \"#/$defs/a\"}, "
        "{\"$ref\": \"#/$defs/a\"}]}}}",
        json_null(), &err);
    ck_assert_str_eq(err.msg, "the check takes too many steps");
}
END_TEST

/* ---- our schemas ---- */

extern const char asset_schemas_job_json[], asset_schemas_result_json[], asset_schemas_cost_json[],
    asset_schemas_webhook_json[], asset_schemas_alert_json[];

static const struct {
    const char *name, *text;
} ours[] = {
    {"job", asset_schemas_job_json},     {"result", asset_schemas_result_json},
    {"cost", asset_schemas_cost_json},   {"webhook", asset_schemas_webhook_json},
    {"alert", asset_schemas_alert_json},
};

START_TEST(every_example_fits_its_schema)
{
    struct err err = {0};
    struct schema *s = schema_new(ours[_i].text, &err);
    json_t *json = json_loads(ours[_i].text, JSON_REJECT_DUPLICATES, NULL);
    json_t *example;
    size_t i;

    ck_assert_msg(s != NULL, "%s: %s", ours[_i].name, err.msg);
    ck_assert_uint_ge(json_array_size(json_object_get(json, "examples")), 5);
    json_array_foreach (json_object_get(json, "examples"), i, example)
        ck_assert_msg(schema_check(s, example, &err), "%s, example %zu: %s", ours[_i].name, i,
                      err.msg);
    json_decref(json);
    schema_free(s);
}
END_TEST

/* Each member of each example is needed or known: leaving out a required one, or adding one, fails.
 */
START_TEST(every_required_member_is_missed_and_every_other_refused)
{
    struct err err = {0};
    struct schema *s = schema_new(ours[_i].text, &err);
    json_t *json = json_loads(ours[_i].text, 0, NULL);
    json_t *example, *name;
    size_t i, k;

    json_array_foreach (json_object_get(json, "examples"), i, example) {
        json_array_foreach (json_object_get(json, "required"), k, name) {
            json_t *copy = json_copy(example);

            json_object_del(copy, json_string_value(name));
            ck_assert(!schema_check(s, copy, &err));
            ck_assert_msg(strstr(err.msg, "required, but missing") != NULL, "said: %s", err.msg);
            json_decref(copy);
        }
        json_object_set_new(example, "no_such_field", json_null());
        ck_assert(!schema_check(s, example, &err));
        ck_assert_msg(strncmp(err.msg, "no_such_field: unknown field", 28) == 0, "said: %s",
                      err.msg);
    }
    json_decref(json);
    schema_free(s);
}
END_TEST

/* data of a webhook is a result: the two schemas must say the same. */
START_TEST(a_webhook_carries_what_result_json_describes)
{
    json_t *result = json_loads(asset_schemas_result_json, 0, NULL);
    json_t *webhook = json_loads(asset_schemas_webhook_json, 0, NULL);
    json_t *data = json_object_get(json_object_get(webhook, "$defs"), "result");

    ck_assert_int_eq(json_object_del(json_object_get(data, "properties"), "output_omitted"), 0);
    ck_assert(
        json_equal(json_object_get(data, "properties"), json_object_get(result, "properties")));
    ck_assert(json_equal(json_object_get(data, "required"), json_object_get(result, "required")));
    json_decref(result);
    json_decref(webhook);
}
END_TEST

START_TEST(a_webhook_carries_what_alert_json_describes)
{
    json_t *alert = json_loads(asset_schemas_alert_json, 0, NULL);
    json_t *webhook = json_loads(asset_schemas_webhook_json, 0, NULL);
    json_t *data = json_object_get(json_object_get(webhook, "$defs"), "alert");

    ck_assert(
        json_equal(json_object_get(data, "properties"), json_object_get(alert, "properties")));
    ck_assert(json_equal(json_object_get(data, "required"), json_object_get(alert, "required")));
    json_decref(alert);
    json_decref(webhook);
}
END_TEST

Suite *test_schema(void);
Suite *test_schema(void)
{
    Suite *s = suite_create("test_schema");
    TCase *tc = tcase_create("schema");

    tcase_add_loop_test(tc, keywords_mean_what_the_standard_says, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, a_schema_that_is_not_understood_is_refused, 0, (int)ARRAY_LEN(broken));
    tcase_add_test(tc, long_values_are_cut_between_characters);
    tcase_add_test(tc, control_characters_are_never_told_raw);
    tcase_add_test(tc, long_and_strange_names_are_cut_and_quoted);
    tcase_add_test(tc, a_long_way_is_told_from_its_end);
    tcase_add_test(tc, a_schema_that_would_take_for_ever_is_given_up);
    tcase_add_loop_test(tc, every_example_fits_its_schema, 0, (int)ARRAY_LEN(ours));
    tcase_add_loop_test(tc, every_required_member_is_missed_and_every_other_refused, 0,
                        (int)ARRAY_LEN(ours));
    tcase_add_test(tc, a_webhook_carries_what_result_json_describes);
    tcase_add_test(tc, a_webhook_carries_what_alert_json_describes);
    suite_add_tcase(s, tc);
    return s;
}
