/* test_health.c - processes and their fleet: two of them, one Redis, one record per route. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/io/loop.h"
#include "tests/unit/redis_shot.h"
#include "tests/unit/scripts_scene.h"
#include "worker/process.h"
#include "worker/route/health_private.h"

#define MODEL ((struct span){"google/x", 8})
#define NAME  "together google/x"

static struct process a, b;

/* Time passes when the tests say so: the processes' and, for what they compare, Redis's own. */
static int64_t skipped_ms;
static int64_t skipping_us(void) { return clock_system.mono_us() + 1000 * skipped_ms; }
static int64_t wall_ms(void) { return clock_system.wall_ms() + skipped_ms; }
static const struct clock skipping = {skipping_us, wall_ms};

static void open_process(struct process *p, const char *id)
{
    struct err err = {0};

    *p = (struct process){.loop = scene_loop(), .redis = scene_redis(), .keys = *scene_keys()};
    snprintf(p->id, sizeof p->id, "%s", id);
    p->cfg = config_load(NULL, &err);
    ck_assert_msg(p->cfg, "%s", err.msg);
    p->cfg->workers_heartbeat_ms = 50;
    p->cfg->routing_probe_min_ms = 100;
    p->cfg->routing_probe_max_ms = 400;
    p->health = health_new(p);
}

static void two_processes(void)
{
    unsetenv("FLOTILLA_CONFIG");
    scene_open();
    skipped_ms = 0;
    clock_now = &skipping;
    open_process(&a, "a");
    open_process(&b, "b");
}

static void no_processes(void)
{
    TURN_UNTIL(scene_loop(), redis_outstanding(scene_redis()) == 0);
    health_free(a.health);
    health_free(b.health);
    clock_now = &clock_system;
    scene_close();
    config_free(a.cfg);
    config_free(b.cfg);
}

/* ---- what they do ---- */

static struct health_route *route(struct process *p)
{
    return health_route(p->health, "together", MODEL);
}

/* All that is to be said is said, and heard. */
static void sync_both(void)
{
    struct process *const both[] = {&a, &b};

    for (int i = 0; i < 6; i++) {
        health_peek(both[i % 2]->health, route(both[i % 2])); /* jobs want to know */
        health_sync(both[i % 2]->health);
        TURN_UNTIL(scene_loop(), redis_outstanding(scene_redis()) == 0);
    }
}

/* Long enough for others to object. */
static void settle(void)
{
    struct timespec nap = {0, 100000000};

    sync_both();
    nanosleep(&nap, NULL);
    sync_both();
}

/* A call that is answered (ERR_NONE) or fails; what the gate said. */
static enum health_gate call(struct process *p, enum err_kind kind)
{
    struct health_call c = {0};
    struct health_says says = health_gate(p->health, route(p), &c);

    if (says.gate != HEALTH_WAIT) {
        health_began(p->health, &c);
        if (kind == ERR_NONE)
            health_answered(p->health, &c, 50);
        else
            health_failed(p->health, &c, kind);
    }
    health_drop(p->health, &c);
    return says.gate;
}

static void calls(struct process *p, int n, enum err_kind kind)
{
    for (int i = 0; i < n; i++)
        call(p, kind);
}

static enum health_gate peek(struct process *p) { return health_peek(p->health, route(p)).gate; }

static struct health_state record(void)
{
    struct health_state s;
    struct redis_args args;
    struct err err = {0};
    struct span text;

    redis_args_init(&args);
    redis_arg_str(&args, "HGET");
    redis_arg_str(&args, key(scene_keys(), KEY_HEALTH));
    redis_arg_str(&args, NAME);
    text = reply_span(redis_call(scene_redis(), &args, &err));
    ck_assert_msg(health_read(text, &s), "%.*s", (int)text.n, text.p ? text.p : "");
    return s;
}

