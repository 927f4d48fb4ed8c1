/* test_cost_event.c - the event of a call: what a payload tells of it, of a job that was lost, and
 * its document. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/model/cost.h"

#define SPAN(s) ((struct span){s, strlen(s)})

/* ---- jobs ---- */

static const struct {
    const char *payload;
    unsigned task;
    const char *body, *model;
} facts[] = {
    {"{\"task\":\"chat\",\"body\":{\"model\":\"m\"}}", TASK_CHAT, "{\"model\":\"m\"}", "m"},
    {"{\"task\":\"image\",\"model\":\"o\",\"body\":{}}", TASK_IMAGE, "{}", "o"},
    {"{\"task\":\"chat\",\"model\":\"o\",\"body\":{\"model\":\"m\"}}", TASK_CHAT,
     "{\"model\":\"m\"}", "m"},
    {"{\"task\":\"chat\",\"model\":\"o\",\"body\":{\"model\":null}}", TASK_CHAT, "{\"model\":null}",
     "o"},
    {"{\"task\":\"chat\",\"body\":{\"model\":\"\"}}", TASK_CHAT, "{\"model\":\"\"}", ""},
    {"{\"task\":\"rerank\",\"query\":\"q\"}", TASK_RERANK, "{\"task\":\"rerank\",\"query\":\"q\"}",
     ""},
    {"{\"messages\":[]}", TASK_CHAT, "{\"messages\":[]}", ""},
    {"{\"task\":\"dance\"}", 0, "{\"task\":\"dance\"}", ""},
    {"[]", 0, "[]", ""},
};

START_TEST(knows_task_body_and_model_of_a_payload)
{
    struct job job = {.payload = SPAN(facts[_i].payload)};
    struct span body, model;
    unsigned task;

    cost_job_facts(&job, &task, &body, &model);
    ck_assert_uint_eq(task, facts[_i].task);
    ck_assert_int_eq((int)body.n, (int)strlen(facts[_i].body));
    ck_assert(!memcmp(body.p, facts[_i].body, body.n));
    ck_assert_int_eq((int)model.n, (int)strlen(facts[_i].model));
    ck_assert(!model.n || !memcmp(model.p, facts[_i].model, model.n));
}
END_TEST

static const struct record lost_record = {.run = 2,
                                          .attempts = 1,
                                          .tnum = 10,
                                          .token = "9f3a61c200000007",
                                          .type = JOB_INFERENCE,
                                          .state = JOB_STATE_ACTIVE};

static struct cost_event lost_event(const char *payload, struct model_table *models)
{
    struct job job = {.payload = SPAN(payload), .tenant = SPAN("\"acme\"")};
    struct cost_event e = {0};

    model_table_builtin(models);
    ck_assert(cost_of_lost_job(&e, "order-1", &lost_record, &job, models, 1790000000650));
    return e;
}

START_TEST(a_job_lost_in_flight_gives_an_unconfirmed_event)
{
    struct model_table models;
    struct cost_event e = lost_event("{\"task\":\"chat\",\"body\":{\"max_tokens\":8}}", &models);

    ck_assert_str_eq(e.event_id, "order-1:2:2:10-9f3a61c200000007.0");
    ck_assert_str_eq(e.job_id, "order-1");
    ck_assert_int_eq(e.attempt, 2);
    ck_assert_str_eq(e.provider, "together");
    ck_assert_str_eq(e.model.p, "Qwen/Qwen3.5-9B"); /* the task's default */
    ck_assert_uint_eq(e.requested_model.n, 0);
    ck_assert_int_eq(e.cost.estimate_nanousd, 22 * 170 + 8 * 250);
    ck_assert_uint_eq(e.cost.flags, COST_UNCONFIRMED);
    ck_assert_int_eq(e.at_ms, 1790000000650);
    model_table_done(&models);
}
END_TEST

START_TEST(finds_the_price_of_a_model_whose_name_is_escaped)
{
    struct model_table models;
    struct cost_event e = lost_event("{\"body\":{\"model\":\"openai\\/gpt-oss-20b\"}}", &models);

    ck_assert_str_eq(e.model.p, "openai/gpt-oss-20b");
    ck_assert_uint_eq(e.cost.flags, COST_UNCONFIRMED);
    ck_assert_int_gt(e.cost.estimate_nanousd, INT64_C(4096) * 200);
    model_table_done(&models);
}
END_TEST

START_TEST(a_lost_call_to_an_unknown_model_is_unpriced)
{
    struct model_table models;
    struct cost_event e = lost_event("{\"body\":{\"model\":\"who\\\\\"}}", &models);

    ck_assert_uint_eq(e.cost.flags, COST_UNCONFIRMED | COST_UNPRICED);
    ck_assert_int_eq(e.cost.estimate_nanousd, 0);
    ck_assert_ptr_null(e.provider);
    model_table_done(&models);
}
END_TEST

