/* test_intake.c - what the scheduler does before any worker is there. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

START_TEST(a_pushed_job_becomes_ready)
{
    struct world *w = world_new();
    struct program *scheduler = world_start_scheduler(w);

    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:intake"), 0);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:taken"), 0);
    ck_assert_str_eq(world_redis(w, "LRANGE fl:{0}:ready:noop 0 -1")->element[0]->str, "a");
    world_stop(w, scheduler, 5000);
    world_free(w);
}
END_TEST

START_TEST(a_bad_document_is_a_result_that_names_the_field)
{
    struct world *w = world_new();
    const struct result *r;

    world_start_scheduler(w);
    world_push_raw(w, "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"colour\":1}", 48);
    world_wait_results(w, 1, 5000);
    r = world_result(w, "a");
    ck_assert_str_eq(r->status, "rejected");
    ck_assert_ptr_nonnull(strstr(world_string_at(r->doc, "error.message"), "colour"));
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* Documents of other programs and other habits.  Those with "ok" in them are jobs. */
static const struct {
    const char *id, *doc, *status;
} strange[] = {
    {"mark", "\xef\xbb\xbf{\"id\":\"mark\",\"type\":\"noop\",\"payload\":{},\"reply\":true}",
     "completed"},
    {"big",
     "{\"id\":\"big\",\"type\":\"noop\",\"payload\":{\"result\":[18446744073709551615,0]},"
     "\"reply\":true}",
     "completed"},
    {"reals",
     "{\"id\":\"reals\",\"type\":\"noop\",\"payload\":{\"sleep_ms\":1e1},\"max_attempts\":3.0,"
     "\"delay_ms\":1.0e2,\"reply\":true}",
     "completed"},
    {"python", "{'type': 'noop', 'payload': {'x': None}, 'id': 'python', 'reply': True}",
     "rejected"},
    {"quotes",
     "{\"type\":\"noop\",\"payload\":{\"x\":\"say \"hi\"\"},\"id\":\"quotes\",\"reply\":true}",
     "rejected"},
    {"cut", "{\"id\":\"cut\",\"reply\":true,\"type\":\"noop\",\"payload\":{\"x\":[1,2", "rejected"},
};

START_TEST(who_waits_for_a_reply_gets_one_whatever_the_document_looks_like)
{
    struct world *w = world_new();
    const struct results *rs;

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1");
    for (size_t i = 0; i < ARRAY_LEN(strange); i++)
        world_push_raw(w, strange[i].doc, strlen(strange[i].doc));
    world_push_raw(w, "\x1f\x8b\0 no text \"at\" all", 20);
    rs = world_wait_results(w, (int64_t)ARRAY_LEN(strange) + 1, 10000);
    for (size_t i = 0; i < ARRAY_LEN(strange); i++) {
        ck_assert_str_eq(world_result(w, strange[i].id)->status, strange[i].status);
        ck_assert_int_eq(world_int(w, "LLEN fl:{0}:reply:%s", strange[i].id), 1);
    }
    ck_assert_ptr_nonnull(strstr(world_redis(w, "LINDEX fl:{0}:reply:big 0")->str,
                                 "\"output\":[18446744073709551615,0]"));
    for (size_t i = 0; i < rs->count; i++)
        if (*world_string_at(rs->items[i].doc, "submitted"))
            ck_assert_str_eq(world_string_at(rs->items[i].doc, "submitted"),
                             "\x1f\xef\xbf\xbd\xef\xbf\xbd no text \"at\" all");
    ck_assert_int_eq(rs->count, ARRAY_LEN(strange) + 1);
    world_check_one_result_each(w, (int64_t)ARRAY_LEN(strange) + 1);
    world_free(w);
}
END_TEST

Suite *test_intake(void)
{
    Suite *s = suite_create("intake");
    TCase *tc = tcase_create("scheduler alone");

    tcase_add_test(tc, a_pushed_job_becomes_ready);
    tcase_add_test(tc, a_bad_document_is_a_result_that_names_the_field);
    suite_add_tcase(s, tc);
    tc = tcase_create("with a worker");
    tcase_add_test(tc, who_waits_for_a_reply_gets_one_whatever_the_document_looks_like);
    suite_add_tcase(s, tc);
    return s;
}
