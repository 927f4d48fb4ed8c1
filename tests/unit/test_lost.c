/* What a call may have cost whose worker died, when nobody knows which route it was at. */
#include <check.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/route/lost.h"

#define SPAN(s) ((struct span){s, strlen(s)})

static const char text[] =
    "models:\n- {id: cheap, tasks: [chat], input_usd: 1, output_usd: 1, quality: 1,\n"
    "   p50_ms: 1, default_for: [chat]}\n"
    "- {id: dear, tasks: [completion], input_usd: 100, output_usd: 100, quality: 1, p50_ms: 1}\n";

static struct config *cfg;

static void make(void)
{
    static const char *const no_env[] = {NULL};
    struct err err = {0};

    cfg = config_build("f.yaml", text, strlen(text), no_env, &err);
    ck_assert_msg(cfg, "%s", err.msg);
}

static void unmake(void) { config_free(cfg); }

static struct cost_event lost(const char *payload)
{
    static const struct record rec = {.run = 1, .attempts = 1, .type = JOB_INFERENCE};
    struct job job = {.payload = SPAN(payload)};
    struct cost_event e = {0};

    ck_assert(cost_of_lost_job(&e, "a", &rec, &job, &cfg->models, 1));
    route_lost(&e, &job, cfg, NULL);
    return e;
}

START_TEST(a_named_model_without_fallbacks_costs_what_it_costs)
{
    struct cost_event e = lost("{\"body\":{\"model\":\"cheap\",\"max_tokens\":8}}");

    ck_assert_int_eq(e.cost.estimate_nanousd, ((33 + 2) / 3 + 16 + 8) * INT64_C(1000));
}
END_TEST

START_TEST(fallbacks_count_with_the_dearest_of_them)
{
    struct cost_event e = lost("{\"body\":{\"model\":\"cheap\",\"max_tokens\":8},"
                               "\"fallbacks\":[\"nobody/knows\",\"dear\"]}");

    ck_assert_int_eq(e.cost.estimate_nanousd, ((33 + 2) / 3 + 16 + 8) * INT64_C(100000));
    ck_assert_uint_eq(e.cost.flags, COST_UNCONFIRMED);
}
END_TEST

START_TEST(a_free_choice_has_a_price_too)
{
    static const char *const payloads[] = {
        "{\"task\":\"chat\",\"body\":{\"model\":\"auto\",\"max_tokens\":8}}",
        "{\"task\":\"chat\",\"body\":{\"max_tokens\":8}}"};
    struct cost_event e = lost(payloads[_i]);

    ck_assert_int_ge(e.cost.estimate_nanousd, (6 + 16 + 8) * INT64_C(1000));
    ck_assert_uint_eq(e.cost.flags, COST_UNCONFIRMED);
}
END_TEST

Suite *test_lost(void);
Suite *test_lost(void)
{
    Suite *s = suite_create("test_lost");
    TCase *tc = tcase_create("lost");

    tcase_add_checked_fixture(tc, make, unmake);
    tcase_add_test(tc, a_named_model_without_fallbacks_costs_what_it_costs);
    tcase_add_test(tc, fallbacks_count_with_the_dearest_of_them);
    tcase_add_loop_test(tc, a_free_choice_has_a_price_too, 0, 2);
    suite_add_tcase(s, tc);
    return s;
}