static int alerts(const char *code)
{
    const char *all = says("XRANGE @alerts - +");
    char word[64];
    int n = 0;

    snprintf(word, sizeof word, "[code %s ", code);
    for (const char *at = all; (at = strstr(at, word)); at += strlen(word))
        n++;
    return n;
}

static void make_open(void)
{
    sync_both();
    calls(&a, 5, ERR_SERVER_ERROR);
    settle();
    ck_assert_int_eq(record().breaker, HEALTH_OPEN);
}

/* ---- one process ---- */

START_TEST(a_process_reacts_before_anybody_has_heard)
{
    calls(&a, 4, ERR_SERVER_ERROR);
    ck_assert_int_eq(peek(&a), HEALTH_GO);
    calls(&a, 1, ERR_SERVER_ERROR);
    ck_assert_int_eq(peek(&a), HEALTH_WAIT);
    ck_assert_int_eq(call(&a, ERR_NONE), HEALTH_WAIT);
    ck_assert_int_eq(peek(&b), HEALTH_GO);
}
END_TEST

START_TEST(nobody_waits_for_the_end_of_a_probes_lease)
{
    struct health_call probe = {0}, other = {0};
    struct health_says says;

    a.cfg->routing_probe_max_ms = 60000;
    calls(&a, 5, ERR_SERVER_ERROR);
    skipped_ms += 150;
    ck_assert_int_eq(health_gate(a.health, route(&a), &probe).gate, HEALTH_PROBE);
    says = health_gate(a.health, route(&a), &other);
    ck_assert_int_eq(says.gate, HEALTH_WAIT);
    ck_assert_int_le(says.wait_ms, 1000);
    health_began(a.health, &probe);
    health_answered(a.health, &probe, 30);
    ck_assert_int_eq(health_gate(a.health, route(&a), &other).gate, HEALTH_GO);
    health_drop(a.health, &probe);
    health_drop(a.health, &other);
}
END_TEST

START_TEST(the_jobs_own_failures_take_nothing_out)
{
    calls(&a, 50, ERR_BAD_REQUEST);
    calls(&a, 50, ERR_RATE_LIMITED);
    calls(&a, 50, ERR_TIMEOUT); /* of jobs that did not wait */
    ck_assert_int_eq(peek(&a), HEALTH_GO);
    sync_both();
    ck_assert_int_eq(record().now.limited + record().before.limited, 50);
    ck_assert_int_eq(record().breaker, HEALTH_CLOSED);
}
END_TEST

START_TEST(calls_that_hang_make_a_route_slow_before_they_are_answered)
{
    struct health_call hanging[10] = {0};

    calls(&a, 30, ERR_NONE);
    sync_both();
    skipped_ms += 20000;
    for (int i = 0; i < 10; i++) {
        ck_assert_int_eq(health_gate(a.health, route(&a), &hanging[i]).gate, HEALTH_GO);
        health_began(a.health, &hanging[i]);
    }
    skipped_ms += 200;
    ck_assert_int_eq(call(&a, ERR_NONE), HEALTH_GO);
    skipped_ms += 200;
    ck_assert_int_eq(call(&a, ERR_NONE), HEALTH_WAIT);
    ck_assert_int_eq(health_peek(a.health, route(&a)).reason, HEALTH_SLOW);
    sync_both();
    ck_assert_int_eq(record().reason, HEALTH_SLOW);
    ck_assert_int_eq(alerts("route_opened"), 1);
    for (int i = 0; i < 10; i++)
        health_drop(a.health, &hanging[i]);
}
END_TEST

START_TEST(latencies_are_the_fleets_or_else_its_own)
{
    ck_assert_int_eq(health_p50(route(&a)), 0);
    ck_assert_int_eq(health_p50(NULL), 0);
    calls(&a, 30, ERR_NONE); /* 50 ms each */
    skipped_ms += 200;
    health_look_all(a.health);
    ck_assert_int_ge(health_p50(route(&a)), 40);
    ck_assert_int_le(health_p50(route(&a)), 64);
    ck_assert_int_eq(health_p50(route(&b)), 0);
    sync_both();
    ck_assert_int_ge(health_p50(route(&b)), 40);
    ck_assert_int_ge(health_p90(route(&b)), health_p50(route(&b)));
}
END_TEST

