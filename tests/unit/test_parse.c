#include <check.h>
#include <float.h>
#include <string.h>

#include "common/core/parse.h"

static const struct {
    const char *text;
    int64_t min, max;
    bool ok;
    int64_t value;
} ints[] = {
    {"0", 0, 10, true, 0},
    {"10", 0, 10, true, 10},
    {"11", 0, 10, false, 0},
    {"-1", 0, 10, false, 0},
    {"-7", -10, 10, true, -7},
    {"007", 0, 10, true, 7},
    {"9223372036854775807", INT64_MIN, INT64_MAX, true, INT64_MAX},
    {"9223372036854775808", INT64_MIN, INT64_MAX, false, 0},
    {"-9223372036854775808", INT64_MIN, INT64_MAX, true, INT64_MIN},
    {"-9223372036854775809", INT64_MIN, INT64_MAX, false, 0},
    {"99999999999999999999999", INT64_MIN, INT64_MAX, false, 0},
    {"", 0, 10, false, 0},
    {"-", -10, 10, false, 0},
    {"+1", 0, 10, false, 0},
    {" 1", 0, 10, false, 0},
    {"1 ", 0, 10, false, 0},
    {"1.0", 0, 10, false, 0},
    {"1e1", 0, 10, false, 0},
    {"0x1", 0, 10, false, 0},
    {"--1", -10, 10, false, 0},
};

START_TEST(integers_are_the_whole_text_and_within_bounds)
{
    int64_t v = 42;
    bool ok = parse_int64(ints[_i].text, strlen(ints[_i].text), ints[_i].min, ints[_i].max, &v);

    ck_assert_msg(ok == ints[_i].ok, "row %d: '%s'", _i, ints[_i].text);
    ck_assert_int_eq(v, ok ? ints[_i].value : 42);
}
END_TEST

START_TEST(an_integer_ends_where_its_length_says)
{
    int64_t v;

    ck_assert(parse_int64("12345", 2, 0, 100, &v));
    ck_assert_int_eq(v, 12);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    double value;
} doubles[] = {
    {"0", true, 0},       {"1.5", true, 1.5},    {"-2.25", true, -2.25}, {"1e3", true, 1000},
    {"1E+3", true, 1000}, {"25e-2", true, 0.25}, {"1e999", false, 0},    {"-1e999", false, 0},
    {"1e-999", true, 0},  {"inf", false, 0},     {"nan", false, 0},      {"0x10", false, 0},
    {"", false, 0},       {"-", false, 0},       {".", false, 0},        {".5", false, 0},
    {"5.", false, 0},     {"1e", false, 0},      {"1e+", false, 0},      {"1.5x", false, 0},
    {" 1", false, 0},     {"1 ", false, 0},      {"+1", false, 0},       {"1,5", false, 0},
    {"1e1.5", false, 0},  {"0.1", true, 0.1},    {"1..5", false, 0},     {"1.2.3", false, 0},
};

START_TEST(doubles_are_plain_decimal_numbers)
{
    double v = 42;
    bool ok = parse_double(doubles[_i].text, strlen(doubles[_i].text), -DBL_MAX, DBL_MAX, &v);

    ck_assert_msg(ok == doubles[_i].ok, "row %d: '%s'", _i, doubles[_i].text);
    ck_assert_double_eq(v, ok ? doubles[_i].value : 42);
}
END_TEST

START_TEST(doubles_are_bounded)
{
    double v = 42;

    ck_assert(!parse_double("1.01", 4, 0, 1, &v));
    ck_assert(!parse_double("-0.01", 5, 0, 1, &v));
    ck_assert(parse_double("1", 1, 0, 1, &v));
    ck_assert_double_eq(v, 1);
}
END_TEST

START_TEST(numbers_in_a_row_are_read_one_after_the_other)
{
    struct span text = {" 1 -2.5   3e2 x", 14}; /* ends before the x */
    double v = 42;

    ck_assert(parse_next_double(&text, &v) && v == 1);
    ck_assert(parse_next_double(&text, &v) && v == -2.5);
    ck_assert(parse_next_double(&text, &v) && v == 300);
    ck_assert(!parse_next_double(&text, &v));
    ck_assert_double_eq(v, 300);
}
END_TEST

START_TEST(what_is_no_number_stays_where_it_is)
{
    static const char *const texts[] = {"", " ", "x 1", "1x 2", "1e19 2", "1\t2"};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct span text = {texts[i], strlen(texts[i])};
        double v = 42;

        ck_assert_msg(!parse_next_double(&text, &v), "'%s'", texts[i]);
        ck_assert(text.p == texts[i] && text.n == strlen(texts[i]) && v == 42);
    }
}
END_TEST

