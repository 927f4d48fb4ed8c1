/* test_sim_fault.c - which requests meet which faults. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/sim/sim_fault.h"

static struct sim_faults faults;

static void setup(void) { faults = (struct sim_faults){0}; }
static void teardown(void) { sim_faults_reset(&faults); }

static struct span s(const char *text) { return (struct span){text, strlen(text)}; }

static void add(const char *doc)
{
    struct err err = {0};

    ck_assert_msg(sim_faults_add_text(&faults, s(doc), &err), "%s", err.msg);
}

/* The status of the fault that a chat request meets; 0 when none does. */
static int meet(const char *model, const char *body)
{
    const struct sim_fault *f =
        sim_faults_take(&faults, s("/v1/chat/completions"), s(model), s(body));

    return f ? f->status : 0;
}

START_TEST(a_list_is_a_sequence)
{
    add("[{\"status\": 429}, {\"status\": 503, \"times\": 2}, {}, {\"status\": 500}]");
    ck_assert_int_eq(meet("m", ""), 429);
    ck_assert_int_eq(meet("m", ""), 503);
    ck_assert_int_eq(meet("m", ""), 503);
    ck_assert_int_eq(meet("m", ""), 0); /* the gap */
    ck_assert_uint_eq(faults.count, 1);
    ck_assert_int_eq(meet("m", ""), 500);
    ck_assert_int_eq(meet("m", ""), 0);
    ck_assert_uint_eq(faults.count, 0);
}
END_TEST

static const struct {
    const char *doc;
    bool fits;
} filters[] = {
    {"{\"status\": 500, \"path\": \"/chat/completions\"}", true},
    {"{\"status\": 500, \"path\": \"/v1/chat/completions\"}", true},
    {"{\"status\": 500, \"path\": \"/embeddings\"}", false},
    {"{\"status\": 500, \"path\": \"/a/v1/chat/completions\"}", false},
    {"{\"status\": 500, \"model\": \"big\"}", true},
    {"{\"status\": 500, \"model\": \"bigger\"}", false},
    {"{\"status\": 500, \"match\": \"needle\"}", true},
    {"{\"status\": 500, \"match\": \"noodle\"}", false},
    {"{\"status\": 500, \"path\": \"/completions\", \"model\": \"big\", \"match\": \"e\"}", true},
};

START_TEST(meets_only_what_fits)
{
    add(filters[_i].doc);
    ck_assert_int_eq(meet("big", "hay needle hay"), filters[_i].fits ? 500 : 0);
}
END_TEST

START_TEST(who_only_looks_meets_faults_that_name_its_path)
{
    add("[{\"status\": 500}, {\"status\": 404, \"path\": \"/models\"}]");
    ck_assert_int_eq(sim_faults_take(&faults, s("/v1/models"), s(""), s(""))->status, 404);
    ck_assert_ptr_null(sim_faults_take(&faults, s("/v1/models"), s(""), s("")));
    ck_assert_int_eq(meet("m", ""), 500);
}
END_TEST

START_TEST(lasts_until_reset_when_asked)
{
    add("{\"status\": 500, \"times\": -1}");
    for (int i = 0; i < 100; i++)
        ck_assert_int_eq(meet("m", ""), 500);
    sim_faults_reset(&faults);
    ck_assert_int_eq(meet("m", ""), 0);
}
END_TEST

START_TEST(a_fixture_gives_what_is_not_said)
{
    const struct sim_fault *f;

    add("{\"fixture\": \"throttled\", \"times\": 2, \"headers\": {\"Retry-After\": \"7\"}}");
    f = sim_faults_take(&faults, s("/x"), s(""), s(""));
    ck_assert_int_eq(f->status, 429);
    ck_assert_str_eq(f->headers, "Retry-After: 7\r\n");
    ck_assert_ptr_nonnull(strstr(f->body, "dynamic_request_limited"));
    ck_assert_int_eq(f->times, 1);
}
END_TEST

static const char *const fixtures[] = {
#define X(name, doc, text) #name,
#include "tests/sim/fixtures.def"
};

START_TEST(every_fixture_can_be_used)
{
    char doc[128];

    snprintf(doc, sizeof(doc), "{\"fixture\": \"%s\"}", fixtures[_i]);
    add(doc);
    ck_assert_ptr_nonnull(sim_faults_take(&faults, s("/x"), s(""), s("")));
    ck_assert_ptr_nonnull(strstr(sim_fixtures_help(), fixtures[_i]));
}
END_TEST

static const struct {
    const char *doc, *says;
} bad[] = {
    {"7", "line 1"},
    {"[[]]", "[0]: a fault is an object"},
    {"[{\"status\": 500}, 7]", "[1]: a fault is an object"},
    {"{\"fixture\": \"nix\"}", "there is no nix"},
    {"{\"status\": 99}", "status 200..599"},
    {"{\"times\": 0}", "times >= 1 or -1"},
    {"{\"close\": \"sometimes\"}", "close: before, middle or after"},
    {"{\"status\": \"500\"}", "fault: "},
    {"{\"stauts\": 500}", "stauts"},
    {"{\"headers\": {\"a\": 1}}", "headers: a must be a string"},
    {"{\"headers\": {\"a\": \"x\\r\\ny: 1\"}}", "without line ends"},
    {"{", "line 1"},
};

START_TEST(refuses_a_bad_fault_and_says_why)
{
    struct err err = {0};

    ck_assert(!sim_faults_add_text(&faults, s(bad[_i].doc), &err));
    ck_assert_msg(strstr(err.msg, bad[_i].says), "row %d said: %s", _i, err.msg);
    ck_assert_uint_eq(faults.count, 0);
    ck_assert_ptr_null(faults.first);
}
END_TEST

START_TEST(lists_what_is_left)
{
    struct buf b = BUF(10000);

    add("{\"status\": 500, \"times\": 3}");
    meet("m", "");
    sim_faults_print(&faults, &b);
    ck_assert_str_eq(b.p, "{\"faults\":[\n{\"status\":500,\"times\":2}]}\n");
    buf_done(&b);
}
END_TEST

Suite *test_sim_fault(void);
Suite *test_sim_fault(void)
{
    Suite *suite = suite_create("test_sim_fault");
    TCase *tc = tcase_create("fault");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_list_is_a_sequence);
    tcase_add_loop_test(tc, meets_only_what_fits, 0, (int)ARRAY_LEN(filters));
    tcase_add_test(tc, who_only_looks_meets_faults_that_name_its_path);
    tcase_add_test(tc, lasts_until_reset_when_asked);
    tcase_add_test(tc, a_fixture_gives_what_is_not_said);
    tcase_add_loop_test(tc, every_fixture_can_be_used, 0, (int)ARRAY_LEN(fixtures));
    tcase_add_loop_test(tc, refuses_a_bad_fault_and_says_why, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, lists_what_is_left);
    suite_add_tcase(suite, tc);
    return suite;
}
