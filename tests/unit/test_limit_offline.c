/* test_limit_offline.c - Redis does not answer: calls go on for limits.stale_ms, and then stop. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue/scripts.h"
#include "tests/unit/limit_mirror.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/claims/rooms.h"
#include "worker/limit/limiter_private.h"
#include "worker/process.h"

#define MS       INT64_C(1000)
#define S        INT64_C(1000000)
#define NEVER_US (INT64_MAX / 2)

static struct config cfg;
static struct process process;

/* ---- as a function of time ---- */

enum { RATE = 20 };
#define HEARD (100 * S)

static struct limiter limiter;
static struct limiter_bucket bucket;

/* Redis answered last at HEARD, and gave so many tickets; since then somebody waits for one. */
static void hear_last(double tickets, int64_t stale_ms)
{
    static char text[BUCKET_TEXT];
    double needs[BUCKET_LANES][BUCKET_CLASSES] = {{0}};
    struct mirror mirror = {0};
    struct slice_ask ask;

    cfg = (struct config){.limits_stale_ms = stale_ms};
    process = (struct process){.env.cfg = &cfg};
    limiter = (struct limiter){.env = &process.env};
    bucket = (struct limiter_bucket){.l = &limiter, .starved_us = HEARD, .spent_us = HEARD};
    slice_init(&bucket.slice);
    needs[BUCKET_CALLS][BUCKET_STANDARD] = tickets;
    slice_ask(&bucket.slice, needs, RATE, HEARD, &ask);
    mirror_ask(&mirror, &ask, HEARD + 1700 * S, text);
    ck_assert(slice_hear(&bucket.slice, &ask, (struct span){text, strlen(text)}, HEARD));
}

struct went {
    int64_t calls, first_us, last_us; /* since HEARD */
};

/* Who goes within a minute, when it may. */
static struct went go_on(void)
{
    struct went w = {0};

    for (int64_t us = 0; us < 60 * S; us += MS)
        if (limiter_offline_us(&bucket, HEARD + us) == 0) {
            limiter_spend(&bucket, HEARD + us);
            if (!w.calls++)
                w.first_us = us;
            w.last_us = us;
        }
    return w;
}

static const struct {
    int64_t stale_ms, calls;
} stales[] = {{30000, 295}, {1000, 5}, {10000, 95}, {400, 0}, {0, 0}};

START_TEST(calls_go_on_at_this_processs_share_until_the_state_is_too_old)
{
    int64_t stale_us = stales[_i].stale_ms * MS;
    struct went w;

    hear_last(0, stales[_i].stale_ms);
    w = go_on(); /* half of the rate is its share, as long as it knows no better */
    ck_assert_msg(llabs(w.calls - stales[_i].calls) <= 1, "%lld calls", (long long)w.calls);
    if (w.calls) {
        ck_assert_int_eq(w.first_us, LIMITER_STARVED_US);
        ck_assert_int_le(w.last_us, stale_us);
        ck_assert_int_gt(w.last_us, stale_us - 2 * S / RATE * 2);
    }
    ck_assert_int_eq(limiter_offline_us(&bucket, HEARD + stale_us + S), NEVER_US);
}
END_TEST

START_TEST(tickets_in_hand_come_first)
{
    hear_last(1 + 2 * RATE, 30000); /* one of them was due at once */
    ck_assert_int_ge(go_on().first_us, 2 * S);
    hear_last(10 * RATE, 30000); /* most of them are of jobs that are not in memory */
    ck_assert_int_eq(go_on().first_us, 5 * S);
    hear_last(2 * RATE, 1000);
    ck_assert_int_eq(go_on().calls, 0);
}
END_TEST

START_TEST(nobody_goes_at_a_rate_that_was_never_heard)
{
    hear_last(0, 30000);
    slice_init(&bucket.slice);
    ck_assert_int_eq(go_on().calls, 0);
}
END_TEST

START_TEST(who_has_just_come_waits_for_redis_first)
{
    hear_last(0, 30000);
    ck_assert_int_eq(limiter_offline_us(&bucket, HEARD + 200 * MS), LIMITER_STARVED_US - 200 * MS);
    bucket.starved_us = 0; /* nobody waits */
    ck_assert_int_eq(limiter_offline_us(&bucket, HEARD + 2 * S), NEVER_US);
}
END_TEST

/* ---- with a Redis that is stopped ---- */

enum { CALLS = 400, STALE_MS = 1500, KNOWN_PER_S = 50 };

static struct redis_server server;
static struct line line;
static struct limiter_call calls[CALLS];
static int64_t gone, last_ms;

static void on_place(void *arg, int64_t wait_ms) { (void)arg, (void)wait_ms; }

static void on_turn(void *arg)
{
    struct limiter_call *c = arg;

    gone++;
    last_ms = clock_mono_ms();
    limiter_end(c, &(struct limiter_outcome){.end = LIMITER_WELL, .tokens_used = 1});
}

