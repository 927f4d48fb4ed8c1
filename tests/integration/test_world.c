/* test_world.c - the instruments of the other suites, tried on a Redis alone. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/trial.h"

static bool exists(pid_t pid) { return kill(pid, 0) == 0; }

/* ---- life ------------------------------------------------------------------- */
START_TEST(a_private_redis_answers_and_is_gone_afterwards)
{
    struct world *w = world_new();
    pid_t pid = w->redis->pid;
    char *dir = strdup(w->dir);

    ck_assert_str_eq(world_string(w, "ECHO %s", "hello"), "hello");
    ck_assert_str_eq(world_redis(w, "CONFIG GET maxmemory-policy")->element[1]->str, "noeviction");
    ck_assert_str_eq(world_redis(w, "CONFIG GET save")->element[1]->str, "");
    world_free(w);
    ck_assert(!exists(pid));
    ck_assert_int_eq(access(dir, F_OK), -1);
    free(dir);
}
END_TEST

START_TEST(redis_listens_on_a_port_when_asked)
{
    struct world *w = world_new(.tcp = true);
    redisContext *c = redisConnect("127.0.0.1", w->redis_port);

    ck_assert_int_eq(c->err, 0);
    redisFree(c);
    world_free(w);
}
END_TEST

START_TEST(a_killed_redis_comes_back_with_what_it_acknowledged)
{
    struct world *w = world_new(.appendfsync = "always");

    for (int i = 0; i < 100; i++)
        world_redis(w, "LPUSH kept %d", i);
    world_redis_kill(w);
    ck_assert_ptr_null(world_redis_try(w, "PING"));
    world_redis_start(w);
    ck_assert_int_eq(world_int(w, "LLEN kept"), 100);
    world_free(w);
}
END_TEST

START_TEST(a_redis_without_a_file_comes_back_empty)
{
    struct world *w = world_new();

    world_redis(w, "SET a 1");
    world_redis_stop(w);
    world_redis_start(w);
    ck_assert_ptr_null(world_string(w, "GET a"));
    world_free(w);
}
END_TEST

START_TEST(a_frozen_redis_is_silent_until_it_thaws)
{
    struct world *w = world_new();
    redisContext *c = trial_connect(w);
    redisReply *r;

    world_redis_freeze(w);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    ck_assert_int_eq(errno, EAGAIN);
    redisFree(c);
    world_redis_thaw(w);
    c = trial_connect(w);
    r = redisCommand(c, "PING");
    ck_assert_str_eq(r->str, "PONG");
    freeReplyObject(r);
    redisFree(c);
    world_free(w);
}
END_TEST

/* ---- programs --------------------------------------------------------------- */
static struct program *start_shell(struct world *w, const char *script, const char *const *settings)
{
    return world_start(w, "/bin/sh", (const char *const[]){"-c", script, NULL}, settings);
}

START_TEST(a_program_gets_the_settings_of_the_world_and_of_the_test)
{
    struct world *w = world_new();
    const char *const settings[] = {"FLOTILLA_DATA_DIR=/elsewhere", "HOME", NULL};
    struct program *p = start_shell(w, "echo $REDIS_URL,$FLOTILLA_DATA_DIR,$HOME.", settings);
    char *out;

    ck_assert_int_eq(program_wait(p, 5000), 0);
    out = program_out(p);
    ck_assert_str_eq(out, world_text(w, "%s,/elsewhere,.\n", w->redis_url));
    free(out);
    world_free(w);
}
END_TEST

static bool has_written(const struct program *p)
{
    char *out = program_out(p);
    bool any = *out != '\0';

    free(out);
    return any;
}

START_TEST(the_end_of_a_program_is_its_code_or_signal)
{
    struct world *w = world_new();
    struct program *stubborn =
        start_shell(w, "trap 'exit 5' TERM; echo up; while :; do sleep .01; done", NULL);

    ck_assert_int_eq(program_wait(start_shell(w, "exit 7", NULL), 5000), 7);
    ck_assert_int_eq(program_wait(start_shell(w, "kill -SEGV $$", NULL), 5000), -SIGSEGV);
    WAIT_UNTIL(w, 5000, has_written(stubborn));
    ck_assert_int_eq(program_stop(stubborn, 5000), 5);
    world_free(w);
}
END_TEST

START_TEST(nothing_a_program_started_outlives_the_world)
{
    struct world *w = world_new();
    struct program *p =
        start_shell(w, "setsid sleep 100 & sleep 100 & (setsid sleep 100 &) ; wait", NULL);
    pid_t pids[16];
    size_t n = 0;

    WAIT_UNTIL(w, 5000, (n = program_descendants(getpid(), pids, ARRAY_LEN(pids))) >= 5);
    ck_assert_uint_ge(program_children(p->pid, pids, ARRAY_LEN(pids)), 2);
    n = program_descendants(getpid(), pids, ARRAY_LEN(pids));
    world_free(w);
    for (size_t i = 0; i < n; i++)
        ck_assert_msg(!exists(pids[i]), "pid %d is still there", (int)pids[i]);
}
END_TEST

static void die_hard(struct world *w)
{
    (void)w;
    raise(SIGKILL);
}

START_TEST(redis_dies_with_a_test_that_was_killed)
{
    struct world *w = world_new();

    ck_assert_int_eq(trial_run(w, false, die_hard), -SIGKILL);
    world_free(w);
}
END_TEST

/* Each of these must make the check fail the test; run apart so that we see it. */
static void no_result_at_all(struct world *w) { world_wait_results(w, 1, 50); }
static void a_program_that_ended(struct world *w)
{
    start_shell(w, "echo 'cannot go on' >&2; exit 3", NULL);
    WAIT_UNTIL(w, 60000, false);
}
static void a_program_that_crashed(struct world *w)
{
    struct program *p = start_shell(w, "kill -SEGV $$", NULL);

    while (program_runs(p))
        pause_ms(1);
    world_free(w);
}
static void a_sanitizer_report(struct world *w)
{
    program_wait(start_shell(w, "echo 'x.c:1:2: runtime error: overflow' >&2", NULL), 5000);
    world_free(w);
}

static void (*const faults[])(struct world *) = {no_result_at_all, a_program_that_ended,
                                                 a_program_that_crashed, a_sanitizer_report};

START_TEST(what_is_wrong_fails_the_test)
{
    struct world *w = world_new();

    ck_assert_int_eq(trial_run(w, false, faults[_i]), 1);
    world_free(w);
}
END_TEST

/* ---- the suite -------------------------------------------------------------- */
static void add_life(Suite *s)
{
    TCase *tc = tcase_create("life");

    tcase_add_test(tc, a_private_redis_answers_and_is_gone_afterwards);
    tcase_add_test(tc, redis_listens_on_a_port_when_asked);
    tcase_add_test(tc, a_killed_redis_comes_back_with_what_it_acknowledged);
    tcase_add_test(tc, a_redis_without_a_file_comes_back_empty);
    tcase_add_test(tc, a_frozen_redis_is_silent_until_it_thaws);
    tcase_add_test(tc, a_program_gets_the_settings_of_the_world_and_of_the_test);
    tcase_add_test(tc, the_end_of_a_program_is_its_code_or_signal);
    tcase_add_test(tc, nothing_a_program_started_outlives_the_world);
    tcase_add_loop_test(tc, what_is_wrong_fails_the_test, 0, (int)ARRAY_LEN(faults));
    tcase_add_test(tc, redis_dies_with_a_test_that_was_killed);
    suite_add_tcase(s, tc);
}

Suite *test_world(void)
{
    Suite *s = suite_create("world");

    add_life(s);
    return s;
}
