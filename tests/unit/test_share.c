/* test_share.c - equal calls become one: in a process, among two, and when somebody dies. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/cache/share.h"
#include "worker/process.h"

enum { HERE, THERE, PLACES, ASKERS = 8 };
#define KEY "fl:{0}:infer:-:m:k"

static struct redis_server server;
static struct loop *loop;
static struct config cfg;
static int word_ms; /* a word takes so long */
static struct place {
    struct line line;
    struct process process;
    bool full; /* nobody may wait */
} places[PLACES];

/* One who asks, and what he was told. */
static struct asker {
    struct sharer sharer;
    int words;
    enum share_word word;
    char body[64], model[64];
    const char *reason; /* his call would wait for, too; NULL: "r" */
    size_t known;
    int64_t in_ms;
} askers[PLACES][ASKERS];

static struct place *place_of(const struct sharer *s)
{
    const struct asker *a = s->arg;

    return &places[a >= askers[THERE]];
}

static bool waits(struct sharer *s) { return !place_of(s)->full; }

static void word(struct sharer *s, enum share_word w, const struct share_news *news)
{
    struct asker *a = s->arg;
    const struct entry *e = news->found ? news->found->whole : NULL;

    ck_assert_msg(w == SHARE_LEAD || !s->share, "still in a share");
    usleep((unsigned)word_ms * 1000);
    a->words++;
    a->word = w;
    a->in_ms = news->in_ms;
    a->known = news->found ? news->found->known : 0;
    if (!e && news->found && news->found->n)
        e = news->found->each[0];
    snprintf(a->body, sizeof a->body, "%.*s", e ? (int)e->body.n : 0, e ? e->body.p : "");
    snprintf(a->model, sizeof a->model, "%s", news->model ? news->model : "");
}

static bool concerns(const struct sharer *s, const char *reason)
{
    const struct asker *a = s->arg;

    return !strcmp(reason, a->reason ? a->reason : "r");
}

static const struct share_ops ops = {waits, word, concerns};

static void open_place(struct place *p)
{
    p->process = (struct process){.env.cfg = &cfg, .env.loop = loop};
    keys_init(&p->process.env.keys, "fl");
    line_open(&p->line, loop, server.url, (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(loop, p->line.ready);
    p->process.env.redis = p->line.redis;
    p->process.cache = cache_new(&p->process.env);
    p->process.shares = shares_new(&p->process.env, p->process.cache, &ops);
}

/* As a process dies: its connection is gone, nothing is said. */
static void close_place(struct place *p)
{
    if (!p->line.redis)
        return;
    line_close(&p->line);
    shares_free(p->process.shares);
    cache_free(p->process.cache);
    keys_done(&p->process.env.keys);
}

static void setup(void)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    cfg = (struct config){.cache_wait_ms = 5000,
                          .cache_lease_ms = 600,
                          .cache_infer_ttl_ms = 60000,
                          .cache_max_entry_bytes = 100000,
                          .cache_max_bytes = 1000000,
                          .cache_compress_bytes = 100000};
    loop = loop_new();
    memset(askers, 0, sizeof askers);
    word_ms = 0;
    for (int i = 0; i < PLACES; i++)
        open_place(&places[i]);
}

static void teardown(void)
{
    for (int i = 0; i < PLACES; i++)
        close_place(&places[i]);
    loop_free(loop);
    redis_server_done(&server);
}

/* ---- acting ---- */

static int64_t join_for(int place, int n, int64_t wait_ms)
{
    struct asker *a = &askers[place][n];

    a->sharer = (struct sharer){.arg = a};
    a->words = 0;
    return share_join(places[place].process.shares, &a->sharer, KEY + 7, (const char *const[]){KEY},
                      1, wait_ms);
}

static void join(int place, int n) { ck_assert_int_eq(join_for(place, n, 60000), 0); }

static struct asker *told(int place, int n)
{
    struct asker *a = &askers[place][n];

    TURN_UNTIL(loop, a->words > 0);
    ck_assert_int_eq(a->words, 1);
    return a;
}

static void check_told(int place, int n, enum share_word w)
{
    ck_assert_int_eq(told(place, n)->word, w);
}

static void turn_for(int64_t ms)
{
    int64_t end = clock_mono_ms() + ms;

    while (clock_mono_ms() < end)
        loop_turn(loop, 5);
}

/* The leader's call is answered, and kept. */
static void answer(int place, int n, const char *body)
{
    const struct entry facts = {.body = {body, strlen(body)}, .provider = "together"};
    struct entry *e = entry_new(&facts);

    cache_keep(places[place].process.cache, CACHE_INFER, KEY, e);
    share_answer(&askers[place][n].sharer, e);
    entry_drop(&e);
}

static struct shot at_here(const char *words) { return ask(&places[HERE].line, words); }

/* ---- one process ---- */

START_TEST(the_first_leads_and_the_others_get_the_answer)
{
    for (int i = 0; i < ASKERS; i++)
        join(HERE, i);
    check_told(HERE, 0, SHARE_LEAD);
    turn_for(50);
    for (int i = 1; i < ASKERS; i++)
        ck_assert_int_eq(askers[HERE][i].words, 0);
    answer(HERE, 0, "{\"a\":1}");
    for (int i = 1; i < ASKERS; i++) {
        check_told(HERE, i, SHARE_HIT);
        ck_assert_str_eq(askers[HERE][i].body, "{\"a\":1}");
    }
    join(HERE, 0); /* later: out of Redis */
    check_told(HERE, 0, SHARE_HIT);
    ck_assert_str_eq(askers[HERE][0].body, "{\"a\":1}");
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 0);
}
END_TEST

