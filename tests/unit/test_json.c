#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

/* ---- what is JSON ---- */

/* Each row is given to jansson too.  DIFFERS marks where the two are meant to
 * disagree: we do not judge the size of numbers and take \u0000. */
enum { AGREES, DIFFERS };

#define ROW(text, ok, differs)                    \
    {                                             \
        (text), sizeof(text) - 1, (ok), (differs) \
    }
static const struct {
    const char *text;
    size_t n;
    bool ok;
    int differs;
} documents[] = {
    ROW("{}", true, AGREES),
    ROW("[]", true, AGREES),
    ROW(" \t\r\n{ } \n", true, AGREES),
    ROW("[ ]", true, AGREES),
    ROW("", false, AGREES),
    ROW("   ", false, AGREES),
    ROW("null", true, AGREES),
    ROW("true", true, AGREES),
    ROW("false", true, AGREES),
    ROW("nul", false, AGREES),
    ROW("nulll", false, AGREES),
    ROW("True", false, AGREES),
    ROW("truefalse", false, AGREES),
    ROW("0", true, AGREES),
    ROW("-0", true, AGREES),
    ROW("-", false, AGREES),
    ROW("+1", false, AGREES),
    ROW("01", false, AGREES),
    ROW("-01", false, AGREES),
    ROW("1.", false, AGREES),
    ROW(".5", false, AGREES),
    ROW("1.5", true, AGREES),
    ROW("1.5.5", false, AGREES),
    ROW("1e5", true, AGREES),
    ROW("1E+5", true, AGREES),
    ROW("1e-5", true, AGREES),
    ROW("1e", false, AGREES),
    ROW("1e+", false, AGREES),
    ROW("1e5.5", false, AGREES),
    ROW("0x10", false, AGREES),
    ROW("NaN", false, AGREES),
    ROW("-Infinity", false, AGREES),
    ROW("1 2", false, AGREES),
    ROW("9223372036854775807", true, AGREES),
    ROW("9223372036854775808", true, DIFFERS),
    ROW("1e999", true, DIFFERS),
    ROW("1e-999", true, AGREES),
    ROW("\"\"", true, AGREES),
    ROW("\"", false, AGREES),
    ROW("\"abc", false, AGREES),
    ROW("\"a\\\"b\"", true, AGREES),
    ROW("\"a\\\\\"", true, AGREES),
    ROW("\"a\\\"", false, AGREES),
    ROW("\"\\/\\b\\f\\n\\r\\t\"", true, AGREES),
    ROW("\"\\x41\"", false, AGREES),
    ROW("\"\\'\"", false, AGREES),
    ROW("\"\\", false, AGREES),
    ROW("\"\\\x80\"", false, AGREES),
    ROW("\"\\u0041\"", true, AGREES),
    ROW("\"\\u00e9\\u20AC\"", true, AGREES),
    ROW("\"\\u004\"", false, AGREES),
    ROW("\"\\u004g\"", false, AGREES),
    ROW("\"\\u00", false, AGREES),
    ROW("\"\\U0041\"", false, AGREES),
    ROW("\"\\u0000\"", true, DIFFERS),
    ROW("\"\\ud83d\\ude00\"", true, AGREES),
    ROW("\"\\ud83d\"", false, AGREES),
    ROW("\"\\ud83d\\n\"", false, AGREES),
    ROW("\"\\ud83dx\"", false, AGREES),
    ROW("\"\\ud83d\\u0041\"", false, AGREES),
    ROW("\"\\ud83d\\ud83d\"", false, AGREES),
    ROW("\"\\ude00\"", false, AGREES),
    ROW("\"\\ude00\\ude00\"", false, AGREES),
    ROW("\"\\ud83d\\ude0", false, AGREES),
    ROW("\"a\nb\"", false, AGREES),
    ROW("\"a\tb\"", false, AGREES),
    ROW("\"a\x1f"
        "b\"",
        false, AGREES),
    ROW("\"a\x7f"
        "b\"",
        true, AGREES),
    ROW("\"a\0b\"", false, AGREES),
    ROW("{}\0", false, AGREES),
    ROW("\0{}", false, AGREES),
    ROW("\"\xc3\xa9\"", true, AGREES),
    ROW("\"\xe2\x82\xac and \xf0\x9f\x98\x80\"", true, AGREES),
    ROW("\"\xef\xbf\xbf\xf4\x8f\xbf\xbf\"", true, AGREES),
    ROW("\"\xc3\"", false, AGREES),
    ROW("\"\x80\"", false, AGREES),
    ROW("\"\xc0\x80\"", false, AGREES),
    ROW("\"\xc1\xbf\"", false, AGREES),
    ROW("\"\xe0\x80\x80\"", false, AGREES),
    ROW("\"\xed\xa0\x80\"", false, AGREES),
    ROW("\"\xf0\x80\x80\x80\"", false, AGREES),
    ROW("\"\xf4\x90\x80\x80\"", false, AGREES),
    ROW("\"\xf5\x80\x80\x80\"", false, AGREES),
    ROW("\"\xff\"", false, AGREES),
    ROW("\"\xe2\x82", false, AGREES),
    ROW("\"0123456789abcdef\xe2\x82\"", false, AGREES),
    ROW("\"0123456\x80"
        "9abcdef\"",
        false, AGREES),
    ROW("\"0123456789abcde\x1f\"", false, AGREES),
    ROW("\"01234567\\", false, AGREES),
    ROW("\xef\xbb\xbf{}", false, AGREES),
    ROW("[1,2]", true, AGREES),
    ROW("[1,]", false, AGREES),
    ROW("[,1]", false, AGREES),
    ROW("[1 2]", false, AGREES),
    ROW("[1", false, AGREES),
    ROW("[1}", false, AGREES),
    ROW("[", false, AGREES),
    ROW("]", false, AGREES),
    ROW("[]]", false, AGREES),
    ROW("{\"a\":1}", true, AGREES),
    ROW("{ \"a\" : 1 , \"b\" : [ { } ] }", true, AGREES),
    ROW("{\"\":\"\"}", true, AGREES),
    ROW("{\"a\":1,\"a\":2}", true, AGREES),
    ROW("{\"a\"}", false, AGREES),
    ROW("{\"a\":}", false, AGREES),
    ROW("{\"a\":1,}", false, AGREES),
    ROW("{,\"a\":1}", false, AGREES),
    ROW("{a:1}", false, AGREES),
    ROW("{'a':1}", false, AGREES),
    ROW("{1:1}", false, AGREES),
    ROW("{\"a\" 1}", false, AGREES),
    ROW("{\"a\":1", false, AGREES),
    ROW("{\"a\":1]", false, AGREES),
    ROW("{\"a\":1}}", false, AGREES),
    ROW("{\"a\":1 \"b\":2}", false, AGREES),
    ROW("{\"a\n\":1}", false, AGREES),
    ROW("{\"\\u0000\":1}", true, DIFFERS),
    ROW("// x\n{}", false, AGREES),
    ROW("{}/**/", false, AGREES),
    ROW("\v{}", false, AGREES),
    ROW("\xc2\xa0{}", false, AGREES),
};

