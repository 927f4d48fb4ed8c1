/* test_budget.c - budgets: what calls may cost is set aside before they are made.
 *
 * All calls are alike: 512 tokens may be answered and 300 are, by the model with the highest price,
 * so that a dollar is soon spent and the worst case of a call is known to the nano-dollar. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ALL_MS = 60000, MAX_TOKENS = 512, ANSWER_TOKENS = 300 };
enum { IN_NANOUSD = 3000, OUT_NANOUSD = 15000 }; /* per token of moonshotai/Kimi-K3 */
#define BODY                                                             \
    "{'model':'moonshotai/Kimi-K3','max_tokens':512,'temperature':0.5,'" \
    "messages':[{'role':'user','content':'How many legs have %04d spiders?'}]}"
#define SHORT_PARKS "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=250"

/* ---- a world with budgets ---- */

static struct world *new_world(void)
{
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models",
              world_text(w, "{'moonshotai/Kimi-K3':{'answer_bytes':%d}}", 4 * ANSWER_TOKENS));
    world_start_scheduler(w);
    return w;
}

static void push(struct world *w, int first, int count, const char *members)
{
    for (int i = first; i < first + count; i++)
        world_push(w,
                   "{'id':'b-%d','type':'inference','payload':{'task':'chat','body':" BODY "}%s}",
                   i, i, members);
}

/* The worst case of one of these calls, as the documentation says it. */
static int64_t worst(void)
{
    int64_t bytes = snprintf(NULL, 0, BODY, 0);

    return ((bytes + 2) / 3 + 16) * IN_NANOUSD + (int64_t)MAX_TOKENS * OUT_NANOUSD;
}

/* ---- the books ---- */
struct sums {
    long long spent, reserved, limit;
};

/* Of the only budget; all 0 before the first call. */
static struct sums read_sums(struct world *w)
{
    redisReply *r = world_redis(w, "HVALS fl:{0}:budget");
    struct sums s = {0};
    char *p = r->elements ? r->element[0]->str : NULL;

    for (int i = 0; p && i < 5; i++) { /* spent reserved told ends limit */
        long long v = strtoll(p, &p, 10);

        if (i == 0)
            s.spent = v;
        else if (i == 1)
            s.reserved = v;
        else if (i == 4)
            s.limit = v;
    }
    return s;
}

/* Nobody calls, all calls are in the books, none of the living will settle, and no other fits.
 * Sums that are the same before and after were not settled in between. */
static bool is_over(struct world *w)
{
    struct sums before = read_sums(w), after;
    json_t *ledger = world_sim_ledger(w);
    bool quiet = world_int(w, "HLEN fl:{0}:holds") <= look_flagged(w, "unconfirmed") &&
                 world_int_at(ledger, "in_flight") == 0 &&
                 world_int(w, "XLEN fl:{0}:costs") >= world_int_at(ledger, "requests");

    after = read_sums(w);
    ck_assert_int_le(after.spent + after.reserved, after.limit);
    return quiet && after.limit && after.spent == before.spent &&
           after.reserved == before.reserved &&
           after.limit - after.spent - after.reserved < worst();
}

static void check_books(struct world *w, int64_t limit)
{
    struct money m = world_check_money(w);
    struct sums s = read_sums(w);

    ck_assert_int_eq(s.limit, limit);
    ck_assert_int_le(m.billed_nanousd, limit);
    ck_assert_int_le(m.confirmed_nanousd, s.spent);
    ck_assert_int_le(s.spent + s.reserved, m.confirmed_nanousd + m.estimated_nanousd);
    ck_assert_int_le(s.spent + s.reserved, limit);
    ck_assert_int_gt(s.spent + s.reserved + worst(), limit); /* not one call more */
}

static int64_t count(const struct results *all, const char *status, const char *code)
{
    int64_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += !strcmp(all->items[i].status, status) &&
             (!code || !strcmp(world_string_at(all->items[i].doc, "error.code"), code));
    return n;
}

/* ---- tests ---- */

