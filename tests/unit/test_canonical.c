/* test_canonical.c - which bodies ask for the same, and which do not. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/model/model.h"
#include "worker/cache/canonical.h"

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static const char *form(unsigned task, const char *body)
{
    static char texts[2][4096];
    static int turn;
    struct buf out = BUF(sizeof texts[0] - 1);

    turn = !turn;
    snprintf(texts[turn], sizeof texts[turn], "%s",
             canonical_text(task, span_of(body), (struct span){0}, &out) ? out.p : "(none)");
    buf_done(&out);
    return texts[turn];
}

static bool hash(unsigned task, const char *body, char hex[CANONICAL_HEX])
{
    return canonical_hash(task, "/x", span_of(body), (struct span){0}, hex);
}

/* clang-format off */
static const struct {
    unsigned task;
    const char *a, *b;
} equal[] = {
    {TASK_CHAT, "{}", " { } "},
    {TASK_CHAT, "{\"a\":1,\"b\":2}", "\n{\"b\" : 2 ,\t\"a\":1}\r\n"},
    {TASK_CHAT, "{\"x\":{\"b\":[1,{\"d\":1,\"c\":2}],\"a\":null}}",
                "{\"x\":{\"a\":null,\"b\":[1,{\"c\":2,\"d\":1}]}}"},
    {TASK_CHAT, "{\"temperature\":0}", "{\"temperature\":0.0}"},
    {TASK_CHAT, "{\"temperature\":0}", "{\"temperature\":-0e12}"},
    {TASK_CHAT, "{\"max_tokens\":100}", "{\"max_tokens\":1e2}"},
    {TASK_CHAT, "{\"max_tokens\":100}", "{\"max_tokens\":100.00}"},
    {TASK_CHAT, "{\"x\":1}", "{\"x\":1.0}"},
    {TASK_CHAT, "{\"x\":-0}", "{\"x\":0}"},
    {TASK_CHAT, "{\"x\":-0.00e-7}", "{\"x\":0}"},
    {TASK_CHAT, "{\"x\":18446744073709551617}", "{\"x\":1.8446744073709551617E+19}"},
    {TASK_CHAT, "{\"x\":100000000000000000000}", "{\"x\":1e20}"},
    {TASK_CHAT, "{\"x\":0.00120e2}", "{\"x\":12e-2}"},
    {TASK_CHAT, "{\"temperature\":10e-1,\"x\":[-10,-1.0e+1]}", "{\"x\":[-1e1,-10.0]}"},
    {TASK_CHAT, "{\"x\":0.5}", "{\"x\":5E-1}"},
    {TASK_CHAT, "{\"x\":-12.30}", "{\"x\":-1230e-2}"},
    {TASK_CHAT, "{\"x\":0.001}", "{\"x\":1e-0003}"},
    {TASK_CHAT, "{\"x\":1e999999999999}", "{\"x\":1e999999999999}"},
    {TASK_CHAT, "{\"x\":\"A\\/\\u00e9\\ud83d\\ude00\"}", "{\"x\":\"\\u0041/\xc3\xa9\xf0\x9f\x98\x80\"}"},
    {TASK_CHAT, "{\"x\":\"a\\u000ab\\u0022\\u005c\"}", "{\"x\":\"a\\nb\\\"\\\\\"}"},
    {TASK_CHAT, "{\"\\u0061b\":1,\"aa\":2}", "{\"aa\":2,\"ab\":1}"},
    {TASK_CHAT, "{\"x\":1,\"temperature\":1,\"top_p\":1.0,\"n\":1,\"stream\":false,\"stop\":null,"
                "\"presence_penalty\":0,\"frequency_penalty\":0.0,\"logit_bias\":{},\"tools\":[]}", "{\"x\":1}"},
    {TASK_CHAT, "{\"x\":1,\"response_format\":{ \"type\" : \"text\" },\"tool_choice\":\"auto\",\"stop\":[ ]}", "{\"x\":1}"},
    {TASK_CHAT, "{\"x\":1,\"model\":\"a\",\"user\":\"u1\",\"metadata\":{\"k\":1},\"stream\":true,"
                "\"stream_options\":{\"include_usage\":true}}", "{\"x\":1,\"model\":\"b\",\"user\":\"u2\"}"},
    {TASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"hi\",\"name\":null,\"tool_calls\":null}]}",
                "{\"messages\":[{\"content\":\"hi\",\"role\":\"user\"}]}"},
    {TASK_EMBEDDING, "{\"input\":\"a\",\"encoding_format\":\"float\"}", "{\"input\":\"a\"}"},
    {TASK_CODE, "{\"prompt\":\"a\",\"echo\":false,\"suffix\":null}", "{\"prompt\":\"a\"}"},
}, different[] = {
    {TASK_CHAT, "{\"x\":1}", "{\"x\":\"1\"}"},
    {TASK_CHAT, "{\"x\":1}", "{\"x\":[1]}"},
    {TASK_CHAT, "{\"x\":1}", "{\"x\":true}"},
    {TASK_CHAT, "{\"x\":1}", "{\"x\":-1}"},
    {TASK_CHAT, "{\"x\":1}", "{\"x\":10}"},
    {TASK_CHAT, "{\"x\":12}", "{\"x\":21}"},
    {TASK_CHAT, "{\"x\":1.5}", "{\"x\":15}"},
    {TASK_CHAT, "{\"x\":0.15}", "{\"x\":0.015}"},
    {TASK_CHAT, "{\"x\":0}", "{\"x\":1}"},
    {TASK_CHAT, "{\"x\":1e400}", "{\"x\":1e401}"},
    {TASK_CHAT, "{\"x\":1e999999999}", "{\"x\":-1e999999999}"},
    {TASK_CHAT, "{\"x\":1e1000000000}", "{\"x\":\"#1e1000000000\"}"},
    {TASK_CHAT, "{\"x\":9223372036854775807}", "{\"x\":9223372036854775808}"},
    {TASK_CHAT, "{\"x\":18446744073709551616}", "{\"x\":18446744073709551617}"},
    {TASK_CHAT, "{\"x\":18446744073709551617}", "{\"x\":1}"},
    {TASK_CHAT, "{\"x\":1e999999999998}", "{\"x\":1e999999999999}"},
    {TASK_CHAT, "{\"seed\":9007199254740993}", "{\"seed\":9007199254740992}"},
    {TASK_CHAT, "{\"seed\":123456789012345678901234567890}", "{\"seed\":123456789012345678901234567891}"},
    {TASK_CHAT, "{\"x\":0.1}", "{\"x\":0.10000000000000000001}"},
    {TASK_CHAT, "{\"x\":[1,2]}", "{\"x\":[2,1]}"},
    {TASK_CHAT, "{\"x\":\"a\"}", "{\"x\":\"A\"}"},
    {TASK_CHAT, "{\"x\":\"a \"}", "{\"x\":\"a\"}"},
    {TASK_CHAT, "{\"x\":\"a\\\\u0041\"}", "{\"x\":\"a\\u0041\"}"},
    {TASK_CHAT, "{\"x\":\"\\u00e9\"}", "{\"x\":\"e\\u0301\"}"},
    {TASK_CHAT, "{\"x\":{\"a\":\"b\",\"c\":\"d\"}}", "{\"x\":{\"a\":\"b,c:d\"}}"},
    {TASK_CHAT, "{\"x\":{\"a\":null}}", "{\"x\":{}}"}, /* a schema may mean it */
    {TASK_CHAT, "{\"x\":{\"temperature\":1}}", "{\"x\":{}}"},
    {TASK_CHAT, "{\"x\":{\"model\":1}}", "{\"x\":{}}"},
    {TASK_CHAT, "{\"temperature\":0}", "{}"},
    {TASK_CHAT, "{\"temperature\":0,\"seed\":1}", "{\"temperature\":0,\"seed\":2}"},
    {TASK_CHAT, "{\"temperature\":0,\"top_p\":0.9}", "{\"temperature\":0}"},
    {TASK_CHAT, "{\"temperature\":0,\"max_tokens\":1}", "{\"temperature\":0}"},
    {TASK_CHAT, "{\"repetition_penalty\":1}", "{}"}, /* a model may have another default */
    {TASK_CHAT, "{\"n\":2}", "{}"},
    {TASK_CHAT, "{\"stop\":[\"a\"]}", "{}"},
    {TASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}", "{\"messages\":[{\"role\":\"system\",\"content\":\"a\"}]}"},
    {TASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"x\":null}]}]}", "{\"messages\":[{\"role\":\"user\",\"content\":[{}]}]}"},
    {TASK_CHAT, "{\"tools\":[{\"a\":1}]}", "{}"},
    {TASK_CHAT, "{\"a\":1,\"stop\":[[]]}", "{\"a\":1}"},
    {TASK_CHAT, "{\"x\":\"null\"}", "{}"},
    {TASK_EMBEDDING, "{\"input\":\"a\",\"temperature\":1}", "{\"input\":\"a\"}"}, /* no rule of that task */
    {TASK_EMBEDDING, "{\"input\":\"a\",\"encoding_format\":\"base64\"}", "{\"input\":\"a\"}"},
    {TASK_EMBEDDING, "{\"input\":\"a\",\"dimensions\":256}", "{\"input\":\"a\"}"},
};
static const char *const none[] = {
    "", " ", "[]", "1", "\"x\"", "{", "{\"a\":}", "{\"a\":1,}", "{} x", "{\"a\":1,\"a\":1}", "{\"a\":1,\"\\u0061\":2}",
    "{\"x\":\"\xff\"}", "{\"\xc0\x80\":1}", "{\"x\":\"\xed\xa0\x80\"}", "{\"x\":\"\\ud800\"}", "{\"x\":\"a\nb\"}",
    "{\"x\":01}", "{\"x\":-}", "{\"x\":1.}", "{\"x\":+1}", "{\"x\":.5}", "{\"x\":1e}", "{\"x\":NaN}", "{\"metadata\":{\"a\":1,\"a\":2}}",
    "{\"x\":{\"b\":1,\"c\":2,\"b\":1}}", "{\"temperature\":0.5,\"temperature\":1}",
};
/* clang-format on */

