/* test_redis.c - commands and answers over a connection that holds. */
#include "common/io/redis.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

enum { MANY = 2000, BIG = 10 << 20 };

static struct redis_server server;
static struct loop *loop;
static struct line line, other;

static void setup(void)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    loop = loop_new();
    line_open(&line, loop, server.url, (struct redis_options){.client_name = "under-test"});
    line_open(&other, loop, server.url, (struct redis_options){0});
    TURN_UNTIL(loop, line.ready && other.ready);
}

static void teardown(void)
{
    line_close(&line);
    line_close(&other);
    loop_free(loop);
    redis_server_done(&server);
}

/* ---- order and content ---- */

struct sequence {
    int next;
};

static void on_number(void *arg, const struct reply *reply, const struct err *err)
{
    struct sequence *s = arg;

    ck_assert_ptr_null(err);
    ck_assert_int_eq(reply_int(reply), s->next);
    s->next++;
}

START_TEST(many_answers_come_in_order_and_each_exactly_once)
{
    struct sequence seq = {0};
    struct redis_args a;

    for (int i = 0; i < MANY; i++) {
        redis_args_init(&a);
        redis_arg_str(&a, "ECHO");
        redis_arg_int(&a, i);
        redis_send(line.redis, &a, on_number, &seq);
    }
    ck_assert_int_eq(seq.next, 0);
    ck_assert_uint_eq(redis_outstanding(line.redis), MANY);
    TURN_UNTIL(loop, seq.next == MANY);
    ck_assert_uint_eq(redis_outstanding(line.redis), 0);
    ask(&line, "PING");
    ck_assert_int_eq(seq.next, MANY);
}
END_TEST

START_TEST(arguments_arrive_as_they_were_given)
{
    static const char zeros[] = "a\0b\r\n$5\r\n";
    const struct span pieces[] = {{"one", 3}, {NULL, 0}, {"-", 1}, {zeros, sizeof(zeros)}};
    struct redis_args a;
    struct err err = {0};
    const struct reply *r;

    args_of(&a, "EVAL return{#ARGV[1],#ARGV[2],#ARGV[3],ARGV[4],ARGV[1]==ARGV[5]} 0");
    redis_arg(&a, zeros, sizeof(zeros));
    redis_arg(&a, NULL, 0);
    redis_arg_pieces(&a, pieces, ARRAY_LEN(pieces));
    redis_arg_int(&a, INT64_MIN);
    redis_arg_span(&a, (struct span){zeros, sizeof(zeros)});
    r = redis_call(line.redis, &a, &err);
    ck_assert_msg(r, "%s", err.msg);
    ck_assert_ptr_null(a.bytes.p);
    ck_assert_int_eq(reply_int(reply_at(r, 0)), sizeof(zeros));
    ck_assert_int_eq(reply_int(reply_at(r, 1)), 0);
    ck_assert_int_eq(reply_int(reply_at(r, 2)), 4 + sizeof(zeros));
    ck_assert(reply_is(reply_at(r, 3), "-9223372036854775808"));
    ck_assert_int_eq(reply_int(reply_at(r, 3)), INT64_MIN);
    ck_assert_int_eq(reply_int(reply_at(r, 4)), 1);
    ck_assert_ptr_null(reply_at(r, 5));
}
END_TEST

