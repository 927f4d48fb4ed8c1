/* test_holds.c - the money of one process on its way to Redis and back: batches, losses. */
#include "worker/budget/holds.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/queue/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/process.h"

static const char text[] = "budgets:\n"
                           "  - {name: a, for: {all: true}, per: month, limit_usd: 0.0000001}\n"
                           "  - {name: t, for: {tenant: '*'}, per: day, limit_usd: 0.00000006}\n";
enum { ALL = 0, EACH = 1 }; /* indexes; limits of 100 and 60 nano-USD */

static struct redis_server server;
static struct line line;
static struct process p;

static void open_process(void)
{
    static const char *no_env[] = {NULL};
    struct err err = {0};

    redis_server_init(&server);
    redis_server_start(&server, NULL);
    p = (struct process){.env.loop = loop_new(), .env.id = "w-aaaaaaaa"};
    p.env.cfg = config_build("f.yaml", text, strlen(text), no_env, &err);
    ck_assert_msg(p.env.cfg, "%s", err.msg);
    keys_init(&p.env.keys, "fl");
    line_open(&line, p.env.loop, server.url, (struct redis_options){.scripts = scripts_all()});
    p.env.redis = line.redis;
    p.holds = holds_new(&p.env);
    TURN_UNTIL(p.env.loop, line.ready);
    ck_assert(ask(&line, "HSET fl:{0}:workers w-aaaaaaaa {}").ok);
}

static void close_process(void)
{
    line_close(&line);
    p.env.redis = NULL;
    holds_free(p.holds);
    keys_done(&p.env.keys);
    config_free(p.env.cfg);
    loop_free(p.env.loop);
    redis_server_done(&server);
}

/* ---- holds ---- */
struct kept {
    struct hold *hold;
    int told;
    struct hold_answer answer;
    char sum[BUDGET_SUM_NAME];
};

static void on_answer(void *arg, const struct hold_answer *a)
{
    struct kept *k = arg;

    k->told++;
    k->answer = *a;
    if (a->word == HOLD_HELD)
        return;
    k->hold = NULL;
    snprintf(k->sum, sizeof k->sum, "%s", a->sum ? a->sum : "");
}

static void make(struct kept *k, int64_t amount, const char *tenant)
{
    static const unsigned char budgets[] = {ALL, EACH};
    const struct hold_want w = {.job = "job-1",
                                .token = "aaaaaaaa00000001",
                                .tenant = {tenant, tenant ? strlen(tenant) : 0},
                                .budgets = budgets,
                                .count = tenant ? 2 : 1,
                                .amount_nanousd = amount,
                                .note = {"{}", 2},
                                .call_ms = 60000};

    *k = (struct kept){0};
    k->hold = holds_make(p.holds, &w, on_answer, k);
    ck_assert_int_eq(k->told, 0);
}

static enum hold_word word_of(struct kept *k)
{
    TURN_UNTIL(p.env.loop, k->told);
    ck_assert_int_eq(k->told, 1);
    return k->answer.word;
}

/* "<spent> <reserved>" of a sum in its present period. */
static const char *sums(int budget, const char *tenant)
{
    static struct shot shot;
    struct budget_period period;
    char name[BUDGET_SUM_NAME];
    struct redis_args a;
    char *reserved;

    budget_period_at(p.env.cfg->budgets[budget].per, clock_wall_ms(), &period);
    budget_sum_name(&p.env.cfg->budgets[budget], &period,
                    (struct span){tenant, tenant ? strlen(tenant) : 0}, name);
    redis_args_init(&a);
    redis_arg_str(&a, "HGET");
    redis_arg_str(&a, key(&p.env.keys, KEY_BUDGET));
    redis_arg_str(&a, name);
    shoot_args(&line, &shot, &a);
    TURN_UNTIL(p.env.loop, shot.told);
    reserved = strchr(shot.text, ' ');
    if (reserved)
        *strchrnul(reserved + 1, ' ') = '\0';
    return shot.text;
}

