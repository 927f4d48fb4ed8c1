/* test_visible.c - text from outside: what acts without being seen is escaped, the rest stays. */
#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/core/visible.h"

/* clang-format off */
static const struct {
    const char *text, *visible;
} rows[] = {
    {"", ""},
    {"plain \"text\" \\ ~", "plain \"text\" \\ ~"},
    {"gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80", "gr\xc3\xbc\xc3\x9f \xe4\xbd\xa0\xe5\xa5\xbd \xf0\x9f\x98\x80"},
    {"\xc2\xa0\xc2\xae\xe2\x80\x8a\xe2\x80\xaf", "\xc2\xa0\xc2\xae\xe2\x80\x8a\xe2\x80\xaf"},
    {"a\nb\tc\rd", "a\\nb\\tc\\rd"},
    {"\x1b[31m\x07\x7f", "\\u001b[31m\\u0007\\u007f"},
    {"\xc2\x80\xc2\x9b\x32J\xc2\x9d\xc2\x9f", "\\u0080\\u009b2J\\u009d\\u009f"},
    {"\xe2\x80\xae" "abc\xe2\x81\xa6\xe2\x81\xa9", "\\u202eabc\\u2066\\u2069"},
    {"\xe2\x80\x8b\xe2\x80\x8d\xe2\x80\x8f\xef\xbb\xbf", "\\u200b\\u200d\\u200f\\ufeff"},
    {"\xe2\x80\xa8\xe2\x80\xa9", "\\u2028\\u2029"},
    {"\xd8\x9c\xc2\xad\xe1\xa0\x8e", "\\u061c\\u00ad\\u180e"},
    {"\xf3\xa0\x81\x81", "\\udb40\\udc41"},
    {"\x9b\xff\xc2", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
    {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
};
/* clang-format on */

START_TEST(what_acts_without_being_seen_is_escaped)
{
    struct buf b = BUF(1024);

    buf_puts(&b, "");
    visible_add(&b, rows[_i].text, strlen(rows[_i].text));
    ck_assert_str_eq(b.p, rows[_i].visible);
    buf_done(&b);
}
END_TEST

static char *text_of(int fd)
{
    static char text[4096];
    ssize_t n = pread(fd, text, sizeof text - 1, 0);

    text[n > 0 ? n : 0] = '\0';
    return text;
}

START_TEST(a_stream_is_the_same_however_it_is_cut)
{
    static const char text[] =
        "{\"a\":\"\xc2\x9b \xf0\x9f\x98\x80 \xe2\x80\xae\x7f\"}\n\xe2\x82\xac\t\x1b|\xf0\x9f|\xc2";
    static const char want[] = "{\"a\":\"\\u009b \xf0\x9f\x98\x80 \\u202e\\u007f\"}\n\xe2\x82\xac\t"
                               "\\u001b|\xef\xbf\xbd\xef\xbf\xbd|";
    size_t piece = (size_t)_i + 1;
    int fd = memfd_create("out", 0);
    FILE *f = visible_stream(fd, "", _i % 2);

    for (size_t at = 0; at < sizeof text - 1; at += piece) {
        size_t left = sizeof text - 1 - at;

        fwrite(text + at, 1, left < piece ? left : piece, f);
        fflush(f);
    }
    ck_assert_str_eq(text_of(fd), want);
    close(fd);
}
END_TEST

START_TEST(a_stream_keeps_what_it_shall)
{
    int fd = memfd_create("err", 0);
    FILE *f = visible_stream(fd, "\r", false);

    fprintf(f, "\r%d pushed\n%c%s", 7, 0, "\x1b");
    ck_assert_str_eq(text_of(fd), "\r7 pushed\n\\u0000\\u001b");
    close(fd);
}
END_TEST

Suite *test_visible(void)
{
    Suite *s = suite_create("visible");
    TCase *tc = tcase_create("visible");

    tcase_add_loop_test(tc, what_acts_without_being_seen_is_escaped, 0, (int)ARRAY_LEN(rows));
    tcase_add_loop_test(tc, a_stream_is_the_same_however_it_is_cut, 0, 9);
    tcase_add_test(tc, a_stream_keeps_what_it_shall);
    suite_add_tcase(s, tc);
    return s;
}
