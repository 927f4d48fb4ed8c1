/* test_cost.c - what a call costs: tokens, images, answers without usage, lost answers. */

#include <check.h>
#include <string.h>

#include "common/model/cost.h"

#define SPAN(s) ((struct span){s, strlen(s)})

/* ---- tokens ---- */

static const struct {
    int64_t in, cached_price, out, prompt, cached, completion, nanousd;
    bool unpriced;
} products[] = {
    {170000000, -1, 250000000, 9, 0, 3, 2280, false}, /* Qwen3.5-9B: the example of the documents */
    {170000000, -1, 250000000, 0, 0, 0, 0, false},
    {300000000, 60000000, 1200000000, 1000, 600, 10, 168000, false}, /* a price for cached tokens */
    {300000000, 0, 1200000000, 1000, 600, 0, 120000, false},         /* cached tokens are free */
    {300000000, -1, 0, 1000, 600, 5, 300000, false},   /* cached cost what others cost */
    {1000000, 1000000, 1000000, 10, 99, 0, 10, false}, /* cached: never more than prompt */
    {1000000, 0, 1000000, 10, -5, 0, 10, false},
    {1000000, -1, 1000000, -10, 0, -10, 0, false},
    {499999, -1, 0, 1, 0, 0, 0, false}, /* rounded half up, once */
    {500000, -1, 0, 1, 0, 0, 1, false},
    {500000, -1, 499999, 1, 0, 1, 1, false},
    {250000, -1, 250000, 1, 0, 1, 1, false},
    {1, -1, 0, 500000, 0, 0, 1, false},
    {1040000000, -1, 1040000000, 119, 0, 95, 222560, false},
    {-1, -1, 250000000, 100, 0, 4, 1000, true},
    {170000000, -1, -1, 100, 0, 4, 17000, true},
    {-1, -1, -1, 0, 0, 0, 0, false}, /* nothing was used, nothing is unknown */
    {-1, 60000000, 0, 100, 100, 0, 6000, false},
    /* products far over 64 bits */
    {INT64_C(1) << 40, -1, 0, INT64_C(1) << 40, 0, 0, INT64_C(1208925819614629175), false},
    {INT64_C(1) << 62, 0, 0, 1000000, 0, 0, INT64_C(1) << 62, false},
    {INT64_C(1) << 62, -1, INT64_C(1) << 62, INT64_C(1) << 62, 0, INT64_C(1) << 62, INT64_MAX,
     false},
    {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX / 2, INT64_MAX, INT64_MAX, false},
};

START_TEST(multiplies_tokens_and_prices)
{
    struct model m = {.in_nanousd = products[_i].in,
                      .cached_nanousd = products[_i].cached_price,
                      .out_nanousd = products[_i].out};
    bool unpriced = !products[_i].unpriced;
    int64_t cost = cost_of_tokens(&m, products[_i].prompt, products[_i].cached,
                                  products[_i].completion, &unpriced);

    ck_assert_msg(cost == products[_i].nanousd, "row %d: %lld", _i, (long long)cost);
    ck_assert_msg(unpriced == products[_i].unpriced, "row %d", _i);
}
END_TEST

START_TEST(a_model_without_a_row_costs_an_unknown_price)
{
    bool unpriced = false;

    ck_assert_int_eq(cost_of_tokens(NULL, 10, 0, 10, &unpriced), 0);
    ck_assert(unpriced);
}
END_TEST

/* ---- answers ---- */

static const struct model chat = {.tasks = TASK_CHAT,
                                  .in_nanousd = 300000000,
                                  .out_nanousd = 1200000000,
                                  .cached_nanousd = 60000000,
                                  .context = 1000};

START_TEST(an_answer_with_usage_costs_what_it_says)
{
    struct usage u = {
        .there = true, .prompt_tokens = 1000, .completion_tokens = 10, .cached_tokens = 600};
    struct cost c;

    cost_of_answer(&c, &chat, TASK_CHAT, SPAN("{}"), &u, SPAN("{}"));
    ck_assert_int_eq(c.prompt_tokens, 1000);
    ck_assert_int_eq(c.completion_tokens, 10);
    ck_assert_int_eq(c.cached_tokens, 600);
    ck_assert_int_eq(c.cost_nanousd, 168000);
    ck_assert_int_eq(c.list_cost_nanousd, 312000); /* without the discount for cached tokens */
    ck_assert_int_eq(c.estimate_nanousd, 0);
    ck_assert_uint_eq(c.flags, 0);
    ck_assert_ptr_null(c.unit);
}
END_TEST