/* A copy with nothing behind it, so that ASan sees every byte read too far. */
static char *exact(const char *p, size_t n)
{
    char *copy = malloc(n ? n : 1);

    ck_assert_ptr_nonnull(copy);
    memcpy(copy, p, n);
    return copy;
}

START_TEST(accepts_what_is_json_and_nothing_else)
{
    char *text = exact(documents[_i].text, documents[_i].n);

    ck_assert_msg(json_valid(text, documents[_i].n) == documents[_i].ok, "row %d: %s", _i,
                  documents[_i].text);
    free(text);
}
END_TEST

START_TEST(agrees_with_jansson)
{
    json_t *doc = json_loadb(documents[_i].text, documents[_i].n, JSON_DECODE_ANY, NULL);
    bool expected = documents[_i].ok != (documents[_i].differs == DIFFERS);

    ck_assert_msg((doc != NULL) == expected, "row %d: %s", _i, documents[_i].text);
    json_decref(doc);
}
END_TEST

START_TEST(a_document_cut_anywhere_is_refused)
{
    static const char text[] =
        "{\"id\":\"j\\u00e9\\ud83d\\ude00\",\"n\":[-1.5e+3,true,false,null,{}],"
        "\"long\":\"0123456789abcdef0123456789\xe2\x82\xac\"}";

    ck_assert(json_valid(text, sizeof text - 1));
    for (size_t n = 0; n < sizeof text - 1; n++) {
        char *cut = exact(text, n);

        ck_assert_msg(!json_valid(cut, n), "accepted %zu bytes", n);
        free(cut);
    }
}
END_TEST

