/* test_world.c - the instruments of the other suites, tried on a Redis alone. */
#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/world_private.h"

/* A connection like a program's: by the address that the world tells them. */
static redisContext *connect_as_a_program(struct world *w)
{
    struct timeval limit = {0, patience_ms(300) * 1000L};
    redisContext *c = redisConnectUnixWithTimeout(w->redis_url + strlen("unix://"), limit);

    ck_assert_ptr_nonnull(c);
    if (!c->err)
        redisSetTimeout(c, limit);
    return c;
}

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
    redisContext *c = connect_as_a_program(w);
    redisReply *r;

    world_redis_freeze(w);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    ck_assert_int_eq(errno, EAGAIN);
    redisFree(c);
    world_redis_thaw(w);
    c = connect_as_a_program(w);
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

/* Run `body` as a test of its own with a world of its own, whose directory is in w's: how it
 * ended, as program_wait tells it, once its Redis is gone as well. */
static int end_of(struct world *w, void (*body)(struct world *))
{
    pid_t pid, redis = 0;
    int ends[2], status;

    ck_assert_int_eq(pipe(ends), 0);
    setenv("FLOTILLA_TEST_DIR", w->dir, 1);
    pid = fork();
    if (pid == 0) {
        struct world *inner = world_new();

        if (write(ends[1], &inner->redis->pid, sizeof redis) < 0 ||
            !freopen("/dev/null", "w", stderr))
            _exit(99);
        body(inner);
        _exit(0);
    }
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(read(ends[0], &redis, sizeof redis), sizeof redis);
    WAIT_UNTIL(w, 5000, waitpid(redis, NULL, WNOHANG) != 0); /* this test is its subreaper */
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void die_hard(struct world *w)
{
    (void)w;
    raise(SIGKILL);
}

START_TEST(redis_dies_with_a_test_that_was_killed)
{
    struct world *w = world_new();

    ck_assert_int_eq(end_of(w, die_hard), -SIGKILL);
    world_free(w);
}
END_TEST

/* ---- the proxy -------------------------------------------------------------- */
START_TEST(the_proxy_passes_small_and_large)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w);
    size_t n = 3000000;
    char *big = malloc(n);
    redisReply *r;

    memset(big, 'x', n);
    freeReplyObject(redisCommand(c, "SET big %b", big, n));
    r = redisCommand(c, "GET big");
    ck_assert_uint_eq(r->len, n);
    ck_assert_mem_eq(r->str, big, n);
    freeReplyObject(r);
    free(big);
    ck_assert_int_eq(proxy_stats(w->proxy).requests, 2);
    ck_assert_int_eq(proxy_stats(w->proxy).open, 1);
    redisFree(c);
    world_free(w);
}
END_TEST

START_TEST(a_stalled_proxy_is_silent_and_then_delivers)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w), *late;
    redisReply *r;

    freeReplyObject(redisCommand(c, "PING"));
    proxy_stall(w->proxy);
    redisAppendCommand(c, "INCR n");
    ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_ERR);
    ck_assert_int_eq(errno, EAGAIN); /* silence, not an end */
    late = connect_as_a_program(w);
    ck_assert_int_eq(late->err, 0);
    ck_assert_ptr_null(redisCommand(late, "INCR n"));
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_ptr_null(world_string(w, "GET n"));
    proxy_pass(w->proxy);
    WAIT_UNTIL(w, 5000, world_int(w, "INCRBY n 0") == 2);
    redisFree(c);
    redisFree(late);
    world_free(w);
}
END_TEST

START_TEST(a_cut_ends_every_connection_and_new_ones_are_fine)
{
    struct world *w = world_new(.proxy = true);
    redisContext *a = connect_as_a_program(w), *b = connect_as_a_program(w);
    redisReply *r;

    freeReplyObject(redisCommand(a, "PING"));
    freeReplyObject(redisCommand(b, "PING"));
    proxy_cut(w->proxy);
    ck_assert_ptr_null(redisCommand(a, "INCR n"));
    ck_assert_ptr_null(redisCommand(b, "INCR n"));
    redisFree(a);
    redisFree(b);
    a = connect_as_a_program(w);
    r = redisCommand(a, "INCR n");
    ck_assert_int_eq(r->integer, 1);
    freeReplyObject(r);
    redisFree(a);
    world_free(w);
}
END_TEST

