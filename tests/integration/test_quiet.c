/* test_quiet.c - while Redis is away: every program is idle, and every process can be ended. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000, JOBS = 6 };
#define BEAT "FLOTILLA_WORKERS_HEARTBEAT_MS=200"

/* ---- idle ------------------------------------------------------------------- */
enum { WAKEUPS_PER_S = 60, SETTLE_MS = 3000, LOOK_MS = 2000 };

static int64_t wakeups(struct world *w, pid_t pid)
{
    FILE *f = fopen(world_text(w, "/proc/%d/status", (int)pid), "re");
    char line[256];
    long long n = -1;

    while (f && n < 0 && fgets(line, sizeof line, f))
        (void)sscanf(line, "voluntary_ctxt_switches: %lld", &n);
    ck_assert_ptr_nonnull(f);
    ck_assert_int_ge(fclose(f), 0);
    return n;
}

static void check_idle(struct world *w, const pid_t *pids, size_t n)
{
    int64_t before[8];

    pause_ms(SETTLE_MS); /* the lease of the scheduler ends, and pauses grow */
    for (size_t i = 0; i < n; i++)
        before[i] = wakeups(w, pids[i]);
    pause_ms(LOOK_MS);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(wakeups(w, pids[i]) - before[i] <= WAKEUPS_PER_S * LOOK_MS / 1000,
                      "process %d of %d woke up %d times in %d ms", (int)i, (int)n,
                      (int)(wakeups(w, pids[i]) - before[i]), LOOK_MS);
}

static void push_streams(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        world_push(w,
                   "{'id':'s-%d','type':'inference','payload':{'task':'chat','body':{'stream':true,"
                   "'messages':[{'role':'user','content':'number %d'}]}}}",
                   i, i);
}

static void vanish(struct world *w) { world_redis_kill(w); }
static void freeze(struct world *w) { world_redis_freeze(w); }
static void (*const losses[])(struct world *) = {vanish, freeze};

/* Calls under way, calls that wait for the rate, streams: all have been there. */
START_TEST(all_processes_are_idle_while_redis_is_away)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker, *scheduler;
    pid_t pids[4];

    scheduler = world_start_scheduler(w, "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000");
    worker = world_start_worker(
        w, BEAT, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=8",
        "FLOTILLA_LIMITS_START_RATE=5", "FLOTILLA_LIMITS_STALE_MS=1000",
        "FLOTILLA_LIMITS_MODEL_CONCURRENCY=4", "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000");
    pids[0] = look_wait_workers(w, worker, 1)[0];
    pids[1] = worker->pid;
    pids[2] = scheduler->pid;
    world_sim_latency(w, 500);
    world_push_questions(w, 40, NULL);
    push_streams(w, 10);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") >= 5);
    losses[_i](w);
    check_idle(w, pids, 3);
    if (_i)
        world_redis_thaw(w);
    world_free(w);
}
END_TEST

Suite *test_quiet(void)
{
    Suite *s = suite_create("quiet");
    TCase *tc = tcase_create("quiet");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, all_processes_are_idle_while_redis_is_away, 0, (int)ARRAY_LEN(losses));
    suite_add_tcase(s, tc);
    return s;
}
