/* test_lost.c - calls that were under way when their worker died: what they may cost is known, and
 * what was set aside for them is spent. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ALL_MS = 20000, TOKENS = 600 };
#define CHEAP "openai/gpt-oss-20b"
#define DEAR  "moonshotai/Kimi-K3"
#define ONE   "FLOTILLA_WORKERS_PROCESSES=1"

static const char *const bills[] = {"--bill-aborted", NULL};

static int64_t in_flight(struct world *w) { return world_int_at(world_sim_ledger(w), "in_flight"); }

static void push(struct world *w, const char *id, const char *model, const char *more)
{
    world_push(w,
               "{'id':'%s','type':'inference','payload':{'task':'chat','model':'%s','prompt':'Who "
               "is <%s>?','max_tokens':%d%s}}",
               id, model, id, TOKENS, more);
}

/* Its jobs are somebody else's by now. */
static void kill_process(struct world *w, struct program *supervisor)
{
    pid_t pid;
    const char *id;

    ck_assert_uint_eq(world_worker_pids(supervisor, &pid, 1), 1);
    id = look_worker(w, pid);
    ck_assert_ptr_nonnull(id);
    ck_assert_int_eq(kill(pid, SIGKILL), 0);
    WAIT_UNTIL(w, ALL_MS, !look_is_registered(w, id));
}

/* The only event of a job with this flag. */
static json_t *event(struct world *w, const char *id, const char *flag)
{
    json_t *cost, *found = NULL;
    size_t i;

    json_array_foreach (facts_costs(w, id), i, cost) {
        if (!facts_flagged(cost, flag))
            continue;
        ck_assert_ptr_null(found);
        found = cost;
    }
    ck_assert_ptr_nonnull(found);
    return found;
}

/* The model of the only call that the client left. */
static const char *aborted_model(struct world *w)
{
    const char *model = NULL;
    json_t *item;
    size_t i;

    json_array_foreach (world_sim_items(w), i, item) {
        if (!json_is_true(json_object_get(item, "aborted")))
            continue;
        ck_assert_ptr_null(model);
        model = world_string_at(item, "model");
    }
    ck_assert_ptr_nonnull(model);
    return model;
}

/* ---- which model was called ---- */

/* The router tries one model for each attempt: that of the lowest price, unless it is out. */
START_TEST(what_the_router_chose_is_in_the_books_when_its_worker_dies)
{
    struct world *w = world_new(.simulator = true, .simulator_args = bills);
    struct program *worker;
    json_t *lost;

    world_sim_faults(w, "{'model':'" CHEAP "','status':500,'times':-1}");
    world_start_scheduler(w, "FLOTILLA_ROUTING_CANDIDATES=1");
    worker = world_start_worker(w, ONE, "FLOTILLA_ROUTING_CANDIDATES=1");
    for (int i = 0; i < 6; i++)
        world_push(w,
                   "{'id':'out-%d','type':'inference','max_attempts':1,'payload':{'task':'chat',"
                   "'model':'" CHEAP "','prompt':'%d','fallbacks':[]}}",
                   i, i);
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "route_opened"));
    world_wait_results(w, 6, ALL_MS);
    world_sim_latency(w, 60000);
    world_push(w,
               "{'id':'a','type':'inference','priority':'batch','payload':{'task':'chat','model':"
               "'auto','prompt':'Hi','max_tokens':%d}}",
               TOKENS);
    WAIT_UNTIL(w, ALL_MS, in_flight(w) == 1);
    world_sim_latency(w, 0); /* of the next call */
    kill_process(w, worker);
    WAIT_UNTIL(w, ALL_MS, look_flagged(w, "unconfirmed") == 1);
    lost = event(w, "a", "unconfirmed");
    ck_assert_str_ne(world_string_at(lost, "model"), CHEAP);
    ck_assert_str_eq(world_string_at(lost, "requested_model"), "auto");
    world_wait_results(w, 7, ALL_MS);
    ck_assert_str_eq(world_string_at(lost, "model"), aborted_model(w));
    world_check_money(w);
    world_check_one_result_each(w, 7);
    world_free(w);
}
END_TEST

