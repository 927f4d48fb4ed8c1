/* test_redis_loss.c - connections that end, servers that refuse, lie or say nothing. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"

static struct redis_server server;
static struct loop *loop;
static struct line line, other;

static void setup(void)
{
    redis_server_init(&server);
    loop = loop_new();
}

static void teardown(void)
{
    line_close(&line);
    line_close(&other);
    loop_free(loop);
    redis_server_done(&server);
}

static void open_both(struct redis_options opt)
{
    redis_server_start(&server, NULL);
    line_open(&line, loop, server.url, opt);
    line_open(&other, loop, server.url, (struct redis_options){0});
    TURN_UNTIL(loop, line.ready && other.ready);
}

/* ---- lost ---- */

START_TEST(a_killed_connection_fails_what_is_outstanding_and_comes_back)
{
    struct shot blocked, behind, late;

    open_both((struct redis_options){.client_name = "victim"});
    shoot(&line, &blocked, "BLPOP nothing 0");
    shoot(&line, &behind, "SET never here");
    ask(&other, "PING");
    ck_assert(ask(&other, "CLIENT KILL TYPE normal").ok);
    TURN_UNTIL(loop, line.lost);
    shoot(&line, &late, "PING");
    TURN_UNTIL(loop, blocked.told && behind.told && late.told);
    ck_assert_int_eq(blocked.kind, ERR_REDIS_LOST);
    ck_assert_int_eq(behind.kind, ERR_REDIS_LOST);
    ck_assert_ptr_nonnull(strstr(blocked.text, "the server closed the connection"));
    ck_assert_ptr_nonnull(strstr(blocked.text, server.url));
    TURN_UNTIL(loop, line.ready == 2);
    ck_assert(ask(&line, "PING").ok);
    ck_assert_int_eq(blocked.told + behind.told + late.told, 3);
    ck_assert_int_eq(line.lost, 1);
}
END_TEST

