/* test_run.c - the slots of runs: who waits in memory has none, and comes back in order.
 *
 * Four slots, one of them kept for realtime. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "worker/claims/pull.h"
#include "worker/life.h"
#include "worker/run_private.h"

enum { SLOTS = 4, OTHERS = SLOTS - 1, RUNS = 16 };

static const char text[] = "workers: {concurrency: 4, realtime_percent: 25}\n";
static struct process p;
static struct run runs[RUNS];
static char went[RUNS + 1]; /* a letter per run, in order */

static void open_process(void)
{
    static const struct child_options alone = {.group = "default", .alone = true};
    static const char *no_env[] = {NULL};
    struct err err = {0};

    p = (struct process){.env.loop = loop_new()};
    p.env.cfg = config_build("f.yaml", text, strlen(text), no_env, &err);
    ck_assert_msg(p.env.cfg, "%s", err.msg);
    p.env.group = config_group(p.env.cfg, "default");
    p.child = child_new(p.env.loop, &alone);
    p.claimer =
        (struct claimer){.ops = &life_claimer_ops, .arg = &p, .env = &p.env, .slots = &p.slots};
    p.pull = pull_new(&p.claimer, p.wait);
    memset(went, 0, sizeof went);
    for (int i = 0; i < RUNS; i++) {
        runs[i] = (struct run){.p = &p};
        snprintf(runs[i].id, sizeof runs[i].id, "%c", 'a' + i);
    }
}

static void close_process(void)
{
    pull_free(p.pull);
    child_free(p.child);
    config_free(p.env.cfg);
    loop_free(p.env.loop);
}

static void turn(void)
{
    for (int i = 0; i < 3; i++)
        loop_turn(p.env.loop, 0);
}

/* ---- runs, by their letters ---- */

static struct run *run_of(char c) { return &runs[c - 'a']; }

/* Standard ones in small letters' order; a capital is realtime. */
static void start(const char *letters)
{
    for (; *letters; letters++) {
        struct run *r = run_of((char)(*letters | 32));

        ck_assert(!r->slot && !r->ended);
        r->held.queue = *letters & 32 ? QUEUE_INFERENCE_STANDARD : QUEUE_INFERENCE_REALTIME;
        r->slot = true;
        p.slots.running++;
    }
}

static void leave_slots(const char *letters)
{
    for (; *letters; letters++)
        ck_assert(run_release_slot(run_of(*letters), RUN_WAITS_SHORT));
    turn(); /* others may be claimed now: nothing is left to be done */
}

static void end_run(char c)
{
    run_end(run_of(c));
    claimer_kick(&p.claimer);
}

static void on_go(struct run *r)
{
    ck_assert(r->slot && !r->waits);
    ck_assert_uint_le(p.slots.running, SLOTS);
    went[strlen(went)] = r->id[0];
}

/* Those that have a slot at once have gone, too. */
static void come_back(const char *letters)
{
    for (; *letters; letters++)
        if (run_acquire_slot(run_of(*letters), on_go))
            on_go(run_of(*letters));
}

/* ---- tests ---- */

START_TEST(a_run_that_did_not_wait_has_its_slot)
{
    start("abc");
    come_back("abc");
    ck_assert_str_eq(went, "abc");
    ck_assert_uint_eq(p.slots.running, 3);
}
END_TEST

START_TEST(a_free_slot_is_taken_at_once_and_else_they_queue)
{
    start("abc");
    leave_slots("abc");
    ck_assert_uint_eq(p.slots.running, 0);
    ck_assert_uint_eq(p.waiting, 3);
    start("de");
    come_back("abc");
    ck_assert_str_eq(went, "a");
    ck_assert_uint_eq(p.slots.running, OTHERS);
    ck_assert_uint_eq(p.slots.waiters, 2);
    turn();
    ck_assert_str_eq(went, "a");
    end_run('e');
    ck_assert_str_eq(went, "ab");
    end_run('a');
    ck_assert_str_eq(went, "abc");
    ck_assert_uint_eq(p.slots.running, OTHERS);
    ck_assert_uint_eq(p.waiting + p.slots.waiters, 0);
}
END_TEST

/* A slot that has just become free belongs to who waits for it. */
START_TEST(nobody_overtakes)
{
    start("abc");
    leave_slots("ab");
    start("de");
    come_back("a");
    run_end(run_of('c'));
    come_back("b");
    ck_assert_str_eq(went, "");
    turn(); /* nobody has to come for it */
    ck_assert_str_eq(went, "a");
    end_run('d');
    ck_assert_str_eq(went, "ab");
}
END_TEST

START_TEST(the_reserved_slot_is_for_realtime_whoever_waits_before_it)
{
    start("abcD");
    leave_slots("abd");
    start("ef");
    come_back("ab");
    ck_assert_str_eq(went, "");
    come_back("d");
    turn();
    ck_assert_str_eq(went, "d");
    ck_assert_uint_eq(p.slots.realtime_waiters, 0);
    ck_assert_uint_eq(p.slots.running, SLOTS);
    end_run('d'); /* and no other gets it */
    turn();
    ck_assert_str_eq(went, "d");
    end_run('c');
    ck_assert_str_eq(went, "da");
}
END_TEST

