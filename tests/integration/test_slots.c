/* test_slots.c - runs that wait in memory have no slot, and take one again before they call.
 *
 * What they wait for here is an equal call under way (it could be their turn at the rate as well):
 * when that fails, all of them want to call at the same moment, and other jobs have their slots. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define EQUAL "Qwen/Qwen3.5-9B"
#define FULL  "openai/gpt-oss-120b"
#define LATER "openai/gpt-oss-20b"

enum { ALL_MS = 20000 };

static void push(struct world *w, const char *id, const char *model, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference'%s,'payload':{'task':'chat','body':{'model':'%s',"
               "'temperature':0,'messages':[{'role':'user','content':'%s'}]}}}",
               id, members, model, model[0] == EQUAL[0] ? "all ask this" : id);
}

static void push_many(struct world *w, const char *prefix, int n, const char *model)
{
    for (int i = 0; i < n; i++)
        push(w, world_text(w, "%s-%d", prefix, i), model, "");
}

/* One of `waiting` + 1 equal jobs calls, and its call is going to fail; other calls have all other
 * slots that such jobs may have. */
static void fill(struct world *w, int slots, int waiting, int fails_ms)
{
    world_sim_faults(w, "[{'model':'" EQUAL "','fixture':'bad_params','delay_ms':%d}]", fails_ms);
    push_many(w, "equal", waiting + 1, EQUAL);
    push_many(w, "full", slots - 1, FULL);
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == slots);
}

static int64_t calls(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

/* Calls of a model before the first one of another. */
static int64_t calls_before(struct world *w, const char *model, const char *other)
{
    json_t *items = world_sim_items(w), *item;
    int64_t n = 0;
    size_t i;

    json_array_foreach (items, i, item) {
        if (!strcmp(world_string_at(item, "model"), other))
            return n;
        n += !strcmp(world_string_at(item, "model"), model);
    }
    return n;
}

START_TEST(runs_in_hand_come_before_new_jobs_and_never_is_a_call_too_many)
{
    enum { SLOTS = 4, WAITING = 4, NEW = 8 };
    struct world *w = world_new(.simulator = true);
    const struct results *all;

    world_sim_latency(w, 50);
    world_sim(w, "POST", "/_sim/models", "{'" FULL "':{'latency_ms':1000}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=4",
                     "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    fill(w, SLOTS, WAITING, 500);
    push_many(w, "new", NEW, LATER);
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:inference.standard") == NEW);
    ck_assert_int_eq(calls(w), SLOTS);
    all = world_wait_results(w, WAITING + SLOTS + NEW, ALL_MS);
    ck_assert_str_eq(all->items[0].status, "failed");
    for (size_t i = 1; i < all->count; i++)
        ck_assert_str_eq(all->items[i].status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "most_in_flight"), SLOTS);
    ck_assert_int_eq(calls_before(w, EQUAL, LATER), 1 + WAITING);
    world_check_one_result_each(w, WAITING + SLOTS + NEW);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_reserved_slot_serves_realtime_while_others_wait_to_come_back)
{
    enum { SLOTS = 9, WAITING = 5 };
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models",
              "{'" FULL "':{'latency_ms':20000},'" EQUAL "':{'latency_ms':20000}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=10");
    fill(w, SLOTS, WAITING, 500);
    WAIT_UNTIL(w, 5000, calls(w) == SLOTS + 1); /* one came back, and four wait for a slot */
    push(w, "now", LATER, ",'priority':'realtime'");
    world_wait_results(w, 2, 2500);
    ck_assert_str_eq(world_result(w, "now")->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "most_in_flight"), SLOTS + 1);
    ck_assert_int_eq(calls(w), SLOTS + 2);
    world_free(w);
}
END_TEST

START_TEST(at_term_what_waits_goes_back_at_once_and_what_is_called_is_finished)
{
    enum { SLOTS = 4, WAITING = 4 };
    struct world *w = world_new(.simulator = true);
    struct program *worker;
    struct money m;

    world_sim(w, "POST", "/_sim/models", "{'" FULL "':{'latency_ms':3000}}");
    world_start_scheduler(w);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=4",
                                "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    fill(w, SLOTS, WAITING, 3000);
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:inference.standard") == 0);
    program_signal(worker, SIGTERM);
    WAIT_UNTIL(w, 2500, world_int(w, "LLEN fl:{0}:ready:inference.standard") == WAITING);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    ck_assert_int_eq(program_wait(worker, 10000), 0);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), SLOTS);
    ck_assert_int_eq(calls(w), SLOTS);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, SLOTS + WAITING, ALL_MS);
    ck_assert_int_eq(world_int_at(world_result(w, "equal-4")->doc, "attempts"), 1);
    world_check_one_result_each(w, SLOTS + WAITING);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    world_free(w);
}
END_TEST

Suite *test_slots(void)
{
    Suite *s = suite_create("slots");
    TCase *tc = tcase_create("slots");

    tcase_set_timeout(tc, 40);
    tcase_add_test(tc, runs_in_hand_come_before_new_jobs_and_never_is_a_call_too_many);
    tcase_add_test(tc, a_reserved_slot_serves_realtime_while_others_wait_to_come_back);
    tcase_add_test(tc, at_term_what_waits_goes_back_at_once_and_what_is_called_is_finished);
    suite_add_tcase(s, tc);
    return s;
}
