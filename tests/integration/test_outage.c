/* test_outage.c - the provider is not there, or does not want our key: no job is to suffer.
 *
 * Hours are shortened by the settings retry.park_* and retry.probe_ms, never by
 * a clock: what is counted are pauses.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/facts.h"

static void push(struct world *w, const char *id)
{
    world_push(w,
               "{'id':'%s','type':'inference','max_attempts':1,'payload':{'task':'chat',"
               "'prompt':'Hello'}}",
               id);
}

static void push_many(struct world *w, int n)
{
    for (int i = 0; i < n; i++)
        push(w, world_text(w, "j-%d", i));
}

static void check_all_completed_without_attempts_lost(struct world *w)
{
    const struct results *rs = world_results(w);

    for (size_t i = 0; i < rs->count; i++) {
        ck_assert_msg(strcmp(rs->items[i].status, "completed") == 0, "%s is %s", rs->items[i].id,
                      rs->items[i].status);
        ck_assert_int_eq(world_int_at(rs->items[i].doc, "attempts"), 1);
    }
}

static int64_t requests(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

/* ---- a key that must not be used -------------------------------------------- */

static const struct {
    const char *fixture, *code;
} stops[] = {{"bad_key", "bad_key"},
             {"bad_key_models", "bad_key"},
             {"spend_cap", "no_credit"},
             {"spend_cap_429", "no_credit"},
             {"low_balance", "no_credit"}};

enum { JOBS = 12, PROBE_MS = 700 };

/* All jobs are put aside and no call is under way. */
static bool all_parked(struct world *w, int64_t jobs)
{
    return world_int(w, "ZCARD fl:{0}:delayed") == jobs &&
           world_int_at(world_sim_ledger(w), "in_flight") == 0;
}

/* Both have to be probed, and by one call. */
START_TEST(a_key_that_was_stopped_while_its_model_was_out_is_used_again)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'status':500,'times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_HEARTBEAT_MS=100",
                     "FLOTILLA_ROUTING_BREAKER_FAILURES=3", "FLOTILLA_ROUTING_PROBE_MIN_MS=100",
                     "FLOTILLA_ROUTING_PROBE_MAX_MS=5000", "FLOTILLA_RETRY_PROBE_MS=2500",
                     "FLOTILLA_RETRY_PARK_MIN_MS=50");
    world_push(w, "{'id':'a','type':'inference','max_attempts':9,'backoff':{'type':'fixed',"
                  "'delay_ms':1},'payload':{'task':'chat','prompt':'Hi','model':"
                  "'Qwen/Qwen3.5-9B'}}");
    WAIT_UNTIL(w, 10000, world_has_alert(w, "route_opened"));
    world_sim_reset(w);
    world_sim_faults(w, "{'fixture':'bad_key'}");
    WAIT_UNTIL(w, 10000, world_has_alert(w, "bad_key"));
    world_wait_results(w, 1, 15000);
    ck_assert_int_eq(requests(w), 2);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    world_free(w);
}
END_TEST

