/* test_http_client.c - outcomes, limits, cancelling; each against a server in a child process. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/io/http_client.h"
#include "common/io/loop.h"
#include "tests/unit/http_scene.h"

static const struct span id_7 = {"id=7", 4};

/* ---- outcomes ---- */

#define ZZZ                                              \
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz" \
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"

static const struct {
    const char *method, *path;
    enum http_outcome outcome;
    int status;
    const char *body, *detail;
} cases[] = {
    {"POST", "/ok", HTTP_ANSWERED, 200, "ok", ""},
    {"GET", "/ok", HTTP_ANSWERED, 200, "ok", ""},
    {"DELETE", "/ok", HTTP_ANSWERED, 200, "ok", ""},
    {"PUT", "/created", HTTP_ANSWERED, 201, "", ""},
    {"HEAD", "/head", HTTP_ANSWERED, 200, "", ""},
    {"POST", "/to-the-end", HTTP_ANSWERED, 200, "all", ""},
    {"POST", "/chunked", HTTP_ANSWERED, 200, "onetwo", ""},
    {"POST", "/continue", HTTP_ANSWERED, 200, "ok", ""},
    {"POST", "/gzip", HTTP_ANSWERED, 200, ZZZ, ""},
    {"POST", "/deflate", HTTP_ANSWERED, 200, ZZZ, ""},
    {"POST", "/429", HTTP_ANSWERED, 429, "busy", ""},
    {"POST", "/redirect", HTTP_ANSWERED, 302, "", ""},
    {"POST", "/close", HTTP_SENT_UNKNOWN, 0, "", "Empty reply"},
    {"POST", "/reset", HTTP_SENT_UNKNOWN, 0, "", "reset"},
    {"GET", "/close", HTTP_SENT_UNKNOWN, 0, "", "Empty reply"},
    {"POST", "/half-status", HTTP_SENT_UNKNOWN, 0, "", "Empty reply"},
    {"POST", "/half-head", HTTP_CUT, 200, "", "ended inside its headers"},
    {"POST", "/only-100", HTTP_CUT, 100, "", "Empty reply"},
    {"POST", "/half-body", HTTP_CUT, 200, "half", "bytes"},
    {"POST", "/half-chunk", HTTP_CUT, 200, "half", ""},
    {"POST", "/garbage", HTTP_CUT, 0, "", "HTTP/0.9"},
    {"POST", "/long-head", HTTP_TOO_LARGE, 200, "", "headers over 65536"},
};

static void server_saw(int heads, int bodies_7)
{
    ck_assert_int_eq(http.server.seen->heads, heads);
    ck_assert_int_eq(http.server.seen->by_id[7], bodies_7);
    ck_assert_uint_eq(http_in_flight(http.client), 0);
}

START_TEST(an_outcome_says_how_far_the_request_came)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url(cases[_i].path));
    bool has_body = strcmp(cases[_i].method, "POST") == 0;

    r.method = cases[_i].method;
    r.body = has_body ? id_7 : (struct span){NULL, 0};
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_msg(s.reply.outcome == cases[_i].outcome, "%s: outcome %d, %s", cases[_i].path,
                  (int)s.reply.outcome, s.detail);
    ck_assert_int_eq(s.reply.status, cases[_i].status);
    ck_assert_str_eq(s.body, cases[_i].body);
    ck_assert_msg(strstr(s.detail, cases[_i].detail), "said: %s", s.detail);
    ck_assert(s.reply.sent && !s.reply.reused);
    server_saw(1, has_body);
}
END_TEST

static int closed_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    ck_assert(bind(fd, (struct sockaddr *)&sa, n) == 0);
    ck_assert(getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
    close(fd);
    return ntohs(sa.sin_port);
}

START_TEST(no_connection_means_not_sent)
{
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "127.0.0.1", closed_port(), "/ok"));

    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_NOT_SENT);
    ck_assert(!s.reply.sent);
    ck_assert_ptr_nonnull(strstr(s.detail, "connect"));
}
END_TEST

