/* test_dims.c - by what costs are summed, and how a batch tells it. */
#include <stdio.h>

#include "common/queue/dims.h"
#include "tests/unit/scripts_scene.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

static struct dims dims;

static void setup(void)
{
    scene_open();
    dims_init(&dims);
}

static void teardown(void)
{
    dims_done(&dims);
    scene_close();
}

/* The arguments as a script gets them, blanks between. */
static const char *told(void)
{
    static char text[1024];
    struct redis_args a;
    struct err err = {0};
    struct span said;

    redis_args_init(&a);
    redis_arg_str(&a, "EVAL");
    redis_arg_str(&a, "return table.concat(ARGV, ' ')");
    redis_arg_int(&a, 0);
    redis_args_append(&a, &dims.sets);
    said = reply_span(redis_call(scene_redis(), &a, &err));
    snprintf(text, sizeof text, "%.*s", (int)said.n, said.p ? said.p : err.msg);
    return text;
}

START_TEST(a_set_has_all_that_an_event_says_of_itself)
{
    const struct cost_event e = {.type = JOB_INFERENCE,
                                 .model = SPAN("maker/m"),
                                 .tenant = SPAN("\"acme\""),
                                 .tags = SPAN("{\"team\":\"search\",\"x\":\"\"}")};

    ck_assert_uint_eq(dims_of(&dims, &e), 1);
    ck_assert_str_eq(told(), "6 total model:maker/m type:inference tenant:acme tag:team=search "
                             "tag:x=");
}
END_TEST

START_TEST(what_is_not_said_is_no_dimension)
{
    const struct cost_event e = {
        .type = JOB_INFERENCE, .model = SPAN("m"), .tenant = SPAN("null"), .tags = SPAN("null")};

    ck_assert_uint_eq(dims_of(&dims, &e), 1);
    ck_assert_str_eq(told(), "3 total model:m type:inference");
}
END_TEST

START_TEST(equal_events_share_a_set)
{
    struct cost_event a = {.type = JOB_INFERENCE, .model = SPAN("a")};
    struct cost_event b = {.type = JOB_INFERENCE, .model = SPAN("b")};

    ck_assert_uint_eq(dims_of(&dims, &a), 1);
    ck_assert_uint_eq(dims_of(&dims, &b), 2);
    ck_assert_uint_eq(dims_of(&dims, &a), 1);
    ck_assert_uint_eq(dims_of(&dims, &b), 2);
    ck_assert_uint_eq(dims.count, 2);
    ck_assert_uint_eq(dims.sets.count, 8);
}
END_TEST

START_TEST(very_many_sets_stay_right)
{
    char name[16];
    struct cost_event e = {.type = JOB_INFERENCE, .model = {name, 0}};

    for (int i = 0; i < 100; i++) {
        e.model.n = (size_t)snprintf(name, sizeof name, "m%d", i);
        ck_assert_uint_eq(dims_of(&dims, &e), (size_t)i + 1);
        ck_assert_uint_eq(dims_of(&dims, &e), (size_t)i + 1);
    }
    e.model = SPAN("m0"); /* too long ago: once more */
    ck_assert_uint_eq(dims_of(&dims, &e), 101);
}
END_TEST

Suite *test_dims(void);
Suite *test_dims(void)
{
    Suite *s = suite_create("test_dims");
    TCase *tc = tcase_create("dims");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_set_has_all_that_an_event_says_of_itself);
    tcase_add_test(tc, what_is_not_said_is_no_dimension);
    tcase_add_test(tc, equal_events_share_a_set);
    tcase_add_test(tc, very_many_sets_stay_right);
    suite_add_tcase(s, tc);
    return s;
}
