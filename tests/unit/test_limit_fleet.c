/* test_limit_fleet.c - four processes against the provider's rules, all as functions of time.
 *
 *   slice x 4 --ask/hear every 200 ms--> mirror of limit.lua
 *      └-- calls, 5 ms there, 45 ms back --> sim_rate: passes or not
 *
 * Each process always has jobs.  What is asked of it: nine tenths of what the rule would have
 * allowed, hardly a refusal, and soon steady again. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/sim/sim_rate.h"
#include "tests/unit/limit_mirror.h"

enum { PROCESSES = 4, QUEUE = 8192, FLIGHTS = 65536 };
#define MS        INT64_C(1000)
#define S         INT64_C(1000000)
#define REDIS_GAP (INT64_C(1790000000) * S) /* its clock is another */
#define AHEAD_S   0.6

/* What comes of a rule hangs on when its first refusals come: one start proves little.  The two
 * at which most is short come first; LIMIT_FIGURES=1 tries all and prints what came of each. */
static const struct start {
    double rate;
    int phase_ms, back_ms; /* between the processes' rounds; until an answer is back */
} starts[] = {{150, 31, 45}, {230, 29, 35}, {200, 37, 45}, {170, 43, 55}};
enum { STARTS_ALWAYS = 2, USUAL_START = 2 };
static const struct start *start = &starts[USUAL_START];

static bool prints_figures(void) { return getenv("LIMIT_FIGURES") != NULL; }

struct process_ {
    struct slice slice;
    struct bucket_ticket queue[QUEUE];
    size_t head, tail;
    int64_t next_ask_us, heard_us;
    bool asking;
    struct slice_ask ask;
    char text[BUCKET_TEXT];
};
struct flight_ {
    int64_t at_us, cuts, epoch;
    int process, reset_s;
    bool passed;
};
struct ring {
    struct flight_ of[FLIGHTS];
    size_t head, tail;
};

static struct world_ {
    struct process_ processes[PROCESSES];
    struct mirror mirror;
    struct sim_rate rule;
    struct ring there, back;
    int64_t now_us;
    double passed, refused;
    bool lose_answers; /* Redis does not answer */
    /* refusals that are not about the rate: so many calls, or all until then */
    int refuse_calls;
    int64_t refuse_until_us;
} world;

static void world_start(struct sim_rate rule)
{
    memset(&world, 0, sizeof world);
    world.rule = rule;
    world.rule.on = true;
    sim_rate_reset(&world.rule);
    world.now_us = 100 * S;
    for (int i = 0; i < PROCESSES; i++) {
        slice_init(&world.processes[i].slice);
        world.processes[i].next_ask_us = world.now_us + (int64_t)i * start->phase_ms * MS;
    }
}

static size_t wanted(const struct process_ *p)
{
    return 1 + (size_t)(p->slice.b.lane[BUCKET_CALLS].rate / PROCESSES * AHEAD_S);
}

static void ask(struct process_ *p)
{
    double needs[BUCKET_LANES][BUCKET_CLASSES] = {{0}};
    size_t have = p->tail - p->head, want = wanted(p);

    needs[BUCKET_CALLS][BUCKET_STANDARD] = want > have ? (double)(want - have) : 0;
    slice_ask(&p->slice, needs, start->rate, world.now_us, &p->ask);
    mirror_ask(&world.mirror, &p->ask, world.now_us + REDIS_GAP, p->text);
    p->asking = true;
    p->heard_us = world.now_us + MS;
    p->next_ask_us = world.now_us + 200 * MS;
}

static void hear(struct process_ *p)
{
    p->asking = false;
    if (world.lose_answers) {
        slice_lost(&p->slice, &p->ask, world.now_us);
        return;
    }
    if (!slice_hear(&p->slice, &p->ask, (struct span){p->text, strlen(p->text)}, world.now_us))
        ck_abort_msg("no bucket: %s", p->text);
    while (p->tail - p->head < wanted(p) && p->tail - p->head < QUEUE &&
           slice_take(&p->slice, BUCKET_STANDARD, 0, &p->queue[p->tail % QUEUE]))
        p->tail++;
}

