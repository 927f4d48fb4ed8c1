/* test_silence.c - Redis does not answer for a while and then goes on, as after a stalled disk or
 * a paused machine: connections stay, and nobody may be taken for dead.
 *
 * A suite of its own, for it waits for a real minute while other suites run. */
#include <check.h>

#include "tests/support/world.h"

enum { ALL_MS = 60000 };

static const struct {
    const char *timeout, *lease, *heartbeat;
    int silent_ms;
} silences[] = {
    /* ten time-outs and three leases long */
    {"FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=300", "FLOTILLA_WORKERS_LEASE_MS=1000",
     "FLOTILLA_WORKERS_HEARTBEAT_MS=100", 3000},
    /* a minute in real time, with what is set when nobody sets anything */
    {"FLOTILLA_REDIS_COMMAND_TIMEOUT_MS", "FLOTILLA_WORKERS_LEASE_MS",
     "FLOTILLA_WORKERS_HEARTBEAT_MS", 60000},
};

START_TEST(what_was_finished_while_redis_was_silent_is_delivered_once)
{
    enum { RUNNING = 40, JOBS = 120 };
    struct world *w = world_new(.simulator = true);
    int64_t thaw_at;

    world_sim_latency(w, 700);
    world_start_scheduler(w, silences[_i].timeout, silences[_i].lease, silences[_i].heartbeat);
    world_start_worker(w, silences[_i].timeout, silences[_i].lease, silences[_i].heartbeat,
                       "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=20",
                       "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "requests") >= RUNNING / 2);
    world_redis_freeze(w);
    thaw_at = now_ms() + silences[_i].silent_ms;
    WAIT_UNTIL(w, silences[_i].silent_ms * 2, now_ms() >= thaw_at); /* the silence is the test */
    world_redis_thaw(w);
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:delayed"), 0);
    world_check_one_result_each(w, JOBS);
    /* Nobody was taken for dead, so nothing was called twice. */
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_silence(void)
{
    Suite *s = suite_create("silence");
    TCase *tc = tcase_create("silence");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, what_was_finished_while_redis_was_silent_is_delivered_once, 0,
                        (int)ARRAY_LEN(silences));
    suite_add_tcase(s, tc);
    return s;
}
