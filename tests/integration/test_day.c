/* test_day.c - a day in ten hours of a second or two each: prices change, the provider has its
 * troubles, processes die, and in the end the books agree with the provider's to the nano-dollar.
 *
 * Every cost event that is not flagged `unconfirmed` must be one item of the
 * provider's bill: the same model, tokens and amount.  What the bill has beyond
 * that are calls whose answer was lost: no more of them than unconfirmed events,
 * and no dearer than these estimate.
 *
 * Each hour begins with a trouble and JOBS jobs, and ends when they have ended;
 * then prices may change, as between two looks at the provider's catalogue. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { JOBS = 120, ALL_MS = 60000, LATENCY_MS = 60 };

struct day {
    struct world *w;
    struct program *worker;
    int hour, pushed;
};

/* ---- hours ----------------------------------------------------------------- */
static void quiet(struct day *d) { (void)d; }

static void is_slow(struct day *d) { world_sim_latency(d->w, 10 * LATENCY_MS); }
static void is_quick(struct day *d) { world_sim_latency(d->w, LATENCY_MS); }

static void fails_now_and_then(struct day *d)
{
    world_sim_faults(d->w, "[{'path':'/v1/chat/completions','status':500,'times':9},"
                           "{'path':'/v1/chat/completions','status':503,'times':9},"
                           "{'path':'/v1/chat/completions','status':502,'times':5}]");
}

static void throttles(struct day *d)
{
    world_sim(d->w, "POST", "/_sim/rate",
              "{\"start_per_s\":60,\"growth_per_clean_s\":10,\"cut_percent\":20}");
}

static void throttles_no_more(struct day *d)
{
    world_sim(d->w, "POST", "/_sim/rate", "{\"start_per_s\":0}");
}

static void breaks_answers_off(struct day *d)
{
    world_sim_faults(d->w, "[{'path':'/v1/chat/completions','close':'middle','times':4},"
                           "{'path':'/v1/chat/completions','close':'before','times':4}]");
}

static void is_down(struct day *d)
{
    world_sim_faults(d->w, "{'path':'/v1/chat/completions','status':503,'times':60}");
}

static void loses_a_worker(struct day *d)
{
    pid_t pids[8];

    WAIT_UNTIL(d->w, ALL_MS, world_int_at(world_sim_ledger(d->w), "in_flight") >= 20);
    ck_assert_uint_eq(world_worker_pids(d->worker, pids, ARRAY_LEN(pids)), 2);
    kill(pids[0], SIGKILL);
}

static void loses_redis_for_a_moment(struct day *d)
{
    WAIT_UNTIL(d->w, ALL_MS, world_int_at(world_sim_ledger(d->w), "in_flight") >= 20);
    world_redis_kill(d->w);
    world_redis_start(d->w);
}

/* after: it happens once the jobs of the hour run. */
static const struct {
    void (*trouble)(struct day *d), (*after)(struct day *d), (*ends)(struct day *d);
    int price_percent; /* of all chat models, from then on */
} hours[] = {
    {quiet, quiet, quiet, 100},
    {fails_now_and_then, quiet, quiet, 100},
    {is_slow, loses_a_worker, is_quick, 130},
    {throttles, quiet, throttles_no_more, 130},
    {breaks_answers_off, quiet, quiet, 77},
    {quiet, quiet, quiet, 250},
    {is_down, quiet, quiet, 250},
    {is_slow, loses_redis_for_a_moment, is_quick, 40},
    {is_slow, loses_a_worker, is_quick, 40},
    {quiet, quiet, quiet, 100},
};

/* ---- jobs ------------------------------------------------------------------ */
static const char *const models[] = {"auto", "openai/gpt-oss-20b", "Qwen/Qwen3.5-9B",
                                     "deepseek-ai/DeepSeek-V4-Flash-0731"};

/* A quarter routed; every tenth may be answered from what is known; every seventh is a stream. */
static void push_jobs(struct day *d)
{
    for (int i = 0; i < JOBS; i++) {
        int n = d->pushed++;

        world_push(d->w,
                   "{'id':'d-%d','type':'inference','max_attempts':20,'backoff':{'type':'fixed',"
                   "'delay_ms':50},'tenant':'t%d','payload':{'task':'chat','allow_cached':%s,"
                   "'body':{'model':'%s','stream':%s,'max_tokens':%d,'messages':[{'role':'user',"
                   "'content':'job %d %.*s'}]}}}",
                   n, n % 3, n % 10 ? "false" : "true", models[n % (int)ARRAY_LEN(models)],
                   n % 7 ? "false" : "true", 4 + n % 60, n % 10 ? n : 0, n % 90,
                   "and so on and so on and so on and so on and so on and so on and so on and so "
                   "on and so on");
    }
}

