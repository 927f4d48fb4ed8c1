/* test_network.c - Redis goes away in every manner while jobs run: each job still has exactly
 * one result, and nothing is paid that the books do not know. */
#include <check.h>
#include <string.h>

#include "tests/support/look.h"

enum { JOBS = 60, ALL_MS = 60000 };

/* ---- while many jobs run ---------------------------------------------------- */
static void cut(struct world *w) { proxy_cut(w->proxy); }

static void cut_ten_times(struct world *w)
{
    for (int i = 0; i < 10; i++) {
        int64_t accepted = proxy_stats(w->proxy).accepted;

        proxy_cut(w->proxy);
        WAIT_UNTIL(w, 10000, proxy_stats(w->proxy).accepted > accepted);
    }
}

static void refuse_and_pass(struct world *w)
{
    proxy_refuse(w->proxy);
    pause_ms(patience_ms(700));
    proxy_pass(w->proxy);
}

static void stall_and_pass(struct world *w)
{
    proxy_stall(w->proxy);
    pause_ms(patience_ms(1500));
    proxy_pass(w->proxy);
}

static void freeze_and_thaw(struct world *w)
{
    world_redis_freeze(w);
    pause_ms(patience_ms(1500));
    world_redis_thaw(w);
}

static void kill_and_restart(struct world *w)
{
    world_redis_kill(w);
    world_redis_start(w);
}

static void (*const faults[])(struct world *) = {
    cut, cut_ten_times, refuse_and_pass, stall_and_pass, freeze_and_thaw, kill_and_restart};

START_TEST(jobs_survive_while_redis_is_away)
{
    struct world *w = world_new(.simulator = true, .proxy = true, .appendfsync = "always");

    world_sim_latency(w, 100);
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=8",
                       "FLOTILLA_RETRY_DELAY_MS=50");
    world_push_questions(w, JOBS, NULL);
    world_wait_results(w, 5, ALL_MS);
    faults[_i](w);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- the one reply that matters --------------------------------------------- */
/* A text in one argument of exactly one command on the way of job `one`. */
static const struct {
    const char *step, *text;
} steps[] = {
    {"submit", "what-only-the-document-says"},
    {"finish", "\"status\":\"completed\""},
};

static void (*const losses[])(struct proxy *, const char *) = {proxy_lose_reply, proxy_lose_request,
                                                               proxy_silence_reply};

START_TEST(a_job_survives_the_loss_of_a_request_or_reply)
{
    struct world *w = world_new(.simulator = true, .proxy = true);

    losses[_i / 2](w->proxy, steps[_i % 2].text);
    world_start_scheduler(w, "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000");
    world_start_worker(w, "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000");
    world_push(w, "{'id':'one','type':'inference','payload':{'task':'chat','messages':[{'role':"
                  "'user','content':'what-only-the-document-says'}]}}");
    world_wait_results(w, 1, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, proxy_stats(w->proxy).faults == 1);
    world_push(w, "{'id':'two','type':'noop','payload':{}}");
    world_wait_results(w, 2, ALL_MS);
    world_check_one_result_each(w, 2);
    ck_assert_str_eq(world_result(w, "one")->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Asked of Redis itself: the command line would go through the proxy. */
static bool has_state(struct world *w, const char *id, const char *letter)
{
    return strcmp(world_string(w, "GETRANGE fl:{0}:job:%s 2 2", id), letter) == 0;
}

/* An answer that does not fit is asked for again at once: the job goes back to its list, and the
 * same process claims it again.  Of all this no reply arrives. */
START_TEST(a_job_that_went_back_and_was_claimed_again_survives_a_cut)
{
    struct world *w = world_new(.simulator = true, .proxy = true);

    world_sim_latency(w, 500);
    world_sim_faults(w, "{'match':'one:','answer':'never mind','times':1}");
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_push(w,
               "{'id':'one','type':'inference','payload':{'task':'chat','body':{'response_format':"
               "{'type':'json_object'},'messages':[{'role':'user','content':'one: a JSON'}]}}}");
    WAIT_UNTIL(w, ALL_MS, has_state(w, "one", "a"));
    proxy_lose_replies(w->proxy, "fl:{0}:job:one");
    WAIT_UNTIL(w, ALL_MS, has_state(w, "one", "r") && look_held(w) == 1);
    proxy_cut(w->proxy);
    world_wait_results(w, 1, ALL_MS);
    world_check_one_result_each(w, 1);
    ck_assert_str_eq(world_result(w, "one")->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_network(void)
{
    Suite *s = suite_create("network");
    TCase *tc = tcase_create("redis away");

    tcase_set_timeout(tc, 90);
    tcase_add_loop_test(tc, jobs_survive_while_redis_is_away, 0, (int)ARRAY_LEN(faults));
    tcase_add_loop_test(tc, a_job_survives_the_loss_of_a_request_or_reply, 0,
                        (int)(ARRAY_LEN(steps) * ARRAY_LEN(losses)));
    tcase_add_test(tc, a_job_that_went_back_and_was_claimed_again_survives_a_cut);
    suite_add_tcase(s, tc);
    return s;
}
