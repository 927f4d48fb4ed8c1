/* test_pace.c - the provider's rate, with the real programs: nearly all that it allows is used,
 * nearly nothing is refused, and nobody waits for another model's rate. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/facts.h"
#include "tests/support/world.h"

enum { ALL_MS = 30000 };
static const char model_a[] = "Qwen/Qwen3.5-9B", model_b[] = "openai/gpt-oss-20b";

static void push(struct world *w, const char *id, const char *model, const char *members)
{
    world_push(
        w,
        "{'id':'%s','type':'inference',%s'payload':{'task':'chat','overflow':'batch','body':{"
        "'model':'%s','max_tokens':20,'messages':[{'role':'user','content':'Hi %s'}]}}}",
        id, members, model, id);
}

static void push_many(struct world *w, const char *prefix, int n, const char *model)
{
    for (int i = 0; i < n; i++) {
        char id[32];

        snprintf(id, sizeof id, "%s-%d", prefix, i);
        push(w, id, model, "");
    }
}

static void set_rate(struct world *w, const char *model, int start, const char *rest)
{
    char *body = world_text(w, "{\"model\":\"%s\",\"start_per_s\":%d%s}", model, start, rest);

    world_sim(w, "POST", "/_sim/rate", body);
}

/* One figure of GET /_sim/rate. */
static double rate_of(struct world *w, const char *model, const char *name)
{
    json_t *doc = world_sim(w, "GET", "/_sim/rate", NULL);

    return json_number_value(json_object_get(json_object_get(doc, model), name));
}

static int64_t done_of(struct world *w, const char *prefix)
{
    const struct results *all = world_results(w);
    int64_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += strncmp(all->items[i].id, prefix, strlen(prefix)) == 0;
    return n;
}

static void check_completed(struct world *w)
{
    const struct results *all = world_results(w);

    for (size_t i = 0; i < all->count; i++)
        ck_assert_str_eq(all->items[i].status, "completed");
}

static int64_t most_parks(struct world *w, const char *prefix, int n)
{
    int64_t most = 0;

    for (int i = 0; i < n; i++) {
        char id[32];
        int64_t parks;

        snprintf(id, sizeof id, "%s-%d", prefix, i);
        parks = world_int_at(facts_job(w, id), "parks");
        most = parks > most ? parks : most;
    }
    return most;
}

/* A macro, so that the world is named after the test. */
#define new_world() world_new(.simulator = true)

START_TEST(two_processes_use_what_the_rule_allows_and_are_hardly_refused)
{
    enum { JOBS = 400 };
    struct world *w = new_world();
    double passed, refused, allowed;

    world_sim_latency(w, 30);
    set_rate(w, model_a, 150, ",\"growth_per_clean_s\":30,\"cut_percent\":50");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_LIMITS_START_RATE=100");
    push_many(w, "a", JOBS, model_a);
    world_wait_results(w, JOBS, ALL_MS);
    passed = rate_of(w, model_a, "passed");
    refused = rate_of(w, model_a, "refused");
    allowed = rate_of(w, model_a, "allowed");
    /* few calls: the first refusals come in a burst, of all that are under way then */
    ck_assert_msg(passed >= 0.6 * allowed && refused <= 0.2 * passed,
                  "%.0f passed and %.0f were refused of %.0f allowed", passed, refused, allowed);
    ck_assert_int_le(most_parks(w, "a", JOBS), 3);
    check_completed(w);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_slow_model_does_not_hold_up_another)
{
    enum { SLOW = 300, FAST = 1200 };
    struct world *w = new_world();
    int64_t began;

    world_sim_latency(w, 30);
    set_rate(w, model_a, 20, ",\"headers\":false,\"cut_percent\":0");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=64",
                     "FLOTILLA_LIMITS_START_RATE=1000");
    push_many(w, "slow", SLOW, model_a);
    push_many(w, "fast", FAST, model_b);
    began = now_ms();
    WAIT_UNTIL(w, ALL_MS, done_of(w, "fast") == FAST);
    ck_assert_int_lt(done_of(w, "slow"), SLOW);
    ck_assert_int_lt(now_ms() - began, patience_ms(10000));
    world_free(w);
}
END_TEST

