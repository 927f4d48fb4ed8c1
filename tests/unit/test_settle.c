/* test_settle.c - outcomes that come late, against a real Redis: each is known for what it is. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/queue/scripts.h"
#include "common/queue/settle.h"
#include "common/queue/work.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

#define WORKER "host-aaaaaaaa"
static const char doc[] = "{\"type\":\"noop\",\"payload\":{}}";

static struct {
    struct redis_server server;
    struct loop *loop;
    struct line line;
    struct keys keys;
    uint32_t starts;
} t;

static void set_up(void)
{
    struct record rec = {.version = RECORD_VERSION,
                         .state = JOB_STATE_READY,
                         .run = 1,
                         .type = JOB_NOOP,
                         .queue = QUEUE_NOOP,
                         .doc_bytes = sizeof doc - 1,
                         .digest = "0000000000000000"};
    char header[RECORD_HEADER];
    struct redis_args a;
    struct shot s = {0};

    redis_server_init(&t.server);
    redis_server_start(&t.server, NULL);
    t.loop = loop_new();
    line_open(&t.line, t.loop, t.server.url, (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(t.loop, t.line.ready == 1);
    keys_init(&t.keys, "fl");
    memset(rec.token, '0', RECORD_TOKEN);
    record_write(&rec, header);
    redis_args_init(&a);
    redis_arg_str(&a, "SET");
    redis_arg_str(&a, "fl:{0}:job:j");
    redis_arg_pieces(&a, (const struct span[]){{header, RECORD_HEADER}, {doc, sizeof doc - 1}}, 2);
    shoot_args(&t.line, &s, &a);
    TURN_UNTIL(t.loop, s.told);
    ck_assert(ask(&t.line, "HSET fl:{0}:workers " WORKER " x").ok);
}

static void tear_down(void)
{
    line_close(&t.line);
    keys_done(&t.keys);
    loop_free(t.loop);
    redis_server_done(&t.server);
}

static void claim(void) { ck_assert(ask(&t.line, "SADD fl:{0}:active:" WORKER " j").ok); }

static bool is_active(void)
{
    return ask(&t.line, "SISMEMBER fl:{0}:active:" WORKER " j").number == 1;
}

/* Start j, and read its header as the worker then holds it. */
static struct record start(void)
{
    static const char *const ids[] = {"j"};
    char token[RECORD_TOKEN + 1];
    struct shot s = {0}, got;
    struct record rec;

    snprintf(token, sizeof token, "aaaaaaaa%08x", ++t.starts);
    work_start(t.line.redis, &t.keys,
               &(struct work_start){.worker = WORKER, .token = token, .ids = ids, .n = 1}, shot_cb,
               &s);
    TURN_UNTIL(t.loop, s.told);
    got = ask(&t.line, "GET fl:{0}:job:j");
    ck_assert(record_read(got.text, got.n, &rec));
    ck_assert_int_eq(rec.state, JOB_STATE_ACTIVE);
    ck_assert_str_eq(rec.token, token);
    return rec;
}

struct answer {
    bool told;
    char code;
};

static void on_settled(void *arg, struct settle *s, const char *codes, const struct err *err)
{
    struct answer *a = arg;

    ck_assert_msg(codes, "%s", err ? err->msg : "");
    a->told = true;
    a->code = codes[0];
    settle_free(s);
}

static char send(struct settle *s)
{
    const struct settle_who who = {
        .keys = &t.keys, .worker = WORKER, .ids_ms = 60000, .dead_ms = 60000, .reply_ms = 60000};
    struct answer a = {0};

    settle_send(s, t.line.redis, &who, on_settled, &a);
    TURN_UNTIL(t.loop, a.told);
    return a.code;
}

static int64_t call_nanousd = 5;
static const char *note = "";

static const struct cost_event *call_of(const struct record *held)
{
    static struct cost_event cost;

    cost = (struct cost_event){.job_id = "j",
                               .attempt = 1,
                               .type = JOB_NOOP,
                               .provider = "together",
                               .model = {"m", 1},
                               .requested_model = {"m", 1},
                               .cost.cost_nanousd = call_nanousd};
    snprintf(cost.note, sizeof cost.note, "%s", note);
    snprintf(cost.event_id, sizeof cost.event_id, "j:1:1:%u.1", held->tnum);
    return &cost;
}

static char give_back(const struct record *held, bool taken)
{
    const struct defer d = {.id = "j", .held = held, .next = *held, .taken = taken, .front = true};
    struct settle *s = settle_new(SETTLE_DEFER);

    settle_defer(s, &d, NULL);
    return send(s);
}

