/* test_world_books.c - jobs in, documents out, and the checks of what must always hold. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/trial.h"
#include "tests/support/world_private.h"

/* ---- documents -------------------------------------------------------------- */
START_TEST(jobs_are_pushed_with_either_quote)
{
    struct world *w = world_new();
    json_t *doc;

    world_push(w, "{'id':'a-%d','type':'noop','payload':{}}", 1);
    world_push_json(w, json_pack("{s:s}", "id", "it's"));
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "a-1");
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "it's");
    world_free(w);
}
END_TEST

START_TEST(questions_are_chat_jobs)
{
    struct world *w = world_new();
    json_t *doc;

    world_push_questions(w, 20, "'priority':'batch'");
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:intake"), 20);
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "q-0");
    ck_assert_str_eq(world_string_at(doc, "priority"), "batch");
    ck_assert_uint_gt(strlen(world_string_at(doc, "payload.body.messages.0.content")), 10);
    world_free(w);
}
END_TEST

/* What a finishing script would have written. */
static void add_result(struct world *w, const char *id, int run, const char *status)
{
    world_redis(w, "XADD fl:{0}:results * id %s status %s doc %s", id, status,
                world_text(w, "{\"id\":\"%s\",\"run\":%d,\"status\":\"%s\"}", id, run, status));
}

START_TEST(results_are_read_and_counted_by_job)
{
    struct world *w = world_new();

    add_result(w, "a", 1, "failed");
    add_result(w, "b", 1, "completed");
    add_result(w, "a", 2, "completed");
    ck_assert_uint_eq(world_wait_results(w, 3, 1000)->count, 3);
    ck_assert_int_eq(world_result(w, "a")->run, 2);
    ck_assert_str_eq(world_result(w, "b")->status, "completed");
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

static int64_t lines_in(struct world *w, const char *file)
{
    FILE *in = fopen(world_text(w, "%s/%s", w->dir, file), "re");
    int64_t n = 0;

    for (int c; in && (c = getc(in)) != EOF;)
        n += c == '\n';
    if (in)
        fclose(in);
    return n;
}

START_TEST(documents_are_collected_when_asked)
{
    struct world *w = world_new();

    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_push_raw(w, "{]", 2);
    add_result(w, "a", 1, "completed");
    add_result(w, "b", 1, "completed");
    setenv("FLOTILLA_COLLECT", w->dir, 1);
    world_collect(w);
    unsetenv("FLOTILLA_COLLECT");
    ck_assert_int_eq(lines_in(w, "job.jsonl"), 1);
    ck_assert_int_eq(lines_in(w, "result.jsonl"), 2);
    ck_assert_int_eq(lines_in(w, "cost.jsonl"), 0);
    world_free(w);
}
END_TEST

/* ---- the simulator ---------------------------------------------------------- */
/* One chat call as a program would make it; the answer's status. */
static int chat(struct world *w)
{
    struct web_answer a = web_request(
        "POST", world_text(w, "%s/v1/chat/completions", w->sim_url),
        "{\"model\":\"Qwen/Qwen3.5-9B\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]}",
        "Authorization: Bearer a-key-of-the-tests");
    int status = a.status;

    web_answer_done(&a);
    return status;
}

START_TEST(the_simulator_answers_bills_and_fails_on_order)
{
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 1);
    ck_assert_int_eq(chat(w), 200);
    world_sim_faults(w, "[{'status':%d,'times':2},{'fixture':'throttled'}]", 503);
    ck_assert_int_eq(chat(w), 503);
    ck_assert_int_eq(chat(w), 503);
    ck_assert_int_eq(chat(w), 429);
    ck_assert_int_eq(chat(w), 200);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 5);
    ck_assert_uint_eq(json_array_size(world_sim_items(w)), 5);
    world_sim_reset(w);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 0);
    world_free(w);
}
END_TEST

/* One delivery to the receiver; its status. */
static int deliver(const char *url)
{
    struct web_answer a = web_request("POST", url, "{\"n\":1}", "webhook-id: x");
    int status = a.status;

    web_answer_done(&a);
    return status;
}

