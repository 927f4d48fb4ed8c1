/* test_embed.c - lists of texts taken apart, and answers put together. */
#include <check.h>
#include <string.h>

#include "worker/cache/embed.h"

static struct span span_of(const char *text) { return (struct span){text, strlen(text)}; }

static struct entry *known(const char *kept)
{
    const struct entry facts = {.body = span_of(kept), .provider = "together"};

    return entry_new(&facts);
}

static const struct {
    const char *body;
    size_t n, unique;
} lists[] = {
    {"{\"input\":\"a\"}", 1, 1},
    {"{\"input\":[\"a\"]}", 1, 1},
    {"{\"input\":[\"a\",\"b\",\"\\u0061\",\"b\"]}", 4, 2},
    {"{\"input\":[1,2,3]}", 1, 1},
    {"{\"input\":[[1,2],[3],[1,2.0]]}", 3, 2},
    {"{\"input\":[]}", 0, 0},
    {"{}", 0, 0},
    {"{\"input\":null}", 0, 0},
    {"{\"input\":{\"a\":1}}", 0, 0},
    {"{\"input\":[\"a\"],\"x\":1,\"x\":2}", 0, 0},
};

START_TEST(a_list_is_its_different_texts)
{
    struct embed e;

    ck_assert_int_eq(embed_read("/x", span_of(lists[_i].body), &e), lists[_i].n > 0);
    if (!lists[_i].n)
        return;
    ck_assert_uint_eq(e.n, lists[_i].n);
    ck_assert_uint_eq(e.unique, lists[_i].unique);
    embed_done(&e);
}
END_TEST

/* For each text this would be gigabytes. */
START_TEST(the_rest_of_a_long_body_is_walked_once)
{
    enum { REST = 4000000 };
    struct buf body = BUF((size_t)2 * REST);
    struct embed e;

    buf_puts(&body, "{\"x\":\"");
    for (int i = 0; i < REST; i++)
        buf_putc(&body, 'x');
    buf_puts(&body, "\",\"input\":[\"0\"");
    for (int i = 1; i < EMBED_TEXTS_MAX; i++)
        buf_printf(&body, ",\"%d\"", i);
    buf_puts(&body, "]}");
    ck_assert(embed_read("/x", buf_span(&body), &e));
    ck_assert_uint_eq(e.unique, EMBED_TEXTS_MAX);
    embed_done(&e);
    buf_done(&body);
}
END_TEST

START_TEST(each_text_has_the_hash_of_a_body_with_it_alone)
{
    struct embed many, one;

    ck_assert(embed_read("/x", span_of("{\"input\":[\"a\",\"b\",\"a\"],\"dimensions\":3}"), &many));
    ck_assert(embed_read("/x", span_of("{\"dimensions\":3.0,\"input\":\"b\"}"), &one));
    ck_assert_uint_eq(many.slot[0], 0);
    ck_assert_uint_eq(many.slot[1], 1);
    ck_assert_uint_eq(many.slot[2], 0);
    ck_assert_str_eq(many.text[1].hash, one.text[0].hash);
    ck_assert_str_ne(many.text[0].hash, one.text[0].hash);
    embed_done(&one);
    ck_assert(embed_read("/x", span_of("{\"input\":\"b\"}"), &one));
    ck_assert_str_ne(many.text[1].hash, one.text[0].hash); /* other dimensions */
    embed_done(&one);
    embed_done(&many);
}
END_TEST

START_TEST(only_what_is_not_known_is_asked_for_once)
{
    const struct span body =
        span_of("{ \"model\":\"m\", \"input\":[\"a\",\"b\",\"c\",\"b\"],\"user\":\"u\" }");
    struct buf out = BUF(1024);
    struct found *found;
    struct embed e;

    ck_assert(embed_read("/x", body, &e));
    found = found_new(e.unique);
    found->each[0] = known("{}");
    embed_ask(&e, body, found, &out);
    ck_assert_str_eq(out.p, "{\"model\":\"m\",\"input\":[\"b\",\"c\"],\"user\":\"u\"}");
    found_drop(&found);
    embed_done(&e);
    buf_done(&out);
}
END_TEST

static const struct {
    const char *answer;
    size_t n;
    const char *first; /* NULL: it cannot be split so */
} answers[] = {
    {"{\"data\":[{\"e\":1,\"index\":0},{\"e\":2,\"index\":1}]}", 2, "{\"e\":1,\"index\":0}"},
    {"{\"data\":[{\"e\":2,\"index\":1},{\"e\":1,\"index\":0}]}", 2, "{\"e\":1,\"index\":0}"},
    {"{\"data\":[{\"e\":1},{\"e\":2}]}", 2, "{\"e\":1}"},
    {"{\"data\":[{\"e\":1},{\"e\":2}]}", 1, NULL},
    {"{\"data\":[{\"e\":1},{\"e\":2}]}", 3, NULL},
    {"{\"data\":[{\"index\":0},{\"index\":0}]}", 2, NULL},
    {"{\"data\":[{\"index\":0},{\"index\":2}]}", 2, NULL},
    {"{\"data\":[{\"index\":-1},{\"index\":0}]}", 2, NULL},
    {"{\"data\":[1,2]}", 2, NULL},
    {"{\"data\":{}}", 2, NULL},
    {"{}", 1, NULL},
};

