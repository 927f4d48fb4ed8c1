/* test_names.c - the filter of named ids: it never forgets one, and is seldom wrong. */
#include <check.h>
#include <stdio.h>

#include "scheduler/names.h"

enum { COUNT = 100000 };

static struct span id_of(char *text, size_t size, const char *kind, int i)
{
    int n = snprintf(text, size, "%s-%d", kind, i);

    return (struct span){text, (size_t)n};
}

START_TEST(an_id_that_was_added_is_there_and_few_others_are)
{
    struct names *n = names_new(COUNT, 17 + (uint64_t)_i);
    char text[32];
    int wrong = 0;

    for (int i = 0; i < COUNT; i++)
        names_add(n, id_of(text, sizeof text, "order", i));
    for (int i = 0; i < COUNT; i++)
        ck_assert(names_has(n, id_of(text, sizeof text, "order", i)));
    for (int i = 0; i < COUNT; i++)
        wrong += names_has(n, id_of(text, sizeof text, "other", i));
    ck_assert_int_lt(wrong, COUNT / 200);
    ck_assert_ptr_null(names_worker(n, "0123abcd"));
    names_free(n);
}
END_TEST

START_TEST(another_seed_is_wrong_about_other_ids)
{
    struct names *a = names_new(0, 1), *b = names_new(0, 2);
    char text[32];
    int one = 0, both = 0;

    for (int i = 0; i < COUNT / 4; i++) {
        struct span id = id_of(text, sizeof text, "order", i);

        names_add(a, id);
        names_add(b, id);
    }
    for (int i = 0; i < COUNT; i++) {
        struct span id = id_of(text, sizeof text, "other", i);

        one += names_has(a, id);
        both += names_has(a, id) && names_has(b, id);
    }
    ck_assert_int_gt(one, COUNT / 10); /* far too many names for its size */
    ck_assert_int_lt(both, one * 2 / 3 + 1);
    names_free(a);
    names_free(b);
}
END_TEST

Suite *test_names(void)
{
    Suite *s = suite_create("names");
    TCase *tc = tcase_create("filter");

    tcase_add_loop_test(tc, an_id_that_was_added_is_there_and_few_others_are, 0, 3);
    tcase_add_test(tc, another_seed_is_wrong_about_other_ids);
    suite_add_tcase(s, tc);
    return s;
}
