/* test_bounds.c - a Redis that is full, and what is swept away before it is. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };
enum { MB = 1 << 20 };

static struct program *start_noop_worker(struct world *w)
{
    return world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
}

/* ---- Redis's memory ------------------------------------------------------------------ */
static void give_memory(struct world *w, int64_t more_bytes)
{
    const char *info = world_string(w, "INFO memory"), *at = strstr(info, "used_memory:");

    ck_assert_ptr_nonnull(at);
    world_redis(w, "CONFIG SET maxmemory %lld",
                (long long)(strtoll(at + strlen("used_memory:"), NULL, 10) + more_bytes));
}

START_TEST(a_full_redis_stops_the_intake_and_drains)
{
    struct world *w = world_new();
    const char *doc;
    int64_t accepted = 0, stored;
    redisReply *r;

    world_start_scheduler(w);
    world_push(w, "{'id':'first','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    give_memory(w, (int64_t)16 * MB);
    for (;; accepted++) { /* until Redis itself refuses */
        doc = world_noop_of(w, world_text(w, "j-%d", (int)accepted), 4000);
        r = world_redis_try(w, "LPUSH fl:{0}:intake %s", doc);
        ck_assert_ptr_nonnull(r);
        if (r->type == REDIS_REPLY_ERROR)
            break;
        ck_assert_int_lt(accepted, 20000);
    }
    ck_assert_msg(strncmp(r->str, "OOM", 3) == 0, "%s", r->str);
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "redis_memory"));
    stored = world_int(w, "LLEN fl:{0}:ready:noop");
    ck_assert_int_gt(stored, 1);
    ck_assert_int_gt(world_int(w, "LLEN fl:{0}:intake"), 0);
    /* A worker that comes now finishes what is in; that makes room for the rest. */
    start_noop_worker(w);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") >= stored);
    world_redis(w, "CONFIG SET maxmemory 0");
    world_wait_results(w, accepted + 1, ALL_MS);
    world_check_one_result_each(w, accepted + 1);
    world_free(w);
}
END_TEST

START_TEST(the_intake_stops_at_the_percentage_and_goes_on_below_it)
{
    struct world *w = world_new();
    struct program *scheduler = world_start_scheduler(w, "FLOTILLA_LIMITS_MEMORY_PERCENT=50");

    start_noop_worker(w);
    world_redis(w, "CONFIG SET maxmemory 1000000"); /* less than an empty one uses */
    WAIT_UNTIL(w, 10000, world_has_alert(w, "redis_memory"));
    world_redis(w, "CONFIG SET maxmemory 3000000"); /* over a half of it still */
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_redis(w, "CONFIG SET maxmemory 100000000");
    world_wait_results(w, 1, ALL_MS);
    ck_assert(look_logged(scheduler, "event=intake.open"));
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(nothing_is_taken_from_a_redis_that_evicts)
{
    struct world *w = world_new();
    struct program *scheduler;

    world_redis(w, "CONFIG SET maxmemory-policy allkeys-lru");
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    scheduler = world_start_scheduler(w);
    start_noop_worker(w);
    WAIT_UNTIL(w, 10000, world_has_alert(w, "eviction_policy"));
    ck_assert(look_logged(scheduler, "level=error"));
    ck_assert(look_logged(scheduler, "allkeys-lru"));
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:intake"), 1);
    world_redis(w, "CONFIG SET maxmemory-policy noeviction");
    world_wait_results(w, 1, ALL_MS);
    world_redis(w, "CONFIG SET maxmemory-policy volatile-ttl"); /* while it runs */
    WAIT_UNTIL(w, 10000, look_logged(scheduler, "event=alert code=eviction_policy") == 2);
    world_push(w, "{'id':'b','type':'noop','payload':{}}");
    world_redis(w, "CONFIG SET maxmemory-policy noeviction");
    world_wait_results(w, 2, ALL_MS);
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

/* ---- what is kept --------------------------------------------------------------------- */
#define SWEEPS "FLOTILLA_SCHEDULER_SWEEP_MS=200"

START_TEST(streams_are_trimmed_and_the_sums_of_a_day_end)
{
    enum { JOBS = 600, KEPT = 100, SLACK = 110 }; /* Redis trims whole nodes of 100 */
    struct world *w = world_new(.simulator = true);

    world_start_scheduler(w, SWEEPS, "FLOTILLA_RETENTION_RESULTS_ENTRIES=100",
                          "FLOTILLA_RETENTION_COSTS_ENTRIES=100");
    start_noop_worker(w);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "requests") == JOBS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") <= KEPT + SLACK);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:costs") <= KEPT + SLACK);
    ck_assert_int_ge(world_int(w, "XLEN fl:{0}:results"), KEPT);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:spend:*")->elements > 0);
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "PTTL %s", world_redis(w, "KEYS fl:{0}:spend:*")->element[0]->str) > 0);
    world_free(w);
}
END_TEST

