/* test_limit_script.c - limit.lua on a real server: the same sums as the mirror, and its rules. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/limit_mirror.h"
#include "tests/unit/scripts_scene.h"

static struct slice_ask plain(void)
{
    struct slice_ask a = {.change = '-'};

    a.rate[BUCKET_CALLS] = 100;
    snprintf(a.control, sizeof a.control, "some control text");
    return a;
}

/* ---- one call ---- */

struct answer {
    bool done;
    int64_t now_us, granted;
    char text[BUCKET_TEXT], why[1024];
};

static void on_answer(void *arg, const struct reply *reply, const struct err *err)
{
    struct answer *n = arg;
    struct span text = reply_span(reply_at(reply, 1));

    n->done = true;
    if (err)
        snprintf(n->why, sizeof n->why, "%s", err->msg);
    n->now_us = reply_int(reply_at(reply, 0));
    n->granted = reply_int(reply_at(reply, 2));
    snprintf(n->text, sizeof n->text, "%.*s", (int)text.n, text.p ? text.p : "");
}

static void script_begin(struct redis_args *args, const char *worker)
{
    redis_args_init(args);
    redis_arg_str(args, key(scene_keys(), KEY_BUCKET));
    redis_arg_str(args, worker);
    redis_arg_int(args, 10000);
}

static void script_end(struct redis_args *args, struct answer *n)
{
    redis_script(scene_redis(), script(SCRIPT_LIMIT), 1, args, on_answer, n);
    scene_turn_until(&n->done);
    ck_assert_msg(!n->why[0], "%s", n->why);
}

static struct answer script_ask(const char *worker, const char *field, const struct slice_ask *a,
                                int most, int wanted)
{
    struct answer n = {0};
    struct redis_args args;

    script_begin(&args, worker);
    mirror_args(a, field, &args);
    redis_arg_int(&args, most);
    redis_arg_int(&args, wanted);
    script_end(&args, &n);
    return n;
}

static struct bucket bucket_after(const struct slice_ask *a)
{
    struct answer n = script_ask("w", "f", a, 0, 0);
    struct bucket b;

    ck_assert(bucket_read((struct span){n.text, strlen(n.text)}, &b));
    return b;
}

/* ---- the same sums ---- */

static bool differ(double a, double b) { return fabs(a - b) > 0.001 + 1e-6 * fabs(a); }

static void check_equal(const struct bucket *a, const struct bucket *b)
{
    ck_assert_int_eq(a->at_us, b->at_us);
    ck_assert_int_eq(a->pause_us, b->pause_us);
    ck_assert_int_eq(a->epoch, b->epoch);
    ck_assert_int_eq(a->cuts, b->cuts);
    ck_assert_str_eq(a->control, b->control);
    for (int i = 0; i < BUCKET_LANES; i++) {
        ck_assert(!differ(a->sent[i], b->sent[i]));
        ck_assert(!differ(a->lane[i].rate, b->lane[i].rate));
        ck_assert(!differ(a->lane[i].credit, b->lane[i].credit));
        for (int k = 0; k < BUCKET_CLASSES; k++) {
            ck_assert_msg(!differ(a->lane[i].pos[k], b->lane[i].pos[k]), "lane %d class %d: %f %f",
                          i, k, a->lane[i].pos[k], b->lane[i].pos[k]);
            ck_assert(!differ(a->lane[i].issued[k], b->lane[i].issued[k]));
        }
    }
}

/* The same ones in every run. */
static unsigned dice;

static int throw(void) { return rand_r(&dice); }

static struct slice_ask any_ask(const struct bucket *now)
{
    struct slice_ask a = plain();

    a.change = "-gc-"[throw() % 4];
    a.expects = (a.change == 'c' ? now->cuts : now->epoch) - (throw() % 4 == 0);
    a.pause_us = throw() % 3 ? 0 : throw() % 3000;
    a.refused = throw() % 3;
    for (int i = 0; i < BUCKET_LANES; i++) {
        a.rate[i] = throw() % 5 == 0 && i == BUCKET_TOKENS ? 0 : 1000 + throw() % 100000;
        a.sent[i] = throw() % 100;
        for (int k = 0; k < BUCKET_CLASSES; k++) {
            a.wants[i][k] = throw() % 3 ? 0 : throw() % 200;
            a.back[i][k] = throw() % 10 ? 0 : throw() % 5 - 2;
        }
    }
    return a;
}

