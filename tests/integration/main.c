/* main.c - runs the integration suites: integration [--list | SUITE...].
 *
 * A suite is tests/integration/test_x.c with `Suite *test_x(void)`, called x
 * here; the Makefile makes the list from the file names.  run.sh runs several
 * of these processes at a time, one suite each.
 *
 * What a test leaves running becomes a child of this process (subreaper); it is
 * killed, and a failure.  The directories of failed tests are kept and named.
 */
#include <check.h>
#include <dirent.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/base.h"
#include "tests/support/program.h"
#include "tests/support/world.h"

#define SUITE(name) Suite *name(void);
#include "integration.inc"
#undef SUITE

static const struct {
    const char *name;
    Suite *(*make)(void);
} suites[] = {
#define SUITE(name) {#name, name},
#include "integration.inc"
#undef SUITE
};

static const char *suite_name(size_t i) { return suites[i].name + strlen("test_"); }

static bool is_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc < 2;
}

static void list_suites(void)
{
    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        puts(suite_name(i));
}

/* Name what failed tests left there; remove it when there is nothing. */
static void report_test_dir(const char *path)
{
    DIR *dir;

    if (rmdir(path) == 0)
        return;
    dir = opendir(path);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        char file[PATH_MAX + 300], test[256] = "?\n";
        FILE *in;

        if (e->d_name[0] == '.')
            continue;
        snprintf(file, sizeof file, "%s/%s/test", path, e->d_name);
        in = fopen(file, "re");
        if (in && !fgets(test, sizeof test, in))
            test[0] = '\0';
        if (in)
            fclose(in);
        printf("kept: %s/%s  %s", path, e->d_name, test);
    }
    if (dir)
        closedir(dir);
}

/* How many processes outlived their test.  Those with a parent-death signal may
 * take a moment; others are killed. */
static size_t count_leftovers(void)
{
    pid_t pids[64];
    size_t n = 0;

    for (int i = 0; i < 200; i++) {
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        n = program_descendants(getpid(), pids, ARRAY_LEN(pids));
        if (n == 0)
            return 0;
        pause_ms(5);
    }
    for (size_t i = 0; i < n; i++) {
        char path[64], name[64] = "";
        FILE *in;

        snprintf(path, sizeof path, "/proc/%d/comm", (int)pids[i]);
        in = fopen(path, "re");
        if (in && fgets(name, sizeof name, in))
            printf("left running: pid %d, %s", (int)pids[i], name);
        if (in)
            fclose(in);
    }
    program_kill_descendants();
    return n;
}

/* A runner of the suites that were asked for; NULL when a name is unknown. */
static SRunner *make_runner(int argc, char **argv)
{
    SRunner *runner = srunner_create(NULL);
    int added = 0;

    for (size_t i = 0; i < ARRAY_LEN(suites); i++) {
        if (is_wanted(suite_name(i), argc, argv)) {
            srunner_add_suite(runner, suites[i].make());
            added++;
        }
    }
    if (added >= (argc > 1 ? argc - 1 : 1))
        return runner;
    fprintf(stderr, "no such suite; integration --list names them\n");
    srunner_free(runner);
    return NULL;
}

int main(int argc, char **argv)
{
    SRunner *runner;
    char dir[PATH_MAX];
    int ran, failed;
    size_t left;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list_suites();
        return 0;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    setenv("CK_DEFAULT_TIMEOUT", "30", 0);
    runner = make_runner(argc, argv);
    if (!runner)
        return 2;
    world_make_root(dir, sizeof dir);
    srunner_run_all(runner, CK_ENV);
    ran = srunner_ntests_run(runner);
    failed = srunner_ntests_failed(runner);
    left = count_leftovers();
    report_test_dir(dir);
    srunner_free(runner);
    if (ran == 0)
        fprintf(stderr, "nothing ran\n");
    return ran > 0 && failed == 0 && left == 0 ? 0 : 1;
}
