/* test_health_fleet.c - two processes, one Redis, one record per route: what they agree on. */
#include <string.h>
#include <time.h>

#include "tests/unit/health_scene.h"

START_TEST(what_one_process_sees_all_hear)
{
    open_route();
    ck_assert_int_eq(peek(two), HEALTH_WAIT);
    ck_assert_int_eq(alerts_of("route_opened"), 1);
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"),
                                 "google/x at together: opened, the last 5 calls failed "
                                 "(server_error)"));
}
END_TEST

START_TEST(what_none_saw_alone_they_see_together)
{
    sync_both();
    for (int i = 0; i < 5; i++) { /* 6 of 10 at each is what opens; here 3 of 6 */
        call_once(i < 3 ? one : two, ERR_NONE);
        call_once(i < 3 ? two : one, ERR_SERVER_ERROR);
    }
    ck_assert_int_eq(peek(one), HEALTH_GO);
    ck_assert_int_eq(peek(two), HEALTH_GO);
    sync_both();
    ck_assert_int_eq(health_record().breaker, HEALTH_OPEN);
    ck_assert_int_eq(peek(one), HEALTH_WAIT);
    ck_assert_int_eq(peek(two), HEALTH_WAIT);
    ck_assert_int_eq(alerts_of("route_opened"), 1);
}
END_TEST

START_TEST(a_host_that_fails_alone_stays_alone)
{
    sync_both();
    for (int round = 0; round < 4; round++) {
        calls(two, 50, ERR_NONE);
        calls(one, 5, ERR_CONNECT);
        sync_both();
        if (round == 0)
            ck_assert_int_eq(peek(one), HEALTH_WAIT);
    }
    ck_assert_int_eq(health_record().breaker, HEALTH_CLOSED);
    ck_assert_int_eq(peek(two), HEALTH_GO);
    ck_assert_int_eq(alerts_of("route_opened"), 0);
}
END_TEST

/* Both ask; which of them gets it is whoever was first. */
static struct process *one_gets_the_probe(struct health_call *c)
{
    struct process *prober = NULL;

    skipped_ms += 150;
    for (int i = 0; i < 3 && !prober; i++) {
        enum health_gate ga, gb;
        struct health_call cb = {0};

        ga = health_gate(one->health, route_of(one), c).gate;
        gb = health_gate(two->health, route_of(two), &cb).gate;
        ck_assert(ga != HEALTH_GO && gb != HEALTH_GO);
        ck_assert(!(ga == HEALTH_PROBE && gb == HEALTH_PROBE));
        if (ga == HEALTH_PROBE) {
            prober = one;
        } else if (gb == HEALTH_PROBE) {
            prober = two;
            *c = cb;
        } else {
            sync_both();
        }
    }
    ck_assert_ptr_nonnull(prober);
    return prober;
}

START_TEST(one_call_in_the_fleet_is_the_probe_and_a_good_one_closes)
{
    struct health_call c = {0}, other = {0};
    struct process *p;

    open_route();
    p = one_gets_the_probe(&c);
    ck_assert_int_eq(health_gate(p->health, route_of(p), &other).gate, HEALTH_WAIT);
    ck_assert_int_eq(health_record().breaker, HEALTH_HALF_OPEN);
    ck_assert_str_eq(health_record().owner, p->env.id);
    health_began(p->health, &c);
    health_answered(p->health, &c, 30);
    health_drop(p->health, &c);
    sync_both();
    ck_assert_int_eq(health_record().breaker, HEALTH_CLOSED);
    ck_assert_int_eq(peek(one), HEALTH_GO);
    ck_assert_int_eq(peek(two), HEALTH_GO);
    ck_assert_int_eq(alerts_of("route_closed"), 1);
}
END_TEST

START_TEST(a_bad_probe_makes_the_pause_longer_and_is_no_alert)
{
    struct health_call c = {0};
    struct process *p;

    open_route();
    p = one_gets_the_probe(&c);
    health_began(p->health, &c);
    health_failed(p->health, &c, ERR_SERVER_ERROR);
    health_drop(p->health, &c);
    sync_both();
    ck_assert_int_eq(health_record().breaker, HEALTH_OPEN);
    ck_assert_int_eq(health_record().level, 1);
    ck_assert_int_eq(alerts_of("route_opened"), 1);
    ck_assert_int_eq(alerts_of("route_closed"), 0);
}
END_TEST