/* Any one byte in any place of a string: 256 bytes by 20 places. */
START_TEST(any_byte_in_a_string_is_judged_as_jansson_does)
{
    for (size_t at = 1; at <= 20; at++) {
        for (int c = 0; c < 256; c++) {
            char text[] = "\"aaaaaaaaaaaaaaaaaaaa\"";
            json_t *doc;

            text[at] = (char)c;
            doc = json_loadb(text, sizeof text - 1, JSON_DECODE_ANY, NULL);
            ck_assert_msg(json_valid(text, sizeof text - 1) == (doc != NULL), "byte %d at %zu", c,
                          at);
            json_decref(doc);
        }
    }
}
END_TEST

static size_t nest(char *text, int depth)
{
    memset(text, '[', (size_t)depth);
    memset(text + depth, ']', (size_t)depth);
    return (size_t)depth * 2;
}

START_TEST(depth_is_limited)
{
    char text[4096], object[4200];
    struct json_iter it;
    size_t n;

    ck_assert(json_valid(text, nest(text, JSON_MAX_DEPTH)));
    ck_assert(!json_valid(text, nest(text, JSON_MAX_DEPTH + 1)));
    n = nest(text, JSON_OWN_DEPTH);
    ck_assert(json_iter_init(&it, text, n));
    ck_assert(json_next(&it));
    ck_assert(!json_next(&it));
    ck_assert(!it.bad);
    n = nest(text, JSON_OWN_DEPTH + 1);
    ck_assert(json_iter_init(&it, text, n));
    ck_assert(!json_next(&it));
    ck_assert(it.bad);
    n = (size_t)snprintf(object, sizeof object, "{\"a\":%.*s}", (int)n, text);
    ck_assert(!json_valid(object, n));
    memset(text, '[', sizeof text);
    ck_assert(!json_valid(text, sizeof text));
}
END_TEST

/* A walk to the end is a validation: it is good exactly for valid containers. */
START_TEST(a_walk_finds_what_is_malformed)
{
    struct json_iter it;
    bool walked = json_iter_init(&it, documents[_i].text, documents[_i].n);
    size_t blanks = strspn(documents[_i].text, " \t\r\n");
    char first = blanks < documents[_i].n ? documents[_i].text[blanks] : 0;

    ck_assert_msg(walked == (first == '{' || first == '['), "row %d", _i);
    if (!walked)
        return;
    while (json_next(&it))
        ck_assert(json_valid(it.value.p, it.value.n));
    ck_assert_msg(it.bad == !documents[_i].ok, "row %d: %s", _i, documents[_i].text);
    ck_assert(!json_next(&it));
}
END_TEST

/* Unescaping gives what jansson gives. */
START_TEST(strings_are_unescaped_as_jansson_does)
{
    json_t *doc =
        json_loadb(documents[_i].text, documents[_i].n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    struct buf b = BUF(1000);

    if (json_is_string(doc)) {
        ck_assert(json_read_string((struct span){documents[_i].text, documents[_i].n}, &b));
        ck_assert_uint_eq(b.n, json_string_length(doc));
        ck_assert_mem_eq(b.p, json_string_value(doc), b.n);
    }
    json_decref(doc);
    buf_done(&b);
}
END_TEST

Suite *test_json(void)
{
    Suite *s = suite_create("test_json");
    TCase *tc = tcase_create("json");

    tcase_add_loop_test(tc, accepts_what_is_json_and_nothing_else, 0, (int)ARRAY_LEN(documents));
    tcase_add_loop_test(tc, agrees_with_jansson, 0, (int)ARRAY_LEN(documents));
    tcase_add_test(tc, a_document_cut_anywhere_is_refused);
    tcase_add_test(tc, any_byte_in_a_string_is_judged_as_jansson_does);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_loop_test(tc, a_walk_finds_what_is_malformed, 0, (int)ARRAY_LEN(documents));
    tcase_add_loop_test(tc, strings_are_unescaped_as_jansson_does, 0, (int)ARRAY_LEN(documents));
    suite_add_tcase(s, tc);
    return s;
}
