/* test_budget_script.c - lua/budget.lua on a real server: money set aside, settled, expired. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "tests/unit/budget_scene.h"

/* ---- making ---- */

START_TEST(money_is_set_aside_in_all_sums_or_in_none)
{
    struct said s = hold("x", 50, A | B, 1000);

    ck_assert_int_eq(s.kind[0], 0);
    check_sum(0, 0, 50);
    check_sum(1, 0, 50);
    s = hold("y", 20, A | B, 1000); /* a would have room */
    ck_assert_int_eq(s.kind[0], 1);
    ck_assert_int_eq(s.sum[0], 2);
    ck_assert_int_eq(s.spent[0], 0);
    ck_assert_int_eq(s.reserved[0], 50);
    check_sum(0, 0, 50);
    check_sum(1, 0, 50);
    CK_SAYS("HLEN @holds", "1");
    ck_assert_int_eq(hold("y", 20, A, 1000).kind[0], 0);
    check_sum(0, 0, 70);
}
END_TEST

START_TEST(a_refusal_says_whether_waiting_for_others_may_help)
{
    ck_assert_int_eq(hold("never", 101, A, 1000).kind[0], 3);
    ck_assert_int_eq(hold("never", 61, A | B, 1000).sum[0], 2);
    hold("x", 90, A, 1000);
    ck_assert_int_eq(hold("y", 11, A, 1000).kind[0], 1); /* x may cost less */
    settle_hold("x", 90);
    ck_assert_int_eq(hold("y", 11, A, 1000).kind[0], 2);
    ck_assert_int_eq(hold("y", 10, A, 1000).kind[0], 0); /* to the last nano-dollar */
    check_sum(0, 90, 10);
}
END_TEST

START_TEST(a_call_without_a_price_is_counted_when_its_cost_is_known)
{
    hold("x", 0, A, 1000);
    check_sum(0, 0, 0);
    settle_hold("x", 7);
    check_sum(0, 7, 0);
}
END_TEST

/* Redis adds in doubles; what is written must be a number that C reads. */
START_TEST(a_sum_that_would_not_fit_stays_at_the_most)
{
    for (int i = 0; i < 2; i++) {
        hold("x", 0, A, 1000);
        settle_hold("x", INT64_MAX);
        check_sum(0, INT64_C(9200000000000000000), 0);
    }
    ck_assert_int_eq(hold("y", 1, A, 1000).kind[0], 2);
    ck_assert(hold("y", 1, A, 1000).spent[0] == INT64_C(9200000000000000000));
}
END_TEST

START_TEST(many_holds_in_one_call_share_what_is_there)
{
    const struct item made[] = {
        {"1", 40, A, 1000}, {"2", 40, A, 1000}, {"3", 40, A, 1000}, {"4", 20, A, 1000}};
    const struct item settled[] = {{.hold = "1", .amount = 10}, {.hold = "2", .amount = 0}};
    const struct item more[] = {{"5", 70, A, 1000}, {"6", 1, A, 1000}};
    struct said s;

    s = tell_budget(NULL, 0, made, 4);
    ck_assert(s.kind[0] == 0 && s.kind[1] == 0 && s.kind[2] == 1 && s.kind[3] == 0);
    s = tell_budget(settled, 2, more, 2); /* 10 spent, 20 held: room for 70 */
    ck_assert(s.kind[0] == 0 && s.kind[1] == 1);
    check_sum(0, 10, 90);
}
END_TEST

START_TEST(a_hold_that_stands_twice_in_a_call_counts_once)
{
    const struct item made[] = {{"1", 40, A, 1000}, {"1", 40, A, 1000}};
    const struct item settled[] = {{.hold = "1", .amount = 10}, {.hold = "1", .amount = 10}};
    struct said s = tell_budget(NULL, 0, made, 2);

    ck_assert(s.kind[0] == 0 && s.kind[1] == 0);
    check_sum(0, 0, 40);
    s = tell_budget(settled, 2, made, 1); /* settled, and made again */
    ck_assert_int_eq(s.kind[0], 0);
    check_sum(0, 10, 40);
    settle_hold("1", 0);
    check_sum(0, 10, 0);
}
END_TEST

