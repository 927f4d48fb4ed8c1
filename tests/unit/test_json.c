#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

static void expect_span(struct span s, const char *text)
{
    ck_assert_msg(s.n == strlen(text) && memcmp(s.p, text, s.n) == 0, "'%.*s' instead of '%s'",
                  (int)s.n, s.p ? s.p : "", text);
}

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

/* ---- walking ---- */

START_TEST(an_object_is_walked_member_by_member)
{
    struct span doc = SPAN(" { \"a\" : 1 ,\"b\\n\":[1, 2 ] , \"\" : { \"x\" : null } } ");
    struct json_iter it;

    ck_assert(json_iter_init(&it, doc.p, doc.n));
    ck_assert(json_next(&it));
    expect_span(it.key, "a");
    expect_span(it.value, "1");
    ck_assert(json_next(&it));
    expect_span(it.key, "b\\n");
    expect_span(it.value, "[1, 2 ]");
    ck_assert(json_next(&it));
    expect_span(it.key, "");
    expect_span(it.value, "{ \"x\" : null }");
    ck_assert(!json_next(&it));
    ck_assert(!it.bad);
    ck_assert(!json_next(&it));
    ck_assert(!it.bad);
}
END_TEST

START_TEST(an_array_is_walked_element_by_element)
{
    struct span doc = SPAN("[ \"x\" , {} ]");
    struct json_iter it;

    ck_assert(json_iter_init(&it, doc.p, doc.n));
    ck_assert(json_next(&it));
    expect_span(it.value, "\"x\"");
    ck_assert_uint_eq(it.key.n, 0);
    ck_assert(json_next(&it));
    expect_span(it.value, "{}");
    ck_assert(!json_next(&it));
    ck_assert(!it.bad);
}
END_TEST

START_TEST(only_objects_and_arrays_can_be_walked)
{
    struct json_iter it;

    ck_assert(!json_iter_init(&it, "1", 1));
    ck_assert(!json_iter_init(&it, "\"{}\"", 4));
    ck_assert(!json_iter_init(&it, "  ", 2));
    ck_assert(!json_iter_init(&it, NULL, 0));
    ck_assert(!json_next(&it));
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

/* ---- picking ---- */

START_TEST(pick_fills_what_is_there_and_empties_the_rest)
{
    struct span doc = SPAN("{\"id\":\"j\",\"type\":\"chat\",\"input\":{\"id\":\"inner\"},\"n\":7}");
    struct span id, n, missing = SPAN("old"), input;
    const struct json_want wants[] = {{"n", &n}, {"id", &id}, {"idx", &missing}, {"input", &input}};

    ck_assert(json_pick(doc.p, doc.n, wants, ARRAY_LEN(wants)));
    expect_span(id, "\"j\"");
    expect_span(n, "7");
    expect_span(input, "{\"id\":\"inner\"}");
    ck_assert_ptr_null(missing.p);
    ck_assert_uint_eq(missing.n, 0);
}
END_TEST

START_TEST(pick_takes_the_last_of_equal_names)
{
    struct span doc = SPAN("{\"id\":1,\"\\u0069d\":2,\"id\\u0000\":3,\"\\u0069e\":4}");
    struct span id;
    const struct json_want wants[] = {{"id", &id}};

    ck_assert(json_pick(doc.p, doc.n, wants, 1));
    expect_span(id, "2");
}
END_TEST

START_TEST(pick_refuses_what_is_malformed_or_no_object)
{
    struct span id;
    const struct json_want wants[] = {{"id", &id}};

    ck_assert(!json_pick("[\"id\",1]", 8, wants, 1));
    ck_assert(!json_pick("{\"id\":1,}", 9, wants, 1));
    ck_assert(!json_pick("{\"id\":1} x", 10, wants, 1));
    ck_assert(!json_pick("\"id\"", 4, wants, 1));
    ck_assert(!json_pick("", 0, wants, 1));
    ck_assert_ptr_null(id.p);
    ck_assert(json_pick("{}", 2, wants, 1));
    ck_assert_ptr_null(id.p);
    ck_assert(json_pick("{\"\":5}", 6, (struct json_want[]){{"", &id}}, 1));
    expect_span(id, "5");
}
END_TEST

START_TEST(a_long_escaped_name_is_no_match)
{
    struct buf b = BUF(10000);
    struct span id;

    buf_puts(&b, "{\"");
    for (int i = 0; i < 500; i++)
        buf_puts(&b, "\\u0069");
    buf_puts(&b, "\":1}");
    ck_assert(json_pick(b.p, b.n, (struct json_want[]){{"i", &id}}, 1));
    ck_assert_ptr_null(id.p);
    buf_done(&b);
}
END_TEST

START_TEST(a_path_leads_to_a_value)
{
    struct span doc = SPAN("{\"usage\":{\"details\":{\"cached\":17}},\"choices\":[{\"f\":\"a\"},{"
                           "\"f\":\"b\"}],\"0\":9}");

    expect_span(json_at(doc, "usage.details.cached"), "17");
    expect_span(json_at(doc, "choices.1.f"), "\"b\"");
    expect_span(json_at(doc, "choices.0"), "{\"f\":\"a\"}");
    expect_span(json_at(doc, "0"), "9");
    expect_span(json_at(doc, ""), doc.p);
    ck_assert_ptr_null(json_at(doc, "usage.missing").p);
    ck_assert_ptr_null(json_at(doc, "usage.details.cached.deeper").p);
    ck_assert_ptr_null(json_at(doc, "choices.2").p);
    ck_assert_ptr_null(json_at(doc, "choices.-1").p);
    ck_assert_ptr_null(json_at(doc, "choices.f").p);
    ck_assert_ptr_null(json_at((struct span){NULL, 0}, "a").p);
    ck_assert_ptr_null(json_at(SPAN("{\"a\" 1}"), "a").p);
}
END_TEST

/* ---- typed reads ---- */

START_TEST(integers_are_read_and_nothing_else)
{
    static const char *const bad[] = {
        "1.0", "1e3", "\"1\"", "true", "007", "-", "9223372036854775808", "", "1 ", "null"};
    int64_t v = 42;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!json_read_int((struct span){bad[i], strlen(bad[i])}, &v), "%s", bad[i]);
    ck_assert(!json_read_int((struct span){NULL, 0}, &v));
    ck_assert_int_eq(v, 42);
    ck_assert(json_read_int(SPAN("-9223372036854775808"), &v));
    ck_assert_int_eq(v, INT64_MIN);
    ck_assert(json_read_int(SPAN("-0"), &v));
    ck_assert_int_eq(v, 0);
}
END_TEST

