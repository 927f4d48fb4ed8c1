/* What is understood of a provider's list of models, and how a list is kept. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/secret.h"
#include "common/model/dearer.h"
#include "common/model/model_doc.h"
#include "worker/together/catalogue.h"

#define SPAN(text) ((struct span){text, strlen(text)})

static struct model_table read_good(const char *text)
{
    struct model_table t = {0};
    struct err err = {0};

    ck_assert_msg(catalogue_read(SPAN(text), "together", &t, &err), "%s", err.msg);
    return t;
}

/* As it was recorded: a bare array, floats with their noise, objects for what is not paid by
 * tokens. */
static const char recorded[] =
    "[{\"id\":\"meta-llama/Llama-3.3-70B-Instruct-Turbo\",\"uuid\":\"u\",\"object\":\"model\","
    "\"created\":0,\"type\":\"chat\",\"running\":false,\"display_name\":\"L\",\"context_length\":"
    "131072,\"config\":{\"chat_template\":\"{% if x %}\\u0022[]{}\\u0022\",\"stop\":[\"</s>\"]},"
    "\"pricing\":{\"hourly\":0,\"input\":1.0399999999999998,\"output\":1.0399999999999998,"
    "\"base\":0,\"finetune\":0,\"image_pixel\":0,\"transcribe\":0,\"image\":0,\"video\":0}},\n"
    " {\"id\":\"MiniMaxAI/MiniMax-M3\",\"type\":\"chat\",\"pricing\":{\"input\":0.3,\"output\":1.2,"
    "\"cached_input\":0.06}},"
    "{\"id\":\"Qwen/Qwen2.5-Coder\",\"type\":\"code\",\"pricing\":{\"input\":8e-1,\"output\":0.8}},"
    "{\"id\":\"intfloat/e5\",\"type\":\"embedding\",\"context_length\":514,\"pricing\":{\"input\":"
    "0.02,\"output\":0}},"
    "{\"id\":\"black-forest-labs/FLUX.1-schnell\",\"type\":\"image\",\"pricing\":{\"input\":0,"
    "\"output\":0,\"image_pixel\":{\"price_per_megapixel\":0.0027,\"min_steps\":4},\"image\":0}},"
    "{\"id\":\"black-forest-labs/"
    "FLUX.2-pro\",\"type\":\"image\",\"pricing\":{\"input\":0,\"output\":"
    "0,\"image_pixel\":0,\"image\":{\"example_price\":0.03,\"example_description\":\"1 MP\"}}},"
    "{\"id\":\"openai/whisper-large-v3\",\"type\":\"transcribe\",\"pricing\":{}},"
    "{\"id\":\"needs/a-dedicated-endpoint\",\"type\":\"language\",\"pricing\":{\"input\":0,"
    "\"output\":0}}]";

static const struct {
    const char *id;
    unsigned tasks;
    int64_t in, out, cached, image, context;
    enum image_unit unit;
} expected[] = {
    {"meta-llama/Llama-3.3-70B-Instruct-Turbo", TASK_CHAT, 1040000000, 1040000000, -1, -1, 131072,
     IMAGE_NONE},
    {"MiniMaxAI/MiniMax-M3", TASK_CHAT, 300000000, 1200000000, 60000000, -1, 0, IMAGE_NONE},
    {"Qwen/Qwen2.5-Coder", TASK_CODE | TASK_COMPLETION, 800000000, 800000000, -1, -1, 0,
     IMAGE_NONE},
    {"intfloat/e5", TASK_EMBEDDING, 20000000, 0, -1, -1, 514, IMAGE_NONE},
    {"black-forest-labs/FLUX.1-schnell", TASK_IMAGE, 0, 0, -1, 2700000, 0, IMAGE_MEGAPIXEL},
    {"black-forest-labs/FLUX.2-pro", TASK_IMAGE, 0, 0, -1, 30000000, 0, IMAGE_PIECE},
    {"needs/a-dedicated-endpoint", TASK_COMPLETION, -1, -1, -1, -1, 0, IMAGE_NONE},
};

