#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/core/random.h"

static int64_t wall_ms = 1795341378123;
static int64_t fake_wall(void) { return wall_ms; }
static const struct clock fake = {NULL, fake_wall};

START_TEST(numbers_do_not_repeat)
{
    uint64_t seen[1000];

    for (size_t i = 0; i < ARRAY_LEN(seen); i++) {
        seen[i] = random_u64();
        for (size_t j = 0; j < i; j++)
            ck_assert_uint_ne(seen[i], seen[j]);
    }
}
END_TEST

START_TEST(every_bit_is_sometimes_set_and_sometimes_not)
{
    uint64_t all = UINT64_MAX, any = 0;

    for (int i = 0; i < 200; i++) {
        uint64_t v = random_u64();

        all &= v;
        any |= v;
    }
    ck_assert_uint_eq(all, 0);
    ck_assert_uint_eq(any, UINT64_MAX);
}
END_TEST

/* 60,000 draws in 6 boxes: 10,000 +- 91 each; 600 off is more than six sigma. */
START_TEST(below_is_uniform_and_in_range)
{
    int boxes[6] = {0};

    for (int i = 0; i < 60000; i++) {
        int64_t v = random_below(6);

        ck_assert_int_ge(v, 0);
        ck_assert_int_lt(v, 6);
        boxes[v]++;
    }
    for (int i = 0; i < 6; i++) {
        ck_assert_int_gt(boxes[i], 9400);
        ck_assert_int_lt(boxes[i], 10600);
    }
}
END_TEST

START_TEST(below_takes_any_bound)
{
    ck_assert_int_eq(random_below(0), 0);
    ck_assert_int_eq(random_below(-5), 0);
    ck_assert_int_eq(random_below(1), 0);
    for (int i = 0; i < 100; i++)
        ck_assert_int_ge(random_below(INT64_MAX), 0);
}
END_TEST

/* The child says its next number through a pipe; it must not be the parent's. */
static uint64_t next_in_a_child(void)
{
    uint64_t v = 0;
    int fds[2];
    pid_t pid;

    ck_assert_int_eq(pipe(fds), 0);
    pid = fork();
    ck_assert_int_ge(pid, 0);
    if (pid == 0) {
        v = random_u64();
        _exit(write(fds[1], &v, sizeof v) == sizeof v ? 0 : 1);
    }
    ck_assert_int_eq(read(fds[0], &v, sizeof v), sizeof v);
    ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
    close(fds[0]);
    close(fds[1]);
    return v;
}

START_TEST(a_forked_child_gets_other_numbers)
{
    uint64_t a, b, ours;

    (void)random_u64();
    a = next_in_a_child();
    b = next_in_a_child();
    ours = random_u64();
    ck_assert_uint_ne(a, b);
    ck_assert_uint_ne(a, ours);
    ck_assert_uint_ne(b, ours);
}
END_TEST

START_TEST(reseeding_goes_on_with_other_numbers)
{
    uint64_t before = random_u64();

    random_reseed();
    ck_assert_uint_ne(random_u64(), before);
}
END_TEST

START_TEST(hex_is_two_digits_a_byte)
{
    char text[2 * 100 + 1], other[2 * 100 + 1];

    ck_assert_uint_eq(strlen(random_hex(text, 100)), 200);
    ck_assert_uint_eq(strspn(text, "0123456789abcdef"), 200);
    random_hex(other, 100);
    ck_assert_str_ne(text, other);
    ck_assert_str_eq(random_hex(text, 0), "");
}
END_TEST

START_TEST(ids_have_the_form_of_uuid_version_7)
{
    char id[37];

    clock_now = &fake;
    random_uuid7(id);
    ck_assert_uint_eq(strlen(id), 36);
    for (int i = 0; i < 36; i++) {
        if (i == 8 || i == 13 || i == 18 || i == 23)
            ck_assert_int_eq(id[i], '-');
        else
            ck_assert_ptr_nonnull(strchr("0123456789abcdef", id[i]));
    }
    ck_assert_int_eq(id[14], '7');
    ck_assert_ptr_nonnull(strchr("89ab", id[19]));
    clock_now = &clock_system;
}
END_TEST

START_TEST(an_id_begins_with_the_time)
{
    char id[37], expected[32];

    clock_now = &fake;
    random_uuid7(id);
    snprintf(expected, sizeof expected, "%08llx-%04llx", (unsigned long long)wall_ms >> 16,
             (unsigned long long)wall_ms & 0xffff);
    ck_assert_msg(strncmp(id, expected, 13) == 0, "%s does not begin with %s", id, expected);
    clock_now = &clock_system;
}
END_TEST

/* 20,000 ids in one millisecond: more than the 4,096 of the counter. */
START_TEST(ids_ascend_even_when_the_clock_stands_or_steps_back)
{
    char last[37] = "", id[37];

    clock_now = &fake;
    for (int i = 0; i < 20000; i++) {
        if (i == 10000)
            wall_ms -= 60000;
        random_uuid7(id);
        ck_assert_msg(strcmp(id, last) > 0, "%s after %s", id, last);
        memcpy(last, id, sizeof last);
    }
    clock_now = &clock_system;
}
END_TEST

Suite *test_random(void)
{
    Suite *s = suite_create("test_random");
    TCase *tc = tcase_create("random");

    tcase_add_test(tc, numbers_do_not_repeat);
    tcase_add_test(tc, every_bit_is_sometimes_set_and_sometimes_not);
    tcase_add_test(tc, below_is_uniform_and_in_range);
    tcase_add_test(tc, below_takes_any_bound);
    tcase_add_test(tc, a_forked_child_gets_other_numbers);
    tcase_add_test(tc, reseeding_goes_on_with_other_numbers);
    tcase_add_test(tc, hex_is_two_digits_a_byte);
    tcase_add_test(tc, ids_have_the_form_of_uuid_version_7);
    tcase_add_test(tc, an_id_begins_with_the_time);
    tcase_add_test(tc, ids_ascend_even_when_the_clock_stands_or_steps_back);
    suite_add_tcase(s, tc);
    return s;
}
