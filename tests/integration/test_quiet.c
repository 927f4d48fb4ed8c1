/* test_quiet.c - while Redis is away: every program is idle, and every process can be ended. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000, JOBS = 6 };
#define BEAT  "FLOTILLA_WORKERS_HEARTBEAT_MS=200"
#define LEASE "FLOTILLA_WORKERS_LEASE_MS=2000" /* of the dead, in the end */

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

/* ---- the end without Redis --------------------------------------------------- */
static bool has_ended(pid_t pid)
{
    int status;

    return look_ended(pid, &status);
}

/* A process without a supervisor that has outcomes which Redis does not take: its pid.  The calls
 * of the first jobs are answered, the others are under way. */
static pid_t make_orphan(struct world *w, void (*lose)(struct world *), const char *drain,
                         const char *orphan)
{
    struct program *worker;
    pid_t pid;

    world_sim_latency(w, 1500);
    world_start_scheduler(w, BEAT, LEASE);
    worker = world_start_worker(w, BEAT, LEASE, "FLOTILLA_WORKERS_PROCESSES=1", drain, orphan);
    pid = look_wait_workers(w, worker, 1)[0];
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "requests") == JOBS);
    lose(w);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 0);
    program_kill(worker);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=child.orphaned ") == 1);
    ck_assert(!has_ended(pid));
    return pid;
}

/* Redis is back: nothing is lost, and every call is in the books. */
static void check_books(struct world *w, void (*lose)(struct world *))
{
    if (lose == freeze)
        world_redis_thaw(w);
    else
        world_redis_start(w);
    world_start_worker(w, BEAT, LEASE, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}

static const struct {
    int terms;
    const char *drain, *orphan;
    int min_ms, max_ms; /* from the first TERM, or from the supervisor's death, to the end */
} ends[] = {
    {1, "FLOTILLA_WORKERS_DRAIN_MS=1500", "FLOTILLA_WORKERS_ORPHAN_MS=600000", 1400, 8000},
    {2, "FLOTILLA_WORKERS_DRAIN_MS=600000", "FLOTILLA_WORKERS_ORPHAN_MS=600000", 0, 8000},
    {0, "FLOTILLA_WORKERS_DRAIN_MS=600000", "FLOTILLA_WORKERS_ORPHAN_MS=4000", 500, 12000},
    {0, "FLOTILLA_WORKERS_DRAIN_MS=100", "FLOTILLA_WORKERS_ORPHAN_MS=4000", 500, 12000},
};

START_TEST(an_orphan_that_cannot_write_its_outcomes_ends)
{
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    int which = _i / (int)ARRAY_LEN(losses);
    void (*lose)(struct world *) = losses[_i % (int)ARRAY_LEN(losses)];
    pid_t pid = make_orphan(w, lose, ends[which].drain, ends[which].orphan);
    int64_t from_ms = now_ms();

    for (int i = 0; i < ends[which].terms; i++) {
        kill(pid, SIGTERM);
        pause_ms(100); /* two equal signals that wait are one */
    }
    WAIT_UNTIL(w, ends[which].max_ms, has_ended(pid));
    ck_assert_int_ge(now_ms() - from_ms, ends[which].min_ms);
    check_books(w, lose);
}
END_TEST

/* It is no reason to end that the supervisor is gone: what it knows is worth its money. */
START_TEST(an_orphan_writes_its_outcomes_when_redis_comes_back)
{
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    pid_t pid =
        make_orphan(w, vanish, "FLOTILLA_WORKERS_DRAIN_MS=100", "FLOTILLA_WORKERS_ORPHAN_MS=60000");

    world_redis_start(w);
    world_wait_results(w, JOBS, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, has_ended(pid));
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), 0);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), JOBS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* With its supervisor: the first TERM after drain_ms, a second one at once. */
START_TEST(a_worker_that_cannot_write_its_outcomes_ends_at_term)
{
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    struct program *worker;

    world_sim_latency(w, 500);
    world_start_scheduler(w, BEAT, LEASE);
    worker = world_start_worker(w, BEAT, LEASE, "FLOTILLA_WORKERS_PROCESSES=1",
                                _i ? "FLOTILLA_WORKERS_DRAIN_MS=600000"
                                   : "FLOTILLA_WORKERS_DRAIN_MS=500");
    look_wait_workers(w, worker, 1);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "requests") == JOBS);
    vanish(w);
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 0);
    worker->may_end = true;
    for (int i = 0; i <= _i; i++) {
        program_signal(worker, SIGTERM);
        WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=stopping ") == i + 1);
    }
    ck_assert_int_eq(program_wait(worker, 4000), 0);
    ck_assert_int_eq(look_logged(worker, "event=left "), 1);
    check_books(w, vanish);
}
END_TEST

Suite *test_quiet(void)
{
    Suite *s = suite_create("quiet");
    TCase *tc = tcase_create("quiet");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, all_processes_are_idle_while_redis_is_away, 0, (int)ARRAY_LEN(losses));
    tcase_add_loop_test(tc, an_orphan_that_cannot_write_its_outcomes_ends, 0,
                        (int)(ARRAY_LEN(ends) * ARRAY_LEN(losses)));
    tcase_add_test(tc, an_orphan_writes_its_outcomes_when_redis_comes_back);
    tcase_add_loop_test(tc, a_worker_that_cannot_write_its_outcomes_ends_at_term, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
