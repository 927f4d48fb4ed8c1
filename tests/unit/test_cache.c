/* test_cache.c - keys, and entries in a real Redis: kept, found, bounded, away. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/core/xalloc.h"
#include "common/queue/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/cache/cache.h"
#include "worker/process.h"

static struct redis_server server;
static struct line line;
static struct config cfg;
static struct process process;

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static void setup(void)
{
    redis_server_init(&server);
    redis_server_start(&server, NULL);
    cfg = (struct config){.cache_wait_ms = 5000,
                          .cache_infer_ttl_ms = 60000,
                          .cache_embed_ttl_ms = 90000,
                          .cache_max_entry_bytes = 100000,
                          .cache_max_bytes = 1000000,
                          .cache_compress_bytes = 100000};
    process = (struct process){.env.cfg = &cfg, .env.loop = loop_new()};
    keys_init(&process.env.keys, "fl");
    line_open(&line, process.env.loop, server.url,
              (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(process.env.loop, line.ready);
    process.env.redis = line.redis;
    process.cache = cache_new(&process.env);
}

static void teardown(void)
{
    line_close(&line);
    cache_free(process.cache);
    keys_done(&process.env.keys);
    loop_free(process.env.loop);
    redis_server_done(&server);
}

/* ---- names ---- */

static const struct {
    const char *tenant, *model, *key;
} names[] = {
    {NULL, "Qwen/Qwen3.5-9B", "fl:{0}:infer:-:Qwen/Qwen3.5-9B:abc"},
    {"\"acme\"", "m", "fl:{0}:infer:acme:m:abc"},
    {"\"-\"", "m", "fl:{0}:infer:%2D:m:abc"},
    {"\"\"", "m", "fl:{0}:infer:%:m:abc"},
    {"null", "m", "fl:{0}:infer:-:m:abc"},
    {"\"a:b\"", "m", "fl:{0}:infer:a%3Ab:m:abc"},
    {"\"a\"", "b:m", "fl:{0}:infer:a:b%3Am:abc"},
    {"\"{x}\"", "a b%", "fl:{0}:infer:%7Bx%7D:a%20b%25:abc"},
    {"\"\xc3\xa9\"", "m", "fl:{0}:infer:%C3%A9:m:abc"},
};

START_TEST(a_key_names_tenant_and_model_so_that_no_two_are_mixed_up)
{
    struct buf b = BUF(512);

    cache_key(&b, "fl:{0}:", CACHE_INFER,
              names[_i].tenant ? span_of(names[_i].tenant) : (struct span){NULL, 0},
              span_of(names[_i].model), "abc");
    ck_assert_str_eq(b.p, names[_i].key);
    buf_done(&b);
}
END_TEST

START_TEST(each_kind_has_its_time)
{
    cfg.cache_ft_ttl_ms = 7;
    ck_assert_int_eq(cache_ttl_ms(&cfg, CACHE_INFER), 60000);
    ck_assert_int_eq(cache_ttl_ms(&cfg, CACHE_EMBED), 90000);
    ck_assert_int_eq(cache_ttl_ms(&cfg, CACHE_FT), 7);
    ck_assert_str_eq(cache_kind_name(CACHE_BATCH), "batch");
}
END_TEST

/* ---- looking ---- */

struct seen {
    int told;
    bool answered;
    size_t n, known;
    char bodies[8][64]; /* "" missing */
};

static void on_found(void *arg, struct found *found, bool answered)
{
    struct seen *s = arg;

    s->told++;
    s->answered = answered;
    s->n = found->n;
    s->known = found->known;
    for (size_t i = 0; i < found->n && i < ARRAY_LEN(s->bodies); i++)
        if (found->each[i])
            snprintf(s->bodies[i], sizeof s->bodies[i], "%.*s", (int)found->each[i]->body.n,
                     found->each[i]->body.p);
}

static struct seen look(const char *const *keys, size_t n)
{
    struct seen s = {0};

    cache_look(process.cache, keys, n, on_found, &s);
    ck_assert_int_eq(s.told, 0);
    TURN_UNTIL(process.env.loop, s.told);
    return s;
}

static bool keep_bytes(const char *key, size_t n)
{
    char *text = xmalloc(n + 1);
    const struct entry facts = {.body = {text, n}, .provider = "together"};
    bool kept;

    memset(text, 'x', n);
    kept = cache_keep(process.cache, CACHE_INFER, key, &facts);
    free(text);
    return kept;
}