START_TEST(ended_records_expire_and_their_ids_may_be_used_again)
{
    struct world *w = world_new();

    world_start_scheduler(w, SWEEPS, "FLOTILLA_RETENTION_IDS_MS=1000");
    world_start_worker(w, "FLOTILLA_RETENTION_IDS_MS=1000", "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_push_raw(w, "{\"id\":\"bad\",\"type\":\"noop\"}", 26);
    world_wait_results(w, 2, ALL_MS);
    WAIT_UNTIL(w, 20000, world_redis(w, "KEYS fl:{0}:job:*")->elements == 0);
    world_push(w, "{'id':'a','type':'noop','payload':{'result':'another document'}}");
    world_wait_results(w, 3, ALL_MS);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "output"), "another document");
    world_free(w);
}
END_TEST

START_TEST(the_dead_set_is_bounded_and_so_are_their_records)
{
    enum { JOBS = 20, KEPT = 5 };
    struct world *w = world_new(.simulator = true);

    world_start_scheduler(w, SWEEPS, "FLOTILLA_RETENTION_DEAD_JOBS=5",
                          "FLOTILLA_RETENTION_IDS_MS=1000");
    start_noop_worker(w);
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':400,'times':%d}", JOBS);
    world_push_questions(w, JOBS, NULL);
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:dead") == KEPT);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:job:*")->elements == KEPT);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- what nobody holds ------------------------------------------------------------------ */
static void forget_workers(struct world *w)
{
    redisReply *ids = world_redis(w, "HKEYS fl:{0}:workers");

    for (size_t i = 0; i < ids->elements; i++)
        world_redis(w, "HDEL fl:{0}:workers %s", ids->element[i]->str);
}

START_TEST(jobs_of_a_worker_that_nobody_knows_are_swept_up)
{
    enum { JOBS = 10 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    bool dies = _i == 0; /* else it lives on, and learns that it is gone */

    world_sim_latency(w, 1500);
    world_start_scheduler(w, SWEEPS);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 1);
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "LLEN fl:{0}:ready:inference.standard") == 0 &&
                   world_int(w, "LLEN fl:{0}:intake") == 0);
    if (dies) {
        kill(-worker->pid, SIGKILL);
        program_kill(worker);
    }
    forget_workers(w);
    if (dies) {
        WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == JOBS);
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    }
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

static TCase *tests(void)
{
    TCase *tc = tcase_create("bounds");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, a_full_redis_stops_the_intake_and_drains);
    tcase_add_test(tc, the_intake_stops_at_the_percentage_and_goes_on_below_it);
    tcase_add_test(tc, nothing_is_taken_from_a_redis_that_evicts);
    tcase_add_test(tc, streams_are_trimmed_and_the_sums_of_a_day_end);
    tcase_add_test(tc, ended_records_expire_and_their_ids_may_be_used_again);
    tcase_add_test(tc, the_dead_set_is_bounded_and_so_are_their_records);
    tcase_add_loop_test(tc, jobs_of_a_worker_that_nobody_knows_are_swept_up, 0, 2);
    return tc;
}

Suite *test_bounds(void)
{
    Suite *s = suite_create("bounds");

    suite_add_tcase(s, tests());
    return s;
}
