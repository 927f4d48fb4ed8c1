/* test_conditions.c - every command of `flotilla` while Redis is full, a replica, without rights
 * for the user, loading, or away: what it did is what it says, and what it could not know it does
 * not make up.
 *
 * A command is one row.  One that only reads answers as ever on a full Redis and on a replica. */
#include "tests/support/world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cli_checks.h"

Suite *test_conditions(void);

enum { ALL_MS = 60000 };

enum condition { FULL, REPLICA, NO_RIGHTS, CONDITIONS };
struct answer {
    int exit_code;
    const char *out, *err; /* parts of what is printed; NULL: nothing is */
};
#define DONE(text)    \
    {                 \
        0, text, NULL \
    }
#define REFUSED(why, not )      \
    {                           \
        1, NULL, why "\x01" not \
    }
#define NO_RIGHT(not )   REFUSED("this user lacks the right", not )
#define ON_REPLICA(not ) REFUSED("it is a replica", not )
#define WHEN_FULL(not )  REFUSED("it is full", not )

/* clang-format off */
static const struct {
    const char *args[8];
    bool needs_redis; /* else it ends well without */
    struct answer in[CONDITIONS];
} commands[] = {
    {{"submit", NOOP("new")}, true,
     {WHEN_FULL("1 document: not submitted"), ON_REPLICA("1 document: not submitted"), NO_RIGHT("new")}},
    {{"submit", "--wait", NOOP("new")}, true,
     {WHEN_FULL("not submitted"), ON_REPLICA("not submitted"), NO_RIGHT("not submitted")}},
    {{"wait", "done"}, true, {DONE("completed"), DONE("completed"), NO_RIGHT("not known: how 1 of 1 jobs ended")}},
    {{"wait", "--stream", "done"}, true, {{0, "", NULL}, {0, "", NULL}, NO_RIGHT("not known")}},
    {{"job", "done"}, true, {DONE("completed"), DONE("completed"), NO_RIGHT("done: not known")}},
    {{"jobs"}, true, {DONE("q-0"), DONE("q-0"), {1, "STATE", "not complete"}}},
    {{"why", "later"}, true, {DONE("delayed"), DONE("delayed"), NO_RIGHT("GET")}},
    {{"cancel", "later"}, true, {DONE("later  cancelled"), ON_REPLICA("later: not cancelled"), NO_RIGHT("later: not known")}},
    {{"retry", "q-0"}, true, {WHEN_FULL("q-0: not run again"), ON_REPLICA("q-0: not run again"), NO_RIGHT("q-0: not known")}},
    {{"retry", "--dead"}, true, {WHEN_FULL("q-0: not run again"), ON_REPLICA("q-0: not run again"), NO_RIGHT("ZRANGE")}},
    {{"queues"}, true, {DONE("(dead)                  1"), DONE("(dead)                  1"), {1, "(dead)                  ?", "lacks the right"}}},
    {{"queues", "--json"}, true, {DONE("\"dead\":1"), DONE("\"dead\":1"), {1, "\"dead\":null", "lacks the right"}}},
    {{"pause", "eval"}, true, {DONE("eval  paused"), ON_REPLICA("eval: not paused"), NO_RIGHT("eval: not paused")}},
    {{"resume", "noop"}, true, {DONE("noop  resumed"), ON_REPLICA("noop: not resumed"), NO_RIGHT("noop: not resumed")}},
    {{"resume", "0123456789abcdef"}, true, {DONE("cleared"), ON_REPLICA("not cleared"), NO_RIGHT("not cleared")}},
    {{"resume", "--model", "m"}, true, {{4, NULL, "no route"}, {4, NULL, "no route"}, NO_RIGHT("HGETALL")}},
    {{"workers"}, true, {DONE("WORKER"), DONE("WORKER"), NO_RIGHT("HGETALL")}},
    {{"scale", "2"}, true, {WHEN_FULL("default: not scaled"), ON_REPLICA("default: not scaled"), NO_RIGHT("default: not scaled")}},
    {{"models"}, false, {DONE("CONTEXT"), DONE("CONTEXT"), DONE("CONTEXT")}},
    {{"models", "--all"}, false, {DONE("CONTEXT"), DONE("CONTEXT"), {1, "CONTEXT", "lacks the right"}}},
    {{"models", "--explain"}, false, {DONE("SCORE"), DONE("SCORE"), {1, "SCORE", "lacks the right"}}},
    {{"route", "list"}, true, {DONE("MODEL"), DONE("MODEL"), NO_RIGHT("HGETALL")}},
    {{"route", "add", "my/m", "--tasks", "chat", "--input-usd=1"}, true, {WHEN_FULL("my/m: not added"), ON_REPLICA("my/m: not added"), NO_RIGHT("my/m: not added")}},
    {{"route", "remove", "my/m"}, true, {{4, NULL, "no route"}, ON_REPLICA("my/m: not removed"), NO_RIGHT("my/m: not removed")}},
    {{"costs"}, true, {DONE("COST"), DONE("COST"), NO_RIGHT("HGETALL")}},
    {{"budgets"}, true, {DONE("BUDGET"), DONE("BUDGET"), NO_RIGHT("TIME")}},
    {{"tail"}, true, {{-1, "", ""}, {-1, "", ""}, NO_RIGHT("XREVRANGE")}}, /* without an end */
    {{"tail", "alerts"}, true, {{-1, "", ""}, {-1, "", ""}, NO_RIGHT("XREVRANGE")}},
    {{"doctor"}, false, {{1, "Redis is full", NULL}, {1, "because it is a replica", NULL}, {0, "not known: INFO refused (ACL)", NULL}}},
    {{"config", "check"}, false, {DONE("good"), DONE("good"), DONE("good")}},
    {{"help"}, false, {DONE("jobs"), DONE("jobs"), DONE("jobs")}},
    {{"version"}, false, {DONE("flotilla"), DONE("flotilla"), DONE("flotilla")}},
};
/* clang-format on */

