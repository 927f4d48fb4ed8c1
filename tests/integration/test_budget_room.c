/* test_budget_room.c - jobs that wait for a budget: nobody polls, and they are called back.
 *
 * All calls are alike: each may cost 0.0079 USD and costs 0.0046. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "tests/support/cli_checks.h"
#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ALL_MS = 60000, ANSWER_TOKENS = 300 };
#define BODY                                                             \
    "{'model':'moonshotai/Kimi-K3','max_tokens':512,'temperature':0.5,'" \
    "messages':[{'role':'user','content':'How many legs have %04d spiders?'}]}"

static struct world *new_world(void)
{
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models",
              world_text(w, "{'moonshotai/Kimi-K3':{'answer_bytes':%d}}", 4 * ANSWER_TOKENS));
    world_start_scheduler(w);
    return w;
}

static void push(struct world *w, int first, int count, const char *members)
{
    for (int i = first; i < first + count; i++)
        world_push(w,
                   "{'id':'b-%d','type':'inference','payload':{'task':'chat','body':" BODY "}%s}",
                   i, i, members);
}

static int64_t count_completed(struct world *w)
{
    const struct results *all = world_results(w);
    int64_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += !strcmp(all->items[i].status, "completed");
    return n;
}

/* The call under way holds all there is.  Nobody polls; another tenant is served at once; and the
 * raised limit wakes all. */
START_TEST(thousands_of_jobs_wait_for_a_budget_without_asking_and_wake_when_it_is_raised)
{
    enum { JOBS = 3000, WINDOW_MS = 4000, PER_S = 60 };
    static const char form[] = "budgets:\n  - {name: d, for: {tenant: acme}, per: month, "
                               "limit_usd: %s}\n";
    struct world *w = new_world();
    const char *config = world_config(w, world_text(w, form, "0.01"));
    struct program *worker =
        world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LOG_LEVEL=debug");
    int64_t from, asked;

    world_sim_latency(w, 60000);
    push(w, 0, 1, ",'tenant':'acme'");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    world_sim_latency(w, 1);
    push(w, 1, JOBS - 1, ",'tenant':'acme'");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") >= JOBS - 1);
    /* those that were refused first did not know how many would follow */
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "ZCOUNT fl:{0}:delayed 0 %lld", (long long)(time(NULL) + 10) * 1000) <
                   PER_S * 10);
    from = now_ms();
    asked = look_logged(worker, "event=job.over_budget");
    push(w, JOBS, 1, ",'tenant':'other'");
    WAIT_UNTIL(w, 2000, world_int(w, "XLEN fl:{0}:results") == 1);
    WAIT_UNTIL(w, ALL_MS, now_ms() >= from + WINDOW_MS);
    asked = look_logged(worker, "event=job.over_budget") - asked;
    ck_assert_int_le(asked, PER_S * (now_ms() - from) / 1000);
    world_config(w, world_text(w, form, "100"));
    program_signal(worker, SIGHUP);
    WAIT_UNTIL(w, 20000, world_int(w, "XLEN fl:{0}:results") == JOBS); /* but the first one */
    ck_assert_int_eq(count_completed(w), JOBS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:rooms") == 0);
    world_free(w);
}
END_TEST