START_TEST(it_does_the_sums_of_the_mirror)
{
    struct mirror m = {0};
    struct bucket b;

    dice = 7;
    for (int i = 0; i < 500; i++) {
        struct slice_ask a = any_ask(&m.b);
        struct answer n = script_ask("w", "f", &a, 0, 0);
        char text[BUCKET_TEXT];

        mirror_ask(&m, &a, n.now_us, text);
        ck_assert(bucket_read((struct span){n.text, strlen(n.text)}, &b));
        check_equal(&b, &m.b);
    }
}
END_TEST

/* ---- its rules ---- */

START_TEST(of_several_changes_the_first_one_counts)
{
    struct slice_ask a = plain();
    struct bucket b = bucket_after(&a);

    a.change = 'g';
    a.expects = b.epoch;
    a.rate[BUCKET_CALLS] = 120;
    ck_assert_double_eq(bucket_after(&a).lane[BUCKET_CALLS].rate, 120);
    a.rate[BUCKET_CALLS] = 130; /* of another process that had seen the same epoch */
    b = bucket_after(&a);
    ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 120);
    a.change = 'c';
    a.expects = b.cuts;
    a.rate[BUCKET_CALLS] = 60;
    a.pause_us = 1000000;
    b = bucket_after(&a);
    ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 60);
    ck_assert_int_eq(b.cuts, 1);
    ck_assert_int_ge(b.pause_us, b.at_us);
    a.rate[BUCKET_CALLS] = 30; /* the same burst, seen by another */
    b = bucket_after(&a);
    ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 60);
    ck_assert_int_eq(b.cuts, 1);
}
END_TEST

START_TEST(a_field_that_is_no_bucket_begins_anew)
{
    struct slice_ask a = plain();
    static const char *const texts[] = {"garbage", "2 1 1 1", "1 2 3", ""};

    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        char words[100];

        snprintf(words, sizeof words, "HSET @bucket f %s", *texts[i] ? texts[i] : "''");
        says(words);
        ck_assert_double_eq(bucket_after(&a).lane[BUCKET_CALLS].rate, 100);
    }
}
END_TEST

START_TEST(a_bucket_that_is_lost_is_made_again_as_it_was_seen)
{
    struct slice_ask a = plain();
    struct bucket was, b;

    a.change = 'c';
    a.wants[BUCKET_CALLS][BUCKET_STANDARD] = 500;
    a.sent[BUCKET_CALLS] = 70;
    was = bucket_after(&a);
    ck_assert_int_eq(was.cuts, 1);
    a = plain();
    a.seen = &was;
    a.wants[BUCKET_CALLS][BUCKET_STANDARD] = 1;
    for (int i = 0; i < 2; i++) {
        says(i ? "HSET @bucket f garbage" : "DEL @bucket");
        b = bucket_after(&a);
        ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 100);
        ck_assert_double_eq(b.lane[BUCKET_CALLS].issued[BUCKET_STANDARD], 501);
        ck_assert_double_ge(b.lane[BUCKET_CALLS].pos[BUCKET_STANDARD],
                            was.lane[BUCKET_CALLS].pos[BUCKET_STANDARD]);
        ck_assert_double_eq(b.sent[BUCKET_CALLS], 70);
        ck_assert_int_eq(b.epoch, was.epoch);
        ck_assert_int_eq(b.cuts, was.cuts);
        ck_assert_str_eq(b.control, was.control);
    }
    says("DEL @bucket");
    a.change = 'g'; /* a change of what it was is one of what is made */
    a.expects = was.epoch;
    a.rate[BUCKET_CALLS] = 120;
    b = bucket_after(&a);
    ck_assert_double_eq(b.lane[BUCKET_CALLS].rate, 120);
    ck_assert_int_eq(b.epoch, was.epoch + 1);
}
END_TEST