START_TEST(a_probe_that_was_not_made_goes_to_the_next_call)
{
    struct health_call c = {0}, next = {0};
    struct process *p;

    open_route();
    p = one_gets_the_probe(&c);
    health_drop(p->health, &c);
    ck_assert_int_eq(health_gate(p->health, route_of(p), &next).gate, HEALTH_PROBE);
    health_drop(p->health, &next);
}
END_TEST

START_TEST(a_process_that_dies_with_the_probe_is_replaced)
{
    struct health_call c = {0};
    struct process *dead, *alive;
    bool got = false;

    open_route();
    dead = one_gets_the_probe(&c);
    alive = dead == one ? two : one;
    for (int i = 0; i < 100 && !got; i++) { /* the lease is 3 x probe_max_ms of Redis's clock */
        struct health_call mine = {0};
        struct timespec nap = {0, 20000000};

        got = health_gate(alive->health, route_of(alive), &mine).gate == HEALTH_PROBE;
        health_drop(alive->health, &mine);
        nanosleep(&nap, NULL);
        health_sync(alive->health);
        loop_turn(scene_loop(), 20);
    }
    ck_assert(got);
    ck_assert_str_eq(health_record().owner, alive->env.id);
}
END_TEST

START_TEST(a_model_that_is_gone_is_out_for_all_and_told_once)
{
    struct process *const both[] = {one, two};

    sync_both();
    for (int i = 0; i < 2; i++) { /* both find out before they hear of each other */
        struct health_call c = {0};

        ck_assert_int_eq(health_gate(both[i]->health, route_of(both[i]), &c).gate, HEALTH_GO);
        health_began(both[i]->health, &c);
        health_gone(both[i]->health, &c, "no such model", (struct span){"google/y", 8});
        health_drop(both[i]->health, &c);
        ck_assert_int_eq(peek(both[i]), HEALTH_WAIT);
    }
    sync_both();
    ck_assert_int_eq(health_record().reason, HEALTH_GONE);
    ck_assert_int_eq(alerts_of("route_gone"), 1);
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"), "google/y is used instead"));
    ck_assert_int_eq(health_peek(two->health, route_of(two)).reason, HEALTH_GONE);
    ck_assert_int_gt(health_peek(two->health, route_of(two)).wait_ms, 100);
}
END_TEST

START_TEST(a_flap_does_not_flood)
{
    sync_both();
    for (int i = 0; i < 8; i++) {
        struct health_call c = {0};
        struct process *p;

        calls(one, 5, ERR_SERVER_ERROR);
        settle_both();
        p = one_gets_the_probe(&c);
        health_began(p->health, &c);
        health_answered(p->health, &c, 30);
        health_drop(p->health, &c);
        sync_both();
    }
    ck_assert_int_eq(health_record().openings, 8);
    ck_assert_int_eq(alerts_of("route_opened"), 3);
    ck_assert_int_eq(alerts_of("route_closed"), 3);
    ck_assert_ptr_nonnull(strstr(says("XREVRANGE @alerts + - COUNT 1"),
                                 "3 times within an hour; unstable: further changes are "
                                 "reported at most every 10 minutes"));
}
END_TEST

Suite *test_health_fleet(void);
Suite *test_health_fleet(void)
{
    Suite *s = suite_create("health_fleet");
    TCase *t = tcase_create("fleet");

    tcase_add_checked_fixture(t, two_processes, no_processes);
    tcase_add_test(t, what_one_process_sees_all_hear);
    tcase_add_test(t, what_none_saw_alone_they_see_together);
    tcase_add_test(t, a_host_that_fails_alone_stays_alone);
    tcase_add_test(t, one_call_in_the_fleet_is_the_probe_and_a_good_one_closes);
    tcase_add_test(t, a_bad_probe_makes_the_pause_longer_and_is_no_alert);
    tcase_add_test(t, a_probe_that_was_not_made_goes_to_the_next_call);
    tcase_add_test(t, a_process_that_dies_with_the_probe_is_replaced);
    tcase_add_test(t, a_model_that_is_gone_is_out_for_all_and_told_once);
    tcase_add_test(t, a_flap_does_not_flood);
    suite_add_tcase(s, t);
    return s;
}