START_TEST(a_killed_server_is_found_again_when_it_is_back)
{
    struct shot s;

    open_both((struct redis_options){0});
    redis_server_kill(&server);
    TURN_UNTIL(loop, line.lost >= 3); /* it goes on trying */
    ck_assert_int_eq(line.ready, 1);
    shoot(&line, &s, "PING");
    TURN_UNTIL(loop, s.told);
    ck_assert_int_eq(s.kind, ERR_REDIS_LOST);
    ck_assert_ptr_nonnull(strstr(s.text, "Connection refused"));
    redis_server_start(&server, NULL);
    TURN_UNTIL(loop, line.ready == 2);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

START_TEST(a_silent_server_is_given_up_and_found_again)
{
    struct shot s;
    int64_t began_ms;
    int lost;

    open_both((struct redis_options){.command_timeout_ms = 200, .connect_timeout_ms = 150});
    redis_server_signal(&server, SIGSTOP);
    began_ms = clock_mono_ms();
    shoot(&line, &s, "PING");
    TURN_UNTIL(loop, s.told);
    ck_assert_int_eq(s.kind, ERR_REDIS_LOST);
    ck_assert_int_ge(s.at_ms - began_ms, 199);
    ck_assert_ptr_nonnull(strstr(s.text, "no answer for 2"));
    lost = line.lost;
    TURN_UNTIL(loop, line.lost >= lost + 3); /* the kernel accepts, nobody answers */
    ck_assert_ptr_nonnull(strstr(line.why.msg, "connected, but no answer within 150 ms"));
    redis_server_signal(&server, SIGCONT);
    TURN_UNTIL(loop, line.ready == 2);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

START_TEST(an_idle_connection_is_left_alone)
{
    uint64_t turns;

    open_both((struct redis_options){.command_timeout_ms = 50});
    ask(&line, "PING");
    for (int i = 0; i < 3; i++)
        loop_turn(loop, 100); /* the last look of the timer */
    turns = loop_turns(loop);
    loop_turn(loop, 300);
    ck_assert_uint_eq(loop_turns(loop), turns + 1);
    ck_assert_int_eq(line.lost, 0);
}
END_TEST

START_TEST(a_new_connection_can_be_asked_for)
{
    struct shot s;

    open_both((struct redis_options){.backoff_min_ms = 60000, .backoff_max_ms = 60000});
    shoot(&line, &s, "BLPOP nothing 0");
    redis_reconnect(line.redis);
    ck_assert_int_eq(s.told, 0);
    TURN_UNTIL(loop, s.told && line.ready == 2);
    ck_assert_int_eq(s.kind, ERR_REDIS_LOST);
    ck_assert(ask(&line, "PING").ok);
}
END_TEST

/* ---- a server that will not do ---- */

START_TEST(a_replicas_refusal_ends_the_connection_until_it_is_a_master)
{
    struct shot writes[5];
    int lost;

    open_both((struct redis_options){0});
    ck_assert(ask(&other, "REPLICAOF 127.0.0.1 1").ok);
    for (size_t i = 0; i < ARRAY_LEN(writes); i++)
        shoot(&line, &writes[i], "SET k v");
    for (size_t i = 0; i < ARRAY_LEN(writes); i++) {
        TURN_UNTIL(loop, writes[i].told);
        ck_assert_int_eq(writes[i].kind, ERR_REDIS);
        ck_assert(!strncmp(writes[i].text, "READONLY ", 9));
    }
    TURN_UNTIL(loop, line.lost);
    ck_assert_ptr_nonnull(strstr(line.why.msg, "READONLY"));
    TURN_UNTIL(loop, line.ready == 2);
    lost = line.lost;
    ck_assert_int_eq(ask(&line, "EVAL return(redis.call('SET','k','v')) 0").kind, ERR_REDIS);
    TURN_UNTIL(loop, line.lost > lost);
    ck_assert(ask(&other, "REPLICAOF NO ONE").ok);
    TURN_UNTIL(loop, redis_is_ready(line.redis));
    ck_assert(ask(&line, "SET k v").ok);
}
END_TEST

START_TEST(a_wrong_password_is_told_and_not_repeated)
{
    char url[160];

    redis_server_start(&server, (const char *const[]){"--requirepass", "right", NULL});
    snprintf(url, sizeof(url), "unix://:s3cret@%s", server.socket);
    line_open(&line, loop, url, (struct redis_options){.client_name = "x"});
    line_open(&other, loop, server.url, (struct redis_options){.client_name = "x"});
    TURN_UNTIL(loop, line.lost >= 2 && other.lost);
    ck_assert_int_eq(line.why.kind, ERR_REDIS);
    ck_assert_ptr_nonnull(strstr(line.why.msg, "AUTH: WRONGPASS"));
    ck_assert_ptr_null(strstr(line.why.msg, "s3cret"));
    ck_assert_ptr_nonnull(strstr(other.why.msg, "NOAUTH Authentication required"));
    line_close(&line);
    snprintf(url, sizeof(url), "unix://:right@%s?db=7", server.socket);
    line_open(&line, loop, url, (struct redis_options){.client_name = "not good"});
    TURN_UNTIL(loop, line.ready);
    ck_assert(ask(&line, "ACL SETUSER joe on >joes ~* +@all").ok);
    ck_assert(ask(&line, "SET in seven").ok);
    line_close(&other);
    snprintf(url, sizeof(url), "unix://joe:joes@%s?db=7", server.socket);
    line_open(&other, loop, url, (struct redis_options){0});
    TURN_UNTIL(loop, other.ready);
    ck_assert_str_eq(ask(&other, "GET in").text, "seven");
}
END_TEST

START_TEST(too_many_clients_is_told)
{
    redis_server_start(&server, NULL);
    line_open(&line, loop, server.url, (struct redis_options){0});
    TURN_UNTIL(loop, line.ready);
    ck_assert(ask(&line, "CONFIG SET maxclients 1").ok);
    line_open(&other, loop, server.url, (struct redis_options){0});
    TURN_UNTIL(loop, other.lost);
    ck_assert_ptr_nonnull(strstr(other.why.msg, "max number of clients reached"));
    ck_assert(ask(&line, "CONFIG SET maxclients 10").ok);
    TURN_UNTIL(loop, other.ready);
}
END_TEST

/* ---- waiting for a connection ---- */

START_TEST(commands_wait_for_the_connection_when_asked_to)
{
    struct shot first, second, large;
    struct redis_args a;

    line_open(&line, loop, server.url,
              (struct redis_options){.queue_while_down = true, .max_output_bytes = 1000});
    shoot(&line, &first, "SET k 1");
    shoot(&line, &second, "INCR k");
    args_of(&a, "SET k");
    redis_arg(&a, (char[950]){0}, 950);
    shoot_args(&line, &large, &a);
    TURN_UNTIL(loop, line.lost >= 2 && large.told);
    ck_assert_int_eq(large.kind, ERR_MEMORY);
    ck_assert_int_eq(first.told, 0);
    redis_server_start(&server, NULL);
    TURN_UNTIL(loop, second.told);
    ck_assert(first.told == 1 && first.ok);
    ck_assert_int_eq(second.number, 2);
}
END_TEST

START_TEST(commands_do_not_wait_longer_than_their_time_out)
{
    struct shot first, second;
    int64_t began_ms = clock_mono_ms();

    line_open(&line, loop, server.url,
              (struct redis_options){.queue_while_down = true, .command_timeout_ms = 100});
    shoot(&line, &first, "PING");
    TURN_UNTIL(loop, clock_mono_ms() >= began_ms + 50);
    shoot(&line, &second, "PING");
    TURN_UNTIL(loop, second.told);
    ck_assert(first.told == 1 && first.kind == ERR_REDIS_LOST);
    ck_assert_int_ge(first.at_ms - began_ms, 99);
    ck_assert_int_ge(second.at_ms - began_ms, 149);
    ck_assert_ptr_nonnull(strstr(first.text, "not sent within 100 ms"));
    ck_assert_ptr_nonnull(strstr(first.text, "No such file or directory"));
}
END_TEST

START_TEST(a_synchronous_call_waits_for_the_first_attempt_only)
{
    struct redis_args a;
    struct err err = {0};

    line_open(&line, loop, server.url, (struct redis_options){0});
    args_of(&a, "PING");
    ck_assert_ptr_null(redis_call(line.redis, &a, &err));
    ck_assert_int_eq(err.kind, ERR_REDIS_LOST);
    ck_assert_ptr_nonnull(strstr(err.msg, "No such file or directory"));
    redis_server_start(&server, NULL);
    line_close(&line);
    line_open(&line, loop, server.url, (struct redis_options){0});
    args_of(&a, "PING");
    ck_assert(reply_is(redis_call(line.redis, &a, &err), "PONG"));
}
END_TEST

/* ---- a server of ours that misbehaves ---- */

static const char *const *say; /* to the n-th connection; NULL ends */
static size_t said;

struct client {
    struct loop_io *io;
};

static void on_request(void *arg, int fd, bool readable, bool writable)
{
    struct client *client = arg;
    char rest[4096];

    (void)readable, (void)writable;
    ck_assert_int_ge(recv(fd, rest, sizeof(rest), 0), 0);
    for (const char *p = say[said]; p && *p; p++)
        (void)send(fd, p, 1, MSG_NOSIGNAL); /* they may have had enough already */
    said += say[said] != NULL;
    loop_unwatch(&client->io);
    free(client);
    close(fd);
}

static void on_client(void *arg, int fd, bool readable, bool writable)
{
    struct client *client = calloc(1, sizeof(struct client));
    int client_fd = accept(fd, NULL, NULL);

    (void)arg, (void)readable, (void)writable;
    ck_assert_int_ge(client_fd, 0);
    client->io = loop_watch(loop, client_fd, true, false, on_request, client);
}

static struct loop_io *misbehave(const char *const *answers)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    memcpy(un.sun_path, server.socket, strlen(server.socket));
    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&un, sizeof(un)), 0);
    ck_assert_int_eq(listen(fd, 8), 0);
    say = answers;
    said = 0;
    return loop_watch(loop, fd, true, false, on_client, NULL);
}