START_TEST(tickets_may_end_in_any_order_and_without_a_call)
{
    struct health_call c[3] = {0}, none = {0};

    for (int i = 0; i < 3; i++) {
        health_gate(a.health, route(&a), &c[i]);
        health_began(a.health, &c[i]);
    }
    health_answered(a.health, &c[1], -1);
    health_answered(a.health, &c[1], -1); /* only once */
    health_drop(a.health, &c[0]);
    health_drop(a.health, &c[2]);
    health_drop(a.health, &c[1]);
    health_drop(a.health, &none);
    ck_assert_int_eq(health_gate(a.health, NULL, &none).gate, HEALTH_GO);
    health_began(a.health, &none);
    health_failed(a.health, &none, ERR_TIMEOUT);
    health_drop(a.health, &none);
    sync_both();
    ck_assert_int_eq(record().now.calls + record().before.calls, 1);
}
END_TEST

START_TEST(names_that_do_not_fit_are_not_watched)
{
    char long_name[400];

    memset(long_name, 'x', sizeof long_name);
    ck_assert_ptr_null(
        health_route(a.health, "together", (struct span){long_name, sizeof long_name}));
    ck_assert_ptr_null(health_route(a.health, "together", (struct span){"a|b", 3}));
    for (int i = 0; i < 600; i++) {
        snprintf(long_name, sizeof long_name, "m%d", i);
        ck_assert((health_route(a.health, "p", (struct span){long_name, strlen(long_name)}) !=
                   NULL) == (i < 512));
    }
}
END_TEST

/* ---- the fleet ---- */

START_TEST(what_one_process_sees_all_hear)
{
    make_open();
    ck_assert_int_eq(peek(&b), HEALTH_WAIT);
    ck_assert_int_eq(alerts("route_opened"), 1);
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"),
                                 "google/x at together: opened, the last 5 calls failed "
                                 "(server_error)"));
}
END_TEST

START_TEST(what_none_saw_alone_they_see_together)
{
    sync_both();
    for (int i = 0; i < 5; i++) { /* 6 of 10 at each is what opens; here 3 of 6 */
        call(i < 3 ? &a : &b, ERR_NONE);
        call(i < 3 ? &b : &a, ERR_SERVER_ERROR);
    }
    ck_assert_int_eq(peek(&a), HEALTH_GO);
    ck_assert_int_eq(peek(&b), HEALTH_GO);
    sync_both();
    ck_assert_int_eq(record().breaker, HEALTH_OPEN);
    ck_assert_int_eq(peek(&a), HEALTH_WAIT);
    ck_assert_int_eq(peek(&b), HEALTH_WAIT);
    ck_assert_int_eq(alerts("route_opened"), 1);
}
END_TEST