START_TEST(a_thousand_parallel_jobs_never_spend_more_than_a_dollar)
{
    enum { JOBS = 1000, WORKERS = 2 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n"
                                         "  - {name: dollar, for: {all: true}, per: month, "
                                         "limit_usd: 1}\n");
    struct program *worker;
    int64_t done;

    world_sim_latency(w, 150);
    push(w, 0, JOBS, "");
    worker = world_start_worker(w, config, SHORT_PARKS, "FLOTILLA_WORKERS_CONCURRENCY=512");
    look_wait_workers(w, worker, WORKERS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:results") > 40 && look_held(w) > 100);
    kill(look_wait_workers(w, worker, WORKERS)[0], SIGKILL);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=takeover.done ") == 1);
    WAIT_UNTIL(w, ALL_MS, is_over(w));
    check_books(w, 1000000000);
    done = world_int(w, "XLEN fl:{0}:results");
    ck_assert_int_eq(count(world_results(w), "completed", NULL), done);
    ck_assert_int_gt(done, 40);
    ck_assert_int_lt(done, 1000000000 / (ANSWER_TOKENS * OUT_NANOUSD));
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "ZCARD fl:{0}:delayed") +
                       world_int(w, "LLEN fl:{0}:ready:inference.standard") + look_held(w) ==
                   JOBS - done);
    world_free(w);
}
END_TEST

/* Holds that expire by themselves within so many seconds. */
static int64_t count_due_within(struct world *w, int64_t s)
{
    return world_int(w, "ZCOUNT fl:{0}:holds-due 1 %lld", (long long)(time(NULL) + s) * 1000);
}

/* The due times of holds pass: minutes, or the hour for which a charged one is remembered. */
static void let_holds_expire(struct world *w)
{
    redisReply *holds = world_redis(w, "HKEYS fl:{0}:holds");

    for (size_t i = 0; i < holds->elements; i++)
        ck_assert_int_eq(world_int(w, "ZADD fl:{0}:holds-due XX CH 1 h%s",
                                   world_text(w, "%s", holds->element[i]->str)),
                         1);
}

/* Three calls are under way, which take their time; streamed ones have begun. */
static void push_slow(struct world *w, bool streamed)
{
    world_sim(w, "POST", "/_sim/models",
              world_text(w, "{'moonshotai/Kimi-K3':{'latency_ms':%d,'chunk_ms':%d}}",
                         streamed ? 1 : 20000, streamed ? 100 : 0));
    for (int i = 0; i < 3; i++)
        world_push(w,
                   "{'id':'b-%d','type':'inference','payload':{'task':'chat','body':{"
                   "'stream':%s,'model':'moonshotai/Kimi-K3','max_tokens':512,'messages':[{"
                   "'role':'user','content':'Hi'}]}}}",
                   i, streamed ? "true" : "false");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 3);
    for (int i = 0; i < 3 && streamed; i++)
        WAIT_UNTIL(w, ALL_MS, world_int(w, "XLEN fl:{0}:chunks:b-%d", i) > 0);
    world_sim(w, "POST", "/_sim/models",
              "{'moonshotai/Kimi-K3':{'latency_ms':1,'chunk_ms':0}}"); /* the next ones */
}

/* Nobody knows what became of the calls: each counts as it may have cost as soon as its job is put
 * back, once, and keeps no room beyond that.  A stream's hold would expire after an hour only. */
START_TEST(what_a_killed_worker_had_set_aside_is_spent_at_once_and_then_forgotten)
{
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 1}\n");
    struct program *worker =
        world_start_worker(w, config, SHORT_PARKS, "FLOTILLA_WORKERS_PROCESSES=1");
    long long held;
    struct money m;

    push_slow(w, _i == 1);
    held = read_sums(w).reserved;
    ck_assert_int_gt(held, INT64_C(3) * MAX_TOKENS * OUT_NANOUSD);
    kill(look_wait_workers(w, worker, 1)[0], SIGKILL);
    world_wait_results(w, 3, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, "event=takeover.done ") == 1);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:holds") == 3); /* the dead one's */
    m = world_check_money(w);
    ck_assert_int_eq(m.estimated_nanousd, held);
    ck_assert_int_eq(read_sums(w).reserved, 0);
    ck_assert_int_eq(read_sums(w).spent, m.confirmed_nanousd + held);
    let_holds_expire(w); /* they are forgotten, and stay spent */
    push(w, 3, 1, "");
    world_wait_results(w, 4, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:holds") == 0);
    m = world_check_money(w);
    ck_assert_int_eq(read_sums(w).spent, m.confirmed_nanousd + held);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:holds-due"), 1); /* the sum, until it is over */
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:holds-due"), 1);
    world_check_one_result_each(w, 4);
    world_free(w);
}
END_TEST