static const char *const names[] = {
#define X(symbol, name, args, flags, text) name,
#include "scheduler/cli/commands.def"
};

static struct cli run_at(struct world *w, const char *url, const char *const *args)
{
    const char *setting = world_text(w, "REDIS_URL=%s", url);
    struct program *p = world_start(w, "flotilla", args, (const char *const[]){setting, NULL});
    struct cli cli;

    cli.exit_code = program_wait(p, 30000);
    cli.out = world_own(w, program_out(p), free);
    cli.err = world_own(w, program_err(p), free);
    return cli;
}

/* Each part, of which \x01 is between two. */
static void check_parts(struct world *w, const char *name, const char *text, const char *parts)
{
    while (parts && *parts) {
        size_t n = strcspn(parts, "\x01");
        const char *part = world_text(w, "%.*s", (int)n, parts);

        ck_assert_msg(has(text, part), "%s: no '%s' in: %s", name, part, text);
        parts += n + (parts[n] != '\0');
    }
    ck_assert_msg(parts || !*text, "%s prints: %s", name, text);
}

static void check_all(struct world *w, enum condition condition, const char *url)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const struct answer *want = &commands[i].in[condition];
        const char *name = world_text(w, "%s %s (%d)", commands[i].args[0],
                                      commands[i].args[1] ? commands[i].args[1] : "", condition);
        struct cli cli;

        if (want->exit_code < 0)
            continue;
        cli = run_at(w, url, commands[i].args);
        ck_assert_msg(cli.exit_code == want->exit_code, "%s: exit %d: %s%s", name, cli.exit_code,
                      cli.out, cli.err);
        check_parts(w, name, cli.out, want->out);
        check_parts(w, name, cli.err, want->err);
        ck_assert_msg(lines_in(cli.err) <= 4, "%s says too much: %s", name, cli.err);
    }
}