/* One call has room at a time: each one that ends calls back the next. */
START_TEST(a_call_that_ends_calls_back_jobs_that_wait_for_its_money)
{
    enum { JOBS = 40 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 0.21}\n");

    world_sim_latency(w, 50);
    push(w, 0, JOBS, "");
    world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1",
                       "FLOTILLA_RETRY_PARK_MIN_MS=600000", "FLOTILLA_RETRY_PARK_MAX_MS=3600000");
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(count_completed(w), JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Each may cost 0.0004 USD. */
static void push_cheap(struct world *w, int count)
{
    for (int i = 0; i < count; i++)
        world_push(w,
                   "{'id':'b-%d','type':'inference','payload':{'task':'chat','body':{'model':"
                   "'openai/gpt-oss-20b','max_tokens':2000,'messages':[{'role':'user','content':"
                   "'How many legs have %d spiders?'}]}}}",
                   i, i);
}

/* Calls cost a hundredth of what they may cost: money comes back while others are refused, or
 * between the refusal of a job and its postponement.  Own times would be minutes. */
START_TEST(after_a_burst_no_job_stays_behind_while_there_is_room)
{
    enum { JOBS = 1200 };
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 0.04}\n");

    world_sim_latency(w, 100);
    world_start_scheduler(w);
    world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=2",
                       "FLOTILLA_WORKERS_CONCURRENCY=128", "FLOTILLA_LIMITS_START_RATE=1000",
                       "FLOTILLA_RETRY_PARK_MIN_MS=600000", "FLOTILLA_RETRY_PARK_MAX_MS=3600000");
    push_cheap(w, JOBS);
    WAIT_UNTIL(w, 20000, world_int(w, "XLEN fl:{0}:results") == JOBS);
    ck_assert_int_eq(count_completed(w), JOBS);
    world_free(w);
}
END_TEST

START_TEST(cancelled_jobs_do_not_take_the_room_of_those_behind_them)
{
    enum { JOBS = 12 };
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 0.0005}\n");

    world_sim_latency(w, 3000);
    world_start_scheduler(w);
    world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1",
                       "FLOTILLA_RETRY_PARK_MIN_MS=600000", "FLOTILLA_RETRY_PARK_MAX_MS=3600000");
    push_cheap(w, JOBS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") == JOBS - 1);
    world_sim_latency(w, 1);
    CHECK_EXIT(world_cli(w, "cancel", "b-1", "b-2", "b-3", "b-4", "b-5", "b-6", "b-7", "b-8"), 0);
    WAIT_UNTIL(w, 20000, world_int(w, "XLEN fl:{0}:results") == JOBS);
    world_free(w);
}
END_TEST

struct window {
    const struct program *worker;
    int64_t from_ms;
    int asked; /* at its begin */
};

/* Few jobs were refused in one that is over; else the next one begins. */
static bool was_quiet(struct window *n, int64_t window_ms, int per_s)
{
    int asked = look_logged(n->worker, "event=job.over_budget"), before = n->asked;
    int64_t ms = now_ms() - n->from_ms;

    if (ms < window_ms)
        return false;
    n->asked = asked;
    n->from_ms += ms;
    return asked - before <= per_s * ms / 1000;
}

/* Each tenant has room for one call, and few jobs of it wait: together they are many. */
START_TEST(jobs_that_wait_for_many_budgets_come_seldom_at_their_own_times)
{
    enum { TENANTS = 500, JOBS = 4 * TENANTS, WINDOW_MS = 2000, PER_S = 60 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {tenant: '*'}, per: month, "
                                         "limit_usd: 0.008}\n");
    const struct program *worker =
        world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LOG_LEVEL=debug");
    struct window n;

    for (int i = 0; i < JOBS; i++)
        push(w, i, 1, world_text(w, ",'tenant':'t%d'", i % TENANTS));
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") == JOBS - TENANTS);
    n = (struct window){worker, now_ms(), look_logged(worker, "event=job.over_budget")};
    WAIT_UNTIL(w, 12000, was_quiet(&n, WINDOW_MS, PER_S));
    world_free(w);
}
END_TEST

Suite *test_budget_room(void);
Suite *test_budget_room(void)
{
    Suite *s = suite_create("budget_room");
    TCase *tc = tcase_create("budget_room");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc,
                   thousands_of_jobs_wait_for_a_budget_without_asking_and_wake_when_it_is_raised);
    tcase_add_test(tc, a_call_that_ends_calls_back_jobs_that_wait_for_its_money);
    tcase_add_test(tc, after_a_burst_no_job_stays_behind_while_there_is_room);
    tcase_add_test(tc, cancelled_jobs_do_not_take_the_room_of_those_behind_them);
    tcase_add_test(tc, jobs_that_wait_for_many_budgets_come_seldom_at_their_own_times);
    suite_add_tcase(s, tc);
    return s;
}