static int64_t ask_int(const char *words) { return ask(&line, words).number; }

static int64_t open_holds(struct line *l)
{
    return ask(l, "EVAL local\tn=0\tfor\t_,v\tin\tipairs(redis.call('HVALS',KEYS[1]))do\t"
                  "if(v:sub(1,1)=='o')then\tn=n+1\tend\tend\treturn\tn 1 fl:{0}:holds")
        .number;
}

/* The connection is lost with what is under way, and comes back. */
static void lose(void)
{
    int ready = line.ready;

    redis_reconnect(line.redis);
    TURN_UNTIL(p.env.loop, line.ready > ready);
}

static void lose_connection(void)
{
    lose();
    holds_reconnected(p.holds);
}

/* What was asked for in this turn is on its way, and its answer is not there. */
static void send_only(void) { loop_turn(p.env.loop, 0); }

/* ---- tests ---- */

static void on_stats(void *arg, const struct reply *reply, const struct err *err)
{
    struct span stats = reply_span(reply);
    const char *calls = memmem(stats.p, stats.n, "cmdstat_evalsha:calls=", 22);

    ck_assert_ptr_null(err);
    *(int64_t *)arg = calls ? strtoll(calls + 22, NULL, 10) : 0;
}

START_TEST(what_is_asked_for_in_one_turn_is_one_call)
{
    struct kept k[10];
    int64_t calls = -1;

    ask(&line, "CONFIG RESETSTAT");
    for (int i = 0; i < 10; i++)
        make(&k[i], 5, "\"t\"");
    for (int i = 0; i < 10; i++)
        ck_assert_int_eq(word_of(&k[i]), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "0 50");
    for (int i = 0; i < 10; i++)
        hold_settle(&k[i].hold, 3);
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:holds") == 0);
    ck_assert_str_eq(sums(ALL, NULL), "30 0");
    ck_assert_str_eq(sums(EACH, "\"t\""), "30 0");
    redis_sendv(line.redis, on_stats, &calls, "INFO", "commandstats", NULL);
    TURN_UNTIL(p.env.loop, calls >= 0);
    ck_assert_int_eq(calls, 2);
}
END_TEST

START_TEST(more_than_a_call_may_carry_is_several_calls)
{
    enum { MANY = 700 };
    static struct kept k[MANY];

    for (int i = 0; i < MANY; i++)
        make(&k[i], i < 100 ? 1 : 0, NULL);
    for (int i = 0; i < MANY; i++)
        ck_assert_int_eq(word_of(&k[i]), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "0 100");
    for (int i = 0; i < MANY; i++)
        hold_drop(&k[i].hold);
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:holds") == 0);
}
END_TEST

START_TEST(a_refusal_names_the_budget_and_its_numbers)
{
    struct kept a, b, c, d;
    struct budget_period day;

    make(&a, 50, "\"t\"");
    make(&b, 20, "\"t\"");
    make(&c, 20, "\"u\"");
    make(&d, 61, "\"u\"");
    budget_period_at(BUDGET_PER_DAY, clock_wall_ms(), &day);
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    ck_assert_int_eq(word_of(&b), HOLD_CLOSE);
    ck_assert_ptr_eq(b.answer.budget, &p.env.cfg->budgets[EACH]);
    ck_assert_int_eq(b.answer.reserved_nanousd, 50);
    ck_assert_int_eq(strncmp(b.sum, "t d", 3), 0);
    ck_assert_int_ge(b.answer.next_period_ms, 0);
    ck_assert_int_le(b.answer.next_period_ms, 86400000);
    ck_assert_int_eq(word_of(&c), HOLD_HELD); /* another tenant's own budget */
    ck_assert_int_eq(word_of(&d), HOLD_NEVER);
    hold_settle(&a.hold, 50);
    make(&b, 20, "\"t\"");
    ck_assert_int_eq(word_of(&b), HOLD_FULL);
    ck_assert_int_eq(b.answer.spent_nanousd, 50);
    hold_drop(&c.hold);
}
END_TEST

