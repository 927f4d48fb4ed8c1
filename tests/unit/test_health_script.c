/* test_health_script.c - lua/health.lua alone: it adds up as the processes do, and arbitrates. */
#include <stdio.h>
#include <string.h>

#include "tests/unit/health_scene.h"

static const char *const parts[] = {
    "",
    "c=3 h4=1 h11=2 g=500",
    "c=2 f0=2 s=4 b=400",
    "c=2 f3=1 f7=1 s=3 b=600",
    "c=5 f0=2 s=2 b=700 g=650",
    "h3=4",
    "c=1 f0=1 s=2 b=500",
};

static void on_told(void *arg, const struct reply *reply, const struct err *err)
{
    ck_assert_msg(reply != NULL, "%s", err ? err->msg : "");
    *(bool *)arg = true;
}

/* "tally|part" -> what the script makes of it, as C writes it. */
static void tell_script(const char *part)
{
    struct redis_args args;
    bool done = false;

    redis_args_init(&args);
    redis_arg_str(&args, key(scene_keys(), KEY_HEALTH));
    redis_arg_str(&args, key(scene_keys(), KEY_ALERTS));
    redis_arg_str(&args, key(scene_keys(), KEY_ALERTED));
    redis_arg_int(&args, 9);
    redis_arg_int(&args, 1000);
    redis_arg_str(&args, HEALTH_SCENE_ROUTE);
    redis_arg_str(&args, part);
    for (int i = 0; i < 6; i++)
        redis_arg_str(&args, i == 2 ? "keep" : "");
    redis_script(scene_redis(), script(SCRIPT_HEALTH), 3, &args, on_told, &done);
    scene_turn_until(&done);
}

START_TEST(the_script_adds_as_the_processes_do)
{
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        for (size_t k = 0; k < ARRAY_LEN(parts); k++) {
            struct health_tally t, part;
            struct health_state got;
            struct buf want = BUF(4096), is = BUF(4096);

            says("DEL @health");
            tell_script(parts[i]);
            tell_script(parts[k]);
            got = health_record();
            ck_assert(health_tally_read((struct span){parts[i], strlen(parts[i])}, &t));
            ck_assert(health_tally_read((struct span){parts[k], strlen(parts[k])}, &part));
            health_tally_add(&t, &part);
            health_tally_write(&t, &want);
            health_tally_write(&got.now, &is);
            ck_assert_msg(want.n == is.n && !memcmp(want.p ? want.p : "", is.p ? is.p : "", is.n),
                          "'%s' + '%s' = '%s', script: '%s'", parts[i], parts[k], want.p, is.p);
            buf_done(&want);
            buf_done(&is);
        }
    }
}
END_TEST

START_TEST(heads_are_taken_by_number)
{
    script_says(SCRIPT_HEALTH,
                "@health @alerts @alerted | 9 1000 p-m c=2,s=1,b=7,g=1 0 1_closed_5 turn '' '' ''");
    ck_assert_ptr_nonnull(strstr(says("HGET @health p-m"), "1_closed_5|"));
    ck_assert_ptr_nonnull(strstr(says("HGET @health p-m"), "b=7"));
    ck_assert_ptr_nonnull(strstr(says("HGET @health p-m"), "c=2"));
    ck_assert_ptr_nonnull(
        strstr(script_says(SCRIPT_HEALTH,
                           "@health @alerts @alerted | 9 1000 p-m '' 0 1_open_5 clear '' '' ''"),
               " n "));
    ck_assert_ptr_nonnull(
        strstr(script_says(SCRIPT_HEALTH,
                           "@health @alerts @alerted | 9 1000 p-m '' 1 2_open_5 clear '' '' ''"),
               " y "));
    CK_SAYS("HGET @health p-m", "2_open_5||");
}
END_TEST