static void keep(const char *key, const char *body)
{
    const struct entry facts = {.body = span_of(body), .provider = "together"};

    ck_assert(cache_keep(process.cache, CACHE_INFER, key, &facts));
}

START_TEST(what_was_kept_is_found_for_its_time)
{
    static const char *const keys[] = {"fl:{0}:infer:-:m:a", "fl:{0}:infer:-:m:b",
                                       "fl:{0}:infer:-:m:c"};
    struct seen s;
    int64_t ttl;

    keep(keys[0], "{\"a\":1}");
    keep(keys[2], "{\"c\":1}");
    s = look(keys, 3);
    ck_assert(s.answered);
    ck_assert_uint_eq(s.n, 3);
    ck_assert_uint_eq(s.known, 2);
    ck_assert_str_eq(s.bodies[0], "{\"a\":1}");
    ck_assert_str_eq(s.bodies[1], "");
    ck_assert_str_eq(s.bodies[2], "{\"c\":1}");
    ttl = ask(&line, "PTTL fl:{0}:infer:-:m:a").number;
    ck_assert_int_gt(ttl, 50000);
    ck_assert_int_le(ttl, 60000);
}
END_TEST

START_TEST(what_is_no_entry_is_missing)
{
    static const char *const keys[] = {"fl:{0}:infer:-:m:a", "fl:{0}:infer:-:m:b"};
    struct seen s;

    ck_assert(ask(&line, "SET fl:{0}:infer:-:m:a {\"choices\":[]}").ok);
    ck_assert(ask(&line, "LPUSH fl:{0}:infer:-:m:b x").ok);
    s = look(keys, 2);
    ck_assert_uint_eq(s.known, 0);
}
END_TEST

START_TEST(an_answer_over_the_bound_is_not_kept)
{
    static const char *const keys[] = {"fl:{0}:infer:-:m:a"};

    cfg.cache_max_entry_bytes = 1000;
    ck_assert(!keep_bytes(keys[0], 1000));
    ck_assert_uint_eq(look(keys, 1).known, 0);
    ck_assert(keep_bytes(keys[0], 800));
    ck_assert_uint_eq(look(keys, 1).known, 1);
}
END_TEST

START_TEST(a_look_that_was_cancelled_is_not_told)
{
    static const char *const keys[] = {"fl:{0}:infer:-:m:a"};
    struct seen s = {0};
    struct cache_look *l = cache_look(process.cache, keys, 1, on_found, &s);

    cache_look_cancel(&l);
    ck_assert_ptr_null(l);
    look(keys, 1);
    ck_assert_int_eq(s.told, 0);
}
END_TEST

/* ---- away ---- */

START_TEST(a_redis_that_is_slow_or_gone_has_nothing)
{
    static const char *const keys[] = {"fl:{0}:infer:-:m:a", "fl:{0}:infer:-:m:b"};
    struct seen s;
    int64_t from;

    keep(keys[0], "{}");
    look(keys, 2);
    cfg.cache_wait_ms = 100;
    redis_server_signal(&server, SIGSTOP);
    from = clock_mono_ms();
    s = look(keys, 2);
    ck_assert(!s.answered);
    ck_assert_uint_eq(s.known, 0);
    ck_assert_int_ge(clock_mono_ms() - from, 100);
    ck_assert_int_lt(clock_mono_ms() - from, 2000);
    redis_server_signal(&server, SIGCONT);
    TURN_UNTIL(process.env.loop, look(keys, 2).known == 1);
    redis_server_kill(&server);
    TURN_UNTIL(process.env.loop, line.lost);
    s = look(keys, 2);
    ck_assert(!s.answered);
    ck_assert_int_eq(s.told, 1);
}
END_TEST

/* Of a long list the answers take longer than wait_ms, but none is waited for so long. */
START_TEST(a_redis_that_goes_on_answering_is_heard_out)
{
    enum { KEYS = 120, BYTES = 64000, TURN_MS = 15 };
    const struct timespec busy = {0, TURN_MS * 1000000};
    char texts[KEYS][32];
    const char *keys[KEYS];
    struct seen s = {0};
    int64_t from;

    cfg.cache_compress_bytes = cfg.cache_max_entry_bytes = (int64_t)2 * BYTES;
    cfg.cache_max_bytes = (int64_t)2 * KEYS * BYTES;
    for (int i = 0; i < KEYS; i++) {
        snprintf(texts[i], sizeof texts[i], "fl:{0}:infer:-:m:%d", i);
        keys[i] = texts[i];
        ck_assert(keep_bytes(texts[i], BYTES));
    }
    look(keys, 1);
    cfg.cache_wait_ms = 100;
    from = clock_mono_ms();
    cache_look(process.cache, keys, KEYS, on_found, &s);
    while (!s.told) {
        loop_turn(process.env.loop, 10);
        nanosleep(&busy, NULL);
    }
    ck_assert_int_gt(clock_mono_ms() - from, cfg.cache_wait_ms);
    ck_assert(s.answered);
    ck_assert_uint_eq(s.known, KEYS);
}
END_TEST