/* An expired hold counts as spent: others would be turned away although there will be room. */
START_TEST(the_hold_of_a_streamed_call_lasts_as_long_as_it_may)
{
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 1}\n");

    world_sim_latency(w, 20000);
    world_start_worker(w, config, "FLOTILLA_LIMITS_STREAM_MAX_MS=1800000");
    world_push(w, "{'id':'s','type':'inference','timeout_ms':5000,'payload':{'task':'chat','body':"
                  "{'model':'moonshotai/Kimi-K3','stream':true,'messages':[{'role':'user',"
                  "'content':'Hi'}]}}}");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    ck_assert_int_eq(count_due_within(w, 1800), 0);
    ck_assert_int_eq(count_due_within(w, 1800 + 10 + 5 + 1), 1);
    world_free(w);
}
END_TEST

START_TEST(what_can_be_paid_is_done_and_the_rest_is_rejected)
{
    enum { JOBS = 200 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n"
                                         "  - name: acme-month\n"
                                         "    for: {tenant: acme}\n"
                                         "    per: month\n"
                                         "    limit_usd: 0.5\n"
                                         "    policy: reject\n"
                                         "    alert_percent: [50, 100]\n");
    const struct results *all;
    int64_t done;

    push(w, 0, JOBS, ",'tenant':'acme'");
    push(w, JOBS, 5, ",'tenant':'other'");
    world_start_worker(w, config, SHORT_PARKS);
    all = world_wait_results(w, JOBS + 5, ALL_MS);
    world_check_one_result_each(w, JOBS + 5);
    done = count(all, "completed", NULL) - 5;
    ck_assert_int_eq(count(all, "failed", "over_budget"), JOBS - done);
    ck_assert_int_ge(read_sums(w).spent, done * ANSWER_TOKENS * OUT_NANOUSD);
    ck_assert_int_eq(read_sums(w).reserved, 0);
    ck_assert_int_gt(read_sums(w).spent + worst(), 500000000);
    ck_assert_int_le(read_sums(w).spent, 500000000);
    for (int i = JOBS; i < JOBS + 5; i++)
        ck_assert_str_eq(world_result(w, world_text(w, "b-%d", i))->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), done + 5);
    ck_assert(world_has_alert(w, "budget_50") && world_has_alert(w, "budget_100"));
    world_check_money(w);
    world_free(w);
}
END_TEST

static const char *config_of_limit(struct world *w, int64_t nanousd)
{
    return world_config(w, world_text(w,
                                      "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                      "limit_usd: 0.%09lld}\n",
                                      (long long)nanousd));
}

/* Two calls have room.  One is under way, and the next one of its model must wait for it: so one of
 * another model has the money meanwhile.  When the turn of the waiting one comes, there is none,
 * and it waits until there is. */
START_TEST(what_waits_long_for_its_turn_keeps_no_money_from_others)
{
    struct world *w = new_world();
    struct program *worker = world_start_worker(
        w, config_of_limit(w, 2 * worst() + 1000), SHORT_PARKS, "FLOTILLA_WORKERS_PROCESSES=1",
        "FLOTILLA_LIMITS_MODEL_CONCURRENCY=1", "FLOTILLA_LOG_LEVEL=debug");

    world_sim_latency(w, patience_ms(3000));
    push(w, 0, 1, "");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 1);
    world_sim_latency(w, 20000);
    push(w, 1, 1, "");
    WAIT_UNTIL(w, ALL_MS, read_sums(w).reserved == 2 * worst());
    world_push(w, "{'id':'other','type':'inference','payload':{'task':'chat','body':{"
                  "'model':'Qwen/Qwen3.5-9B','max_tokens':25000,'messages':[{'role':'user',"
                  "'content':'Hi'}]}}}");
    WAIT_UNTIL(w, ALL_MS, world_int_at(world_sim_ledger(w), "in_flight") == 2);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    world_sim_latency(w, 1);
    world_wait_results(w, 1, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, look_logged(worker, " job=b-1 budget=") > 0);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 2); /* not its own */
    config_of_limit(w, 4 * worst());
    program_signal(worker, SIGHUP);
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(world_result(w, "b-1")->status, "completed");
    ck_assert_int_eq(world_int(w, "HLEN fl:{0}:holds"), 1);
    ck_assert_int_eq(read_sums(w).spent, world_check_money(w).billed_nanousd);
    world_free(w);
}
END_TEST

