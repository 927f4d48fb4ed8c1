/* test_schema_theirs.c - schemas that users wrote: the standard's meaning, bounds, holes, the
 * cache. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/clock.h"
#include "common/schema/schema_cache.h"

static struct err err;

static bool fits(const struct schema *s, const char *text)
{
    json_t *doc = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool ok;

    ck_assert_ptr_nonnull(doc);
    err = (struct err){0};
    ok = schema_check(s, doc, &err);
    ck_assert(ok == (err.msg[0] == '\0'));
    json_decref(doc);
    return ok;
}

static struct schema *make(const char *text, bool lenient)
{
    struct schema *s;

    err = (struct err){0};
    s = schema_new_theirs((struct span){text, strlen(text)}, lenient, &err);
    ck_assert(s || err.msg[0]);
    ck_assert(!s || !err.msg[0]); /* untouched */
    return s;
}

/* ---- keywords ---- */

/* clang-format off */
static const struct {
    const char *schema, *good, *bad, *says;
} cases[] = {
    {"{\"type\":\"integer\"}", "3.0", "3.5", "expected an integer, got 3.5"},
    {"{\"type\":\"integer\"}", "1e3", "\"1\"", "expected an integer"},
    {"{\"const\":1}", "1.0", "2", "expected 1"},
    {"{\"const\":{\"a\":[1,\"x\",null]}}", "{\"a\":[1.0,\"x\",null]}", "{\"a\":[1.5,\"x\",null]}", "expected"},
    {"{\"enum\":[[0],[1]]}", "[1.0]", "[false]", "expected one of"},
    {"{\"enum\":[1,\"a\"]}", "1.0", "1.5", "expected one of"},
    {"{\"$comment\":\"mine\",\"type\":\"string\"}", "\"a\"", "1", "expected a string, got 1"},
    {"{\"multipleOf\":3}", "9", "10", "expected a multiple of 3"},
    {"{\"multipleOf\":0.1}", "0.3", "0.35", "expected a multiple of 0.1"},
    {"{\"multipleOf\":0.01}", "1234567.89", "1234567.891", "multiple of"},
    {"{\"uniqueItems\":true}", "[1,2,\"1\",{\"a\":1}]", "[{\"a\":1,\"b\":2},{\"b\":2,\"a\":1}]", "all different"},
    {"{\"uniqueItems\":false}", "[1,1]", NULL, NULL},
    {"{\"minProperties\":1}", "{\"a\":1}", "{}", "expected at least 1 members, got 0"},
    {"{\"prefixItems\":[{\"type\":\"string\"},{\"type\":\"integer\"}]}", "[\"a\",1,null]", "[\"a\",\"b\"]", "[1]: expected an integer"},
    {"{\"prefixItems\":[{}],\"items\":false}", "[1]", "[1,2]", "[1]: not allowed"},
    {"{\"minimum\":1,\"exclusiveMinimum\":1}", "2", "1", "over 1"},
    {"{\"exclusiveMinimum\":3,\"minimum\":1}", "4", "2", "over 3"},
    {"{\"minimum\":5,\"exclusiveMinimum\":1}", "5", "4", "5"},
    {"{\"maximum\":5,\"exclusiveMaximum\":9}", "5", "6", "5"},
    {"{\"definitions\":{\"p\":{\"type\":\"object\",\"required\":[\"n\"]}},\"items\":{\"$ref\":\"#/definitions/p\"}}", "[{\"n\":1}]", "[{}]", "[0].n: required, but missing"},
    {"{\"properties\":{\"child\":{\"$ref\":\"#\"},\"n\":{\"type\":\"integer\"}}}", "{\"child\":{\"child\":{\"n\":1}}}", "{\"child\":{\"child\":{\"n\":true}}}", "child.child.n: expected an integer"},
    {"{\"pattern\":\"^\\\\d{4}-\\\\d\\\\d$\"}", "\"2026-11\"", "\"2026-1\"", "expected text that matches"},
    {"{\"readOnly\":true,\"deprecated\":true,\"writeOnly\":false,\"type\":\"null\"}", "null", "0", "expected null"},
    {"{\"$defs\":{\"a\":{\"properties\":{\"b\":{\"$ref\":\"#/$defs/a\"}}}},\"allOf\":[{\"$ref\":\"#/$defs/a\"},{\"$ref\":\"#/$defs/a\"}]}", "{\"b\":{\"b\":{}}}", NULL, NULL},
};

