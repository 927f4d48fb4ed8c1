/* test_health.c - one process and what it makes of its calls, with and without Redis. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/health_scene.h"

/* ---- one process ---- */

START_TEST(a_process_reacts_before_anybody_has_heard)
{
    calls(one, 4, ERR_SERVER_ERROR);
    ck_assert_int_eq(peek(one), HEALTH_GO);
    calls(one, 1, ERR_SERVER_ERROR);
    ck_assert_int_eq(peek(one), HEALTH_WAIT);
    ck_assert_int_eq(call_once(one, ERR_NONE), HEALTH_WAIT);
    ck_assert_int_eq(peek(two), HEALTH_GO);
}
END_TEST

START_TEST(nobody_waits_for_the_end_of_a_probes_lease)
{
    struct health_call probe = {0}, other = {0};
    struct health_says says;

    one->env.cfg->routing_probe_max_ms = 60000;
    calls(one, 5, ERR_SERVER_ERROR);
    skipped_ms += 150;
    ck_assert_int_eq(health_gate(one->health, route_of(one), &probe).gate, HEALTH_PROBE);
    says = health_gate(one->health, route_of(one), &other);
    ck_assert_int_eq(says.gate, HEALTH_WAIT);
    ck_assert_int_le(says.wait_ms, 1000);
    health_began(one->health, &probe);
    health_answered(one->health, &probe, 30);
    ck_assert_int_eq(health_gate(one->health, route_of(one), &other).gate, HEALTH_GO);
    health_drop(one->health, &probe);
    health_drop(one->health, &other);
}
END_TEST

START_TEST(the_jobs_own_failures_take_nothing_out)
{
    calls(one, 50, ERR_BAD_REQUEST);
    calls(one, 50, ERR_RATE_LIMITED);
    calls(one, 50, ERR_TIMEOUT); /* of jobs that did not wait */
    ck_assert_int_eq(peek(one), HEALTH_GO);
    sync_both();
    CK_SAYS("EXISTS @health", "0");
}
END_TEST

START_TEST(calls_that_hang_make_a_route_slow_before_they_are_answered)
{
    struct health_call hanging[10] = {0};

    calls(one, 30, ERR_NONE);
    sync_both();
    skipped_ms += 20000;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(health_gate(one->health, route_of(one), &hanging[i]).gate, HEALTH_GO);
        health_began(one->health, &hanging[i]);
    }
    skipped_ms += 200;
    ck_assert_int_eq(call_once(one, ERR_NONE), HEALTH_GO);
    skipped_ms += 200;
    ck_assert_int_eq(call_once(one, ERR_NONE), HEALTH_WAIT);
    ck_assert_int_eq(health_peek(one->health, route_of(one)).reason, HEALTH_SLOW);
    sync_both();
    ck_assert_int_eq(health_record().reason, HEALTH_SLOW);
    ck_assert_int_eq(alerts_of("route_opened"), 1);
    for (int i = 0; i < 10; i++)
        health_drop(one->health, &hanging[i]);
}
END_TEST

START_TEST(latencies_are_the_fleets_or_else_its_own)
{
    ck_assert_int_eq(health_p50(route_of(one)), 0);
    ck_assert_int_eq(health_p50(NULL), 0);
    calls(one, 30, ERR_NONE); /* 50 ms each */
    skipped_ms += 200;
    health_look_all(one->health);
    ck_assert_int_ge(health_p50(route_of(one)), 40);
    ck_assert_int_le(health_p50(route_of(one)), 64);
    ck_assert_int_eq(health_p50(route_of(two)), 0);
    sync_both();
    ck_assert_int_ge(health_p50(route_of(two)), 40);
}
END_TEST

START_TEST(tickets_may_end_in_any_order_and_without_a_call)
{
    struct health_call c[3] = {0}, none = {0};

    for (int i = 0; i < 3; i++) {
        health_gate(one->health, route_of(one), &c[i]);
        health_began(one->health, &c[i]);
    }
    health_answered(one->health, &c[1], -1);
    health_answered(one->health, &c[1], -1); /* only once */
    health_drop(one->health, &c[0]);
    health_drop(one->health, &c[2]);
    health_drop(one->health, &c[1]);
    health_drop(one->health, &none);
    ck_assert_int_eq(health_gate(one->health, NULL, &none).gate, HEALTH_GO);
    health_began(one->health, &none);
    health_failed(one->health, &none, ERR_TIMEOUT);
    health_drop(one->health, &none);
    sync_both();
    ck_assert_int_eq(health_record().now.calls + health_record().before.calls, 1);
}
END_TEST