START_TEST(doubles_are_read_and_nothing_else)
{
    double v = 42;

    ck_assert(!json_read_double(SPAN("\"1\""), &v));
    ck_assert(!json_read_double(SPAN("1e999"), &v));
    ck_assert(!json_read_double(SPAN("01.5"), &v));
    ck_assert(!json_read_double((struct span){NULL, 0}, &v));
    ck_assert_double_eq(v, 42);
    ck_assert(json_read_double(SPAN("-1.5e3"), &v));
    ck_assert_double_eq(v, -1500);
    ck_assert(json_read_double(SPAN("7"), &v));
    ck_assert_double_eq(v, 7);
}
END_TEST

START_TEST(bools_and_nulls_are_words)
{
    bool v = true;

    ck_assert(!json_read_bool(SPAN("1"), &v));
    ck_assert(!json_read_bool(SPAN("\"false\""), &v));
    ck_assert(v);
    ck_assert(json_read_bool(SPAN("false"), &v) && !v);
    ck_assert(json_read_bool(SPAN("true"), &v) && v);
    ck_assert(json_absent(SPAN("null")));
    ck_assert(json_absent((struct span){NULL, 0}));
    ck_assert(!json_absent(SPAN("\"null\"")));
    ck_assert(!json_absent(SPAN("0")));
    ck_assert(json_equals(SPAN("\"null\""), "null"));
    ck_assert(!json_equals(SPAN("null"), "null"));
    ck_assert(!json_equals(SPAN("\"nul\""), "null"));
    ck_assert(!json_equals((struct span){NULL, 0}, ""));
}
END_TEST

