/* test_redis_tls.c - TCP and TLS: names, addresses, certificates. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificate.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

static struct redis_server server;
static struct loop *loop;
static struct line line;
static struct certificate pem;
static char url[128];

static void setup(void)
{
    redis_server_init(&server);
    server.port = redis_server_free_port();
    loop = loop_new();
}

static void teardown(void)
{
    line_close(&line);
    loop_free(loop);
    redis_server_done(&server);
}

/* An authority, and a server whose certificate names `names`. */
static void start_tls(const char *names)
{
    char port[16];

    snprintf(port, sizeof(port), "%d", server.port);
    certificate_make(&pem, server.dir, names);
    redis_server_start(
        &server, (const char *const[]){"--tls-port", port, "--tls-cert-file", pem.cert,
                                       "--tls-key-file", pem.key, "--tls-ca-cert-file", pem.ca,
                                       "--tls-auth-clients", "no", "--bind", "127.0.0.1", NULL});
}

static void open_at(const char *scheme, const char *host, const char *ca_file)
{
    snprintf(url, sizeof(url), "%s://%s:%d", scheme, host, server.port);
    line_open(&line, loop, url, (struct redis_options){.ca_file = ca_file});
    TURN_UNTIL(loop, line.ready || line.lost);
}

static const struct peer {
    const char *names, *host;
    bool good, with_ca;
    const char *why;
} peers[] = {
    {"DNS:localhost", "localhost", true, true, NULL},
    {"IP:127.0.0.1", "127.0.0.1", true, true, NULL},
    {"DNS:other.example", "localhost", false, true, "hostname mismatch"},
    {"DNS:localhost", "127.0.0.1", false, true, "IP address mismatch"},
    {"DNS:localhost", "localhost", false, false, "certificate in certificate chain"},
};

START_TEST(the_certificate_must_chain_and_name_the_host)
{
    const struct peer *p = &peers[_i];

    start_tls(p->names);
    open_at("rediss", p->host, p->with_ca ? pem.ca : NULL);
    ck_assert_msg(line.ready == p->good, "%s", line.why.msg);
    if (p->good)
        ck_assert(ask(&line, "PING").ok);
    else
        ck_assert_msg(strcasestr(line.why.msg, p->why), "said: %s", line.why.msg);
}
END_TEST

START_TEST(big_values_go_both_ways_over_tls)
{
    const size_t n = 3 << 20;
    char *value = malloc(n);
    const struct reply *r;
    struct redis_args a;
    struct err err = {0};

    ck_assert_ptr_nonnull(value);
    for (size_t i = 0; i < n; i++)
        value[i] = (char)(i * 7 + i / 1000);
    start_tls("DNS:localhost");
    open_at("rediss", "localhost", pem.ca);
    args_of(&a, "SET big");
    redis_arg(&a, value, n);
    ck_assert_msg(reply_is(redis_call(line.redis, &a, &err), "OK"), "%s", err.msg);
    args_of(&a, "GET big");
    r = redis_call(line.redis, &a, &err);
    ck_assert_uint_eq(reply_span(r).n, n);
    ck_assert(!memcmp(reply_span(r).p, value, n));
    free(value);
}
END_TEST

START_TEST(plain_and_tls_do_not_mix_and_the_reason_says_so)
{
    start_tls("DNS:localhost");
    open_at("redis", "localhost", NULL);
    ck_assert_int_eq(line.ready, 0);
    ck_assert_int_eq(line.lost, 1);
    line_close(&line);
    redis_server_kill(&server);
    snprintf(url, sizeof(url), "%d", server.port);
    redis_server_start(&server, (const char *const[]){"--port", url, NULL});
    open_at("rediss", "localhost", pem.ca);
    ck_assert_int_eq(line.ready, 0);
    ck_assert_msg(strstr(line.why.msg, "TLS"), "said: %s", line.why.msg);
}
END_TEST

START_TEST(a_name_works_when_only_one_of_its_addresses_listens)
{
    char port[16];

    snprintf(port, sizeof(port), "%d", server.port);
    redis_server_start(&server, (const char *const[]){"--port", port, "--bind", "127.0.0.1", NULL});
    open_at("redis", "localhost", NULL);
    ck_assert_msg(line.ready, "%s", line.why.msg);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

START_TEST(a_refusing_port_and_an_unknown_name_are_told)
{
    open_at("redis", "127.0.0.1", NULL);
    ck_assert_ptr_nonnull(strstr(line.why.msg, "Connection refused"));
    line_close(&line);
    open_at("redis", "nobody.invalid", NULL);
    ck_assert_msg(strstr(line.why.msg, "nobody.invalid") && !line.ready, "said: %s", line.why.msg);
}
END_TEST

START_TEST(a_bad_authority_file_is_told_at_once)
{
    struct redis_options opt = {.url = "rediss://localhost", .ca_file = "/does/not/exist"};
    struct err err = {0};

    ck_assert_ptr_null(redis_new(loop, &opt, &err));
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_ptr_nonnull(strstr(err.msg, "/does/not/exist"));
}
END_TEST

Suite *test_redis_tls(void);
Suite *test_redis_tls(void)
{
    Suite *s = suite_create("test_redis_tls");
    TCase *tc = tcase_create("tls");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_loop_test(tc, the_certificate_must_chain_and_name_the_host, 0, (int)ARRAY_LEN(peers));
    tcase_add_test(tc, big_values_go_both_ways_over_tls);
    tcase_add_test(tc, plain_and_tls_do_not_mix_and_the_reason_says_so);
    tcase_add_test(tc, a_name_works_when_only_one_of_its_addresses_listens);
    tcase_add_test(tc, a_refusing_port_and_an_unknown_name_are_told);
    tcase_add_test(tc, a_bad_authority_file_is_told_at_once);
    suite_add_tcase(s, tc);
    return s;
}