START_TEST(bodies_that_mean_the_same_have_one_form)
{
    char a[CANONICAL_HEX], b[CANONICAL_HEX];

    ck_assert_str_eq(form(equal[_i].task, equal[_i].a), form(equal[_i].task, equal[_i].b));
    ck_assert(hash(equal[_i].task, equal[_i].a, a));
    ck_assert(hash(equal[_i].task, equal[_i].b, b));
    ck_assert_str_eq(a, b);
    ck_assert_uint_eq(strlen(a), CANONICAL_HEX - 1);
}
END_TEST

START_TEST(bodies_that_may_not_mean_the_same_have_two)
{
    char a[CANONICAL_HEX], b[CANONICAL_HEX];

    ck_assert_str_ne(form(different[_i].task, different[_i].a),
                     form(different[_i].task, different[_i].b));
    ck_assert(hash(different[_i].task, different[_i].a, a));
    ck_assert(hash(different[_i].task, different[_i].b, b));
    ck_assert_str_ne(a, b);
}
END_TEST

START_TEST(what_readers_could_take_differently_has_none)
{
    char hex[CANONICAL_HEX];

    ck_assert(!hash(TASK_CHAT, none[_i], hex));
    ck_assert_str_eq(form(TASK_CHAT, none[_i]), "(none)");
}
END_TEST

