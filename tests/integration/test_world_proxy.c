/* test_world_proxy.c - the faulty network of a world does what it says, and no more. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/trial.h"

START_TEST(the_proxy_passes_small_and_large)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = trial_connect(w);
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
    redisContext *c = trial_connect(w), *late;
    redisReply *r;

    freeReplyObject(redisCommand(c, "PING"));
    proxy_stall(w->proxy);
    redisAppendCommand(c, "INCR n");
    ck_assert_int_eq(redisGetReply(c, (void **)&r), REDIS_ERR);
    ck_assert_int_eq(errno, EAGAIN); /* silence, not an end */
    late = trial_connect(w);
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
    redisContext *a = trial_connect(w), *b = trial_connect(w);
    redisReply *r;

    freeReplyObject(redisCommand(a, "PING"));
    freeReplyObject(redisCommand(b, "PING"));
    proxy_cut(w->proxy);
    ck_assert_ptr_null(redisCommand(a, "INCR n"));
    ck_assert_ptr_null(redisCommand(b, "INCR n"));
    redisFree(a);
    redisFree(b);
    a = trial_connect(w);
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
    redisContext *c = trial_connect(w);

    freeReplyObject(redisCommand(c, "PING"));
    proxy_refuse(w->proxy);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    redisFree(c);
    c = trial_connect(w);
    ck_assert_int_ne(c->err, 0);
    redisFree(c);
    proxy_pass(w->proxy);
    c = trial_connect(w);
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
    redisContext *c = trial_connect(w);
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
    c = trial_connect(w); /* the fault happens once */
    freeReplyObject(redisCommand(c, "RPUSH hit the-token"));
    ck_assert_int_eq(c->err, 0);
    redisFree(c);
    world_free(w);
}
END_TEST

START_TEST(a_lost_request_never_reaches_redis)
{
    struct world *w = world_new(.proxy = true);
    redisContext *c = trial_connect(w);
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
    redisContext *c = trial_connect(w), *other = trial_connect(w);

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
    redisContext *c = trial_connect(w);

    freeReplyObject(redisCommand(c, "PING"));
    world_redis_kill(w);
    ck_assert_ptr_null(redisCommand(c, "PING"));
    redisFree(c);
    world_redis_start(w);
    c = trial_connect(w);
    freeReplyObject(redisCommand(c, "PING"));
    ck_assert_int_eq(c->err, 0);
    redisFree(c);
    world_free(w);
}
END_TEST

Suite *test_world_proxy(void)
{
    Suite *s = suite_create("world_proxy");
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
    return s;
}