static void check_row(const struct model *m, size_t i)
{
    ck_assert_str_eq(m->id, expected[i].id);
    ck_assert_str_eq(m->provider, "together");
    ck_assert_uint_eq(m->tasks, expected[i].tasks);
    ck_assert_int_eq(m->in_nanousd, expected[i].in);
    ck_assert_int_eq(m->out_nanousd, expected[i].out);
    ck_assert_int_eq(m->cached_nanousd, expected[i].cached);
    ck_assert_int_eq(m->image_nanousd, expected[i].image);
    ck_assert_int_eq(m->image_unit, expected[i].unit);
    ck_assert_int_eq(m->context, expected[i].context);
}

START_TEST(reads_what_together_lists)
{
    struct model_table t = read_good(recorded);

    ck_assert_uint_eq(t.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < t.count; i++)
        check_row(&t.rows[i], i);
    model_table_done(&t);
}
END_TEST

START_TEST(what_is_kept_is_read_back)
{
    struct model_table t = read_good(recorded), again = {0};
    struct buf text = BUF(1 << 20);
    int64_t fetched_ms = 0;

    catalogue_doc_write(&t, "together", 1790000000000, &text);
    ck_assert(catalogue_doc_read(buf_span(&text), &again, &fetched_ms));
    ck_assert_int_eq(fetched_ms, 1790000000000);
    ck_assert_uint_eq(again.count, ARRAY_LEN(expected));
    for (size_t i = 0; i < again.count; i++)
        check_row(&again.rows[i], i);
    buf_done(&text);
    model_table_done(&t);
    model_table_done(&again);
}
END_TEST

static struct model_table table_of(struct model *rows, size_t n)
{
    return (struct model_table){.rows = rows, .count = n};
}

/* A recovery estimates at the price at which a call may have been made. */
START_TEST(prices_that_fell_are_kept_beside_the_present_ones)
{
    struct model now_rows[] = {MODEL_UNKNOWN, MODEL_UNKNOWN},
                 before_rows[] = {MODEL_UNKNOWN, MODEL_UNKNOWN}, older_rows[] = {MODEL_UNKNOWN};
    struct model_table now = table_of(now_rows, 2), before = table_of(before_rows, 2),
                       older = table_of(older_rows, 1), dearer = {0}, again = {0};
    struct buf doc = BUF(1 << 16);
    char a[] = "a/a", b[] = "b/b", together[] = "together";
    int64_t at = 0;

    now_rows[0] = (struct model){.id = a, .provider = together, .in_nanousd = 5, .out_nanousd = 9};
    now_rows[1] = (struct model){.id = b, .provider = together, .in_nanousd = 7, .out_nanousd = 7};
    before_rows[0] = now_rows[0];
    before_rows[0].in_nanousd = 6;
    before_rows[1] = now_rows[1];
    older_rows[0] = now_rows[0];
    older_rows[0].out_nanousd = 20;
    catalogue_doc_write(&now, "together", 1, &doc);
    ck_assert(!catalogue_doc_read_dearer(buf_span(&doc), &again, &at));
    dearer_add(&dearer, &now, &before);
    ck_assert_uint_eq(dearer.count, 1);
    dearer_add(&dearer, &now, &older);
    catalogue_doc_add_dearer(&doc, &dearer, 77);
    ck_assert(catalogue_doc_read_dearer(buf_span(&doc), &again, &at));
    ck_assert_int_eq(at, 77);
    ck_assert_uint_eq(again.count, 1);
    ck_assert_str_eq(again.rows[0].id, "a/a");
    ck_assert_int_eq(again.rows[0].in_nanousd, 6);
    ck_assert_int_eq(again.rows[0].out_nanousd, 20);
    model_table_done(&dearer);
    model_table_done(&again);
    buf_done(&doc);
}
END_TEST

static const char *const not_kept[] = {"",
                                       "[]",
                                       "{}",
                                       "null",
                                       "{\"fetched_at\":1}",
                                       "{\"models\":[]}",
                                       "{\"fetched_at\":1,\"models\":{}}",
                                       "{\"fetched_at\":1,\"models\":[",
                                       "{\"fetched_at\":\"x\",\"models\":[]}"};

