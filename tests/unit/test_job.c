/* test_job.c - job documents: what is accepted, what is refused and how it is told. */
#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "common/core/json.h"
#include "tests/unit/job_scene.h"

#define SPAN(text) ((struct span){(text), sizeof(text) - 1})

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

/* ---- reading ---- */

#define FULL                                                                                     \
    "{\"id\": \"order-4711\", \"type\": \"inference\", \"priority\": \"realtime\", "             \
    "\"payload\": {\"task\": \"chat\", \"body\": {\"messages\": [{\"role\": \"user\", "          \
    "\"content\": \"Hi\"}], \"temperature\": 0}}, \"tenant\": \"acme\", "                        \
    "\"tags\": {\"team\": \"search\"}, \"max_attempts\": 7, \"backoff\": {\"type\": \"fixed\", " \
    "\"delay_ms\": 11, \"max_ms\": 22, \"jitter\": false}, \"delay_ms\": 33, "                   \
    "\"expires_in_ms\": 44, \"timeout_ms\": 55, "                                                \
    "\"webhook\": {\"url\": \"https://example.com/hook\"}, \"reply\": true, "                    \
    "\"traceparent\": \"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"}"

START_TEST(reads_everything_that_a_document_says)
{
    struct job j;

    ck_assert(job_read(SPAN(FULL), &job_scene_defaults, &j));
    ck_assert(json_equals(j.id, "order-4711"));
    ck_assert_int_eq(j.type, JOB_INFERENCE);
    ck_assert_int_eq(j.priority, JOB_REALTIME);
    ck_assert(json_equals(json_at(j.payload, "body.messages.0.role"), "user"));
    ck_assert(json_equals(j.tenant, "acme"));
    ck_assert(json_equals(json_at(j.tags, "team"), "search"));
    ck_assert(json_equals(j.webhook_url, "https://example.com/hook"));
    ck_assert_uint_eq(j.traceparent.n, 57);
    ck_assert_int_eq(j.max_attempts, 7);
    ck_assert_int_eq(j.backoff, BACKOFF_FIXED);
    ck_assert_int_eq(j.backoff_delay_ms, 11);
    ck_assert_int_eq(j.backoff_max_ms, 22);
    ck_assert(!j.backoff_jitter);
    ck_assert_int_eq(j.delay_ms, 33);
    ck_assert_int_eq(j.run_at_ms, 0);
    ck_assert_int_eq(j.expires_in_ms, 44);
    ck_assert_int_eq(j.timeout_ms, 55);
    ck_assert(j.reply);
}
END_TEST

START_TEST(fills_in_defaults_for_what_it_does_not_say)
{
    struct job j;

    ck_assert(job_read(SPAN("{\"payload\":{},\"type\":\"noop\"}"), &job_scene_defaults, &j));
    ck_assert_int_eq(j.type, JOB_NOOP);
    ck_assert_int_eq(j.priority, JOB_STANDARD);
    ck_assert_uint_eq(j.payload.n, 2);
    ck_assert_ptr_null(j.id.p);
    ck_assert_ptr_null(j.tenant.p);
    ck_assert_ptr_null(j.webhook_url.p);
    ck_assert_int_eq(j.max_attempts, 3);
    ck_assert_int_eq(j.backoff, BACKOFF_EXPONENTIAL);
    ck_assert_int_eq(j.backoff_delay_ms, 1000);
    ck_assert_int_eq(j.backoff_max_ms, 300000);
    ck_assert(j.backoff_jitter);
    ck_assert_int_eq(j.delay_ms, 0);
    ck_assert_int_eq(j.expires_in_ms, 0);
    ck_assert_int_eq(j.timeout_ms, 120000);
    ck_assert(!j.reply);
}
END_TEST

static const struct {
    const char *doc;
    int64_t delay_ms;
} backoffs[] = {
    {"{\"type\":\"inference\",\"priority\":\"realtime\"}", 250},
    {"{\"type\":\"inference\",\"priority\":\"batch\"}", 1000},
    {"{\"type\":\"fine-tune-deploy\",\"priority\":\"realtime\"}", 5000},
    {"{\"type\":\"inference\",\"priority\":\"realtime\",\"backoff\":{\"delay_ms\":9}}", 9},
    {"{\"type\":\"webhook\",\"backoff\":{}}", 1000},
};

START_TEST(the_first_backoff_depends_on_type_and_priority)
{
    struct job j;

    ck_assert(job_read(span_of(backoffs[_i].doc), &job_scene_defaults, &j));
    ck_assert_int_eq(j.backoff_delay_ms, backoffs[_i].delay_ms);
}
END_TEST

static const struct {
    const char *run_at;
    int64_t ms;
} times[] = {
    {"\"2026-09-21T14:13:20Z\"", 1790000000000},
    {"\"2026-09-21T16:13:20.004+02:00\"", 1790000000004},
    {"\"1960-01-01T00:00:00Z\"", 1},
};