static void add(struct ring *r, struct flight_ f)
{
    if (r->tail - r->head >= FLIGHTS)
        ck_abort_msg("too many calls are under way");
    r->of[r->tail++ % FLIGHTS] = f;
}

static void call_those_due(int i)
{
    struct process_ *p = &world.processes[i];

    while (p->head < p->tail) {
        int64_t wait = slice_wait_us(&p->slice, &p->queue[p->head % QUEUE], world.now_us);

        if (wait > 0 && wait < INT64_MAX / 2)
            return;
        p->head++;
        if (wait != 0) /* it has lapsed */
            continue;
        slice_sent(&p->slice, 0);
        add(&world.there, (struct flight_){.at_us = world.now_us + 5 * MS,
                                           .cuts = p->slice.b.cuts,
                                           .epoch = p->slice.b.epoch,
                                           .process = i});
    }
}

static bool is_refused_anyway(void)
{
    if (world.refuse_calls > 0) {
        world.refuse_calls--;
        return true;
    }
    return world.now_us < world.refuse_until_us;
}

static void provider(void)
{
    while (world.there.head < world.there.tail &&
           world.there.of[world.there.head % FLIGHTS].at_us <= world.now_us) {
        struct flight_ f = world.there.of[world.there.head++ % FLIGHTS];

        f.reset_s = 1;
        f.passed = !is_refused_anyway() && sim_rate_take(&world.rule, world.now_us, &f.reset_s);
        f.at_us = world.now_us + start->back_ms * MS;
        *(f.passed ? &world.passed : &world.refused) += 1;
        add(&world.back, f);
    }
}

static void answers(void)
{
    while (world.back.head < world.back.tail &&
           world.back.of[world.back.head % FLIGHTS].at_us <= world.now_us) {
        const struct flight_ *f = &world.back.of[world.back.head++ % FLIGHTS];
        struct slice *s = &world.processes[f->process].slice;

        slice_answered(s, f->epoch);
        if (f->passed)
            slice_well(s, BUCKET_STANDARD, f->cuts, &(struct slice_tokens){0, 0});
        else
            (void)slice_refused(s, BUCKET_CALLS, f->cuts, world.rule.silent ? -1 : f->reset_s * S,
                                world.now_us);
    }
}

static void run(double seconds)
{
    int64_t end = world.now_us + (int64_t)(seconds * (double)S);

    for (; world.now_us < end; world.now_us += MS) {
        for (int i = 0; i < PROCESSES; i++) {
            struct process_ *p = &world.processes[i];

            if (p->asking && world.now_us >= p->heard_us)
                hear(p);
            if (!p->asking && (world.now_us >= p->next_ask_us || p->slice.cut))
                ask(p);
            call_those_due(i);
        }
        provider();
        answers();
    }
    sim_rate_look(&world.rule, world.now_us);
}

struct measure {
    double allowed, passed, refused;
};

static struct measure now(void)
{
    return (struct measure){world.rule.allowed, world.passed, world.refused};
}

static double used_since(struct measure m)
{
    return (world.passed - m.passed) / (world.rule.allowed - m.allowed);
}

static double refused_since(struct measure m)
{
    double refused = world.refused - m.refused;

    return refused / (world.passed - m.passed + refused);
}

/* ---- what is reached ---- */

#define DYNAMIC(start, growth, cut)                                                  \
    {                                                                                \
        .start_per_s = (start), .growth_per_clean_s = (growth), .cut_percent = (cut) \
    }
#define FIXED(start, growth, cut)                                     \
    {                                                                 \
        .fixed_window = true, .silent = true, .start_per_s = (start), \
        .growth_per_clean_s = (growth), .cut_percent = (cut)          \
    }

