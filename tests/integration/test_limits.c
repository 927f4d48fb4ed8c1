/* test_limits.c - what is too much, too large or of the wrong kind harms nobody else. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000 };
enum { MB = 1 << 20 };

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static struct program *start_noop_worker(struct world *w)
{
    return world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
}

/* ---- the intake from all sides ----------------------------------------------------- */
START_TEST(the_intake_may_be_pushed_from_both_sides_and_deleted)
{
    enum { EACH = 200, ROUNDS = 10 };
    struct world *w = world_new();
    int64_t n;

    world_start_scheduler(w);
    start_noop_worker(w);
    for (int i = 0; i < EACH; i++) {
        world_push(w, "{'id':'left-%d','type':'noop','payload':{}}", i);
        world_redis(w, "RPUSH fl:{0}:intake {\"id\":\"right-%d\",\"type\":\"noop\",\"payload\":{}}",
                    i);
    }
    world_wait_results(w, INT64_C(2) * EACH, ALL_MS);
    for (int r = 0; r < ROUNDS; r++) {
        for (int i = 0; i < 20; i++)
            world_push(w, "{'id':'lost-%d-%d','type':'noop','payload':{}}", r, i);
        world_redis(w, "DEL fl:{0}:intake");
    }
    world_push(w, "{'id':'last','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, strncmp(world_string(w, "GETRANGE fl:{0}:job:last 0 2"), "01c", 3) == 0);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 0);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    n = (int64_t)world_redis(w, "KEYS fl:{0}:job:*")->elements; /* those deleted never were jobs */
    ck_assert_int_le(n, 2 * EACH + 20 * ROUNDS + 1);
    world_check_one_result_each(w, n);
    world_free(w);
}
END_TEST

static const char *const kinds[] = {"SET fl:{0}:intake garbage", "HSET fl:{0}:intake a b",
                                    "SET fl:{0}:taken garbage"};

START_TEST(a_key_of_another_type_is_told_once_and_waited_for)
{
    struct world *w = world_new();
    struct program *scheduler;
    int64_t until;

    world_redis(w, kinds[_i]);
    scheduler = world_start_scheduler(w);
    start_noop_worker(w);
    WAIT_UNTIL(w, 10000, world_has_alert(w, "wrong_type"));
    until = now_ms() + 3000;
    WAIT_UNTIL(w, 10000, now_ms() > until); /* it does not fill the log meanwhile */
    ck_assert_int_le(look_logged(scheduler, "WRONGTYPE"), 2);
    ck_assert_int_eq(look_logged(scheduler, "code=wrong_type"), 1);
    world_redis(w, "DEL fl:{0}:intake fl:{0}:taken");
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_wait_results(w, 1, ALL_MS);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(twenty_thousand_documents_from_eight_producers_at_once)
{
    enum { PRODUCERS = 8, EACH = 2500, AT_ONCE = 50, ALL = PRODUCERS * EACH };
    struct world *w = world_new();
    redisContext *c[PRODUCERS];
    redisReply *r;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2");
    for (int p = 0; p < PRODUCERS; p++) {
        c[p] = redisConnectUnix(w->redis_socket);
        ck_assert(c[p] && !c[p]->err);
    }
    for (int i = 0; i < EACH; i += AT_ONCE) {
        int done[PRODUCERS] = {0};

        for (int p = 0; p < PRODUCERS; p++)
            for (int k = 0; k < AT_ONCE; k++)
                redisAppendCommand(
                    c[p],
                    "LPUSH fl:{0}:intake {\"id\":\"p%d-%d\",\"type\":\"noop\",\"payload\":{}}", p,
                    i + k);
        for (int p = 0; p < PRODUCERS; p++) /* all are written before one is read */
            while (!done[p])
                ck_assert_int_eq(redisBufferWrite(c[p], &done[p]), REDIS_OK);
        for (int p = 0; p < PRODUCERS; p++)
            for (int k = 0; k < AT_ONCE; k++) {
                ck_assert_int_eq(redisGetReply(c[p], (void **)&r), REDIS_OK);
                ck_assert_int_eq(r->type, REDIS_REPLY_INTEGER);
                freeReplyObject(r);
            }
    }
    for (int p = 0; p < PRODUCERS; p++)
        redisFree(c[p]);
    world_wait_results(w, ALL, ALL_MS);
    world_check_one_result_each(w, ALL);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:taken"), 0);
    world_free(w);
}
END_TEST

/* ---- sizes ------------------------------------------------------------------------- */
START_TEST(a_document_of_50_mb_is_refused_and_harms_nobody)
{
    struct world *w = world_new();
    struct program *scheduler = NULL;
    bool waiting = _i == 0; /* the scheduler waits for one entry, or finds a full intake */
    int64_t before = 0;     /* KB */
    const size_t huge = (size_t)50 * MB;

    if (waiting)
        scheduler = world_start_scheduler(w);
    start_noop_worker(w);
    world_push(w, "{'id':'before','type':'noop','payload':{}}");
    if (waiting) {
        world_wait_results(w, 1, ALL_MS);
        before = look_resident_kb(scheduler->pid);
    }
    world_push_raw(w, world_noop_of(w, "huge", huge), huge);
    world_push(w, "{'id':'after','type':'noop','payload':{}}");
    if (!waiting)
        scheduler = world_start_scheduler(w);
    world_wait_results(w, 3, ALL_MS);
    ck_assert_str_eq(world_result(w, "before")->status, "completed");
    ck_assert_str_eq(world_result(w, "after")->status, "completed");
    ck_assert_str_eq(world_result(w, "huge")->status, "rejected");
    ck_assert_str_eq(world_string_at(world_result(w, "huge")->doc, "error.code"), "too_large");
    world_check_one_result_each(w, 3);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:taken"), 0);
    /* A sanitizer keeps what was freed. */
    WAIT_UNTIL(w, 20000,
               !waiting || sanitized ||
                   look_resident_kb(scheduler->pid) < before + 20 * INT64_C(1024));
    world_free(w);
}
END_TEST

START_TEST(the_limit_is_exact_to_the_byte)
{
    enum { LIMIT = 1000000 }; /* limits.job_bytes */
    struct world *w = world_new();

    if (_i)
        world_start_scheduler(w);
    world_push_raw(w, world_noop_of(w, "under", LIMIT - 1), LIMIT - 1);
    world_push_raw(w, world_noop_of(w, "exact", LIMIT), LIMIT);
    world_push_raw(w, world_noop_of(w, "over", LIMIT + 1), LIMIT + 1);
    if (!_i)
        world_start_scheduler(w);
    start_noop_worker(w);
    world_wait_results(w, 3, ALL_MS);
    ck_assert_str_eq(world_result(w, "under")->status, "completed");
    ck_assert_str_eq(world_result(w, "exact")->status, "completed");
    ck_assert_str_eq(world_string_at(world_result(w, "over")->doc, "error.code"), "too_large");
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

#define BYTES(text)              \
    {                            \
        (text), sizeof(text) - 1 \
    }
static const struct {
    const char *p;
    size_t n;
} garbage[] = {
    BYTES(""),
    BYTES("\0"),
    BYTES("\0\0\0\0\0\0\0\0"),
    BYTES("\xff\xfe\x00\x01\x80\x0a\x0d\x22\x7b\x7d"),
    BYTES("\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03"),
    BYTES("{\"id\":\"a\xc3\x28\",\"type\":\"noop\",\"payload\":{}}"),
    BYTES("nil"),
    BYTES("[]"),
    BYTES(" "),
    BYTES("{}"),
};

START_TEST(garbage_is_refused_once_and_the_next_job_runs)
{
    struct world *w = world_new();

    world_start_scheduler(w);
    start_noop_worker(w);
    world_push_raw(w, garbage[_i].p, garbage[_i].n);
    world_wait_results(w, 1, ALL_MS);
    ck_assert_str_eq(world_results(w)->items[0].status, "rejected");
    world_push(w, "{'id':'next','type':'noop','payload':{}}");
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(world_result(w, "next")->status, "completed");
    WAIT_UNTIL(w, 10000, world_int(w, "LLEN fl:{0}:taken") == 0);
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

START_TEST(garbage_of_all_kinds_at_once_is_refused_entry_by_entry)
{
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(garbage); i++) {
        world_push_raw(w, garbage[i].p, garbage[i].n);
        world_push(w, "{'id':'good-%d','type':'noop','payload':{}}", (int)i);
    }
    world_start_scheduler(w);
    start_noop_worker(w);
    world_wait_results(w, 2 * (int64_t)ARRAY_LEN(garbage), ALL_MS);
    for (size_t i = 0; i < ARRAY_LEN(garbage); i++)
        ck_assert_str_eq(world_result(w, world_text(w, "good-%d", (int)i))->status, "completed");
    world_check_one_result_each(w, 2 * (int64_t)ARRAY_LEN(garbage));
    world_free(w);
}
END_TEST

static TCase *tests_of_intake(void)
{
    TCase *tc = tcase_create("intake");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, the_intake_may_be_pushed_from_both_sides_and_deleted);
    tcase_add_loop_test(tc, a_key_of_another_type_is_told_once_and_waited_for, 0,
                        (int)ARRAY_LEN(kinds));
    tcase_add_test(tc, twenty_thousand_documents_from_eight_producers_at_once);
    tcase_add_loop_test(tc, a_document_of_50_mb_is_refused_and_harms_nobody, 0, 2);
    tcase_add_loop_test(tc, the_limit_is_exact_to_the_byte, 0, 2);
    tcase_add_loop_test(tc, garbage_is_refused_once_and_the_next_job_runs, 0,
                        (int)ARRAY_LEN(garbage));
    tcase_add_test(tc, garbage_of_all_kinds_at_once_is_refused_entry_by_entry);
    return tc;
}

Suite *test_limits(void)
{
    Suite *s = suite_create("limits");

    suite_add_tcase(s, tests_of_intake());
    return s;
}
