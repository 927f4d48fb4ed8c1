/* test_why.c - from what is known of a job to the reason why it waits. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/core/buf.h"
#include "common/why/why.h"

#define NOW 1790000000000

/* A chat job that is ready, in an empty queue, with workers that have room. */
static struct why_facts ready(void)
{
    return (struct why_facts){.rec = {.state = JOB_STATE_READY,
                                      .queue = QUEUE_INFERENCE_STANDARD,
                                      .run = 1,
                                      .submitted_ms = NOW - 5000,
                                      .due_ms = NOW - 5000},
                              .now_ms = NOW,
                              .listed = true,
                              .length = 1,
                              .scheduler = true,
                              .workers = 2,
                              .slots = 512,
                              .cost_at_most_nanousd = -1};
}

static struct why_facts put_off(const char *step)
{
    struct why_facts f = ready();

    f.listed = false;
    f.length = 0;
    f.rec.due_ms = NOW + 7000;
    f.rec.parks = 1;
    snprintf(f.rec.step, sizeof f.rec.step, "%s", step);
    return f;
}

static struct why_facts parked(void)
{
    struct why_facts f = put_off("send");

    f.rec.parked_ms = NOW - 1000;
    return f;
}

static struct why ask(struct why_facts f)
{
    struct why w;

    why_decide(&f, &w);
    return w;
}

#define CHECK_WHY(w, reason_, words)                                                        \
    do {                                                                                    \
        ck_assert_str_eq(why_code((w).reason), why_code(reason_));                          \
        ck_assert_msg(strstr((w).text, words) != NULL, "'%s' lacks '%s'", (w).text, words); \
    } while (0)

START_TEST(a_job_that_nothing_keeps_is_the_next)
{
    struct why w = ask(ready());

    CHECK_WHY(w, WHY_READY, "next in its queue");
    ck_assert_int_eq(w.starts_ms, NOW);
    ck_assert_int_eq(w.until_ms, 0);
}
END_TEST

START_TEST(a_job_behind_others_starts_by_the_pace_of_what_ends)
{
    struct why_facts f = ready();
    struct why w;

    f.length = 1000;
    f.ahead = 599;
    f.running = f.slots;
    f.finished = 300; /* 10 a second */
    f.finished_ms = 30000;
    w = ask(f);
    CHECK_WHY(w, WHY_QUEUED, "599 of 1000; all 512 slots are taken");
    ck_assert_int_eq(w.starts_ms, NOW + 60000);
    f.finished = 0;
    ck_assert_int_eq(ask(f).starts_ms, 0);
    f.running = 0; /* as many slots are free */
    f.slots = 600;
    ck_assert_int_eq(ask(f).starts_ms, NOW);
    f.listed = false; /* far behind */
    CHECK_WHY(ask(f), WHY_QUEUED, "1000 wait there");
    ck_assert_int_eq(ask(f).starts_ms, 0);
}
END_TEST

START_TEST(what_keeps_a_whole_queue_is_told_before_its_length)
{
    struct why_facts f = ready();

    f.ahead = 3;
    f.workers = 0;
    CHECK_WHY(ask(f), WHY_NO_WORKERS, "no worker");
    f.others = 3; /* of another group */
    CHECK_WHY(ask(f), WHY_NO_WORKERS,
              "no worker process is running that takes from its queue, "
              "inference.standard");
    f.paused = true;
    CHECK_WHY(ask(f), WHY_PAUSED, "flotilla resume inference.standard");
    ck_assert_int_eq(ask(f).starts_ms, 0);
}
END_TEST

static const struct {
    const char *step;
    enum why_reason reason;
} steps[] = {{"pace", WHY_RATE}, {"budget", WHY_BUDGET}, {"cache", WHY_EQUAL}, {"", WHY_DELAYED}};

START_TEST(a_job_that_was_put_off_tells_where)
{
    struct why w = ask(put_off(steps[_i].step));

    CHECK_WHY(w, steps[_i].reason, "");
    ck_assert_int_eq(w.until_ms, NOW + 7000);
    ck_assert_int_eq(w.starts_ms, NOW + 7000);
}
END_TEST

START_TEST(what_a_job_waits_for_now_is_told_although_it_was_parked_before)
{
    struct why_facts f = put_off("budget");

    f.rec.parked_ms = NOW - 60000;
    CHECK_WHY(ask(f), WHY_BUDGET, "");
}
END_TEST

