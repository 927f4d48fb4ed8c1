/* test_sim_http.c - requests read out of a growing buffer. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "tests/sim/sim_http.h"

#define GET  "GET /v1/models HTTP/1.1\r\nHost: x\r\n"
#define POST "POST /a HTTP/1.1\r\nHost: x\r\n"

/* ---- what is read ---- */

static const struct good {
    const char *text;
    const char *method, *path, *query, *body;
    bool keep_alive;
} good[] = {
    {GET "\r\n", "GET", "/v1/models", "", "", true},
    {"GET /a?b=1&c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "GET", "/a", "b=1&c", "",
     false},
    {"GET /a HTTP/1.0\r\n\r\n", "GET", "/a", "", "", false},
    {"GET /a HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: x\r\n\r\n", "GET", "/a", "", "", true},
    {POST "Content-Length: 0\r\n\r\n", "POST", "/a", "", "", true},
    {POST "content-length:3\r\n\r\nabc", "POST", "/a", "", "abc", true},
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "POST", "/a", "", "abc", true},
    {POST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "POST", "/a", "", "", true},
    {POST "Transfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\nT: 1\r\n\r\n",
     "POST", "/a", "", "abc0123456789", true},
    {POST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\nok", "POST", "/a", "", "ok", true},
};

static void check_part(struct sim_http_part part, const char *p, const char *expected)
{
    ck_assert_uint_eq(part.n, strlen(expected));
    ck_assert_msg(!memcmp(p + part.at, expected, part.n), "%.*s", (int)part.n, p + part.at);
}

static void check_good(const struct good *row, const struct sim_http *h, const char *p)
{
    check_part(h->method, p, row->method);
    check_part(h->path, p, row->path);
    check_part(h->query, p, row->query);
    check_part(h->body, p, row->body);
    ck_assert_int_eq(h->keep_alive, row->keep_alive);
    ck_assert_uint_eq(h->total, strlen(row->text));
}

START_TEST(reads_a_request_that_comes_at_once)
{
    const struct good *row = &good[_i];
    char *p = xstrdup(row->text);
    struct sim_http h;

    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, p, strlen(row->text)), SIM_HTTP_DONE);
    check_good(row, &h, p);
    free(p);
}
END_TEST

START_TEST(reads_a_request_that_comes_byte_by_byte_in_moving_memory)
{
    const struct good *row = &good[_i];
    size_t n = strlen(row->text);
    char *p = xstrdup("");
    struct sim_http h;

    sim_http_init(&h);
    for (size_t i = 1; i <= n; i++) {
        char *moved = xmalloc(i);
        memcpy(moved, p, i - 1);
        moved[i - 1] = row->text[i - 1];
        free(p);
        p = moved;
        ck_assert_int_eq(sim_http_parse(&h, p, i), i < n ? SIM_HTTP_MORE : SIM_HTTP_DONE);
    }
    check_good(row, &h, p);
    free(p);
}
END_TEST

START_TEST(leaves_the_next_request_alone)
{
    char text[] = POST "Content-Length: 2\r\n\r\nab" GET "\r\n";
    struct sim_http h;
    size_t first;

    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, text, strlen(text)), SIM_HTTP_DONE);
    check_part(h.body, text, "ab");
    first = h.total;
    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, text + first, strlen(text) - first), SIM_HTTP_DONE);
    check_part(h.path, text + first, "/v1/models");
    ck_assert_uint_eq(first + h.total, strlen(text));
}
END_TEST

/* ---- what is refused ---- */