/* ---- answers that were lost ---- */

START_TEST(a_hold_that_is_asked_for_again_is_counted_once)
{
    hold("x", 40, A | B, 1000);
    ck_assert_int_eq(hold("x", 40, A | B, 1000).kind[0], 0);
    check_sum(0, 0, 40);
    settle_hold("x", 15);
    settle_hold("x", 15);
    settle_hold("x", 99);
    check_sum(0, 15, 0);
    check_sum(1, 15, 0);
    CK_SAYS("HLEN @holds", "0");
    CK_SAYS("ZSCORE @holds-due hx", "nil");
}
END_TEST

START_TEST(settling_what_was_never_held_does_nothing)
{
    settle_hold("ghost", 50);
    check_sum(0, 0, 0);
    CK_SAYS("HLEN @holds", "0");
}
END_TEST

/* A connection is lost, its requests are not: Redis reads them behind those of the next one. */
START_TEST(a_hold_that_is_made_after_it_was_settled_counts_nothing)
{
    how.may_come = true;
    settle_hold("x", UNMADE);
    ck_assert_int_eq(hold("x", 40, A | B, 1000).kind[0], 0);
    check_sum(0, 0, 0);
    hold("y", 40, A | B, 1000);
    settle_hold("y", 15);
    check_sum(0, 15, 0);
    ck_assert_int_eq(hold("y", 40, A | B, 1000).kind[0], 0);
    settle_hold("y", 15);
    check_sum(0, 15, 0);
    check_sum(1, 15, 0);
    CK_SAYS("HMGET @holds x y", "[c 0 c 0]");
    CK_SAYS("HLEN @calls:" W, "1"); /* y's, which goes with its cost */
}
END_TEST

/* ---- expiry: a killed worker ---- */

START_TEST(an_expired_hold_is_spent_and_a_late_answer_corrects_it)
{
    hold("x", 40, A | B, 0);
    look();
    check_sum(0, 40, 0);
    check_sum(1, 40, 0);
    ck_assert_int_eq(hold("x", 40, A | B, 0).kind[0], 0); /* the answer to making it was lost */
    check_sum(0, 40, 0);
    settle_hold("x", 12);
    check_sum(0, 12, 0);
    check_sum(1, 12, 0);
    settle_hold("x", 12);
    check_sum(0, 12, 0);
}
END_TEST

START_TEST(a_sum_is_forgotten_although_a_hold_of_it_expires_with_it)
{
    hold("x", 40, A, 1000);
    how.no_sums = true;
    CK_SAYS("EVAL redis.call('ZADD',KEYS[1],1,'hx',2,'sa\\032d20261122') 1 @holds-due", "nil");
    look();
    CK_SAYS("HEXISTS @holds x", "1");
    CK_SAYS("HLEN @budget", "0");
}
END_TEST

START_TEST(an_expired_hold_is_forgotten_in_the_end_and_stays_spent)
{
    how.remember_ms = 0;
    hold("x", 40, A, 0);
    look();
    CK_SAYS("HLEN @holds", "1");
    look();
    CK_SAYS("HLEN @holds", "0");
    CK_SAYS("ZSCORE @holds-due hx", "nil");
    settle_hold("x", 1);
    check_sum(0, 40, 0);
}
END_TEST

START_TEST(many_expired_holds_are_taken_in_bounded_steps)
{
    enum { MANY = 450, STEP = 200 };
    static char names[MANY][16];
    static struct item made[MANY];
    char words[80];

    for (int i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "%d", i);
        made[i] = (struct item){names[i], 0, A, 0};
    }
    tell_budget(NULL, 0, made, MANY);
    snprintf(words, sizeof words, "ZCOUNT @holds-due -inf %" PRId64, clock_wall_ms() + 60000);
    CK_SAYS(words, "450");
    look();
    CK_SAYS(words, "250");
    look();
    look();
    CK_SAYS(words, "0");
    CK_SAYS("HLEN @holds", "450"); /* an hour longer */
}
END_TEST

