/* test_slots.c - runs that wait in memory have no slot, and take one again before they call.
 *
 * What they wait for here is an equal call under way (it could be their turn at the rate as well):
 * when three such calls have failed, all of them want to call at the same moment, and other jobs
 * have their slots. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "common/core/buf.h"
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

/* One of `equal` equal jobs calls, and `fail` such calls, one after another, are going to fail;
 * other calls have all other slots that such jobs may have. */
static void fill(struct world *w, int slots, int equal, int fail, int fails_ms)
{
    struct buf rules = BUF(1000);

    for (int i = 0; i < fail; i++)
        buf_printf(&rules, "%c{'model':'" EQUAL "','fixture':'bad_params','delay_ms':%d}",
                   i ? ',' : '[', i ? 10 : fails_ms);
    buf_putc(&rules, ']');
    world_sim_faults(w, "%.*s", (int)rules.n, rules.p);
    buf_done(&rules);
    push_many(w, "equal", equal, EQUAL);
    push_many(w, "full", slots - 1, FULL);
    WAIT_UNTIL(w, 5000, world_int_at(world_sim_ledger(w), "in_flight") == slots);
}

static int64_t calls(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

/* Calls of a model before the last one of another. */
static int64_t calls_before_last(struct world *w, const char *model, const char *other)
{
    json_t *items = world_sim_items(w), *item;
    int64_t n = 0, before = 0;
    size_t i;

    json_array_foreach (items, i, item) {
        if (!strcmp(world_string_at(item, "model"), other))
            before = n;
        n += !strcmp(world_string_at(item, "model"), model);
    }
    return before;
}

static size_t count_status(const struct results *all, const char *status)
{
    size_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += !strcmp(all->items[i].status, status);
    return n;
}

START_TEST(runs_in_hand_come_before_new_jobs_and_never_is_a_call_too_many)
{
    enum { SLOTS = 4, FAIL = 3, EQUALS = 7, NEW = 8, ALL = SLOTS - 1 + EQUALS + NEW };
    struct world *w = world_new(.simulator = true);
    const struct results *all;

    world_sim_latency(w, 50);
    world_sim(w, "POST", "/_sim/models", "{'" FULL "':{'latency_ms':1000}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=4",
                     "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    fill(w, SLOTS, EQUALS, FAIL, 500);
    push_many(w, "new", NEW, LATER);
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:inference.standard") == NEW);
    ck_assert_int_eq(calls(w), SLOTS);
    all = world_wait_results(w, ALL, ALL_MS);
    ck_assert_uint_eq(count_status(all, "failed"), FAIL);
    ck_assert_uint_eq(count_status(all, "completed"), ALL - FAIL);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "most_in_flight"), SLOTS);
    /* some had a slot while one equal call failed after the other */
    ck_assert_int_le(calls_before_last(w, LATER, EQUAL), NEW / 2);
    world_check_one_result_each(w, ALL);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_reserved_slot_serves_realtime_while_others_wait_to_come_back)
{
    enum { SLOTS = 9, FAIL = 3, EQUALS = 8 };
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models",
              "{'" FULL "':{'latency_ms':20000},'" EQUAL "':{'latency_ms':20000}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=10");
    fill(w, SLOTS, EQUALS, FAIL, 500);
    WAIT_UNTIL(w, 5000, calls(w) == SLOTS + FAIL); /* one came back, and four wait for a slot */
    push(w, "now", LATER, ",'priority':'realtime'");
    world_wait_results(w, FAIL + 1, 2500);
    ck_assert_str_eq(world_result(w, "now")->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "most_in_flight"), SLOTS + 1);
    ck_assert_int_eq(calls(w), SLOTS + FAIL + 1);
    world_free(w);
}
END_TEST

/* The second worker has claimed `follow`, which waits for the call of `lead`, and then gives its
 * only slot to a call of 40 s.  When `lead` fails, `follow` is to call, and the first worker is
 * free. */
START_TEST(what_finds_no_slot_for_long_is_served_by_another_worker)
{
    static const char one[] = "FLOTILLA_WORKERS_CONCURRENCY=1";
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "[{'model':'" EQUAL "','fixture':'bad_params','delay_ms':3000},"
                        "{'model':'" FULL "','delay_ms':40000,'times':-1}]");
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", one,
                       "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    push(w, "lead", EQUAL, "");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", one,
                       "FLOTILLA_WORKERS_REALTIME_PERCENT=0");
    push(w, "follow", EQUAL, "");
    WAIT_UNTIL(w, ALL_MS, facts_has_state(w, "follow", "active"));
    push(w, "full", FULL, "");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 2);
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(world_result(w, "lead")->status, "failed");
    ck_assert_str_eq(world_result(w, "follow")->status, "completed");
    ck_assert_int_eq(facts_attempts(w, "follow"), 1);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "in_flight"), 1);
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
    fill(w, SLOTS, 1 + WAITING, 1, 3000);
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
    tcase_add_test(tc, what_finds_no_slot_for_long_is_served_by_another_worker);
    tcase_add_test(tc, at_term_what_waits_goes_back_at_once_and_what_is_called_is_finished);
    suite_add_tcase(s, tc);
    return s;
}
