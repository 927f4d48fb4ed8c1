/* main.c - runs every unit test suite.
 *
 * The list of suites is made from the names of the files test_*.c by the
 * Makefile; a file test_x.c defines `Suite *test_x(void)` and needs no other
 * registration.  SUITE=x in the environment runs that file's suite alone, SHARD=1/2 every second
 * one (2/2 the others: most suites wait a lot, so halves run well side by side);
 * CK_RUN_CASE, CK_FORK and friends are Check's own.
 *
 * Check calls a run of no tests a success; a misspelt name must not be.
 */
#include <check.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUITE(name) Suite *name(void);
#include "suites.inc"
#undef SUITE

static bool selected(const char *name)
{
    static int count;
    const char *only = getenv("SUITE"), *shard = getenv("SHARD");
    char *slash = NULL;
    long this = shard ? strtol(shard, &slash, 10) : 1;
    long of = slash && *slash == '/' ? strtol(slash + 1, NULL, 10) : 1;

    if (of < 1)
        of = 1;
    if (count++ % of != this - 1)
        return false;

    return !only || !*only || !strcmp(only, name) || !strcmp(only, name + strlen("test_"));
}

int main(void)
{
    SRunner *runner = srunner_create(NULL);
    int run, failed;

#define SUITE(name)      \
    if (selected(#name)) \
        srunner_add_suite(runner, name());
#include "suites.inc"
#undef SUITE
    srunner_run_all(runner, CK_NORMAL);
    run = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    if (run == 0)
        fprintf(stderr, "unit: no test was selected; is SUITE the name of one?\n");
    return run > 0 && failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