static const struct {
    const char *schema, *says;
} refused[] = {
    {"", "line 1"}, {"[", "line 1"}, {"3", "not a schema"},
    {"{\"unevaluatedProperties\":false}", "unevaluatedProperties: unknown keyword"},
    {"{\"properties\":{\"a\":{\"items\":{\"contains\":{}}}}}", "properties: a: items: contains: unknown keyword"},
    {"{\"$ref\":\"https://example.com/x\"}", "$ref: not of the form"},
    {"{\"multipleOf\":0}", "multipleOf: not a number above 0"},
    {"{\"$ref\":\"#\"}", "$ref: # leads back to itself, with the same value"},
    {"{\"$defs\":{\"a\":{\"$ref\":\"#/$defs/a\"}},\"type\":\"null\"}", "#/$defs/a leads back"},
    {"{\"$defs\":{\"a\":{\"not\":{\"$ref\":\"#/$defs/b\"}},\"b\":{\"if\":true,\"then\":{\"$ref\":\"#/$defs/a\"}}}}", "leads back"},
    {"{\"items\":{\"oneOf\":[{\"type\":\"null\"},{\"$ref\":\"#/$defs/t\"}]},\"$defs\":{\"t\":{\"anyOf\":[{\"allOf\":[{\"$ref\":\"#/$defs/t\"}]}]}}}", "leads back"},
    {"{\"exclusiveMinimum\":true}", "exclusiveMinimum: not a number"},
    {"{\"pattern\":\"(a)\\\\1\"}", "pattern: back-references are not supported"},
};

/* What is left of a schema with holes, and what it still refuses. */
static const struct {
    const char *schema, *good, *bad;
} holes[] = {
    {"{\"type\":\"string\",\"unheard\":1}", "\"a\"", "1"},
    {"{\"type\":\"text\"}", "1", NULL},
    {"{\"type\":[\"string\",\"text\"]}", "1", NULL},
    {"{\"enum\":[]}", "1", NULL},
    {"{\"properties\":{\"a\":{\"type\":\"integer\",\"pattern\":\"(?=x)\"}},\"required\":[\"a\"]}", "{\"a\":1}", "{\"a\":\"1\"}"},
    {"{\"not\":{\"unheard\":1}}", "1", NULL},
    {"{\"not\":{\"$ref\":\"#/$defs/x\"},\"$defs\":{\"x\":{\"unheard\":1}}}", "1", NULL},
    {"{\"if\":{\"unheard\":1},\"then\":{\"type\":\"string\"},\"else\":{\"type\":\"null\"}}", "1", NULL},
    {"{\"oneOf\":[{\"type\":\"integer\"},{\"unheard\":1}]}", "1", NULL},
    {"{\"oneOf\":[{\"type\":\"integer\",\"unheard\":1},{\"type\":\"null\"}]}", "1", "\"a\""},
    {"{\"patternProperties\":{\"(?=a)\":{}},\"additionalProperties\":false}", "{\"a\":1}", NULL},
    {"{\"properties\":5,\"additionalProperties\":false}", "{\"a\":1}", NULL},
    {"{\"properties\":{\"a\":5},\"additionalProperties\":false}", "{\"a\":1}", "{\"b\":1}"},
    {"{\"prefixItems\":{},\"items\":false}", "[1]", NULL},
    {"{\"required\":[1]}", "{}", NULL},
    {"{\"allOf\":[5,{\"type\":\"null\"}]}", "null", "1"},
    {"7", "1", NULL},
    {"{\"type\":\"object\",\"anyOf\":[{\"$ref\":\"#\"},{\"$ref\":\"#\"}]}", "{}", "1"},
};
/* clang-format on */

START_TEST(keywords_mean_what_the_standard_says)
{
    struct schema *s = make(cases[_i].schema, false);

    ck_assert_msg(s != NULL, "%s: %s", cases[_i].schema, err.msg);
    if (cases[_i].good)
        ck_assert_msg(fits(s, cases[_i].good), "%s: %s", cases[_i].good, err.msg);
    if (cases[_i].bad) {
        ck_assert_msg(!fits(s, cases[_i].bad), "%s on %s", cases[_i].schema, cases[_i].bad);
        ck_assert_msg(strstr(err.msg, cases[_i].says) != NULL, "said: %s", err.msg);
    }
    schema_free(s);
}
END_TEST

