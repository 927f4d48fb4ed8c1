#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

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
    char *text = malloc(written[_i].n ? written[_i].n : 1);
    struct buf b = BUF(1000);
    json_t *doc;

    ck_assert_ptr_nonnull(text);
    memcpy(text, written[_i].text, written[_i].n);
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

Suite *test_json_write(void)
{
    Suite *s = suite_create("test_json_write");
    TCase *tc = tcase_create("write");

    tcase_add_test(tc, members_are_written_with_commas);
    tcase_add_loop_test(tc, strings_are_escaped_and_can_be_read_back, 0, (int)ARRAY_LEN(written));
    tcase_add_test(tc, every_byte_survives_writing_and_reading);
    tcase_add_test(tc, a_string_over_the_cap_fails_the_buffer);
    tcase_add_test(tc, amounts_are_exact_decimals);
    suite_add_tcase(s, tc);
    return s;
}
