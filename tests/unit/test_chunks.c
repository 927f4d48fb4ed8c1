/* test_chunks.c - what readers of a stream see, and what becomes of it when Redis does not follow.
 */
#include "worker/inference/chunks.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/process.h"

static struct redis_server server;
static struct line line, other; /* other: what the test asks by itself */
static struct config cfg;
static struct process process;
static struct chunks *chunks;
static struct chunk_stream *stream;

static void on_idle(void *arg) { (void)arg; }

static void set_up(void)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    process = (struct process){.env.loop = loop_new(), .env.cfg = &cfg};
    cfg = (struct config){.limits_chunks_entries = 1000, .limits_chunks_ttl_ms = 60000};
    keys_init(&process.env.keys, "fl");
    line_open(&line, process.env.loop, server.url,
              (struct redis_options){.scripts = scripts_all()});
    line_open(&other, process.env.loop, server.url, (struct redis_options){0});
    process.env.redis = line.redis;
    TURN_UNTIL(process.env.loop, redis_is_ready(line.redis) && redis_is_ready(other.redis));
    chunks = chunks_new(&process.env, on_idle, NULL);
    stream = chunks_open(chunks, "j", 2);
    chunks_call(stream, 1, "first");
}

static void tear_down(void)
{
    chunks_close(&stream, NULL);
    line_close(&line);
    line_close(&other);
    chunks_free(chunks);
    keys_done(&process.env.keys);
    loop_free(process.env.loop);
    redis_server_done(&server);
}

static void add(const char *text) { chunks_add(stream, (struct span){text, strlen(text)}); }

static void settle(void)
{
    int64_t until = clock_mono_ms() + 50;

    while (clock_mono_ms() < until || redis_outstanding(line.redis))
        loop_turn(process.env.loop, 5);
}

/* Entry n from the end, as "name=value ...". */
static const char *entry(int n)
{
    static char text[512];
    struct redis_args a;
    const struct reply *r;
    struct err err;
    size_t at = 0;

    args_of(&a, "XREVRANGE fl:{0}:chunks:j + -");
    r = redis_call(other.redis, &a, &err);
    ck_assert_msg(r != NULL, "%s", err.msg);
    r = reply_at(reply_at(r, (size_t)n), 1);
    text[0] = '\0';
    for (size_t i = 0; i < reply_count(r); i++) {
        struct span s = reply_span(reply_at(r, i));
        int shown = s.n < 100 ? (int)s.n : 100;

        at += (size_t)snprintf(text + at, sizeof text - at, "%s%.*s",
                               i % 2 ? "="
                               : i   ? " "
                                     : "",
                               shown, s.p);
    }
    return text;
}

static int64_t entries(void) { return ask(&other, "XLEN fl:{0}:chunks:j").number; }

START_TEST(chunks_of_a_turn_are_one_entry_and_the_end_is_told)
{
    struct shot ttl;

    add("{\"a\":1}");
    add("{\"b\":\n2}"); /* a line each, whatever the provider's white space */
    settle();
    ck_assert_str_eq(entry(0), "run=2 attempt=1 call=first seq=0 data={\"a\":1}\n{\"b\": 2}");
    add("{}");
    chunks_close(&stream, "completed");
    settle();
    ck_assert_int_eq(entries(), 2);
    ck_assert_str_eq(entry(0), "run=2 attempt=1 call=first seq=2 data={} end=completed");
    ttl = ask(&other, "PTTL fl:{0}:chunks:j");
    ck_assert(ttl.number > 50000 && ttl.number <= 60000);
}
END_TEST

START_TEST(another_call_starts_anew)
{
    add("{\"a\":1}");
    chunks_call(stream, 2, "second");
    add("{\"b\":2}");
    settle();
    ck_assert_int_eq(entries(), 2);
    ck_assert_str_eq(entry(1), "run=2 attempt=1 call=first seq=0 data={\"a\":1}");
    ck_assert_str_eq(entry(0), "run=2 attempt=2 call=second seq=0 data={\"b\":2}");
}
END_TEST

START_TEST(many_chunks_at_once_are_cut_into_entries_and_none_is_lost)
{
    char text[1001];
    int64_t seq = 0;

    memset(text, 'x', 1000);
    text[1000] = '\0';
    for (int i = 0; i < 100; i++)
        add(text);
    settle();
    ck_assert_int_eq(entries(), 7); /* 16 of them are below 16 KB */
    for (int i = 6; i >= 0; i--, seq += 16) {
        char start[64];

        snprintf(start, sizeof start, "run=2 attempt=1 call=first seq=%d data=xxx", (int)seq);
        ck_assert_msg(strncmp(entry(i), start, strlen(start)) == 0, "%d: %s", i, entry(i));
    }
}
END_TEST