START_TEST(the_form_is_sorted_and_tight)
{
    ck_assert_str_eq(
        form(TASK_CHAT, "{ \"b\" : [ 1.50 , true ] , \"a\" : { \"d\" : \"x\", \"c\" : 0.0 } }"),
        "{\"a\":{\"c\":0,\"d\":\"x\"},\"b\":[15e-1,true]}");
}
END_TEST

START_TEST(the_path_is_part_of_the_hash)
{
    const struct span body = {"{\"a\":1}", 7};
    char a[CANONICAL_HEX], b[CANONICAL_HEX];

    ck_assert(canonical_hash(TASK_CHAT, "/chat/completions", body, (struct span){0}, a));
    ck_assert(canonical_hash(TASK_CHAT, "/completions", body, (struct span){0}, b));
    ck_assert_str_ne(a, b);
    /* sha256sum of "/completions\n{"a":1e0}" */
    ck_assert_str_eq(b, "04e685185dc91bd93fdf00d19aa5e86bdd1dbbea1638a5af38d12212a2aed436");
}
END_TEST

START_TEST(one_text_of_a_list_hashes_as_a_body_with_that_text)
{
    const struct span list = span_of("{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"dimensions\":3}");
    char item[CANONICAL_HEX], alone[CANONICAL_HEX];

    ck_assert(canonical_hash(TASK_EMBEDDING, "/x", list, span_of("\"b\""), item));
    ck_assert(hash(TASK_EMBEDDING, "{\"dimensions\":3,\"input\":\"\\u0062\"}", alone));
    ck_assert_str_eq(item, alone);
}
END_TEST