START_TEST(a_refusing_proxy_ends_connections_and_takes_no_new_one)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w);

    freeReplyObject(redisCommand(c, "PING"));
    proxy_refuse(w->proxy);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    redisFree(c);
    c = connect_as_a_program(w);
    ck_assert_int_ne(c->err, 0);
    redisFree(c);
    proxy_pass(w->proxy);
    c = connect_as_a_program(w);
    ck_assert_int_eq(c->err, 0);
    freeReplyObject(redisCommand(c, "PING"));
    ck_assert_int_eq(proxy_stats(w->proxy).open, 1);
    redisFree(c);
    world_free(w);
}
END_TEST

/* Pipelined: a request before, the one that is hit, one after; the hit one with n bytes. */
static void send_three(redisContext *c, size_t n)
{
    char *value = malloc(n);

    ck_assert_ptr_nonnull(value);
    memset(value, 'v', n);
    redisAppendCommand(c, "INCR before");
    redisAppendCommand(c, "RPUSH hit the-token %b", value, n);
    redisAppendCommand(c, "INCR after");
    free(value);
}

static const size_t sizes[] = {1, 70000, 2000000};

START_TEST(a_lost_reply_means_that_redis_ran_it_once)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w);
    redisReply *r = NULL;
    int replies = 0;

    proxy_lose_reply(w->proxy, "the-token");
    send_three(c, sizes[_i]);
    while (redisGetReply(c, (void **)&r) == REDIS_OK) {
        freeReplyObject(r);
        replies++;
    }
    ck_assert_int_le(replies, 1); /* `before` at most */
    ck_assert_int_eq(c->err, REDIS_ERR_EOF);
    ck_assert_int_eq(world_int(w, "LLEN hit"), 2);
    ck_assert_int_eq(proxy_stats(w->proxy).faults, 1);
    redisFree(c);
    c = connect_as_a_program(w); /* the fault happens once */
    freeReplyObject(redisCommand(c, "RPUSH hit the-token"));
    ck_assert_int_eq(c->err, 0);
    redisFree(c);
    world_free(w);
}
END_TEST

START_TEST(a_lost_request_never_reaches_redis)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w);
    void *r = NULL;

    proxy_lose_request(w->proxy, "the-token");
    send_three(c, sizes[_i]);
    while (redisGetReply(c, &r) == REDIS_OK)
        freeReplyObject(r);
    ck_assert_int_eq(proxy_stats(w->proxy).faults, 1);
    ck_assert_int_eq(proxy_stats(w->proxy).open, 0);
    ck_assert_int_eq(world_int(w, "EXISTS hit after"), 0);
    redisFree(c);
    world_free(w);
}
END_TEST

START_TEST(a_silenced_reply_leaves_the_connection_open)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w), *other = connect_as_a_program(w);

    proxy_silence_reply(w->proxy, "the-token");
    ck_assert_ptr_null(redisCommand(c, "RPUSH hit the-token"));
    ck_assert_int_eq(errno, EAGAIN);
    ck_assert_int_eq(world_int(w, "LLEN hit"), 1);
    ck_assert_int_eq(proxy_stats(w->proxy).open, 2);
    freeReplyObject(redisCommand(other, "PING"));
    ck_assert_int_eq(other->err, 0);
    redisFree(c);
    WAIT_UNTIL(w, 5000, proxy_stats(w->proxy).open == 1);
    redisFree(other);
    world_free(w);
}
END_TEST

START_TEST(the_proxy_survives_redis)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = connect_as_a_program(w);

    freeReplyObject(redisCommand(c, "PING"));
    world_redis_kill(w);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    redisFree(c);
    world_redis_start(w);
    c = connect_as_a_program(w);
    freeReplyObject(redisCommand(c, "PING"));
    ck_assert_int_eq(c->err, 0);
    redisFree(c);
    world_free(w);
}
END_TEST

/* ---- documents -------------------------------------------------------------- */
START_TEST(jobs_are_pushed_with_either_quote)
{
    struct world *w = world_new();
    json_t *doc;

    world_push(w, "{'id':'a-%d','type':'noop','payload':{}}", 1);
    world_push_json(w, json_pack("{s:s}", "id", "it's"));
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "a-1");
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "it's");
    world_free(w);
}
END_TEST

START_TEST(questions_are_chat_jobs)
{
    struct world *w = world_new();
    json_t *doc;

    world_push_questions(w, 20, "'priority':'batch'");
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:intake"), 20);
    doc = world_json(w, world_string(w, "RPOP fl:{0}:intake"));
    ck_assert_str_eq(world_string_at(doc, "id"), "q-0");
    ck_assert_str_eq(world_string_at(doc, "priority"), "batch");
    ck_assert_uint_gt(strlen(world_string_at(doc, "payload.body.messages.0.content")), 10);
    world_free(w);
}
END_TEST