static const struct {
    const char *text;
    int status;
} bad[] = {
    {"GET /a HTTP/1.1\r\n\r\n", 400}, /* no Host */
    {"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
    {"GET /a HTTP/1.1\nHost: x\n\n", 400}, /* bare LF */
    {"GET /a HTTP/2.0\r\nHost: x\r\n\r\n", 505},
    {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"G@T /a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET /a\r\nHost: x\r\n\r\n", 400},
    {GET "Bad header\r\n\r\n", 400},
    {GET "Length : 1\r\n\r\n", 400}, /* blank before the colon */
    {GET ": 1\r\n\r\n", 400},
    {GET " folded: 1\r\n\r\n", 400},
    {POST "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
    {POST "Content-Length: -1\r\n\r\n", 400},
    {POST "Content-Length: x\r\n\r\n", 400},
    {POST "Content-Length:\r\n\r\n", 400},
    {POST "Content-Length: 1, 1\r\n\r\na", 400},
    {POST "Content-Length: 67108865\r\n\r\n", 413},
    {POST "Content-Length: 9223372036854775807\r\n\r\n", 413},
    {POST "Content-Length: 99999999999999999999\r\n\r\n", 400},
    {POST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked\r\n\r\nx\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n1\na\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
    {POST "Transfer-Encoding: chunked\r\n\r\n4000001\r\n", 413},
    {POST "Transfer-Encoding: chunked\r\n\r\n123456789\r\n", 400},
};

START_TEST(refuses_what_is_not_http_and_says_which_status)
{
    char *p = xstrdup(bad[_i].text);
    struct sim_http h;

    sim_http_init(&h);
    ck_assert_msg(sim_http_parse(&h, p, strlen(p)) == SIM_HTTP_BAD, "row %d was not refused", _i);
    ck_assert_msg(h.status == bad[_i].status, "row %d: %d", _i, h.status);
    ck_assert_int_eq(sim_http_parse(&h, p, strlen(p)), SIM_HTTP_BAD);
    free(p);
}
END_TEST

/* A GET whose head has exactly n bytes. */
static char *head_of(size_t n)
{
    static const char start[] = GET "X-Long: ";
    char *p = xmalloc(n + 1);
    size_t len = strlen(start);

    memcpy(p, start, len + 1);
    memset(p + len, 'a', n - len);
    memcpy(p + n - 4, "\r\n\r\n", 5);
    return p;
}

START_TEST(takes_a_head_at_the_limit_and_not_one_byte_more)
{
    char *fits = head_of(SIM_HTTP_HEAD_MAX), *over = head_of(SIM_HTTP_HEAD_MAX + 1);
    struct sim_http h;

    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, fits, SIM_HTTP_HEAD_MAX), SIM_HTTP_DONE);
    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, over, SIM_HTTP_HEAD_MAX + 1), SIM_HTTP_BAD);
    ck_assert_int_eq(h.status, 431);
    memset(over, 'a', SIM_HTTP_HEAD_MAX + 1); /* and an end that never comes */
    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, over, SIM_HTTP_HEAD_MAX + 1), SIM_HTTP_BAD);
    ck_assert_int_eq(h.status, 431);
    free(fits);
    free(over);
}
END_TEST

START_TEST(waits_for_a_body_at_the_limit)
{
    char text[] = POST "Content-Length: 67108864\r\n\r\n";
    struct sim_http h;

    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, text, strlen(text)), SIM_HTTP_MORE);
    ck_assert_uint_eq(h.length, SIM_HTTP_BODY_MAX);
}
END_TEST

/* ---- headers and queries ---- */

START_TEST(finds_headers_in_any_case_and_trims_them)
{
    char text[] = GET "Webhook-ID:  msg_1 \t\r\nEmpty:\r\n\r\n";
    struct span name, value;
    struct sim_http h;
    size_t at = 0;
    int count = 0;

    sim_http_init(&h);
    ck_assert_int_eq(sim_http_parse(&h, text, strlen(text)), SIM_HTTP_DONE);
    value = sim_http_header(&h, text, "webhook-id");
    ck_assert_uint_eq(value.n, 5);
    ck_assert(!memcmp(value.p, "msg_1", 5));
    ck_assert_uint_eq(sim_http_header(&h, text, "empty").n, 0);
    ck_assert_ptr_null(sim_http_header(&h, text, "absent").p);
    while (sim_http_next_header(&h, text, &at, &name, &value))
        count++;
    ck_assert_int_eq(count, 3);
}
END_TEST

static const struct {
    const char *query, *name, *value; /* value NULL: not found */
} queries[] = {
    {"a=1&b=2", "a", "1"},
    {"a=1&b=2", "b", "2"},
    {"a=1&b=2", "c", NULL},
    {"ab=1&a=2", "a", "2"},
    {"a=x%20y+z", "a", "x y z"},
    {"a=%4", "a", "%4"},
    {"a=%zz", "a", "%zz"},
    {"a=", "a", ""},
    {"", "a", NULL},
    {"a=12345678", "a", NULL}, /* too long for 8 bytes */
};

START_TEST(reads_a_value_of_a_query)
{
    struct span query = {queries[_i].query, strlen(queries[_i].query)};
    char text[8];
    bool found = sim_http_query(query, queries[_i].name, text, sizeof(text));

    ck_assert_int_eq(found, queries[_i].value != NULL);
    if (found)
        ck_assert_str_eq(text, queries[_i].value);
}
END_TEST

Suite *test_sim_http(void);
Suite *test_sim_http(void)
{
    Suite *s = suite_create("test_sim_http");
    TCase *tc = tcase_create("http");

    tcase_add_loop_test(tc, reads_a_request_that_comes_at_once, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, reads_a_request_that_comes_byte_by_byte_in_moving_memory, 0,
                        (int)ARRAY_LEN(good));
    tcase_add_test(tc, leaves_the_next_request_alone);
    tcase_add_loop_test(tc, refuses_what_is_not_http_and_says_which_status, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, takes_a_head_at_the_limit_and_not_one_byte_more);
    tcase_add_test(tc, waits_for_a_body_at_the_limit);
    tcase_add_test(tc, finds_headers_in_any_case_and_trims_them);
    tcase_add_loop_test(tc, reads_a_value_of_a_query, 0, (int)ARRAY_LEN(queries));
    suite_add_tcase(s, tc);
    return s;
}