START_TEST(a_hold_may_be_given_up_at_any_time)
{
    struct kept a, b, c;

    make(&a, 10, NULL); /* it never leaves the process */
    hold_drop(&a.hold);
    ck_assert_ptr_null(a.hold);
    send_only();
    ck_assert_uint_eq(redis_outstanding(line.redis), 0);
    make(&b, 10, NULL);
    send_only();
    hold_drop(&b.hold);
    make(&c, 10, NULL);
    ck_assert_int_eq(word_of(&c), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "0 10");
    ck_assert_int_eq(a.told + b.told, 0);
    hold_abandon(&c.hold); /* it expires in Redis */
    ck_assert_int_eq(open_holds(&line), 1);
}
END_TEST

START_TEST(a_lost_answer_is_asked_for_again_and_counted_once)
{
    struct kept a, b;

    make(&a, 10, NULL);
    send_only();
    lose_connection();
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "0 10");
    hold_settle(&a.hold, 4);
    send_only();
    lose_connection();
    make(&b, 1, NULL);
    ck_assert_int_eq(word_of(&b), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "4 1");
    hold_drop(&b.hold);
}
END_TEST

START_TEST(what_was_given_up_is_not_asked_for_again)
{
    struct kept a, b, c;

    make(&a, 10, NULL);
    make(&b, 20, NULL);
    send_only();
    hold_drop(&a.hold);
    send_only();
    lose_connection();
    make(&c, 1, NULL);
    ck_assert_int_eq(word_of(&b), HOLD_HELD);
    ck_assert_int_eq(word_of(&c), HOLD_HELD);
    ck_assert_int_eq(a.told, 0);
    ck_assert_str_eq(sums(ALL, NULL), "0 21");
    ck_assert_int_eq(open_holds(&line), 2);
    hold_drop(&b.hold);
    hold_drop(&c.hold);
}
END_TEST

/* ---- notes ---- */

START_TEST(a_call_is_noted_until_its_cost_is_told_or_it_is_not_made)
{
    static const struct hold_want alone = {
        .job = "job-1", .token = "aaaaaaaa00000001", .note = {"{\"a\":1}", 7}};
    struct kept a, b = {0}, c = {0};

    make(&a, 10, NULL);
    b.hold = holds_make(p.holds, &alone, on_answer, &b);
    c.hold = holds_make(p.holds, &alone, on_answer, &c);
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    ck_assert_int_eq(word_of(&b), HOLD_HELD);
    ck_assert_int_eq(word_of(&c), HOLD_HELD);
    ck_assert_str_eq(hold_name(b.hold), "job-1:aaaaaaaa00000001.2");
    ck_assert_str_eq(ask(&line, "HGET fl:{0}:calls:w-aaaaaaaa job-1:aaaaaaaa00000001.2").text,
                     "{\"a\":1}");
    ck_assert_int_eq(ask_int("HLEN fl:{0}:holds"), 1);
    hold_settle(&a.hold, 4);
    hold_settle(&b.hold, 4);
    hold_drop(&c.hold);
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:calls:w-aaaaaaaa") == 2);
    ck_assert_int_eq(ask_int("HLEN fl:{0}:holds"), 0);
    ck_assert_int_eq(ask_int("HEXISTS fl:{0}:calls:w-aaaaaaaa job-1:aaaaaaaa00000001.3"), 0);
}
END_TEST