START_TEST(run_at_becomes_milliseconds)
{
    char doc[200];
    struct job j;

    snprintf(doc, sizeof doc, "{\"type\":\"noop\",\"run_at\":%s}", times[_i].run_at);
    ck_assert(job_read(span_of(doc), &job_scene_defaults, &j));
    ck_assert_int_eq(j.run_at_ms, times[_i].ms);
}
END_TEST

static const char *const damaged[] = {"",
                                      "null",
                                      "[]",
                                      "\"x\"",
                                      "{",
                                      "{\"type\":\"noop\"",
                                      "{\"type\":\"noop\"} x",
                                      "{\"a\":1,}",
                                      "{\"webhook\":3}"};

START_TEST(a_damaged_document_is_not_read)
{
    struct job j = {.delay_ms = 77};

    ck_assert(!job_read(span_of(damaged[_i]), &job_scene_defaults, &j));
    ck_assert_int_eq(j.delay_ms, 77);
}
END_TEST

START_TEST(names_and_words_may_be_written_with_escapes)
{
    struct job j;

    ck_assert(job_read(SPAN("{\"t\\u0079pe\":\"n\\u006fop\",\"priority\":\"b\\u0061tch\"}"),
                       &job_scene_defaults, &j));
    ck_assert_int_eq(j.type, JOB_NOOP);
    ck_assert_int_eq(j.priority, JOB_PRIORITY_BATCH);
}
END_TEST

START_TEST(defaults_come_from_the_configuration)
{
    struct config cfg = {.retry_max_attempts = 1,
                         .retry_delay_ms = 2,
                         .retry_realtime_delay_ms = 3,
                         .retry_finetune_delay_ms = 4,
                         .retry_max_ms = 5,
                         .limits_timeout_ms = 6,
                         .limits_job_bytes = 7};
    struct job_defaults d;

    job_defaults_from(&d, &cfg);
    ck_assert_int_eq(d.max_attempts, 1);
    ck_assert_int_eq(d.delay_ms, 2);
    ck_assert_int_eq(d.realtime_delay_ms, 3);
    ck_assert_int_eq(d.finetune_delay_ms, 4);
    ck_assert_int_eq(d.backoff_max_ms, 5);
    ck_assert_int_eq(d.timeout_ms, 6);
    ck_assert_uint_eq(d.max_bytes, 7);
}
END_TEST

START_TEST(type_and_priority_decide_the_queue)
{
    ck_assert_int_eq(job_queue(JOB_INFERENCE, JOB_STANDARD), QUEUE_INFERENCE_STANDARD);
    ck_assert_int_eq(job_queue(JOB_INFERENCE, JOB_REALTIME), QUEUE_INFERENCE_REALTIME);
    ck_assert_int_eq(job_queue(JOB_INFERENCE, JOB_PRIORITY_BATCH), QUEUE_INFERENCE_BATCH);
    ck_assert_int_eq(job_queue(JOB_NOOP, JOB_REALTIME), QUEUE_NOOP);
    ck_assert_int_eq(job_queue(JOB_WEBHOOK, JOB_STANDARD), QUEUE_WEBHOOK);
    ck_assert_int_eq(job_queue(JOB_EVAL, JOB_PRIORITY_BATCH), QUEUE_EVAL);
    ck_assert_int_eq(job_queue(JOB_TYPE_NONE, JOB_STANDARD), QUEUE_NONE);
}
END_TEST

START_TEST(ids_of_producers_are_short_and_plain)
{
    char longest[JOB_ID_MAX + 1];

    memset(longest, 'a', sizeof longest);
    ck_assert(job_id_is_valid("order-4711", 10));
    ck_assert(job_id_is_valid("A.z_0-9", 7));
    ck_assert(job_id_is_valid(longest, JOB_ID_MAX));
    ck_assert(!job_id_is_valid(longest, JOB_ID_MAX + 1));
    ck_assert(!job_id_is_valid("", 0));
    ck_assert(!job_id_is_valid("a~w", 3));
    ck_assert(!job_id_is_valid("a b", 3));
    ck_assert(!job_id_is_valid("a\0b", 3));
    ck_assert(!job_id_is_valid("\xc3\xa4", 2));
}
END_TEST

Suite *test_job(void);
Suite *test_job(void)
{
    Suite *s = suite_create("test_job");
    TCase *tc = tcase_create("read");

    tcase_add_test(tc, reads_everything_that_a_document_says);
    tcase_add_test(tc, fills_in_defaults_for_what_it_does_not_say);
    tcase_add_loop_test(tc, the_first_backoff_depends_on_type_and_priority, 0,
                        (int)ARRAY_LEN(backoffs));
    tcase_add_loop_test(tc, run_at_becomes_milliseconds, 0, (int)ARRAY_LEN(times));
    tcase_add_loop_test(tc, a_damaged_document_is_not_read, 0, (int)ARRAY_LEN(damaged));
    tcase_add_test(tc, names_and_words_may_be_written_with_escapes);
    tcase_add_test(tc, defaults_come_from_the_configuration);
    tcase_add_test(tc, type_and_priority_decide_the_queue);
    tcase_add_test(tc, ids_of_producers_are_short_and_plain);
    suite_add_tcase(s, tc);
    return s;
}
