/* test_entry.c - answers as they are stored: written, read back, damaged. */
#include <check.h>
#include <string.h>

#include "worker/cache/entry.h"

enum { NEVER = 1 << 30, BODY = 20000 };

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static struct entry facts_with(struct span body)
{
    return (struct entry){
        .body = body,
        .model = span_of("Qwen/Qwen3.5-9B"),
        .provider = "together",
        .usage = {.there = true, .prompt_tokens = 9, .completion_tokens = 3, .cached_tokens = 2},
        .list_nanousd = 2280,
        .stored_ms = 1790000000000};
}

static void store(struct span body, size_t pack_bytes, struct buf *out)
{
    const struct entry facts = facts_with(body);

    entry_write(&facts, pack_bytes, out);
    ck_assert(!buf_failed(out));
}

START_TEST(what_is_written_is_read_back)
{
    struct buf out = BUF(4096);
    struct entry *e;

    store(span_of("{\"choices\":[\"\\u00e9\\n\"]}"), NEVER, &out);
    e = entry_read(buf_span(&out));
    ck_assert_ptr_nonnull(e);
    ck_assert_int_eq(strncmp(e->body.p, "{\"choices\":[\"\\u00e9\\n\"]}", e->body.n), 0);
    ck_assert_uint_eq(e->body.n, 24);
    ck_assert_int_eq(strncmp(e->model.p, "Qwen/Qwen3.5-9B", 15), 0);
    ck_assert_uint_eq(e->model.n, 15);
    ck_assert_str_eq(e->provider, "together");
    ck_assert(e->usage.there);
    ck_assert_int_eq(e->usage.prompt_tokens, 9);
    ck_assert_int_eq(e->usage.completion_tokens, 3);
    ck_assert_int_eq(e->usage.cached_tokens, 2);
    ck_assert_int_eq(e->list_nanousd, 2280);
    ck_assert_int_eq(e->stored_ms, 1790000000000);
    entry_drop(&e);
    ck_assert_ptr_null(e);
    buf_done(&out);
}
END_TEST

START_TEST(an_answer_without_usage_or_model_stays_so)
{
    const struct entry facts = {.body = {"{}", 2}, .provider = NULL, .usage = {.prompt_tokens = 7}};
    struct buf out = BUF(4096);
    struct entry *e;

    entry_write(&facts, NEVER, &out);
    e = entry_read(buf_span(&out));
    ck_assert_ptr_nonnull(e);
    ck_assert(!e->usage.there);
    ck_assert_int_eq(e->usage.prompt_tokens, 7); /* estimated */
    ck_assert_uint_eq(e->model.n, 0);
    ck_assert_str_eq(e->provider, "");
    entry_drop(&e);
    buf_done(&out);
}
END_TEST

/* One that repeats itself shrinks; noise does not, and stays as it is. */
START_TEST(large_answers_are_packed_when_that_pays)
{
    static char body[BODY];
    struct buf out = BUF((size_t)BODY * 2);
    uint32_t x = 1;
    struct entry *e;

    for (int noise = 0; noise < 2; noise++) {
        for (int i = 0; i < BODY; i++) {
            x = x * 1664525 + 1013904223;
            body[i] = noise ? (char)(x >> 24) : "0.123456789,"[i % 12];
        }
        buf_clear(&out);
        store((struct span){body, BODY}, 1000, &out);
        ck_assert(noise ? out.n > BODY : out.n < BODY / 5);
        e = entry_read(buf_span(&out));
        ck_assert_ptr_nonnull(e);
        ck_assert_uint_eq(e->body.n, BODY);
        ck_assert_int_eq(memcmp(e->body.p, body, BODY), 0);
        entry_drop(&e);
        buf_clear(&out);
        store((struct span){body, BODY}, BODY, &out);
        ck_assert_uint_gt(out.n, BODY); /* not over the limit: as it is */
    }
    buf_done(&out);
}
END_TEST

START_TEST(a_damaged_entry_is_none)
{
    struct buf out = BUF(1 << 16);
    static char body[2000];

    memset(body, 'a', sizeof body);
    for (int packed = 0; packed < 2; packed++) {
        buf_clear(&out);
        store((struct span){body, packed ? sizeof body : 20}, packed ? 100 : NEVER, &out);
        for (size_t i = 0; i < out.n; i++) {
            out.p[i] ^= 4;
            ck_assert_msg(!entry_read(buf_span(&out)), "byte %zu", i);
            out.p[i] ^= 4;
            ck_assert_msg(!entry_read((struct span){out.p, i}), "cut at %zu", i);
        }
        buf_puts(&out, "x");
        ck_assert(!entry_read(buf_span(&out)));
    }
    ck_assert(!entry_read((struct span){"", 0}));
    ck_assert(!entry_read((struct span){NULL, 0}));
    ck_assert(!entry_read(span_of("{\"an\":\"answer\"}")));
    buf_done(&out);
}
END_TEST

START_TEST(an_entry_lives_as_long_as_its_users)
{
    const struct entry facts = facts_with(span_of("{}"));
    struct entry *a = entry_new(&facts), *b = entry_use(a);

    entry_drop(&a);
    ck_assert_int_eq(strncmp(b->body.p, "{}", 2), 0);
    ck_assert_str_eq(b->provider, "together");
    ck_assert_int_eq(strncmp(b->model.p, "Qwen", 4), 0);
    entry_drop(&b);
    entry_drop(&b);
}
END_TEST

Suite *test_entry(void)
{
    Suite *s = suite_create("entry");
    TCase *tc = tcase_create("entry");

    tcase_add_test(tc, what_is_written_is_read_back);
    tcase_add_test(tc, an_answer_without_usage_or_model_stays_so);
    tcase_add_test(tc, large_answers_are_packed_when_that_pays);
    tcase_add_test(tc, a_damaged_entry_is_none);
    tcase_add_test(tc, an_entry_lives_as_long_as_its_users);
    suite_add_tcase(s, tc);
    return s;
}
