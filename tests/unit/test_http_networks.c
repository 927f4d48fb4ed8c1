/* test_http_networks.c - which addresses are public, lists of exceptions, and requests kept to
 * both. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "common/io/http_client.h"
#include "common/io/loop.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/http_shot.h"

union any_address {
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static union any_address address(const char *text)
{
    union any_address a = {.v6 = {.sin6_family = AF_INET6}};

    if (strchr(text, ':')) {
        ck_assert_msg(inet_pton(AF_INET6, text, &a.v6.sin6_addr) == 1, "%s", text);
        return a;
    }
    a.v4 = (struct sockaddr_in){.sin_family = AF_INET};
    ck_assert_msg(inet_pton(AF_INET, text, &a.v4.sin_addr) == 1, "%s", text);
    return a;
}

static const char *const not_public[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.1",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "168.63.129.16",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::1",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "2001:db8::1",
    "2001::1",
    "2002:7f00:1::",
    "2002:a00:1::1",
    "3fff::1",
    "100::1",
};
static const char *const is_public[] = {
    "1.1.1.1",         "9.255.255.255",  "11.0.0.0",         "100.63.255.255",  "100.128.0.0",
    "126.255.255.255", "128.0.0.0",      "169.253.255.255",  "172.15.255.255",  "172.32.0.0",
    "192.167.255.255", "192.169.0.0",    "198.17.255.255",   "198.20.0.0",      "223.255.255.255",
    "168.63.129.17",   "::ffff:1.1.1.1", "64:ff9b::101:101", "2606:4700::1111", "2a00:1450::1",
    "2002:101:101::1", "3fff:1000::1",   "2001:200::1",
};

START_TEST(private_addresses_are_not_allowed)
{
    union any_address a = address(not_public[_i]);

    ck_assert_msg(!http_address_allowed(&a, NULL), "%s", not_public[_i]);
}
END_TEST

START_TEST(public_addresses_are_allowed)
{
    union any_address a = address(is_public[_i]);

    ck_assert_msg(http_address_allowed(&a, NULL), "%s", is_public[_i]);
}
END_TEST

START_TEST(an_address_of_another_family_is_not_allowed)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    ck_assert(!http_address_allowed(&a, NULL));
}
END_TEST

static const struct {
    const char *list, *in, *out;
} lists[] = {
    {"10.0.0.0/8", "10.1.2.3", "11.0.0.1"},
    {"10.0.0.0/8,fd00::/8", "fd12::1", "fc00::1"},
    {" 127.0.0.1 , 192.168.4.0/22 ", "192.168.7.255", "192.168.8.0"},
    {"127.0.0.1", "127.0.0.1", "127.0.0.2"},
    {"10.9.9.9/9", "10.127.0.1", "10.128.0.1"},
    {"0.0.0.0/0", "127.0.0.1", "::1"},
    {"::1", "::1", "::2"},
    {"::/0", "fe80::1", "127.0.0.1"},
    {"::ffff:10.0.0.0/104", "10.3.4.5", "11.3.4.5"},
    {"10.0.0.0/8", "::ffff:10.1.1.1", "::ffff:11.1.1.1"},
    {"fe80::/10", "febf::1", "fec0::1"},
    {"2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"},
};

START_TEST(a_list_holds_its_networks)
{
    const char *bad = NULL;
    struct http_networks *n = http_networks_parse(lists[_i].list, &bad);
    union any_address in = address(lists[_i].in), out = address(lists[_i].out);

    ck_assert_msg(n != NULL, "at %s", bad);
    ck_assert_msg(http_networks_hold(n, &in), "%s in %s", lists[_i].in, lists[_i].list);
    ck_assert_msg(!http_networks_hold(n, &out), "%s in %s", lists[_i].out, lists[_i].list);
    ck_assert(http_address_allowed(&in, n));
    http_networks_free(n);
}
END_TEST

static const struct {
    const char *list, *bad;
} wrong[] = {
    {"localhost", "localhost"},
    {"10.0.0.0/8,10.0.0/8", "10.0.0/8"},
    {"10.0.0.0/33", "10.0.0.0/33"},
    {"10.0.0.0/", "10.0.0.0/"},
    {"10.0.0.0/-1", "10.0.0.0/-1"},
    {"10.0.0.0/8x", "10.0.0.0/8x"},
    {"::1/129", "::1/129"},
    {"fd00::/8, fd00:::/8", "fd00:::/8"},
    {"/8", "/8"},
    {"10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0/8",
     "10.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0/8"},
};

START_TEST(a_wrong_list_is_refused_at_the_wrong_item)
{
    const char *bad = NULL;

    ck_assert_ptr_null(http_networks_parse(wrong[_i].list, &bad));
    ck_assert_str_eq(bad, wrong[_i].bad);
}
END_TEST

START_TEST(an_empty_list_holds_nothing)
{
    const char *bad = NULL;
    struct http_networks *n = http_networks_parse("", &bad);
    union any_address a = address("10.0.0.1");

    ck_assert_ptr_nonnull(n);
    ck_assert(!http_networks_hold(n, &a) && !http_networks_hold(NULL, &a));
    http_networks_free(n);
    http_networks_free(NULL);
}
END_TEST

/* ---- requests ---- */

