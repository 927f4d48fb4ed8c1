/* test_embeddings.c - of a list of texts only those are paid whose embedding is not known.
 *
 * The simulator's ledger says how many calls were really made.
 */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

enum { ALL_MS = 20000 };

static int64_t calls(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

static json_t *only_cost(struct world *w, const char *id)
{
    json_t *costs = facts_costs(w, id);

    ck_assert_msg(json_array_size(costs) == 1, "%s: %zu costs", id, json_array_size(costs));
    return json_array_get(costs, 0);
}

static bool is_cached(struct world *w, const char *id)
{
    return json_is_true(world_at(world_result(w, id)->doc, "cached"));
}

static void push(struct world *w, const char *id, const char *input)
{
    world_push(w,
               "{'id':'%s','type':'inference','payload':{'task':'embedding','body':{'input':%s}}}",
               id, input);
}

static void push_texts(struct world *w, const char *id, int from, int to, const char *more)
{
    json_t *texts = json_array();

    for (int i = from; i < to; i++)
        json_array_append_new(texts, json_string(world_text(w, "text number %d of many", i)));
    world_push_json(w, json_pack("{s:s, s:s, s:{s:s, s:b, s:{s:o}}}", "id", id, "type", "inference",
                                 "payload", "task", "embedding", "allow_cached", !*more, "body",
                                 "input", texts));
}

static json_t *data_of(struct world *w, const char *id)
{
    return world_at(world_result(w, id)->doc, "output.data");
}

START_TEST(only_texts_that_are_not_known_are_embedded)
{
    struct world *w = world_new(.simulator = true);
    json_t *costs, *known, *fresh, *items;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_texts(w, "known", 5, 95, "");
    world_wait_results(w, 1, ALL_MS);
    push_texts(w, "mixed", 0, 100, "");
    world_wait_results(w, 2, ALL_MS);
    ck_assert_int_eq(calls(w), 2);
    push_texts(w, "all", 0, 100, "");
    world_wait_results(w, 3, ALL_MS);
    ck_assert_int_eq(calls(w), 2);
    push_texts(w, "uncached", 0, 100, "no");
    world_wait_results(w, 4, ALL_MS);
    ck_assert_int_eq(calls(w), 3);
    ck_assert_uint_eq(json_array_size(data_of(w, "mixed")), 100);
    ck_assert(json_equal(data_of(w, "mixed"), data_of(w, "uncached")));
    ck_assert(json_equal(data_of(w, "all"), data_of(w, "uncached")));
    ck_assert(!is_cached(w, "mixed"));
    ck_assert(is_cached(w, "all"));
    /* 90 texts were known: what they saved and what the 10 cost is what the list costs */
    costs = facts_costs(w, "mixed");
    ck_assert_uint_eq(json_array_size(costs), 2);
    fresh = json_array_get(costs, 0);
    known = json_array_get(costs, 1);
    ck_assert(!facts_flagged(fresh, "cached"));
    ck_assert(facts_flagged(known, "cached"));
    items = world_sim_items(w);
    ck_assert_int_eq(world_int_at(json_array_get(items, 1), "billed_nanousd"),
                     world_int_at(fresh, "cost_nanousd"));
    ck_assert_int_eq(world_int_at(json_array_get(items, 1), "prompt_tokens") * 10,
                     world_int_at(json_array_get(items, 2), "prompt_tokens"));
    ck_assert_int_eq(world_int_at(known, "list_cost_nanousd"),
                     9 * world_int_at(fresh, "cost_nanousd"));
    ck_assert_int_eq(world_int_at(only_cost(w, "all"), "list_cost_nanousd"),
                     10 * world_int_at(fresh, "cost_nanousd"));
    world_check_one_result_each(w, 4);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* The provider puts another model in the place of the one that is asked for. */
START_TEST(vectors_of_two_models_are_not_mixed)
{
    struct world *w = world_new(.simulator = true);
    json_t *items;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push_texts(w, "old", 0, 4, "");
    world_wait_results(w, 1, ALL_MS);
    world_sim(w, "POST", "/_sim/models", "{'openai/gpt-oss-20b':{'tasks':8}}");
    world_sim(w, "POST", "/_sim/models",
              "{'intfloat/multilingual-e5-large-instruct':{'redirect':'openai/gpt-oss-20b'}}");
    push_texts(w, "mixed", 0, 5, "");
    world_wait_results(w, 2, ALL_MS);
    push_texts(w, "new", 1, 5, "");
    world_wait_results(w, 3, ALL_MS);
    items = world_sim_items(w);
    ck_assert_uint_eq(json_array_size(items), 3); /* the one that is missing, and then all */
    ck_assert_int_eq(world_int_at(json_array_get(items, 2), "prompt_tokens"),
                     5 * world_int_at(json_array_get(items, 1), "prompt_tokens"));
    ck_assert_uint_eq(json_array_size(data_of(w, "mixed")), 5);
    ck_assert_uint_eq(json_array_size(facts_costs(w, "mixed")), 2);
    ck_assert_uint_eq(facts_count_flagged(facts_costs(w, "mixed"), "cached"), 0);
    ck_assert(is_cached(w, "new"));
    for (int i = 0; i < 2; i++)
        ck_assert_str_eq(world_string_at(world_result(w, i ? "new" : "mixed")->doc, "output.model"),
                         "openai/gpt-oss-20b");
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_text_alone_or_twice_is_the_same_text)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    push(w, "twice", "['a b','c','a b']");
    world_wait_results(w, 1, ALL_MS);
    push(w, "alone", "'a b'");
    push(w, "listed", "['c']");
    world_wait_results(w, 3, ALL_MS);
    ck_assert_int_eq(calls(w), 1);
    ck_assert_uint_eq(json_array_size(data_of(w, "twice")), 3);
    ck_assert(json_equal(world_at(data_of(w, "twice"), "0.embedding"),
                         world_at(data_of(w, "twice"), "2.embedding")));
    ck_assert(json_equal(world_at(data_of(w, "twice"), "2.embedding"),
                         world_at(data_of(w, "alone"), "0.embedding")));
    ck_assert(json_equal(world_at(data_of(w, "twice"), "1.embedding"),
                         world_at(data_of(w, "listed"), "0.embedding")));
    ck_assert_int_eq(world_int_at(data_of(w, "twice"), "2.index"), 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_embeddings(void)
{
    Suite *s = suite_create("embeddings");
    TCase *tc = tcase_create("embeddings");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, only_texts_that_are_not_known_are_embedded);
    tcase_add_test(tc, vectors_of_two_models_are_not_mixed);
    tcase_add_test(tc, a_text_alone_or_twice_is_the_same_text);
    suite_add_tcase(s, tc);
    return s;
}