/* The jobs `done`, `q-0`, `later`, and `held` in a paused queue. */
static void fill(struct world *w)
{
    world_push(w, "{'id':'done','type':'noop','payload':{'result':{'n':1}}}");
    world_sim_faults(w, "{'path':'/v1/chat/completions','status':400,'times':1}");
    world_push_questions(w, 1, NULL);
    world_wait_results(w, 2, ALL_MS);
    CHECK_EXIT(world_cli(w, "pause", "noop"), 0);
    world_push(w, "{'id':'later','type':'noop','payload':{},'delay_ms':3600000}");
    world_push(w, "{'id':'ready','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:delayed") == 1);
    world_redis(w, "HSET fl:{0}:stops 0123456789abcdef %s", "1 9999999999999 bad_key");
}

START_TEST(every_command_stands_in_the_table)
{
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        bool found = false;

        for (size_t k = 0; k < ARRAY_LEN(commands); k++)
            found |= !strcmp(names[i], commands[k].args[0]);
        ck_assert_msg(found, "%s", names[i]);
    }
}
END_TEST

START_TEST(on_a_replica_and_without_rights_nothing_is_made_up)
{
    struct world *w = world_new(.simulator = true);
    struct program *scheduler = world_start_scheduler(w);
    struct program *worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");

    fill(w);
    program_kill(scheduler);
    program_kill(worker);
    world_redis(w, "REPLICAOF 127.0.0.1 1");
    check_all(w, REPLICA, w->redis_url);
    world_redis(w, "REPLICAOF NO ONE");
    world_redis(w, "ACL SETUSER nobody on %s ~* -@all +@connection", ">secret");
    check_all(w, NO_RIGHTS, world_text(w, "unix://nobody:secret@%s", w->redis_socket));
    world_redis(w, "ACL LOG RESET");
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 1); /* nothing was changed */
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:delayed"), 1);
    ck_assert_int_eq(world_int(w, "HEXISTS fl:{0}:paused noop"), 1);
    world_free(w);
}
END_TEST

/* ---- it does not answer at all ---------------------------------------------------- */

static void check_none(struct world *w, const char *url, const char *why)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        const char *name = commands[i].args[0];
        struct cli cli = run_at(w, url, commands[i].args);
        int want = commands[i].needs_redis ? 69 : !strcmp(name, "doctor") ? 1 : 0;

        ck_assert_msg(cli.exit_code == want, "%s: exit %d: %s", name, cli.exit_code, cli.err);
        if (!commands[i].needs_redis)
            continue;
        ck_assert_msg(!*cli.out, "%s prints: %s", name, cli.out);
        CHECK_HAS(cli.err, why);
    }
}

static struct program *start_other(struct world *w, const char *delay_us)
{
    struct program *p = world_start(
        w, "/usr/bin/redis-server",
        (const char *const[]){"--port", "0", "--unixsocket", world_text(w, "%s/other.sock", w->dir),
                              "--dir", w->dir, "--save", "", "--key-load-delay", delay_us,
                              "--loading-process-events-interval-bytes", "1024", NULL},
        NULL);

    p->may_end = true;
    return p;
}

/* The answer of the other server to that command, "" none yet. */
static const char *other_says(struct world *w, const char *command)
{
    redisContext *c = redisConnectUnix(world_text(w, "%s/other.sock", w->dir));
    redisReply *r = c && !c->err ? redisCommand(c, command) : NULL;
    const char *text = world_text(w, "%s", r && r->str ? r->str : "");

    freeReplyObject(r);
    redisFree(c);
    return text;
}

static void fill_other(struct world *w)
{
    redisContext *c = redisConnectUnix(world_text(w, "%s/other.sock", w->dir));

    freeReplyObject(
        redisCommand(c, "EVAL %s 0", "for i = 1, 20000 do redis.call('SET', 'k' .. i, i) end"));
    redisFree(c);
}

