/* test_rights.c - the users of deploy/redis/users.acl: what each may do, and what not.
 *
 * Every other suite runs under them as well (tests/support/world_redis.c): here is what is refused,
 * and how the file is installed. */
#include "tests/support/world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cli_checks.h"

Suite *test_rights(void);

static redisContext *log_in(const char *socket, const char *user, const char *password)
{
    redisContext *c = redisConnectUnix(socket);
    redisReply *r;

    ck_assert_msg(c && !c->err, "no connection");
    r = redisCommand(c, "AUTH %s %s", user, password);
    ck_assert_ptr_nonnull(r);
    ck_assert_msg(r->type == REDIS_REPLY_STATUS, "%s: %s", user, r->str);
    freeReplyObject(r);
    return c;
}

/* False: Redis says that the user has no right to it. */
static bool may(const char *socket, const char *user, const char *password, const char *command)
{
    redisContext *c = log_in(socket, user, password);
    redisReply *r = redisCommand(c, command);
    bool allowed;

    ck_assert_ptr_nonnull(r);
    allowed = r->type != REDIS_REPLY_ERROR || strncmp(r->str, "NOPERM", 6) != 0;
    freeReplyObject(r);
    redisFree(c);
    return allowed;
}

/* clang-format off */
static const struct {
    const char *user, *command;
    bool allowed;
} rights[] = {
    {"producer", "LPUSH fl:{0}:intake {}", true},
    {"producer", "RPUSH fl:{0}:list:rows {}", true},
    {"producer", "LPOP fl:{0}:reply:a", true},
    {"producer", "GET fl:{0}:job:a", true},
    {"producer", "XREAD STREAMS fl:{0}:chunks:a 0", true},
    {"producer", "LPOP fl:{0}:intake", false},
    {"producer", "LRANGE fl:{0}:intake 0 -1", false},
    {"producer", "LPUSH fl:{0}:reply:a {}", false},
    {"producer", "LPUSH fl:{0}:ready:noop a", false},
    {"producer", "SET fl:{0}:job:a x", false},
    {"producer", "DEL fl:{0}:intake", false},
    {"producer", "XREAD STREAMS fl:{0}:results 0", false},
    {"producer", "HGETALL fl:{0}:stops", false},
    {"producer", "SCAN 0", false},
    {"producer", "EVAL return 0", false},
    {"producer", "CONFIG GET requirepass", false},
    {"consumer", "XRANGE fl:{0}:results - +", true},
    {"consumer", "XGROUP CREATE fl:{0}:costs books $ MKSTREAM", true},
    {"consumer", "XREADGROUP GROUP books me STREAMS fl:{0}:costs >", true},
    {"consumer", "XACK fl:{0}:costs books 0-1", true},
    {"consumer", "XGROUP DESTROY fl:{0}:costs books", false},
    {"consumer", "XTRIM fl:{0}:results MAXLEN 0", false},
    {"consumer", "DEL fl:{0}:results", false},
    {"consumer", "GET fl:{0}:job:a", false},
    {"viewer", "HGETALL fl:{0}:workers", true},
    {"viewer", "HGETALL fl:{0}:spend:2026-01-01", true},
    {"viewer", "LLEN fl:{0}:intake", true},
    {"viewer", "LRANGE fl:{0}:intake 0 -1", false},
    {"viewer", "GET fl:{0}:job:a", false},
    {"viewer", "XRANGE fl:{0}:results - +", false},
    {"viewer", "GET fl:{0}:infer:-:m:a", false},
    {"viewer", "HSET fl:{0}:paused noop 1", false},
    {"viewer", "LPUSH fl:{0}:intake {}", false},
    {"viewer", "SCAN 0", false},
    {"worker", "SET fl:{0}:job:a x", true},
    {"worker", "SET fl:infer:-:m:a x", false},
    {"worker", "KEYS *", false},
    {"worker", "SCAN 0", false},
    {"worker", "EVAL return 0", false},
    {"worker", "CONFIG GET requirepass", false},
    {"scheduler", "GET other", false},
    {"scheduler", "FLUSHALL", false},
    {"scheduler", "CONFIG GET requirepass", false},
    {"operator", "FLUSHALL", false},
    {"operator", "ACL LIST", false},
    {"operator", "SET other x", false},
};
/* clang-format on */

START_TEST(each_user_may_do_its_work_and_no_more)
{
    struct world *w = world_new();

    for (size_t i = 0; i < ARRAY_LEN(rights); i++)
        if (may(w->redis_socket, rights[i].user, world_text(w, "%s-of-the-tests", rights[i].user),
                rights[i].command) != rights[i].allowed)
            ck_abort_msg("%s is %s: %s", rights[i].user, rights[i].allowed ? "refused" : "admitted",
                         rights[i].command);
    world_redis(w, "ACL LOG RESET");
    world_free(w);
}
END_TEST

static struct cli cli_as(struct world *w, const char *user, const char *const *args)
{
    const char *url = world_text(w, "REDIS_URL=%s", world_redis_url_as(w, user));
    struct program *p = world_start(w, "flotilla", args, (const char *const[]){url, NULL});
    struct cli cli;

    cli.exit_code = program_wait(p, 30000);
    cli.out = world_own(w, program_out(p), free);
    cli.err = world_own(w, program_err(p), free);
    return cli;
}
#define CLI_AS(w, user, ...) cli_as(w, user, (const char *const[]){__VA_ARGS__, NULL})

