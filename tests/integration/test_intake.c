/* test_intake.c - what the scheduler does before any worker is there. */
#include <check.h>
#include <string.h>

#include "tests/support/world.h"

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

Suite *test_intake(void)
{
    Suite *s = suite_create("intake");
    TCase *tc = tcase_create("scheduler alone");

    tcase_add_test(tc, a_pushed_job_becomes_ready);
    tcase_add_test(tc, a_bad_document_is_a_result_that_names_the_field);
    suite_add_tcase(s, tc);
    return s;
}