static const struct lie {
    const char *answer, *why;
} lies[] = {
    {"-LOADING Redis is loading the dataset in memory\r\n", "PING: LOADING Redis is loading"},
    {"-MASTERDOWN Link with MASTER is down\r\n", "PING: MASTERDOWN"},
    {"-ERR unknown command 'AUTH', with args beginning with: 's3cret'\r\n",
     "does not know this command"},
    {"HTTP/1.1 400 Bad Request\r\n\r\n", "Protocol error"},
    {"$5\r\nhel", "the server closed the connection"},
    {"*3\r\n:1\r\n", "the server closed the connection"},
    {"", "the server closed the connection"},
    {"+PONG\r\n+PONG\r\n", "Redis sent a reply that matches no command"},
    {"+PONG\r\n-ERR go away\r\n", "ERR go away"},
};

START_TEST(a_server_that_misbehaves_is_left_with_a_reason)
{
    const char *const answers[] = {lies[_i].answer, "+PONG\r\n:7\r\n", NULL};
    struct loop_io *io = misbehave(answers);
    struct shot s = {0};

    line_open(&line, loop, server.url, (struct redis_options){.queue_while_down = _i < 7});
    if (_i < 7)
        shoot(&line, &s, "INCR k");
    TURN_UNTIL(loop, line.lost);
    ck_assert_msg(strstr(line.why.msg, lies[_i].why), "said: %s", line.why.msg);
    ck_assert_ptr_null(strstr(line.why.msg, "s3cret"));
    TURN_UNTIL(loop, said == 2 && (_i >= 7 || s.told));
    ck_assert_int_le(s.told, 1);
    loop_unwatch(&io);
}
END_TEST