/* ---- all together ---- */

static int64_t number(const char *words) { return ask(&line, words).number; }

START_TEST(entries_together_stay_under_their_bound)
{
    char name[64];

    cfg.cache_max_bytes = 10000;
    for (int i = 0; i < 30; i++) { /* about 1,300 bytes each */
        snprintf(name, sizeof name, "fl:{0}:infer:-:m:%02d", i);
        cfg.cache_infer_ttl_ms = 60000 + 1000 * i;
        ck_assert(keep_bytes(name, 1000));
        cache_flush(process.cache);
        look((const char *const[]){name}, 1);
        ck_assert_int_le(number("GET fl:{0}:cached:bytes"), 10000);
    }
    TURN_UNTIL(process.env.loop, redis_outstanding(line.redis) == 0);
    ck_assert_int_eq(number("EXISTS fl:{0}:infer:-:m:00 fl:{0}:infer:-:m:20"),
                     0); /* the oldest went */
    ck_assert_int_eq(number("EXISTS fl:{0}:infer:-:m:29 fl:{0}:infer:-:m:28 fl:{0}:infer:-:m:27"),
                     3);
    ck_assert_int_ge(number("ZCARD fl:{0}:cached"), 7);
    ck_assert_int_le(number("ZCARD fl:{0}:cached"), 9);
    ck_assert_int_eq(number("DBSIZE"), number("ZCARD fl:{0}:cached") + 2);
    /* the book of them ends with the last one */
    ck_assert_int_gt(number("PTTL fl:{0}:cached"), 80000);
    ck_assert_int_le(number("PTTL fl:{0}:cached"), 89000);
    ck_assert_int_gt(number("PTTL fl:{0}:cached:bytes"), 80000);
}
END_TEST

START_TEST(what_ended_or_came_twice_is_not_counted)
{
    int64_t bytes = 0;

    cfg.cache_infer_ttl_ms = 300;
    for (int i = 0; i < 3; i++)
        ck_assert(keep_bytes("fl:{0}:infer:-:m:a", 1000));
    TURN_UNTIL(process.env.loop, number("ZCARD fl:{0}:cached") == 1);
    ck_assert_int_lt(number("GET fl:{0}:cached:bytes"), 1500);
    /* the book ends with its last entry, which may be after the entry itself */
    TURN_UNTIL(process.env.loop, number("EXISTS fl:{0}:cached") == 0);
    cfg.cache_infer_ttl_ms = 60000;
    ck_assert(keep_bytes("fl:{0}:infer:-:m:b", 200));
    TURN_UNTIL(process.env.loop, (bytes = number("GET fl:{0}:cached:bytes")) > 200 && bytes < 700);
    ck_assert_int_eq(number("ZCARD fl:{0}:cached"), 1);
}
END_TEST

Suite *test_cache(void)
{
    Suite *s = suite_create("cache");
    TCase *names_case = tcase_create("names"), *redis_case = tcase_create("redis");

    tcase_add_loop_test(names_case, a_key_names_tenant_and_model_so_that_no_two_are_mixed_up, 0,
                        (int)ARRAY_LEN(names));
    tcase_add_checked_fixture(redis_case, setup, teardown);
    tcase_add_test(redis_case, each_kind_has_its_time);
    tcase_add_test(redis_case, what_was_kept_is_found_for_its_time);
    tcase_add_test(redis_case, what_is_no_entry_is_missing);
    tcase_add_test(redis_case, an_answer_over_the_bound_is_not_kept);
    tcase_add_test(redis_case, a_look_that_was_cancelled_is_not_told);
    tcase_add_test(redis_case, a_redis_that_is_slow_or_gone_has_nothing);
    tcase_add_test(redis_case, a_redis_that_goes_on_answering_is_heard_out);
    tcase_add_test(redis_case, entries_together_stay_under_their_bound);
    tcase_add_test(redis_case, what_ended_or_came_twice_is_not_counted);
    suite_add_tcase(s, names_case);
    suite_add_tcase(s, redis_case);
    return s;
}