/* What a finishing script would have written. */
static void add_result(struct world *w, const char *id, int run, const char *status)
{
    world_redis(w, "XADD fl:{0}:results * id %s status %s doc %s", id, status,
                world_text(w, "{\"id\":\"%s\",\"run\":%d,\"status\":\"%s\"}", id, run, status));
}

START_TEST(results_are_read_and_counted_by_job)
{
    struct world *w = world_new();

    add_result(w, "a", 1, "failed");
    add_result(w, "b", 1, "completed");
    add_result(w, "a", 2, "completed");
    ck_assert_uint_eq(world_wait_results(w, 3, 1000)->count, 3);
    ck_assert_int_eq(world_result(w, "a")->run, 2);
    ck_assert_str_eq(world_result(w, "b")->status, "completed");
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

static int64_t lines_in(struct world *w, const char *file)
{
    FILE *in = fopen(world_text(w, "%s/%s", w->dir, file), "re");
    int64_t n = 0;

    for (int c; in && (c = getc(in)) != EOF;)
        n += c == '\n';
    if (in)
        fclose(in);
    return n;
}

START_TEST(documents_are_collected_when_asked)
{
    struct world *w = world_new();

    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    world_push_raw(w, "{]", 2);
    add_result(w, "a", 1, "completed");
    add_result(w, "b", 1, "completed");
    setenv("FLOTILLA_COLLECT", w->dir, 1);
    world_collect(w);
    unsetenv("FLOTILLA_COLLECT");
    ck_assert_int_eq(lines_in(w, "job.jsonl"), 1);
    ck_assert_int_eq(lines_in(w, "result.jsonl"), 2);
    ck_assert_int_eq(lines_in(w, "cost.jsonl"), 0);
    world_free(w);
}
END_TEST

/* Each of these must make the check fail the test; run apart so that we see it. */
static void two_results(struct world *w)
{
    add_result(w, "a", 1, "failed");
    add_result(w, "a", 1, "completed");
    world_check_one_result_each(w, 1);
}
static void a_missing_result(struct world *w)
{
    add_result(w, "a", 1, "failed");
    world_check_one_result_each(w, 2);
}
static void no_end_state(struct world *w)
{
    add_result(w, "a", 1, "ready");
    world_check_one_result_each(w, 1);
}
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

static void (*const faults[])(struct world *) = {
    two_results,          a_missing_result,       no_end_state,      no_result_at_all,
    a_program_that_ended, a_program_that_crashed, a_sanitizer_report};

START_TEST(what_is_wrong_fails_the_test)
{
    struct world *w = world_new();

    ck_assert_int_eq(end_of(w, faults[_i]), 1);
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
    tcase_add_test(tc, redis_dies_with_a_test_that_was_killed);
    suite_add_tcase(s, tc);
}

static void add_proxy(Suite *s)
{
    TCase *tc = tcase_create("proxy");

    tcase_add_test(tc, the_proxy_passes_small_and_large);
    tcase_add_test(tc, a_stalled_proxy_is_silent_and_then_delivers);
    tcase_add_test(tc, a_cut_ends_every_connection_and_new_ones_are_fine);
    tcase_add_test(tc, a_refusing_proxy_ends_connections_and_takes_no_new_one);
    tcase_add_loop_test(tc, a_lost_reply_means_that_redis_ran_it_once, 0, (int)ARRAY_LEN(sizes));
    tcase_add_loop_test(tc, a_lost_request_never_reaches_redis, 0, (int)ARRAY_LEN(sizes));
    tcase_add_test(tc, a_silenced_reply_leaves_the_connection_open);
    tcase_add_test(tc, the_proxy_survives_redis);
    suite_add_tcase(s, tc);
}

/* The documents here are no real ones. */
static void collect_nothing(void) { unsetenv("FLOTILLA_COLLECT"); }

static void add_documents(Suite *s)
{
    TCase *tc = tcase_create("documents");

    tcase_add_checked_fixture(tc, collect_nothing, NULL);
    tcase_add_test(tc, jobs_are_pushed_with_either_quote);
    tcase_add_test(tc, questions_are_chat_jobs);
    tcase_add_test(tc, results_are_read_and_counted_by_job);
    tcase_add_test(tc, documents_are_collected_when_asked);
    tcase_add_loop_test(tc, what_is_wrong_fails_the_test, 0, (int)ARRAY_LEN(faults));
    suite_add_tcase(s, tc);
}

Suite *test_world(void)
{
    Suite *s = suite_create("world");

    add_life(s);
    add_proxy(s);
    add_documents(s);
    return s;
}