/* A thousand megabytes at once would not fit into what Redis is sent. */
START_TEST(a_large_answer_is_told_to_some_at_a_time)
{
    enum { BYTES = 1500000 };
    char *text = xmalloc(BYTES + 1);
    int64_t from;

    memset(text, ' ', BYTES);
    text[_i ? 1 : BYTES] = '\0';
    for (int i = 0; i < ASKERS; i++)
        join(HERE, i);
    check_told(HERE, 0, SHARE_LEAD);
    word_ms = _i ? 20 : 0; /* each checks the answer, and heartbeats must go out meanwhile */
    answer(HERE, 0, text);
    free(text);
    check_told(HERE, 1, SHARE_HIT);
    from = clock_mono_ms();
    ck_assert_int_eq(askers[HERE][4].words, 0);
    for (int i = 2; i < ASKERS; i++)
        check_told(HERE, i, SHARE_HIT);
    ck_assert_int_ge(clock_mono_ms() - from, 100);
}
END_TEST

START_TEST(a_leader_who_leaves_hands_over_at_once)
{
    for (int i = 0; i < 3; i++)
        join(HERE, i);
    check_told(HERE, 0, SHARE_LEAD);
    share_leave(&askers[HERE][1].sharer);
    share_leave(&askers[HERE][0].sharer);
    check_told(HERE, 2, SHARE_LEAD);
    ck_assert_int_eq(askers[HERE][1].words, 0);
    ck_assert_int_eq(at_here("EXISTS fl:{0}:flight:infer:-:m:k").number, 1);
    share_leave(&askers[HERE][2].sharer);
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 0);
}
END_TEST

/* As when all runs are given back: nobody is told to call amid that. */
START_TEST(when_all_leave_nobody_leads)
{
    for (int i = 0; i < ASKERS; i++)
        join(HERE, i);
    check_told(HERE, 0, SHARE_LEAD);
    for (int i = 0; i < ASKERS; i++)
        share_leave(&askers[HERE][i].sharer);
    turn_for(50);
    for (int i = 1; i < ASKERS; i++)
        ck_assert_int_eq(askers[HERE][i].words, 0);
    ck_assert_int_eq(at_here("EXISTS fl:{0}:flight:infer:-:m:k").number, 0);
}
END_TEST

START_TEST(who_may_not_wait_in_memory_comes_back)
{
    places[HERE].full = true;
    join(HERE, 0);
    join(HERE, 1);
    check_told(HERE, 0, SHARE_LEAD);
    check_told(HERE, 1, SHARE_BACK);
    ck_assert_int_ge(askers[HERE][1].in_ms, 1000);
    ck_assert_int_ge(join_for(HERE, 2, 60000), 1000);
    places[HERE].full = false;
    answer(HERE, 0, "{}");
    join(HERE, 1);
    check_told(HERE, 1, SHARE_HIT);
}
END_TEST

START_TEST(who_waited_long_enough_calls_for_himself)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    ck_assert_int_eq(join_for(HERE, 1, 50), 0);
    join(HERE, 2);
    check_told(HERE, 1, SHARE_ALONE);
    ck_assert_int_eq(askers[HERE][2].words, 0);
    answer(HERE, 0, "{}");
    check_told(HERE, 2, SHARE_HIT);
}
END_TEST