START_TEST(a_stopped_key_parks_its_jobs_and_is_probed_once_a_period)
{
    struct world *w = world_new(.simulator = true);
    int64_t before, at;

    world_sim_faults(w, "{'fixture':'%s','times':-1}", stops[_i].fixture);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=2",
                     "FLOTILLA_WORKERS_HEARTBEAT_MS=100", "FLOTILLA_RETRY_PROBE_MS=700",
                     "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=200");
    push_many(w, JOBS);
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:stops") == 1);
    WAIT_UNTIL(w, 10000, all_parked(w, JOBS));
    before = requests(w);
    ck_assert_msg(before <= 4, "%lld calls with a stopped key", (long long)before);
    ck_assert(world_has_alert(w, stops[_i].code));

    WAIT_UNTIL(w, 10000, requests(w) > before);
    at = now_ms();
    WAIT_UNTIL(w, 10000, requests(w) > before + 1);
    ck_assert_msg(now_ms() - at >= PROBE_MS - 100, "two probes within %lld ms",
                  (long long)(now_ms() - at));
    ck_assert_int_eq(requests(w), before + 2);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);

    world_sim_reset(w); /* mended; it billed nothing so far */
    world_wait_results(w, JOBS, 15000);
    check_all_completed_without_attempts_lost(w);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:stops"), 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(resume_clears_a_stop_without_waiting_for_a_probe)
{
    struct world *w = world_new(.simulator = true);
    const char *fingerprint;
    struct cli cli;

    world_sim_faults(w, "{'fixture':'spend_cap','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=2",
                     "FLOTILLA_WORKERS_HEARTBEAT_MS=100", "FLOTILLA_RETRY_PROBE_MS=3600000",
                     "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=300");
    push_many(w, 5);
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:stops") == 1);
    world_sim_reset(w);
    fingerprint = world_text(w, "%s", world_redis(w, "HKEYS fl:{0}:stops")->element[0]->str);
    ck_assert_int_eq(strlen(fingerprint), 16);
    ck_assert_ptr_nonnull(strstr(world_string_at(world_alerts(w), "0.message"), fingerprint));
    cli = world_cli(w, "resume", fingerprint);
    ck_assert_msg(cli.exit_code == 0, "%s", cli.err);
    push(w, "new");
    world_wait_results(w, 6, 10000);
    check_all_completed_without_attempts_lost(w);
    world_check_one_result_each(w, 6);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(another_key_is_not_stopped)
{
    static const char *const args[] = {"--require-key", "the-new-key", NULL};
    struct world *w = world_new(.simulator = true, .simulator_args = args);
    const char *path = world_file(w, "key", "the-old-key\n");
    struct program *worker;

    world_start_scheduler(w);
    worker =
        world_start_worker(w, "TOGETHER_API_KEY", world_text(w, "TOGETHER_API_KEY_FILE=%s", path),
                           "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PROBE_MS=3600000",
                           "FLOTILLA_WORKERS_HEARTBEAT_MS=100", "FLOTILLA_RETRY_PARK_MIN_MS=50",
                           "FLOTILLA_RETRY_PARK_MAX_MS=300");
    push_many(w, 5);
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:stops") == 1);
    WAIT_UNTIL(w, 10000, all_parked(w, 5));
    world_file(w, "key", "the-new-key\n");
    program_signal(worker, SIGHUP);
    world_wait_results(w, 5, 10000);
    check_all_completed_without_attempts_lost(w);
    world_check_one_result_each(w, 5);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(without_a_key_only_provider_jobs_wait)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "TOGETHER_API_KEY", "TOGETHER_BASE_URL=http://provider.invalid/v1",
                     "FLOTILLA_PROVIDERS_ALLOW_HTTP=true", "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "waits");
    world_push(w, "{'id':'runs','type':'noop','payload':{},'webhook':{'url':'%s'}}",
               world_hook_url(w, "h"));
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "runs")->status, "completed");
    WAIT_UNTIL(w, 10000, json_array_size(world_hooks(w)) == 1);
    WAIT_UNTIL(w, 10000, world_has_alert(w, "no_key"));
    WAIT_UNTIL(w, 10000, world_int(w, "ZCARD fl:{0}:delayed") == 1);
    ck_assert_int_eq(world_int_at(facts_job(w, "waits"), "parks"), 1);
    ck_assert_int_eq(world_int_at(facts_job(w, "waits"), "attempts"), 0);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* To a loopback address no key is needed, and no Authorization is sent. */