START_TEST(a_worker_that_was_buried_holds_nothing_and_settles_all_the_same)
{
    struct kept a, b;

    make(&a, 10, NULL);
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    ck_assert_int_eq(ask_int("DEL fl:{0}:workers"), 1);
    make(&b, 20, NULL);
    hold_settle(&a.hold, 4);
    ck_assert_int_eq(word_of(&b), HOLD_GONE);
    ck_assert_ptr_null(b.hold);
    ck_assert_str_eq(sums(ALL, NULL), "4 0");
    ck_assert_int_eq(ask_int("HLEN fl:{0}:calls:w-aaaaaaaa"), 1); /* a's, whose cost comes */
}
END_TEST

/* As a crash of Redis with appendfsync everysec does, or a failover. */
static void copy_keys(const char *from, const char *to)
{
    static const char *const names[] = {"budget", "holds", "holds-due"};
    char words[128];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(words, sizeof words, "COPY %s:{0}:%s %s:{0}:%s REPLACE", from, names[i], to,
                 names[i]);
        ck_assert(ask(&line, words).ok);
    }
}

START_TEST(a_settlement_that_redis_forgot_is_sent_again)
{
    struct kept a;

    make(&a, 10, NULL);
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    copy_keys("fl", "before");
    hold_settle(&a.hold, 4);
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:holds") == 0);
    ck_assert_str_eq(sums(ALL, NULL), "4 0");
    copy_keys("before", "fl");
    ck_assert_str_eq(sums(ALL, NULL), "0 10");
    lose_connection();
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:holds") == 0);
    ck_assert_str_eq(sums(ALL, NULL), "4 0");
    lose_connection();
    TURN_UNTIL(p.env.loop, redis_outstanding(line.redis) == 0);
    ck_assert_str_eq(sums(ALL, NULL), "4 0");
}
END_TEST

/* What waited for Redis under an id is not held for the next one. */
START_TEST(what_an_earlier_id_wanted_is_not_held_for_the_next)
{
    struct kept a;

    redis_reconnect(line.redis);
    make(&a, 10, NULL);
    send_only();
    hold_abandon(&a.hold);
    snprintf(p.env.id, sizeof p.env.id, "w-bbbbbbbb");
    TURN_UNTIL(p.env.loop, redis_is_ready(line.redis));
    ck_assert(ask(&line, "HSET fl:{0}:workers w-bbbbbbbb {}").ok);
    holds_reconnected(p.holds);
    TURN_UNTIL(p.env.loop, redis_outstanding(line.redis) == 0);
    ck_assert_int_eq(ask_int("HLEN fl:{0}:holds"), 0);
    ck_assert_int_eq(ask_int("EXISTS fl:{0}:calls:w-bbbbbbbb"), 0);
}
END_TEST

/* ---- a wrong clock ---- */

static int64_t late_wall_ms(void) { return clock_system.wall_ms() + INT64_C(40) * 86400000; }

START_TEST(the_period_is_that_of_redis_not_ours)
{
    const struct clock late = {clock_system.mono_us, late_wall_ms};
    struct kept a, b;

    clock_now = &late;
    make(&a, 10, "\"t\"");
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    make(&b, 51, "\"t\"");
    ck_assert_int_eq(word_of(&b), HOLD_CLOSE);
    ck_assert_int_le(b.answer.next_period_ms, 86400000);
    clock_now = &clock_system;
    ck_assert_str_eq(sums(ALL, NULL), "0 10");
    hold_drop(&a.hold);
}
END_TEST

/* ---- a key of another type ---- */

