/* test_limit_headers.c - limits that answers tell, old and new spellings. */
#include <check.h>
#include <string.h>

#include "worker/limit/limit_headers.h"

static const struct {
    const char *headers;
    bool tells;
    double calls, calls_left, tokens, tokens_left, reset_s;
} rows[] = {
    {"HTTP/1.1 200 OK\r\nServer: cloudflare\r\nx-request-id: 1\r\n\r\n", false, -1, -1, -1, -1, -1},
    {"HTTP/1.1 200 OK\r\nx-ratelimit-limit: 60\r\nx-ratelimit-remaining: 59\r\n\r\n", true, 60, 59,
     -1, -1, -1},
    {"X-RateLimit-Limit: 10\nX-TokenLimit-Limit:3000\nX-TokenLimit-Remaining:0\nx-ratelimit-reset: "
     "0.5\n",
     true, 10, -1, 3000, 0, 0.5},
    {"x-ratelimit-limit-dynamic: 20\nx-ratelimit-limit: 60\n", true, 20, -1, -1, -1, -1},
    {"x-ratelimit-limit: 60\nx-ratelimit-limit-dynamic: 20\nx-tokenlimit-limit-dynamic: 7\n", true,
     20, -1, 7, -1, -1},
    {"x-ratelimit-limit: many\nx-tokenlimit-limit: -5\nx-ratelimit-reset: 1e999\n", false, -1, -1,
     -1, -1, -1},
    {"x-ratelimit-limit", false, -1, -1, -1, -1, -1},
    {"", false, -1, -1, -1, -1, -1},
};

START_TEST(reads_what_is_told)
{
    struct limit_headers h;

    ck_assert(limit_headers_read((struct span){rows[_i].headers, strlen(rows[_i].headers)}, &h) ==
              rows[_i].tells);
    ck_assert_double_eq(h.limit[BUCKET_CALLS], rows[_i].calls);
    ck_assert_double_eq(h.remaining[BUCKET_CALLS], rows[_i].calls_left);
    ck_assert_double_eq(h.limit[BUCKET_TOKENS], rows[_i].tokens);
    ck_assert_double_eq(h.remaining[BUCKET_TOKENS], rows[_i].tokens_left);
    ck_assert_double_eq(h.reset_s, rows[_i].reset_s);
}
END_TEST

Suite *test_limit_headers(void);
Suite *test_limit_headers(void)
{
    Suite *s = suite_create("test_limit_headers");
    TCase *tc = tcase_create("headers");

    tcase_add_loop_test(tc, reads_what_is_told, 0, ARRAY_LEN(rows));
    suite_add_tcase(s, tc);
    return s;
}
