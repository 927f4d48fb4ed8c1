/* test_connect.c - a connection as the configuration describes it. */
#include <stdio.h>

#include "common/io/loop.h"
#include "common/queue/connect.h"
#include "tests/unit/config_scene.h"
#include "tests/unit/redis_server.h"

START_TEST(options_are_those_of_the_section_redis)
{
    struct config *c = config_good("redis: {url: 'rediss://h:1', ca_file: /ca.pem,\n"
                                   "        connect_timeout_ms: 11, command_timeout_ms: 222}\n");
    struct redis_options o = connect_options(c, "me");

    ck_assert_str_eq(o.url, "rediss://h:1");
    ck_assert_str_eq(o.client_name, "me");
    ck_assert_str_eq(o.ca_file, "/ca.pem");
    ck_assert_int_eq(o.connect_timeout_ms, 11);
    ck_assert_int_eq(o.command_timeout_ms, 222);
    config_free(c);
    c = config_good(NULL);
    ck_assert_ptr_null(connect_options(c, "me").ca_file); /* the system's */
    config_free(c);
}
END_TEST

START_TEST(it_connects_at_once_or_says_why_not)
{
    struct loop *l = loop_new();
    struct redis_server server;
    struct config *c;
    struct err err = {0};
    struct redis *r;
    char text[128];

    redis_server_init(&server);
    redis_server_start(&server, NULL);
    snprintf(text, sizeof text, "redis: {url: '%s'}", server.url);
    c = config_good(text);
    r = connect_now(l, c, "me", &err);
    ck_assert_msg(r && redis_is_ready(r), "%s", err.msg);
    redis_free(r);
    config_free(c);
    redis_server_done(&server);
    c = config_good("redis: {url: 'redis://127.0.0.1:1'}");
    ck_assert_ptr_null(connect_now(l, c, "me", &err));
    ck_assert_int_eq(err.kind, ERR_REDIS_LOST);
    ck_assert_str_eq(err.msg, "Redis at redis://127.0.0.1:1: Connection refused");
    config_free(c);
    loop_free(l);
}
END_TEST

Suite *test_connect(void);
Suite *test_connect(void)
{
    Suite *s = suite_create("test_connect");
    TCase *tc = tcase_create("connect");

    tcase_add_test(tc, options_are_those_of_the_section_redis);
    tcase_add_test(tc, it_connects_at_once_or_says_why_not);
    suite_add_tcase(s, tc);
    return s;
}