START_TEST(an_answer_is_split_by_index)
{
    struct span elements[4];
    bool ok = embed_split(span_of(answers[_i].answer), elements, answers[_i].n);

    ck_assert_int_eq(ok, answers[_i].first != NULL);
    if (ok)
        ck_assert_int_eq(strncmp(elements[0].p, answers[_i].first, elements[0].n), 0);
}
END_TEST

START_TEST(an_answer_is_put_together_in_order)
{
    const struct span body = span_of("{\"input\":[\"a\",\"b\",\"a\"]}");
    struct buf out = BUF(1024), kept = BUF(256);
    struct found *found;
    struct embed e;

    ck_assert(embed_read("/x", body, &e));
    found = found_new(e.unique);
    found->each[0] = known("{}");
    embed_strip(span_of("{ \"index\":7, \"object\":\"embedding\", \"embedding\":[0.5] }"), &kept);
    ck_assert_str_eq(kept.p, "{\"object\":\"embedding\",\"embedding\":[0.5]}");
    found->each[1] = known(kept.p);
    embed_join(&e, found, span_of("{\"id\":\"x\",\"data\":[],\"model\":\"m\",\"usage\":{}}"),
               span_of("m"), span_of("{\"prompt_tokens\":1}"), &out);
    ck_assert_str_eq(out.p, "{\"id\":\"x\",\"model\":\"m\",\"data\":[{\"index\":0},{\"index\":1,"
                            "\"object\":\"embedding\",\"embedding\":[0.5]},{\"index\":2}],"
                            "\"usage\":{\"prompt_tokens\":1}}");
    buf_clear(&out);
    embed_join(&e, found, (struct span){NULL, 0}, span_of("m"), (struct span){NULL, 0}, &out);
    ck_assert_int_eq(
        strncmp(out.p, "{\"object\":\"list\",\"model\":\"m\",\"data\":[{\"index\":0}",
                strlen("{\"object\":\"list\",\"model\":\"m\",\"data\":[{\"index\":0}")),
        0);
    found_drop(&found);
    embed_done(&e);
    buf_done(&out);
    buf_done(&kept);
}
END_TEST

START_TEST(shares_of_tokens_are_all_tokens)
{
    const struct span texts[] = {{"a", 1}, {"bb", 2}, {"", 0}, {"cccc", 4}};
    int64_t shares[4], sum;

    for (int64_t tokens = 0; tokens < 50; tokens++) {
        embed_share_tokens(texts, 4, tokens, shares);
        sum = shares[0] + shares[1] + shares[2] + shares[3];
        ck_assert_int_eq(sum, tokens);
        ck_assert_int_eq(shares[2], 0);
        ck_assert_int_ge(shares[3], tokens * 4 / 7);
    }
    embed_share_tokens(texts, 4, INT64_MAX, shares);
    ck_assert_int_gt(shares[3], INT64_MAX / 2);
}
END_TEST

static struct entry *made_by(const char *model, int64_t at_ms)
{
    const struct entry facts = {.body = {"{}", 2}, .model = span_of(model), .stored_ms = at_ms};

    return entry_new(&facts);
}

START_TEST(only_what_the_last_model_made_stays_known)
{
    struct found *f = found_new(5);

    ck_assert(!embed_is_mixed(f));
    embed_unmix(f);
    f->each[0] = made_by("old", 3);
    f->each[1] = made_by("New", 5);
    f->each[3] = made_by("new", 2);
    f->each[4] = made_by("older", 1);
    f->known = 4;
    ck_assert(embed_is_mixed(f));
    embed_unmix(f);
    ck_assert(!embed_is_mixed(f));
    ck_assert_uint_eq(f->known, 2);
    ck_assert(!f->each[0] && f->each[1] && !f->each[2] && f->each[3] && !f->each[4]);
    found_drop(&f);
}
END_TEST

Suite *test_embed(void)
{
    Suite *s = suite_create("embed");
    TCase *tc = tcase_create("embed");

    tcase_add_loop_test(tc, a_list_is_its_different_texts, 0, (int)ARRAY_LEN(lists));
    tcase_add_test(tc, the_rest_of_a_long_body_is_walked_once);
    tcase_add_test(tc, each_text_has_the_hash_of_a_body_with_it_alone);
    tcase_add_test(tc, only_what_is_not_known_is_asked_for_once);
    tcase_add_loop_test(tc, an_answer_is_split_by_index, 0, (int)ARRAY_LEN(answers));
    tcase_add_test(tc, an_answer_is_put_together_in_order);
    tcase_add_test(tc, shares_of_tokens_are_all_tokens);
    tcase_add_test(tc, only_what_the_last_model_made_stays_known);
    suite_add_tcase(s, tc);
    return s;
}