static void enter(struct limiter *l, int first, int count)
{
    for (int i = first; i < first + count; i++) {
        calls[i] = (struct limiter_call){.ticket.class = BUCKET_STANDARD,
                                         .on_place = on_place,
                                         .on_turn = on_turn,
                                         .arg = &calls[i]};
        if (limiter_enter(l, &calls[i], "key:model", 0) == 0)
            on_turn(&calls[i]);
    }
}

static void turn_for(int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;

    while (clock_mono_ms() < until)
        loop_turn(process.env.loop, 5);
}

static struct limiter *open_all(int64_t stale_ms)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    cfg = (struct config){.limits_start_rate = KNOWN_PER_S,
                          .limits_sync_ms = 50,
                          .limits_stale_ms = stale_ms,
                          .workers_lease_ms = 10000};
    process = (struct process){.env.loop = loop_new(), .env.cfg = &cfg, .env.id = "h-00000001"};
    keys_init(&process.env.keys, "fl");
    line_open(&line, process.env.loop, server.url,
              (struct redis_options){.scripts = scripts_all()});
    process.env.redis = line.redis;
    TURN_UNTIL(process.env.loop, redis_is_ready(line.redis));
    process.rooms = rooms_new(&process.env);
    return limiter_new(&process.env, process.rooms);
}

static void close_all(struct limiter *l)
{
    limiter_free(l);
    line_close(&line);
    process.env.redis = NULL;
    rooms_free(process.rooms);
    keys_done(&process.env.keys);
    loop_free(process.env.loop);
    redis_server_done(&server);
}

START_TEST(a_silent_redis_stops_calls_in_the_end_and_they_go_on_when_it_answers)
{
    struct limiter *l;
    int64_t silent_ms, before;

    l = open_all(STALE_MS);
    enter(l, 0, 2);
    TURN_UNTIL(process.env.loop, gone == 2);
    redis_server_signal(&server, SIGSTOP);
    silent_ms = clock_mono_ms();
    enter(l, 2, CALLS - 2);
    turn_for(STALE_MS + 1500);
    ck_assert_int_gt(gone, 2 + 2); /* at least: the machine may be slow */
    ck_assert_int_lt(gone, CALLS / 2);
    ck_assert_int_gt(last_ms - silent_ms, STALE_MS / 2);
    ck_assert_int_le(last_ms - silent_ms, STALE_MS + 500); /* what had tickets */
    before = gone;
    redis_server_signal(&server, SIGCONT);
    TURN_UNTIL(process.env.loop, gone > before + 5);
    for (int i = 0; i < CALLS; i++)
        limiter_leave(&calls[i], false);
    close_all(l);
}
END_TEST

static void enter_name(struct limiter *l, struct limiter_call *c, const char *name)
{
    *c = (struct limiter_call){
        .ticket.class = BUCKET_STANDARD, .on_place = on_place, .on_turn = on_turn, .arg = c};
    ck_assert_int_ne(limiter_enter(l, c, name, 0), 0);
}

START_TEST(names_that_come_once_are_forgotten_and_those_in_use_never)
{
    struct limiter *l = open_all(STALE_MS);
    struct limiter_call *busy = &calls[0], *c = &calls[1];
    char name[LIMITER_NAME];

    enter_name(l, busy, "key:in use");
    for (int i = 0; i < 50000; i++) {
        snprintf(name, sizeof name, "key:model-%d", i);
        enter_name(l, c, name);
        limiter_leave(c, false);
    }
    ck_assert_int_eq(HASH_COUNT(l->buckets), LIMITER_BUCKETS);
    TURN_UNTIL(process.env.loop, gone == 1); /* its ticket came */
    for (int i = 0; i < 300; i++) {          /* more than a round takes, and than are kept */
        snprintf(name, sizeof name, "key:waits-%d", i);
        enter_name(l, &calls[i], name);
    }
    ck_assert_int_ge(HASH_COUNT(l->buckets), 300);
    TURN_UNTIL(process.env.loop, gone == 301);
    close_all(l);
}
END_TEST

Suite *test_limit_offline(void);
Suite *test_limit_offline(void)
{
    Suite *s = suite_create("limit_offline");
    TCase *tc = tcase_create("alone");

    tcase_set_timeout(tc, 20);
    tcase_add_loop_test(tc, calls_go_on_at_this_processs_share_until_the_state_is_too_old, 0,
                        (int)ARRAY_LEN(stales));
    tcase_add_test(tc, tickets_in_hand_come_first);
    tcase_add_test(tc, nobody_goes_at_a_rate_that_was_never_heard);
    tcase_add_test(tc, who_has_just_come_waits_for_redis_first);
    tcase_add_test(tc, a_silent_redis_stops_calls_in_the_end_and_they_go_on_when_it_answers);
    tcase_add_test(tc, names_that_come_once_are_forgotten_and_those_in_use_never);
    suite_add_tcase(s, tc);
    return s;
}
