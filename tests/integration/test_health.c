/* test_health.c - models that fail, turn slow or go away: what the fleet does, and says.
 *
 * Two worker processes; the pauses between probes are short.  The jobs name
 * their model, so that nothing else may serve them. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/support/facts.h"

#define MODEL        "openai/gpt-oss-20b"
#define SUBJECT      "together " MODEL
#define QUICK_PROBES "FLOTILLA_ROUTING_PROBE_MIN_MS=50", "FLOTILLA_ROUTING_PROBE_MAX_MS=200"
#define FLEET        "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_HEARTBEAT_MS=200", QUICK_PROBES

static void push(struct world *w, const char *prefix, int from, int to, const char *members)
{
    for (int i = from; i < to; i++)
        world_push(
            w,
            "{'id':'%s-%d','type':'inference'%s,'payload':{'task':'chat','body':{'model':'" MODEL
            "','messages':[{'role':'user','content':'%s %d'}]}}}",
            prefix, i, members, prefix, i);
}

/* The message of the n-th alert with that code; NULL: there are not so many. */
static const char *alert(struct world *w, const char *code, int n)
{
    json_t *doc;
    size_t i;

    json_array_foreach (world_alerts(w), i, doc) {
        if (strcmp(world_string_at(doc, "code"), code) == 0 &&
            strcmp(world_string_at(doc, "subject"), SUBJECT) == 0 && n-- == 0)
            return world_string_at(doc, "message");
    }
    return NULL;
}

static int64_t requests(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

static bool is(struct world *w, const char *breaker)
{
    const char *record = world_string(w, "HGET fl:{0}:health %s", SUBJECT);

    return record && strstr(record, world_text(w, " %s ", breaker));
}

static void all_completed(struct world *w, int n)
{
    const struct results *all = world_wait_results(w, n, 20000);

    for (size_t i = 0; i < all->count; i++)
        ck_assert_str_eq(all->items[i].status, "completed");
    world_check_one_result_each(w, n);
    world_check_money(w);
}

/* More calls of another model than half of the processes have slots for, so that all are asked for
 * a route, and hear of all routes; until they are done. */
static void make_all_hear(struct world *w, int count)
{
    int64_t before = world_int(w, "XLEN fl:{0}:results");

    for (int i = 0; i < count; i++)
        world_push(w,
                   "{'type':'inference','payload':{'task':'chat','body':{'model':'Qwen/Qwen3.5-9B',"
                   "'temperature':0.5,'messages':[{'role':'user','content':'other %d'}]}}}",
                   i);
    world_wait_results(w, before + count, 20000);
}

/* Whatever is put aside is claimed by one process after the other. */
START_TEST(one_job_alone_brings_a_model_back_however_many_processes_there_are)
{
    enum { PROCESSES = 8, SLOTS = 4, FAILED = 5 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 300);
    world_sim_faults(w, "{'fixture':'server_error','model':'" MODEL "','times':%d}", FAILED);
    world_start_both(w, world_text(w, "FLOTILLA_WORKERS_PROCESSES=%d", PROCESSES),
                     world_text(w, "FLOTILLA_WORKERS_CONCURRENCY=%d", SLOTS),
                     "FLOTILLA_WORKERS_HEARTBEAT_MS=100", "FLOTILLA_ROUTING_PROBE_MIN_MS=50",
                     "FLOTILLA_ROUTING_PROBE_MAX_MS=400", "FLOTILLA_RETRY_PARK_MIN_MS=50",
                     "FLOTILLA_RETRY_PARK_MAX_MS=400");
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == PROCESSES);
    push(w, "first", 0, FAILED, ",'max_attempts':1");
    WAIT_UNTIL(w, 10000, alert(w, "route_opened", 0) != NULL);
    for (int i = 0; i < 2; i++)
        make_all_hear(w, 2 * PROCESSES * SLOTS);
    push(w, "alone", 0, 1, "");
    WAIT_UNTIL(w, 10000, alert(w, "route_closed", 0) != NULL);
    world_wait_results(w, FAILED + 4 * PROCESSES * SLOTS + 1, 10000);
    ck_assert_str_eq(world_result(w, "alone-0")->status, "completed");
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_model_that_fails_is_left_alone_until_a_probe_goes_well)
{
    enum { FIRST = 10, LATER = 200, FAULTS = 28 };
    struct world *w = world_new(.simulator = true);
    int64_t before;

    world_sim_faults(w, "{'fixture':'server_error','model':'" MODEL "','times':%d}", FAULTS);
    world_start_both(w, FLEET);
    push(w, "first", 0, FIRST, ",'max_attempts':20,'backoff':{'delay_ms':10}");
    WAIT_UNTIL(w, 10000, alert(w, "route_opened", 0) != NULL);
    before = requests(w);
    push(w, "later", 0, LATER,
         ",'max_attempts':1"); /* none of them may meet a failure but a probe */
    WAIT_UNTIL(w, 10000, alert(w, "route_closed", 0) != NULL);
    ck_assert_int_le(before, FAULTS);
    world_wait_results(w, FIRST + LATER, 20000);
    ck_assert_ptr_nonnull(strstr(alert(w, "route_opened", 0), MODEL " at together: opened, "));
    ck_assert_ptr_nonnull(strstr(alert(w, "route_opened", 0), "failed"));
    ck_assert_ptr_nonnull(strstr(alert(w, "route_opened", 0), "(server_error)"));
    ck_assert_ptr_nonnull(strstr(alert(w, "route_closed", 0), "closed again after"));
    ck_assert(is(w, "closed"));
    world_check_one_result_each(w, FIRST + LATER);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Jobs at a steady pace until there is such an alert; how many there were. */
static int push_until(struct world *w, const char *code, int from)
{
    int64_t until = now_ms() + patience_ms(15000);
    int n = from;

    while (!alert(w, code, 0) && now_ms() < until) {
        push(w, "job", n, n + 5, "");
        n += 5;
        WAIT_UNTIL(w, 10000, world_int(w, "XLEN fl:{0}:results") >= n - 100);
        WAIT_UNTIL(w, 10000, world_int(w, "LLEN fl:{0}:intake") == 0);
    }
    return n;
}

START_TEST(a_model_that_turns_slow_is_told_and_taken_back)
{
    struct world *w = world_new(.simulator = true);
    int n = 60;

    world_start_both(w, FLEET);
    world_sim_latency(w, 40);
    push(w, "job", 0, n, "");
    world_wait_results(w, n, 10000);
    world_sim_latency(w, 1500);
    n = push_until(w, "route_opened", n);
    ck_assert_ptr_nonnull(alert(w, "route_opened", 0));
    ck_assert_ptr_nonnull(strstr(alert(w, "route_opened", 0), "opened, p50 is "));
    world_sim_latency(w, 40);
    n = push_until(w, "route_closed", n);
    ck_assert_ptr_nonnull(alert(w, "route_closed", 0));
    all_completed(w, n); /* slow is better than nothing */
    world_free(w);
}
END_TEST

START_TEST(a_model_that_is_gone_is_told_once_and_may_come_back)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'fixture':'not_serverless','model':'" MODEL "','times':5}");
    world_start_both(w, FLEET);
    for (int i = 0; i < 5; i++) {
        push(w, "gone", i, i + 1, "");
        world_wait_results(w, i + 1, 10000);
        ck_assert_str_eq(
            world_string_at(world_result(w, world_text(w, "gone-%d", i))->doc, "error.code"),
            "model_not_available");
    }
    WAIT_UNTIL(w, 5000, is(w, "open") && alert(w, "route_gone", 0));
    ck_assert_ptr_nonnull(strstr(alert(w, "route_gone", 0), "change it in `models:`"));
    ck_assert_ptr_null(alert(w, "route_gone", 1));
    push(w, "back", 0, 1, "");
    WAIT_UNTIL(w, 5000, alert(w, "route_back", 0) != NULL);
    ck_assert(is(w, "closed"));
    world_wait_results(w, 6, 5000);
    ck_assert_str_eq(world_result(w, "back-0")->status, "completed");
    world_check_one_result_each(w, 6);
    world_free(w);
}
END_TEST

