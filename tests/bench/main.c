/* main.c - runs the workloads one after the other and prints one table.
 *
 *   bench [NAME...]     those whose name contains a NAME; all without
 *   QUICK=1             a tenth of the jobs, one round: does it work?
 *   ROUNDS=n            rounds of each workload (3)
 *
 * Each workload is a Check test, so it has a process of its own, a time-out,
 * and the world of the integration tests: nothing it starts outlives it.
 * A bar that is missed is no failure of this program, only a workload that
 * could not be run is: timings are to be read, not to break a build.
 */
#include <check.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/bench/bench.h"

static const struct {
    const char *name, *help;
    int seconds;
    void (*run)(void);
} workloads[] = {
#define X(name, symbol, seconds, help) {name, help, seconds, bench_##symbol},
#include "tests/bench/workloads.def"
#undef X
};

static bool is_quick(void)
{
    const char *quick = getenv("QUICK");

    return quick && *quick && strcmp(quick, "0") != 0;
}

int bench_rounds(void)
{
    const char *text = getenv("ROUNDS");
    long n = text ? strtol(text, NULL, 10) : 0;

    if (n >= 1 && n <= ROUNDS_MAX)
        return (int)n;
    return is_quick() ? 1 : 3;
}

int bench_jobs(int full) { return is_quick() ? full / 10 : full; }

void bench_say(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("  ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

START_TEST(workload)
{
    bench_say("%s: %s", workloads[_i].name, workloads[_i].help);
    workloads[_i].run();
}
END_TEST

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strstr(name, argv[i]))
            return true;
    return argc < 2;
}

static SRunner *make_runner(int argc, char **argv)
{
    Suite *s = suite_create("bench");
    SRunner *runner = srunner_create(s);
    int wanted = 0;

    for (size_t i = 0; i < ARRAY_LEN(workloads); i++) {
        TCase *tc;

        if (!is_wanted(workloads[i].name, argc, argv))
            continue;
        tc = tcase_create(workloads[i].name);
        tcase_set_timeout(tc, workloads[i].seconds);
        tcase_add_loop_test(tc, workload, (int)i, (int)i + 1);
        suite_add_tcase(s, tc);
        wanted++;
    }
    if (wanted)
        return runner;
    fprintf(stderr, "no such workload; there are:\n");
    for (size_t i = 0; i < ARRAY_LEN(workloads); i++)
        fprintf(stderr, "  %-10s %s\n", workloads[i].name, workloads[i].help);
    srunner_free(runner);
    return NULL;
}

int main(int argc, char **argv)
{
    SRunner *runner;
    char dir[PATH_MAX];
    int failed;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    runner = make_runner(argc, argv);
    if (!runner)
        return 2;
    world_make_root(dir, sizeof dir);
    table_share();
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_SILENT);
    program_kill_descendants();
    table_print();
    failed = srunner_ntests_failed(runner);
    if (failed) {
        printf("\n%d could not be run:\n", failed);
        fflush(stdout);
        srunner_print(runner, CK_NORMAL);
    }
    srunner_free(runner);
    if (rmdir(dir) != 0)
        printf("kept: %s\n", dir);
    return failed ? 1 : 0;
}