START_TEST(a_clock_that_was_set_back_stops_no_bucket)
{
    const int64_t hour_us = INT64_C(3600000000);
    struct slice_ask a = plain();
    struct bucket was = bucket_after(&a), b;

    says("DEL @bucket");
    was.at_us += hour_us;
    was.pause_us = was.at_us + 1000000;
    a.seen = &was;
    b = bucket_after(&a);
    ck_assert_int_lt(b.at_us, was.at_us - hour_us / 2);
    ck_assert_int_le(b.pause_us, b.at_us + 1000000);
    ck_assert_int_gt(b.pause_us, b.at_us);
}
END_TEST

START_TEST(slots_are_shared_and_never_more_than_allowed)
{
    struct slice_ask a = plain();

    ck_assert_int_eq(script_ask("one", "f", &a, 10, 7).granted, 7);
    ck_assert_int_eq(script_ask("two", "f", &a, 10, 7).granted, 3);
    ck_assert_int_eq(script_ask("three", "f", &a, 10, 1).granted, 0);
    ck_assert_int_eq(script_ask("one", "f", &a, 10, 2).granted, 2);
    ck_assert_int_eq(script_ask("three", "f", &a, 10, 20).granted, 5);
    ck_assert_int_eq(script_ask("two", "f", &a, 10, 0).granted, 0);
    ck_assert_int_eq(script_ask("three", "f", &a, 10, 20).granted, 8);
    ck_assert_int_eq(script_ask("four", "g", &a, 0, 20).granted, 0); /* no limit: none are kept */
}
END_TEST

START_TEST(slots_of_the_dead_come_back)
{
    struct slice_ask a = plain();

    struct answer n = {0};

    redis_sendv(scene_redis(), on_answer, &n, "HSET", key(scene_keys(), KEY_BUCKET), "f#",
                "dead 10 1", NULL);
    scene_turn_until(&n.done);
    ck_assert_int_eq(script_ask("one", "f", &a, 10, 10).granted, 10);
}
END_TEST

/* So many models of which nothing was learned. */
static void flood(int n)
{
    enum { AT_ONCE = 50 };
    struct slice_ask a = plain();
    char field[32];

    for (int i = 0; i < n; i += AT_ONCE) {
        struct redis_args args;
        struct answer answer = {0};

        script_begin(&args, "w");
        for (int k = 0; k < AT_ONCE; k++) {
            snprintf(field, sizeof field, "model-%d", i + k);
            mirror_args(&a, field, &args);
            redis_arg_int(&args, 0);
            redis_arg_int(&args, 0);
        }
        script_end(&args, &answer);
    }
}

START_TEST(a_flood_of_names_removes_neither_learned_rates_nor_slots)
{
    struct slice_ask a = plain();
    long n;

    script_ask("w", "idle", &a, 10, 10);
    a.change = 'g'; /* its rate is another than the first */
    script_ask("w", "learned", &a, 10, 10);
    flood(50000);
    n = strtol(says("HLEN @bucket"), NULL, 10);
    ck_assert_int_le(n, 512);
    ck_assert_int_ge(n, 440);
    CK_SAYS("HEXISTS @bucket learned", "1");
    CK_SAYS("HEXISTS @bucket learned#", "1");
    CK_SAYS("HEXISTS @bucket idle", "0");
    CK_SAYS("HEXISTS @bucket model-0", "0");
    CK_SAYS("HEXISTS @bucket model-49999", "1");
}
END_TEST

Suite *test_limit_script(void);
Suite *test_limit_script(void)
{
    Suite *s = suite_create("test_limit_script");
    TCase *tc = tcase_create("script");

    tcase_add_checked_fixture(tc, scene_open, scene_close);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, it_does_the_sums_of_the_mirror);
    tcase_add_test(tc, of_several_changes_the_first_one_counts);
    tcase_add_test(tc, a_field_that_is_no_bucket_begins_anew);
    tcase_add_test(tc, a_bucket_that_is_lost_is_made_again_as_it_was_seen);
    tcase_add_test(tc, a_clock_that_was_set_back_stops_no_bucket);
    tcase_add_test(tc, slots_are_shared_and_never_more_than_allowed);
    tcase_add_test(tc, slots_of_the_dead_come_back);
    tcase_add_test(tc, a_flood_of_names_removes_neither_learned_rates_nor_slots);
    suite_add_tcase(s, tc);
    return s;
}