static const struct sim_rate dynamic[] = {
    DYNAMIC(50, 5, 50),  DYNAMIC(50, 1, 20),    DYNAMIC(50, 20, 50),    DYNAMIC(100, 3, 40),
    DYNAMIC(200, 2, 10), DYNAMIC(200, 10, 50),  DYNAMIC(500, 50, 50),   DYNAMIC(1000, 10, 50),
    DYNAMIC(2000, 0, 0), DYNAMIC(2000, 20, 30), DYNAMIC(2000, 100, 50),
};
static const struct sim_rate fixed[] = {
    FIXED(50, 5, 50),   FIXED(100, 3, 40), FIXED(200, 2, 10),   FIXED(200, 10, 50),
    FIXED(500, 50, 50), FIXED(2000, 0, 0), FIXED(2000, 20, 30), FIXED(2000, 100, 50),
};
/* What providers really do who have windows: the limit never moves. */
static const struct sim_rate steady[] = {FIXED(50, 0, 0), FIXED(200, 0, 0), FIXED(600, 0, 0)};
static const struct sim_rate low[] = {DYNAMIC(5, 0.2, 20), DYNAMIC(5, 1, 50), DYNAMIC(10, 1, 50)};

/* Two minutes, the first ten seconds apart; returns what was used. */
static double check_reaches(struct sim_rate rule, double used, double refused)
{
    struct measure begun;
    double u, f;

    world_start(rule);
    run(10);
    begun = now();
    run(110);
    u = used_since(begun);
    f = refused_since(begun);
    if (prints_figures())
        printf("%s %.0f/s +%.1f -%d%%: %.3f used, %.2f%% refused\n",
               rule.fixed_window ? "fixed" : "dynamic", rule.start_per_s, rule.growth_per_clean_s,
               rule.cut_percent, u, 100 * f);
    ck_assert_msg(u >= used && f <= refused, "%s %.0f/s +%.1f -%d%%: %.3f used, %.2f%% refused",
                  rule.fixed_window ? "fixed" : "dynamic", rule.start_per_s,
                  rule.growth_per_clean_s, rule.cut_percent, u, 100 * f);
    return u;
}

/* Each of them reaches `used`, and all together `mean`. */
static void check_rules(const struct sim_rate *rules, size_t count, double used, double mean)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += check_reaches(rules[i], used, 0.01);
    ck_assert_double_ge(sum / (double)count, mean);
}

START_TEST(nine_tenths_of_the_dynamic_rule_are_used_and_hardly_a_call_is_refused)
{
    start = &starts[_i];
    check_rules(dynamic, ARRAY_LEN(dynamic), 0.9, 0.93);
}
END_TEST

START_TEST(about_as_much_of_fixed_windows_that_tell_nothing)
{
    start = &starts[_i];
    check_rules(fixed, ARRAY_LEN(fixed), 0.83, 0.88);
}
END_TEST

START_TEST(windows_that_never_change_are_found_within_seconds_and_kept)
{
    start = &starts[_i];
    check_rules(steady, ARRAY_LEN(steady), 0.86, 0.88);
}
END_TEST

START_TEST(few_calls_a_second_are_found_as_well) { check_reaches(low[_i], 0.85, 0.03); }
END_TEST

START_TEST(a_provider_without_limit_is_soon_used_in_full)
{
    world_start((struct sim_rate)DYNAMIC(1e6, 0, 50));
    run(2.4);
    ck_assert_double_ge(world.mirror.b.lane[BUCKET_CALLS].rate, 4000);
    ck_assert_int_eq((int)world.refused, 0);
}
END_TEST

START_TEST(it_is_steady_again_ten_seconds_after_the_limit_fell)
{
    struct measure then;

    world_start((struct sim_rate)DYNAMIC(200, 2, 30));
    run(60);
    world.rule.limit /= 3;
    run(10);
    then = now();
    run(20);
    ck_assert_double_ge(used_since(then), 0.75);
    ck_assert_double_le(refused_since(then), 0.02);
}
END_TEST

START_TEST(a_bucket_that_redis_loses_again_and_again_is_used_as_before)
{
    struct measure then;

    world_start((struct sim_rate)DYNAMIC(200, 2, 10));
    run(60);
    then = now();
    for (int i = 0; i < 20; i++) {
        world.mirror.there = false;
        run(2.9);
    }
    ck_assert_double_ge(used_since(then), 0.85);
    ck_assert_double_le(refused_since(then), 0.02);
}
END_TEST