/* ---- keys that are lost ---- */

START_TEST(a_lost_key_leaves_nothing_set_aside_for_ever)
{
    hold("x", 40, A, 100000);
    hold("y", 10, A | B, 100000);
    check_sum(0, 0, 50);
    says("DEL @holds-due");
    look();
    check_sum(0, 0, 50);
    CK_SAYS("ZCARD @holds-due", "4"); /* two sums, two holds */
    says("DEL @holds");
    look();
    check_sum(0, 0, 0);
    check_sum(1, 0, 0);
    CK_SAYS("ZCARD @holds-due", "2");
    settle_hold("x", 30); /* nobody knows what it had set aside */
    check_sum(0, 0, 0);
    hold("z", 40, A, 100000);
    says("DEL @budget");
    ck_assert_int_eq(hold("w", 5, A, 100000).kind[0], 0);
    check_sum(0, 0, 45);
    settle_hold("z", 30);
    settle_hold("w", 5);
    check_sum(0, 35, 0);
    CK_SAYS("EXISTS @holds", "0");
    CK_SAYS("ZCARD @holds-due", "1");
}
END_TEST

/* ---- periods ---- */

START_TEST(another_period_than_the_servers_is_refused_and_nothing_is_done)
{
    static const int64_t off_ms[] = {-HOUR_MS - 1000, 1000};
    const struct item m = {"x", 10, A, 1000};

    for (size_t i = 0; i < ARRAY_LEN(off_ms); i++) {
        how.starts_in_ms = off_ms[i];
        ck_assert_str_eq(tell_budget(NULL, 0, &m, 1).first, "period");
        CK_SAYS("EXISTS @budget @holds @holds-due", "0");
    }
}
END_TEST

START_TEST(a_sum_is_dropped_after_its_period_and_no_key_stays_for_ever)
{
    how.keep_ms = 50 - HOUR_MS / 2; /* as if its period ended now */
    hold("x", 10, A, 100000);
    CK_SAYS("HLEN @budget", "1");
    ck_assert_int_gt(strtoll(says("PTTL @budget"), NULL, 10), INT64_C(24) * HOUR_MS);
    ck_assert_int_gt(strtoll(says("PTTL @holds"), NULL, 10), INT64_C(24) * HOUR_MS);
    ck_assert_int_gt(strtoll(says("PTTL @holds-due"), NULL, 10), INT64_C(24) * HOUR_MS);
    how.no_sums = true;
    for (int64_t end_ms = clock_mono_ms() + 10000; strcmp(says("HLEN @budget"), "0") != 0; look())
        ck_assert_int_lt(clock_mono_ms(), end_ms);
    settle_hold("x", 5); /* of a sum that is gone */
    CK_SAYS("EXISTS @budget @holds @holds-due", "0");
}
END_TEST

START_TEST(a_hold_is_settled_by_whoever_knows_no_budget)
{
    hold("x", 40, A, 100000);
    how.no_sums = true;
    settle_hold("x", 12);
    check_sum(0, 12, 0);
}
END_TEST

/* ---- alerts ---- */