/* Jobs that were put aside more often than once. */
static int put_off_twice(struct world *w, const char *prefix, int n)
{
    int twice = 0;

    for (int i = 0; i < n; i++) {
        char id[32];

        snprintf(id, sizeof id, "%s-%d", prefix, i);
        twice += world_int_at(facts_job(w, id), "parks") > 1;
    }
    return twice;
}

START_TEST(when_the_rate_falls_what_was_put_off_comes_later)
{
    enum { JOBS = 800, PASS = 60 };
    struct world *w = new_world();

    world_sim_latency(w, 30);
    set_rate(w, model_a, 100, ",\"growth_per_clean_s\":0,\"cut_percent\":0");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=32",
                     "FLOTILLA_LIMITS_START_RATE=100");
    push_many(w, "a", JOBS, model_a);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") > JOBS / 4);
    set_rate(w, model_a, 20, ",\"growth_per_clean_s\":0,\"cut_percent\":0");
    /* by then all would have come back, by the rate of before */
    WAIT_UNTIL(w, ALL_MS, rate_of(w, model_a, "passed") >= PASS);
    ck_assert_int_le(put_off_twice(w, "a", JOBS), JOBS / 2); /* of all but a few, without it */
    world_free(w);
}
END_TEST

static int64_t wall_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const int ends[] = {SIGTERM, SIGKILL};

/* They were postponed by a rate of before; the process that did so is gone. */
START_TEST(what_an_ended_worker_postponed_is_called_back_by_the_next_one)
{
    enum { FIRST = 15, JOBS = 150, SLOW = 3, FAR_MS = 20000, SOON_MS = 15000 };
    struct world *w = new_world();
    struct program *worker;

    world_sim_latency(w, 30);
    set_rate(w, model_a, SLOW, ",\"growth_per_clean_s\":0,\"cut_percent\":0");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LIMITS_START_RATE=20");
    push_many(w, "first", FIRST, model_a);
    WAIT_UNTIL(w, ALL_MS, done_of(w, "first") > FIRST / 2);
    push_many(w, "a", JOBS, model_a);
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "ZCOUNT fl:{0}:delayed %lld inf", (long long)wall_ms() + FAR_MS) >
                   JOBS / 2);
    if (ends[_i] == SIGTERM)
        program_signal(worker, SIGTERM);
    else
        program_kill(worker);
    if (ends[_i] == SIGTERM)
        program_wait(worker, 10000);
    set_rate(w, model_a, 10000, "");
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, FIRST + JOBS, SOON_MS);
    check_completed(w);
    world_check_one_result_each(w, FIRST + JOBS);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:room:*")->elements == 0);
    world_free(w);
}
END_TEST

START_TEST(the_tickets_of_a_killed_worker_lapse)
{
    struct world *w = new_world();
    pid_t pids[2];

    world_sim_latency(w, 30);
    set_rate(w, model_a, 100, ",\"growth_per_clean_s\":10,\"cut_percent\":20");
    world_start_scheduler(w);
    struct program *worker =
        world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_LIMITS_START_RATE=80");

    push_many(w, "a", 300, model_a);
    WAIT_UNTIL(w, ALL_MS, done_of(w, "a") >= 60);
    ck_assert_uint_eq(world_worker_pids(worker, pids, 2), 2);
    kill(pids[0], SIGKILL);
    world_wait_results(w, 300, ALL_MS);
    check_completed(w);
    world_check_one_result_each(w, 300);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_job_whose_turn_is_late_overflows_to_the_batch_queue)
{
    struct world *w = new_world();

    world_sim_latency(w, 10);
    set_rate(w, model_a, 10, ",\"cut_percent\":0");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LIMITS_START_RATE=10",
                     "FLOTILLA_LIMITS_OVERFLOW_AFTER_MS=1500");
    push_many(w, "a", 60, model_a);
    WAIT_UNTIL(w, ALL_MS, done_of(w, "a") >= 5);
    WAIT_UNTIL(w, ALL_MS,
               strstr(world_string(w, "GET fl:{0}:job:a-59"), "\"bucket\"") != NULL ||
                   world_int(w, "ZCARD fl:{0}:delayed") > 5);
    ck_assert_str_eq(world_string_at(facts_job(w, "a-59"), "queue"), "inference.batch");
    ck_assert_str_eq(world_string_at(facts_job(w, "a-0"), "queue"), "inference.standard");
    world_wait_results(w, 60, ALL_MS);
    check_completed(w);
    world_check_one_result_each(w, 60);
    world_free(w);
}
END_TEST