START_TEST(waiting_jobs_go_on_when_the_limit_is_raised)
{
    enum { JOBS = 20 };
    static const char form[] = "budgets:\n  - {name: d, for: {tag: 'team:search'}, per: month, "
                               "limit_usd: %s}\n";
    struct world *w = new_world();
    const char *config = world_config(w, world_text(w, form, "0.03"));
    struct program *worker;

    push(w, 0, JOBS, ",'tags':{'team':'search'}");
    worker = world_start_worker(w, config, SHORT_PARKS, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, is_over(w));
    check_books(w, 30000000);
    world_config(w, world_text(w, form, "1"));
    program_signal(worker, SIGHUP);
    world_wait_results(w, JOBS, ALL_MS);
    world_check_one_result_each(w, JOBS);
    ck_assert_int_eq(count(world_results(w), "completed", NULL), JOBS);
    ck_assert_int_eq(read_sums(w).spent, world_check_money(w).billed_nanousd);
    ck_assert_int_eq(read_sums(w).reserved, 0);
    world_free(w);
}
END_TEST

START_TEST(what_can_never_be_paid_fails_at_once_and_what_has_no_price_is_told)
{
    struct world *w = new_world();
    const char *config =
        world_config(w, "budgets:\n  - {name: small, for: {tenant: '*'}, per: day, "
                        "limit_usd: 0.005}\n");

    world_sim(w, "POST", "/_sim/models", "{'acme/new-model':{'answer_bytes':40}}");
    world_start_worker(w, config);
    push(w, 0, 1, ",'tenant':'t'");
    world_push(w, "{'id':'free','type':'inference','tenant':'t','payload':{'task':'chat',"
                  "'model':'acme/new-model','prompt':'Hi'}}");
    world_push(w, "{'id':'nobody','type':'inference','payload':{'task':'chat','body':" BODY "}}",
               1);
    world_push(w, "{'id':'slip','type':'inference','tenant':'t','payload':{'task':'chat',"
                  "'model':'acme/nwe-model','prompt':'Hi'}}");
    world_wait_results(w, 4, ALL_MS);
    ck_assert_str_eq(world_string_at(world_result(w, "b-0")->doc, "error.code"), "over_budget");
    ck_assert_str_eq(world_result(w, "free")->status, "completed");
    ck_assert_str_eq(world_result(w, "nobody")->status, "completed"); /* no tenant, no budget */
    ck_assert(world_has_alert(w, "unpriced"));
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 1); /* nobody has called the slip */
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:holds") == 0);
    world_free(w);
}
END_TEST

/* The first call takes the model that was asked for; then only the fallback fits. */
START_TEST(a_cheaper_route_is_taken_when_the_budget_is_used_up)
{
    enum { JOBS = 6 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 0.01, policy: downgrade}\n");
    int cheap = 0;

    world_start_worker(w, config, SHORT_PARKS);
    for (int i = 0; i < JOBS; i++)
        world_push(w,
                   "{'id':'b-%d','type':'inference','payload':{'task':'chat','fallbacks':"
                   "['Qwen/Qwen3.5-9B'],'body':" BODY "}}",
                   i, i);
    world_wait_results(w, JOBS, ALL_MS);
    for (int i = 0; i < JOBS; i++) {
        json_t *doc = world_result(w, world_text(w, "b-%d", i))->doc;

        ck_assert_str_eq(world_string_at(doc, "status"), "completed");
        cheap += !strcmp(world_string_at(doc, "model"), "Qwen/Qwen3.5-9B");
    }
    ck_assert_int_eq(cheap, JOBS - 1);
    ck_assert_int_eq(read_sums(w).spent, world_check_money(w).billed_nanousd);
    ck_assert_int_le(read_sums(w).spent, 10000000);
    world_free(w);
}
END_TEST