/* The step of a record is the one that put it aside last. */
START_TEST(where_a_job_was_put_off_before_is_no_reason_any_more)
{
    struct why_facts f = put_off("send");

    f.rec.attempts = 1; /* its turn came, and the call failed */
    CHECK_WHY(ask(f), WHY_RETRY, "(1 failed)");
    f.rec.attempts = 0;
    f.rec.parked_ms = NOW;
    CHECK_WHY(ask(f), WHY_PARKED, "");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        f = put_off(steps[i].step);
        f.rec.due_ms = NOW - 1; /* its time has come */
        f.listed = true;
        f.length = 1;
        CHECK_WHY(ask(f), WHY_READY, "");
        f.rec.state = JOB_STATE_ACTIVE;
        CHECK_WHY(ask(f), WHY_RUNNING, "");
        f = put_off(steps[i].step);
        f.rec.parks = 0; /* of a type with a step of that name */
        CHECK_WHY(ask(f), WHY_DELAYED, "");
    }
}
END_TEST

START_TEST(a_turn_at_the_rate_is_told_as_it_stands_now)
{
    struct why_facts f = put_off("pace");
    struct why w;

    f.turn_ms = NOW + 3000; /* the rate has grown since it was put off */
    snprintf(f.rate, sizeof f.rate, "%s", "30 calls before it, 10.0 a second for all");
    w = ask(f);
    CHECK_WHY(w, WHY_RATE, "limit: 30 calls before it, 10.0 a second");
    ck_assert_int_eq(w.until_ms, NOW + 3000);
    ck_assert_int_eq(w.starts_ms, NOW + 3000);
}
END_TEST

START_TEST(a_parked_job_tells_what_is_wrong_at_the_provider)
{
    struct why_facts f = parked();

    CHECK_WHY(ask(f), WHY_PARKED, "no attempt is spent");
    snprintf(f.route, sizeof f.route, "%s", "7 of 10 calls failed");
    CHECK_WHY(ask(f), WHY_ROUTE, "7 of 10 calls failed");
    snprintf(f.stop, sizeof f.stop, "%s", "bad_key");
    CHECK_WHY(ask(f), WHY_STOPPED, "rejects the API key (401); `flotilla doctor`");
    snprintf(f.stop, sizeof f.stop, "%s", "no_credit");
    CHECK_WHY(ask(f), WHY_STOPPED,
              "is stopped: the spend cap or balance of the account is used up");
    snprintf(f.stop, sizeof f.stop, "%s", "newer"); /* of a later version */
    CHECK_WHY(ask(f), WHY_STOPPED, "is stopped: newer;");
    f.stop[0] = '\0';
    snprintf(f.no_key, sizeof f.no_key, "%s", "local");
    CHECK_WHY(ask(f), WHY_NO_KEY, "no API key is configured for its provider, 'local'");
}
END_TEST

START_TEST(a_full_budget_has_room_when_its_next_period_begins)
{
    struct why_facts f = put_off("budget");
    struct why w;

    snprintf(f.budget, sizeof f.budget, "%s", "d d20261122, of whose 1.00 USD 0.99 are spent");
    CHECK_WHY(ask(f), WHY_BUDGET, "0.99 are spent");
    ck_assert_int_eq(ask(f).starts_ms, NOW + 7000); /* calls under way may settle for less */
    f.full_ms = NOW + 86400000;
    w = ask(f);
    CHECK_WHY(w, WHY_BUDGET, "0.99 are spent; its next period begins then");
    ck_assert_int_eq(w.until_ms, NOW + 86400000);
    ck_assert_int_eq(w.starts_ms, NOW + 86400000);
    f.full_ms = NOW + 6000; /* it comes a moment after that */
    ck_assert_int_eq(ask(f).starts_ms, NOW + 7000);
}
END_TEST

START_TEST(what_is_due_and_nobody_puts_into_its_queue_waits_for_a_scheduler)
{
    struct why_facts f = ready();

    f.listed = false;
    f.length = 0;
    f.due = true;
    CHECK_WHY(ask(f), WHY_TAKEN, "about to start");
    f.scheduler = false;
    CHECK_WHY(ask(f), WHY_NO_SCHEDULER, "no scheduler is running");
    ck_assert_int_eq(ask(f).starts_ms, 0);
    f.rec.due_ms = NOW + 1;
    CHECK_WHY(ask(f), WHY_DELAYED, "its start time is in the future");
}
END_TEST

START_TEST(a_retry_and_a_delay_are_told_apart)
{
    struct why_facts f = ready();

    f.rec.due_ms = NOW + 1;
    CHECK_WHY(ask(f), WHY_DELAYED, "its start time is in the future");
    f.rec.attempts = 2;
    CHECK_WHY(ask(f), WHY_RETRY, "(2 failed)");
}
END_TEST