START_TEST(a_burst_of_refusals_is_one_cut)
{
    int64_t cuts;

    world_start((struct sim_rate)DYNAMIC(500, 5, 50));
    run(60);
    cuts = world.mirror.b.cuts;
    world.rule.level = -250; /* everything is refused for half a second */
    run(1);
    ck_assert_int_eq(world.mirror.b.cuts, cuts + 1);
    ck_assert_double_gt(world.refused, 3);
}
END_TEST

START_TEST(no_call_comes_while_the_server_asks_to_wait)
{
    struct measure then;

    world_start((struct sim_rate)DYNAMIC(300, 0, 50));
    while (world.mirror.b.cuts == 0)
        run(0.01);
    run(0.3); /* all have heard it, and what was on its way has arrived */
    then = now();
    run(0.6);
    ck_assert_double_eq(world.passed - then.passed, 0);
    ck_assert_double_eq(world.refused - then.refused, 0);
    run(3);
    ck_assert_double_gt(world.passed, then.passed);
}
END_TEST

/* ---- refusals that are not about the rate ---- */

enum { LOOK_MS = 250, LOOKS = 6, RECOVERY_S = 60 };

/* Seconds until so many calls per second pass, for one and a half. */
static double recovers_in_s(double per_s)
{
    double then[RECOVERY_S * 1000 / LOOK_MS + 1];
    int n = 0;

    while (n < RECOVERY_S * 1000 / LOOK_MS) {
        then[n++] = world.passed;
        run(LOOK_MS / 1000.0);
        if (n >= LOOKS && world.passed - then[n - LOOKS] >= per_s * LOOKS * LOOK_MS / 1000)
            return (n - LOOKS) * LOOK_MS / 1000.0;
    }
    return RECOVERY_S;
}

static const struct trouble {
    const char *name;
    struct sim_rate rule;
    double after_s;  /* so long all went well */
    int calls;       /* are refused then ... */
    double seconds;  /* ... or all, for so long */
    double per_s;    /* pass again (0: nine tenths of before, or of the limit) ... */
    double in_s;     /* ... so long after the end of it */
    double refusals; /* at most so many meanwhile */
} troubles[] = {
    {"15, untried, no limit", DYNAMIC(1e6, 0, 50), 0, 15, 0, 1000, 5, 15},
    {"15, untried", DYNAMIC(200, 5, 50), 0, 15, 0, 150, 4, 15},
    {"15, open, no limit", DYNAMIC(1e6, 0, 50), 1, 15, 0, 1000, 15, 15},
    {"15, known", DYNAMIC(200, 2, 10), 60, 15, 0, 0, 10, 20},
    {"15, known", DYNAMIC(200, 10, 50), 60, 15, 0, 0, 10, 20},
    {"15, known", DYNAMIC(2000, 20, 30), 60, 15, 0, 0, 10, 20},
    {"15, known", FIXED(200, 10, 50), 60, 15, 0, 0, 50, 20},
    {"20 s, untried", DYNAMIC(200, 5, 50), 0, 0, 20, 150, 5, 50},
    {"20 s, known", DYNAMIC(200, 5, 50), 60, 0, 20, 0, 6, 170},
    {"20 s, known", DYNAMIC(2000, 20, 30), 60, 0, 20, 0, 6, 170},
    {"20 s, known", FIXED(500, 10, 30), 60, 0, 20, 0, 6, 170},
    {"20 s, known", DYNAMIC(10, 1, 50), 60, 0, 20, 0, 6, 170},
    {"5 min, known", DYNAMIC(200, 5, 50), 60, 0, 300, 0, 30, 130},
};