static void set_prices(struct day *d, int percent)
{
    static const struct {
        const char *id;
        int64_t in, out;
    } rows[] = {{"openai/gpt-oss-20b", 50000000, 200000000},
                {"Qwen/Qwen3.5-9B", 170000000, 250000000},
                {"deepseek-ai/DeepSeek-V4-Flash-0731", 140000000, 280000000}};
    int loaded = look_logged(d->worker, "event=catalogue.loaded ");
    const char *doc = "";

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        doc = world_text(d->w, "%s%s\"%s\":{\"in_nanousd\":%lld,\"out_nanousd\":%lld}", doc,
                         i ? "," : "{", rows[i].id, (long long)(rows[i].in * percent / 100),
                         (long long)(rows[i].out * percent / 100));
    /* at once: a catalogue that is fetched in between would have some of them */
    world_sim(d->w, "POST", "/_sim/models", world_text(d->w, "%s}", doc));
    /* each of both processes has seen the last of them */
    WAIT_UNTIL(d->w, ALL_MS, look_logged(d->worker, "event=catalogue.loaded ") >= loaded + 2);
}

/* ---- the books ------------------------------------------------------------- */
static json_t *key_of(struct world *w, json_t *x, const char *cost)
{
    return json_string(world_text(w, "%s %lld %lld %lld", world_string_at(x, "model"),
                                  (long long)world_int_at(x, "prompt_tokens"),
                                  (long long)world_int_at(x, "completion_tokens"),
                                  (long long)world_int_at(x, cost)));
}

static void count(json_t *counts, json_t *take_key, int by)
{
    const char *text = json_string_value(take_key);

    json_object_set_new(counts, text,
                        json_integer(json_integer_value(json_object_get(counts, text)) + by));
    json_decref(take_key);
}

static void check_books(struct world *w)
{
    json_t *items = world_sim_items(w), *costs = world_costs(w), *one, *counts = json_object();
    size_t i, unconfirmed = 0, beyond = 0;
    const char *text;

    json_array_foreach (items, i, one)
        if (world_int_at(one, "billed_nanousd") > 0)
            count(counts, key_of(w, one, "billed_nanousd"), 1);
    json_array_foreach (costs, i, one) {
        unconfirmed += facts_flagged(one, "unconfirmed");
        if (world_int_at(one, "cost_nanousd") > 0)
            count(counts, key_of(w, one, "cost_nanousd"), -1);
    }
    json_object_foreach (counts, text, one) {
        if (json_integer_value(one) < 0)
            world_fail(w, "the books have %lld of '%s' that the provider did not bill",
                       (long long)-json_integer_value(one), text);
        beyond += (size_t)json_integer_value(one);
    }
    if (beyond > unconfirmed)
        world_fail(w, "%zu billed calls are not in the books, and %zu events are unconfirmed",
                   beyond, unconfirmed);
    json_decref(counts);
}

START_TEST(the_books_of_a_day_agree_with_the_providers)
{
    struct day d = {.w = world_new(.simulator = true, .appendfsync = "always")};
    const struct results *all;

    world_sim_latency(d.w, LATENCY_MS);
    d.worker = world_start_worker(
        d.w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_HEARTBEAT_MS=100",
        "FLOTILLA_RETRY_PARK_MIN_MS=50", "FLOTILLA_RETRY_PARK_MAX_MS=500",
        "FLOTILLA_ROUTING_PROBE_MIN_MS=100", "FLOTILLA_ROUTING_PROBE_MAX_MS=1000");
    WAIT_UNTIL(d.w, ALL_MS, world_int(d.w, "HLEN fl:{0}:workers") == 2);
    world_start_scheduler(d.w, "FLOTILLA_ROUTING_CATALOGUE_MS=300");
    WAIT_UNTIL(d.w, ALL_MS, look_logged(d.worker, "event=catalogue.loaded ") >= 2);
    for (d.hour = 0; d.hour < (int)ARRAY_LEN(hours); d.hour++) {
        if (d.hour && hours[d.hour].price_percent != hours[d.hour - 1].price_percent)
            set_prices(&d, hours[d.hour].price_percent);
        hours[d.hour].trouble(&d);
        push_jobs(&d);
        hours[d.hour].after(&d);
        world_wait_results(d.w, d.pushed, ALL_MS);
        hours[d.hour].ends(&d);
    }
    all = world_results(d.w);
    world_check_one_result_each(d.w, d.pushed);
    for (size_t i = 0; i < all->count; i++)
        ck_assert_msg(!strcmp(all->items[i].status, "completed"), "%s",
                      facts_result_text(d.w, all->items[i].id));
    world_check_money(d.w);
    check_books(d.w);
    world_free(d.w);
}
END_TEST

Suite *test_day(void)
{
    Suite *s = suite_create("day");
    TCase *tc = tcase_create("day");

    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, the_books_of_a_day_agree_with_the_providers);
    suite_add_tcase(s, tc);
    return s;
}