START_TEST(an_answer_without_usage_is_measured_and_flagged)
{
    struct usage u = {0};
    struct cost c;

    cost_of_answer(&c, &chat, TASK_CHAT, SPAN("{\"messages\":[{\"content\":\"12345678\"}]}"), &u,
                   SPAN("{\"choices\":[{\"message\":{\"content\":\"1234\"}}]}"));
    ck_assert_int_eq(c.prompt_tokens, 2);
    ck_assert_int_eq(c.completion_tokens, 1);
    ck_assert_int_eq(c.cost_nanousd, 600 + 1200);
    ck_assert_uint_eq(c.flags, COST_ESTIMATED);
}
END_TEST

#define WORDS32    "12345678123456781234567812345678"
#define SAYS(text) "{\"choices\":[{\"message\":{\"content\":\"" text "\"}}]}"

/* Without usage: what may have been used is the bound, whatever came. */
static const struct {
    unsigned task;
    int64_t context;
    const char *body, *answer;
    int64_t prompt, completion;
} unmetered[] = {
    {TASK_CHAT, 0, "{\"messages\":[{\"content\":\"Hi\"}]}", SAYS(WORDS32 "1"), 1,
     9}, /* rounded up */
    {TASK_CHAT, 0, "{\"max_tokens\":8,\"messages\":[]}", SAYS(WORDS32), 0, 8},
    {TASK_CHAT, 0, "{\"max_tokens\":8,\"messages\":[]}", SAYS(WORDS32 WORDS32), 0,
     8}, /* long words */
    {TASK_CHAT, 0, "{\"max_completion_tokens\":3,\"n\":2}",
     "{\"choices\":[{\"text\":\"" WORDS32 "\"},{\"text\":\"" WORDS32 "\"},{\"text\":\"" WORDS32
     "\"}]}",
     0, 6}, /* a choice too many */
    {TASK_CHAT, 5, "{\"messages\":[{\"content\":\"" WORDS32 "\"}]}", SAYS(WORDS32), 5, 5},
    {TASK_EMBEDDING, 0, "{\"input\":\"" WORDS32 "\"}", SAYS(WORDS32), 8, 0},
    {TASK_RERANK, 0, "{\"query\":\"q\",\"documents\":[\"d\"]}", SAYS(WORDS32), 2, 0},
    {TASK_COMPLETION, 0, "", SAYS(WORDS32), 0, 8},
};

START_TEST(an_estimate_is_never_more_than_what_may_have_been_used)
{
    const struct model m = {.in_nanousd = 300000000,
                            .cached_nanousd = -1,
                            .out_nanousd = 1200000000,
                            .context = unmetered[_i].context};
    const struct span body = SPAN(unmetered[_i].body);
    struct usage u = {0};
    struct cost c, lost;

    cost_of_answer(&c, &m, unmetered[_i].task, body, &u, SPAN(unmetered[_i].answer));
    cost_of_lost(&lost, &m, unmetered[_i].task, body);
    ck_assert_uint_eq(c.flags, COST_ESTIMATED);
    ck_assert_int_eq(c.prompt_tokens, unmetered[_i].prompt);
    ck_assert_int_eq(c.completion_tokens, unmetered[_i].completion);
    ck_assert_int_eq(c.cost_nanousd, c.list_cost_nanousd);
    ck_assert_int_le(c.cost_nanousd, lost.estimate_nanousd);
}
END_TEST

START_TEST(an_answer_that_came_without_end_costs_no_more_than_was_reserved)
{
    const struct model m = {.in_nanousd = 1000, .cached_nanousd = -1, .out_nanousd = 1200000000};
    struct buf answer = BUF(1 << 22);
    struct usage u = {0};
    struct cost c, lost;
    const struct span body = SPAN("{\"messages\":[{\"content\":\"Hi\"}]}");

    buf_puts(&answer, "{\"choices\":[{\"message\":{\"content\":\"");
    for (int i = 0; i < 100000; i++)
        buf_puts(&answer, "0123456789");
    buf_puts(&answer, "\"}}]}");
    cost_of_answer(&c, &m, TASK_CHAT, body, &u, buf_span(&answer));
    cost_of_lost(&lost, &m, TASK_CHAT, body);
    ck_assert_int_eq(c.completion_tokens, 16384);
    ck_assert_int_le(c.cost_nanousd, lost.estimate_nanousd);
    buf_done(&answer);
}
END_TEST

START_TEST(an_embedding_without_usage_costs_its_prompt)
{
    struct model m = {.in_nanousd = 20000000, .cached_nanousd = -1};
    struct usage u = {0};
    struct cost c;

    cost_of_answer(&c, &m, TASK_EMBEDDING, SPAN("{\"input\":[\"12345\",\"1\"]}"), &u,
                   SPAN("{\"data\":[{\"embedding\":[0.1]}]}"));
    ck_assert_int_eq(c.prompt_tokens, 3);
    ck_assert_int_eq(c.completion_tokens, 0);
    ck_assert_int_eq(c.cost_nanousd, 60);
    ck_assert_uint_eq(c.flags, COST_ESTIMATED);
}
END_TEST