START_TEST(a_lost_job_that_calls_nobody_has_no_event)
{
    struct record rec = {.run = 1, .type = JOB_NOOP};
    struct model_table models = {0};
    struct job job = {.payload = SPAN("{}")};
    struct cost_event e = {0};

    ck_assert(!cost_of_lost_job(&e, "n", &rec, &job, &models, 0));
}
END_TEST

/* ---- the document ---- */

static char *write_event(const struct cost_event *e)
{
    struct buf out = BUF(4096);

    cost_write(e, &out);
    ck_assert(!buf_failed(&out));
    ck_assert(json_valid(out.p, out.n));
    return buf_take(&out);
}

START_TEST(writes_the_document_in_the_agreed_form)
{
    struct cost_event e = {.event_id = "order-1:1:1:2-9f3a61c200000007.1",
                           .job_id = "order-1",
                           .attempt = 1,
                           .type = JOB_INFERENCE,
                           .tenant = SPAN("\"acme\""),
                           .tags = SPAN("{\"team\":\"search\"}"),
                           .provider = "together",
                           .model = SPAN("Qwen/Qwen3.5-9B"),
                           .requested_model = SPAN("x\"y"),
                           .cost = {.prompt_tokens = 9,
                                    .completion_tokens = 3,
                                    .cached_tokens = 1,
                                    .cost_nanousd = 2280,
                                    .list_cost_nanousd = 2300,
                                    .estimate_nanousd = 4,
                                    .flags = COST_DUPLICATE | COST_CACHED | COST_FAILED},
                           .at_ms = 1790000000650};
    char *doc = write_event(&e);

    ck_assert_str_eq(
        doc,
        "{\"event_id\":\"order-1:1:1:2-9f3a61c200000007.1\",\"job_id\":\"order-1\",\"root_id\":"
        "\"order-1\","
        "\"attempt\":1,\"type\":\"inference\",\"tenant\":\"acme\",\"tags\":{\"team\":\"search\"},"
        "\"provider\":\"together\",\"model\":\"Qwen/Qwen3.5-9B\",\"requested_model\":\"x\\\"y\","
        "\"prompt_tokens\":9,\"completion_tokens\":3,\"cached_tokens\":1,\"units\":null,"
        "\"cost_nanousd\":2280,\"cost_usd\":0.00000228,\"list_cost_nanousd\":2300,"
        "\"estimate_nanousd\":4,\"flags\":[\"cached\",\"duplicate\",\"failed\"],"
        "\"timestamp\":\"2026-09-21T14:13:20.650Z\"}");
    free(doc);
}
END_TEST

START_TEST(what_is_not_known_is_null)
{
    struct cost_event e = {.job_id = "order-1~17",
                           .type = JOB_INFERENCE,
                           .cost = {.unit = "megapixels", .units = 1049}};
    char *doc = write_event(&e);

    ck_assert_ptr_nonnull(
        strstr(doc, "\"root_id\":\"order-1\"")); /* the job that a child belongs to */
    ck_assert_ptr_nonnull(strstr(doc, "\"tenant\":null,\"tags\":null,\"provider\":null,"
                                      "\"model\":null,\"requested_model\":null,"));
    ck_assert_ptr_nonnull(strstr(doc, "\"units\":{\"megapixels\":1.049},"));
    ck_assert_ptr_nonnull(strstr(doc, "\"flags\":[],"));
    free(doc);
}
END_TEST

START_TEST(every_flag_has_a_name)
{
    for (unsigned f = 1; f <= COST_FAILED; f <<= 1)
        ck_assert_str_ne(cost_flag_name((enum cost_flag)f), "unknown");
}
END_TEST

Suite *test_cost_event(void);
Suite *test_cost_event(void)
{
    Suite *s = suite_create("cost_event");
    TCase *tc = tcase_create("events");

    tcase_add_loop_test(tc, knows_task_body_and_model_of_a_payload, 0, (int)ARRAY_LEN(facts));
    tcase_add_test(tc, a_job_lost_in_flight_gives_an_unconfirmed_event);
    tcase_add_test(tc, finds_the_price_of_a_model_whose_name_is_escaped);
    tcase_add_test(tc, a_lost_call_to_an_unknown_model_is_unpriced);
    tcase_add_test(tc, a_lost_job_that_calls_nobody_has_no_event);
    tcase_add_test(tc, writes_the_document_in_the_agreed_form);
    tcase_add_test(tc, what_is_not_known_is_null);
    tcase_add_test(tc, every_flag_has_a_name);
    suite_add_tcase(s, tc);
    return s;
}