/* A listener whose queue is full: the next connection neither opens nor fails. */
START_TEST(a_connect_time_out_means_not_sent)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM, 0), fds[3];
    struct shot s;
    struct http_request r;

    ck_assert(bind(listener, (struct sockaddr *)&sa, n) == 0 && listen(listener, 0) == 0);
    ck_assert(getsockname(listener, (struct sockaddr *)&sa, &n) == 0);
    for (int i = 0; i < 3; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)!connect(fds[i], (struct sockaddr *)&sa, n);
    }
    r = shot_request(&s, shot_url("http", "127.0.0.1", ntohs(sa.sin_port), "/ok"));
    r.connect_timeout_ms = 100;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_NOT_SENT);
    ck_assert(!s.reply.sent && s.reply.total_ms >= 90 && s.reply.total_ms < 20000);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    close(listener);
}
END_TEST

/* ---- time ---- */

START_TEST(the_total_time_out_ends_a_call_that_was_sent)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url(_i ? "/stalls" : "/silent"));

    r.timeout_ms = 150;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_TIMED_OUT);
    ck_assert(s.reply.sent && s.reply.total_ms >= 140 && s.reply.total_ms < 20000);
    ck_assert_str_eq(s.body, _i ? "half" : "");
}
END_TEST

START_TEST(the_idle_time_out_counts_from_the_last_byte)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/stalls"));

    r.idle_timeout_ms = 200;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_TIMED_OUT);
    ck_assert_str_eq(s.detail, "no byte for 200 ms");
    r.url = http_scene_url("/drip"); /* a second in all */
    r.idle_timeout_ms = 600;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
    ck_assert_str_eq(s.body, "dddddddddd");
}
END_TEST

/* "/stalls" sends its head and half of the body at once, "/silent" not a byte. */
START_TEST(the_first_byte_has_a_time_out_of_its_own)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url(_i ? "/silent" : "/drip"));

    r.idle_timeout_ms = _i ? 20 : 600;
    r.first_byte_ms = 200;
    shot_fire(http.loop, http.client, &s, &r);
    if (_i) {
        ck_assert_int_eq(s.reply.outcome, HTTP_TIMED_OUT);
        ck_assert_str_eq(s.detail, "no byte of the answer for 200 ms");
        ck_assert(s.reply.total_ms >= 190 && s.reply.total_ms < 20000);
    } else { /* a second in all: from its first byte on only the silence counts */
        ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
        ck_assert_str_eq(s.body, "dddddddddd");
    }
}
END_TEST

/* ---- limits ---- */

START_TEST(the_limit_of_an_answer_counts_decoded_bytes)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/bomb"));

    r.max_answer_bytes = 100000;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_TOO_LARGE);
}
END_TEST

START_TEST(an_answer_may_be_as_large_as_its_limit_and_no_larger)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/big"));

    r.max_answer_bytes = 100000;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
    ck_assert_uint_eq(s.body_n, 100000);
    r.max_answer_bytes = 99999;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_TOO_LARGE);
    ck_assert_str_eq(s.detail, "answer over 99999 bytes");
}
END_TEST

START_TEST(a_large_body_is_sent_once_and_whole)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/ok"));
    size_t n = 3 << 20;
    char *body = malloc(n);

    memset(body, 'b', n);
    snprintf(body, n, "id=9 and more");
    r.body = (struct span){body, n};
    r.take_body = true;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
    ck_assert_int_eq(http.server.seen->by_id[9], 1);
}
END_TEST

/* ---- what goes over the wire ---- */