START_TEST(a_cheaper_route_that_cannot_do_it_is_passed_over)
{
    struct world *w = new_world();
    const char *config = world_config(
        w, "models:\n  - {id: t/small, tasks: [chat], input_usd: 0.01, output_usd: 0.01, "
           "context: 100, features: [tools]}\n  - {id: t/plain, tasks: [chat], "
           "input_usd: 0.01, output_usd: 0.01}\nbudgets:\n  - {name: d, for: {all: "
           "true}, per: month, limit_usd: 0.001, policy: downgrade}\n");

    world_sim(w, "POST", "/_sim/models",
              "{'t/small':{'tasks':1,'context':100},"
              "'t/plain':{'tasks':1}}");
    world_start_worker(w, config);
    world_push(w, "{'id':'b','type':'inference','payload':{'task':'chat','fallbacks':['t/small',"
                  "'t/plain','Qwen/Qwen3.5-9B'],'body':{'model':'moonshotai/Kimi-K3','max_tokens':"
                  "200,'messages':[{'role':'user','content':'Hi'}],'tools':[{'type':'function',"
                  "'function':{'name':'legs'}}]}}}");
    world_wait_results(w, 1, ALL_MS);
    ck_assert_str_eq(world_result(w, "b")->status, "completed");
    ck_assert_str_eq(world_string_at(world_result(w, "b")->doc, "model"), "Qwen/Qwen3.5-9B");
    world_free(w);
}
END_TEST

/* What has a budget waits, and without the only slot: what has none goes on. */
START_TEST(a_key_of_another_type_is_told_once_and_holds_no_slot)
{
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {tenant: acme}, per: month, "
                                         "limit_usd: 1}\n");
    struct program *worker;
    int64_t until;

    world_redis(w, "SET fl:{0}:budget garbage");
    worker = world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=1",
                                "FLOTILLA_WORKERS_CONCURRENCY=1");
    push(w, 0, 3, ",'tenant':'acme'");
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "wrong_type"));
    ck_assert_str_eq(world_string_at(json_array_get(world_alerts(w), 0), "subject"),
                     "fl:{0}:budget");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") == 3 && look_held(w) == 0);
    push(w, 3, 2, "");
    world_wait_results(w, 2, ALL_MS);
    until = now_ms() + 1000;
    WAIT_UNTIL(w, ALL_MS, now_ms() > until);
    ck_assert_int_eq(look_logged(worker, "WRONGTYPE"), 1);
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 1);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 2);
    world_redis(w, "DEL fl:{0}:budget");
    world_wait_results(w, 5, ALL_MS);
    ck_assert_int_eq(count(world_results(w), "completed", NULL), 5);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:holds") == 0);
    world_check_one_result_each(w, 5);
    world_free(w);
}
END_TEST

/* It waits in the batch queue, and `why` names the budget (between two pauses it is not told). */
static bool says_why(struct world *w, const char *id)
{
    json_t *why = world_json(w, world_cli(w, "why", id, "--json").out);

    return !strcmp(world_string_at(why, "reason"), "budget") &&
           strstr(world_string_at(why, "text"), ": d m20") &&
           world_string(w, "ZSCORE fl:{0}:delayed inference.batch/%s", id);
}

START_TEST(standard_jobs_go_to_the_batch_queue_and_wait_there)
{
    enum { JOBS = 10 };
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 0.02, policy: batch}\n");
    int64_t done;

    push(w, 0, JOBS, "");
    world_start_worker(w, config, SHORT_PARKS);
    WAIT_UNTIL(w, ALL_MS, is_over(w));
    check_books(w, 20000000);
    done = world_int(w, "XLEN fl:{0}:results");
    ck_assert_int_gt(done, 0);
    ck_assert_int_eq(count(world_results(w), "completed", NULL), done);
    for (int i = 0; i < JOBS; i++) {
        const char *id = world_text(w, "b-%d", i);

        if (!strstr(world_string(w, "GET fl:{0}:job:%s", id), "\"status\":\"completed\""))
            WAIT_UNTIL(w, ALL_MS, says_why(w, id));
    }
    world_free(w);
}
END_TEST