START_TEST(what_was_not_kept_by_us_is_none)
{
    struct model_table t;
    int64_t at;

    ck_assert(!catalogue_doc_read(SPAN(not_kept[_i]), &t, &at));
}
END_TEST

START_TEST(reads_the_list_of_others_as_well)
{
    struct model_table t = read_good("{\"object\":\"list\",\"data\":[{\"id\":\"gpt-x\",\"object\":"
                                     "\"model\",\"owned_by\":\"me\"},{\"id\":\"gpt-y\"}]}");

    ck_assert_uint_eq(t.count, 2);
    ck_assert_str_eq(t.rows[1].id, "gpt-y");
    ck_assert_uint_eq(t.rows[0].tasks, 0);
    ck_assert_int_eq(t.rows[0].in_nanousd, -1);
    model_table_done(&t);
}
END_TEST

static const struct {
    const char *item;
    unsigned tasks;
    int64_t in, out, cached, context;
} others[] = {
    {"{\"id\":\"m\",\"context_length\":32768,\"pricing\":{\"prompt\":\"0.00000015\",\"completion\":"
     "\"0.0000006\",\"input_cache_read\":\"0.0000000375\",\"image\":\"0\"}}",
     0, 150000000, 600000000, 37500000, 32768},
    {"{\"id\":\"m\",\"pricing\":{\"prompt\":\"-1\",\"completion\":\"0\"}}", 0, -1, -1, -1, 0},
    {"{\"id\":\"m\",\"pricing\":{\"prompt\":\"free\",\"completion\":1e300}}", 0, -1, -1, -1, 0},
    {"{\"id\":\"m\",\"active\":true,\"context_window\":131072}", 0, -1, -1, -1, 131072},
    {"{\"id\":\"m\",\"type\":\"base\",\"max_context_length\":32000}", 0, -1, -1, -1, 32000},
    {"{\"id\":\"m\",\"object\":\"model\",\"max_model_len\":4096}", 0, -1, -1, -1, 4096},
};

START_TEST(reads_how_others_write_prices_types_and_contexts)
{
    char text[1000];
    struct model_table t;

    snprintf(text, sizeof text, "{\"data\":[%s]}", others[_i].item);
    t = read_good(text);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_uint_eq(t.rows[0].tasks, others[_i].tasks);
    ck_assert_int_eq(t.rows[0].in_nanousd, others[_i].in);
    ck_assert_int_eq(t.rows[0].out_nanousd, others[_i].out);
    ck_assert_int_eq(t.rows[0].cached_nanousd, others[_i].cached);
    ck_assert_int_eq(t.rows[0].context, others[_i].context);
    model_table_done(&t);
}
END_TEST

/* One good model, and beside it what must not disturb. */
static const char *const odd_items[] = {
    "1",
    "null",
    "\"x\"",
    "[]",
    "{}",
    "{\"id\":null}",
    "{\"id\":\"\"}",
    "{\"id\":7}",
    "{\"id\":\"with a blank\"}",
    "{\"id\":\"a\\u0000b\"}",
    "{\"id\":\"a\\nb\"}",
    "{\"id\":\"good\"}", /* the same again */
    "{\"id\":\"v\",\"type\":\"video\"}",
    "{\"id\":\"v\",\"type\":7}",
    "{\"id\":\"x\\/tgp_v1_0123456789abcdef\"}", /* a secret */
    "{\"id\":\"tgp_v1_0123456789\"}",
};

START_TEST(leaves_out_what_is_no_model_of_ours)
{
    char text[256];
    struct model_table t;

    secret_add("tgp_v1_0123456789abcdef");
    snprintf(text, sizeof text, "[%s,{\"id\":\"good\"},%s]", odd_items[_i], odd_items[_i]);
    t = read_good(text);
    ck_assert_uint_eq(t.count, 1);
    ck_assert_str_eq(t.rows[0].id, "good");
    model_table_done(&t);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"", "expected a list of models, or it in `data`"},
    {"<html>", "expected a list of models, or it in `data`"},
    {"{\"error\":{\"message\":\"Unauthorized\"}}", "expected a list of models, or it in `data`"},
    {"{\"data\":{}}", "expected a list of models, or it in `data`"},
    {"7", "expected a list of models, or it in `data`"},
    {"[]", "the list names no model that can be used"},
    {"[{\"id\":\"v\",\"type\":\"video\"}]", "the list names no model that can be used"},
    {"[{\"id\":\"a\"}", "the list of models is malformed"},
    {"[{\"id\":\"a\"},{\"id\"]", "the list of models is malformed"},
};

