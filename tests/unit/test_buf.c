#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/core/xalloc.h"

START_TEST(starts_empty_without_memory)
{
    struct buf b = BUF(10);

    ck_assert_ptr_null(b.p);
    ck_assert_uint_eq(b.n, 0);
    ck_assert(!buf_failed(&b));
    buf_done(&b);
}
END_TEST

START_TEST(collects_what_is_added_and_ends_in_a_nul)
{
    struct buf b = BUF(1000);

    ck_assert(buf_add(&b, "abc", 3));
    ck_assert(buf_putc(&b, '-'));
    ck_assert(buf_puts(&b, "def"));
    ck_assert(buf_add_span(&b, (struct span){"ghi!", 3}));
    ck_assert(buf_printf(&b, " %s=%d", "n", 42));
    ck_assert_str_eq(b.p, "abc-defghi n=42");
    ck_assert_uint_eq(b.n, strlen(b.p));
    ck_assert_uint_eq(buf_span(&b).n, b.n);
    buf_done(&b);
}
END_TEST

START_TEST(keeps_nul_bytes)
{
    struct buf b = BUF(1000);

    ck_assert(buf_add(&b, "a\0b", 3));
    ck_assert_uint_eq(b.n, 3);
    ck_assert_mem_eq(b.p, "a\0b", 4);
    buf_done(&b);
}
END_TEST

START_TEST(adding_nothing_makes_an_empty_string)
{
    struct buf b = BUF(0);

    ck_assert(buf_add(&b, NULL, 0));
    ck_assert_str_eq(b.p, "");
    ck_assert(buf_add_span(&b, (struct span){NULL, 0}));
    ck_assert(buf_printf(&b, "%s", ""));
    ck_assert(!buf_putc(&b, 'x'));
    buf_done(&b);
}
END_TEST

START_TEST(holds_exactly_the_cap_and_refuses_one_more)
{
    struct buf b = BUF(100);

    for (int i = 0; i < 100; i++)
        ck_assert(buf_putc(&b, 'x'));
    ck_assert(!buf_failed(&b));
    ck_assert(!buf_putc(&b, 'y'));
    ck_assert(buf_failed(&b));
    ck_assert_uint_eq(b.n, 100);
    ck_assert_uint_eq(strlen(b.p), 100);
    buf_done(&b);
}
END_TEST

START_TEST(after_a_failure_everything_is_refused_until_cleared)
{
    struct buf b = BUF(4);

    ck_assert(buf_puts(&b, "ab"));
    ck_assert(!buf_puts(&b, "cde"));
    ck_assert(!buf_putc(&b, 'c'));
    ck_assert(!buf_int(&b, 1));
    ck_assert(!buf_printf(&b, "x"));
    ck_assert_ptr_null(buf_reserve(&b, 0));
    ck_assert_str_eq(b.p, "ab");
    buf_clear(&b);
    ck_assert(!buf_failed(&b));
    ck_assert_str_eq(b.p, "");
    ck_assert(buf_puts(&b, "abcd"));
    buf_done(&b);
    ck_assert(buf_puts(&b, "abcd"));
    ck_assert(!buf_putc(&b, 'e'));
    buf_done(&b);
}
END_TEST

START_TEST(printf_over_the_cap_keeps_what_was_there)
{
    struct buf b = BUF(8);

    ck_assert(buf_printf(&b, "%s", "12345"));
    ck_assert(!buf_printf(&b, "%s", "6789"));
    ck_assert(buf_failed(&b));
    ck_assert_str_eq(b.p, "12345");
    buf_done(&b);
}
END_TEST

START_TEST(printf_grows_for_long_texts)
{
    struct buf b = BUF(10000);
    char text[3000];

    memset(text, 'z', sizeof text - 1);
    text[sizeof text - 1] = 0;
    ck_assert(buf_puts(&b, "<"));
    ck_assert(buf_printf(&b, "%s>", text));
    ck_assert_uint_eq(b.n, sizeof text + 1);
    ck_assert_int_eq(b.p[b.n - 1], '>');
    ck_assert_int_eq(b.p[b.n], 0);
    buf_done(&b);
}
END_TEST

