/* test_unnamed.c - jobs that no list, timer or worker names are found and run once; the others are
 * left alone. */
#include <check.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };
static const char round_1s[] = "FLOTILLA_SCHEDULER_UNNAMED_MS=1000";
static const char debug[] = "FLOTILLA_LOG_LEVEL=debug";

static void push_until_stored(struct world *w, const char *id, const char *members)
{
    world_push(w, "{'id':'%s','type':'noop','payload':{}%s}", id, members);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:job:%s", id) == 1);
}

/* Its record says active, by a start of this worker. */
static void make_active(struct world *w, const char *id, const char *tag)
{
    world_redis(w, "SETRANGE fl:{0}:job:%s 4 000001%s0000ffff1a0c4506c04", id, tag);
    world_redis(w, "SETRANGE fl:{0}:job:%s 2 a", id);
}

static int64_t attempts(struct world *w, const char *id)
{
    return world_int_at(world_result(w, id)->doc, "attempts");
}

START_TEST(unnamed_jobs_of_each_state_run_once_while_others_flow)
{
    enum { JOBS = 2000, LOST = 5 };
    struct world *w = world_new();
    struct program *worker;
    const char *alive;

    world_start_scheduler(w, round_1s, "FLOTILLA_SCHEDULER_SWEEP_MS=300");
    push_until_stored(w, "ready", "");
    push_until_stored(w, "delayed", ",'delay_ms':4000");
    push_until_stored(w, "overdue", ",'delay_ms':1500");
    push_until_stored(w, "active", "");
    push_until_stored(w, "of-the-dead", "");
    world_redis(w, "DEL fl:{0}:ready:noop fl:{0}:delayed");
    make_active(w, "of-the-dead", "0123abcd");
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    alive = look_worker(w, look_wait_workers(w, worker, 1)[0]);
    make_active(w, "active", alive + strlen(alive) - 8);
    look_push_noops(w, 0, JOBS, "{'sleep_ms':5}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "SISMEMBER fl:{0}:active:%s active", alive) == 1);
    world_redis(w, "CLIENT KILL TYPE normal SKIPME yes"); /* workers look after a reconnect */
    world_wait_results(w, JOBS + LOST, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "job_unnamed"));
    world_check_one_result_each(w, JOBS + LOST);
    ck_assert_int_eq(attempts(w, "ready"), 1);
    ck_assert_int_eq(attempts(w, "overdue"), 1);
    for (int i = 0; i < JOBS; i += 100)
        ck_assert_int_eq(attempts(w, world_text(w, "x-%d", i)), 1);
    WAIT_UNTIL(w, ALL_MS, look_held(w) == 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:delayed"), 0);
    world_free(w);
}
END_TEST

static void lose(struct world *w, int first, int step, int end)
{
    for (int i = first; i < end; i += step)
        ck_assert_int_eq(world_int(w, "LREM fl:{0}:ready:noop 1 x-%d", i), 1);
}

START_TEST(a_backlog_gets_its_lost_jobs_back_and_no_id_twice)
{
    enum { JOBS = 3000, LOST = 30 };
    struct world *w = world_new();
    struct program *scheduler = world_start_scheduler(w, round_1s, debug);
    int rounds;

    look_push_noops(w, 0, JOBS, "{}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == JOBS);
    lose(w, 7, JOBS / LOST, JOBS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == JOBS);
    rounds = look_logged(scheduler, "event=rescue.round ");
    WAIT_UNTIL(w, ALL_MS, look_logged(scheduler, "event=rescue.round ") >= rounds + 2);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:ready:noop"), JOBS);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_free(w);
}
END_TEST

static const char *sweep(struct world *w)
{
    const char *at = world_string(w, "GET fl:{0}:sweep");

    return at ? at : "0";
}

START_TEST(a_scheduler_that_is_killed_amid_a_round_is_continued_where_it_was)
{
    enum { JOBS = 3000, LOST = 10, KILLS = 3 };
    static const char lease[] = "FLOTILLA_SCHEDULER_LEASE_MS=500";
    static const char round_8s[] = "FLOTILLA_SCHEDULER_UNNAMED_MS=4000";
    struct world *w = world_new();
    struct program *scheduler = world_start_scheduler(w, lease, round_8s);

    look_push_noops(w, 0, JOBS, "{}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == JOBS);
    for (int i = 0; i < KILLS; i++) {
        const char *before = world_text(w, "%s", sweep(w));

        WAIT_UNTIL(w, ALL_MS, strcmp(sweep(w), before) != 0 && strcmp(sweep(w), "0") != 0);
        program_kill(scheduler);
        before = world_text(w, "%s", sweep(w));
        scheduler = world_start_scheduler(w, lease, round_8s);
        WAIT_UNTIL(w, ALL_MS, look_logged(scheduler, "event=lease.held ") == 1);
        ck_assert_str_eq(sweep(w), before);
    }
    lose(w, 3, JOBS / LOST, JOBS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == JOBS);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_free(w);
}
END_TEST

Suite *test_unnamed(void)
{
    Suite *s = suite_create("unnamed");
    TCase *tc = tcase_create("unnamed");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, unnamed_jobs_of_each_state_run_once_while_others_flow);
    tcase_add_test(tc, a_backlog_gets_its_lost_jobs_back_and_no_id_twice);
    tcase_add_test(tc, a_scheduler_that_is_killed_amid_a_round_is_continued_where_it_was);
    suite_add_tcase(s, tc);
    return s;
}