START_TEST(a_job_that_does_not_wait_says_so)
{
    struct why_facts f = ready();

    f.rec.state = JOB_STATE_FAILED;
    CHECK_WHY(ask(f), WHY_ENDED, "it has ended: failed");
    snprintf(f.error, sizeof f.error, "%s", "together answered 404: no such model");
    CHECK_WHY(ask(f), WHY_ENDED, "it has ended: failed (together answered 404: no such model)");
    ck_assert_int_eq(ask(f).starts_ms, 0);
    f.rec.state = JOB_STATE_ACTIVE;
    f.rec.started_ms = NOW - 10;
    CHECK_WHY(ask(f), WHY_RUNNING, "running");
    ck_assert_int_eq(ask(f).starts_ms, NOW - 10);
    f = ready();
    f.listed = false;
    f.length = 0;
    CHECK_WHY(ask(f), WHY_TAKEN, "about to start");
}
END_TEST

START_TEST(the_document_has_null_for_what_is_not_known)
{
    struct why_facts f = ready();
    struct why w = ask(f);
    struct buf out = BUF(4096);

    why_write("a", &f, &w, &out);
    ck_assert_str_eq(
        out.p, "{\"id\":\"a\",\"state\":\"ready\",\"reason\":\"ready\",\"text\":\"it is "
               "next in its queue and starts when a slot is free\",\"until\":null,\"starts_at\":"
               "1790000000000,\"ahead\":0,\"failures\":0,\"last_failure\":null,"
               "\"unknown\":[],\"cost_at_most_nanousd\":null}");
    buf_done(&out);
}
END_TEST

START_TEST(a_job_that_is_refused_again_and_again_says_so)
{
    struct why_facts f = parked();
    struct buf out = BUF(4096);
    struct why w;

    f.failures = 7;
    snprintf(f.failure, sizeof f.failure, "HTTP 503: all GPUs are busy");
    CHECK_WHY(ask(f), WHY_PARKED,
              "; failed 7 times so far, the last time: HTTP 503: all GPUs are busy");
    f.rec.state = JOB_STATE_COMPLETED;
    ck_assert_ptr_null(strstr(ask(f).text, "GPUs"));
    f = ready();
    f.failures = 1;
    snprintf(f.failure, sizeof f.failure, "HTTP 503: \"busy\"");
    w = ask(f);
    CHECK_WHY(w, WHY_READY, "; failed 1 time so far, the last time: HTTP 503");
    why_write("a", &f, &w, &out);
    ck_assert_ptr_nonnull(
        strstr(out.p, "\"failures\":1,\"last_failure\":\"HTTP 503: \\\"busy\\\"\""));
    buf_done(&out);
}
END_TEST

START_TEST(from_what_is_refused_nothing_is_concluded)
{
    struct why_facts f = ready();
    struct buf out = BUF(4096);
    struct why w;

    f.workers = f.slots = 0;
    f.no_workers = true;
    snprintf(f.unknown, sizeof f.unknown, "workers, pace");
    w = ask(f);
    CHECK_WHY(w, WHY_READY, "; not known, as Redis refused: workers, pace");
    why_write("a", &f, &w, &out);
    ck_assert_ptr_nonnull(strstr(out.p, "\"unknown\":[\"workers\",\"pace\"]"));
    buf_done(&out);
    f.no_place = true;
    CHECK_WHY(ask(f), WHY_UNKNOWN, "it waits");
}
END_TEST

Suite *test_why(void)
{
    Suite *s = suite_create("why");
    TCase *tc = tcase_create("why");

    tcase_add_test(tc, a_job_that_nothing_keeps_is_the_next);
    tcase_add_test(tc, a_job_that_is_refused_again_and_again_says_so);
    tcase_add_test(tc, from_what_is_refused_nothing_is_concluded);
    tcase_add_test(tc, a_job_behind_others_starts_by_the_pace_of_what_ends);
    tcase_add_test(tc, what_keeps_a_whole_queue_is_told_before_its_length);
    tcase_add_loop_test(tc, a_job_that_was_put_off_tells_where, 0, (int)ARRAY_LEN(steps));
    tcase_add_test(tc, what_a_job_waits_for_now_is_told_although_it_was_parked_before);
    tcase_add_test(tc, where_a_job_was_put_off_before_is_no_reason_any_more);
    tcase_add_test(tc, a_turn_at_the_rate_is_told_as_it_stands_now);
    tcase_add_test(tc, a_parked_job_tells_what_is_wrong_at_the_provider);
    tcase_add_test(tc, a_full_budget_has_room_when_its_next_period_begins);
    tcase_add_test(tc, what_is_due_and_nobody_puts_into_its_queue_waits_for_a_scheduler);
    tcase_add_test(tc, a_retry_and_a_delay_are_told_apart);
    tcase_add_test(tc, a_job_that_does_not_wait_says_so);
    tcase_add_test(tc, the_document_has_null_for_what_is_not_known);
    suite_add_tcase(s, tc);
    return s;
}