START_TEST(never_more_calls_at_once_than_a_model_may_have)
{
    struct world *w = new_world();

    world_sim_latency(w, 100);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_LIMITS_MODEL_CONCURRENCY=8");
    push_many(w, "a", 120, model_a);
    world_wait_results(w, 120, ALL_MS);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "most_in_flight"), 8);
    /* nobody holds any of them now: one more call has a ticket left over, but none of the eight */
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:bucket") == 1);
    push_many(w, "b", 8, model_a);
    world_wait_results(w, 128, ALL_MS);
    check_completed(w);
    world_check_one_result_each(w, 128);
    world_free(w);
}
END_TEST

START_TEST(a_limit_of_tokens_is_held)
{
    enum { JOBS = 300, PER_S = 1000 }; /* some 13 tokens each */
    struct world *w = new_world();
    double refused, tokens, allowed;
    int64_t began;

    world_sim_latency(w, 30);
    set_rate(w, model_a, 100000, world_text(w, ",\"cut_percent\":0,\"tokens_per_s\":%d", PER_S));
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_LIMITS_START_RATE=100");
    began = now_ms();
    push_many(w, "a", JOBS, model_a);
    world_wait_results(w, JOBS, ALL_MS);
    allowed = PER_S + (double)PER_S * (double)(now_ms() - began) / 1000; /* and a second's burst */
    refused = rate_of(w, model_a, "tokens_refused");
    tokens = rate_of(w, model_a, "tokens");
    ck_assert_msg(refused >= 1 && refused <= 0.05 * JOBS && tokens >= 0.3 * allowed,
                  "%.0f tokens of %.0f allowed, %.0f refused", tokens, allowed, refused);
    check_completed(w);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Its first call fails.  The place that it had is in its record still; the second call needs a turn
 * of its own.  With a bound of calls at once a late turn is as good as a due one. */
START_TEST(a_place_is_good_for_one_call)
{
    enum { JOBS = 8, PER_S = 4, LAST = JOBS - 1 };
    struct world *w = new_world();
    json_t *calls;

    world_hook_rules(w, "{'match':'Hi a-%d','status':500}", LAST);
    world_hook_rules(w, "{'status':429,'headers':{'retry-after':'0','x-ratelimit-limit':'%d'}}",
                     PER_S);
    canned_answer(w, NULL, canned_chat);
    world_start_both(w, canned_provider(w), "FLOTILLA_WORKERS_PROCESSES=1",
                     "FLOTILLA_LIMITS_MODEL_CONCURRENCY=50", "FLOTILLA_RETRY_DELAY_MS=1",
                     "FLOTILLA_RETRY_PARK_MIN_MS=1", "FLOTILLA_RETRY_PARK_MAX_MS=1",
                     world_text(w, "FLOTILLA_LIMITS_START_RATE=%d", PER_S));
    push(w, "refused", model_a, "");
    world_wait_results(w, 1, ALL_MS);
    push_many(w, "a", JOBS, model_a);
    world_wait_results(w, JOBS + 1, ALL_MS);
    check_completed(w);
    ck_assert_int_ge(world_int_at(facts_job(w, world_text(w, "a-%d", LAST)), "parks"), 1);
    calls = canned_calls(w, world_text(w, "Hi a-%d", LAST));
    ck_assert_uint_eq(json_array_size(calls), 2);
    ck_assert_int_ge(canned_gap_ms(calls, 0), 1000 / PER_S / 2);
    world_free(w);
}
END_TEST

/* ---- 503: no growth for two seconds ---- */

enum { HELD_MS = 2000, START = 20 };

struct rate_seen {
    double per_s, refused;
    int64_t cuts;
};

/* The number that is word `at` of the text. */
static double number_at(struct world *w, const char *text, int at)
{
    const char *p = text;
    char *end;
    double number;

    for (; at > 0; at--) {
        p += strcspn(p, " ");
        p += strspn(p, " ");
    }
    number = strtod(p, &end);
    if (end == p)
        world_fail(w, "no bucket: %s", text);
    return number;
}

/* What the fleet knows of the only bucket (common/limit/bucket.h). */
static struct rate_seen bucket_seen(struct world *w)
{
    const redisReply *r = world_redis(w, "HVALS fl:{0}:bucket");
    struct rate_seen seen = {.per_s = -1};
    const char *text;

    if (r->elements == 0)
        return seen;
    text = r->element[0]->str;
    seen.cuts = (int64_t)number_at(w, text, 4);
    seen.refused = number_at(w, text, 7);
    seen.per_s = number_at(w, text, 8);
    return seen;
}

START_TEST(answers_503_hold_the_growth_of_the_rate_and_do_not_cut_it)
{
    enum { JOBS = 150, SECOND = 6 };
    struct world *w = new_world();
    int64_t held_ms = 0, looks = 0;

    world_sim_latency(w, 30);
    world_sim_faults(w, "[{'status':503},{'times':%d},{'status':503}]", SECOND - 2);
    push_many(w, "a", JOBS, model_a);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=64",
                     world_text(w, "FLOTILLA_LIMITS_START_RATE=%d", START));
    for (int64_t n = 0; n < SECOND;) { /* the last 503 is answered after held_ms */
        held_ms = now_ms();
        n = world_int_at(world_sim_ledger(w), "requests");
    }
    while (now_ms() < held_ms + HELD_MS) {
        struct rate_seen seen = bucket_seen(w);

        if (now_ms() < held_ms + HELD_MS) {
            ck_assert_msg(seen.per_s == START && seen.cuts == 0, "%.1f/s", seen.per_s);
            looks++;
        }
    }
    ck_assert_int_gt(looks, 10);
    WAIT_UNTIL(w, ALL_MS, bucket_seen(w).per_s >= 4 * START);
    ck_assert_int_eq(bucket_seen(w).cuts, 0);
    world_wait_results(w, JOBS, ALL_MS);
    check_completed(w);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- Redis does not answer ---- */

/* What both processes have in hand lasts some seconds at so low a rate, which each answer tells.
 * The first model fails, so its jobs go on to the second, where they have no ticket yet. */
START_TEST(without_redis_what_is_in_hand_goes_on_at_the_last_known_rate)
{
    enum { JOBS = 120, PER_S = 20, WINDOW_MS = 2000, IN_HAND = 60 };
    struct world *w = new_world();
    double before, passed, allowed;
    int64_t from;

    world_sim_latency(w, 30);
    set_rate(w, model_b, 1000, ""); /* it counts */
    world_sim_faults(w,
                     "[{'model':'%s','status':500,'headers':{'x-ratelimit-limit':'%d'},'times':-1},"
                     "{'headers':{'x-ratelimit-limit':'%d'},'times':-1}]",
                     model_a, PER_S, PER_S);
    for (int i = 0; i < JOBS; i++)
        world_push(w,
                   "{'id':'%d','type':'inference','payload':{'task':'chat','model':'%s',"
                   "'fallbacks':['%s'],'messages':[{'role':'user','content':'Hi %d'}]}}",
                   i, i % 2 ? model_b : model_a, model_b, i);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=48",
                     world_text(w, "FLOTILLA_LIMITS_START_RATE=%d", PER_S));
    WAIT_UNTIL(w, ALL_MS, rate_of(w, model_b, "passed") >= PER_S / 2.0);
    world_redis_freeze(w);
    from = now_ms();
    before = rate_of(w, model_b, "passed");
    WAIT_UNTIL(w, ALL_MS, now_ms() >= from + WINDOW_MS);
    passed = rate_of(w, model_b, "passed") - before;
    allowed = PER_S * (double)(now_ms() - from) / 1000;
    ck_assert_msg(passed >= 0.6 * allowed && passed <= 1.1 * allowed + 2,
                  "%.0f passed, of %.0f allowed", passed, allowed);
    WAIT_UNTIL(w, ALL_MS, rate_of(w, model_b, "passed") - before >= IN_HAND);
    passed = rate_of(w, model_b, "passed") - before;
    allowed = PER_S * (double)(now_ms() - from) / 1000;
    ck_assert_msg(passed <= 1.1 * allowed + 2, "%.0f passed, of %.0f allowed", passed, allowed);
    world_redis_thaw(w);
    world_free(w);
}
END_TEST

