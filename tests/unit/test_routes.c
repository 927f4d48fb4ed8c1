/* The live table of routes: layers, chains, and pointers that stay good. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/route/routes.h"

#define SPAN(s) ((struct span){s, strlen(s)})
#define QWEN    "Qwen/Qwen3.5-9B"

static const char providers[] = "providers:\n  others:\n"
                                "    - {name: l, base_url: 'http://[::1]:1/v1'}\n"
                                "    - {name: k, base_url: 'http://[::1]:2/v1'}\n";
static struct config *first, *second;
static struct routes *table;

static struct config *load(const char *models)
{
    static const char *const no_env[] = {NULL};
    char text[4096];
    struct err err = {0};
    struct config *c;

    snprintf(text, sizeof text, "%s%s", providers, models);
    c = config_build("f.yaml", text, strlen(text), no_env, &err);
    ck_assert_msg(c, "%s", err.msg);
    return c;
}

static void make(const char *models)
{
    first = load(models);
    table = routes_new(first);
}

static void reload(const char *models)
{
    second = load(models);
    routes_configure(table, second);
}

static void unmake(void)
{
    routes_free(table);
    config_free(first);
    config_free(second);
    first = second = NULL;
}

static struct route *find(const char *id) { return routes_find(table, id, strlen(id)); }

static const struct route_price listed = {.in_nanousd = 11,
                                          .out_nanousd = 12,
                                          .cached_nanousd = -1,
                                          .image_nanousd = -1,
                                          .image_unit = IMAGE_NONE};

START_TEST(the_built_in_rows_are_routes_with_their_defaults)
{
    make("");
    ck_assert_uint_eq(table->count, first->models.count);
    ck_assert_ptr_eq(table->defaults[task_index(TASK_CHAT)], find(QWEN));
    ck_assert_str_eq(find(QWEN)->provider->name, "together");
    ck_assert_ptr_null(find("no/such"));
    for (size_t i = 0; i < table->count; i++)
        ck_assert_uint_eq(table->of[i]->index, i);
    unmake();
}
END_TEST

START_TEST(the_same_model_at_several_providers_is_a_chain_in_the_files_order)
{
    make("models:\n- {id: a/b, provider: k, tasks: [chat]}\n- {id: a/b, provider: l}\n"
         "- {id: a/b}\n");
    ck_assert_str_eq(find("a/b")->model.provider, "k");
    ck_assert_str_eq(find("a/b")->other->model.provider, "l");
    ck_assert_str_eq(find("a/b")->other->other->model.provider, "together");
    ck_assert_ptr_null(find("a/b")->other->other->other);
    ck_assert_ptr_eq(routes_find_at(table, "l", "a/b", 3), find("a/b")->other);
    ck_assert_ptr_null(routes_find_at(table, "m", "a/b", 3));
    unmake();
}
END_TEST

START_TEST(the_file_wins_over_the_catalogue_and_that_over_the_built_in_row)
{
    const struct route *r;

    make("models:\n- {id: " QWEN ", output_usd: 0.5}\n");
    r = find(QWEN);
    ck_assert_int_eq(r->model.in_nanousd, 170000000);
    ck_assert(routes_set_price(table, "together", SPAN(QWEN), &listed));
    ck_assert_int_eq(r->model.in_nanousd, 11);
    ck_assert_int_eq(r->model.out_nanousd, 500000000);
    ck_assert(!routes_set_price(table, "together", SPAN(QWEN), &listed));
    ck_assert(!routes_set_price(table, "l", SPAN(QWEN), &listed));
    ck_assert(!routes_set_price(table, "together", SPAN("no/such"), &listed));
    reload("models:\n- {id: " QWEN ", input_usd: 0.7}\n");
    ck_assert_int_eq(r->model.in_nanousd, 700000000);
    ck_assert_int_eq(r->model.out_nanousd, 12);
    unmake();
}
END_TEST

START_TEST(a_pointer_outlives_reloads_and_removals)
{
    struct route *r;

    make("models:\n- {id: a/b, provider: l, tasks: [chat], replacement: " QWEN "}\n");
    r = find("a/b");
    reload("models: []\n");
    ck_assert_ptr_null(find("a/b"));
    ck_assert(!r->there);
    ck_assert_str_eq(r->model.id, "a/b");
    ck_assert_str_eq(r->provider->name, "l");
    config_free(first);
    first = load("models:\n- {id: a/b, provider: l, tasks: [code]}\n");
    routes_configure(table, first);
    ck_assert_ptr_eq(find("a/b"), r);
    ck_assert(r->there && r->model.tasks == TASK_CODE && !r->model.replacement);
    unmake();
}
END_TEST

START_TEST(routes_come_and_go_at_run_time)
{
    struct model m = {.id = (char[]){"me/tuned"},
                      .provider = (char[]){"l"},
                      .tasks = TASK_CHAT,
                      .in_nanousd = 5,
                      .out_nanousd = -1,
                      .cached_nanousd = -1,
                      .allowed = true,
                      .routed = true};
    uint64_t version;
    struct route *r;

    make("");
    version = table->version;
    r = routes_add(table, &m, ROUTE_RUNTIME);
    ck_assert_ptr_nonnull(r);
    ck_assert_ptr_eq(find("me/tuned"), r);
    ck_assert_uint_gt(table->version, version);
    m.in_nanousd = 7;
    ck_assert_ptr_eq(routes_add(table, &m, ROUTE_CATALOGUE), r); /* weaker: no change */
    ck_assert_int_eq(r->model.in_nanousd, 5);
    ck_assert_ptr_eq(routes_add(table, &m, ROUTE_RUNTIME), r);
    ck_assert_int_eq(r->model.in_nanousd, 7);
    reload("");
    ck_assert_ptr_eq(find("me/tuned"), r);
    ck_assert(routes_remove(table, "l", SPAN("me/tuned")));
    ck_assert(!routes_remove(table, "l", SPAN("me/tuned")));
    ck_assert(!routes_remove(table, "together", SPAN(QWEN)));
    ck_assert_ptr_null(find("me/tuned"));
    ck_assert_ptr_eq(routes_add(table, &m, ROUTE_CATALOGUE), r);
    ck_assert(r->there);
    m.provider = (char[]){"nobody"};
    ck_assert_ptr_null(routes_add(table, &m, ROUTE_RUNTIME));
    m.provider = (char[]){"together"};
    m.id = (char[]){QWEN};
    ck_assert_ptr_eq(routes_add(table, &m, ROUTE_RUNTIME), find(QWEN));
    ck_assert_int_eq(find(QWEN)->model.in_nanousd, 170000000);
    unmake();
}
END_TEST

Suite *test_routes(void);
Suite *test_routes(void)
{
    Suite *s = suite_create("test_routes");
    TCase *tc = tcase_create("routes");

    tcase_add_test(tc, the_built_in_rows_are_routes_with_their_defaults);
    tcase_add_test(tc, the_same_model_at_several_providers_is_a_chain_in_the_files_order);
    tcase_add_test(tc, the_file_wins_over_the_catalogue_and_that_over_the_built_in_row);
    tcase_add_test(tc, a_pointer_outlives_reloads_and_removals);
    tcase_add_test(tc, routes_come_and_go_at_run_time);
    suite_add_tcase(s, tc);
    return s;
}