START_TEST(refuses_what_is_no_list_and_says_why)
{
    struct model_table t;
    struct err err = {0};

    ck_assert(!catalogue_read(SPAN(bad[_i].text), "together", &t, &err));
    ck_assert_int_eq(err.kind, ERR_BAD_ANSWER);
    ck_assert_str_eq(err.msg, bad[_i].says);
}
END_TEST

static const struct {
    const char *text;
    int64_t nanousd;
} prices[] = {
    {"0.15", 150000000},
    {"1.0399999999999998", 1040000000},
    {"0.060000000000000005", 60000000},
    {"0.15000000596046448", 150000000}, /* a float of 32 bits */
    {"1.0399999618530273", 1040000000},
    {"0.0027", 2700000},
    {"2e-7", 200},
    {"15", 15000000000},
    {"0.123456789", 123456789}, /* that is no noise */
    {"0", 0},
    {"1e6", 1000000000000000},
    {"1000001", -1},
    {"-0.15", -1},
    {"\"0.15\"", -1},
    {"null", -1},
    {"{}", -1},
    {"", -1},
};

START_TEST(a_price_is_read_without_its_noise)
{
    ck_assert_int_eq(catalogue_price(SPAN(prices[_i].text)), prices[_i].nanousd);
}
END_TEST

START_TEST(a_very_long_list_is_cut)
{
    struct buf text = BUF(1 << 20);
    struct model_table t;

    buf_putc(&text, '[');
    for (int i = 0; i < CATALOGUE_ROWS_MAX + 10; i++)
        buf_printf(&text, "%s{\"id\":\"m%d\"}", i ? "," : "", i);
    buf_putc(&text, ']');
    t = read_good(text.p);
    ck_assert_uint_eq(t.count, CATALOGUE_ROWS_MAX);
    model_table_done(&t);
    buf_done(&text);
}
END_TEST

/* ---- documents of one model ---- */

static const struct {
    const char *text, *says;
} bad_docs[] = {
    {"", "expected an object like {\"tasks\": [\"chat\"]}"},
    {"[]", "expected an object like {\"tasks\": [\"chat\"]}"},
    {"{\"input_usd\":0.1", "expected valid JSON"},
    {"{\"imput_usd\":0.1}", "imput_usd: unknown member; did you mean 'input_usd'?"},
    {"{\"input_usd\":\"0.1\"}", "input_usd: expected an amount of USD like 0.15; got \"0.1\""},
    {"{\"output_usd\":-1}", "output_usd: expected an amount of USD like 0.15; got -1"},
    {"{\"tasks\":\"chat\"}",
     "tasks: expected a list of chat, completion, code, embedding, image and rerank; got \"chat\""},
    {"{\"tasks\":[\"chat\",\"sing\"]}", "tasks: expected a list of chat, completion, code, "
                                        "embedding, image and rerank; got [\"chat\",\"sing\"]"},
    {"{\"features\":[\"wings\"]}",
     "features: expected a list of tools, json_schema and vision; got [\"wings\"]"},
    {"{\"provider\":\"\"}", "provider: expected the name of a provider; got \"\""},
    {"{\"id\":\"a b\"}", "id: expected an id of up to 200 characters without blanks; got \"a b\""},
    {"{\"context\":-1}", "context: expected a whole number from 0 to 1000000000; got -1"},
    {"{\"context\":1.5}", "context: expected a whole number from 0 to 1000000000; got 1.5"},
    {"{\"quality\":1.1}", "quality: expected a number from 0 to 1; got 1.1"},
    {"{\"features\":[\"tools\",\"wings\"]}",
     "features: expected a list of tools, json_schema and vision; got [\"tools\",\"wings\"]"},
    {"{\"image_unit\":\"acre\"}", "image_unit: expected megapixel or piece; got \"acre\""},
    {"{\"batch_discount_percent\":101}",
     "batch_discount_percent: expected a whole number from 0 to 100; got 101"},
    {"{\"p50_ms\":\"\xc3\xa9 and whatever else may stand there now\"}",
     "p50_ms: expected a whole number from 0 to 3600000; got \"?? and whatever else may stand "
     "there no..."},
    {"{\"allowed\":1}", "allowed: expected true or false; got 1"},
};

