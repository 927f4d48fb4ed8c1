/* test_health_state.c - the judge of a route: tables of what happened when, and records as text. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/route/health_state.h"

static const struct health_rules rules = {.window_ms = 10000,
                                          .errors_percent = 50,
                                          .min_calls = 10,
                                          .failures = 5,
                                          .slow_factor = 4,
                                          .slow_min_ms = 250,
                                          .probe_min_ms = 1000,
                                          .probe_max_ms = 15000,
                                          .gone_ms = 3600000};

static int64_t most(int64_t bound) { return bound - 1; }
static int64_t least(int64_t bound)
{
    (void)bound;
    return 0;
}

/* ---- what happened when ---- */

enum what { GOOD, FAIL, LATE, JUDGE, ASK, PROBE_GOOD, PROBE_BAD, PROBE_UNCLEAR, GONE, BACK };
#define END       .n = -1
#define STEPS_MAX 24

/* n calls at at_ms: with a latency (GOOD, LATE) or a kind (FAIL); then the record is judged and
 * must be so.  ASK with n = 1: a probe is due and begins, n = 0: it is not. */
struct step {
    int64_t at_ms;
    enum what what;
    int n;
    int64_t arg;
    enum health_breaker breaker;
    enum health_reason reason;
};

#define KIND(k) HEALTH_KIND_##k
#define CLOSED  HEALTH_CLOSED, HEALTH_FINE
#define OPEN(r) HEALTH_OPEN, HEALTH_##r
#define HALF(r) HEALTH_HALF_OPEN, HEALTH_##r

