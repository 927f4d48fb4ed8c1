/* test_connections.c - connections to the provider that break, calls that take too long, answers
 * that are too large: what is tried again, and what may have been paid. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

static const char retry_members[] =
    "'max_attempts':3,'timeout_ms':300,'backoff':{'type':'fixed','delay_ms':10}";

/* A job that names its model, so that no other one is tried for it. */
static void push(struct world *w, const char *id, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference',%s,'payload':{'task':'chat',"
               "'body':{'model':'Qwen/Qwen3.5-9B','max_tokens':50,"
               "'messages':[{'role':'user','content':'%s'}]}}}",
               id, members, id);
}

/* A macro, so that the world is named after the test. */
static const char *const bill_aborted[] = {"--bill-aborted", NULL};
#define new_world() world_new(.simulator = true, .simulator_args = bill_aborted)

START_TEST(a_stale_connection_is_tried_again_at_once_and_spends_nothing)
{
    struct world *w = new_world();
    json_t *costs;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "first", retry_members);
    world_wait_results(w, 1, 10000);
    world_sim_faults(w, "{'fixture':'cut_before'}");
    push(w, "second", "'max_attempts':1");
    world_wait_results(w, 2, 10000);
    ck_assert_str_eq(world_result(w, "second")->status, "completed");
    ck_assert_int_eq(facts_attempts(w, "second"), 1);
    costs = facts_costs(w, "second");
    ck_assert_int_eq(json_array_size(costs), 2);
    ck_assert(facts_flagged(json_array_get(costs, 0), "unconfirmed"));
    ck_assert_int_gt(world_int_at(json_array_get(costs, 0), "estimate_nanousd"), 0);
    ck_assert_int_gt(world_int_at(json_array_get(costs, 1), "cost_nanousd"), 0);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 3);
    world_check_one_result_each(w, 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_new_connection_that_breaks_spends_an_attempt)
{
    struct world *w = new_world();
    json_t *costs;

    world_sim_faults(w, "{'fixture':'cut_before'}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "a", retry_members);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_int_eq(facts_attempts(w, "a"), 2);
    costs = facts_costs(w, "a");
    ck_assert_int_eq(json_array_size(costs), 2);
    ck_assert_int_eq(facts_count_flagged(costs, "unconfirmed"), 1);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 2);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_connection_closed_after_the_answer_harms_nobody)
{
    struct world *w = new_world();
    struct money m;

    world_sim_faults(w, "{'fixture':'cut_after','times':-1}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=2");
    world_push_questions(w, 20, "'max_attempts':1");
    world_wait_results(w, 20, 10000);
    for (int i = 0; i < 20; i++)
        ck_assert_str_eq(world_result(w, world_text(w, "q-%d", i))->status, "completed");
    world_check_one_result_each(w, 20);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    world_free(w);
}
END_TEST

START_TEST(a_time_out_is_the_jobs_own)
{
    struct world *w = new_world();

    world_sim_latency(w, 1500);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LIMITS_TIMEOUT_MS=300");
    push(w, "short", "'max_attempts':1");
    push(w, "long", "'max_attempts':1,'timeout_ms':20000");
    world_wait_results(w, 2, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "short")->doc, "error.code"), "timeout");
    ck_assert_str_eq(world_result(w, "long")->status, "completed");
    ck_assert_int_eq(facts_count_flagged(facts_costs(w, "short"), "unconfirmed"), 1);
    world_check_one_result_each(w, 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(an_answer_over_the_limit_ends_the_job)
{
    struct world *w = new_world();

    world_sim(w, "POST", "/_sim/models", "{'*':{'answer_bytes':50000}}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_LIMITS_ANSWER_BYTES=20000");
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'Tell all',"
                  "'max_tokens':15000}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "answer_too_large");
    ck_assert_int_eq(facts_count_flagged(facts_costs(w, "a"), "unconfirmed"), 1);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* What cannot be used goes away; what the job ends with is its own.  The cancel is seen when the
 * retry is written. */
static const char embedder[] = "intfloat/multilingual-e5-large-instruct";

START_TEST(a_job_that_is_cancelled_before_its_retry_is_written_tells_its_own_model)
{
    struct world *w = new_world();
    json_t *doc, *costs;

    world_hook_rules(w,
                     "{'times':-1,'delay_ms':900,'status':200,'body':{'model':'%s','filler':"
                     "'%0300000d','data':[{'embedding':[1]},{'embedding':[2]},{'embedding':[3]}],"
                     "'usage':{'prompt_tokens':7}}}",
                     embedder, 0);
    world_start_both(w, canned_provider(w), "FLOTILLA_WORKERS_HEARTBEAT_MS=3000");
    world_push(w,
               "{'id':'a','type':'inference','payload':{'task':'embedding',"
               "'body':{'model':'%s','input':['x','x']}}}",
               embedder);
    WAIT_UNTIL(w, 5000, facts_has_state(w, "a", "active"));
    ck_assert_int_eq(world_cli(w, "cancel", "a").exit_code, 0);
    world_wait_results(w, 1, 10000);
    doc = world_result(w, "a")->doc;
    costs = facts_costs(w, "a");
    ck_assert_str_eq(world_string_at(doc, "status"), "cancelled");
    ck_assert_str_eq(world_string_at(doc, "model"), embedder);
    ck_assert_uint_eq(json_array_size(costs), 1);
    ck_assert_str_eq(world_string_at(json_array_get(costs, 0), "model"), embedder);
    ck_assert_int_gt(world_int_at(json_array_get(costs, 0), "cost_nanousd"), 0); /* it came */
    ck_assert_int_eq(world_int_at(doc, "cost_nanousd"),
                     world_int_at(json_array_get(costs, 0), "cost_nanousd"));
    world_free(w);
}
END_TEST

Suite *test_connections(void)
{
    Suite *s = suite_create("connections");
    TCase *tc = tcase_create("connections");

    tcase_add_test(tc, a_stale_connection_is_tried_again_at_once_and_spends_nothing);
    tcase_add_test(tc, a_new_connection_that_breaks_spends_an_attempt);
    tcase_add_test(tc, a_connection_closed_after_the_answer_harms_nobody);
    tcase_add_test(tc, a_time_out_is_the_jobs_own);
    tcase_add_test(tc, an_answer_over_the_limit_ends_the_job);
    tcase_add_test(tc, a_job_that_is_cancelled_before_its_retry_is_written_tells_its_own_model);
    suite_add_tcase(s, tc);
    return s;
}