START_TEST(webhooks_are_received_and_answered_on_order)
{
    struct world *w = world_new(.simulator = true);
    const char *url = world_hook_url(w, "a");
    json_t *hooks;

    world_hook_rules(w, "{'status':500}");
    ck_assert_int_eq(deliver(url), 500);
    ck_assert_int_eq(deliver(url), 200);
    hooks = world_hooks(w);
    ck_assert_uint_eq(json_array_size(hooks), 2);
    ck_assert_str_eq(world_string_at(hooks, "1.headers.webhook-id"), "x");
    ck_assert_str_eq(world_string_at(hooks, "1.body"), "{\"n\":1}");
    world_free(w);
}
END_TEST

static void add_cost(struct world *w, const char *event, int64_t cost, int64_t estimate,
                     const char *flag)
{
    world_redis(w, "XADD fl:{0}:costs * id a doc %s",
                world_text(w,
                           "{\"event_id\":\"%s\",\"cost_nanousd\":%lld,"
                           "\"estimate_nanousd\":%lld,\"flags\":[\"%s\"]}",
                           event, (long long)cost, (long long)estimate, flag));
}

START_TEST(the_books_are_balanced_by_costs_and_estimates)
{
    struct world *w = world_new(.simulator = true);
    struct money m;
    int64_t bill;

    chat(w);
    bill = world_int_at(world_sim_ledger(w), "billed_nanousd");
    ck_assert_int_gt(bill, 0);
    add_cost(w, "a:1:1:1", bill, 0, "batch");
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, bill);
    ck_assert_int_eq(m.billed_nanousd, bill);
    chat(w); /* whose answer was lost */
    add_cost(w, "a:1:2:1", 0, bill + 5, "unconfirmed");
    m = world_check_money(w);
    ck_assert_int_eq(m.estimated_nanousd, bill + 5);
    world_free(w);
}
END_TEST

static void two_results(struct world *w)
{
    add_result(w, "a", 1, "failed");
    add_result(w, "a", 1, "completed");
    world_check_one_result_each(w, 1);
}
static void a_missing_result(struct world *w)
{
    add_result(w, "a", 1, "failed");
    world_check_one_result_each(w, 2);
}
static void no_end_state(struct world *w)
{
    add_result(w, "a", 1, "ready");
    world_check_one_result_each(w, 1);
}
static void a_charge_without_a_bill(struct world *w)
{
    add_cost(w, "a:1:1:1", 1, 0, "batch");
    world_check_money(w);
}
static void a_bill_without_a_charge(struct world *w)
{
    chat(w);
    world_check_money(w);
}
static void a_cost_event_twice(struct world *w)
{
    add_cost(w, "a:1:1:1", 0, 0, "batch");
    add_cost(w, "a:1:1:1", 0, 0, "batch");
    world_check_money(w);
}

static void (*const wrong[])(struct world *) = {two_results,
                                                a_missing_result,
                                                no_end_state,
                                                a_charge_without_a_bill,
                                                a_bill_without_a_charge,
                                                a_cost_event_twice};

START_TEST(wrong_books_fail_the_test)
{
    struct world *w = world_new();

    ck_assert_int_eq(trial_run(w, true, wrong[_i]), 1);
    world_free(w);
}
END_TEST

/* ---- the suite -------------------------------------------------------------- */
/* The documents here are no real ones. */
static void collect_nothing(void) { unsetenv("FLOTILLA_COLLECT"); }

static void add_documents(Suite *s)
{
    TCase *tc = tcase_create("documents");

    tcase_add_checked_fixture(tc, collect_nothing, NULL);
    tcase_add_test(tc, jobs_are_pushed_with_either_quote);
    tcase_add_test(tc, questions_are_chat_jobs);
    tcase_add_test(tc, results_are_read_and_counted_by_job);
    tcase_add_test(tc, documents_are_collected_when_asked);
    suite_add_tcase(s, tc);
}

static void add_simulator(Suite *s)
{
    TCase *tc = tcase_create("simulator");

    tcase_add_checked_fixture(tc, collect_nothing, NULL);
    tcase_add_test(tc, the_simulator_answers_bills_and_fails_on_order);
    tcase_add_test(tc, webhooks_are_received_and_answered_on_order);
    tcase_add_test(tc, the_books_are_balanced_by_costs_and_estimates);
    tcase_add_loop_test(tc, wrong_books_fail_the_test, 0, (int)ARRAY_LEN(wrong));
    suite_add_tcase(s, tc);
}

Suite *test_world_books(void)
{
    Suite *s = suite_create("world_books");

    add_documents(s);
    add_simulator(s);
    return s;
}