START_TEST(each_percent_is_told_once_when_it_is_reached)
{
    struct said s;

    hold("x", 40, A, 1000);
    ck_assert_str_eq(settle_hold("x", 40).told, "");
    hold("x", 20, A, 1000);
    ck_assert_str_eq(settle_hold("x", 10).told, "a d20261122 50 50 100;");
    hold("x", 20, A, 1000);
    ck_assert_str_eq(settle_hold("x", 20).told, "");
    hold("x", 11, A, 0);
    ck_assert_str_eq(look().told, "a d20261122 80 81 100;"); /* by an expired hold as well */
    s = hold("x2", 30, A, 1000);
    ck_assert_int_eq(s.kind[0], 2);
    ck_assert_str_eq(s.told, "a d20261122 100 81 100;"); /* nothing fits any more */
    ck_assert_str_eq(hold("x2", 30, A, 1000).told, "");
    CK_SAYS("XLEN @alerts", "3");
    ck_assert_ptr_nonnull(strstr(
        says("XREVRANGE @alerts + - COUNT 1"),
        "code budget_100 doc {\"code\":\"budget_100\",\"subject\":\"a d20261122\","
        "\"message\":\"budget a d20261122: 0.000000081 of 0.0000001 USD are spent, and there "
        "is no room for another call\",\"at\":"));
}
END_TEST

START_TEST(several_percents_reached_at_once_are_all_told)
{
    hold("x", 100, A, 1000);
    ck_assert_str_eq(settle_hold("x", 100).told, "a d20261122 50 100 100;a d20261122 80 100 100;"
                                                 "a d20261122 100 100 100;");
}
END_TEST

START_TEST(a_raised_limit_is_told_of_anew_but_each_limit_once)
{
    hold("x", 100, A, 1000);
    settle_hold("x", 100);
    CK_SAYS("XLEN @alerts", "3");
    how.raised = 200;
    hold("y", 50, A, 1000);
    ck_assert_str_eq(settle_hold("y", 50).told, ""); /* 75 %, and half of it was spent before */
    hold("y", 20, A, 1000);
    ck_assert_str_eq(settle_hold("y", 20).told, "a d20261122 80 170 200;");
    for (int i = 0; i < 3; i++) { /* two that differ take turns: one was not told of it yet */
        how.raised = 0;
        ck_assert_int_eq(hold("z", 1, A, 1000).kind[0], 2);
        how.raised = 200;
        hold("z", 5, A, 1000);
        ck_assert_str_eq(settle_hold("z", 5).told, "");
    }
    CK_SAYS("XLEN @alerts", "4");
    ck_assert_str_eq(hold("y", 16, A, 1000).told, "a d20261122 100 185 200;");
    CK_SAYS("XLEN @alerts", "5");
}
END_TEST

START_TEST(alerts_that_cannot_be_told_keep_no_job)
{
    says("SET @alerts x");
    hold("x", 100, A, 1000);
    ck_assert_str_eq(settle_hold("x", 100).told, "");
    ck_assert_int_eq(hold("y", 1, A, 1000).kind[0], 2);
}
END_TEST

/* ---- any order ---- */

enum { GONE, OPEN, CHARGED };
enum { HOLDS = 24, STEPS = 500 };

struct kept {
    int64_t amount, cost;
    int state;
    unsigned sums;
};
static int64_t model_spent[2], model_reserved[2];

static void model_turn(struct kept *m, int state)
{
    for (int i = 0; i < 2; i++) {
        if (!(m->sums & (1u << i)))
            continue;
        if (state == OPEN)
            model_reserved[i] += m->amount;
        else if (m->state == OPEN)
            model_reserved[i] -= m->amount;
        if (state == CHARGED)
            model_spent[i] += m->amount;
        else if (state == GONE)
            model_spent[i] += m->state == OPEN ? m->cost : m->cost - m->amount;
    }
    m->state = state;
}

static void make_some(struct kept *m, const char *name)
{
    bool expires = rand() % 5 == 0;

    *m = (struct kept){.amount = rand() % 12, .sums = 1u + (unsigned)rand() % 3};
    m->cost = rand() % (m->amount + 1);
    if (hold(name, m->amount, m->sums, expires ? 0 : 100000).kind[0] != 0)
        return;
    model_turn(m, OPEN);
    if (expires) {
        look();
        model_turn(m, CHARGED);
    }
}