/* Redis stands still: what may wait is bounded, the rest is dropped, told, and the end comes. */
START_TEST(what_redis_does_not_take_is_dropped_with_a_mark)
{
    enum { N = 5000 }; /* 5 MB; 2 may be on their way */
    char text[1001];
    const char *lost;

    memset(text, 'x', 1000);
    text[1000] = '\0';
    redis_server_signal(&server, SIGSTOP);
    for (int i = 0; i < N; i++)
        add(text);
    chunks_close(&stream, "completed");
    redis_server_signal(&server, SIGCONT);
    TURN_UNTIL(process.env.loop, strstr(entry(0), "end=completed"));
    lost = strstr(entry(0), " lost=");
    ck_assert_msg(lost != NULL, "%s", entry(0));
    ck_assert_int_ge(strtol(lost + 6, NULL, 10), N - 2200);
    ck_assert_int_le(strtol(lost + 6, NULL, 10), N - 2000);
    ck_assert_int_le(entries(), 2200 / 16 + 3);
}
END_TEST

/* A process ends, and more waits than may be on its way at once. */
START_TEST(all_is_written_before_the_end)
{
    enum { STREAMS = 300, BYTES = 10000 };
    char *text = xcalloc(1, BYTES + 1);

    memset(text, 'x', BYTES);
    for (int i = 0; i < STREAMS; i++) {
        char id[16];
        struct chunk_stream *s;

        snprintf(id, sizeof id, "s-%d", i);
        s = chunks_open(chunks, id, 1);
        chunks_call(s, 1, "only");
        chunks_add(s, (struct span){text, BYTES});
        chunks_close(&s, "completed");
    }
    free(text);
    chunks_flush(chunks);
    ck_assert(chunks_wait(chunks)); /* else this tests nothing */
    for (int i = 0; i < 50 && (chunks_wait(chunks) || redis_outstanding(line.redis)); i++) {
        loop_turn(process.env.loop, 10);
        chunks_flush(chunks);
    }
    ck_assert_int_eq(ask(&other, "DBSIZE").number, STREAMS);
    ck_assert_int_eq(ask(&other, "XLEN fl:{0}:chunks:s-299").number, 1);
}
END_TEST

START_TEST(what_came_while_redis_was_away_is_told_as_lost)
{
    char text[10001];

    memset(text, 'x', 10000);
    text[10000] = '\0';
    redis_server_kill(&server);
    TURN_UNTIL(process.env.loop, line.lost > 0);
    for (int i = 0; i < 10; i++)
        add(text);
    redis_server_start(&server, NULL);
    TURN_UNTIL(process.env.loop, redis_is_ready(line.redis) && redis_is_ready(other.redis));
    chunks_reconnected(chunks);
    TURN_UNTIL(process.env.loop, entries() == 1);
    ck_assert(strstr(entry(0), "seq=0 data=xxx"));
    add("{}");
    settle();
    ck_assert_str_eq(entry(0), "run=2 attempt=1 call=first seq=10 lost=9 data={}");
}
END_TEST

/* A reader must not wait for it in vain. */
START_TEST(an_end_that_may_not_have_arrived_is_told_again)
{
    redis_server_signal(&server, SIGSTOP);
    add("{}");
    chunks_close(&stream, "completed");
    TURN_UNTIL(process.env.loop, redis_outstanding(line.redis) > 0);
    redis_server_kill(&server);
    TURN_UNTIL(process.env.loop, line.lost > 0);
    ck_assert(chunks_wait(chunks));
    redis_server_start(&server, NULL);
    TURN_UNTIL(process.env.loop, redis_is_ready(line.redis) && redis_is_ready(other.redis));
    chunks_reconnected(chunks);
    TURN_UNTIL(process.env.loop, !chunks_wait(chunks));
    ck_assert_int_eq(entries(), 1);
    ck_assert_str_eq(entry(0), "run=2 lost=1 end=completed");
}
END_TEST

START_TEST(a_key_of_another_type_loses_chunks_and_nothing_else)
{
    struct chunk_stream *b = chunks_open(chunks, "b", 1);

    ask(&other, "SET fl:{0}:chunks:b mine");
    chunks_call(b, 1, "call");
    chunks_add(b, (struct span){"{}", 2});
    add("{}");
    chunks_close(&b, "failed");
    settle();
    ck_assert_str_eq(entry(0), "run=2 attempt=1 call=first seq=0 data={}");
    ck_assert_str_eq(ask(&other, "GET fl:{0}:chunks:b").text, "mine");
    ck_assert_int_eq(ask(&other, "PTTL fl:{0}:chunks:b").number, -1);
}
END_TEST

Suite *test_chunks(void);
Suite *test_chunks(void)
{
    Suite *s = suite_create("test_chunks");
    TCase *tc = tcase_create("chunks");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, chunks_of_a_turn_are_one_entry_and_the_end_is_told);
    tcase_add_test(tc, another_call_starts_anew);
    tcase_add_test(tc, many_chunks_at_once_are_cut_into_entries_and_none_is_lost);
    tcase_add_test(tc, what_redis_does_not_take_is_dropped_with_a_mark);
    tcase_add_test(tc, all_is_written_before_the_end);
    tcase_add_test(tc, what_came_while_redis_was_away_is_told_as_lost);
    tcase_add_test(tc, an_end_that_may_not_have_arrived_is_told_again);
    tcase_add_test(tc, a_key_of_another_type_loses_chunks_and_nothing_else);
    suite_add_tcase(s, tc);
    return s;
}