START_TEST(strings_are_unescaped)
{
    struct buf b = BUF(1000);

    ck_assert(json_read_string(SPAN("\"plain \xe2\x82\xac\""), &b));
    ck_assert(json_read_string(SPAN("\"|\\\"\\\\\\/\\b\\f\\n\\r\\t|\""), &b));
    ck_assert(json_read_string(SPAN("\"\\u0041\\u00e9\\u20aC\\ud83d\\uDE00\""), &b));
    ck_assert_str_eq(b.p,
                     "plain \xe2\x82\xac|\"\\/\b\f\n\r\t|A\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    buf_clear(&b);
    ck_assert(json_read_string(SPAN("\"a\\u0000b\""), &b));
    ck_assert_uint_eq(b.n, 3);
    ck_assert_mem_eq(b.p, "a\0b", 3);
    buf_done(&b);
    ck_assert(json_read_string(SPAN("\"\""), &b));
    ck_assert_str_eq(b.p, "");
    buf_done(&b);
}
END_TEST

START_TEST(what_is_no_string_is_not_read_as_one)
{
    static const char *const bad[] = {"1",        "",        "\"",     "\"a", "a\"",
                                      "\"a\"b\"", "\"\\x\"", "\"\n\"", "{}"};
    struct buf b = BUF(1000);
    char text[10] = "old";

    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        ck_assert_msg(!json_read_string((struct span){bad[i], strlen(bad[i])}, &b), "%s", bad[i]);
        ck_assert(!json_read_text((struct span){bad[i], strlen(bad[i])}, text, sizeof text));
    }
    ck_assert(!json_read_string((struct span){NULL, 0}, &b));
    ck_assert_uint_eq(b.n, 0);
    ck_assert_str_eq(text, "old");
    buf_done(&b);
}
END_TEST

START_TEST(a_full_buffer_is_said)
{
    struct buf b = BUF(4);

    ck_assert(json_read_string(SPAN("\"\\u0041bcd\""), &b));
    ck_assert_str_eq(b.p, "Abcd");
    buf_clear(&b);
    ck_assert(!json_read_string(SPAN("\"abc\\u20ac\""), &b));
    ck_assert(buf_failed(&b));
    buf_done(&b);
}
END_TEST

