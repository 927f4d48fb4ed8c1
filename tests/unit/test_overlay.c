/* What catalogues and routes of run time change in the table. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/route/overlay.h"
#include "worker/together/catalogue.h"

#define SPAN(text) ((struct span){text, strlen(text)})
#define KNOWN      "openai/gpt-oss-20b"

static struct config *cfg;
static struct routes *table;

static const char file[] =
    "providers:\n  others:\n  - {name: local, base_url: 'http://127.0.0.1/v1'}\n"
    "models:\n"
    "- {id: openai/gpt-oss-120b, input_usd: 9, context: 1000}\n"
    "- {id: my/own, provider: local, tasks: [chat]}\n";

static void setup(void)
{
    const char *none[] = {NULL};
    struct err err = {0};

    cfg = config_build("f.yaml", file, strlen(file), none, &err);
    ck_assert_msg(cfg, "%s", err.msg);
    table = routes_new(cfg);
}

static void teardown(void)
{
    routes_free(table);
    config_free(cfg);
}

static size_t take(const char *provider, const char *catalogue)
{
    struct model_table rows;
    struct err err = {0};
    size_t changed;

    ck_assert_msg(catalogue_read(SPAN(catalogue), provider, &rows, &err), "%s", err.msg);
    changed = overlay_catalogue(table, provider, &rows);
    model_table_done(&rows);
    return changed;
}

static const struct route *route(const char *provider, const char *id)
{
    return routes_find_at(table, provider, id, strlen(id));
}

START_TEST(a_catalogue_replaces_built_in_prices_and_contexts)
{
    const char *list = "[{\"id\":\"" KNOWN "\",\"type\":\"chat\",\"context_length\":5000,"
                       "\"pricing\":{\"input\":0.07,\"output\":0.3}}]";

    ck_assert_uint_eq(take("together", list), 1);
    ck_assert_int_eq(route("together", KNOWN)->model.in_nanousd, 70000000);
    ck_assert_int_eq(route("together", KNOWN)->model.out_nanousd, 300000000);
    ck_assert_int_eq(route("together", KNOWN)->model.cached_nanousd, 70000000);
    ck_assert_int_eq(route("together", KNOWN)->model.context, 5000);
    ck_assert_uint_eq(take("together", list), 0); /* the same again */
}
END_TEST

START_TEST(what_the_file_gives_is_left_alone_field_by_field)
{
    const struct route *r = route("together", "openai/gpt-oss-120b");

    take("together", "[{\"id\":\"openai/gpt-oss-120b\",\"type\":\"chat\",\"context_length\":5000,"
                     "\"pricing\":{\"input\":0.07,\"output\":0.3}}]");
    ck_assert_int_eq(r->model.in_nanousd, 9000000000);
    ck_assert_int_eq(r->model.context, 1000);
    ck_assert_int_eq(r->model.out_nanousd, 300000000);
}
END_TEST

START_TEST(a_new_id_is_known_but_not_chosen)
{
    ck_assert_uint_eq(take("together", "[{\"id\":\"new/one\",\"type\":\"chat\",\"pricing\":{"
                                       "\"input\":0.07,\"output\":0.3}}]"),
                      1);
    ck_assert_int_eq(route("together", "new/one")->source, ROUTE_CATALOGUE);
    ck_assert(route("together", "new/one")->model.allowed);
    ck_assert(!route("together", "new/one")->model.routed);
    ck_assert_int_eq(route("together", "new/one")->model.in_nanousd, 70000000);
    take("together", "[{\"id\":\"other\"}]");
    ck_assert_ptr_null(route("together", "new/one")); /* listed no more */
    ck_assert_ptr_nonnull(route("together", KNOWN));  /* the configuration's stay */
}
END_TEST

START_TEST(a_model_that_another_provider_lists_is_no_route_there)
{
    take("together", "[{\"id\":\"my/own\",\"type\":\"chat\"}]");
    take("local", "[{\"id\":\"" KNOWN "\"},{\"id\":\"my/own\"}]");
    ck_assert(!route("together", "my/own")->model.allowed);
    ck_assert(!route("local", KNOWN)->model.allowed);
    ck_assert(route("local", "my/own")->model.allowed && route("local", "my/own")->model.routed);
}
END_TEST