START_TEST(replies_are_read_by_their_type_and_wrong_types_do_no_harm)
{
    struct redis_args a;
    struct err err = {0};
    const struct reply *r;

    args_of(&a, "EVAL return{1,'two',redis.status_reply('OK'),false,{3},redis.error_reply('E')} 0");
    r = redis_call(line.redis, &a, &err);
    ck_assert_msg(r, "%s", err.msg);
    ck_assert_int_eq(reply_type(r), REPLY_ARRAY);
    ck_assert_int_eq(reply_type(reply_at(r, 0)), REPLY_INT);
    ck_assert_int_eq(reply_type(reply_at(r, 1)), REPLY_STRING);
    ck_assert_int_eq(reply_type(reply_at(r, 2)), REPLY_STATUS);
    ck_assert_int_eq(reply_type(reply_at(r, 3)), REPLY_NIL);
    ck_assert_int_eq(reply_type(reply_at(r, 4)), REPLY_ARRAY);
    ck_assert_int_eq(reply_type(reply_at(r, 5)), REPLY_ERROR);
    ck_assert(reply_is(reply_at(r, 1), "two") && reply_is(reply_at(r, 2), "OK"));
    ck_assert(!reply_is(reply_at(r, 5), "E") && !reply_is(reply_at(r, 0), "1"));
    ck_assert_int_eq(reply_int(reply_at(r, 1)), 0);
    ck_assert_uint_eq(reply_count(reply_at(r, 0)), 0);
    ck_assert_ptr_null(reply_span(r).p);
    ck_assert_int_eq(reply_type(NULL), REPLY_NIL);
}
END_TEST

START_TEST(an_error_reply_is_an_err_with_its_text)
{
    struct err err = {0};
    struct redis_args a;
    struct shot s;

    ask(&line, "SET text x");
    s = ask(&line, "LPUSH text y");
    ck_assert_int_eq(s.kind, ERR_REDIS);
    ck_assert(!strncmp(s.text, "WRONGTYPE ", 10));
    args_of(&a, "LPUSH text y");
    ck_assert_ptr_null(redis_call(line.redis, &a, &err));
    ck_assert(reply_error(&err, "WRONGTYPE"));
    ck_assert(!reply_error(&err, "WRONG") && !reply_error(&err, "OOM") && !reply_error(NULL, "E"));
    ck_assert_int_eq(line.lost, 0);
}
END_TEST

START_TEST(a_full_redis_is_told_and_does_not_end_the_connection)
{
    struct shot s;

    ask(&other, "CONFIG SET maxmemory 1");
    s = ask(&line, "SET k v");
    ck_assert_int_eq(s.kind, ERR_REDIS);
    ck_assert(!strncmp(s.text, "OOM ", 4));
    ck_assert(ask(&line, "PING").ok);
    ck_assert_int_eq(line.lost, 0);
}
END_TEST

START_TEST(big_values_go_both_ways)
{
    char *value = malloc(BIG);
    const struct reply *r;
    struct redis_args a;
    struct err err;

    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < BIG; i++)
        value[i] = (char)(i * 7 + i / 1000);
    args_of(&a, "SET big");
    redis_arg(&a, value, BIG);
    ck_assert(reply_is(redis_call(line.redis, &a, &err), "OK"));
    args_of(&a, "GET big");
    r = redis_call(line.redis, &a, &err);
    ck_assert_uint_eq(reply_span(r).n, BIG);
    ck_assert(!memcmp(reply_span(r).p, value, BIG));
    free(value);
}
END_TEST

START_TEST(a_long_array_arrives_whole)
{
    struct shot s;

    s = ask(&line, "EVAL local\tt={}\tfor\ti=1,100000\tdo\tt[i]=i\tend\treturn\tt 0");
    ck_assert_msg(s.ok, "%s", s.text);
    ck_assert_uint_eq(s.count, 100000);
}
END_TEST

START_TEST(short_commands_need_no_arguments_object)
{
    struct shot s = {0};

    redis_sendv(line.redis, shot_cb, &s, "CLIENT", "GETNAME", NULL);
    redis_sendv(line.redis, NULL, NULL, "SET", "nobody", "asks", NULL);
    TURN_UNTIL(loop, s.told);
    ck_assert_str_eq(s.text, "under-test");
    ck_assert_str_eq(ask(&line, "GET nobody").text, "asks");
}
END_TEST

/* ---- limits ---- */