/* ---- two processes ---- */

START_TEST(another_process_waits_for_the_answer)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    for (int i = 0; i < 3; i++)
        join(THERE, i);
    turn_for(2 * cfg.cache_lease_ms); /* renewed meanwhile */
    ck_assert_int_eq(askers[THERE][0].words, 0);
    answer(HERE, 0, "{\"a\":1}");
    for (int i = 0; i < 3; i++) {
        check_told(THERE, i, SHARE_HIT);
        ck_assert_str_eq(askers[THERE][i].body, "{\"a\":1}");
    }
}
END_TEST

static void join_two(int place, int n)
{
    struct asker *a = &askers[place][n];

    a->sharer = (struct sharer){.arg = a};
    a->words = 0;
    ck_assert_int_eq(share_join(places[place].process.shares, &a->sharer, KEY + 7,
                                (const char *const[]){KEY, KEY "2"}, 2, 60000),
                     0);
}

/* Of thousands of keys one is looked at, until it is there. */
START_TEST(who_waits_for_many_keys_gets_them_all)
{
    const struct entry e = {.body = {"{}", 2}, .provider = "together"};

    cache_keep(places[HERE].process.cache, CACHE_INFER, KEY, &e);
    join_two(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    ck_assert_uint_eq(askers[HERE][0].known, 1);
    join_two(THERE, 0);
    turn_for(200);
    ck_assert_int_eq(askers[THERE][0].words, 0);
    cache_keep(places[HERE].process.cache, CACHE_INFER, KEY "2", &e);
    check_told(THERE, 0, SHARE_HIT);
    ck_assert_uint_eq(askers[THERE][0].known, 2);
}
END_TEST

START_TEST(some_of_many_keys_are_not_the_answer)
{
    const struct entry e = {.body = {"{}", 2}, .provider = "together"};

    join_two(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    join_two(THERE, 0);
    turn_for(100);
    cache_keep(places[HERE].process.cache, CACHE_INFER, KEY, &e);
    turn_for(300);
    ck_assert_int_eq(askers[THERE][0].words, 0);
    share_leave(&askers[HERE][0].sharer);
    check_told(THERE, 0, SHARE_LEAD);
    ck_assert_uint_eq(askers[THERE][0].known, 1);
}
END_TEST

/* One per process, and not one per job. */
START_TEST(an_answer_that_is_too_large_to_be_kept_is_asked_for_by_one_of_the_others)
{
    cfg.cache_max_entry_bytes = 10;
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    join(HERE, 1);
    for (int i = 0; i < 4; i++)
        join(THERE, i);
    answer(HERE, 0, "{\"a\":1}");
    check_told(HERE, 1, SHARE_HIT);
    check_told(THERE, 0, SHARE_LEAD);
    turn_for(50);
    for (int i = 1; i < 4; i++)
        ck_assert_int_eq(askers[THERE][i].words, 0);
    answer(THERE, 0, "{\"a\":1}");
    check_told(THERE, 3, SHARE_HIT);
}
END_TEST

START_TEST(after_a_failure_all_call_for_themselves)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    for (int i = 1; i < 4; i++)
        join(HERE, i);
    for (int i = 0; i < 4; i++)
        join(THERE, i);
    share_failed(&askers[HERE][0].sharer);
    for (int i = 0; i < 4; i++) {
        check_told(THERE, i, SHARE_ALONE);
        if (i > 0)
            check_told(HERE, i, SHARE_ALONE);
    }
    join(THERE, 0); /* the mark holds for a while */
    check_told(THERE, 0, SHARE_ALONE);
}
END_TEST

START_TEST(when_a_process_dies_one_of_the_others_leads)
{
    int leads = 0;

    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    for (int i = 0; i < 4; i++)
        join(THERE, i);
    turn_for(100);
    close_place(&places[HERE]);
    check_told(THERE, 0, SHARE_LEAD);
    turn_for(cfg.cache_lease_ms * 2);
    for (int i = 0; i < 4; i++)
        leads += askers[THERE][i].words > 0;
    ck_assert_int_eq(leads, 1);
    answer(THERE, 0, "{}");
    check_told(THERE, 3, SHARE_HIT);
}
END_TEST

START_TEST(an_answer_of_another_model_is_told_with_its_name)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    join(HERE, 1);
    join(THERE, 0);
    share_moved(&askers[HERE][0].sharer, "acme/other");
    check_told(HERE, 1, SHARE_ALONE);
    check_told(THERE, 0, SHARE_ALONE);
    ck_assert_str_eq(askers[HERE][1].model, "acme/other");
    ck_assert_str_eq(askers[THERE][0].model, "acme/other");
}
END_TEST

