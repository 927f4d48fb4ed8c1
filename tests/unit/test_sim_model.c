/* test_sim_model.c - tokens, prices and settings of the simulator's models. */
#include <check.h>
#include <string.h>

#include <jansson.h>

#include "tests/sim/sim_model.h"

static struct sim_models models;

static struct sim_model *row(const char *id)
{
    return sim_model_find(&models, (struct span){id, strlen(id)});
}

static void setup(void) { sim_models_init(&models, 7); }
static void teardown(void) { sim_models_done(&models); }

/* ---- tokens ---- */

START_TEST(counts_a_token_for_every_four_bytes_rounded_up)
{
    static const int64_t tokens[] = {0, 1, 1, 1, 1, 2, 2, 2, 2, 3};

    ck_assert_int_eq(sim_tokens((size_t)_i), tokens[_i]);
}
END_TEST

/* ---- prices ---- */

static const struct {
    const char *id;
    int64_t prompt, cached, completion, nanousd;
} calls[] = {
    /* 0.17 and 0.25 USD per million: 9 * 170 + 3 * 250 */
    {"Qwen/Qwen3.5-9B", 9, 0, 3, 2280},
    {"Qwen/Qwen3.5-9B", 0, 0, 0, 0},
    {"Qwen/Qwen3.5-9B", 1000000, 0, 0, 170000000},
    /* no cached price: cached tokens cost what others do */
    {"Qwen/Qwen3.5-9B", 9, 9, 3, 2280},
    /* 3, 15 and 0.30 cached: 60 * 3000 + 40 * 300 + 10 * 15000 */
    {"moonshotai/Kimi-K3", 100, 40, 10, 342000},
    {"intfloat/multilingual-e5-large-instruct", 1, 0, 0, 20},
};

START_TEST(prices_a_call_by_its_tokens)
{
    ck_assert_int_eq(sim_price_tokens(row(calls[_i].id), calls[_i].prompt, calls[_i].cached,
                                      calls[_i].completion),
                     calls[_i].nanousd);
}
END_TEST

START_TEST(rounds_half_up_once)
{
    struct sim_model m = {.in_nanousd = 500000, .out_nanousd = 499999, .cached_nanousd = -1};

    ck_assert_int_eq(sim_price_tokens(&m, 1, 0, 0), 1); /* 0.5 */
    ck_assert_int_eq(sim_price_tokens(&m, 0, 0, 1), 0); /* 0.499999 */
    ck_assert_int_eq(sim_price_tokens(&m, 1, 0, 1), 1); /* 0.999999, not 1 + 0 */
    ck_assert_int_eq(sim_price_tokens(&m, 3, 0, 0), 2); /* 1.5 */
}
END_TEST

START_TEST(unknown_prices_cost_nothing)
{
    struct sim_model m = {.in_nanousd = -1, .out_nanousd = -1, .cached_nanousd = -1};

    ck_assert_int_eq(sim_price_tokens(&m, 1000000, 10, 1000000), 0);
}
END_TEST

START_TEST(prices_images_by_megapixel_or_by_piece)
{
    const struct sim_model *mega = row("black-forest-labs/FLUX.1-schnell");
    const struct sim_model *piece = row("black-forest-labs/FLUX.2-pro");

    ck_assert_int_eq(sim_price_images(mega, 1000, 1000, 1), 2700000);
    ck_assert_int_eq(sim_price_images(mega, 1024, 1024, 1), 2831155); /* 1.048576 MP */
    ck_assert_int_eq(sim_price_images(mega, 1000, 1000, 4), 10800000);
    ck_assert_int_eq(sim_price_images(piece, 4096, 4096, 2), 60000000);
    ck_assert_int_eq(sim_price_images(row("Qwen/Qwen3.5-9B"), 1000, 1000, 1), 0);
}
END_TEST

/* ---- settings ---- */