START_TEST(text_is_read_into_fixed_memory)
{
    char text[5] = "old";

    ck_assert(json_read_text(SPAN("\"a\\nbc\""), text, sizeof text));
    ck_assert_str_eq(text, "a\nbc");
    ck_assert(json_read_text(SPAN("\"\""), text, sizeof text));
    ck_assert_str_eq(text, "");
    ck_assert(!json_read_text(SPAN("\"abcde\""), text, sizeof text));
    ck_assert_str_eq(text, "");
    ck_assert(!json_read_text(SPAN("\"a\\u0000\""), text, sizeof text));
    ck_assert(!json_read_text(SPAN("\"a\""), text, 0));
    ck_assert(json_read_text(SPAN("\"\""), text, 1));
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

/* ---- writing ---- */

START_TEST(members_are_written_with_commas)
{
    struct buf b = BUF(1000);

    buf_putc(&b, '{');
    json_add_str(&b, "id", "j\"1");
    json_add_int(&b, "n", -42);
    json_add_key(&b, "inner");
    buf_putc(&b, '{');
    json_add_bool(&b, "yes", true);
    json_add_bool(&b, "no", false);
    buf_putc(&b, '}');
    json_add_raw(&b, "raw", SPAN("[1, 2]"));
    json_add_raw(&b, "absent", (struct span){NULL, 0});
    json_add_str(&b, "null", NULL);
    json_add_str(&b, "na\"me", "");
    buf_putc(&b, '}');
    ck_assert_str_eq(b.p, "{\"id\":\"j\\\"1\",\"n\":-42,\"inner\":{\"yes\":true,\"no\":false},"
                          "\"raw\":[1, 2],\"absent\":null,\"null\":null,\"na\\\"me\":\"\"}");
    buf_done(&b);
}
END_TEST

static const struct {
    const char *text;
    size_t n;
    const char *json;
} written[] = {
#define ROW2(text, json)                 \
    {                                    \
        (text), sizeof(text) - 1, (json) \
    }
    ROW2("", "\"\""),
    ROW2("plain", "\"plain\""),
    ROW2("a long plain text that is copied in one piece",
         "\"a long plain text that is copied in one piece\""),
    ROW2("\"\\/", "\"\\\"\\\\/\""),
    ROW2("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""),
    ROW2("\x01\x1f\x7f", "\"\\u0001\\u001f\x7f\""),
    ROW2("a\0b", "\"a\\u0000b\""),
    ROW2("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\""),
    ROW2("12345678\xe2\x82\xac"
         "12345678\n",
         "\"12345678\xe2\x82\xac"
         "12345678\\n\""),
    ROW2("a\xff"
         "b",
         "\"a\xef\xbf\xbd"
         "b\""),
    ROW2("\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""),
    ROW2("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""),
    ROW2("\xc3\xa9\xc3", "\"\xc3\xa9\xef\xbf\xbd\""),
};

START_TEST(strings_are_escaped_and_can_be_read_back)
{
    char *text = exact(written[_i].text, written[_i].n);
    struct buf b = BUF(1000);
    json_t *doc;

    json_add_string(&b, text, written[_i].n);
    ck_assert_str_eq(b.p, written[_i].json);
    ck_assert(json_valid(b.p, b.n));
    doc = json_loadb(b.p, b.n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    ck_assert(json_is_string(doc));
    json_decref(doc);
    buf_done(&b);
    free(text);
}
END_TEST

START_TEST(every_byte_survives_writing_and_reading)
{
    struct buf b = BUF(1000), back = BUF(1000);
    char text[128];

    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)i;
    json_add_string(&b, text, sizeof text);
    ck_assert(json_read_string(buf_span(&b), &back));
    ck_assert_uint_eq(back.n, sizeof text);
    ck_assert_mem_eq(back.p, text, sizeof text);
    buf_done(&b);
    buf_done(&back);
}
END_TEST

START_TEST(a_string_over_the_cap_fails_the_buffer)
{
    struct buf b = BUF(6);

    json_add_text(&b, "1234");
    ck_assert(!buf_failed(&b));
    buf_clear(&b);
    json_add_text(&b, "12345");
    ck_assert(buf_failed(&b));
    buf_done(&b);
}
END_TEST

START_TEST(amounts_are_exact_decimals)
{
    static const struct {
        int64_t nanousd;
        const char *json;
    } rows[] = {
        {0, "0"},
        {1, "0.000000001"},
        {2280, "0.00000228"},
        {150000000, "0.15"},
        {1000000000, "1"},
        {1500000000, "1.5"},
        {12000000034, "12.000000034"},
        {-2280, "-0.00000228"},
        {-1000000000, "-1"},
        {INT64_MAX, "9223372036.854775807"},
        {INT64_MIN, "-9223372036.854775808"},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf b = BUF(100);
        char expected[64];

        snprintf(expected, sizeof expected, "{\"cost_usd\":%s", rows[i].json);
        buf_putc(&b, '{');
        json_add_usd(&b, "cost_usd", rows[i].nanousd);
        ck_assert_str_eq(b.p, expected);
        buf_done(&b);
    }
}
END_TEST

static void add_reading_tests(TCase *tc)
{
    int rows = (int)ARRAY_LEN(documents);

    tcase_add_loop_test(tc, accepts_what_is_json_and_nothing_else, 0, rows);
    tcase_add_loop_test(tc, agrees_with_jansson, 0, rows);
    tcase_add_loop_test(tc, a_walk_finds_what_is_malformed, 0, rows);
    tcase_add_loop_test(tc, strings_are_unescaped_as_jansson_does, 0, rows);
    tcase_add_test(tc, a_document_cut_anywhere_is_refused);
    tcase_add_test(tc, any_byte_in_a_string_is_judged_as_jansson_does);
    tcase_add_test(tc, depth_is_limited);
    tcase_add_test(tc, an_object_is_walked_member_by_member);
    tcase_add_test(tc, an_array_is_walked_element_by_element);
    tcase_add_test(tc, only_objects_and_arrays_can_be_walked);
    tcase_add_test(tc, pick_fills_what_is_there_and_empties_the_rest);
    tcase_add_test(tc, pick_takes_the_last_of_equal_names);
    tcase_add_test(tc, pick_refuses_what_is_malformed_or_no_object);
    tcase_add_test(tc, a_long_escaped_name_is_no_match);
    tcase_add_test(tc, a_path_leads_to_a_value);
    tcase_add_test(tc, integers_are_read_and_nothing_else);
    tcase_add_test(tc, doubles_are_read_and_nothing_else);
    tcase_add_test(tc, bools_and_nulls_are_words);
    tcase_add_test(tc, strings_are_unescaped);
    tcase_add_test(tc, what_is_no_string_is_not_read_as_one);
    tcase_add_test(tc, a_full_buffer_is_said);
    tcase_add_test(tc, text_is_read_into_fixed_memory);
}

static void add_writing_tests(TCase *tc)
{
    tcase_add_test(tc, members_are_written_with_commas);
    tcase_add_loop_test(tc, strings_are_escaped_and_can_be_read_back, 0, (int)ARRAY_LEN(written));
    tcase_add_test(tc, every_byte_survives_writing_and_reading);
    tcase_add_test(tc, a_string_over_the_cap_fails_the_buffer);
    tcase_add_test(tc, amounts_are_exact_decimals);
}

Suite *test_json(void)
{
    Suite *s = suite_create("test_json");
    TCase *reading = tcase_create("reading");
    TCase *writing = tcase_create("writing");

    add_reading_tests(reading);
    add_writing_tests(writing);
    suite_add_tcase(s, reading);
    suite_add_tcase(s, writing);
    return s;
}