START_TEST(what_waits_in_memory_is_bounded_by_its_own_number)
{
    start("abcdef");
    leave_slots("a");
    p.waiting += RUN_WAITING_MAX - 2; /* of others */
    leave_slots("b");
    ck_assert(!run_release_slot(run_of('c'), RUN_WAITS_SHORT));
    ck_assert(run_of('c')->slot);
    ck_assert(run_release_slot(run_of('a'), RUN_WAITS_SHORT)); /* it has */
    ck_assert_uint_eq(p.waiting, RUN_WAITING_MAX);
    ck_assert_uint_eq(p.slots.running, 4);
    run_end(run_of('a'));
    ck_assert(run_release_slot(run_of('c'), RUN_WAITS_SHORT));
    p.waiting -= RUN_WAITING_MAX - 2;
}
END_TEST

START_TEST(what_waits_in_memory_is_bounded_in_bytes)
{
    start("abc");
    run_of('a')->bytes_n = RUN_WAITING_BYTES;
    leave_slots("a");
    run_of('b')->bytes_n = 1;
    ck_assert(!run_release_slot(run_of('b'), RUN_WAITS_SHORT));
    run_end(run_of('a'));
    ck_assert_uint_eq(p.waiting_bytes, 0);
    ck_assert(run_release_slot(run_of('b'), RUN_WAITS_SHORT));
    ck_assert_uint_eq(p.waiting_bytes, 1);
}
END_TEST

START_TEST(half_of_the_memory_is_kept_for_short_waits)
{
    start("abc");
    p.waiting = RUN_WAITING_MAX / 2 - 1;
    ck_assert(run_release_slot(run_of('a'), RUN_WAITS_LONG));
    ck_assert(run_memory_is_ample(&p));
    ck_assert(!run_release_slot(run_of('b'), RUN_WAITS_LONG));
    ck_assert(run_release_slot(run_of('b'), RUN_WAITS_SHORT));
    ck_assert(!run_memory_is_ample(&p));
    p.waiting -= RUN_WAITING_MAX / 2 - 1;
}
END_TEST

START_TEST(one_that_ends_while_it_waits_is_forgotten)
{
    start("abc");
    leave_slots("abc");
    start("def");
    come_back("abc");
    end_run('b');
    end_run('a');
    ck_assert_uint_eq(p.slots.waiters, 1);
    ck_assert_uint_eq(p.waiting, 1);
    ck_assert_uint_eq(p.slots.running, OTHERS);
    end_run('d');
    ck_assert_str_eq(went, "c");
    end_run('e');
    end_run('f');
    end_run('c');
    ck_assert_str_eq(went, "c");
    ck_assert_uint_eq(p.slots.running + p.waiting + p.slots.waiters, 0);
}
END_TEST

static void end_two_others(struct run *r)
{
    on_go(r);
    run_end(run_of('b'));
    run_end(run_of('c'));
}

START_TEST(one_that_goes_may_end_others)
{
    start("abc");
    leave_slots("abc");
    start("def");
    ck_assert(!run_acquire_slot(run_of('a'), end_two_others));
    come_back("bc");
    run_end(run_of('d'));
    run_end(run_of('e'));
    end_run('f');
    ck_assert_str_eq(went, "a");
    ck_assert_uint_eq(p.slots.running, 1);
    ck_assert_uint_eq(p.waiting + p.slots.waiters, 0);
}
END_TEST

/* ---- money ---- */

START_TEST(costs_add_up_and_never_wrap_round)
{
    const struct cost c = {.prompt_tokens = INT64_MAX / 2 + 1,
                           .cost_nanousd = INT64_MAX / 8,
                           .list_cost_nanousd = INT64_MAX,
                           .estimate_nanousd = INT64_MAX};
    struct run *r = run_of('a');
    const struct cost *last;

    for (int i = 0; i < RUN_COSTS_MAX + 2; i++) {
        run_cost(r, &c, &(struct run_call){"together", {"m", 1}, {"m", 1}}, NULL);
        ck_assert(r->cost_nanousd == (i < 8 ? (i + 1) * (INT64_MAX / 8) : INT64_MAX));
    }
    ck_assert_uint_eq(r->cost_count, RUN_COSTS_MAX);
    last = &r->costs[RUN_COSTS_MAX - 1].cost; /* of three calls */
    ck_assert_int_eq(last->cost_nanousd, 3 * (INT64_MAX / 8));
    ck_assert_int_eq(last->prompt_tokens, INT64_MAX);
    ck_assert_int_eq(last->list_cost_nanousd, INT64_MAX);
    ck_assert_int_eq(last->estimate_nanousd, INT64_MAX);
    free(r->costs);
}
END_TEST

Suite *test_run(void)
{
    Suite *s = suite_create("run");
    TCase *tc = tcase_create("slots");

    tcase_add_checked_fixture(tc, open_process, close_process);
    tcase_add_test(tc, a_run_that_did_not_wait_has_its_slot);
    tcase_add_test(tc, a_free_slot_is_taken_at_once_and_else_they_queue);
    tcase_add_test(tc, nobody_overtakes);
    tcase_add_test(tc, the_reserved_slot_is_for_realtime_whoever_waits_before_it);
    tcase_add_test(tc, what_waits_in_memory_is_bounded_by_its_own_number);
    tcase_add_test(tc, what_waits_in_memory_is_bounded_in_bytes);
    tcase_add_test(tc, half_of_the_memory_is_kept_for_short_waits);
    tcase_add_test(tc, one_that_ends_while_it_waits_is_forgotten);
    tcase_add_test(tc, one_that_goes_may_end_others);
    tcase_add_test(tc, costs_add_up_and_never_wrap_round);
    suite_add_tcase(s, tc);
    return s;
}
