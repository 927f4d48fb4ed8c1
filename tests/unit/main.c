/* main.c - runs every unit test suite.
 *
 * The list of suites is made from the names of the files test_*.c by the
 * Makefile; a file test_x.c defines `Suite *test_x(void)` and needs no other
 * registration.  CK_RUN_SUITE, CK_RUN_CASE, CK_FORK and friends are Check's own.
 *
 * Check calls a run of no tests a success; a misspelt CK_RUN_SUITE must not be.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#define SUITE(name) Suite *name(void);
#include "suites.inc"
#undef SUITE

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    int run, failed;

#define SUITE(name) srunner_add_suite(runner, name());
#include "suites.inc"
#undef SUITE
    srunner_run_all(runner, CK_NORMAL);
    run = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (run == 0)
        fprintf(stderr, "unit: no test was selected; is CK_RUN_SUITE the name of a suite?\n");
    return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