START_TEST(a_host_that_fails_alone_stays_alone)
{
    sync_both();
    for (int round = 0; round < 4; round++) {
        calls(&b, 50, ERR_NONE);
        calls(&a, 5, ERR_CONNECT);
        sync_both();
        if (round == 0)
            ck_assert_int_eq(peek(&a), HEALTH_WAIT);
    }
    ck_assert_int_eq(record().breaker, HEALTH_CLOSED);
    ck_assert_int_eq(peek(&b), HEALTH_GO);
    ck_assert_int_eq(alerts("route_opened"), 0);
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

        ga = health_gate(a.health, route(&a), c).gate;
        gb = health_gate(b.health, route(&b), &cb).gate;
        ck_assert(ga != HEALTH_GO && gb != HEALTH_GO);
        ck_assert(!(ga == HEALTH_PROBE && gb == HEALTH_PROBE));
        if (ga == HEALTH_PROBE) {
            prober = &a;
        } else if (gb == HEALTH_PROBE) {
            prober = &b;
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

    make_open();
    p = one_gets_the_probe(&c);
    ck_assert_int_eq(health_gate(p->health, route(p), &other).gate, HEALTH_WAIT);
    ck_assert_int_eq(record().breaker, HEALTH_HALF_OPEN);
    ck_assert_str_eq(record().owner, p->id);
    health_began(p->health, &c);
    health_answered(p->health, &c, 30);
    health_drop(p->health, &c);
    sync_both();
    ck_assert_int_eq(record().breaker, HEALTH_CLOSED);
    ck_assert_int_eq(peek(&a), HEALTH_GO);
    ck_assert_int_eq(peek(&b), HEALTH_GO);
    ck_assert_int_eq(alerts("route_closed"), 1);
}
END_TEST

START_TEST(a_bad_probe_makes_the_pause_longer_and_is_no_alert)
{
    struct health_call c = {0};
    struct process *p;

    make_open();
    p = one_gets_the_probe(&c);
    health_began(p->health, &c);
    health_failed(p->health, &c, ERR_SERVER_ERROR);
    health_drop(p->health, &c);
    sync_both();
    ck_assert_int_eq(record().breaker, HEALTH_OPEN);
    ck_assert_int_eq(record().level, 1);
    ck_assert_int_eq(alerts("route_opened"), 1);
    ck_assert_int_eq(alerts("route_closed"), 0);
}
END_TEST

START_TEST(a_probe_that_was_not_made_goes_to_the_next_call)
{
    struct health_call c = {0}, next = {0};
    struct process *p;

    make_open();
    p = one_gets_the_probe(&c);
    health_drop(p->health, &c);
    ck_assert_int_eq(health_gate(p->health, route(p), &next).gate, HEALTH_PROBE);
    health_drop(p->health, &next);
}
END_TEST

START_TEST(a_process_that_dies_with_the_probe_is_replaced)
{
    struct health_call c = {0};
    struct process *dead, *alive;
    bool got = false;

    make_open();
    dead = one_gets_the_probe(&c);
    alive = dead == &a ? &b : &a;
    for (int i = 0; i < 100 && !got; i++) { /* the lease is 3 x probe_max_ms of Redis's clock */
        struct health_call mine = {0};
        struct timespec nap = {0, 20000000};

        got = health_gate(alive->health, route(alive), &mine).gate == HEALTH_PROBE;
        health_drop(alive->health, &mine);
        nanosleep(&nap, NULL);
        health_sync(alive->health);
        loop_turn(scene_loop(), 20);
    }
    ck_assert(got);
    ck_assert_str_eq(record().owner, alive->id);
}
END_TEST

START_TEST(a_model_that_is_gone_is_out_for_all_and_told_once)
{
    struct process *const both[] = {&a, &b};

    sync_both();
    for (int i = 0; i < 2; i++) { /* both find out before they hear of each other */
        struct health_call c = {0};

        ck_assert_int_eq(health_gate(both[i]->health, route(both[i]), &c).gate, HEALTH_GO);
        health_began(both[i]->health, &c);
        health_gone(both[i]->health, &c, "no such model", (struct span){"google/y", 8});
        health_drop(both[i]->health, &c);
        ck_assert_int_eq(peek(both[i]), HEALTH_WAIT);
    }
    sync_both();
    ck_assert_int_eq(record().reason, HEALTH_GONE);
    ck_assert_int_eq(alerts("route_gone"), 1);
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"), "google/y is used instead"));
    ck_assert_int_eq(health_peek(b.health, route(&b)).reason, HEALTH_GONE);
    ck_assert_int_gt(health_peek(b.health, route(&b)).wait_ms, 100);
}
END_TEST

START_TEST(a_flap_does_not_flood)
{
    sync_both();
    for (int i = 0; i < 8; i++) {
        struct health_call c = {0};
        struct process *p;

        calls(&a, 5, ERR_SERVER_ERROR);
        settle();
        p = one_gets_the_probe(&c);
        health_began(p->health, &c);
        health_answered(p->health, &c, 30);
        health_drop(p->health, &c);
        sync_both();
    }
    ck_assert_int_eq(record().openings, 8);
    ck_assert_int_eq(alerts("route_opened"), 3);
    ck_assert_int_eq(alerts("route_closed"), 3);
}
END_TEST

/* ---- Redis ---- */

START_TEST(a_record_that_was_removed_is_a_closed_route)
{
    make_open();
    CK_SAYS("DEL @health", "1");
    sync_both();
    ck_assert_int_eq(peek(&a), HEALTH_GO);
    ck_assert_int_eq(peek(&b), HEALTH_GO);
}
END_TEST

START_TEST(what_was_heard_long_ago_is_not_believed)
{
    make_open();
    ck_assert_int_eq(peek(&b), HEALTH_WAIT);
    skipped_ms += a.cfg->routing_stale_ms + 1000;
    ck_assert_int_eq(peek(&b), HEALTH_GO);
}
END_TEST

START_TEST(nothing_is_asked_of_redis_when_there_is_nothing_to_say)
{
    calls(&a, 3, ERR_NONE);
    sync_both();
    for (int i = 0; i < 5; i++) {
        skipped_ms += 1000;
        health_sync(a.health);
        ck_assert_uint_eq(redis_outstanding(scene_redis()), 0);
    }
}
END_TEST

START_TEST(a_damaged_record_is_made_anew)
{
    CK_SAYS("EVAL redis.call('HSET',KEYS[1],'together\\032google/x','rubbish') 1 @health", "nil");
    calls(&a, 5, ERR_SERVER_ERROR);
    settle();
    ck_assert_int_eq(record().breaker, HEALTH_OPEN);
}
END_TEST

Suite *test_health(void);
Suite *test_health(void)
{
    Suite *s = suite_create("health");
    TCase *t = tcase_create("processes");

    tcase_add_checked_fixture(t, two_processes, no_processes);
    tcase_add_test(t, a_process_reacts_before_anybody_has_heard);
    tcase_add_test(t, nobody_waits_for_the_end_of_a_probes_lease);
    tcase_add_test(t, the_jobs_own_failures_take_nothing_out);
    tcase_add_test(t, calls_that_hang_make_a_route_slow_before_they_are_answered);
    tcase_add_test(t, latencies_are_the_fleets_or_else_its_own);
    tcase_add_test(t, tickets_may_end_in_any_order_and_without_a_call);
    tcase_add_test(t, names_that_do_not_fit_are_not_watched);
    tcase_add_test(t, what_one_process_sees_all_hear);
    tcase_add_test(t, what_none_saw_alone_they_see_together);
    tcase_add_test(t, a_host_that_fails_alone_stays_alone);
    tcase_add_test(t, one_call_in_the_fleet_is_the_probe_and_a_good_one_closes);
    tcase_add_test(t, a_bad_probe_makes_the_pause_longer_and_is_no_alert);
    tcase_add_test(t, a_probe_that_was_not_made_goes_to_the_next_call);
    tcase_add_test(t, a_process_that_dies_with_the_probe_is_replaced);
    tcase_add_test(t, a_model_that_is_gone_is_out_for_all_and_told_once);
    tcase_add_test(t, a_flap_does_not_flood);
    tcase_add_test(t, a_record_that_was_removed_is_a_closed_route);
    tcase_add_test(t, what_was_heard_long_ago_is_not_believed);
    tcase_add_test(t, nothing_is_asked_of_redis_when_there_is_nothing_to_say);
    tcase_add_test(t, a_damaged_record_is_made_anew);
    suite_add_tcase(s, t);
    return s;
}