START_TEST(the_request_has_what_was_asked_and_nothing_more)
{
    static const char *const headers[] = {"Content-Type: application/json",
                                          "Authorization: Bearer k", NULL};
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/echo-head"));
    char want[512];

    r.headers = headers;
    r.body = id_7;
    shot_fire(http.loop, http.client, &s, &r);
    snprintf(want, sizeof want,
             "POST /echo-head HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept: */*\r\n"
             "User-Agent: flotilla/%s\r\nAccept-Encoding: identity, *;q=0\r\nContent-Type: "
             "application/json\r\nAuthorization: Bearer k\r\n"
             "Content-Length: 4\r\n\r\n",
             http.server.port, FLOTILLA_VERSION);
    ck_assert_str_eq(s.body, want);
}
END_TEST

static void fire_same_url(struct shot *s, const char *path, bool same_url)
{
    struct http_request r = shot_request(s, http_scene_url(path));

    r.method = "GET";
    r.same_url = same_url;
    shot_fire(http.loop, http.client, s, &r);
}

START_TEST(a_url_that_is_kept_parsed_is_called_as_any_other)
{
    static const char *const paths[] = {"/echo-head?a=1&b=%20", "/echo-head", "/echo-head?c"};
    char want[64];
    struct shot s;

    for (int i = 0; i < 12; i++) {
        const char *path = paths[i % 3];

        fire_same_url(&s, path, i % 4 != 3);
        ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
        snprintf(want, sizeof want, "GET %s HTTP/1.1\r\n", path);
        ck_assert_msg(!strncmp(s.body, want, strlen(want)), "%s", s.body);
    }
}
END_TEST

enum { KEPT_URLS = 32 };

START_TEST(more_urls_than_are_kept_are_called_as_well)
{
    char path[64], want[80];
    struct shot s;

    for (int i = 0; i < 2 * KEPT_URLS; i++) {
        snprintf(path, sizeof path, "/echo-head?%d", i);
        fire_same_url(&s, path, true);
        snprintf(want, sizeof want, "GET %s HTTP/1.1\r\n", path);
        ck_assert_msg(!strncmp(s.body, want, strlen(want)), "%s", s.body);
    }
}
END_TEST

START_TEST(a_url_that_cannot_be_parsed_is_refused_whether_it_is_kept_or_not)
{
    for (int i = 0; i < 4; i++) {
        struct shot s;
        struct http_request r = shot_request(&s, "http://[::1:80/");

        r.same_url = i % 2;
        shot_fire(http.loop, http.client, &s, &r);
        ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
        ck_assert_str_ne(s.detail, "");
    }
}
END_TEST

START_TEST(a_used_handle_keeps_nothing_of_the_request_before)
{
    static const char *const headers[] = {"X-Before: 1", NULL};
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/429"));

    r.headers = headers;
    r.body = id_7;
    shot_fire(http.loop, http.client, &s, &r);
    r = shot_request(&s, http_scene_url("/echo-head"));
    r.method = "GET";
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert(s.reply.reused);
    ck_assert_int_eq(strncmp(s.body, "GET /echo-head ", 15), 0);
    ck_assert_ptr_null(strstr(s.body, "X-Before"));
    ck_assert_ptr_null(strstr(s.body, "Content-"));
    r.url = "ftp://127.0.0.1/";
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_int_eq(s.reply.status, 0);
    ck_assert_uint_eq(s.reply.headers.n, 0);
    ck_assert(!s.reply.sent && !s.reply.reused);
}
END_TEST

START_TEST(a_header_with_a_line_break_is_refused)
{
    static const char *const headers[] = {"X-A: 1\r\nX-Evil: 1", NULL};
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/ok"));

    r.headers = headers;
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_str_eq(s.detail, "a header has a line break in it");
    ck_assert_int_eq(http.server.seen->connections, 0);
}
END_TEST

START_TEST(the_headers_of_the_last_response_can_be_read)
{
    struct shot s;
    struct http_request r = shot_request(&s, http_scene_url("/429"));
    struct span v;

    shot_fire(http.loop, http.client, &s, &r);
    v = http_header(&s.reply, "X-RateLimit-Reset");
    ck_assert(v.n == 3 && memcmp(v.p, "1.5", 3) == 0);
    ck_assert_int_eq(http_retry_after_ms(&s.reply, 0, 60000), 1500);
    r.url = http_scene_url("/continue");
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_ptr_null(http_header(&s.reply, "X-First").p);
    r.url = http_scene_url("/chunked");
    shot_fire(http.loop, http.client, &s, &r);
    ck_assert_ptr_null(http_header(&s.reply, "X-Late").p);
    ck_assert_ptr_nonnull(http_header(&s.reply, "X-A").p);
}
END_TEST

