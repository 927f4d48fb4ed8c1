/* test_together_validate.c - which answers are the JSON that was asked for. */
#include "worker/together/validate.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

#define AGE \
    "{\"type\":\"object\",\"properties\":{\"age\":{\"type\":\"integer\"}},\"required\":[\"age\"]}"
#define VALID  "{\"schema\":" AGE "}"
#define OBJECT "{\"type\":\"json_object\"}"
#define FORMAT "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":" AGE "}}"
#define BESIDE "{\"type\":\"json_object\",\"schema\":" AGE "}"
#define UNHEARD \
    "{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"array\",\"contains\":{}}}}"
#define SAY(c) "{\"choices\":[{\"message\":{\"content\":" c "}}]}"

/* clang-format off */
static const struct {
    const char *format, *validate, *answer, *says; /* says NULL: it is right */
} cases[] = {
    {NULL, NULL, SAY("\"no\""), NULL},
    {"{\"type\":\"text\"}", NULL, SAY("\"no\""), NULL},
    {"{\"type\":\"regex\",\"pattern\":\"x\"}", NULL, SAY("\"no\""), NULL},
    {"7", NULL, SAY("\"no\""), NULL},
    {OBJECT, NULL, SAY("\"{\\\"a\\\":1}\""), NULL},
    {OBJECT, NULL, SAY("\" [1, 2]\\n\""), NULL},
    {OBJECT, NULL, SAY("\"Sure! {}\""), "choices[0]: not JSON: line 1, column "},
    {OBJECT, NULL, SAY("\"```json\\n{}\\n```\""), "choices[0]: not JSON"},
    {OBJECT, NULL, SAY("\"{\\\"a\\\":1} {}\""), "choices[0]: not JSON"},
    {OBJECT, NULL, SAY("\"\""), "choices[0]: not JSON"},
    {OBJECT, NULL, SAY("null"), "choices[0]: not a text"},
    {OBJECT, NULL, SAY("123456789012345678901234567890"), "choices[0]: not a text"},
    {OBJECT, NULL, SAY("\"123456789012345678901234567890\""), NULL},
    {OBJECT, NULL, SAY("\"1e999\""), "choices[0]: not JSON"},
    {OBJECT, NULL, SAY("\"\\\"\\\\u0000\\\"\""), NULL},
    {OBJECT, NULL, "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{}]}}]}", NULL},
    {OBJECT, NULL, "{\"choices\":[{\"message\":{\"content\":\"\",\"tool_calls\":[{}]}}]}", NULL},
    {OBJECT, NULL, "{\"choices\":[{\"message\":{\"content\":\"x\",\"tool_calls\":[{}]}}]}", "choices[0]"},
    {OBJECT, NULL, "{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[]}}]}", "not a text"},
    {OBJECT, NULL, "{\"choices\":[{\"text\":\"{}\"}]}", NULL},
    {OBJECT, NULL, "{\"choices\":[{\"text\":\"{\"}]}", "choices[0]: not JSON"},
    {OBJECT, NULL, "{\"choices\":[{\"message\":{\"content\":\"{}\"}},{\"message\":{\"content\":\"x\"}}]}", "choices[1]: not JSON"},
    {OBJECT, NULL, "{\"choices\":[{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\"}}]}", "choices[0]: cut by max_tokens: not JSON"},
    {FORMAT, NULL, SAY("\"{\\\"age\\\":7}\""), NULL},
    {FORMAT, NULL, SAY("\"{\\\"age\\\":7.0}\""), NULL},
    {FORMAT, NULL, SAY("\"{\\\"age\\\":\\\"7\\\"}\""), "choices[0]: age: expected an integer, got \"7\""},
    {FORMAT, NULL, SAY("\"{}\""), "choices[0]: age: required, but missing"},
    {FORMAT, NULL, SAY("\"[]\""), "choices[0]: expected an object"},
    {BESIDE, NULL, SAY("\"{}\""), "choices[0]: age: required, but missing"},
    {UNHEARD, NULL, SAY("\"[]\""), NULL},
    {UNHEARD, NULL, SAY("\"{}\""), "choices[0]: expected an array"},
    {NULL, VALID, SAY("\"{\\\"age\\\":7}\""), NULL},
    {NULL, VALID, SAY("\"seven\""), "choices[0]: not JSON"},
    {NULL, VALID, SAY("\"{\\\"age\\\":null}\""), "choices[0]: age: expected an integer, got null"},
    {NULL, "{\"schema\":false}", SAY("\"1\""), "choices[0]: not allowed"},
    {NULL, "{\"schema\":true}", SAY("\"1\""), NULL},
    {UNHEARD, VALID, SAY("\"{\\\"age\\\":7}\""), "choices[0]: expected an array"},
    {OBJECT, VALID, SAY("\"{\\\"age\\\":7}\""), NULL},
    {NULL, VALID, SAY("\"```json\\n{\\\"age\\\":7}\\n```\""), NULL},
    {OBJECT, VALID, SAY("\"<think>7?</think>{\\\"age\\\":7}\""), NULL},
    {NULL, VALID, SAY("\"```json\\n{\\\"age\\\":\\\"7\\\"}\\n```\""), "choices[0]: age: expected an integer, got \"7\""},
    {NULL, VALID, SAY("\"<think>{\\\"age\\\":7}\""), "choices[0]: not JSON: line 1, column 1"},
    {NULL, VALID, SAY("[{\"type\":\"thinking\",\"thinking\":[]},{\"type\":\"text\",\"text\":\"{\\\"age\\\":\"},{\"type\":\"text\",\"text\":\"7}\"}]"), NULL},
    {NULL, VALID, SAY("[{\"type\":\"thinking\",\"text\":\"{\\\"age\\\":7}\"}]"), "choices[0]: not a text"},
};
/* clang-format on */

