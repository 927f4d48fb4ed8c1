/* main.c - rounds of disorder until the time is over, or the soak.
 *
 *   chaos                 MINUTES (10) of rounds; SEED (of the clock) chooses them
 *   ROUND=n chaos         that round alone
 *   QUICK=1 chaos         short rounds, those of `make check`
 *   KEEP_GOING=1 chaos    more rounds after a violation
 *   chaos soak            MINUTES (20) at RATE (500) jobs per second
 *
 * Each round is a Check test of its own, in its own process. */
#include <check.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "tests/chaos/chaos.h"

enum { ROUND_S = 600, SOAK_EXTRA_S = 300 };

static struct counts *sums; /* shared with the rounds */
static uint64_t seed;

static int64_t number(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);

    return text && *text ? (int64_t)strtoull(text, NULL, 10) : otherwise;
}

START_TEST(one_round)
{
    const struct chaos_options o = {
        .seed = seed, .round = _i, .size = number("QUICK", 0) ? plan_short : plan_long};

    chaos_round(&o, sums);
}
END_TEST

START_TEST(the_soak)
{
    ck_assert_msg(soak((int)number("MINUTES", 20), (int)number("RATE", 500)),
                  "memory grew, or somebody starved: see above");
}
END_TEST

/* Run one test with this number in a process of its own: did it pass? */
static bool run(const TTest *test, int i, int seconds)
{
    Suite *s = suite_create("chaos");
    TCase *tc = tcase_create("chaos");
    SRunner *runner = srunner_create(s);
    bool good;

    tcase_set_timeout(tc, seconds);
    tcase_add_loop_test(tc, test, i, i + 1);
    suite_add_tcase(s, tc);
    srunner_set_fork_status(runner, CK_FORK);
    srunner_run_all(runner, CK_SILENT);
    good = srunner_ntests_failed(runner) == 0;
    if (!good)
        srunner_print(runner, CK_NORMAL);
    srunner_free(runner);
    program_kill_descendants();
    return good;
}

static void print_sums(int64_t rounds, int64_t bad)
{
    int64_t kills = 0;

    printf("%" PRId64 " rounds, %" PRId64 " with violations: %" PRId64 " jobs, %" PRId64
           " results, %" PRId64 " events\n",
           rounds, bad, sums->jobs, sums->results, sums->events);
    for (int i = 0; i < ROLE_COUNT; i++) {
        printf("  %-11s %6" PRId64 " kills\n", role_names[i], sums->kills[i]);
        kills += sums->kills[i];
    }
    printf("  in all      %6" PRId64 " kills, %" PRId64 " stops, %" PRId64
           " connections cut, %" PRId64 " rollbacks\n",
           kills, sums->stops, sums->cuts, sums->rollbacks);
    fflush(stdout);
}

static int chaos(void)
{
    int64_t until = now_ms() + number("MINUTES", 10) * 60000, only = number("ROUND", -1);
    int64_t rounds = 0, bad = 0;

    printf("chaos: SEED=%" PRIu64 "\n", seed);
    fflush(stdout);
    for (int i = only < 0 ? 0 : (int)only; now_ms() < until; i++) {
        bool good = run(one_round, i, ROUND_S);

        rounds++;
        bad += !good;
        printf("round %d %s\n", i, good ? "good" : "BAD");
        fflush(stdout);
        if (!good)
            printf("again: make chaos SEED=%" PRIu64 " ROUND=%d\n", seed, i);
        if (only >= 0 || (!good && !number("KEEP_GOING", 0)))
            break;
    }
    print_sums(rounds, bad);
    return bad ? 1 : 0;
}

int main(int argc, char **argv)
{
    char dir[PATH_MAX];
    int status;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    sums = mmap(NULL, sizeof *sums, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (sums == MAP_FAILED)
        return 2;
    seed = (uint64_t)number("SEED", (int64_t)time(NULL));
    world_make_root(dir, sizeof dir);
    if (argc == 2 && strcmp(argv[1], "soak") == 0)
        status = run(the_soak, 0, (int)number("MINUTES", 20) * 60 + SOAK_EXTRA_S) ? 0 : 1;
    else if (argc == 1)
        status = chaos();
    else
        status = 2;
    if (rmdir(dir) != 0)
        printf("kept: %s\n", dir);
    return status;
}