static struct fake_http server;
static struct loop *loop;
static struct http_client *client;

static void set_up(void)
{
    setenv("http_proxy", "http://127.0.0.1:1", 1); /* must not be asked for these requests */
    fake_http_start(&server, NULL, NULL);
    loop = loop_new();
    client = http_client_new(loop, NULL);
}

static void tear_down(void)
{
    http_client_free(client);
    loop_free(loop);
    fake_http_stop(&server);
}

static const char *const hosts[] = {"127.0.0.1", "localhost",          "2130706433", "0x7f.1",
                                    "0.0.0.0",   "[::ffff:127.0.0.1]", "127.1",      "[::1]"};

START_TEST(a_webhook_to_a_private_address_is_refused)
{
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", hosts[_i], server.port, "/ok"));

    r.refuse_private = true;
    shot_fire(loop, client, &s, &r);
    ck_assert_msg(s.reply.outcome == HTTP_REFUSED, "%s: outcome %d: %s", hosts[_i],
                  (int)s.reply.outcome, s.detail);
    ck_assert_ptr_nonnull(strstr(s.detail, "is private or local"));
    ck_assert(!s.reply.sent);
    ck_assert_int_eq(server.seen->connections, 0);
}
END_TEST

START_TEST(plain_http_goes_only_to_listed_networks_or_where_it_is_allowed)
{
    const char *bad;
    struct http_networks *allow = http_networks_parse("127.0.0.0/8", &bad);
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "127.0.0.1", server.port, "/ok"));

    r.plain_http_allowed = false;
    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_str_eq(s.detail, "the URL must be https://");
    r.refuse_private = true;
    r.allow = allow;
    shot_fire(loop, client, &s, &r);
    ck_assert_msg(s.reply.outcome == HTTP_ANSWERED, "%s", s.detail);
    r.url = "http://1.1.1.1/";
    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_str_eq(
        s.detail, "the address 1.1.1.1 is not in the allowed networks, and the URL is not https");
    http_networks_free(allow);
}
END_TEST

START_TEST(a_kept_connection_opens_no_door_for_a_webhook)
{
    const char *bad;
    struct http_networks *allow = http_networks_parse("127.0.0.0/8", &bad);
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "127.0.0.1", server.port, "/ok"));

    r.refuse_private = true;
    r.allow = allow;
    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
    r.allow = NULL;
    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_int_eq(server.seen->heads, 1);
    http_networks_free(allow);
}
END_TEST

Suite *test_http_networks(void);
Suite *test_http_networks(void)
{
    Suite *s = suite_create("test_http_networks");
    TCase *tc = tcase_create("addresses"), *calls = tcase_create("requests");

    tcase_add_loop_test(tc, private_addresses_are_not_allowed, 0, (int)ARRAY_LEN(not_public));
    tcase_add_loop_test(tc, public_addresses_are_allowed, 0, (int)ARRAY_LEN(is_public));
    tcase_add_test(tc, an_address_of_another_family_is_not_allowed);
    tcase_add_loop_test(tc, a_list_holds_its_networks, 0, (int)ARRAY_LEN(lists));
    tcase_add_loop_test(tc, a_wrong_list_is_refused_at_the_wrong_item, 0, (int)ARRAY_LEN(wrong));
    tcase_add_test(tc, an_empty_list_holds_nothing);
    suite_add_tcase(s, tc);
    tcase_add_checked_fixture(calls, set_up, tear_down);
    tcase_set_timeout(calls, 30);
    tcase_add_loop_test(calls, a_webhook_to_a_private_address_is_refused, 0, (int)ARRAY_LEN(hosts));
    tcase_add_test(calls, plain_http_goes_only_to_listed_networks_or_where_it_is_allowed);
    tcase_add_test(calls, a_kept_connection_opens_no_door_for_a_webhook);
    suite_add_tcase(s, calls);
    return s;
}