/* Whoever proposed it may be dead before the answer: its alert is there, once. */
START_TEST(a_shift_is_told_in_the_call_that_makes_it)
{
    static const char shift[] = "@health @alerts @alerted | 9 1000 p-m '' %d %d_open_5 clear "
                                "route_opened doc_%d %d";
    char words[200];

    snprintf(words, sizeof words, shift, 0, 1, 1, 0);
    script_says(SCRIPT_HEALTH, words);
    CK_SAYS("XLEN @alerts", "1");
    ck_assert_ptr_nonnull(strstr(says("XRANGE @alerts - +"), "doc_1"));
    snprintf(words, sizeof words, shift, 0, 1, 2, 0);
    script_says(SCRIPT_HEALTH, words); /* another one lost the race for it */
    CK_SAYS("XLEN @alerts", "1");
    snprintf(words, sizeof words, shift, 1, 2, 3, 0);
    script_says(SCRIPT_HEALTH, words);
    CK_SAYS("XLEN @alerts", "2");
    snprintf(words, sizeof words, shift, 2, 3, 4, 60000);
    script_says(SCRIPT_HEALTH, words); /* it flaps: taken, and not told again so soon */
    CK_SAYS("XLEN @alerts", "2");
    says("SET @alerts text");
    says("SET @alerted text");
    snprintf(words, sizeof words, shift, 3, 4, 5, 0);
    script_says(SCRIPT_HEALTH, words);
    CK_SAYS("HGET @health p-m", "4_open_5||");
}
END_TEST

START_TEST(routes_that_nobody_calls_make_room)
{
    CK_SAYS("HSET @health old 1_closed_5|g=5| open 1_open_5|g=5|", "2");
    ck_assert_ptr_nonnull(strstr(
        script_says(SCRIPT_HEALTH, "@health @alerts @alerted | 2 1000 new c=1 '' '' keep '' '' ''"),
        " f "));
    says("DEL @health");
    CK_SAYS("EVAL "
            "redis.call('HSET',KEYS[1],'old','1\\032closed\\0325||','open','1\\032open\\0325||') 1 "
            "@health",
            "nil");
    ck_assert_ptr_nonnull(strstr(
        script_says(SCRIPT_HEALTH, "@health @alerts @alerted | 2 1000 new c=1 '' '' keep '' '' ''"),
        " y "));
    CK_SAYS("HEXISTS @health old", "0");
    CK_SAYS("HEXISTS @health open", "1");
    says("DEL @health");
    CK_SAYS(
        "EVAL "
        "redis.call('HSET',KEYS[1],'gone','1\\032open\\0325\\0320\\0325\\0327\\0320\\032gone||',"
        "'open','1\\032open\\0325\\0320\\0325\\0329790000000000\\0320\\032errors||') 1 @health",
        "nil");
    ck_assert_ptr_nonnull(strstr(
        script_says(SCRIPT_HEALTH, "@health @alerts @alerted | 2 1000 new c=1 '' '' keep '' '' ''"),
        " y "));
    CK_SAYS("HEXISTS @health gone", "0"); /* for long nobody wanted to know whether it is back */
    CK_SAYS("HEXISTS @health open", "1");
}
END_TEST

START_TEST(a_route_that_never_worked_makes_room)
{
    CK_SAYS("HSET @health worked 1|c=2_g=5| bad 1|c=1_f0=1_s=1| new 1|g=6|", "3");
    ck_assert_ptr_nonnull(
        strstr(script_says(SCRIPT_HEALTH,
                           "@health @alerts @alerted | 3 1000 next c=1 '' '' keep '' '' ''"),
               " y "));
    CK_SAYS("HMGET @health worked bad new", "[1|c=2_g=5| nil 1|g=6|]");
}
END_TEST

Suite *test_health_script(void);
Suite *test_health_script(void)
{
    Suite *s = suite_create("health_script");
    TCase *t = tcase_create("script");

    tcase_add_checked_fixture(t, scene_open, scene_close);
    tcase_add_test(t, the_script_adds_as_the_processes_do);
    tcase_add_test(t, heads_are_taken_by_number);
    tcase_add_test(t, a_shift_is_told_in_the_call_that_makes_it);
    tcase_add_test(t, routes_that_nobody_calls_make_room);
    tcase_add_test(t, a_route_that_never_worked_makes_room);
    suite_add_tcase(s, t);
    return s;
}