START_TEST(an_answer_of_an_unknown_model_is_unpriced_but_counted)
{
    struct usage u = {.there = true, .prompt_tokens = 7, .completion_tokens = 5};
    struct cost c;

    cost_of_answer(&c, NULL, TASK_CHAT, SPAN("{}"), &u, SPAN("{}"));
    ck_assert_int_eq(c.prompt_tokens, 7);
    ck_assert_int_eq(c.cost_nanousd, 0);
    ck_assert_uint_eq(c.flags, COST_UNPRICED);
}
END_TEST

/* A provider says the most that reply.c takes, at a price that no configuration should have. */
START_TEST(text_of_a_model_that_writes_none_has_no_price)
{
    static const struct {
        unsigned tasks;
        int64_t in, nanousd;
        bool unpriced;
    } rows[] = {{TASK_IMAGE, 0, 0, true},
                {TASK_EMBEDDING, 1000000, 9, true},
                {TASK_IMAGE | TASK_CHAT, 0, 0, false}, /* it may be free */
                {0, 0, 0, false}};
    const struct usage u = {.there = true, .prompt_tokens = 9, .completion_tokens = 3};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        const struct model m = {
            .tasks = rows[i].tasks, .in_nanousd = rows[i].in, .cached_nanousd = -1};
        struct cost c;

        cost_of_answer(&c, &m, TASK_CHAT, SPAN("{}"), &u, SPAN("{}"));
        ck_assert_msg(c.cost_nanousd == rows[i].nanousd, "row %zu", i);
        ck_assert_msg(!!(c.flags & COST_UNPRICED) == rows[i].unpriced, "row %zu", i);
        cost_of_lost(&c, &m, TASK_CODE, SPAN("{\"max_tokens\":3}"));
        ck_assert_msg(!!(c.flags & COST_UNPRICED) == rows[i].unpriced, "row %zu", i);
        cost_of_answer(&c, &m, TASK_EMBEDDING, SPAN("{}"), &u, SPAN("{}"));
        ck_assert_msg(!(c.flags & COST_UNPRICED), "row %zu", i);
    }
}
END_TEST

START_TEST(what_does_not_fit_is_cut_and_flagged)
{
    const struct model m = {
        .in_nanousd = INT64_MAX, .out_nanousd = INT64_MAX, .cached_nanousd = -1};
    struct usage u = {.there = true, .prompt_tokens = 999999999, .completion_tokens = 999999999};
    struct cost c, sum = {.cost_nanousd = 5, .prompt_tokens = INT64_MAX - 1};

    cost_of_answer(&c, &m, TASK_CHAT, SPAN("{}"), &u, SPAN("{}"));
    ck_assert_int_eq(c.cost_nanousd, INT64_MAX);
    ck_assert_int_eq(c.list_cost_nanousd, INT64_MAX);
    ck_assert_uint_eq(c.flags, COST_ESTIMATED);
    u.completion_tokens = 0;
    u.prompt_tokens = 900000;
    cost_of_answer(&c, &m, TASK_CHAT, SPAN("{}"), &u, SPAN("{}"));
    ck_assert_uint_eq(c.flags, 0);
    for (int i = 0; i < 3; i++) {
        ck_assert_uint_eq(sum.flags, i < 2 ? 0 : COST_ESTIMATED);
        cost_add(&sum, &c);
    }
    ck_assert_int_eq(sum.cost_nanousd, INT64_MAX);
    ck_assert_int_eq(sum.list_cost_nanousd, INT64_MAX);
    ck_assert_int_eq(sum.prompt_tokens, INT64_MAX);
    ck_assert_int_eq(sum.estimate_nanousd, 0);
}
END_TEST

/* ---- images ---- */

static const struct {
    enum image_unit unit;
    unsigned flags;
    int64_t price;
    const char *body;
    int64_t came, nanousd, units;
    const char *unit_name;
} images[] = {
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"width\":1000,\"height\":1000}", 0, 2700000, 1000,
     "megapixels"},
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"prompt\":\"p\"}", 0, 2831155, 1049,
     "megapixels"}, /* 1024 x 1024 */
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"width\":512,\"height\":512,\"n\":4}", 0, 2831155, 1049,
     "megapixels"},
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"width\":512,\"height\":512,\"n\":4}", 2, 1415578, 524,
     "megapixels"},
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"width\":512,\"height\":512,\"steps\":40}", 0, 707789, 262,
     "megapixels"},
    {IMAGE_MEGAPIXEL, 0, 1, "{\"width\":1000,\"height\":500}", 0, 1, 500,
     "megapixels"}, /* half up */
    {IMAGE_MEGAPIXEL, 0, 1, "{\"width\":1000,\"height\":499}", 0, 0, 499, "megapixels"},
    {IMAGE_MEGAPIXEL, 0, 2700000, "{\"width\":-1,\"height\":\"x\",\"n\":0}", 0, 2831155, 1049,
     "megapixels"},
    {IMAGE_MEGAPIXEL, COST_ESTIMATED, INT64_MAX,
     "{\"width\":9000000000000000000,\"height\":9000000000000000000,\"n\":9000000000000000000}", 0,
     INT64_MAX, 10000000000000, "megapixels"},
    {IMAGE_PIECE, 0, 15400000, "{\"n\":3}", 0, 46200000, 3, "images"},
    {IMAGE_PIECE, 0, 15400000, "{\"n\":3}", 1, 15400000, 1, "images"},
    {IMAGE_PIECE, COST_UNPRICED, -1, "{\"n\":3}", 0, 0, 3, "images"},
    {IMAGE_NONE, COST_UNPRICED, 5, "{\"n\":3}", 0, 0, 3, "images"},
};

