/* test_unwritable.c - Redis answers, but refuses every write, because its last save failed.
 *
 * It is made to happen for real: a directory is in the place of the snapshot. */
#include "tests/support/world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/cli_checks.h"

Suite *test_unwritable(void);

enum { ALL_MS = 30000, JOBS = 40, REFUSING_MS = 3000 };

static bool refuses(struct world *w)
{
    redisReply *r = world_redis_try(w, "SET a-key-of-the-test 1");

    return r && r->type == REDIS_REPLY_ERROR && strncmp(r->str, "MISCONF", 7) == 0;
}

/* Redis was to save its data and could not. */
static void break_saves(struct world *w)
{
    ck_assert_int_eq(mkdir(world_text(w, "%s/dump.rdb", w->dir), 0700), 0);
    world_redis(w, "CONFIG SET save %s", "3600 1");
    world_redis(w, "BGSAVE");
    WAIT_UNTIL(w, ALL_MS, refuses(w));
}

static void mend_saves(struct world *w)
{
    ck_assert_int_eq(rmdir(world_text(w, "%s/dump.rdb", w->dir)), 0);
    world_redis(w, "BGSAVE");
    WAIT_UNTIL(w, ALL_MS, !refuses(w));
    world_redis(w, "DEL a-key-of-the-test");
}

START_TEST(doctor_says_what_is_wrong_and_what_to_do)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 1);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 0);
    CHECK_HAS(cli.out, "Redis takes writes");
    break_saves(w);
    cli = world_cli(w, "doctor");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.out, "FAIL  writes");
    CHECK_HAS(cli.out, "its last save to disk failed");
    CHECK_HAS(cli.out, "BGSAVE");
    CHECK_HAS(cli.out, "last snapshot err");
    cli = world_cli(w, "submit", NOOP("a"));
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "MISCONF");
    mend_saves(w);
    CHECK_EXIT(world_cli(w, "doctor"), 0);
    CHECK_EXIT(world_cli(w, "submit", "--wait", NOOP("a")), 0);
    world_free(w);
}
END_TEST

START_TEST(the_fleet_goes_on_when_redis_writes_again)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker, *scheduler;
    int64_t until;

    world_sim_latency(w, 500);
    scheduler = world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_LEASE_MS=1500",
                                "FLOTILLA_WORKERS_HEARTBEAT_MS=100");
    world_push_questions(w, JOBS, "'webhook':{'url':'http://127.0.0.1:9/none'}");
    WAIT_UNTIL(w, ALL_MS,
               world_int_at(world_sim_ledger(w), "requests") > 0 ||
                   world_int(w, "XLEN fl:{0}:results") > 0);
    break_saves(w);
    until = now_ms() + REFUSING_MS; /* longer than workers.lease_ms */
    while (now_ms() < until)
        pause_ms(50);
    ck_assert_int_lt(world_int(w, "XLEN fl:{0}:results"), JOBS);
    mend_saves(w);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    ck_assert_msg(lines_in(world_own(w, program_err(scheduler), free)) < 200, "the log is flooded");
    ck_assert_msg(lines_in(world_own(w, program_err(worker), free)) < 400, "the log is flooded");
    world_free(w);
}
END_TEST

START_TEST(programs_that_start_meanwhile_go_on_when_redis_writes_again)
{
    struct world *w = world_new();
    struct program *worker;

    break_saves(w);
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, has(world_own(w, program_err(worker), free), "MISCONF"));
    CHECK_EXIT(world_cli(w, "queues"), 0); /* to read is possible */
    mend_saves(w);
    CHECK_EXIT(world_cli(w, "submit", "--wait", NOOP("a")), 0);
    world_free(w);
}
END_TEST

Suite *test_unwritable(void)
{
    Suite *s = suite_create("unwritable");
    TCase *tc = tcase_create("unwritable");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, doctor_says_what_is_wrong_and_what_to_do);
    tcase_add_test(tc, the_fleet_goes_on_when_redis_writes_again);
    tcase_add_test(tc, programs_that_start_meanwhile_go_on_when_redis_writes_again);
    suite_add_tcase(s, tc);
    return s;
}
