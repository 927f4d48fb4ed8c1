#include <check.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

static void expect_span(struct span s, const char *text)
{
    ck_assert_msg(s.n == strlen(text) && memcmp(s.p, text, s.n) == 0, "'%.*s' instead of '%s'",
                  (int)s.n, s.p ? s.p : "", text);
}

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
    static const char *const bad[] = {"1.5",   "1e-3", "1e16", "1e999", "18446744073709551615",
                                      "\"1\"", "true", "007",  "-",     "9223372036854775808",
                                      "",      "1 ",   "null"};
    int64_t v = 42;

    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        ck_assert_msg(!json_read_int((struct span){bad[i], strlen(bad[i])}, &v), "%s", bad[i]);
    ck_assert(!json_read_int((struct span){NULL, 0}, &v));
    ck_assert_int_eq(v, 42);
    ck_assert(json_read_int(SPAN("-9223372036854775808"), &v));
    ck_assert_int_eq(v, INT64_MIN);
    ck_assert(json_read_int(SPAN("1500.0"), &v));
    ck_assert_int_eq(v, 1500);
    ck_assert(json_read_int(SPAN("-1.5e3"), &v));
    ck_assert_int_eq(v, -1500);
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

START_TEST(only_what_is_json_but_for_halves_is_mended)
{
    static const struct {
        const char *from, *to;
    } rows[] = {
        {"{\"a\":\"so \\ud83d\\ude00 \\ud83d\"}", "{\"a\":\"so \\ud83d\\ude00 \\ufffd\"}"},
        {"[\"\\ude00\",\"\\udbff\"]", "[\"\\ufffd\",\"\\ufffd\"]"},
        {"[\"\\ud83d\\ude00\"]", NULL}, /* whole as it is */
        {"[\"\\ud83d\"", NULL},
        {"[\"\\ud83d\",]", NULL},
        {"\\ud83d", NULL},
        {"[\"\\ud83\"]", NULL},
        {"<html>", NULL},
        {"", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf copy = BUF(64);
        bool is = json_mend((struct span){rows[i].from, strlen(rows[i].from)}, &copy);

        ck_assert_msg(is == (rows[i].to != NULL), "%s", rows[i].from);
        if (is)
            ck_assert_str_eq(copy.p, rows[i].to);
        buf_done(&copy);
    }
    ck_assert(!json_mend((struct span){NULL, 0}, &(struct buf){0}));
}
END_TEST

START_TEST(halves_of_surrogate_pairs_are_mended_where_they_stand)
{
    static const struct {
        const char *from, *to;
        size_t halves;
    } rows[] = {
        {"", "", 0},
        {"\\", "\\", 0},
        {"\"\\ud83d\\ude00 \\u0041\"", "\"\\ud83d\\ude00 \\u0041\"", 0},
        {"\\\\ud83d", "\\\\ud83d", 0},
        {"\\ud83d", "\\ufffd", 1},
        {"\\uDE00", "\\ufffd", 1},
        {"\\ude00\\ud83d", "\\ufffd\\ufffd", 2},
        {"\\ud83d\\ud83d\\ude00", "\\ufffd\\ud83d\\ude00", 1},
        {"\\ud83d\\\\ude00", "\\ufffd\\\\ude00", 1},
        {"\\udbff\",\"\\udfff", "\\ufffd\",\"\\ufffd", 2},
        {"\\ud83d\\ude0", "\\ufffd\\ude0", 1},
        {"\\ud83", "\\ud83", 0},
        {"\\ud83g \\ud7ff \\ue000", "\\ud83g \\ud7ff \\ue000", 0},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(xfree_p) char *text = xstrdup(rows[i].from);

        ck_assert_uint_eq(json_mend_halves(text, strlen(text)), rows[i].halves);
        ck_assert_str_eq(text, rows[i].to);
    }
}
END_TEST

Suite *test_json_read(void)
{
    Suite *s = suite_create("test_json_read");
    TCase *tc = tcase_create("read");

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
    tcase_add_test(tc, halves_of_surrogate_pairs_are_mended_where_they_stand);
    tcase_add_test(tc, only_what_is_json_but_for_halves_is_mended);
    suite_add_tcase(s, tc);
    return s;
}
