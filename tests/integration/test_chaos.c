/* test_chaos.c - a short form of `make chaos`: a few seconds of disorder, then the books.
 *
 * The seeds are fixed, so that the same things happen; when, in the programs, is up to the
 * machine.  A failure prints what it found and the story of the jobs; `make chaos` finds more. */
#include <check.h>

#include "tests/chaos/chaos.h"

enum { ROUNDS = 2, SEED = 9 };

START_TEST(after_some_seconds_of_disorder_the_books_are_right)
{
    const struct chaos_options o = {.seed = SEED, .round = _i, .size = plan_short};

    chaos_round(&o, NULL);
}
END_TEST

Suite *test_chaos(void)
{
    Suite *s = suite_create("chaos");
    TCase *tc = tcase_create("rounds");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, after_some_seconds_of_disorder_the_books_are_right, 0, ROUNDS);
    suite_add_tcase(s, tc);
    return s;
}