static char finish(const struct record *held)
{
    struct finish f = {.id = "j",
                       .held = held,
                       .next = *held,
                       .result = {"{\"id\":\"j\"}", 10},
                       .publish = true,
                       .costs = call_of(held),
                       .cost_count = 1};
    struct settle *s = settle_new(SETTLE_FINISH);

    f.next.state = JOB_STATE_COMPLETED;
    settle_finish(s, &f, NULL);
    return send(s);
}

static char tell_as(const struct record *held, const struct record *claim)
{
    const struct tell d = {.id = "j", .held = claim, .costs = call_of(held), .cost_count = 1};
    struct settle *s = settle_new(SETTLE_TELL);

    settle_tell(s, &d, NULL);
    return send(s);
}

static char tell(const struct record *held) { return tell_as(held, held); }

/* Two recoveries of one worker read the same note; for one of them no claim is the job's. */
START_TEST(a_lost_call_that_one_recovery_told_is_not_told_by_another)
{
    static const struct record nobody = {.token = "0000000000000000"};
    struct settle *s = settle_new(SETTLE_DEFER);
    struct record held;
    struct defer d;

    claim();
    held = start();
    ck_assert_int_eq(tell_as(&held, &nobody), SETTLE_STALE);
    d = (struct defer){.id = "j",
                       .held = &held,
                       .next = held,
                       .taken = true,
                       .costs = call_of(&held),
                       .cost_count = 1};
    settle_defer(s, &d, NULL);
    ck_assert_int_eq(send(s), SETTLE_WRITTEN);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
}
END_TEST

/* _i 1: the job was taken away in between, and then sent once more. */
START_TEST(what_a_call_cost_is_told_once_before_the_end)
{
    struct record held;
    struct shot doc_told;

    claim();
    held = start();
    if (_i == 0)
        ck_assert_int_eq(tell(&held), SETTLE_WRITTEN);
    ck_assert_int_eq(give_back(&held, true), SETTLE_WRITTEN);
    ck_assert_int_eq(tell(&held), SETTLE_STALE);
    ck_assert_int_eq(tell(&held), SETTLE_STALE);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
    doc_told = ask(&t.line, "EVAL return(redis.call('XRANGE',KEYS[1],'-','+')[1][2][4]) 1 "
                            "fl:{0}:costs");
    ck_assert(doc_told.ok);
    ck_assert_int_eq(strstr(doc_told.text, "duplicate") != NULL, _i == 1);
}
END_TEST

START_TEST(an_outcome_sent_twice_is_written_once)
{
    struct record held;

    claim();
    held = start();
    ck_assert_int_eq(finish(&held), SETTLE_WRITTEN);
    ck_assert_int_eq(finish(&held), SETTLE_AGAIN);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:results").number, 1);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
    ck_assert(!is_active());
}
END_TEST

/* Also while nobody has started it anew. */
START_TEST(an_outcome_of_a_job_that_was_taken_away_adds_only_its_cost)
{
    struct record held;

    claim();
    held = start();
    ck_assert_int_eq(give_back(&held, true), SETTLE_WRITTEN);
    ck_assert_int_eq(give_back(&held, true), SETTLE_AGAIN); /* recovered twice */
    ck_assert_int_eq(finish(&held), SETTLE_STALE);
    ck_assert_int_eq(finish(&held), SETTLE_STALE);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:results").number, 0);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
    ck_assert_str_eq(ask(&t.line, "HGET fl:{0}:workers " WORKER).text, "x");
}
END_TEST

/* Else the job would be active, and in nobody's set. */
START_TEST(a_stale_outcome_leaves_the_id_that_is_held_anew)
{
    struct record old, held;

    claim();
    old = start();
    ck_assert_int_eq(give_back(&old, false), SETTLE_WRITTEN);
    ck_assert(!is_active());
    claim();
    held = start();
    ck_assert_int_eq(_i ? finish(&old) : give_back(&old, false), SETTLE_STALE);
    ck_assert(is_active());
    ck_assert_int_eq(finish(&held), SETTLE_WRITTEN);
    ck_assert(!is_active());
}
END_TEST

/* Claimed twice (its id lay twice in the list); between the second claim and its start, the first
 * one's outcome takes the id out of the set. */
START_TEST(a_job_that_is_started_anew_is_in_the_set_again)
{
    struct record old, held;

    claim();
    old = start();
    claim();
    ck_assert_int_eq(give_back(&old, false), SETTLE_WRITTEN);
    ck_assert(!is_active());
    held = start();
    ck_assert(is_active());
    ck_assert_int_eq(finish(&held), SETTLE_WRITTEN);
}
END_TEST

/* ---- notes ---- */

static char defer_costs(const struct record *held)
{
    const struct defer d = {.id = "j",
                            .held = held,
                            .next = *held,
                            .front = true,
                            .costs = call_of(held),
                            .cost_count = 1};
    struct settle *s = settle_new(SETTLE_DEFER);

    settle_defer(s, &d, NULL);
    return send(s);
}