/* The same for a shorter time than they have jobs: then nobody calls any more, and nothing is
 * lost by it. */
START_TEST(without_redis_calls_stop_when_the_last_known_rate_is_too_old)
{
    enum { JOBS = 120, PER_S = 50, STALE_MS = 1000, STOPPED_MS = 700 };
    struct world *w = new_world();
    int64_t from, last;
    double passed = 0;

    world_sim_latency(w, 30);
    set_rate(w, model_b, 1000, ""); /* it counts */
    world_sim_faults(w,
                     "[{'model':'%s','status':500,'headers':{'x-ratelimit-limit':'%d'},'times':-1},"
                     "{'headers':{'x-ratelimit-limit':'%d'},'times':-1}]",
                     model_a, PER_S, PER_S);
    for (int i = 0; i < JOBS; i++)
        world_push(w,
                   "{'id':'%d','type':'inference','payload':{'task':'chat','model':'%s',"
                   "'fallbacks':['%s'],'messages':[{'role':'user','content':'Hi %d'}]}}",
                   i, model_a, model_b, i);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=200",
                     world_text(w, "FLOTILLA_LIMITS_START_RATE=%d", PER_S),
                     world_text(w, "FLOTILLA_LIMITS_STALE_MS=%d", STALE_MS));
    WAIT_UNTIL(w, ALL_MS, rate_of(w, model_b, "passed") >= 10);
    world_redis_freeze(w);
    from = last = now_ms();
    while (now_ms() < last + STOPPED_MS) {
        double now = rate_of(w, model_b, "passed");

        if (now > passed)
            last = now_ms();
        passed = now;
        ck_assert_int_lt(now_ms() - from, patience_ms(8000));
    }
    ck_assert_msg(passed < JOBS && last - from <= patience_ms(2 * STALE_MS),
                  "%.0f passed, the last after %lld ms", passed, (long long)(last - from));
    world_redis_thaw(w);
    world_wait_results(w, JOBS, ALL_MS);
    check_completed(w);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_pace(void);