/* clang-format off */
static const struct scene {
    const char *name;
    int64_t expected_ms;
    struct step steps[STEPS_MAX];
} scenes[] = {
    {"five failures in a row open it, four do not", 0, {
        {1000, GOOD, 1, 100, CLOSED},
        {1100, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {1200, FAIL, 1, KIND(GATEWAY), OPEN(ERRORS)}, {END}}},
    {"a good answer ends the row", 0, {
        {1100, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {1200, GOOD, 1, 100, CLOSED},
        {1300, FAIL, 4, KIND(SERVER_ERROR), CLOSED}, {END}}},
    {"a row over a turn of the generations is one row", 0, {
        {1000, FAIL, 3, KIND(TIMEOUT), CLOSED},
        {7000, JUDGE, 0, 0, CLOSED},
        {7100, FAIL, 2, KIND(TIMEOUT), OPEN(TIMEOUTS)}, {END}}},
    {"an overload counts half: nine in a row do not open it, ten do", 0, {
        {1000, FAIL, 9, KIND(OVERLOADED), CLOSED},
        {1100, FAIL, 1, KIND(OVERLOADED), OPEN(OVERLOADED)}, {END}}},
    {"half of ten calls open it", 0, {
        {1000, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {1100, GOOD, 5, 100, CLOSED},
        {1200, FAIL, 1, KIND(SERVER_ERROR), OPEN(ERRORS)}, {END}}},
    {"less than half do not", 0, {
        {1000, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {1100, GOOD, 6, 100, CLOSED},
        {1200, FAIL, 1, KIND(SERVER_ERROR), CLOSED}, {END}}},
    {"half of the calls as overloads are a quarter", 0, {
        {1000, FAIL, 6, KIND(OVERLOADED), CLOSED},
        {1100, GOOD, 4, 100, CLOSED},
        {1200, FAIL, 6, KIND(OVERLOADED), CLOSED}, {END}}},
    {"what is older than the window does not count", 0, {
        {1000, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {1000, GOOD, 1, 100, CLOSED},
        {6100, JUDGE, 0, 0, CLOSED},
        {30000, FAIL, 4, KIND(SERVER_ERROR), CLOSED},
        {30000, GOOD, 4, 100, CLOSED}, {END}}},
    {"busy routes are judged by their last second, not by a good past", 0, {
        {1000, GOOD, 500, 100, CLOSED},
        {2100, JUDGE, 0, 0, CLOSED},
        {2200, FAIL, 3, KIND(SERVER_ERROR), CLOSED},
        {2300, GOOD, 5, 100, CLOSED},
        {2400, FAIL, 3, KIND(SERVER_ERROR), OPEN(ERRORS)}, {END}}},
    {"p50 over four times the norm opens it", 0, {
        {1000, GOOD, 100, 200, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {3100, GOOD, 9, 2000, CLOSED},
        {3200, GOOD, 1, 2000, OPEN(SLOW)}, {END}}},
    {"calls that are late count before they are answered", 0, {
        {1000, GOOD, 100, 200, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {4000, LATE, 10, 1300, OPEN(SLOW)}, {END}}},
    {"twice the norm is not slow", 0, {
        {1000, GOOD, 100, 200, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {3100, GOOD, 50, 400, CLOSED}, {END}}},
    {"never slow below slow_min_ms", 0, {
        {1000, GOOD, 100, 4, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {3100, GOOD, 50, 200, CLOSED}, {END}}},
    {"without a norm the expected p50 counts", 300, {
        {1000, GOOD, 10, 2000, OPEN(SLOW)}, {END}}},
    {"with a norm it does not matter", 3000, {
        {1000, GOOD, 100, 200, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {3100, GOOD, 10, 2000, OPEN(SLOW)}, {END}}},
    {"without either nothing is slow", 0, {
        {1000, GOOD, 50, 60000, CLOSED}, {END}}},
    {"one probe, when it is due; good: closed", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {1999, ASK, 0, 0, OPEN(ERRORS)},
        {2000, ASK, 1, 0, HALF(ERRORS)},
        {2100, ASK, 0, 0, HALF(ERRORS)},
        {2500, PROBE_GOOD, 0, 0, CLOSED},
        {2600, FAIL, 4, KIND(SERVER_ERROR), CLOSED}, {END}}},
    {"pauses double up to the longest", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {2000, ASK, 1, 0, HALF(ERRORS)}, {2000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {3999, ASK, 0, 0, OPEN(ERRORS)},
        {4000, ASK, 1, 0, HALF(ERRORS)}, {4000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {8000, ASK, 1, 0, HALF(ERRORS)}, {8000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {16000, ASK, 1, 0, HALF(ERRORS)}, {16000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {30999, ASK, 0, 0, OPEN(ERRORS)},
        {31000, ASK, 1, 0, HALF(ERRORS)}, {31000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {46000, ASK, 1, 0, HALF(ERRORS)}, {END}}},
    {"one that opens again at once goes on where it was, later it begins anew", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {2000, ASK, 1, 0, HALF(ERRORS)}, {2000, PROBE_BAD, 0, 0, OPEN(ERRORS)},
        {4000, ASK, 1, 0, HALF(ERRORS)}, {4000, PROBE_GOOD, 0, 0, CLOSED},
        {5000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {6999, ASK, 0, 0, OPEN(ERRORS)},
        {7000, ASK, 1, 0, HALF(ERRORS)}, {7000, PROBE_GOOD, 0, 0, CLOSED},
        {199000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {200000, ASK, 1, 0, HALF(ERRORS)}, {END}}},
    {"a probe that is lost is replaced after its lease", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {2000, ASK, 1, 0, HALF(ERRORS)},
        {46999, ASK, 0, 0, HALF(ERRORS)},
        {47000, ASK, 1, 0, HALF(ERRORS)}, {END}}},
    {"an unclear probe does not make the pause longer", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {2000, ASK, 1, 0, HALF(ERRORS)}, {2000, PROBE_UNCLEAR, 0, 0, OPEN(ERRORS)},
        {3000, ASK, 1, 0, HALF(ERRORS)}, {END}}},
    {"a slow route that is used all the same closes when it is quick again", 0, {
        {1000, GOOD, 100, 200, CLOSED},
        {3000, JUDGE, 0, 0, CLOSED},
        {3200, GOOD, 10, 2000, OPEN(SLOW)},
        {3300, GOOD, 20, 2000, OPEN(SLOW)},
        {9000, GOOD, 10, 200, OPEN(SLOW)}, /* with those above: a turn */
        {9100, GOOD, 10, 200, CLOSED}, {END}}},
    {"one that is gone is asked for after gone_ms", 0, {
        {1000, GONE, 0, 0, OPEN(GONE)},
        {3600999, ASK, 0, 0, OPEN(GONE)},
        {3601000, ASK, 1, 0, HALF(GONE)},
        {3601100, PROBE_GOOD, 0, 0, CLOSED}, {END}}},
    {"an operator puts it back, and nothing of the past counts", 0, {
        {1000, FAIL, 5, KIND(SERVER_ERROR), OPEN(ERRORS)},
        {1100, BACK, 0, 0, CLOSED},
        {1200, FAIL, 4, KIND(SERVER_ERROR), CLOSED}, {END}}},
};
/* clang-format on */

static void happen(struct health_state *s, const struct health_rules *r, const struct step *e)
{
    for (int i = 0; i < e->n; i++) {
        if (e->what == GOOD)
            health_tally_good(&s->now, e->at_ms);
        if (e->what == GOOD || e->what == LATE)
            health_tally_latency(&s->now, e->arg);
        if (e->what == FAIL)
            health_tally_failed(&s->now, (enum health_kind)e->arg, e->at_ms);
    }
    switch (e->what) {
    case ASK:
        ck_assert_int_eq(health_probe_is_due(s, e->at_ms), e->n);
        if (e->n)
            health_probe_begin(s, "w", r, e->at_ms);
        break;
    case PROBE_GOOD: health_probe_end(s, HEALTH_PROBE_GOOD, r, e->at_ms, most); break;
    case PROBE_BAD: health_probe_end(s, HEALTH_PROBE_BAD, r, e->at_ms, most); break;
    case PROBE_UNCLEAR: health_probe_end(s, HEALTH_PROBE_UNCLEAR, r, e->at_ms, most); break;
    case GONE: health_take_out(s, r, e->at_ms); break;
    case BACK: health_put_back(s, e->at_ms); break;
    case GOOD:
    case FAIL:
    case LATE:
    case JUDGE: break;
    }
}

START_TEST(events_over_time_lead_to_the_states_that_follow)
{
    const struct scene *c = &scenes[_i];
    struct health_rules r = rules;
    struct health_state s = {.begun_ms = 1000, .since_ms = 1000};

    r.expected_ms = c->expected_ms;
    for (const struct step *e = c->steps; e->n >= 0; e++) {
        int64_t seq = s.seq;
        enum health_breaker was = s.breaker;

        happen(&s, &r, e);
        health_judge(&s, &r, e->at_ms, most);
        ck_assert_msg(s.breaker == e->breaker && s.reason == e->reason,
                      "%s: step %d: %s %s, expected %s %s", c->name, (int)(e - c->steps),
                      health_breaker_name(s.breaker), health_reason_name(s.reason),
                      health_breaker_name(e->breaker), health_reason_name(e->reason));
        ck_assert_msg(was == s.breaker || s.seq > seq, "%s: a shift without a number", c->name);
    }
}
END_TEST

START_TEST(pauses_are_jittered_between_half_and_whole)
{
    struct health_state s = {.begun_ms = 1000};

    for (int i = 0; i < 5; i++)
        health_tally_failed(&s.now, HEALTH_KIND_CONNECT, 1000);
    ck_assert_int_eq(health_judge(&s, &rules, 1000, least), HEALTH_SHIFTS);
    ck_assert_int_eq(s.next_ms, 1500);
}
END_TEST

START_TEST(a_route_that_stays_slow_is_taken_back_in_the_end)
{
    struct health_state s = {.begun_ms = 1000, .norm_ms = 200, .norm_calls = 100};
    int64_t now = 10000;
    int probes = 0;

    for (int i = 0; i < 10; i++)
        health_tally_latency(&s.now, 1500);
    health_judge(&s, &rules, now, most);
    ck_assert_int_eq(s.reason, HEALTH_SLOW);
    while (health_slow_ms(&s, &rules) < 1500 && probes++ < 1000) {
        now = s.next_ms;
        health_probe_begin(&s, "w", &rules, now);
        health_probe_end(&s, HEALTH_PROBE_BAD, &rules, now, most);
    }
    ck_assert_int_ge(probes, 10); /* not at once */
    ck_assert_int_le(now, 30 * INT64_C(60000));
}
END_TEST

START_TEST(the_norm_follows_slowly)
{
    struct health_state s = {.begun_ms = 0};
    int64_t now = 0;

    for (int g = 0; g < 120; g++) { /* two minutes of 20 calls a second */
        for (int i = 0; i < 20; i++) {
            health_tally_good(&s.now, now);
            health_tally_latency(&s.now, 300);
        }
        now += 1000;
        health_judge(&s, &rules, now, most);
    }
    ck_assert_int_ge(s.norm_ms, 240);
    ck_assert_int_le(s.norm_ms, 370);
    for (int g = 0; g < 5; g++) { /* five seconds of three times that */
        for (int i = 0; i < 20; i++)
            health_tally_latency(&s.now, 900);
        now += 1000;
        health_judge(&s, &rules, now, most);
    }
    ck_assert_int_le(s.norm_ms, 400);
    ck_assert_int_ge(s.p50_ms, 450);
    ck_assert_int_eq(s.breaker, HEALTH_CLOSED);
}
END_TEST

/* ---- what is said ---- */

START_TEST(says_why_with_figures)
{
    struct health_state s = {.begun_ms = 1000, .norm_ms = 480, .norm_calls = 100};
    struct buf b = BUF(512);

    for (int i = 0; i < 3; i++)
        health_tally_good(&s.now, 1000);
    for (int i = 0; i < 4; i++)
        health_tally_failed(&s.now, HEALTH_KIND_SERVER_ERROR, 1000);
    s.now.streak = 0;
    for (int i = 0; i < 3; i++)
        health_tally_failed(&s.now, HEALTH_KIND_TIMEOUT, 1000);
    s.now.streak = 2;
    health_say_why(&s, &rules, 6000, &b);
    ck_assert_str_eq(b.p, "7 of 10 calls failed in 5 s (server_error)");
    buf_clear(&b);
    s.begun_ms = 0; /* of a record that Redis did not have before, or of one without calls so far */
    health_say_why(&s, &rules, 1790000006000, &b);
    ck_assert_str_eq(b.p, "7 of 10 calls failed in 5 s (server_error)");
    buf_clear(&b);
    s.begun_ms = 1000;
    s.now = (struct health_tally){0};
    for (int i = 0; i < 6; i++)
        health_tally_failed(&s.now, HEALTH_KIND_TIMEOUT, 1000);
    health_say_why(&s, &rules, 6000, &b);
    ck_assert_str_eq(b.p, "the last 6 calls failed (timeout)");
    buf_clear(&b);
    s.now = (struct health_tally){0};
    for (int i = 0; i < 12; i++)
        health_tally_latency(&s.now, 5000);
    health_say_why(&s, &rules, 6000, &b);
    ck_assert_ptr_nonnull(strstr(b.p, "ms over 12 calls, its norm is 480 ms"));
    buf_done(&b);
}
END_TEST

START_TEST(only_failures_of_the_route_count)
{
    static const enum err_kind others[] = {
        ERR_BAD_REQUEST,      ERR_BAD_KEY,        ERR_NO_CREDIT,    ERR_FORBIDDEN,
        ERR_CONTEXT_LENGTH,   ERR_BODY_TOO_LARGE, ERR_RATE_LIMITED, ERR_PROVIDER_NOT_FOUND,
        ERR_MODEL_UNAVAILABLE};
    static const enum err_kind counted[] = {ERR_SERVER_ERROR, ERR_GATEWAY,        ERR_OVERLOADED,
                                            ERR_TIMEOUT,      ERR_CONNECT,        ERR_ANSWER_LOST,
                                            ERR_BAD_ANSWER,   ERR_REQUEST_TIMEOUT};

    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        ck_assert_int_eq(health_kind_of(others[i]), HEALTH_KIND_NONE);
    for (size_t i = 0; i < ARRAY_LEN(counted); i++)
        ck_assert_int_ne(health_kind_of(counted[i]), HEALTH_KIND_NONE);
}
END_TEST

/* ---- latencies ---- */

static const int64_t latencies[] = {1, 2, 3, 7, 50, 99, 420, 1000, 1001, 59000, 60000};

START_TEST(percentiles_are_about_right)
{
    int64_t ms = latencies[_i], p;
    struct health_tally t = {0};

    for (int i = 0; i < 11; i++)
        health_tally_latency(&t, ms);
    p = health_tally_percentile(&t, 50);
    ck_assert_msg(p * 100 >= ms * 70 - 50 && p * 100 <= ms * 145, "%lld for %lld", (long long)p,
                  (long long)ms);
    for (int i = 0; i < 100; i++)
        health_tally_latency(&t, ms * 20);
    ck_assert_int_gt(health_tally_percentile(&t, 50), ms * 10);
}
END_TEST

START_TEST(latencies_out_of_reason_have_a_bin_too)
{
    struct health_tally t = {0};

    health_tally_latency(&t, -1);
    health_tally_latency(&t, 0);
    health_tally_latency(&t, INT64_MAX);
    ck_assert_int_eq(t.bins[0], 2);
    ck_assert_int_eq(t.bins[HEALTH_BINS - 1], 1);
}
END_TEST

/* ---- as text ---- */

static char *text_of(const struct health_state *s)
{
    struct buf b = BUF(65536);

    health_head_write(s, &b);
    buf_putc(&b, '|');
    health_tally_write(&s->now, &b);
    buf_putc(&b, '|');
    health_tally_write(&s->before, &b);
    return buf_take(&b);
}

START_TEST(a_record_is_read_as_it_was_written)
{
    struct health_state s = {.seq = 7,
                             .breaker = HEALTH_HALF_OPEN,
                             .reason = HEALTH_TIMEOUTS,
                             .since_ms = 1790000000000,
                             .next_ms = 1790000000001,
                             .level = 3,
                             .owner = "host-aaaaaaaa",
                             .p50_ms = 12,
                             .norm_ms = 14,
                             .norm_calls = 15,
                             .openings = 16,
                             .openings_ms = 17,
                             .begun_ms = 18,
                             .before_ms = 19};
    struct health_state back;
    char *text, *again;

    health_tally_failed(&s.now, HEALTH_KIND_OVERLOADED, 55);
    health_tally_good(&s.before, 44);
    health_tally_latency(&s.before, 77);
    text = text_of(&s);
    ck_assert(health_read((struct span){text, strlen(text)}, &back));
    again = text_of(&back);
    ck_assert_str_eq(text, again);
    ck_assert_int_eq(back.now.streak, 1);
    ck_assert_int_eq(back.now.streak_ms, 55);
    ck_assert_int_eq(back.before.good_ms, 44);
    ck_assert_str_eq(back.owner, "host-aaaaaaaa");
    free(text);
    free(again);
}
END_TEST

static const struct {
    const char *text;
    bool good;
} records[] = {
    {"0||", true},
    {"0|c=1 s=2|", true},
    {"5 closed 1 2 3 4 5 - - 1 1 1 1 1 1 1 and more 9|c=1 z=5 h41=2 h99=1|", true},
    {"", false},
    {"||", false},
    {"1", false},
    {"1 closed|", false},
    {"x closed 1||", false},
    {"1 ajar 1||", false},
    {"1 closed -5||", false},
    {"1 closed 1|c=x|", false},
    {"1 closed 1|c|", false},
    {"1 closed 1|=5|", false},
    {"1 closed 1|hx=5|", false},
    {"1 open 1 1 1 1 1 boredom||", false},
};

START_TEST(what_is_no_record_is_not_read)
{
    struct health_state s;

    ck_assert_msg(health_read((struct span){records[_i].text, strlen(records[_i].text)}, &s) ==
                      records[_i].good,
                  "%s", records[_i].text);
}
END_TEST

Suite *test_health_state(void);
Suite *test_health_state(void)
{
    Suite *s = suite_create("health_state");
    TCase *t = tcase_create("health_state");

    tcase_add_loop_test(t, events_over_time_lead_to_the_states_that_follow, 0,
                        (int)ARRAY_LEN(scenes));
    tcase_add_test(t, pauses_are_jittered_between_half_and_whole);
    tcase_add_test(t, a_route_that_stays_slow_is_taken_back_in_the_end);
    tcase_add_test(t, the_norm_follows_slowly);
    tcase_add_test(t, says_why_with_figures);
    tcase_add_test(t, only_failures_of_the_route_count);
    tcase_add_loop_test(t, percentiles_are_about_right, 0, (int)ARRAY_LEN(latencies));
    tcase_add_test(t, latencies_out_of_reason_have_a_bin_too);
    tcase_add_test(t, a_record_is_read_as_it_was_written);
    tcase_add_loop_test(t, what_is_no_record_is_not_read, 0, (int)ARRAY_LEN(records));
    suite_add_tcase(s, t);
    return s;
}