START_TEST(a_bad_document_of_a_model_is_refused_with_the_reason)
{
    struct model m = MODEL_UNKNOWN;
    struct err err = {0};

    ck_assert(!model_doc_read(SPAN(bad_docs[_i].text), &m, &err));
    ck_assert_str_eq(err.msg, bad_docs[_i].says);
    model_done(&m);
}
END_TEST

START_TEST(a_document_of_a_model_says_what_the_configuration_may_say)
{
    struct model m = MODEL_UNKNOWN;
    struct err err = {0};
    const char *text = "{\"id\":\"a/b\",\"provider\":\"local\",\"tasks\":[\"chat\",\"code\"],"
                       "\"input_usd\":0.15,\"output_usd\":0.6,\"cached_usd\":null,"
                       "\"context\":4096,\"quality\":0.8,\"p50_ms\":900,\"features\":[\"tools\"],"
                       "\"routed\":false,\"max_concurrency\":4,\"batch_discount_percent\":50}";

    ck_assert_msg(model_doc_read(SPAN(text), &m, &err), "%s", err.msg);
    ck_assert_str_eq(m.id, "a/b");
    ck_assert_str_eq(m.provider, "local");
    ck_assert_uint_eq(m.tasks, TASK_CHAT | TASK_CODE);
    ck_assert_int_eq(m.in_nanousd, 150000000);
    ck_assert_int_eq(m.out_nanousd, 600000000);
    ck_assert_int_eq(m.cached_nanousd, -1);
    ck_assert_int_eq(m.context, 4096);
    ck_assert_int_eq(m.quality_permille, 800);
    ck_assert_int_eq(m.p50_ms, 900);
    ck_assert_uint_eq(m.features, FEATURE_TOOLS);
    ck_assert(m.allowed && !m.routed);
    ck_assert_int_eq(m.max_concurrency, 4);
    ck_assert_int_eq(m.batch_percent, 50);
    model_done(&m);
}
END_TEST

Suite *test_catalogue(void);
Suite *test_catalogue(void)
{
    Suite *s = suite_create("catalogue");
    TCase *tc = tcase_create("catalogue");

    tcase_set_timeout(tc, 60); /* under a sanitizer, on a busy machine */
    tcase_add_test(tc, reads_what_together_lists);
    tcase_add_test(tc, what_is_kept_is_read_back);
    tcase_add_test(tc, prices_that_fell_are_kept_beside_the_present_ones);
    tcase_add_loop_test(tc, what_was_not_kept_by_us_is_none, 0, (int)ARRAY_LEN(not_kept));
    tcase_add_test(tc, reads_the_list_of_others_as_well);
    tcase_add_loop_test(tc, reads_how_others_write_prices_types_and_contexts, 0,
                        (int)ARRAY_LEN(others));
    tcase_add_loop_test(tc, leaves_out_what_is_no_model_of_ours, 0, (int)ARRAY_LEN(odd_items));
    tcase_add_loop_test(tc, refuses_what_is_no_list_and_says_why, 0, (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, a_price_is_read_without_its_noise, 0, (int)ARRAY_LEN(prices));
    tcase_add_test(tc, a_very_long_list_is_cut);
    tcase_add_loop_test(tc, a_bad_document_of_a_model_is_refused_with_the_reason, 0,
                        (int)ARRAY_LEN(bad_docs));
    tcase_add_test(tc, a_document_of_a_model_says_what_the_configuration_may_say);
    suite_add_tcase(s, tc);
    return s;
}
