/* test_catalogue.c - what providers offer at what price, fetched by internal jobs, and used. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define MODEL "openai/gpt-oss-20b"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";
static const char once[] = "FLOTILLA_ROUTING_CATALOGUE_MS=86400000";
static const char often[] = "FLOTILLA_ROUTING_CATALOGUE_MS=500";

/* How often the provider was asked for its catalogue. */
static size_t fetches(struct world *w)
{
    json_t *items = world_sim_items(w), *item;
    size_t i, n = 0;

    json_array_foreach (items, i, item)
        n += strcmp(world_string_at(item, "path"), "/v1/models") == 0;
    return n;
}

static const char *stamp(struct world *w)
{
    const char *text = world_string(w, "HGET fl:{0}:catalogues together");

    return text ? world_text(w, "%s", text) : "";
}

static void set_models(struct world *w, const char *settings)
{
    world_sim(w, "POST", "/_sim/models", settings);
}

static size_t alerts_about(struct world *w, const char *code, const char *subject)
{
    json_t *all = world_alerts(w), *one;
    size_t i, n = 0;

    json_array_foreach (all, i, one)
        n += !strcmp(world_string_at(one, "code"), code) &&
             !strcmp(world_string_at(one, "subject"), subject);
    return n;
}

START_TEST(a_catalogue_is_fetched_once_whichever_scheduler_works)
{
    static const char lease[] = "FLOTILLA_SCHEDULER_LEASE_MS=500";
    struct world *w = world_new(.simulator = true);
    struct program *holder = world_start_scheduler(w, once, lease);

    WAIT_UNTIL(w, 5000, look_logged(holder, "event=lease.held ") == 1);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:errands"), 0); /* nobody would run it */
    world_start_worker(w, one_process, once);
    WAIT_UNTIL(w, 10000, world_int(w, "EXISTS fl:models:together") == 1 && *stamp(w));
    program_kill(holder);
    holder = world_start_scheduler(w, once, lease);
    WAIT_UNTIL(w, 10000, look_logged(holder, "event=lease.held ") == 1);
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_wait_results(w, 1, 10000); /* by then the new one has looked as well */
    ck_assert_uint_eq(fetches(w), world_redis(w, "KEYS fl:{0}:job:catalogue~*")->elements);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 0);
    ck_assert_int_gt(world_int(w, "PTTL fl:models:together"), 3600000);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(what_is_kept_are_rounded_prices)
{
    struct world *w = world_new(.simulator = true);
    json_t *kept, *model;
    size_t i, found = 0;

    world_start_both(w, one_process, once);
    WAIT_UNTIL(w, 10000, world_int(w, "EXISTS fl:models:together") == 1);
    kept = world_json(w, world_string(w, "GET fl:models:together"));
    ck_assert_str_eq(world_string_at(kept, "provider"), "together");
    json_array_foreach (json_object_get(kept, "models"), i, model) {
        if (strcmp(world_string_at(model, "id"), "meta-llama/Llama-3.3-70B-Instruct-Turbo") != 0)
            continue;
        found++;
        ck_assert(json_equal(json_object_get(model, "input_usd"), json_real(1.04)));
        ck_assert_int_eq(world_int_at(model, "context"), 131072);
    }
    ck_assert_uint_eq(found, 1);
    world_free(w);
}
END_TEST

START_TEST(what_got_worse_is_an_alert)
{
    struct world *w = world_new(.simulator = true);
    size_t before;

    world_start_both(w, one_process, often);
    WAIT_UNTIL(w, 10000, *stamp(w));
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 0);
    set_models(w, "{\"" MODEL "\":{\"in_nanousd\":80000000},\"zai-org/GLM-5.2\":{\"listed\":false},"
                  "\"openai/gpt-oss-120b\":{\"out_nanousd\":500000000}}");
    WAIT_UNTIL(w, 10000, alerts_about(w, "price_changed", MODEL) == 1);
    ck_assert_uint_eq(alerts_about(w, "model_unlisted", "zai-org/GLM-5.2"), 1);
    before = fetches(w);
    WAIT_UNTIL(w, 10000, fetches(w) > before + 1);
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 2); /* cheaper is no alert */
    world_free(w);
}
END_TEST

START_TEST(a_provider_without_a_catalogue_is_told_once_in_the_log)
{
    struct world *w = world_new(.simulator = true);
    struct program *worker;

    world_sim_faults(w, "{'path':'/models','status':404,'times':-1}");
    world_start_scheduler(w, often);
    worker = world_start_worker(w, one_process, often);
    WAIT_UNTIL(w, 10000, fetches(w) >= 3);
    ck_assert_int_eq(look_logged(worker, "event=catalogue.none "), 1);
    ck_assert_str_eq(stamp(w), "none");
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_free(w);
}
END_TEST

START_TEST(producers_cannot_ask_for_a_catalogue)
{
    struct world *w = world_new();

    world_start_scheduler(w);
    world_push(w, "{'id':'a','type':'catalogue','payload':{'provider':'together'}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "error.code"), "unknown_type");
    world_free(w);
}
END_TEST

Suite *test_catalogue(void)
{
    Suite *s = suite_create("catalogue");
    TCase *tc = tcase_create("catalogue");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, a_catalogue_is_fetched_once_whichever_scheduler_works);
    tcase_add_test(tc, what_is_kept_are_rounded_prices);
    tcase_add_test(tc, what_got_worse_is_an_alert);
    tcase_add_test(tc, a_provider_without_a_catalogue_is_told_once_in_the_log);
    tcase_add_test(tc, producers_cannot_ask_for_a_catalogue);
    suite_add_tcase(s, tc);
    return s;
}