static struct buf value = {.max_bytes = 1 << 16};

static void teardown(void) { buf_done(&value); }

static struct span of(const char *text) { return (struct span){text, text ? strlen(text) : 0}; }

static struct together_request request(const char *format, const char *validate)
{
    return (struct together_request){
        .task = TASK_CHAT, .parts = {.response_format = of(format), .validate = of(validate)}};
}

START_TEST(an_answer_is_what_was_asked_for_or_says_where_not)
{
    struct together_request req = request(cases[_i].format, cases[_i].validate);
    struct err err = {0};
    bool ok = together_validate(&req, of(cases[_i].answer), true, &value, &err);

    ck_assert(json_valid(cases[_i].answer, strlen(cases[_i].answer)));
    ck_assert_msg(ok == !cases[_i].says, "%s said: %s", cases[_i].answer, err.msg);
    if (ok) {
        ck_assert_int_eq(err.kind, ERR_NONE);
        return;
    }
    ck_assert(together_wants_json(&req));
    ck_assert_int_eq(err.kind, ERR_INVALID_OUTPUT);
    ck_assert_msg(strncmp(err.msg, cases[_i].says, strlen(cases[_i].says)) == 0 ||
                      strstr(err.msg, cases[_i].says),
                  "said: %s", err.msg);
}
END_TEST

#define GOOD7             "{\"message\":{\"content\":\"{\\\"age\\\":7}\"}}"
#define CALL              "{\"message\":{\"content\":null,\"tool_calls\":[{}]}}"
#define AGED              "{\"text\":\"```json\\n{\\\"age\\\":7}\\n```\"}"
#define DEEP(open, close) "{\"choices\":[{\"text\":\"" open "7" close "\"}]}"
#define X8(t)             t t t t t t t t

/* clang-format off */
static const struct {
    const char *format, *validate, *answer, *value;
} values[] = {
    {NULL, VALID, SAY("\" {\\\"age\\\": 7}\\n\""), "{\"age\": 7}"},
    {NULL, VALID, "{\"choices\":[" AGED "]}", "{\"age\":7}"},
    {NULL, "{\"schema\":true}", SAY("\"null\""), "null"},
    {NULL, "{\"schema\":true}", SAY("\"18446744073709551615\""), "18446744073709551615"},
    {NULL, VALID, "{\"choices\":[" AGED "," AGED "]}", "[{\"age\":7},{\"age\":7}]"},
    {NULL, VALID, "{\"choices\":[" CALL "," AGED "]}", "[null,{\"age\":7}]"},
    {NULL, VALID, "{\"choices\":[" AGED "," CALL "]}", "[{\"age\":7},null]"},
    {NULL, VALID, "{\"choices\":[" CALL "]}", ""},
    {NULL, "{\"schema\":true}", DEEP(X8(X8("[")), X8(X8("]"))), X8(X8("[")) "7" X8(X8("]"))},
    {NULL, "{\"schema\":true}", DEEP("[" X8(X8("[")), "]" X8(X8("]"))), "null"},
    {OBJECT, NULL, SAY("\"{}\""), ""},
    {NULL, NULL, SAY("\"{}\""), ""},
};
/* clang-format on */