START_TEST(what_is_not_known_is_refused_by_name)
{
    ck_assert_ptr_null(make(refused[_i].schema, false));
    ck_assert_msg(strstr(err.msg, refused[_i].says) != NULL, "said: %s", err.msg);
}
END_TEST

START_TEST(a_hole_in_a_lenient_schema_refuses_nothing)
{
    struct schema *s = make(holes[_i].schema, true);

    ck_assert_ptr_nonnull(s);
    ck_assert_msg(fits(s, holes[_i].good), "%s: %s", holes[_i].schema, err.msg);
    ck_assert_msg(!holes[_i].bad || !fits(s, holes[_i].bad), "%s", holes[_i].schema);
    schema_free(s);
}
END_TEST

/* ---- bounds ---- */

/* Schemas of many parts whose check could take very long. */
static const struct {
    const char *open, *item, *close;
} slow[] = {
    {"{\"items\":{\"anyOf\":[", "{\"pattern\":\"(a?){99}a{99}$\"}", "]}}"},
    {"{\"items\":{\"enum\":[", "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\"", "]}}"},
    {"{\"allOf\":[", "{\"uniqueItems\":true}", "]}"},
};

static char *list_of(const char *item, size_t count, const char *open, const char *close)
{
    size_t n = strlen(item);
    char *text = malloc(count * (n + 1) + strlen(open) + strlen(close) + 1), *p = text;

    p += snprintf(p, strlen(open) + 1, "%s", open);
    for (size_t i = 0; i < count; i++, p += n + 1) {
        memcpy(p, item, n);
        p[n] = ',';
    }
    snprintf(p - 1, strlen(close) + 1, "%s", close);
    return text;
}

