/* test_redis_dial.c - addresses of both families, and what is said of those that fail. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

static struct redis_server server;
static struct loop *loop;
static struct line line;
static char port[16], url[128];

static void setup(void)
{
    redis_server_init(&server);
    snprintf(port, sizeof(port), "%d", redis_server_free_port());
    loop = loop_new();
}

static void teardown(void)
{
    line_close(&line);
    loop_free(loop);
    redis_server_done(&server);
}

static void open_at(const char *host)
{
    snprintf(url, sizeof(url), "redis://%s:%s", host, port);
    line_open(&line, loop, url, (struct redis_options){0});
    TURN_UNTIL(loop, line.ready || line.lost);
}

/* This host's only IPv6 addresses may be private ones, as in a cluster of Kubernetes. */
static const struct {
    const char *bind, *host;
} places[] = {{"::1", "[::1]"}, {"127.0.0.1", "127.0.0.1"}, {"127.0.0.1", "localhost"}};

START_TEST(an_address_of_either_family_is_reached)
{
    redis_server_start(&server,
                       (const char *const[]){"--port", port, "--bind", places[_i].bind, NULL});
    open_at(places[_i].host);
    ck_assert_msg(line.ready, "%s", line.why.msg);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

static const struct {
    const char *host, *says;
} nowhere[] = {{"[::1]", "redis://[::1]:"}, {"localhost", "127.0.0.1: Connection refused"}};

START_TEST(a_failure_names_the_address)
{
    open_at(nowhere[_i].host);
    ck_assert_msg(strstr(line.why.msg, nowhere[_i].says), "said: %s", line.why.msg);
}
END_TEST

Suite *test_redis_dial(void);
Suite *test_redis_dial(void)
{
    Suite *s = suite_create("redis_dial");
    TCase *tc = tcase_create("dial");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, an_address_of_either_family_is_reached, 0, (int)ARRAY_LEN(places));
    tcase_add_loop_test(tc, a_failure_names_the_address, 0, (int)ARRAY_LEN(nowhere));
    suite_add_tcase(s, tc);
    return s;
}