START_TEST(a_call_that_is_put_off_puts_all_off)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    join(HERE, 1);
    join(THERE, 0);
    share_later(&askers[HERE][0].sharer, 900, "r");
    check_told(HERE, 1, SHARE_BACK);
    ck_assert(askers[HERE][1].in_ms >= 900 && askers[HERE][1].in_ms < 1300);
    check_told(THERE, 0, SHARE_BACK);
    ck_assert(askers[THERE][0].in_ms > 99 && askers[THERE][0].in_ms < 1300);
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 0);
    join(THERE, 0);
    check_told(THERE, 0, SHARE_LEAD);
}
END_TEST

/* Who comes when the provider is well again must not wait for the first one's pause. */
START_TEST(a_long_pause_is_not_the_pause_of_all_who_come)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    join(HERE, 1);
    share_later(&askers[HERE][0].sharer, 600000, "r");
    ck_assert_int_le(told(HERE, 1)->in_ms, 60400);
    TURN_UNTIL(loop, strchr(at_here("GET fl:{0}:flight:infer:-:m:k").text, ':'));
    ck_assert_int_gt(at_here("PTTL fl:{0}:flight:infer:-:m:k").number, 1000);
    ck_assert_int_le(at_here("PTTL fl:{0}:flight:infer:-:m:k").number, 10000);
}
END_TEST

/* Else they would wait behind one whose budget has no room, however much theirs has. */
START_TEST(one_whom_the_reason_does_not_concern_calls_for_all)
{
    for (int i = 0; i < 4; i++)
        join(HERE, i);
    askers[HERE][2].reason = "none";
    check_told(HERE, 0, SHARE_LEAD);
    share_later(&askers[HERE][0].sharer, 60000, "r");
    check_told(HERE, 2, SHARE_LEAD);
    turn_for(50);
    ck_assert_int_eq(askers[HERE][1].words, 0);
    answer(HERE, 2, "{\"a\":1}");
    check_told(HERE, 1, SHARE_HIT);
    check_told(HERE, 3, SHARE_HIT);
}
END_TEST

START_TEST(elsewhere_too_the_reason_must_concern_who_is_put_off)
{
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    share_later(&askers[HERE][0].sharer, 60000, "r");
    TURN_UNTIL(loop, strchr(at_here("GET fl:{0}:flight:infer:-:m:k").text, ':'));
    for (int p = 0; p < PLACES; p++) {
        join(p, 1);
        askers[p][2].reason = "none";
        join(p, 2);
    }
    join(THERE, 3);
    check_told(THERE, 2, SHARE_LEAD);
    turn_for(50);
    ck_assert_int_eq(askers[THERE][3].words, 0);
    answer(THERE, 2, "{\"a\":1}");
    check_told(THERE, 1, SHARE_HIT);
    check_told(THERE, 3, SHARE_HIT);
    check_told(HERE, 2, SHARE_LEAD);
    share_later(&askers[HERE][2].sharer, 60000, "none"); /* as does its own */
    check_told(HERE, 1, SHARE_LEAD);
    share_later(&askers[HERE][1].sharer, 60000, "r");
    join(HERE, 3);
    check_told(HERE, 3, SHARE_HIT);
}
END_TEST

START_TEST(one_after_the_other_asks_again_and_then_all_do)
{
    for (int i = 0; i < 5; i++)
        join(HERE, i);
    check_told(HERE, 0, SHARE_LEAD);
    share_again(&askers[HERE][0].sharer, 2);
    check_told(HERE, 1, SHARE_LEAD);
    join(HERE, 0); /* its second time */
    share_again(&askers[HERE][1].sharer, 2);
    check_told(HERE, 2, SHARE_LEAD);
    turn_for(50);
    ck_assert_int_eq(askers[HERE][3].words, 0);
    share_again(&askers[HERE][2].sharer, 2);
    check_told(HERE, 3, SHARE_ALONE);
    check_told(HERE, 4, SHARE_ALONE);
    check_told(HERE, 0, SHARE_ALONE);
}
END_TEST