START_TEST(names_that_do_not_fit_are_not_watched)
{
    char long_name[400];

    memset(long_name, 'x', sizeof long_name);
    ck_assert_ptr_null(
        health_route(one->health, "together", (struct span){long_name, sizeof long_name}));
    ck_assert_ptr_null(health_route(one->health, "together", (struct span){"a|b", 3}));
    for (int i = 0; i < 600; i++) {
        snprintf(long_name, sizeof long_name, "m%d", i);
        ck_assert((health_route(one->health, "p", (struct span){long_name, strlen(long_name)}) !=
                   NULL) == (i < 512));
    }
}
END_TEST

static struct health_route *named(const char *prefix, int i)
{
    char name[32];

    snprintf(name, sizeof name, "%s%d", prefix, i);
    return health_job_route(one->health, "p", (struct span){name, strlen(name)});
}

START_TEST(names_that_only_jobs_know_make_room_for_others)
{
    struct health_call open = {0}, c = {0};
    struct health_route *known = route_of(one), *called = named("called", 0), *failed;

    health_gate(one->health, called, &open);
    health_began(one->health, &open);
    failed = named("failed", 0);
    health_gate(one->health, failed, &c);
    health_began(one->health, &c);
    health_failed(one->health, &c, ERR_SERVER_ERROR); /* to be told */
    health_drop(one->health, &c);
    for (int i = 0; i < 1000; i++) {
        health_gate(one->health, named("slip", i), &c);
        health_began(one->health, &c);
        health_failed(one->health, &c, ERR_PROVIDER_NOT_FOUND);
        health_drop(one->health, &c);
    }
    ck_assert_ptr_eq(route_of(one), known);
    ck_assert_ptr_eq(named("called", 0), called);
    ck_assert_ptr_eq(named("failed", 0), failed);
    ck_assert_ptr_nonnull(health_route(one->health, "p", (struct span){"new", 3}));
    health_answered(one->health, &open, 50);
    health_drop(one->health, &open);
}
END_TEST

/* ---- Redis ---- */

START_TEST(a_record_that_was_removed_is_a_closed_route)
{
    open_route();
    CK_SAYS("DEL @health", "1");
    sync_both();
    ck_assert_int_eq(peek(one), HEALTH_GO);
    ck_assert_int_eq(peek(two), HEALTH_GO);
}
END_TEST

START_TEST(what_was_heard_long_ago_is_not_believed)
{
    open_route();
    ck_assert_int_eq(peek(two), HEALTH_WAIT);
    skipped_ms += one->env.cfg->routing_stale_ms + 1000;
    ck_assert_int_eq(peek(two), HEALTH_GO);
}
END_TEST

START_TEST(nothing_is_asked_of_redis_when_there_is_nothing_to_say)
{
    calls(one, 3, ERR_NONE);
    sync_both();
    for (int i = 0; i < 5; i++) {
        skipped_ms += 1000;
        health_sync(one->health);
        ck_assert_uint_eq(redis_outstanding(scene_redis()), 0);
    }
}
END_TEST

START_TEST(a_damaged_record_is_made_anew)
{
    CK_SAYS("EVAL redis.call('HSET',KEYS[1],'together\\032google/x','rubbish') 1 @health", "nil");
    calls(one, 5, ERR_SERVER_ERROR);
    settle_both();
    ck_assert_int_eq(health_record().breaker, HEALTH_OPEN);
}
END_TEST

Suite *test_health(void);
Suite *test_health(void)
{
    Suite *s = suite_create("health");
    TCase *t = tcase_create("one process");

    tcase_add_checked_fixture(t, two_processes, no_processes);
    tcase_add_test(t, a_process_reacts_before_anybody_has_heard);
    tcase_add_test(t, nobody_waits_for_the_end_of_a_probes_lease);
    tcase_add_test(t, the_jobs_own_failures_take_nothing_out);
    tcase_add_test(t, calls_that_hang_make_a_route_slow_before_they_are_answered);
    tcase_add_test(t, latencies_are_the_fleets_or_else_its_own);
    tcase_add_test(t, tickets_may_end_in_any_order_and_without_a_call);
    tcase_add_test(t, names_that_do_not_fit_are_not_watched);
    tcase_add_test(t, names_that_only_jobs_know_make_room_for_others);
    tcase_add_test(t, a_record_that_was_removed_is_a_closed_route);
    tcase_add_test(t, what_was_heard_long_ago_is_not_believed);
    tcase_add_test(t, nothing_is_asked_of_redis_when_there_is_nothing_to_say);
    tcase_add_test(t, a_damaged_record_is_made_anew);
    suite_add_tcase(s, t);
    return s;
}