START_TEST(an_added_route_may_be_chosen)
{
    struct err err = {0};
    const struct route *r;

    ck_assert(overlay_route(table, SPAN("my/tuned"),
                            SPAN("{\"tasks\":[\"embedding\"],\"input_usd\":0.01}"), &err));
    r = route("together", "my/tuned");
    ck_assert(r && r->model.allowed && r->model.routed && r->source == ROUTE_RUNTIME);
    ck_assert_int_eq(r->model.in_nanousd, 10000000);
    ck_assert_int_eq(r->model.out_nanousd, 0); /* an embedding has no answer tokens */
    take("together", "[{\"id\":\"my/tuned\",\"type\":\"embedding\",\"context_length\":512,"
                     "\"pricing\":{\"input\":0.02}}]");
    ck_assert_int_eq(r->model.in_nanousd, 10000000); /* as it was added */
    ck_assert_int_eq(r->model.context, 512);
    ck_assert(r->model.routed);
}
END_TEST

static const struct {
    const char *id, *doc, *says;
} bad[] = {
    {"", "{\"tasks\":[\"chat\"]}",
     "id: expected 1 to 200 characters without blanks, like maker/model"},
    {"a b", "{\"tasks\":[\"chat\"]}",
     "id: expected 1 to 200 characters without blanks, like maker/model"},
    {"auto", "{\"tasks\":[\"chat\"]}",
     "id: expected another id than 'auto', by which a job lets the router choose"},
    {"a", "{}", "tasks: expected at least one, like [\"chat\"]"},
    {"a", "{\"tasks\":[\"chat\"],\"provider\":\"who\"}", "provider: 'who' is not configured"},
    {"a", "{\"tasks\":[\"chat\"],\"id\":\"b\"}",
     "id: expected the same as the field's name, or none"},
    {"a", "{\"tasks\":[\"image\"],\"image_usd\":1}",
     "image_usd: expected image_unit (megapixel or piece) beside it"},
    {"a", "{\"tasks\":[\"chat\"],\"base_url\":\"https://evil.example\"}",
     "base_url: unknown member"},
    {KNOWN, "{\"tasks\":[\"chat\"]}", "the configuration has this model at together, and counts"},
};

START_TEST(a_bad_route_is_ignored_and_says_why)
{
    struct err err = {0};
    size_t before = table->count;

    ck_assert(!overlay_route(table, SPAN(bad[_i].id), SPAN(bad[_i].doc), &err));
    ck_assert_str_eq(err.msg, bad[_i].says);
    ck_assert_uint_eq(table->count, before);
}
END_TEST

/* A catalogue has hundreds of rows, and the loop of a worker waits meanwhile. */
START_TEST(a_long_catalogue_is_taken_in_one_by_one_and_found_again)
{
    struct buf text = BUF(1 << 20);

    buf_putc(&text, '[');
    for (int i = 0; i < 1000; i++)
        buf_printf(&text, "%s{\"id\":\"m/%d\",\"type\":\"chat\"}", i ? "," : "", i);
    buf_putc(&text, ']');
    ck_assert_uint_eq(take("together", text.p), 1000);
    ck_assert_uint_eq(take("together", text.p), 0);
    ck_assert_ptr_nonnull(route("together", "m/0"));
    ck_assert_ptr_nonnull(route("together", "m/999"));
    ck_assert_ptr_nonnull(route("together", KNOWN));
    buf_done(&text);
}
END_TEST

Suite *test_overlay(void);
Suite *test_overlay(void)
{
    Suite *s = suite_create("overlay");
    TCase *tc = tcase_create("overlay");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_catalogue_replaces_built_in_prices_and_contexts);
    tcase_add_test(tc, what_the_file_gives_is_left_alone_field_by_field);
    tcase_add_test(tc, a_new_id_is_known_but_not_chosen);
    tcase_add_test(tc, a_model_that_another_provider_lists_is_no_route_there);
    tcase_add_test(tc, an_added_route_may_be_chosen);
    tcase_add_loop_test(tc, a_bad_route_is_ignored_and_says_why, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, a_long_catalogue_is_taken_in_one_by_one_and_found_again);
    suite_add_tcase(s, tc);
    return s;
}
