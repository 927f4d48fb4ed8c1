/* test_claimed.c - a worker dies between claim and start: the id is in its hands only. */
#include <check.h>

#include "tests/support/world.h"

START_TEST(an_id_that_was_claimed_and_not_started_is_given_back)
{
    struct world *w = world_new();

    world_start_scheduler(w, "FLOTILLA_WORKERS_LEASE_MS=1000", "FLOTILLA_WORKERS_HEARTBEAT_MS=200");
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    WAIT_UNTIL(w, 10000, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    /* What claim.lua leaves behind when nothing follows it. */
    world_redis(w, "HSET fl:{0}:workers gone-0123abcd {\"n\":1}");
    world_redis(w, "SADD fl:{0}:active:gone-0123abcd a");
    world_redis(w, "RPOP fl:{0}:ready:noop");
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_LEASE_MS=1000",
                       "FLOTILLA_WORKERS_HEARTBEAT_MS=200");
    world_wait_results(w, 1, 20000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

Suite *test_claimed(void)
{
    Suite *s = suite_create("claimed");
    TCase *tc = tcase_create("claimed");

    tcase_set_timeout(tc, 60);
    tcase_add_test(tc, an_id_that_was_claimed_and_not_started_is_given_back);
    suite_add_tcase(s, tc);
    return s;
}