/* One hold is made, asked for again, settled, or settled again. */
static void random_step(struct kept *m, const char *name)
{
    if (m->state == GONE && rand() % 4 == 0) {
        settle_hold(name, 1000);
    } else if (m->state == GONE) {
        make_some(m, name);
    } else if (rand() % 4 == 0) {
        ck_assert_int_eq(hold(name, m->amount, m->sums, 100000).kind[0], 0);
    } else {
        settle_hold(name, m->cost);
        model_turn(m, GONE);
    }
}

START_TEST(in_any_order_what_is_spent_and_reserved_stays_within_the_limits)
{
    struct kept models[HOLDS] = {0};
    char name[16];

    memset(model_spent, 0, sizeof model_spent);
    memset(model_reserved, 0, sizeof model_reserved);
    srand((unsigned)_i + 1);
    for (int step = 0; step < STEPS; step++) {
        int h = rand() % HOLDS;

        snprintf(name, sizeof name, "%d", h);
        random_step(&models[h], name);
        for (int i = 0; i < 2; i++) {
            check_sum(i, model_spent[i], model_reserved[i]);
            ck_assert_int_le(model_spent[i] + model_reserved[i], known[i].limit);
        }
    }
    for (int h = 0; h < HOLDS; h++) {
        snprintf(name, sizeof name, "%d", h);
        settle_hold(name, models[h].cost);
        if (models[h].state != GONE)
            model_turn(&models[h], GONE);
    }
    for (int i = 0; i < 2; i++)
        check_sum(i, model_spent[i], 0);
    ck_assert_int_gt(model_spent[0], 80);
    CK_SAYS("EXISTS @holds", "0");
}
END_TEST

Suite *test_budget_script(void);
Suite *test_budget_script(void)
{
    Suite *s = suite_create("test_budget_script");
    TCase *tc = tcase_create("budget.lua");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, budget_scene_open, scene_close);
    tcase_add_test(tc, money_is_set_aside_in_all_sums_or_in_none);
    tcase_add_test(tc, a_refusal_says_whether_waiting_for_others_may_help);
    tcase_add_test(tc, a_call_without_a_price_is_counted_when_its_cost_is_known);
    tcase_add_test(tc, a_sum_that_would_not_fit_stays_at_the_most);
    tcase_add_test(tc, many_holds_in_one_call_share_what_is_there);
    tcase_add_test(tc, a_hold_that_stands_twice_in_a_call_counts_once);
    tcase_add_test(tc, a_hold_that_is_asked_for_again_is_counted_once);
    tcase_add_test(tc, settling_what_was_never_held_does_nothing);
    tcase_add_test(tc, a_hold_that_is_made_after_it_was_settled_counts_nothing);
    tcase_add_test(tc, an_expired_hold_is_spent_and_a_late_answer_corrects_it);
    tcase_add_test(tc, a_sum_is_forgotten_although_a_hold_of_it_expires_with_it);
    tcase_add_test(tc, an_expired_hold_is_forgotten_in_the_end_and_stays_spent);
    tcase_add_test(tc, many_expired_holds_are_taken_in_bounded_steps);
    tcase_add_test(tc, a_lost_key_leaves_nothing_set_aside_for_ever);
    tcase_add_test(tc, another_period_than_the_servers_is_refused_and_nothing_is_done);
    tcase_add_test(tc, a_sum_is_dropped_after_its_period_and_no_key_stays_for_ever);
    tcase_add_test(tc, a_hold_is_settled_by_whoever_knows_no_budget);
    tcase_add_test(tc, each_percent_is_told_once_when_it_is_reached);
    tcase_add_test(tc, several_percents_reached_at_once_are_all_told);
    tcase_add_test(tc, a_raised_limit_is_told_of_anew_but_each_limit_once);
    tcase_add_test(tc, alerts_that_cannot_be_told_keep_no_job);
    tcase_add_loop_test(tc, in_any_order_what_is_spent_and_reserved_stays_within_the_limits, 0, 3);
    suite_add_tcase(s, tc);
    return s;
}