/* ---- Redis ---- */

START_TEST(without_redis_one_of_each_process_leads)
{
    cfg.cache_wait_ms = 50;
    redis_server_signal(&server, SIGSTOP);
    for (int p = 0; p < PLACES; p++)
        for (int i = 0; i < 3; i++)
            join(p, i);
    for (int p = 0; p < PLACES; p++)
        check_told(p, 0, SHARE_LEAD);
    turn_for(100);
    for (int p = 0; p < PLACES; p++) {
        ck_assert_int_eq(askers[p][1].words, 0);
        answer(p, 0, "{}");
        check_told(p, 2, SHARE_HIT);
    }
    redis_server_signal(&server, SIGCONT);
}
END_TEST

/* The question for the lease is answered when nobody waits for it any more. */
START_TEST(a_lease_that_comes_too_late_is_given_back)
{
    join(HERE, 0);
    TURN_UNTIL(loop,
               at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 1 || askers[HERE][0].words);
    share_leave(&askers[HERE][0].sharer);
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 0);
}
END_TEST

/* Given back, it would be the next one's, who makes the call once more. */
START_TEST(a_lease_that_comes_after_the_call_has_begun_is_kept)
{
    cfg.cache_wait_ms = 50;
    redis_server_signal(&server, SIGSTOP);
    join(HERE, 0);
    check_told(HERE, 0, SHARE_LEAD);
    redis_server_signal(&server, SIGCONT);
    cfg.cache_wait_ms = 5000;
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 1);
    join(THERE, 0);
    turn_for(2 * cfg.cache_lease_ms);
    ck_assert_int_eq(askers[THERE][0].words, 0);
    answer(HERE, 0, "{\"a\":1}");
    check_told(THERE, 0, SHARE_HIT);
    TURN_UNTIL(loop, at_here("EXISTS fl:{0}:flight:infer:-:m:k").number == 0);
}
END_TEST

START_TEST(a_full_redis_does_not_keep_calls_from_being_made)
{
    ck_assert(at_here("CONFIG SET maxmemory 1").ok);
    join(HERE, 0);
    join(HERE, 1);
    check_told(HERE, 0, SHARE_LEAD);
    answer(HERE, 0, "{}");
    check_told(HERE, 1, SHARE_HIT);
}
END_TEST

Suite *test_share(void)
{
    Suite *s = suite_create("share");
    TCase *tc = tcase_create("share");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, the_first_leads_and_the_others_get_the_answer);
    tcase_add_loop_test(tc, a_large_answer_is_told_to_some_at_a_time, 0, 2);
    tcase_add_test(tc, a_leader_who_leaves_hands_over_at_once);
    tcase_add_test(tc, when_all_leave_nobody_leads);
    tcase_add_test(tc, who_may_not_wait_in_memory_comes_back);
    tcase_add_test(tc, who_waited_long_enough_calls_for_himself);
    tcase_add_test(tc, another_process_waits_for_the_answer);
    tcase_add_test(tc, who_waits_for_many_keys_gets_them_all);
    tcase_add_test(tc, some_of_many_keys_are_not_the_answer);
    tcase_add_test(tc, an_answer_that_is_too_large_to_be_kept_is_asked_for_by_one_of_the_others);
    tcase_add_test(tc, after_a_failure_all_call_for_themselves);
    tcase_add_test(tc, when_a_process_dies_one_of_the_others_leads);
    tcase_add_test(tc, an_answer_of_another_model_is_told_with_its_name);
    tcase_add_test(tc, a_call_that_is_put_off_puts_all_off);
    tcase_add_test(tc, a_long_pause_is_not_the_pause_of_all_who_come);
    tcase_add_test(tc, one_whom_the_reason_does_not_concern_calls_for_all);
    tcase_add_test(tc, elsewhere_too_the_reason_must_concern_who_is_put_off);
    tcase_add_test(tc, one_after_the_other_asks_again_and_then_all_do);
    tcase_add_test(tc, without_redis_one_of_each_process_leads);
    tcase_add_test(tc, a_lease_that_comes_too_late_is_given_back);
    tcase_add_test(tc, a_lease_that_comes_after_the_call_has_begun_is_kept);
    tcase_add_test(tc, a_full_redis_does_not_keep_calls_from_being_made);
    suite_add_tcase(s, tc);
    return s;
}
