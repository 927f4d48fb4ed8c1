/* test_reaper.c - who is dead: a heartbeat that stands still, while Redis does not. */
#include <check.h>
#include <signal.h>
#include <stdio.h>

#include "common/queue/scripts.h"
#include "scheduler/scheduler.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

#define LEASE_MS INT64_C(1500)

static struct redis_server server;
static struct line line;
static struct config cfg;
static struct scheduler scheduler;

static void setup(void)
{
    char words[128];

    redis_server_init(&server);
    redis_server_start(&server, NULL);
    cfg = (struct config){.workers_lease_ms = LEASE_MS, .scheduler_lease_ms = 600000};
    scheduler = (struct scheduler){.cfg = &cfg, .loop = loop_new()};
    keys_init(&scheduler.keys, "fl");
    line_open(&line, scheduler.loop, server.url, (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(scheduler.loop, line.ready);
    scheduler.redis = line.redis;
    scheduler.lease = lease_new(&scheduler);
    scheduler.reaper = reaper_new(&scheduler);
    snprintf(words, sizeof words, "SET fl:{0}:lease %s", lease_token(scheduler.lease));
    ck_assert(ask(&line, words).ok);
    ck_assert(ask(&line, "HSET fl:{0}:workers w-aaaaaaaa {}").ok);
    reaper_start(scheduler.reaper);
}

static void teardown(void)
{
    line_close(&line);
    reaper_free(scheduler.reaper);
    lease_free(scheduler.lease);
    keys_done(&scheduler.keys);
    loop_free(scheduler.loop);
    redis_server_done(&server);
}

static bool is_there(void) { return ask(&line, "HEXISTS fl:{0}:workers w-aaaaaaaa").number == 1; }

static void turn_for(int64_t ms)
{
    int64_t end = clock_mono_ms() + ms;

    while (clock_mono_ms() < end)
        loop_turn(scheduler.loop, 10);
}

/* Of an hour's hold. */
static bool is_charged(void)
{
    return ask(&line, "HGET fl:{0}:holds job:aaaaaaaa00000001.1").text[0] == 'c';
}

START_TEST(a_heartbeat_that_stands_still_is_a_death)
{
    int64_t since = clock_mono_ms();

    redis_sendv(line.redis, NULL, NULL, "HSET", "fl:{0}:holds", "job:aaaaaaaa00000001.1",
                "o 20|a d20261122", NULL);
    TURN_UNTIL(scheduler.loop, !is_there());
    ck_assert_int_ge(clock_mono_ms() - since, LEASE_MS);
    TURN_UNTIL(scheduler.loop, is_charged());
}
END_TEST

START_TEST(redis_that_hangs_kills_nobody)
{
    turn_for(1200); /* two looks: the worker was seen */
    redis_server_signal(&server, SIGSTOP);
    turn_for(2 * LEASE_MS);
    redis_server_signal(&server, SIGCONT);
    ck_assert(is_there());
    turn_for(100);
    ck_assert(is_there());
    TURN_UNTIL(scheduler.loop, !is_there());
}
END_TEST

START_TEST(a_scheduler_that_was_stopped_kills_nobody)
{
    int64_t end;

    turn_for(1200);
    end = clock_mono_ms() + 2 * LEASE_MS;
    while (clock_mono_ms() < end) /* the loop does not turn */
        ;
    turn_for(100);
    ck_assert(is_there());
    TURN_UNTIL(scheduler.loop, !is_there());
}
END_TEST

Suite *test_reaper(void);
Suite *test_reaper(void)
{
    Suite *s = suite_create("reaper");
    TCase *t = tcase_create("reaper");

    tcase_set_timeout(t, 30);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_test(t, a_heartbeat_that_stands_still_is_a_death);
    tcase_add_test(t, redis_that_hangs_kills_nobody);
    tcase_add_test(t, a_scheduler_that_was_stopped_kills_nobody);
    suite_add_tcase(s, t);
    return s;
}