START_TEST(output_is_bounded_and_what_is_over_is_refused)
{
    static char chunk[40000];
    struct shot shots[10];
    struct redis_args a;
    struct line small;
    int refused = 0;

    line_open(&small, loop, server.url, (struct redis_options){.max_output_bytes = 100000});
    TURN_UNTIL(loop, small.ready);
    for (size_t i = 0; i < ARRAY_LEN(shots); i++) {
        args_of(&a, "ECHO");
        redis_arg(&a, chunk, sizeof(chunk));
        shoot_args(&small, &shots[i], &a);
    }
    for (size_t i = 0; i < ARRAY_LEN(shots); i++) {
        TURN_UNTIL(loop, shots[i].told);
        refused += shots[i].kind == ERR_MEMORY;
        ck_assert(shots[i].ok == (i < 2));
    }
    ck_assert_int_eq(refused, 8);
    ck_assert(ask(&small, "PING").ok);
    line_close(&small);
}
END_TEST

START_TEST(a_command_over_its_cap_is_refused)
{
    size_t n = (size_t)65 << 20;
    char *much = calloc(1, n);
    struct redis_args a;
    struct shot s;

    args_of(&a, "ECHO");
    redis_arg(&a, much, n);
    shoot_args(&line, &s, &a);
    free(much);
    TURN_UNTIL(loop, s.told);
    ck_assert_int_eq(s.kind, ERR_MEMORY);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

START_TEST(a_blocking_command_may_outlast_the_time_out)
{
    struct redis_args a;
    struct line quick;
    struct shot s = {0};

    line_open(&quick, loop, server.url, (struct redis_options){.command_timeout_ms = 150});
    TURN_UNTIL(loop, quick.ready);
    args_of(&a, "BLPOP nothing 0.5");
    redis_send_blocking(quick.redis, &a, 500, shot_cb, &s);
    TURN_UNTIL(loop, s.told);
    ck_assert_msg(s.ok && s.type == REPLY_NIL, "%s", s.text);
    ck_assert_int_eq(quick.lost, 0);
    ck_assert_int_eq(ask(&quick, "BLPOP nothing 0.5").kind, ERR_REDIS_LOST);
    TURN_UNTIL(loop, quick.lost == 1);
    ck_assert_ptr_nonnull(strstr(quick.why.msg, "no answer for 1"));
    line_close(&quick);
}
END_TEST

/* ---- scripts ---- */

static const struct redis_script count_up = {"count_up",
                                             "return redis.call('INCRBY', KEYS[1], ARGV[1])", ""};
static const struct redis_script broken = {"broken", "return return", ""};

static void count_ten_times(void)
{
    struct shot shots[10] = {0};
    struct redis_args a;

    for (size_t i = 0; i < ARRAY_LEN(shots); i++) {
        args_of(&a, "counter 2");
        redis_script(line.redis, &count_up, 1, &a, shot_cb, &shots[i]);
    }
    TURN_UNTIL(loop, !redis_outstanding(line.redis));
    for (size_t i = 0; i < ARRAY_LEN(shots); i++)
        ck_assert_msg(shots[i].told == 1 && shots[i].ok, "%s", shots[i].text);
}

START_TEST(an_unknown_script_is_loaded_and_runs_once)
{
    count_ten_times();
    ck_assert(ask(&other, "SCRIPT FLUSH").ok);
    count_ten_times();
    ck_assert_str_eq(ask(&line, "GET counter").text, "40");
}
END_TEST

START_TEST(the_scripts_of_the_options_are_loaded_before_ready)
{
    const struct redis_script *const list[] = {&count_up, NULL};
    struct line loaded;
    struct shot s;

    line_open(&loaded, loop, server.url, (struct redis_options){.scripts = list});
    TURN_UNTIL(loop, loaded.ready);
    s = ask(&other, "EVALSHA 8cd00688c05c46bde4a2e60658ef20a2e5c0b248 1 counter 5");
    ck_assert_msg(s.ok && s.number == 5, "%s", s.text);
    line_close(&loaded);
}
END_TEST

START_TEST(a_script_that_does_not_compile_is_told_by_name)
{
    const struct redis_script *const list[] = {&broken, NULL};
    struct line bad;
    struct redis_args a;
    struct shot s = {0};

    line_open(&bad, loop, server.url, (struct redis_options){.scripts = list});
    TURN_UNTIL(loop, bad.lost);
    ck_assert_int_eq(bad.ready, 0);
    ck_assert_ptr_nonnull(strstr(bad.why.msg, "SCRIPT LOAD broken: ERR Error compiling script"));
    line_close(&bad);
    args_of(&a, "k");
    redis_script(line.redis, &broken, 1, &a, shot_cb, &s);
    TURN_UNTIL(loop, s.told);
    ck_assert_int_eq(s.kind, ERR_REDIS);
    ck_assert_int_eq(s.told, 1);
}
END_TEST

/* ---- ending ---- */

struct ender {
    struct shot shot;
    struct shot refused;
};

static void free_inside(void *arg, const struct reply *reply, const struct err *err)
{
    struct ender *e = arg;

    shot_cb(&e->shot, reply, err);
    redis_free(line.redis);
    ck_assert_int_eq(e->refused.told, 1);
}

START_TEST(it_may_be_freed_inside_its_own_callback)
{
    struct ender e = {0};

    redis_sendv(line.redis, free_inside, &e, "PING", NULL);
    redis_sendv(line.redis, shot_cb, &e.refused, "BLPOP", "nothing", "0", NULL);
    TURN_UNTIL(loop, e.shot.told);
    ck_assert(e.shot.ok);
    ck_assert_int_eq(e.refused.kind, ERR_REDIS_LOST);
    line.redis = NULL;
    ask(&other, "PING");
    ck_assert_int_eq(e.shot.told + e.refused.told, 2);
}
END_TEST

START_TEST(freeing_tells_every_outstanding_command)
{
    struct shot shots[100];

    for (size_t i = 0; i < ARRAY_LEN(shots); i++)
        shoot(&line, &shots[i], "PING");
    redis_free(line.redis);
    line.redis = NULL;
    for (size_t i = 0; i < ARRAY_LEN(shots); i++) {
        ck_assert_int_eq(shots[i].told, 1);
        ck_assert_int_eq(shots[i].kind, ERR_REDIS_LOST);
    }
}
END_TEST

START_TEST(a_forgotten_callback_is_not_called_and_others_are)
{
    struct shot gone, kept;

    shoot(&line, &gone, "PING");
    shoot(&line, &kept, "ECHO here");
    redis_forget(line.redis, &gone);
    TURN_UNTIL(loop, kept.told);
    ck_assert_str_eq(kept.text, "here");
    ck_assert_int_eq(gone.told, 0);
    ck_assert_uint_eq(redis_outstanding(line.redis), 0);
}
END_TEST

Suite *test_redis(void);
Suite *test_redis(void)
{
    Suite *s = suite_create("test_redis");
    TCase *tc = tcase_create("commands");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, many_answers_come_in_order_and_each_exactly_once);
    tcase_add_test(tc, arguments_arrive_as_they_were_given);
    tcase_add_test(tc, replies_are_read_by_their_type_and_wrong_types_do_no_harm);
    tcase_add_test(tc, an_error_reply_is_an_err_with_its_text);
    tcase_add_test(tc, a_full_redis_is_told_and_does_not_end_the_connection);
    tcase_add_test(tc, big_values_go_both_ways);
    tcase_add_test(tc, a_long_array_arrives_whole);
    tcase_add_test(tc, short_commands_need_no_arguments_object);
    tcase_add_test(tc, output_is_bounded_and_what_is_over_is_refused);
    tcase_add_test(tc, a_command_over_its_cap_is_refused);
    tcase_add_test(tc, a_blocking_command_may_outlast_the_time_out);
    tcase_add_test(tc, an_unknown_script_is_loaded_and_runs_once);
    tcase_add_test(tc, the_scripts_of_the_options_are_loaded_before_ready);
    tcase_add_test(tc, a_script_that_does_not_compile_is_told_by_name);
    tcase_add_test(tc, it_may_be_freed_inside_its_own_callback);
    tcase_add_test(tc, freeing_tells_every_outstanding_command);
    tcase_add_test(tc, a_forgotten_callback_is_not_called_and_others_are);
    suite_add_tcase(s, tc);
    return s;
}
