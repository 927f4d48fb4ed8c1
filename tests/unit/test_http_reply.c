#include <check.h>
#include <string.h>

#include "common/io/http_client.h"

static struct http_reply reply_of(const char *headers)
{
    return (struct http_reply){.headers = {headers, strlen(headers)}};
}

static const struct {
    const char *headers, *name, *value; /* value NULL: absent */
} found[] = {
    {"HTTP/1.1 200 OK\r\nA: b\r\n\r\n", "A", "b"},
    {"HTTP/1.1 200 OK\r\nContent-Type:  text/plain \t\r\n\r\n", "content-type", "text/plain"},
    {"HTTP/1.1 200 OK\r\nA:\r\n\r\n", "a", ""},
    {"HTTP/1.1 200 OK\nA: lf only\nB: c\n", "a", "lf only"},
    {"HTTP/1.1 200 OK\r\nA: cut", "a", "cut"},
    {"HTTP/1.1 200 OK\r\nAb: 1\r\nA: 2\r\n\r\n", "a", "2"},
    {"HTTP/1.1 200 OK\r\nA: 1\r\nA: 2\r\n\r\n", "a", "1"},
    {"HTTP/1.1 200 OK\r\nA : 1\r\n\r\n", "a", NULL},
    {"HTTP/1.1 200 OK\r\nX-A: 1\r\n\r\n", "a", NULL},
    {"HTTP/1.1 200 OK\r\nB: A: 1\r\n\r\n", "a", NULL},
    {"A", "a", NULL},
    {"", "a", NULL},
};

START_TEST(a_header_is_found_by_its_name)
{
    struct http_reply r = reply_of(found[_i].headers);
    struct span v = http_header(&r, found[_i].name);

    if (!found[_i].value) {
        ck_assert_ptr_null(v.p);
        return;
    }
    ck_assert_ptr_nonnull(v.p);
    ck_assert_uint_eq(v.n, strlen(found[_i].value));
    ck_assert_int_eq(memcmp(v.p, found[_i].value, v.n), 0);
}
END_TEST

START_TEST(no_headers_hold_no_header)
{
    struct http_reply r = {0};

    ck_assert_ptr_null(http_header(&r, "a").p);
    ck_assert_int_eq(http_retry_after_ms(&r, 0, 1000), -1);
}
END_TEST

/* now is Sun, 06 Nov 1994 08:49:37 GMT */
#define NOW_MS INT64_C(784111777000)
static const struct {
    const char *headers;
    int64_t ms;
} waits[] = {
    {"X: y\r\n", -1},
    {"Retry-After: 0\r\n", 0},
    {"Retry-After: 7\r\n", 7000},
    {"retry-after: 1.5\r\n", 1500},
    {"Retry-After: 0.0001\r\n", 1},
    {"Retry-After: -3\r\n", -1},
    {"Retry-After: soon\r\n", -1},
    {"Retry-After:\r\n", -1},
    {"Retry-After: nan\r\n", -1},
    {"Retry-After: 1e400\r\n", -1},
    {"Retry-After: 1e9\r\n", 60000},
    {"Retry-After: 99999\r\n", 60000},
    {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT\r\n", 10000},
    {"Retry-After: Sunday, 06-Nov-94 08:49:47 GMT\r\n", 10000},
    {"Retry-After: Sun Nov  6 08:49:47 1994\r\n", 10000},
    {"Retry-After: Sun, 06 Nov 1994 08:49:07 GMT\r\n", 0},
    {"Retry-After: Tue, 06 Nov 2035 08:49:47 GMT\r\n", 60000},
    {"Retry-After: Sun, 06 Nov 1994 08:49:47 GMT and then some more of it, too long\r\n", -1},
    {"retry-after-ms: 250\r\n", 250},
    {"retry-after-ms: 250\r\nRetry-After: 1\r\n", 1000},
    {"x-ratelimit-reset: 2\r\n", 2000},
    {"x-ratelimit-reset: 0.25\r\nretry-after-ms: 100\r\n", 250},
    {"x-ratelimit-reset: 2\r\nRetry-After: soon\r\n", 2000},
    {"x-ratelimit-reset: 784111780000\r\n", 60000}, /* seconds, a far time */
    {"x-ratelimit-reset: Sun, 06 Nov 1994 08:49:47 GMT\r\n", -1},
};

START_TEST(the_longest_wait_that_the_server_asks_for_counts)
{
    struct http_reply r = reply_of(waits[_i].headers);

    ck_assert_msg(http_retry_after_ms(&r, NOW_MS, 60000) == waits[_i].ms, "%s gives %ld",
                  waits[_i].headers, (long)http_retry_after_ms(&r, NOW_MS, 60000));
}
END_TEST

START_TEST(a_point_in_time_is_told_from_a_delay)
{
    struct http_reply s = reply_of("x-ratelimit-reset: 1790000003\r\n"),
                      ms = reply_of("x-ratelimit-reset: 1790000003500\r\n"),
                      past = reply_of("x-ratelimit-reset: 1690000000\r\n");

    ck_assert_int_eq(http_retry_after_ms(&s, 1790000000000, 60000), 3000);
    ck_assert_int_eq(http_retry_after_ms(&ms, 1790000000000, 60000), 3500);
    ck_assert_int_eq(http_retry_after_ms(&past, 1790000000000, 60000), 0);
}
END_TEST

Suite *test_http_reply(void);
Suite *test_http_reply(void)
{
    Suite *s = suite_create("test_http_reply");
    TCase *tc = tcase_create("headers");

    tcase_add_loop_test(tc, a_header_is_found_by_its_name, 0, (int)ARRAY_LEN(found));
    tcase_add_test(tc, no_headers_hold_no_header);
    tcase_add_loop_test(tc, the_longest_wait_that_the_server_asks_for_counts, 0,
                        (int)ARRAY_LEN(waits));
    tcase_add_test(tc, a_point_in_time_is_told_from_a_delay);
    suite_add_tcase(s, tc);
    return s;
}