static char (*const tellers[])(const struct record *held) = {finish, defer_costs, tell};

/* Its own cost event, or that of whoever recovered the job: whichever comes first.  The note has no
 * cost of its own, so nothing is counted twice. */
START_TEST(the_note_of_a_call_goes_with_its_cost)
{
    struct record held;

    claim();
    held = start();
    ck_assert(ask(&t.line, "HSET fl:{0}:calls:" WORKER " j:t.1 {} j:t.2 {}").ok);
    note = "j:t.1";
    if (_i >= 3)
        ck_assert_int_eq(give_back(&held, true), SETTLE_WRITTEN); /* it is stale from now on */
    ck_assert_int_eq(tellers[_i % 3](&held), _i < 3 ? SETTLE_WRITTEN : SETTLE_STALE);
    ck_assert_int_eq(ask(&t.line, "HEXISTS fl:{0}:calls:" WORKER " j:t.1").number, 0);
    ck_assert_int_eq(ask(&t.line, "HEXISTS fl:{0}:calls:" WORKER " j:t.2").number, 1);
    note = "j:t.2"; /* told before: the note goes all the same */
    ck_assert_int_eq(tell(&held), _i == 2 ? SETTLE_WRITTEN : SETTLE_STALE);
    ck_assert_int_eq(ask(&t.line, "EXISTS fl:{0}:calls:" WORKER).number, 0);
}
END_TEST

/* ---- whose day ---- */

static int64_t wrong_by_ms;
static int64_t wrong_wall_ms(void) { return clock_system.wall_ms() + wrong_by_ms; }

/* Behind it and before it, with each of the scripts. */
START_TEST(costs_are_summed_on_the_day_of_redis_whatever_our_clock_says)
{
    const struct clock wrong = {clock_system.mono_us, wrong_wall_ms};
    char day[9], words[64];
    struct record held;

    wrong_by_ms = (_i < 3 ? -30 : 30) * INT64_C(3600000);
    clock_day(clock_wall_ms(), day);
    claim();
    held = start();
    clock_now = &wrong;
    ck_assert_int_eq(tellers[_i % 3](&held), SETTLE_WRITTEN);
    ck_assert_int_lt(llabs(settle_redis_ms(clock_wall_ms()) - clock_system.wall_ms()), 60000);
    clock_now = &clock_system;
    snprintf(words, sizeof words, "HGET fl:{0}:spend:%s total|cost", day);
    ck_assert_str_eq(ask(&t.line, words).text, "5");
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
}
END_TEST

/* _i: what the sum was before. */
static const char *const before[] = {"0", "9223372036854775000", "9223372036854775807"};

START_TEST(the_sum_of_a_day_stays_at_the_most)
{
    struct record held;
    char day[9], words[128];

    call_nanousd = INT64_MAX;
    clock_day(clock_wall_ms(), day);
    snprintf(words, sizeof words, "HSET fl:{0}:spend:%s total|cost %s", day, before[_i]);
    ck_assert(ask(&t.line, words).ok);
    claim();
    held = start();
    ck_assert_int_eq(finish(&held), SETTLE_WRITTEN);
    snprintf(words, sizeof words, "HGET fl:{0}:spend:%s total|cost", day);
    ck_assert_str_eq(ask(&t.line, words).text, "9200000000000000000");
}
END_TEST

Suite *test_settle(void)
{
    Suite *s = suite_create("settle");
    TCase *tc = tcase_create("settle");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 20);
    tcase_add_test(tc, a_lost_call_that_one_recovery_told_is_not_told_by_another);
    tcase_add_loop_test(tc, what_a_call_cost_is_told_once_before_the_end, 0, 2);
    tcase_add_test(tc, an_outcome_sent_twice_is_written_once);
    tcase_add_test(tc, an_outcome_of_a_job_that_was_taken_away_adds_only_its_cost);
    tcase_add_loop_test(tc, a_stale_outcome_leaves_the_id_that_is_held_anew, 0, 2);
    tcase_add_test(tc, a_job_that_is_started_anew_is_in_the_set_again);
    tcase_add_loop_test(tc, the_note_of_a_call_goes_with_its_cost, 0, 2 * (int)ARRAY_LEN(tellers));
    tcase_add_loop_test(tc, costs_are_summed_on_the_day_of_redis_whatever_our_clock_says, 0,
                        2 * (int)ARRAY_LEN(tellers));
    tcase_add_loop_test(tc, the_sum_of_a_day_stays_at_the_most, 0, (int)ARRAY_LEN(before));
    suite_add_tcase(s, tc);
    return s;
}