/* Noted, and the worker never hears that it is. */
START_TEST(a_call_that_was_noted_and_not_made_is_an_estimate)
{
    struct world *w = world_new(.simulator = true, .proxy = true);
    struct program *worker;

    world_start_scheduler(w);
    worker = world_start_worker(w, ONE);
    look_wait_workers(w, worker, 1);
    proxy_silence_reply(w->proxy, "\"requested_model\":\"auto\"");
    push(w, "a", "auto", "");
    WAIT_UNTIL(w, ALL_MS, proxy_stats(w->proxy).faults == 1);
    kill_process(w, worker);
    world_wait_results(w, 1, ALL_MS);
    ck_assert_int_gt(world_int_at(event(w, "a", "unconfirmed"), "estimate_nanousd"), 0);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* The first route has failed, and may be paid; it is told before the second is called. */
START_TEST(of_several_routes_each_that_was_called_is_in_the_books)
{
    struct world *w = world_new(.simulator = true, .simulator_args = bills);
    struct program *worker;
    json_t *costs;

    world_sim_faults(w, "{'model':'" CHEAP "','delay_ms':60000}");
    world_sim(w, "POST", "/_sim/latency", "{'model':'" DEAR "','ms':60000}");
    world_start_scheduler(w);
    worker = world_start_worker(w, ONE);
    world_push(
        w, "{'id':'a','type':'inference','timeout_ms':1500,'payload':{'task':'chat','model':'" CHEAP
           "','prompt':'Hi','fallbacks':['" DEAR "']}}");
    WAIT_UNTIL(w, ALL_MS, look_flagged(w, "unconfirmed") == 1 && in_flight(w) == 1);
    kill_process(w, worker);
    world_wait_results(w, 1, ALL_MS);
    costs = facts_costs(w, "a");
    ck_assert_uint_eq(json_array_size(costs), 3);
    ck_assert_str_eq(world_string_at(json_array_get(costs, 0), "model"), CHEAP);
    ck_assert_str_eq(world_string_at(json_array_get(costs, 1), "model"), DEAR);
    ck_assert_uint_eq(facts_count_flagged(costs, "unconfirmed"), 2);
    ck_assert_str_eq(world_string_at(json_array_get(costs, 2), "model"), CHEAP);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* What follows from the document is not noted: it costs no round trip. */
START_TEST(a_plain_call_is_not_noted)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    world_sim_latency(w, 60000);
    world_start_scheduler(w);
    worker = world_start_worker(w, ONE);
    push(w, "a", CHEAP, "");
    push(w, "b", CHEAP, ",'fallbacks':['" DEAR "']");
    world_push_questions(w, 1, NULL);
    WAIT_UNTIL(w, ALL_MS, in_flight(w) == 3);
    ck_assert_int_eq(json_array_size(world_costs(w)), 0);
    ck_assert_uint_eq(world_redis(w, "KEYS fl:{0}:calls:*")->elements, 0);
    world_sim_latency(w, 0);
    kill_process(w, worker);
    world_wait_results(w, 3, ALL_MS);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), 3);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- what is set aside ---- */

#define BUDGET "budgets:\n  - {name: all, for: {all: true}, per: month, limit_usd: 100}\n"