START_TEST(a_producer_submits_waits_and_reads_its_reply)
{
    struct world *w = world_new();
    redisContext *c = log_in(w->redis_socket, "producer", "producer-of-the-tests");
    redisReply *r;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    ck_assert_int_eq(
        CLI_AS(w, "producer", "submit", "--wait", "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}}")
            .exit_code,
        0);
    ck_assert_int_eq(CLI_AS(w, "producer", "wait", "a").exit_code, 0);
    freeReplyObject(redisCommand(c, "LPUSH fl:{0}:intake %s",
                                 "{\"id\":\"b\",\"type\":\"noop\",\"payload\":{},\"reply\":true}"));
    r = redisCommand(c, "BRPOP fl:{0}:reply:b 20");
    ck_assert_ptr_nonnull(r);
    ck_assert_int_eq(r->type, REDIS_REPLY_ARRAY);
    ck_assert_ptr_nonnull(strstr(r->element[1]->str, "\"completed\""));
    freeReplyObject(r);
    redisFree(c);
    world_free(w);
}
END_TEST

static const char *const views[][3] = {{"queues"},  {"workers"}, {"costs"},
                                       {"budgets"}, {"models"},  {"route", "list"}};

START_TEST(a_viewer_sees_the_fleet_and_changes_nothing)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, 10000, world_int(w, "HLEN fl:{0}:workers") == 1);
    WAIT_UNTIL(w, 10000, world_int(w, "EXISTS fl:{0}:lease") == 1);
    for (size_t i = 0; i < ARRAY_LEN(views); i++) {
        cli = cli_as(w, "viewer", views[i]);
        ck_assert_msg(cli.exit_code == 0, "%s: %s", views[i][0], cli.err);
    }
    world_check_rights(w); /* so far, nothing was refused */
    cli = CLI_AS(w, "viewer", "doctor");
    CHECK_EXIT(cli, 0);
    CHECK_HAS(cli.out, "skip  writes");
    cli = CLI_AS(w, "viewer", "pause", "noop");
    CHECK_EXIT(cli, 1);
    CHECK_HAS(cli.err, "NOPERM");
    world_redis(w, "ACL LOG RESET");
    world_free(w);
}
END_TEST

/* ---- the file --------------------------------------------------------------- */
static bool listens(const char *socket)
{
    redisContext *c = redisConnectUnix(socket);
    bool good = c && !c->err;

    redisFree(c);
    return good;
}

static struct program *start_redis(struct world *w, const char *acl)
{
    return world_start(w, "/usr/bin/redis-server",
                       (const char *const[]){"--port", "0", "--unixsocket",
                                             world_text(w, "%s/other.sock", w->dir), "--save", "",
                                             "--aclfile", acl, NULL},
                       NULL);
}

START_TEST(without_passwords_of_its_own_the_file_is_refused)
{
    struct world *w = world_new();
    char *top = realpath(".", NULL);
    struct program *p = start_redis(w, world_text(w, "%s/deploy/redis/users.acl", top));

    free(top);
    ck_assert_int_ne(program_wait(p, 10000), 0);
    world_free(w);
}
END_TEST

static char *password_of(struct world *w, const char *user)
{
    char text[128] = "";
    FILE *f = fopen(world_text(w, "%s/users/%s.password", w->dir, user), "re");

    ck_assert_ptr_nonnull(f);
    ck_assert_ptr_nonnull(fgets(text, sizeof text, f));
    fclose(f);
    return world_text(w, "%s", text);
}

START_TEST(the_script_makes_passwords_and_their_hashes)
{
    static const char *const users[] = {"scheduler", "worker",   "operator",
                                        "producer",  "consumer", "viewer"};
    struct world *w = world_new();
    char *top = realpath(".", NULL);
    const char *script = world_text(w, "%s/deploy/redis/users.sh", top);
    const char *socket = world_text(w, "%s/other.sock", w->dir);
    struct program *p =
        world_start(w, "/bin/sh", (const char *const[]){script, "users", "team-a", NULL}, NULL);

    free(top);
    ck_assert_int_eq(program_wait(p, 10000), 0);
    start_redis(w, world_text(w, "%s/users/users.acl", w->dir));
    WAIT_UNTIL(w, 10000, listens(socket));
    for (size_t i = 0; i < ARRAY_LEN(users); i++)
        redisFree(log_in(socket, users[i], password_of(w, users[i])));
    ck_assert(may(socket, "worker", password_of(w, "worker"), "SET team-a:{0}:job:a x"));
    ck_assert(!may(socket, "worker", password_of(w, "worker"), "SET fl:{0}:job:a x"));
    world_free(w);
}
END_TEST

Suite *test_rights(void)
{
    Suite *s = suite_create("rights");
    TCase *tc = tcase_create("rights");

    tcase_add_test(tc, each_user_may_do_its_work_and_no_more);
    tcase_add_test(tc, a_producer_submits_waits_and_reads_its_reply);
    tcase_add_test(tc, a_viewer_sees_the_fleet_and_changes_nothing);
    tcase_add_test(tc, without_passwords_of_its_own_the_file_is_refused);
    tcase_add_test(tc, the_script_makes_passwords_and_their_hashes);
    suite_add_tcase(s, tc);
    return s;
}