START_TEST(the_value_is_kept_where_validate_is_asked_for)
{
    struct together_request req = request(values[_i].format, values[_i].validate);
    struct err err = {0};

    ck_assert_msg(together_validate(&req, of(values[_i].answer), true, &value, &err), "%s",
                  err.msg);
    buf_putc(&value, '\0');
    ck_assert_str_eq(value.p, values[_i].value);
}
END_TEST

START_TEST(nothing_is_unwrapped_where_that_is_off_or_not_asked_for)
{
    struct together_request req = request(OBJECT, NULL);
    struct err err = {0};

    ck_assert(!together_validate(&req, of("{\"choices\":[" AGED "]}"), true, &value, &err));
    req = request(NULL, VALID);
    ck_assert(!together_validate(&req, of("{\"choices\":[" AGED "]}"), false, &value, &err));
    ck_assert(together_validate(&req, of("{\"choices\":[" GOOD7 "]}"), false, &value, &err));
    ck_assert_uint_eq(value.n, strlen("{\"age\":7}"));
}
END_TEST

START_TEST(other_tasks_are_not_looked_at)
{
    struct together_request req = request(OBJECT, VALID);
    struct err err = {0};

    req.task = TASK_EMBEDDING;
    ck_assert(!together_wants_json(&req));
    ck_assert(together_validate(&req, of("{\"data\":[]}"), true, &value, &err));
}
END_TEST

START_TEST(a_job_may_say_how_often_it_is_asked_again)
{
    struct together_request req = request(NULL, "{\"max_retries\":7,\"schema\":{}}");

    ck_assert_int_eq(together_validate_retries(&req, 2), 7);
    req = request(OBJECT, NULL);
    ck_assert_int_eq(together_validate_retries(&req, 2), 2);
}
END_TEST

START_TEST(an_answer_that_is_too_long_is_not_taken_for_right)
{
    static const char head[] = "{\"choices\":[{\"text\":\"[";
    struct together_request req = request(OBJECT, NULL);
    struct buf b = BUF(VALIDATE_MAX_BYTES * 2);
    struct err err = {0};

    buf_puts(&b, head);
    while (b.n < VALIDATE_MAX_BYTES + sizeof head)
        buf_puts(&b, "1,");
    buf_puts(&b, "1]\"}]}");
    ck_assert(!together_validate(&req, buf_span(&b), true, &value, &err));
    ck_assert_str_eq(err.msg, "choices[0]: too long to be checked");
    buf_done(&b);
}
END_TEST

#define EURO "\xe2\x82\xac"

/* clang-format off */
static const struct {
    const char *answer, *shown;
} shown[] = {
    {SAY("\"short\""), "short"},
    {SAY("\"" EURO EURO EURO EURO EURO EURO "\""), EURO EURO EURO EURO "..."},
    {SAY("\"{\\\"a\\\":\\n\\\\\\\"\""), "{\"a\":\\n\\\\\""},
    {"{}", ""},
    {"{\"choices\":[" GOOD7 ",{\"text\":\"bad\"}," GOOD7 "]}", "bad"},
};
/* clang-format on */

START_TEST(the_beginning_of_what_is_wrong_is_shown_whole_characters_only)
{
    struct together_request req = request(NULL, VALID);
    char text[16];

    ck_assert(json_valid(shown[_i].answer, strlen(shown[_i].answer)));
    together_validate_show(&req, of(shown[_i].answer), true, text, sizeof text);
    ck_assert_str_eq(text, shown[_i].shown);
}
END_TEST

Suite *test_together_validate(void);
Suite *test_together_validate(void)
{
    Suite *s = suite_create("test_together_validate");
    TCase *tc = tcase_create("validate");

    tcase_add_loop_test(tc, an_answer_is_what_was_asked_for_or_says_where_not, 0,
                        (int)ARRAY_LEN(cases));
    tcase_add_checked_fixture(tc, NULL, teardown);
    tcase_add_loop_test(tc, the_value_is_kept_where_validate_is_asked_for, 0,
                        (int)ARRAY_LEN(values));
    tcase_add_test(tc, nothing_is_unwrapped_where_that_is_off_or_not_asked_for);
    tcase_add_test(tc, other_tasks_are_not_looked_at);
    tcase_add_test(tc, a_job_may_say_how_often_it_is_asked_again);
    tcase_add_test(tc, an_answer_that_is_too_long_is_not_taken_for_right);
    tcase_add_loop_test(tc, the_beginning_of_what_is_wrong_is_shown_whole_characters_only, 0,
                        (int)ARRAY_LEN(shown));
    suite_add_tcase(s, tc);
    return s;
}