START_TEST(no_schema_and_no_answer_take_long)
{
    char *text =
        list_of(slow[_i].item, 60000 / (strlen(slow[_i].item) + 1), slow[_i].open, slow[_i].close);
    char *doc = list_of("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"", 20000, "[", "]");
    struct schema *s = make(text, false);
    int64_t started;

    ck_assert_msg(s != NULL, "%s", err.msg);
    started = clock_mono_ms();
    ck_assert(!fits(s, doc));
    ck_assert_int_lt(clock_mono_ms() - started, 3000);
    schema_free(s);
    free(text);
    free(doc);
}
END_TEST

/* The regular expressions that take a backtracking matcher exponentially long. */
START_TEST(a_catastrophic_pattern_is_refused_in_bounded_time)
{
    static const char *const patterns[] = {"(a+)+$", "^(a+)+$", "^(a|a)*$", "(a*)*b|(a*)*c"};
    char text[100], *doc = malloc(100 * 1024 + 6), *p = doc;
    int64_t started = clock_mono_ms();
    struct schema *s;

    memcpy(p, "[\"", 2);
    memset(p + 2, 'a', 100 * 1024);
    memcpy(p + 2 + 100 * 1024, "!\"]", 4);
    for (int negated = 0; negated < 2; negated++) {
        snprintf(text, sizeof text, "{\"items\":{%s\"pattern\":\"%s\"%s}}",
                 negated ? "\"not\":{" : "", patterns[_i], negated ? "}" : "");
        s = make(text, false);
        ck_assert(s != NULL && !fits(s, doc));
        ck_assert_str_eq(err.msg, "the check takes too many steps");
        schema_free(s);
    }
    ck_assert_int_lt(clock_mono_ms() - started, 2000);
    free(doc);
}
END_TEST

START_TEST(patterns_of_a_schema_have_a_bound_together)
{
    char *text = list_of("{\"pattern\":\"(ab){999}\"}", 2000, "{\"allOf\":[", "]}");
    struct schema *s;

    ck_assert_ptr_null(make(text, false));
    ck_assert_msg(strstr(err.msg, "too large together") != NULL, "%s", err.msg);
    s = make(text, true);
    ck_assert_ptr_nonnull(s);
    ck_assert_uint_lt(schema_pattern_bytes(s), SCHEMA_PATTERN_BYTES + 65536);
    schema_free(s);
    free(text);
}
END_TEST

START_TEST(a_large_schema_is_refused)
{
    char *text = list_of("\"aaaaaaaa\"", 10000, "{\"enum\":[", "]}");

    ck_assert_ptr_null(make(text, true));
    ck_assert_str_eq(err.msg, "larger than 65536 bytes");
    free(text);
}
END_TEST

/* ---- the cache ---- */

static const struct schema *cached(const char *text, bool lenient)
{
    err = (struct err){0};
    return schema_cached((struct span){text, strlen(text)}, lenient, &err);
}

START_TEST(compiled_patterns_count_as_memory_of_the_cache)
{
    size_t misses = schema_cache_misses();
    char open[64];

    for (int round = 0; round < 2;
         round++) /* 60 of 600 KB each: none is left in the second round */
        for (int i = 0; i < 60; i++) {
            char *text;

            snprintf(open, sizeof open, "{\"title\":\"%d\",\"allOf\":[", i);
            text = list_of("{\"pattern\":\"(abcdef){999}\"}", 10, open, "]}");
            ck_assert_ptr_nonnull(cached(text, false));
            free(text);
        }
    ck_assert_uint_eq(schema_cache_misses() - misses, 120);
}
END_TEST

START_TEST(the_same_schema_is_compiled_once)
{
    const struct schema *first = cached("{\"type\":\"null\"}", false);

    for (int i = 0; i < 10000; i++)
        ck_assert_ptr_eq(cached("{\"type\":\"null\"}", false), first);
    ck_assert_uint_eq(schema_cache_misses(), 1);
    ck_assert_ptr_ne(cached("{\"type\":\"null\"}", true), first);
    ck_assert_ptr_null(cached("{\"unheard\":1}", false));
    ck_assert_str_eq(err.msg, "unheard: unknown keyword");
    ck_assert_ptr_nonnull(cached("{\"unheard\":1}", true));
    schema_cache_clear();
}
END_TEST

START_TEST(the_least_recently_used_is_forgotten)
{
    char text[64];

    ck_assert_ptr_nonnull(cached("{\"minimum\":-1}", false));
    for (int i = 0; i < 3 * SCHEMA_CACHE_ENTRIES; i++) {
        snprintf(text, sizeof text, "{\"minimum\":%d}", i);
        ck_assert_ptr_nonnull(cached(text, false));
        ck_assert_ptr_nonnull(cached("{\"minimum\":-1}", false)); /* used all the time */
    }
    ck_assert_uint_eq(schema_cache_misses(), 3 * SCHEMA_CACHE_ENTRIES + 1);
    ck_assert_ptr_nonnull(cached("{\"minimum\":0}", false));
    ck_assert_uint_eq(schema_cache_misses(), 3 * SCHEMA_CACHE_ENTRIES + 2);
    schema_cache_clear();
}
END_TEST

Suite *test_schema_theirs(void);
Suite *test_schema_theirs(void)
{
    Suite *s = suite_create("test_schema_theirs");
    TCase *tc = tcase_create("schemas of others");

    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, keywords_mean_what_the_standard_says, 0, (int)ARRAY_LEN(cases));
    tcase_add_loop_test(tc, what_is_not_known_is_refused_by_name, 0, (int)ARRAY_LEN(refused));
    tcase_add_loop_test(tc, a_hole_in_a_lenient_schema_refuses_nothing, 0, (int)ARRAY_LEN(holes));
    tcase_add_loop_test(tc, no_schema_and_no_answer_take_long, 0, (int)ARRAY_LEN(slow));
    tcase_add_test(tc, a_large_schema_is_refused);
    tcase_add_loop_test(tc, a_catastrophic_pattern_is_refused_in_bounded_time, 0, 4);
    tcase_add_test(tc, patterns_of_a_schema_have_a_bound_together);
    tcase_add_test(tc, compiled_patterns_count_as_memory_of_the_cache);
    tcase_add_test(tc, the_same_schema_is_compiled_once);
    tcase_add_test(tc, the_least_recently_used_is_forgotten);
    suite_add_tcase(s, tc);
    return s;
}