/* It was reaped while it was cut off, and hears so when it wants to go on to the next route. */
START_TEST(a_worker_that_was_reaped_sets_nothing_aside)
{
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, BUDGET);
    struct program *worker;
    const char *id;
    pid_t pid;

    world_sim_faults(w, "{'model':'" CHEAP "','status':500,'delay_ms':1500}");
    world_start_scheduler(w, config);
    worker = world_start_worker(w, ONE, config, "FLOTILLA_WORKERS_HEARTBEAT_MS=3000");
    look_wait_workers(w, worker, 1);
    ck_assert_uint_eq(world_worker_pids(worker, &pid, 1), 1);
    id = look_worker(w, pid);
    push(w, "a", CHEAP, ",'fallbacks':['" DEAR "']");
    WAIT_UNTIL(w, ALL_MS, in_flight(w) == 1);
    ck_assert_int_eq(world_int(w, "HDEL fl:{0}:workers %s", id), 1);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=gone ") == 1);
    world_wait_results(w, 1, ALL_MS);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_check_reserved(w);
    world_free(w);
}
END_TEST

/* Whoever recovers a worker is cut off when it forgets it. */
START_TEST(what_a_dead_worker_had_set_aside_is_spent_before_it_is_forgotten)
{
    enum { JOBS = 20 };
    static const char lease[] = "FLOTILLA_WORKERS_LEASE_MS=1500";
    static const char beat[] = "FLOTILLA_WORKERS_HEARTBEAT_MS=200";
    struct world *w = world_new(.simulator = true, .proxy = true);
    const char *config = world_config(w, BUDGET);
    struct program *scheduler, *worker;

    world_sim_latency(w, 60000);
    scheduler = world_start_scheduler(w, config, lease, beat);
    worker = world_start_worker(w, ONE, config, lease, beat);
    look_wait_workers(w, worker, 1);
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, in_flight(w) == JOBS);
    worker->may_end = true;
    kill(-worker->pid, SIGKILL);
    proxy_lose_reply(w->proxy, "\"pid\""); /* of the worker's entry, as it is buried */
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:workers") == 0);
    WAIT_UNTIL(w, ALL_MS, proxy_stats(w->proxy).faults == 1);
    program_kill(scheduler);
    world_check_reserved(w);
    ck_assert_int_eq(look_flagged(w, "unconfirmed"), JOBS);
    world_sim_latency(w, 0);
    world_start_scheduler(w, config);
    world_start_worker(w, ONE, config);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Redis has lost its workers: nobody takes this one over, and no job of it is active. */
START_TEST(notes_of_a_worker_that_nobody_knows_are_told)
{
    struct world *w = world_new(.simulator = true);

    world_redis(
        w, "HSET fl:{0}:calls:h-0badf00d x:0badf00d00000001.1 %s",
        "{\"event_id\":\"x:1:1:1-0badf00d00000001.01\",\"attempt\":1,\"type\":\"inference\","
        "\"provider\":\"together\",\"model\":\"" DEAR "\",\"requested_model\":\"auto\","
        "\"estimate_nanousd\":77,\"flags\":[\"unconfirmed\"]}");
    world_start_scheduler(w, "FLOTILLA_SCHEDULER_SWEEP_MS=1000");
    WAIT_UNTIL(w, ALL_MS, look_flagged(w, "unconfirmed") == 1);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:calls:h-0badf00d") == 0);
    ck_assert_str_eq(world_string_at(event(w, "x", "unconfirmed"), "model"), DEAR);
    ck_assert_int_eq(world_int_at(event(w, "x", "unconfirmed"), "estimate_nanousd"), 77);
    world_free(w);
}
END_TEST

Suite *test_lost(void)
{
    Suite *s = suite_create("lost");
    TCase *tc = tcase_create("lost calls");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, what_the_router_chose_is_in_the_books_when_its_worker_dies);
    tcase_add_test(tc, a_call_that_was_noted_and_not_made_is_an_estimate);
    tcase_add_test(tc, of_several_routes_each_that_was_called_is_in_the_books);
    tcase_add_test(tc, a_plain_call_is_not_noted);
    tcase_add_test(tc, a_worker_that_was_reaped_sets_nothing_aside);
    tcase_add_test(tc, what_a_dead_worker_had_set_aside_is_spent_before_it_is_forgotten);
    tcase_add_test(tc, notes_of_a_worker_that_nobody_knows_are_told);
    suite_add_tcase(s, tc);
    return s;
}
