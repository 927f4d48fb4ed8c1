#include <check.h>
#include <string.h>
#include <time.h>

#include "common/core/clock.h"

static int64_t fake_mono(void) { return 5000123; }
static int64_t fake_wall(void) { return 1795341378123; }

START_TEST(the_system_clocks_go_forward)
{
    int64_t before = clock_mono_us();

    ck_assert_int_ge(clock_mono_us(), before);
    ck_assert_int_ge(clock_mono_ms(), before / 1000);
    ck_assert_int_le(clock_wall_ms() / 1000 - (int64_t)time(NULL), 1);
    ck_assert_int_ge(clock_wall_ms() / 1000 - (int64_t)time(NULL), -1);
}
END_TEST

START_TEST(tests_can_put_a_fake_clock_in_place)
{
    const struct clock fake = {fake_mono, fake_wall};

    clock_now = &fake;
    ck_assert_int_eq(clock_mono_ms(), 5000);
    ck_assert_int_eq(clock_wall_ms(), 1795341378123);
    clock_now = &clock_system;
}
END_TEST

static const struct {
    int64_t ms;
    const char *text, *day;
} moments[] = {
    {0, "1970-01-01T00:00:00.000Z", "19700101"},
    {-1, "1969-12-31T23:59:59.999Z", "19691231"},
    {1795341378123, "2026-11-22T09:56:18.123Z", "20261122"},
    {951782400000, "2000-02-29T00:00:00.000Z", "20000229"},
    {4107542399999, "2100-02-28T23:59:59.999Z", "21000228"},
    {4107542400000, "2100-03-01T00:00:00.000Z", "21000301"},
    {253402300799999, "9999-12-31T23:59:59.999Z", "99991231"},
    {-62167219200000, "0000-01-01T00:00:00.000Z", "00000101"},
};

START_TEST(moments_are_written_and_read_back)
{
    char text[25], day[9];
    int64_t ms = 42;

    ck_assert_str_eq(clock_rfc3339(moments[_i].ms, text), moments[_i].text);
    ck_assert_str_eq(clock_day(moments[_i].ms, day), moments[_i].day);
    ck_assert(clock_parse_rfc3339(text, strlen(text), &ms));
    ck_assert_int_eq(ms, moments[_i].ms);
}
END_TEST

START_TEST(moments_agree_with_gmtime)
{
    for (int64_t s = -5000000000; s < 9000000000; s += 8641003) {
        char text[25], expected[32];
        time_t t = (time_t)s;
        struct tm tm;

        gmtime_r(&t, &tm);
        strftime(expected, sizeof expected, "%Y-%m-%dT%H:%M:%S.007Z", &tm);
        ck_assert_str_eq(clock_rfc3339(s * 1000 + 7, text), expected);
    }
}
END_TEST

START_TEST(moments_out_of_range_are_shown_as_the_nearest)
{
    char text[25];

    ck_assert_str_eq(clock_rfc3339(INT64_MAX, text), "9999-12-31T23:59:59.999Z");
    ck_assert_str_eq(clock_rfc3339(INT64_MIN, text), "0000-01-01T00:00:00.000Z");
}
END_TEST

static const struct {
    const char *text;
    int64_t ms;
} readable[] = {
    {"2026-11-22T09:56:18Z", 1795341378000},      {"2026-11-22t09:56:18z", 1795341378000},
    {"2026-11-22T11:56:18+02:00", 1795341378000}, {"2026-11-22T04:26:18-05:30", 1795341378000},
    {"2026-11-22T09:56:18.5Z", 1795341378500},    {"2026-11-22T09:56:18.123999999Z", 1795341378123},
    {"2016-12-31T23:59:60Z", 1483228800000},      {"1970-01-01T00:00:00-00:00", 0},
};

START_TEST(reads_offsets_and_fractions)
{
    int64_t ms = 42;

    ck_assert_msg(clock_parse_rfc3339(readable[_i].text, strlen(readable[_i].text), &ms),
                  "refused %s", readable[_i].text);
    ck_assert_int_eq(ms, readable[_i].ms);
}
END_TEST

static const char *const unreadable[] = {
    "",
    "2026",
    "2026-11-22",
    "2026-11-22T09:56:18",
    "2026-11-22 09:56:18Z",
    "2026-11-22T09:56Z",
    "2026-11-22T09:56:18.Z",
    "2026-11-22T09:56:18+0200",
    "2026-11-22T09:56:18+02:0",
    "2026-11-22T09:56:18+24:00",
    "2026-11-22T09:56:18+02:60",
    "2026-11-22T09:56:18Zx",
    "2026-11-22T09:56:18+02:00x",
    "2026-02-29T00:00:00Z",
    "2100-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-00-01T00:00:00Z",
    "2026-01-00T00:00:00Z",
    "2026-04-31T00:00:00Z",
    "2026-01-01T24:00:00Z",
    "2026-01-01T00:60:00Z",
    "2026-01-01T00:00:61Z",
    "20a6-01-01T00:00:00Z",
    "+026-01-01T00:00:00Z",
    "2026-01-01T00:00:-1Z",
};

START_TEST(refuses_what_is_not_rfc3339)
{
    int64_t ms = 42;

    ck_assert_msg(!clock_parse_rfc3339(unreadable[_i], strlen(unreadable[_i]), &ms), "accepted %s",
                  unreadable[_i]);
    ck_assert_int_eq(ms, 42);
}
END_TEST

START_TEST(refuses_every_shortened_text)
{
    const char *text = "2026-11-22T09:56:18.123+02:00";
    int64_t ms;

    for (size_t n = 0; n < strlen(text); n++)
        ck_assert_msg(!clock_parse_rfc3339(text, n, &ms), "accepted %zu bytes", n);
}
END_TEST

Suite *test_clock(void)
{
    Suite *s = suite_create("test_clock");
    TCase *tc = tcase_create("clock");

    tcase_add_test(tc, the_system_clocks_go_forward);
    tcase_add_test(tc, tests_can_put_a_fake_clock_in_place);
    tcase_add_loop_test(tc, moments_are_written_and_read_back, 0, (int)ARRAY_LEN(moments));
    tcase_add_test(tc, moments_agree_with_gmtime);
    tcase_add_test(tc, moments_out_of_range_are_shown_as_the_nearest);
    tcase_add_loop_test(tc, reads_offsets_and_fractions, 0, (int)ARRAY_LEN(readable));
    tcase_add_loop_test(tc, refuses_what_is_not_rfc3339, 0, (int)ARRAY_LEN(unreadable));
    tcase_add_test(tc, refuses_every_shortened_text);
    suite_add_tcase(s, tc);
    return s;
}