/* ---- cancelling and closing ---- */

START_TEST(cancelling_reports_once_and_later)
{
    struct shot s = {0};
    struct http_request r = shot_request(&s, http_scene_url("/silent"));
    struct http_call *call = http_send(http.client, &r);

    if (_i == 1) /* once it is out */
        while (http.server.seen->heads == 0)
            loop_turn(http.loop, 10);
    http_cancel(call);
    http_cancel(call);
    ck_assert_int_eq(s.reports, 0);
    shot_wait(http.loop, &s);
    ck_assert_int_eq(s.reply.outcome, HTTP_CANCELLED);
    ck_assert_int_eq(s.reply.sent, _i == 1);
    for (int i = 0; i < 5; i++)
        loop_turn(http.loop, 10);
    ck_assert_int_eq(s.reports, 1);
    ck_assert_int_eq(http.server.seen->heads, _i == 1);
}
END_TEST

START_TEST(freeing_the_client_cancels_what_is_in_flight)
{
    struct shot s[3] = {0};

    for (int i = 0; i < 3; i++) {
        struct http_request r = shot_request(&s[i], i == 2 ? "bad" : http_scene_url("/silent"));

        http_send(http.client, &r);
    }
    ck_assert_uint_eq(http_in_flight(http.client), 3);
    loop_turn(http.loop, 0);
    http_client_free(TAKE(http.client));
    for (int i = 0; i < 3; i++)
        ck_assert_int_eq(s[i].reports, 1);
    ck_assert_int_eq(s[0].reply.outcome, HTTP_CANCELLED);
    loop_turn(http.loop, 0);
}
END_TEST

Suite *test_http_client(void);
Suite *test_http_client(void)
{
    Suite *s = suite_create("test_http_client");
    TCase *tc = tcase_create("calls");

    tcase_add_checked_fixture(tc, http_scene_open, http_scene_close);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, an_outcome_says_how_far_the_request_came, 0, (int)ARRAY_LEN(cases));
    tcase_add_test(tc, no_connection_means_not_sent);
    tcase_add_test(tc, a_connect_time_out_means_not_sent);
    tcase_add_loop_test(tc, the_total_time_out_ends_a_call_that_was_sent, 0, 2);
    tcase_add_test(tc, the_idle_time_out_counts_from_the_last_byte);
    tcase_add_loop_test(tc, the_first_byte_has_a_time_out_of_its_own, 0, 2);
    tcase_add_test(tc, the_limit_of_an_answer_counts_decoded_bytes);
    tcase_add_test(tc, an_answer_may_be_as_large_as_its_limit_and_no_larger);
    tcase_add_test(tc, a_large_body_is_sent_once_and_whole);
    tcase_add_test(tc, the_request_has_what_was_asked_and_nothing_more);
    tcase_add_test(tc, a_used_handle_keeps_nothing_of_the_request_before);
    tcase_add_test(tc, a_url_that_is_kept_parsed_is_called_as_any_other);
    tcase_add_test(tc, more_urls_than_are_kept_are_called_as_well);
    tcase_add_test(tc, a_url_that_cannot_be_parsed_is_refused_whether_it_is_kept_or_not);
    tcase_add_test(tc, a_header_with_a_line_break_is_refused);
    tcase_add_test(tc, the_headers_of_the_last_response_can_be_read);
    tcase_add_loop_test(tc, cancelling_reports_once_and_later, 0, 2);
    tcase_add_test(tc, freeing_the_client_cancels_what_is_in_flight);
    suite_add_tcase(s, tc);
    return s;
}