START_TEST(an_operator_puts_a_route_back)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'fixture':'server_error','model':'" MODEL "','times':8}");
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_HEARTBEAT_MS=200",
                     "FLOTILLA_ROUTING_PROBE_MIN_MS=300000", "FLOTILLA_ROUTING_PROBE_MAX_MS=600000",
                     "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=200");
    push(w, "a", 0, 5, ",'max_attempts':20,'backoff':{'delay_ms':10}");
    WAIT_UNTIL(w, 10000, alert(w, "route_opened", 0) != NULL);
    ck_assert_int_eq(world_cli(w, "resume", "--model", "no/such").exit_code, 4);
    ck_assert_int_eq(world_cli(w, "resume", "--model", MODEL).exit_code, 0);
    ck_assert(is(w, "closed"));
    push(w, "b", 0, 1, "");
    all_completed(w, 6);
    world_free(w);
}
END_TEST

Suite *test_health(void);
Suite *test_health(void)
{
    Suite *s = suite_create("health");
    TCase *t = tcase_create("health");

    tcase_set_timeout(t, 60);
    tcase_add_test(t, one_job_alone_brings_a_model_back_however_many_processes_there_are);
    tcase_add_test(t, a_model_that_fails_is_left_alone_until_a_probe_goes_well);
    tcase_add_test(t, a_model_that_turns_slow_is_told_and_taken_back);
    tcase_add_test(t, a_model_that_is_gone_is_told_once_and_may_come_back);
    tcase_add_test(t, an_operator_puts_a_route_back);
    suite_add_tcase(s, t);
    return s;
}