/* What is wanted is refused at once, not kept; what is settled is not lost. */
START_TEST(a_key_of_another_type_is_told_once_and_keeps_nobody_waiting)
{
    struct kept a, b, c;

    make(&a, 10, NULL);
    ck_assert_int_eq(word_of(&a), HOLD_HELD);
    ask(&line, "RENAME fl:{0}:budget aside");
    ask(&line, "SET fl:{0}:budget garbage");
    hold_settle(&a.hold, 4);
    make(&b, 20, NULL);
    ck_assert_int_eq(word_of(&b), HOLD_UNKNOWN);
    ck_assert_ptr_null(b.hold);
    ck_assert_int_ge(b.answer.again_ms, 200);
    make(&c, 20, NULL);
    send_only();
    ck_assert_int_eq(c.told, 1); /* without a question */
    ck_assert_int_eq(c.answer.word, HOLD_UNKNOWN);
    for (int64_t at = clock_mono_ms(); clock_mono_ms() < at + 700;)
        loop_turn(p.env.loop, 10);
    make(&c, 20, NULL);
    ck_assert_int_eq(word_of(&c), HOLD_UNKNOWN);
    ck_assert_int_ge(c.answer.again_ms, 400); /* more slowly */
    ck_assert_int_eq(ask_int("XLEN fl:{0}:alerts"), 1);
    ask(&line, "RENAME aside fl:{0}:budget");
    TURN_UNTIL(p.env.loop, ask_int("HLEN fl:{0}:holds") == 0);
    ck_assert_str_eq(sums(ALL, NULL), "4 0");
    make(&c, 20, NULL);
    ck_assert_int_eq(word_of(&c), HOLD_HELD);
    ck_assert_str_eq(sums(ALL, NULL), "4 20");
    hold_drop(&c.hold);
}
END_TEST

/* Its first try was made before the connection broke. */
START_TEST(what_was_made_and_then_refused_is_settled)
{
    struct line other;
    struct shot off;
    struct kept a, b;

    line_open(&other, loop_new(), server.url, (struct redis_options){0});
    TURN_UNTIL(other.loop, other.ready);
    make(&b, 1, NULL); /* now Redis has the script */
    ck_assert_int_eq(word_of(&b), HOLD_HELD);
    shoot(&line, &off, "CLIENT REPLY OFF");
    make(&a, 10, NULL);
    TURN_UNTIL(p.env.loop, ask(&other, "HLEN fl:{0}:holds").number == 2);
    lose();
    ask(&line, "RENAME fl:{0}:budget aside");
    ask(&line, "SET fl:{0}:budget garbage");
    holds_reconnected(p.holds);
    ck_assert_int_eq(word_of(&a), HOLD_UNKNOWN);
    ask(&line, "RENAME aside fl:{0}:budget");
    TURN_UNTIL(p.env.loop, open_holds(&line) == 1);
    ck_assert_str_eq(sums(ALL, NULL), "0 1");
    hold_drop(&b.hold);
    line_close(&other);
    loop_free(other.loop);
}
END_TEST

Suite *test_holds(void);
Suite *test_holds(void)
{
    Suite *s = suite_create("test_holds");
    TCase *tc = tcase_create("holds");

    tcase_add_checked_fixture(tc, open_process, close_process);
    tcase_add_test(tc, what_is_asked_for_in_one_turn_is_one_call);
    tcase_add_test(tc, more_than_a_call_may_carry_is_several_calls);
    tcase_add_test(tc, a_refusal_names_the_budget_and_its_numbers);
    tcase_add_test(tc, a_hold_may_be_given_up_at_any_time);
    tcase_add_test(tc, a_lost_answer_is_asked_for_again_and_counted_once);
    tcase_add_test(tc, what_was_given_up_is_not_asked_for_again);
    tcase_add_test(tc, the_period_is_that_of_redis_not_ours);
    tcase_add_test(tc, a_key_of_another_type_is_told_once_and_keeps_nobody_waiting);
    tcase_add_test(tc, what_was_made_and_then_refused_is_settled);
    tcase_add_test(tc, a_call_is_noted_until_its_cost_is_told_or_it_is_not_made);
    tcase_add_test(tc, a_worker_that_was_buried_holds_nothing_and_settles_all_the_same);
    tcase_add_test(tc, a_settlement_that_redis_forgot_is_sent_again);
    tcase_add_test(tc, what_an_earlier_id_wanted_is_not_held_for_the_next);
    suite_add_tcase(s, tc);
    return s;
}