static void free_on_lost(void *arg, const struct err *why)
{
    (void)why;
    redis_free(*(struct redis **)arg);
    *(struct redis **)arg = NULL;
}

START_TEST(it_may_be_freed_when_it_is_lost)
{
    struct redis *r;
    struct redis_options opt = {.url = server.url, .on_lost = free_on_lost, .arg = &r};
    struct err err;

    r = redis_new(loop, &opt, &err);
    ck_assert_ptr_nonnull(r);
    TURN_UNTIL(loop, !r);
    loop_turn(loop, 30);
}
END_TEST

Suite *test_redis_loss(void);
Suite *test_redis_loss(void)
{
    Suite *s = suite_create("test_redis_loss");
    TCase *tc = tcase_create("loss");

    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_killed_connection_fails_what_is_outstanding_and_comes_back);
    tcase_add_test(tc, a_killed_server_is_found_again_when_it_is_back);
    tcase_add_test(tc, a_silent_server_is_given_up_and_found_again);
    tcase_add_test(tc, an_idle_connection_is_left_alone);
    tcase_add_test(tc, a_new_connection_can_be_asked_for);
    tcase_add_test(tc, a_replicas_refusal_ends_the_connection_until_it_is_a_master);
    tcase_add_test(tc, a_wrong_password_is_told_and_not_repeated);
    tcase_add_test(tc, too_many_clients_is_told);
    tcase_add_test(tc, commands_wait_for_the_connection_when_asked_to);
    tcase_add_test(tc, commands_do_not_wait_longer_than_their_time_out);
    tcase_add_test(tc, a_synchronous_call_waits_for_the_first_attempt_only);
    tcase_add_loop_test(tc, a_server_that_misbehaves_is_left_with_a_reason, 0,
                        (int)ARRAY_LEN(lies));
    tcase_add_test(tc, it_may_be_freed_when_it_is_lost);
    suite_add_tcase(s, tc);
    return s;
}