Suite *test_pace(void)
{
    Suite *s = suite_create("pace");
    TCase *tc = tcase_create("pace");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, two_processes_use_what_the_rule_allows_and_are_hardly_refused);
    tcase_add_test(tc, a_slow_model_does_not_hold_up_another);
    tcase_add_test(tc, when_the_rate_falls_what_was_put_off_comes_later);
    tcase_add_loop_test(tc, what_an_ended_worker_postponed_is_called_back_by_the_next_one, 0,
                        (int)ARRAY_LEN(ends));
    tcase_add_test(tc, the_tickets_of_a_killed_worker_lapse);
    tcase_add_test(tc, a_job_whose_turn_is_late_overflows_to_the_batch_queue);
    tcase_add_test(tc, never_more_calls_at_once_than_a_model_may_have);
    tcase_add_test(tc, a_limit_of_tokens_is_held);
    tcase_add_test(tc, without_redis_what_is_in_hand_goes_on_at_the_last_known_rate);
    tcase_add_test(tc, without_redis_calls_stop_when_the_last_known_rate_is_too_old);
    tcase_add_test(tc, a_place_is_good_for_one_call);
    tcase_add_test(tc, answers_503_hold_the_growth_of_the_rate_and_do_not_cut_it);
    suite_add_tcase(s, tc);
    return s;
}