START_TEST(bools_are_a_few_words)
{
    bool v = false;

    ck_assert(parse_bool("yes", 3, &v) && v);
    ck_assert(parse_bool("off", 3, &v) && !v);
    ck_assert(parse_bool("true", 4, &v) && v);
    ck_assert(parse_bool("0", 1, &v) && !v);
    ck_assert(parse_bool("1", 1, &v) && v);
    ck_assert(!parse_bool("yess", 4, &v));
    ck_assert(!parse_bool("ye", 2, &v));
    ck_assert(!parse_bool("", 0, &v));
    ck_assert(!parse_bool("2", 1, &v));
    ck_assert(v);
}
END_TEST

static const struct {
    const char *text;
    bool ok;
    int64_t nanousd;
} amounts[] = {
    {"0", true, 0},
    {"0.15", true, 150000000},
    {"1", true, 1000000000},
    {"12.5", true, 12500000000},
    {"0.000000001", true, 1},
    {"0.0000000004", true, 0},
    {"0.0000000005", true, 1},
    {"0.0000000015", true, 2},
    {"0.00000000049999", true, 0},
    {"1.0399999999999998", true, 1040000000},
    {"1.0399999994", true, 1039999999},
    {"2e-7", true, 200},
    {"2E-7", true, 200},
    {"1.5e-07", true, 150},
    {"6e-10", true, 1},
    {"5e-10", true, 1},
    {"4e-10", true, 0},
    {"9e-11", true, 0},
    {"9e-9999999999", true, 0},
    {"1.5e2", true, 150000000000},
    {"1e+1", true, 10000000000},
    {"12.5e1", true, 125000000000},
    {"0e9999999999", true, 0},
    {"0.0e99", true, 0},
    {"000.1", true, 100000000},
    {"0.00000000000000000000000000000000001e30", true, 10000},
    {"9223372036.854775807", true, INT64_MAX},
    {"9223372036.8547758074", true, INT64_MAX},
    {"9223372036.8547758075", false, 0},
    {"9223372036.854775808", false, 0},
    {"1e10", false, 0},
    {"1e9999999999", false, 0},
    {"-1", false, 0},
    {"-0.5", false, 0},
    {"+1", false, 0},
    {"", false, 0},
    {".", false, 0},
    {".5", false, 0},
    {"1.", false, 0},
    {"$1", false, 0},
    {"1e", false, 0},
    {"1 ", false, 0},
    {"nan", false, 0},
};

START_TEST(amounts_become_nano_usd_without_a_double)
{
    int64_t v = 42;
    bool ok = parse_usd(amounts[_i].text, strlen(amounts[_i].text), &v);

    ck_assert_msg(ok == amounts[_i].ok, "row %d: '%s'", _i, amounts[_i].text);
    ck_assert_msg(v == (ok ? amounts[_i].nanousd : 42), "row %d: '%s' gave %lld", _i,
                  amounts[_i].text, (long long)v);
}
END_TEST

START_TEST(the_nearest_name_is_suggested)
{
    static const char *const names[] = {"worker.count", "worker.lease_ms", "redis.url", "queues"};
    static const struct {
        const char *word, *nearest;
    } rows[] = {
        {"workers.count", "worker.count"},
        {"worker.lease", "worker.lease_ms"},
        {"reids.url", "redis.url"},
        {"Redis.URL", "redis.url"},
        {"queue", "queues"},
        {"xyzzy", NULL},
        {"", NULL},
        {"completely.different.thing", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        ck_assert_pstr_eq(parse_nearest(rows[i].word, names, ARRAY_LEN(names)), rows[i].nearest);
    ck_assert_ptr_null(parse_nearest("x", names, 0));
}
END_TEST

START_TEST(very_long_words_have_no_nearest_name)
{
    static const char *const names[] = {"a"};
    char word[500];

    memset(word, 'a', sizeof word - 1);
    word[sizeof word - 1] = 0;
    ck_assert_ptr_null(parse_nearest(word, names, 1));
}
END_TEST

Suite *test_parse(void)
{
    Suite *s = suite_create("test_parse");
    TCase *tc = tcase_create("parse");

    tcase_add_loop_test(tc, integers_are_the_whole_text_and_within_bounds, 0, (int)ARRAY_LEN(ints));
    tcase_add_test(tc, an_integer_ends_where_its_length_says);
    tcase_add_loop_test(tc, doubles_are_plain_decimal_numbers, 0, (int)ARRAY_LEN(doubles));
    tcase_add_test(tc, doubles_are_bounded);
    tcase_add_test(tc, numbers_in_a_row_are_read_one_after_the_other);
    tcase_add_test(tc, what_is_no_number_stays_where_it_is);
    tcase_add_test(tc, bools_are_a_few_words);
    tcase_add_loop_test(tc, amounts_become_nano_usd_without_a_double, 0, (int)ARRAY_LEN(amounts));
    tcase_add_test(tc, the_nearest_name_is_suggested);
    tcase_add_test(tc, very_long_words_have_no_nearest_name);
    suite_add_tcase(s, tc);
    return s;
}