static const struct {
    const char *doc, *says; /* says NULL: accepted */
} settings[] = {
    {"{\"latency_ms\": 50}", NULL},
    {"{\"latency_ms\": -1}", "latency_ms: expected 0 to 3600000"},
    {"{\"latency_ms\": \"5\"}", "latency_ms: expected"},
    {"{\"latency\": 5}", "latency: not a setting"},
    {"{\"cached_percent\": 101}", "cached_percent: expected 0 to 100"},
    {"{\"stream\": \"b\", \"reasoning\": true, \"answer\": \"42\", \"listed\": false}", NULL},
    {"{\"stream\": \"c\"}", "stream: expected"},
    {"{\"answer\": 42}", "answer: expected a string"},
    {"{\"rate\": {\"start_per_s\": 10, \"window\": \"fixed\"}}", NULL},
    {"{\"rate\": null}", NULL},
    {"{\"rate\": {\"start_per_s\": 0}}", "rate: start_per_s >= 1"},
    {"{\"rate\": {\"start_per_s\": 1, \"window\": \"odd\"}}", "window is dynamic or fixed"},
    {"{\"rate\": {\"per_s\": 1}}", "rate: "},
    {"[]", "expected an object"},
};

START_TEST(takes_a_setting_or_says_what_is_wrong_with_it)
{
    json_t *doc = json_loads(settings[_i].doc, 0, NULL);
    struct err err = {0};
    bool ok = sim_models_set(&models, "Qwen/Qwen3.5-9B", doc, &err);

    ck_assert_int_eq(ok, settings[_i].says == NULL);
    if (!ok)
        ck_assert_msg(strstr(err.msg, settings[_i].says), "row %d said: %s", _i, err.msg);
    json_decref(doc);
}
END_TEST

START_TEST(settings_hold_until_a_reset)
{
    json_t *doc = json_loads("{\"latency_ms\": 50, \"answer\": \"42\", \"in_nanousd\": 9,"
                             " \"listed\": false}",
                             0, NULL);
    struct err err = {0};

    ck_assert_int_eq(row("zai-org/GLM-5.3")->latency_ms, 7);
    ck_assert(sim_models_set(&models, NULL, doc, &err));
    ck_assert_int_eq(row("zai-org/GLM-5.3")->latency_ms, 50);
    ck_assert_str_eq(row("Qwen/Qwen3.5-9B")->answer, "42");
    ck_assert_int_eq(row("Qwen/Qwen3.5-9B")->in_nanousd, 9);
    ck_assert(!row("Qwen/Qwen3.5-9B")->listed);
    sim_models_reset(&models);
    ck_assert_int_eq(row("zai-org/GLM-5.3")->latency_ms, 7);
    ck_assert_ptr_null(row("Qwen/Qwen3.5-9B")->answer);
    ck_assert_int_eq(row("Qwen/Qwen3.5-9B")->in_nanousd, 170000000);
    ck_assert(row("Qwen/Qwen3.5-9B")->listed);
    json_decref(doc);
}
END_TEST

START_TEST(adds_an_unknown_model_without_price_up_to_the_limit)
{
    char id[32];

    ck_assert_ptr_null(row("acme/new"));
    ck_assert_ptr_nonnull(sim_model_add(&models, (struct span){"acme/new", 8}));
    ck_assert_int_eq(row("acme/new")->in_nanousd, -1);
    ck_assert(!row("acme/new")->listed);
    while (models.count < SIM_MODELS_MAX) {
        int n = snprintf(id, sizeof(id), "acme/%zu", models.count);
        ck_assert_ptr_nonnull(sim_model_add(&models, (struct span){id, (size_t)n}));
    }
    ck_assert_ptr_null(sim_model_add(&models, (struct span){"acme/more", 9}));
    ck_assert_ptr_nonnull(sim_model_add(&models, (struct span){"acme/new", 8}));
}
END_TEST

Suite *test_sim_model(void);
Suite *test_sim_model(void)
{
    Suite *s = suite_create("test_sim_model");
    TCase *tc = tcase_create("model");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, counts_a_token_for_every_four_bytes_rounded_up, 0, 10);
    tcase_add_loop_test(tc, prices_a_call_by_its_tokens, 0, (int)ARRAY_LEN(calls));
    tcase_add_test(tc, rounds_half_up_once);
    tcase_add_test(tc, unknown_prices_cost_nothing);
    tcase_add_test(tc, prices_images_by_megapixel_or_by_piece);
    tcase_add_loop_test(tc, takes_a_setting_or_says_what_is_wrong_with_it, 0,
                        (int)ARRAY_LEN(settings));
    tcase_add_test(tc, settings_hold_until_a_reset);
    tcase_add_test(tc, adds_an_unknown_model_without_price_up_to_the_limit);
    suite_add_tcase(s, tc);
    return s;
}
