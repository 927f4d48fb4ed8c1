/* What we say a call costs and what the simulator bills for it: two pieces of code, one number. */
#include <check.h>

#include "common/model/cost.h"
#include "tests/sim/sim_model.h"

enum { CALLS = 2000 };

static struct model_table models;
static struct sim_models sim;

static void make_models(void)
{
    model_table_builtin(&models);
    sim_models_init(&sim, 0);
    ck_assert_uint_eq(models.count, sim.count);
}

static void free_models(void)
{
    model_table_done(&models);
    sim_models_done(&sim);
}

/* The same numbers in every run. */
static int64_t next_number(uint64_t *seed, int64_t max)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (int64_t)((*seed >> 33) % (uint64_t)(max + 1));
}

START_TEST(tokens_cost_what_the_simulator_bills)
{
    uint64_t seed = 7;

    for (size_t i = 0; i < models.count; i++)
        for (int call = 0; call < CALLS; call++) {
            int64_t prompt = next_number(&seed, call % 2 ? 40 : 1000000);
            int64_t cached = next_number(&seed, prompt);
            int64_t completion = next_number(&seed, call % 3 ? 40 : 100000);
            bool unpriced;

            ck_assert_int_eq(cost_of_tokens(&models.rows[i], prompt, cached, completion, &unpriced),
                             sim_price_tokens(&sim.rows[i], prompt, cached, completion));
            ck_assert(!unpriced);
        }
}
END_TEST

START_TEST(images_cost_what_the_simulator_bills)
{
    uint64_t seed = 8;
    int seen = 0;

    for (size_t i = 0; i < models.count; i++)
        for (int call = 0; call < CALLS && models.rows[i].tasks & TASK_IMAGE; call++, seen++) {
            int64_t width = 16 + next_number(&seed, 8176), height = 16 + next_number(&seed, 8176);
            int64_t n = 1 + next_number(&seed, 3);
            struct usage u = {.images = n};
            struct buf body = BUF(200);
            struct cost c;

            buf_printf(&body, "{\"width\":%ld,\"height\":%ld,\"n\":%ld}", (long)width, (long)height,
                       (long)n);
            cost_of_answer(&c, &models.rows[i], TASK_IMAGE, buf_span(&body), &u, (struct span){0});
            ck_assert_int_eq(c.cost_nanousd, sim_price_images(&sim.rows[i], width, height, n));
            buf_done(&body);
        }
    ck_assert_int_gt(seen, CALLS);
}
END_TEST

Suite *test_cost_sim(void);
Suite *test_cost_sim(void)
{
    Suite *s = suite_create("test_cost_sim");
    TCase *tc = tcase_create("cost_sim");

    tcase_add_checked_fixture(tc, make_models, free_models);
    tcase_add_test(tc, tokens_cost_what_the_simulator_bills);
    tcase_add_test(tc, images_cost_what_the_simulator_bills);
    suite_add_tcase(s, tc);
    return s;
}
