/* test_retry.c - what becomes of a job whose call failed: the decision alone. */
#include <check.h>

#include "worker/retry.h"

static const struct retry_rules rules = {.park_min_ms = 1000,
                                         .park_max_ms = 60000,
                                         .max_wait_ms = 3600000,
                                         .server_wait_max_ms = 120000};
enum { NOW = 100000000 };

static int64_t lowest(int64_t bound)
{
    (void)bound;
    return 0;
}

static int64_t highest(int64_t bound) { return bound - 1; }

static const struct job job = {.max_attempts = 5,
                               .backoff = BACKOFF_EXPONENTIAL,
                               .backoff_delay_ms = 1000,
                               .backoff_max_ms = 5000,
                               .backoff_jitter = true};

static struct retry_out decide(enum err_kind kind, const struct job *j, const struct record *rec,
                               int64_t server_wait_ms, int64_t (*below)(int64_t))
{
    const struct retry_in in = {kind, j, rec, NOW, server_wait_ms, below};

    return retry_decide(&rules, &in);
}

static const struct {
    enum err_kind kind;
    enum retry_action action;
    bool spent;
} classes[] = {
    {ERR_BAD_REQUEST, RETRY_END, true},    {ERR_SERVER_ERROR, RETRY_LATER, true},
    {ERR_RATE_LIMITED, RETRY_PARK, false}, {ERR_CONNECT, RETRY_PARK, false},
    {ERR_BAD_KEY, RETRY_PARK, false},      {ERR_CANCELLED, RETRY_END, true},
};

START_TEST(the_class_of_an_error_decides)
{
    struct retry_out out = decide(classes[_i].kind, &job, &(struct record){0}, -1, lowest);

    ck_assert_int_eq(out.action, classes[_i].action);
    ck_assert_int_eq(out.attempt_spent, classes[_i].spent);
    ck_assert_int_eq(out.kind, classes[_i].kind);
}
END_TEST

START_TEST(backoff_doubles_up_to_its_bound_and_the_last_attempt_ends)
{
    static const int64_t most[] = {1000, 2000, 4000, 5000};
    struct job plain = job;

    plain.backoff_jitter = false;
    for (int n = 0; n < 4; n++) {
        const struct record rec = {.attempts = n};

        ck_assert_int_eq(decide(ERR_TIMEOUT, &job, &rec, -1, lowest).delay_ms, 0);
        ck_assert_int_eq(decide(ERR_TIMEOUT, &job, &rec, -1, highest).delay_ms, most[n]);
        ck_assert_int_eq(decide(ERR_TIMEOUT, &plain, &rec, -1, lowest).delay_ms, most[n]);
    }
    ck_assert_int_eq(decide(ERR_TIMEOUT, &job, &(struct record){.attempts = 4}, -1, lowest).action,
                     RETRY_END);
}
END_TEST

START_TEST(fixed_backoff_stays_what_it_is)
{
    struct job fixed = job;

    fixed.backoff = BACKOFF_FIXED;
    fixed.backoff_jitter = false;
    for (int n = 0; n < 4; n++)
        ck_assert_int_eq(
            decide(ERR_TIMEOUT, &fixed, &(struct record){.attempts = n}, -1, lowest).delay_ms,
            1000);
}
END_TEST

/* {waited so far, least and most pause}; parks of earlier stretches do not count */
static const int64_t pauses[][3] = {
    {0, 500, 1000}, {900, 500, 1000}, {8000, 4000, 8000}, {500000, 30000, 60000}};

START_TEST(pauses_grow_with_what_was_waited)
{
    const struct record rec = {.parks = 40, .parked_ms = pauses[_i][0] ? NOW - pauses[_i][0] : 0};

    ck_assert_int_eq(decide(ERR_OVERLOADED, &job, &rec, -1, lowest).delay_ms, pauses[_i][1]);
    ck_assert_int_eq(decide(ERR_OVERLOADED, &job, &rec, -1, highest).delay_ms, pauses[_i][2]);
}
END_TEST

START_TEST(what_the_server_asks_is_the_least_up_to_a_bound)
{
    const struct record rec = {0};

    ck_assert_int_eq(decide(ERR_RATE_LIMITED, &job, &rec, 7000, highest).delay_ms, 7000);
    ck_assert_int_eq(decide(ERR_RATE_LIMITED, &job, &rec, 100, highest).delay_ms, 1000);
    ck_assert_int_eq(decide(ERR_RATE_LIMITED, &job, &rec, 9000000, lowest).delay_ms, 120000);
    ck_assert_int_eq(decide(ERR_SERVER_ERROR, &job, &rec, 7000, lowest).delay_ms, 7000);
}
END_TEST

START_TEST(waiting_ends_and_spends_no_attempt)
{
    const struct record long_ago = {.parked_ms = NOW - 3600000};
    const struct record expires = {.parked_ms = NOW - 5000, .expires_ms = NOW + 100};
    struct retry_out out = decide(ERR_CONNECT, &job, &long_ago, -1, lowest);

    ck_assert_int_eq(out.action, RETRY_END);
    ck_assert_int_eq(out.kind, ERR_WAITED_TOO_LONG);
    ck_assert(!out.attempt_spent);
    out = decide(ERR_CONNECT, &job, &expires, -1, lowest);
    ck_assert_int_eq(out.action, RETRY_END);
    ck_assert_int_eq(out.kind, ERR_EXPIRED);
    ck_assert(!out.attempt_spent);
}
END_TEST

Suite *test_retry(void)
{
    Suite *s = suite_create("retry");
    TCase *tc = tcase_create("retry");

    tcase_add_loop_test(tc, the_class_of_an_error_decides, 0, ARRAY_LEN(classes));
    tcase_add_test(tc, backoff_doubles_up_to_its_bound_and_the_last_attempt_ends);
    tcase_add_test(tc, fixed_backoff_stays_what_it_is);
    tcase_add_loop_test(tc, pauses_grow_with_what_was_waited, 0, ARRAY_LEN(pauses));
    tcase_add_test(tc, what_the_server_asks_is_the_least_up_to_a_bound);
    tcase_add_test(tc, waiting_ends_and_spends_no_attempt);
    suite_add_tcase(s, tc);
    return s;
}