START_TEST(a_provider_on_this_host_needs_no_key)
{
    struct world *w = world_new(.simulator = true);

    canned_answer(w, NULL, canned_chat);
    world_start_both(w, canned_provider(w), "TOGETHER_API_KEY", "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_ptr_null(world_at(world_hooks(w), "0.headers.authorization"));
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* ---- a provider that is gone ------------------------------------------------ */

static bool simulator_answers(struct world *w)
{
    struct web_answer a = web_request("GET", w->sim_url, NULL, NULL);
    int status = a.status; /* 404 will do */

    web_answer_done(&a);
    return status != 0;
}

static void restart_simulator(struct world *w)
{
    const char *const args[] = {"--listen", strstr(w->sim_url, "127.0.0.1"), NULL};

    w->sim = world_start(w, "together-sim", args, NULL);
    WAIT_UNTIL(w, 10000, simulator_answers(w));
}

static int64_t fewest_parks(struct world *w, int jobs)
{
    int64_t fewest = INT64_MAX;

    for (int i = 0; i < jobs; i++) {
        int64_t parks = world_int_at(facts_job(w, world_text(w, "j-%d", i)), "parks");

        fewest = parks < fewest ? parks : fewest;
    }
    return fewest;
}

/* With the default pauses (1 s doubled up to 60 s) an hour has some 70 of them. */
START_TEST(an_hour_without_the_provider_kills_no_job)
{
    enum { COUNT = 20, AN_HOUR_OF_PARKS = 80 };
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_RETRY_PARK_MIN_MS=1",
                     "FLOTILLA_RETRY_PARK_MAX_MS=20");
    program_kill(w->sim);
    push_many(w, COUNT);
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:intake") == 0);
    WAIT_UNTIL(w, 20000, fewest_parks(w, COUNT) >= AN_HOUR_OF_PARKS);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:costs"), 0); /* nothing was sent */
    restart_simulator(w);
    world_wait_results(w, COUNT, 15000);
    check_all_completed_without_attempts_lost(w);
    world_check_one_result_each(w, COUNT);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(who_waits_too_long_is_dead_and_can_be_replayed)
{
    struct world *w = world_new(.simulator = true);
    json_t *doc;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=5",
                     "FLOTILLA_RETRY_PARK_MAX_MS=20", "FLOTILLA_RETRY_MAX_WAIT_MS=500");
    program_kill(w->sim);
    push_many(w, 3);
    world_wait_results(w, 3, 10000);
    doc = world_result(w, "j-1")->doc;
    ck_assert_str_eq(world_string_at(doc, "status"), "failed");
    ck_assert_str_eq(world_string_at(doc, "error.code"), "waited_too_long");
    ck_assert(json_is_null(world_at(doc, "error.http_status")));
    ck_assert_int_ge(facts_ms_of(doc, "submitted_at", "finished_at"), 500);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 3);
    restart_simulator(w);
    ck_assert_int_eq(world_cli(w, "retry", "--dead").exit_code, 0);
    world_wait_results(w, 6, 10000);
    for (int i = 0; i < 3; i++) {
        const struct result *r = world_result(w, world_text(w, "j-%d", i));

        ck_assert_int_eq(r->run, 2);
        ck_assert_str_eq(r->status, "completed");
    }
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_check_one_result_each(w, 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_parked_job_ends_at_its_expiry)
{
    struct world *w = world_new(.simulator = true);
    json_t *doc;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_PARK_MIN_MS=5",
                     "FLOTILLA_RETRY_PARK_MAX_MS=50");
    program_kill(w->sim);
    world_push(w, "{'id':'a','type':'inference','expires_in_ms':600,"
                  "'payload':{'task':'chat','prompt':'Hello'}}");
    world_wait_results(w, 1, 10000);
    doc = world_result(w, "a")->doc;
    ck_assert_str_eq(world_string_at(doc, "status"), "expired");
    ck_assert_str_eq(world_string_at(doc, "error.code"), "expired");
    ck_assert_int_ge(facts_ms_of(doc, "submitted_at", "finished_at"), 500);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* A frozen provider takes connections and says nothing. */
START_TEST(a_silent_provider_times_out_and_is_called_again)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LIMITS_TIMEOUT_MS=400",
                     "FLOTILLA_RETRY_DELAY_MS=100");
    program_signal(w->sim, SIGSTOP);
    world_push(w, "{'id':'a','type':'inference','max_attempts':20,"
                  "'payload':{'task':'chat','prompt':'Hello'}}");
    WAIT_UNTIL(w, 10000, facts_has_state(w, "a", "active") || facts_has_state(w, "a", "delayed"));
    WAIT_UNTIL(w, 10000, world_int_at(facts_job(w, "a"), "attempts") >= 1);
    program_signal(w->sim, SIGCONT);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_int_ge(world_int_at(world_result(w, "a")->doc, "attempts"), 2);
    ck_assert_int_ge(facts_count_flagged(facts_costs(w, "a"), "unconfirmed"), 1);
    world_check_one_result_each(w, 1);
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == 0);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_outage(void)
{
    Suite *s = suite_create("outage");
    TCase *tc = tcase_create("keys");

    tcase_add_test(tc, a_key_that_was_stopped_while_its_model_was_out_is_used_again);
    tcase_add_loop_test(tc, a_stopped_key_parks_its_jobs_and_is_probed_once_a_period, 0,
                        ARRAY_LEN(stops));
    tcase_add_test(tc, resume_clears_a_stop_without_waiting_for_a_probe);
    tcase_add_test(tc, another_key_is_not_stopped);
    tcase_add_test(tc, without_a_key_only_provider_jobs_wait);
    tcase_add_test(tc, a_provider_on_this_host_needs_no_key);
    suite_add_tcase(s, tc);
    tc = tcase_create("outage");
    tcase_add_test(tc, an_hour_without_the_provider_kills_no_job);
    tcase_add_test(tc, who_waits_too_long_is_dead_and_can_be_replayed);
    tcase_add_test(tc, a_parked_job_ends_at_its_expiry);
    tcase_add_test(tc, a_silent_provider_times_out_and_is_called_again);
    suite_add_tcase(s, tc);
    return s;
}