START_TEST(away_or_loading_each_command_says_so_and_prints_nothing)
{
    struct world *w = world_new();
    const char *url = world_text(w, "unix://%s/other.sock", w->dir);
    struct program *other;

    check_none(w, url, "No such file or directory");
    other = start_other(w, "0");
    WAIT_UNTIL(w, ALL_MS, !strcmp(other_says(w, "PING"), "PONG"));
    fill_other(w);
    ck_assert_str_eq(other_says(w, "SAVE"), "OK");
    program_kill(other);
    other = start_other(w, "400");
    WAIT_UNTIL(w, ALL_MS, has(other_says(w, "PING"), "LOADING"));
    check_none(w, url, "LOADING");
    CHECK_HAS(run_at(w, url, (const char *const[]){"doctor", NULL}).out,
              "wait until it has loaded");
    program_kill(other);
    world_free(w);
}
END_TEST

START_TEST(on_a_full_redis_each_command_says_what_it_did)
{
    struct world *w = world_with_all();

    fill(w);
    world_redis(w, "CONFIG SET maxmemory 1000");
    check_all(w, FULL, w->redis_url);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:delayed"),
                     0);              /* what is cancelled is not counted */
    world_wait_results(w, 4, ALL_MS); /* the queue was resumed, by a bell */
    ck_assert_str_eq(world_result(w, "ready")->status, "completed");
    world_redis(w, "CONFIG SET maxmemory 0");
    world_check_one_result_each(w, 4);
    world_free(w);
}
END_TEST

/* Each further call would wait for its own time-out, of a server that is silent. */
START_TEST(once_the_connection_is_lost_nothing_more_is_asked)
{
    static const char *const asked[][3] = {
        {"queues", "ready:inference.standard"}, {"models", "routes"}, {"doctor", "workers"}};
    struct world *w = world_new(.proxy = true);

    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        int64_t before = proxy_stats(w->proxy).accepted;
        struct cli cli;

        proxy_lose_reply(w->proxy, asked[i][1]);
        cli = world_cli(w, asked[i][0], strcmp(asked[i][0], "models") ? "--json" : "--all");
        CHECK_EXIT(cli, 69);
        ck_assert_int_eq(proxy_stats(w->proxy).faults, (int)i + 1);
        ck_assert_int_eq(proxy_stats(w->proxy).accepted - before, 1);
    }
    world_free(w);
}
END_TEST

START_TEST(config_check_reads_all_of_the_url_of_redis)
{
    static const char *const urls[] = {"redis://[::1", "redis://[::1]x", "redis://::1:6379",
                                       "redis://[]",   "redis://host:0", "redis://u@host"};
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
        struct cli cli = run_at(w, urls[i], (const char *const[]){"config", "check", NULL});

        CHECK_EXIT(cli, 78);
        CHECK_HAS(cli.err, "redis.url: Redis URL: ");
        ck_assert_str_eq(cli.out, "");
    }
    CHECK_EXIT(run_at(w, "redis://[::1]:1", (const char *const[]){"config", "check", NULL}), 0);
    world_free(w);
}
END_TEST

Suite *test_conditions(void)
{
    Suite *s = suite_create("conditions");
    TCase *tc = tcase_create("conditions");

    tcase_set_timeout(tc, 90);
    tcase_add_test(tc, every_command_stands_in_the_table);
    tcase_add_test(tc, on_a_replica_and_without_rights_nothing_is_made_up);
    tcase_add_test(tc, away_or_loading_each_command_says_so_and_prints_nothing);
    tcase_add_test(tc, on_a_full_redis_each_command_says_what_it_did);
    tcase_add_test(tc, once_the_connection_is_lost_nothing_more_is_asked);
    tcase_add_test(tc, config_check_reads_all_of_the_url_of_redis);
    suite_add_tcase(s, tc);
    return s;
}