START_TEST(long_bodies_keep_every_byte)
{
    struct buf b = BUF(1 << 20), text = BUF(1 << 20);

    buf_puts(&b, "{\"messages\":[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 20000; i++)
        buf_printf(&b, "%d ", i);
    buf_puts(&b, "\"}],\"a\":0}");
    ck_assert(canonical_text(TASK_CHAT, buf_span(&b), (struct span){0}, &text));
    ck_assert_uint_eq(text.n, b.n);
    ck_assert_int_eq(strncmp(text.p, "{\"a\":0,\"messages\":[{\"content\":\"0 1 2 ", 37), 0);
    buf_done(&b);
    buf_done(&text);
}
END_TEST

/* What grows most when it is rewritten: numbers of one digit. */
START_TEST(a_body_that_grows_has_a_hash)
{
    struct buf b = BUF(1 << 20);
    char hex[CANONICAL_HEX];

    buf_puts(&b, "{\"a\":[1");
    for (int i = 0; i < 1000; i++)
        buf_puts(&b, ",1");
    buf_puts(&b, "],\"b\":\"\\u0001\\u007f\\u0022\"}");
    ck_assert(canonical_hash(TASK_CHAT, "", buf_span(&b), (struct span){0}, hex));
    ck_assert(canonical_hash(TASK_CHAT, "", span_of("{\"a\":1}"), (struct span){0}, hex));
    ck_assert(canonical_hash(TASK_EMBEDDING, "", span_of("{\"input\":0}"),
                             span_of("[1,1,1,1,1,1,1,1,1,1]"), hex));
    buf_done(&b);
}
END_TEST

START_TEST(depth_has_a_bound)
{
    struct buf b = BUF(4096);
    char hex[CANONICAL_HEX];

    for (int deep = 60; deep <= 80; deep += 20) {
        buf_clear(&b);
        buf_puts(&b, "{\"a\":");
        for (int i = 0; i < deep; i++)
            buf_putc(&b, '[');
        for (int i = 0; i < deep; i++)
            buf_putc(&b, ']');
        buf_putc(&b, '}');
        ck_assert_int_eq(canonical_hash(TASK_CHAT, "", buf_span(&b), (struct span){0}, hex),
                         deep == 60);
    }
    buf_done(&b);
}
END_TEST

Suite *test_canonical(void)
{
    Suite *s = suite_create("canonical");
    TCase *tc = tcase_create("canonical");

    tcase_add_loop_test(tc, bodies_that_mean_the_same_have_one_form, 0, (int)ARRAY_LEN(equal));
    tcase_add_loop_test(tc, bodies_that_may_not_mean_the_same_have_two, 0,
                        (int)ARRAY_LEN(different));
    tcase_add_loop_test(tc, what_readers_could_take_differently_has_none, 0, (int)ARRAY_LEN(none));
    tcase_add_test(tc, the_form_is_sorted_and_tight);
    tcase_add_test(tc, the_path_is_part_of_the_hash);
    tcase_add_test(tc, one_text_of_a_list_hashes_as_a_body_with_that_text);
    tcase_add_test(tc, long_bodies_keep_every_byte);
    tcase_add_test(tc, a_body_that_grows_has_a_hash);
    tcase_add_test(tc, depth_has_a_bound);
    suite_add_tcase(s, tc);
    return s;
}