START_TEST(the_command_shows_what_is_spent_and_set_aside)
{
    struct world *w = new_world();
    const char *config = world_config(w, "budgets:\n"
                                         "  - {name: each, for: {tenant: '*'}, per: month, "
                                         "limit_usd: 0.02}\n"
                                         "  - {name: quiet, for: {tag: 'a:b'}, per: hour, "
                                         "limit_usd: 3, policy: reject}\n");
    const char *file = strchr(config, '=') + 1;
    json_t *rows, *row;
    struct cli cli;

    push(w, 0, 1, ",'tenant':'t-1'");
    push(w, 1, 2, ",'tenant':'t-2'");
    world_start_worker(w, config, SHORT_PARKS);
    world_wait_results(w, 3, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "HLEN fl:{0}:holds") == 0);
    cli = world_cli(w, "-c", file, "budgets", "--json");
    ck_assert_msg(cli.exit_code == 0, "%s", cli.err);
    rows = world_json(w, cli.out);
    ck_assert_uint_eq(json_array_size(rows), 3);
    for (size_t i = 0; i < 2; i++) {
        bool one;

        row = json_array_get(rows, i);
        one = !strcmp(world_string_at(row, "for.tenant"), "t-1");
        ck_assert_str_eq(world_string_at(row, "name"), "each");
        ck_assert_int_ge(world_int_at(row, "spent_nanousd"),
                         (one ? INT64_C(1) : 2) * ANSWER_TOKENS * OUT_NANOUSD);
        ck_assert_int_eq(world_int_at(row, "percent"), world_int_at(row, "spent_nanousd") / 200000);
        ck_assert_int_eq(world_int_at(row, "reserved_nanousd"), 0);
    }
    row = json_array_get(rows, 2);
    ck_assert_str_eq(world_string_at(row, "for.tag.a"), "b");
    ck_assert_int_eq(world_int_at(row, "spent_nanousd"), 0);
    ck_assert_int_eq(world_int_at(row, "limit_nanousd"), 3000000000);
    cli = world_cli(w, "-c", file, "budgets");
    ck_assert_msg(strstr(cli.out, "tenant t-1") && strstr(cli.out, "tag a:b"), "%s", cli.out);
    world_free(w);
}
END_TEST

START_TEST(without_budgets_nothing_is_asked)
{
    struct world *w = new_world();

    push(w, 0, 20, "");
    world_start_worker(w);
    world_wait_results(w, 20, ALL_MS);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:budget fl:{0}:holds fl:{0}:holds-due"), 0);
    world_free(w);
}
END_TEST

Suite *test_budget(void)
{
    Suite *s = suite_create("budget");
    TCase *tc = tcase_create("budgets");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, a_thousand_parallel_jobs_never_spend_more_than_a_dollar);
    tcase_add_loop_test(tc, what_a_killed_worker_had_set_aside_is_spent_at_once_and_then_forgotten,
                        0, 2);
    tcase_add_test(tc, the_hold_of_a_streamed_call_lasts_as_long_as_it_may);
    tcase_add_test(tc, what_can_be_paid_is_done_and_the_rest_is_rejected);
    tcase_add_test(tc, what_waits_long_for_its_turn_keeps_no_money_from_others);
    tcase_add_test(tc, waiting_jobs_go_on_when_the_limit_is_raised);
    tcase_add_test(tc, what_can_never_be_paid_fails_at_once_and_what_has_no_price_is_told);
    tcase_add_test(tc, a_cheaper_route_is_taken_when_the_budget_is_used_up);
    tcase_add_test(tc, a_cheaper_route_that_cannot_do_it_is_passed_over);
    tcase_add_test(tc, a_key_of_another_type_is_told_once_and_holds_no_slot);
    tcase_add_test(tc, standard_jobs_go_to_the_batch_queue_and_wait_there);
    tcase_add_test(tc, the_command_shows_what_is_spent_and_set_aside);
    tcase_add_test(tc, without_budgets_nothing_is_asked);
    suite_add_tcase(s, tc);
    return s;
}
