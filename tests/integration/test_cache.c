/* test_cache.c - answers that are known are not paid again, and equal calls become one.
 *
 * The simulator's ledger says how many calls were really made.
 */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ALL_MS = 20000 };

/* However slow this machine is: one call, not one per process. */
#define PATIENT "FLOTILLA_CACHE_WAIT_MS=5000"
#define MODEL   "Qwen/Qwen3.5-9B"
#define ASK(more)                                                                      \
    "{'task':'chat','body':{'model':'" MODEL "','messages':[{'role':'user','content':" \
    "'How many legs have nine spiders?'}]" more "}}"
#define ASK_ZERO ASK(",'temperature':0")

static void push(struct world *w, const char *id, const char *members, const char *payload)
{
    world_push(w, "{'id':'%s','type':'inference'%s,'payload':%s}", id, members, payload);
}

static int64_t calls(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

static json_t *only_cost(struct world *w, const char *id)
{
    json_t *costs = facts_costs(w, id);

    ck_assert_msg(json_array_size(costs) == 1, "%s: %zu costs", id, json_array_size(costs));
    return json_array_get(costs, 0);
}

static bool is_cached(struct world *w, const char *id)
{
    return json_is_true(world_at(world_result(w, id)->doc, "cached"));
}

static const char *text_of(json_t *doc, const char *path)
{
    return json_dumps(world_at(doc, path), JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

static void check_same_output(struct world *w, const char *a, const char *b)
{
    char *x = world_own(w, (char *)(uintptr_t)text_of(world_result(w, a)->doc, "output"), free);
    char *y = world_own(w, (char *)(uintptr_t)text_of(world_result(w, b)->doc, "output"), free);

    ck_assert_str_eq(x, y);
}

/* What `flotilla costs` tells of one call and two hits. */
static void check_sums(struct world *w, json_t *cost)
{
    struct cli c = world_cli(w, "costs", "--by", "total", "--json");
    json_t *row = json_object_iter_value(json_object_iter(world_json(w, c.out)));

    ck_assert_int_eq(world_int_at(row, "calls"), 1);
    ck_assert_int_eq(world_int_at(row, "hits"), 2);
    ck_assert_int_eq(world_int_at(row, "cost"), world_int_at(cost, "cost_nanousd"));
    ck_assert_int_eq(world_int_at(row, "saved"), 2 * world_int_at(cost, "list_cost_nanousd"));
    ck_assert_int_eq(world_int_at(row, "prompt"), world_int_at(cost, "prompt_tokens"));
}

/* ---- hits and misses ---- */

START_TEST(an_equal_request_is_answered_for_nothing)
{
    struct world *w = world_new(.simulator = true);
    json_t *cost, *first;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "first", "", ASK_ZERO);
    world_wait_results(w, 1, ALL_MS);
    push(w, "spelled", "",
         "{'body':{'temperature':0.0,'top_p':1,'user':'x','n':1,'stream':false,'stop':null,"
         "'messages':[{'content':'How many legs have nine spiders?','role':'user'}],'model':'" MODEL
         "'},'task':'chat'}");
    push(w, "streamed", "", ASK(",'temperature':0,'stream':true"));
    world_wait_results(w, 3, ALL_MS);
    ck_assert_int_eq(calls(w), 1);
    first = only_cost(w, "first");
    for (int i = 0; i < 2; i++) {
        const char *id = i ? "streamed" : "spelled";
        json_t *doc = world_result(w, id)->doc;

        ck_assert(is_cached(w, id));
        ck_assert_str_eq(world_string_at(doc, "status"), "completed");
        ck_assert_str_eq(world_string_at(doc, "model"), MODEL);
        ck_assert_str_eq(world_string_at(doc, "provider"), "together");
        ck_assert_int_eq(world_int_at(doc, "cost_nanousd"), 0);
        ck_assert_int_eq(world_int_at(doc, "usage.prompt_tokens"),
                         world_int_at(world_result(w, "first")->doc, "usage.prompt_tokens"));
        check_same_output(w, "first", id);
        cost = only_cost(w, id);
        ck_assert(facts_flagged(cost, "cached"));
        ck_assert_int_eq(world_int_at(cost, "cost_nanousd"), 0);
        ck_assert_int_eq(world_int_at(cost, "list_cost_nanousd"),
                         world_int_at(first, "list_cost_nanousd"));
        ck_assert_int_gt(world_int_at(cost, "list_cost_nanousd"), 0);
    }
    ck_assert(!is_cached(w, "first"));
    check_sums(w, first);
    world_check_one_result_each(w, 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* It would answer the next one in the same way. */
START_TEST(what_the_provider_gives_in_place_of_a_model_is_known_by_its_name)
{
    struct world *w = world_new(.simulator = true);
    json_t *doc;

    world_sim(w, "POST", "/_sim/models", "{'" MODEL "':{'redirect':'openai/gpt-oss-120b'}}");
    world_start_both(w, PATIENT);
    push(w, "a", "", ASK_ZERO);
    world_wait_results(w, 1, ALL_MS);
    push(w, "b", "", ASK_ZERO);
    world_wait_results(w, 2, ALL_MS);
    doc = world_result(w, "b")->doc;
    ck_assert_int_eq(calls(w), 1);
    ck_assert(is_cached(w, "b"));
    ck_assert_str_eq(world_string_at(doc, "model"), "openai/gpt-oss-120b");
    ck_assert_int_eq(world_int_at(only_cost(w, "b"), "list_cost_nanousd"),
                     world_int_at(only_cost(w, "a"), "cost_nanousd"));
    check_same_output(w, "a", "b");
    world_free(w);
}
END_TEST

static const struct {
    const char *id, *members, *payload;
} others[] = {
    {"tenant-a", ",'tenant':'acme'", ASK_ZERO},
    {"tenant-b", ",'tenant':'umbrella'", ASK_ZERO},
    {"warm", "", ASK(",'temperature':0.7")},
    {"warm-again", "", ASK(",'temperature':0.7")},
    {"seeded", "", ASK(",'temperature':0,'seed':1")},
    {"other-model", "",
     "{'task':'chat','body':{'model':'openai/gpt-oss-20b','temperature':0,'messages':[{'role':"
     "'user','content':'How many legs have nine spiders?'}]}}"},
    {"forbidden", "",
     "{'task':'chat','allow_cached':false,'body':{'model':'" MODEL
     "','temperature':0,'messages':[{'role':'user','content':'How many legs have nine "
     "spiders?'}]}}"},
    {"stream-loses", "", ASK(",'temperature':0,'logprobs':1,'stream':true")},
    {"loses-nothing", "", ASK(",'temperature':0,'logprobs':1")},
    {"cut", "", ASK(",'temperature':0,'max_tokens':1")},
    {"cut-again", "", ASK(",'temperature':0,'max_tokens':1")},
};

START_TEST(what_is_not_the_same_or_not_to_be_kept_is_called)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "first", "", ASK_ZERO);
    world_wait_results(w, 1, ALL_MS);
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        push(w, others[i].id, others[i].members, others[i].payload);
        world_wait_results(w, 2 + (int64_t)i, ALL_MS);
        ck_assert_msg(!is_cached(w, others[i].id), "%s", others[i].id);
    }
    ck_assert_int_eq(calls(w), 1 + ARRAY_LEN(others));
    push(w, "tenant-a-again", ",'tenant':'acme'", ASK_ZERO);
    world_wait_results(w, 2 + ARRAY_LEN(others), ALL_MS);
    ck_assert(is_cached(w, "tenant-a-again"));
    world_check_money(w);
    world_free(w);
}
END_TEST

/* The one that is kept. */
static const char *only_entry(struct world *w)
{
    redisReply *keys;

    WAIT_UNTIL(w, ALL_MS, (keys = world_redis(w, "KEYS fl:{0}:infer:*"))->elements == 1);
    return world_text(w, "%s", keys->element[0]->str);
}

START_TEST(errors_damage_and_time_make_it_a_call)
{
    struct world *w = world_new(.simulator = true);
    const char *key;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_CACHE_INFER_TTL_MS=90000");
    world_sim_faults(w, "{'status':400,'times':1}");
    push(w, "refused", "", ASK(",'temperature':0,'seed':9"));
    world_wait_results(w, 1, ALL_MS);
    ck_assert_str_eq(world_result(w, "refused")->status, "failed");
    push(w, "asked-again", "", ASK(",'temperature':0,'seed':9"));
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(world_result(w, "asked-again")->status, "completed");
    ck_assert(!is_cached(w, "asked-again"));
    world_redis(w, "DEL %s", only_entry(w));
    push(w, "kept", "", ASK_ZERO);
    world_wait_results(w, 3, ALL_MS);
    ck_assert(!is_cached(w, "kept"));
    key = only_entry(w);
    ck_assert(strstr(key, "fl:{0}:infer:-:" MODEL ":"));
    ck_assert_int_gt(world_int(w, "PTTL %s", key), 30000);
    ck_assert_int_le(world_int(w, "PTTL %s", key), 90000);
    world_redis(w, "SETRANGE %s 200 damage", key);
    push(w, "damaged", "", ASK_ZERO);
    world_wait_results(w, 4, ALL_MS);
    ck_assert(!is_cached(w, "damaged"));
    world_redis(w, "PEXPIRE %s 1", key);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS %s", key) == 0);
    push(w, "late", "", ASK_ZERO);
    world_wait_results(w, 5, ALL_MS);
    ck_assert(!is_cached(w, "late"));
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- equal calls under way ---- */

static int64_t count_cached(struct world *w)
{
    const struct results *all = world_results(w);
    int64_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += json_is_true(world_at(all->items[i].doc, "cached"));
    return n;
}

static void push_equal(struct world *w, int jobs)
{
    for (int i = 0; i < jobs; i++)
        push(w, world_text(w, "j-%d", i), "", ASK_ZERO);
}

START_TEST(a_thousand_equal_jobs_are_one_call)
{
    enum { JOBS = 1000 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 500);
    push_equal(w, JOBS);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=128",
                     PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(calls(w), 1);
    ck_assert_int_eq(count_cached(w), JOBS - 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* It is not kept, but it is what they asked for. */
START_TEST(an_answer_that_is_cut_answers_those_who_wait_for_it)
{
    enum { JOBS = 20 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 300);
    for (int i = 0; i < JOBS; i++)
        push(w, world_text(w, "j-%d", i), "", ASK(",'temperature':0,'max_tokens':1"));
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    ck_assert_int_eq(calls(w), 1);
    ck_assert_int_eq(count_cached(w), JOBS - 1);
    push(w, "later", "", ASK(",'temperature':0,'max_tokens':1"));
    world_wait_results(w, JOBS + 1, ALL_MS);
    ck_assert(!is_cached(w, "later"));
    world_check_one_result_each(w, JOBS + 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(when_the_caller_is_killed_one_more_call_is_made)
{
    enum { JOBS = 1000, WAITING = 300 }; /* more than may wait in memory */
    struct world *w = world_new(.simulator = true);
    struct program *first;
    pid_t pid;

    world_sim_latency(w, 2000);
    world_start_scheduler(w);
    first = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_CACHE_LEASE_MS=800",
                               PATIENT);
    push(w, "j-0", "", ASK_ZERO);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:flight:*")->elements == 1);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_CACHE_LEASE_MS=800", PATIENT);
    for (int i = 1; i < JOBS; i++)
        push(w, world_text(w, "j-%d", i), "", ASK_ZERO);
    WAIT_UNTIL(w, ALL_MS, look_held(w) > WAITING);
    ck_assert_uint_eq(world_worker_pids(first, &pid, 1), 1);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(json_array_size(world_sim_items(w)), 2); /* the killed one, and one more */
    ck_assert_int_eq(count_cached(w), JOBS - 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(when_the_call_fails_one_of_the_others_makes_it)
{
    enum { JOBS = 100 };
    struct world *w = world_new(.simulator = true);
    int failed = 0;

    world_sim_latency(w, 300);
    world_sim_faults(w, "{'status':400,'delay_ms':500,'times':2}");
    push_equal(w, JOBS);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    for (int i = 0; i < JOBS; i++)
        failed += !strcmp(world_result(w, world_text(w, "j-%d", i))->status, "failed");
    ck_assert_int_eq(failed, 2);
    ck_assert_uint_eq(json_array_size(world_sim_items(w)), 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* They wait for the provider as the caller does, and not one after the other. */
START_TEST(when_the_provider_is_busy_nobody_else_calls)
{
    enum { JOBS = 50 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 100);
    world_sim_faults(w, "{'status':429,'delay_ms':200,'times':2}");
    push_equal(w, JOBS);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_RETRY_PARK_MIN_MS=300", PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(count_cached(w), JOBS - 1);
    ck_assert_int_eq(json_array_size(world_sim_items(w)), 3);
    for (int i = 0; i < JOBS; i++)
        ck_assert_int_le(world_int_at(facts_job(w, world_text(w, "j-%d", i)), "parks"), 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Those that find no room to wait come back again and again.  That is one pause: else they would
 * not be put off any more when it is the rate that they wait for. */
START_TEST(many_rounds_without_room_to_wait_are_one_pause)
{
    enum { JOBS = 300 }; /* more than may wait in memory */
    struct world *w = world_new(.simulator = true);
    int64_t parks = 0, most = 0;

    world_sim_latency(w, 1800);
    push_equal(w, JOBS);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=2",
                     "FLOTILLA_WORKERS_REALTIME_PERCENT=0", PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    ck_assert_int_eq(calls(w), 1);
    for (int i = 0; i < JOBS; i++) {
        parks = strtol(world_string(w, "GETRANGE fl:{0}:job:j-%d 45 48", i), NULL, 16);
        most = parks > most ? parks : most;
    }
    ck_assert_int_eq(most, 1);
    world_free(w);
}
END_TEST

START_TEST(a_cancelled_caller_hands_over)
{
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 3000);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "j-0", "", ASK_ZERO);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:flight:*")->elements == 1);
    for (int i = 1; i < 5; i++)
        push(w, world_text(w, "j-%d", i), "", ASK_ZERO);
    WAIT_UNTIL(w, ALL_MS, look_held(w) == 5);
    world_sim_latency(w, 50);
    ck_assert_int_eq(world_cli(w, "cancel", "j-0").exit_code, 0);
    world_wait_results(w, 5, ALL_MS);
    ck_assert_str_eq(world_result(w, "j-0")->status, "cancelled");
    ck_assert_int_eq(count_cached(w), 3);
    ck_assert_int_eq(json_array_size(world_sim_items(w)), 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- equal calls of different jobs ---- */

static const char *config_with_budget(struct world *w)
{
    return world_config(
        w, "budgets:\n  - {name: b, for: {tag: {team: poor}}, per: month, limit_usd: 0.00004}\n");
}

/* The flight says that its call is put off. */
static bool is_put_off(struct world *w, int flights)
{
    redisReply *keys = world_redis(w, "KEYS fl:{0}:flight:*");
    const char *mark = NULL;

    if (keys->elements == (size_t)flights)
        mark = world_string(w, "GET %s", keys->element[0]->str);
    return mark && !strncmp(mark, "later:", 6);
}

/* What a job waits for that is not the provider's state, others do not wait for: a budget of his
 * tag, a model that he insists on. */
START_TEST(who_need_not_wait_does_not_wait_behind_an_equal_call)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, config_with_budget(w), "FLOTILLA_WORKERS_PROCESSES=2",
                     "FLOTILLA_RETRY_PARK_MIN_MS=3000", PATIENT);
    world_sim_faults(w, "{'answer':'%0300d','times':1}", 0);
    push(w, "spend", ",'tags':{'team':'poor'}", ASK(",'temperature':0.5,'max_tokens':100"));
    world_wait_results(w, 1, ALL_MS);
    push(w, "poor", ",'tags':{'team':'poor'}", ASK(",'temperature':0,'max_tokens':100"));
    WAIT_UNTIL(w, ALL_MS, is_put_off(w, 1));
    push(w, "rich", "", ASK(",'temperature':0,'max_tokens':100"));
    world_wait_results(w, 2, ALL_MS);
    ck_assert(!is_cached(w, "rich"));
    world_wait_results(w, 3, ALL_MS);
    ck_assert(is_cached(w, "poor"));

    world_sim_faults(w, "{'model':'" MODEL "','status':503,'times':-1}");
    push(w, "insists", "", ASK_ZERO);
    WAIT_UNTIL(w, ALL_MS, is_put_off(w, 1));
    push(w, "takes-another", "",
         "{'task':'chat','fallbacks':['openai/gpt-oss-20b'],'body':{'model':'" MODEL
         "','temperature':0,'messages':[{'role':'user','content':'How many legs have nine "
         "spiders?'}]}}");
    world_wait_results(w, 4, ALL_MS);
    ck_assert_str_eq(world_string_at(world_result(w, "takes-another")->doc, "model"),
                     "openai/gpt-oss-20b");
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Longer than timeout_ms: that is only until its first byte. */
START_TEST(equal_streams_wait_for_one_however_long_it_is)
{
    enum { JOBS = 20 };
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models", "{'*':{'chunk_ms':150,'answer_bytes':30}}");
    for (int i = 0; i < JOBS; i++)
        push(w, world_text(w, "j-%d", i), ",'timeout_ms':300",
             ASK(",'temperature':0,'stream':true"));
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_CACHE_LEASE_MS=300", PATIENT);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(calls(w), 1);
    world_free(w);
}
END_TEST

Suite *test_cache(void)
{
    Suite *s = suite_create("cache");
    TCase *tc = tcase_create("cache");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_equal_request_is_answered_for_nothing);
    tcase_add_test(tc, what_the_provider_gives_in_place_of_a_model_is_known_by_its_name);
    tcase_add_test(tc, what_is_not_the_same_or_not_to_be_kept_is_called);
    tcase_add_test(tc, errors_damage_and_time_make_it_a_call);
    tcase_add_test(tc, a_thousand_equal_jobs_are_one_call);
    tcase_add_test(tc, an_answer_that_is_cut_answers_those_who_wait_for_it);
    tcase_add_test(tc, when_the_caller_is_killed_one_more_call_is_made);
    tcase_add_test(tc, when_the_call_fails_one_of_the_others_makes_it);
    tcase_add_test(tc, when_the_provider_is_busy_nobody_else_calls);
    tcase_add_test(tc, many_rounds_without_room_to_wait_are_one_pause);
    tcase_add_test(tc, a_cancelled_caller_hands_over);
    tcase_add_test(tc, who_need_not_wait_does_not_wait_behind_an_equal_call);
    tcase_add_test(tc, equal_streams_wait_for_one_however_long_it_is);
    suite_add_tcase(s, tc);
    return s;
}
