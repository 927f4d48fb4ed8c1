/* test_program.c - what every program does first. */
#include <check.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "common/config/program.h"

static void check_sealed(bool dumpable, bool cores)
{
    struct rlimit r;

    ck_assert_int_eq(prctl(PR_GET_DUMPABLE), dumpable);
    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &r), 0);
    ck_assert(cores ? r.rlim_cur == r.rlim_max : r.rlim_cur == 0);
}

START_TEST(memory_is_sealed_unless_core_dumps_are_allowed)
{
    struct config cfg = {.log_core_dumps = true};
    struct rlimit r;

    ck_assert_int_eq(getrlimit(RLIMIT_CORE, &r), 0);
    r.rlim_cur = r.rlim_max;
    ck_assert_int_eq(setrlimit(RLIMIT_CORE, &r), 0);
    program_seal(NULL);
    check_sealed(false, true);
    program_seal(&cfg);
    check_sealed(true, true);
    cfg.log_core_dumps = false;
    program_seal(&cfg);
    check_sealed(false, false);
}
END_TEST

Suite *test_program(void)
{
    Suite *s = suite_create("program");
    TCase *tc = tcase_create("program");

    tcase_add_test(tc, memory_is_sealed_unless_core_dumps_are_allowed);
    suite_add_tcase(s, tc);
    return s;
}