START_TEST(what_is_refused_for_another_reason_does_not_make_it_slow)
{
    const struct trouble *t = &troubles[(size_t)_i % ARRAY_LEN(troubles)];
    double per_s = t->per_s, refused, passed, s;
    int64_t began;

    start = &starts[(size_t)_i / ARRAY_LEN(troubles)];
    world_start(t->rule);
    run(t->after_s - 5);
    passed = world.passed;
    run(t->after_s < 5 ? t->after_s : 5);
    if (per_s <= 0)
        per_s = 0.9 * (world.passed - passed) / 5;
    refused = world.refused;
    began = world.now_us;
    world.refuse_calls = t->calls;
    world.refuse_until_us = began + (int64_t)(t->seconds * (double)S);
    do {
        run(0.1);
    } while (world.refuse_calls > 0 || world.now_us < world.refuse_until_us);
    refused = world.refused - refused;
    if (t->per_s <= 0 && per_s > 0.9 * world.rule.limit) /* it was cut just then */
        per_s = 0.9 * world.rule.limit;
    s = recovers_in_s(per_s);
    if (prints_figures())
        printf("%s (%.0f/s +%.1f -%d%%): %.0f refused over %.1f s, %.0f/s %.1f s later\n", t->name,
               t->rule.start_per_s, t->rule.growth_per_clean_s, t->rule.cut_percent, refused,
               (double)(world.now_us - began) / 1e6 - s - 1.5, per_s, s);
    ck_assert_double_le(s, t->in_s);
    ck_assert_double_le(refused, t->refusals);
}
END_TEST

static const struct sim_rate moved[] = {DYNAMIC(200, 2, 10), DYNAMIC(500, 0, 0),
                                        DYNAMIC(1000, 10, 30), FIXED(500, 5, 20)};

START_TEST(a_limit_that_falls_to_a_tenth_is_found_and_kept)
{
    struct measure then;
    double used, refused;

    world_start(moved[_i]);
    run(60);
    world.rule.limit /= 10;
    run(10);
    then = now();
    run(60);
    used = used_since(then);
    refused = refused_since(then);
    if (prints_figures())
        printf("a tenth of %.0f/s +%.1f -%d%%: %.3f used, %.2f%% refused\n", moved[_i].start_per_s,
               moved[_i].growth_per_clean_s, moved[_i].cut_percent, used, 100 * refused);
    ck_assert_double_ge(used, 0.7);
    ck_assert_double_le(refused, 0.01);
}
END_TEST

/* Of the bucket; a fixed window that rose may take longer. */
START_TEST(a_limit_that_rises_tenfold_is_found_within_a_minute)
{
    world_start(moved[_i]);
    run(30);
    world.rule.limit *= 10;
    ck_assert_double_lt(recovers_in_s(0.9 * world.rule.limit), RECOVERY_S);
}
END_TEST

Suite *test_limit_fleet(void);
Suite *test_limit_fleet(void)
{
    Suite *s = suite_create("test_limit_fleet");
    TCase *tc = tcase_create("fleet");
    int count = prints_figures() ? (int)ARRAY_LEN(starts) : STARTS_ALWAYS;

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, nine_tenths_of_the_dynamic_rule_are_used_and_hardly_a_call_is_refused,
                        0, count);
    tcase_add_loop_test(tc, about_as_much_of_fixed_windows_that_tell_nothing, 0, count);
    tcase_add_loop_test(tc, windows_that_never_change_are_found_within_seconds_and_kept, 0, count);
    tcase_add_loop_test(tc, few_calls_a_second_are_found_as_well, 0, ARRAY_LEN(low));
    tcase_add_test(tc, a_provider_without_limit_is_soon_used_in_full);
    tcase_add_test(tc, it_is_steady_again_ten_seconds_after_the_limit_fell);
    tcase_add_test(tc, a_bucket_that_redis_loses_again_and_again_is_used_as_before);
    tcase_add_test(tc, a_burst_of_refusals_is_one_cut);
    tcase_add_test(tc, no_call_comes_while_the_server_asks_to_wait);
    tcase_add_loop_test(tc, a_limit_that_falls_to_a_tenth_is_found_and_kept, 0, ARRAY_LEN(moved));
    tcase_add_loop_test(tc, a_limit_that_rises_tenfold_is_found_within_a_minute, 0,
                        ARRAY_LEN(moved) - 1);
    tcase_add_loop_test(tc, what_is_refused_for_another_reason_does_not_make_it_slow, 0,
                        (int)ARRAY_LEN(troubles) * count);
    suite_add_tcase(s, tc);
    return s;
}