START_TEST(images_cost_by_pixel_or_by_piece)
{
    struct model m = {.image_unit = images[_i].unit, .image_nanousd = images[_i].price};
    struct usage u = {.images = images[_i].came};
    struct cost c;

    cost_of_answer(&c, &m, TASK_IMAGE, SPAN(images[_i].body), &u, SPAN("{}"));
    ck_assert_msg(c.cost_nanousd == images[_i].nanousd, "row %d: %lld", _i,
                  (long long)c.cost_nanousd);
    ck_assert_msg(c.units == images[_i].units, "row %d: %lld units", _i, (long long)c.units);
    ck_assert_str_eq(c.unit, images[_i].unit_name);
    ck_assert_uint_eq(c.flags, images[_i].flags);
    ck_assert_int_eq(c.list_cost_nanousd, c.cost_nanousd);
}
END_TEST

/* ---- lost answers ---- */

START_TEST(a_lost_answer_costs_nothing_for_sure_and_much_perhaps)
{
    struct cost c;

    cost_of_lost(&c, &chat, TASK_CHAT, SPAN("{\"max_tokens\":100}"));
    ck_assert_int_eq(c.cost_nanousd, 0);
    ck_assert_int_eq(c.list_cost_nanousd, 0);
    ck_assert_int_eq(c.prompt_tokens, 0);
    ck_assert_int_eq(c.estimate_nanousd, 22 * 300 + 100 * 1200);
    ck_assert_uint_eq(c.flags, COST_UNCONFIRMED);
    cost_of_lost(&c, NULL, TASK_CHAT, SPAN("{}"));
    ck_assert_int_eq(c.estimate_nanousd, 0);
    ck_assert_uint_eq(c.flags, COST_UNCONFIRMED | COST_UNPRICED);
}
END_TEST

START_TEST(a_lost_image_may_cost_all_that_were_asked_for)
{
    struct model m = {.image_unit = IMAGE_PIECE, .image_nanousd = 30000000};
    struct cost c;

    cost_of_lost(&c, &m, TASK_IMAGE, SPAN("{\"n\":4}"));
    ck_assert_int_eq(c.cost_nanousd, 0);
    ck_assert_int_eq(c.estimate_nanousd, 120000000);
    ck_assert_uint_eq(c.flags, COST_UNCONFIRMED);
}
END_TEST

Suite *test_cost(void);
Suite *test_cost(void)
{
    Suite *s = suite_create("test_cost");
    TCase *tc = tcase_create("cost");

    tcase_add_loop_test(tc, multiplies_tokens_and_prices, 0, (int)ARRAY_LEN(products));
    tcase_add_test(tc, a_model_without_a_row_costs_an_unknown_price);
    tcase_add_test(tc, an_answer_with_usage_costs_what_it_says);
    tcase_add_test(tc, an_answer_without_usage_is_measured_and_flagged);
    tcase_add_loop_test(tc, an_estimate_is_never_more_than_what_may_have_been_used, 0,
                        (int)ARRAY_LEN(unmetered));
    tcase_add_test(tc, an_answer_that_came_without_end_costs_no_more_than_was_reserved);
    tcase_add_test(tc, an_embedding_without_usage_costs_its_prompt);
    tcase_add_test(tc, an_answer_of_an_unknown_model_is_unpriced_but_counted);
    tcase_add_test(tc, text_of_a_model_that_writes_none_has_no_price);
    tcase_add_test(tc, what_does_not_fit_is_cut_and_flagged);
    tcase_add_loop_test(tc, images_cost_by_pixel_or_by_piece, 0, (int)ARRAY_LEN(images));
    tcase_add_test(tc, a_lost_answer_costs_nothing_for_sure_and_much_perhaps);
    tcase_add_test(tc, a_lost_image_may_cost_all_that_were_asked_for);
    suite_add_tcase(s, tc);
    return s;
}