static const int64_t numbers[] = {0,   1,   -1,  9,         10,        -10,           99, 100,
                                  123, 999, -12, INT64_MAX, INT64_MIN, 1234567890123, 7,  -7};

START_TEST(writes_integers_as_printf_does)
{
    struct buf b = BUF(100);
    char expected[32];

    snprintf(expected, sizeof expected, "%" PRId64, numbers[_i]);
    ck_assert(buf_int(&b, numbers[_i]));
    ck_assert_str_eq(b.p, expected);
    buf_done(&b);
}
END_TEST

START_TEST(reserved_room_is_filled_by_the_caller)
{
    struct buf b = BUF(1000);
    char *to = buf_reserve(&b, 500);

    ck_assert_ptr_nonnull(to);
    memset(to, 'r', 500);
    b.n += 200;
    ck_assert(buf_puts(&b, "!"));
    ck_assert_uint_eq(b.n, 201);
    ck_assert_int_eq(b.p[200], '!');
    ck_assert_ptr_null(buf_reserve(&b, 800));
    buf_done(&b);
}
END_TEST

START_TEST(take_hands_the_bytes_over)
{
    struct buf b = BUF(1000);
    char *text;

    text = buf_take(&b);
    ck_assert_str_eq(text, "");
    free(text);
    ck_assert(buf_puts(&b, "mine"));
    text = buf_take(&b);
    ck_assert_str_eq(text, "mine");
    ck_assert_ptr_null(b.p);
    ck_assert_uint_eq(b.n, 0);
    ck_assert(buf_puts(&b, "again"));
    ck_assert_str_eq(b.p, "again");
    free(text);
    buf_done(&b);
}
END_TEST

START_TEST(a_buffer_on_an_array_never_reallocates)
{
    char text[8];
    struct buf b = {.p = text, .cap = sizeof text, .max_bytes = sizeof text - 1};

    ck_assert(buf_puts(&b, "1234567"));
    ck_assert_ptr_eq(b.p, text);
    ck_assert(!buf_putc(&b, '8'));
    ck_assert_str_eq(text, "1234567");
}
END_TEST

START_TEST(allocation_helpers_copy_and_free)
{
    CLEANUP(xfree_p) char *copy = xstrndup("abcdef", 3);
    CLEANUP(xfree_p) int *numbers_of = xcalloc(4, sizeof(int));
    CLEANUP(xfree_p) char *nothing = xstrdup(NULL);
    CLEANUP(xfree_p) char *empty = xmalloc(0);

    ck_assert_str_eq(copy, "abc");
    ck_assert_ptr_null(nothing);
    ck_assert_ptr_nonnull(empty);
    for (int i = 0; i < 4; i++)
        ck_assert_int_eq(numbers_of[i], 0);
    copy = xrealloc(copy, 100);
    ck_assert_str_eq(copy, "abc");
}
END_TEST

Suite *test_buf(void)
{
    Suite *s = suite_create("test_buf");
    TCase *tc = tcase_create("buf");

    tcase_add_test(tc, starts_empty_without_memory);
    tcase_add_test(tc, collects_what_is_added_and_ends_in_a_nul);
    tcase_add_test(tc, keeps_nul_bytes);
    tcase_add_test(tc, adding_nothing_makes_an_empty_string);
    tcase_add_test(tc, holds_exactly_the_cap_and_refuses_one_more);
    tcase_add_test(tc, after_a_failure_everything_is_refused_until_cleared);
    tcase_add_test(tc, printf_over_the_cap_keeps_what_was_there);
    tcase_add_test(tc, printf_grows_for_long_texts);
    tcase_add_loop_test(tc, writes_integers_as_printf_does, 0, (int)ARRAY_LEN(numbers));
    tcase_add_test(tc, reserved_room_is_filled_by_the_caller);
    tcase_add_test(tc, take_hands_the_bytes_over);
    tcase_add_test(tc, a_buffer_on_an_array_never_reallocates);
    tcase_add_test(tc, allocation_helpers_copy_and_free);
    suite_add_tcase(s, tc);
    return s;
}
