/* test_shortage.c - memory is short while a document is checked: that is never its fault. */
#include <check.h>
#include <string.h>

#include "common/core/shortage.h"
#include "tests/unit/job_scene.h"

enum { PLENTY = 3000 };

static const char *const valid[] = {
    "{\"type\":\"noop\",\"payload\":{}}",
    "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"result\":[[],{},\"x\",1,2.5,{\"a\":{\"b\":[]}}]"
    "}}",
    "{\"id\":\"a\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"messages\":[{\"role\":"
    "\"user\",\"content\":\"Hi \\u00e4\"}],\"fallbacks\":[\"m\"]},\"webhook\":{\"url\":"
    "\"https://example.com/hook\"},\"tags\":{\"a\":\"b\"},\"run_at\":\"2026-11-22T09:00:00Z\"}",
    "{\"id\":\"a\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"prompt\":\"Hi\","
    "\"validate\":{\"schema\":{\"type\":\"object\",\"properties\":{\"a\":{\"enum\":[1,2]}}}}}}",
};

/* Each allocation is the one that fails, in turn. */
START_TEST(a_valid_document_is_accepted_or_memory_was_short)
{
    long n = 0;
    bool ok = false;

    ck_assert(job_checks("{\"type\":\"noop\",\"payload\":{}}")); /* its schema is built once */
    for (; !ok && n < PLENTY; n++) {
        shortage_after(n);
        ok = job_checks(valid[_i]);
        ck_assert_msg(ok || refused.kind == ERR_MEMORY, "after %ld: %s", n, refused.msg);
    }
    shortage_after(-1);
    ck_assert(ok);
    ck_assert_int_gt(n, 5);
}
END_TEST

START_TEST(a_document_that_is_none_is_refused_when_memory_is_back)
{
    shortage_after(3);
    ck_assert(!job_checks("{\"type\":\"noop\",\"payload\":{\"result\":[1,2,}}"));
    ck_assert_int_eq(refused.kind, ERR_MEMORY);
    shortage_after(-1);
    ck_assert(!job_checks("{\"type\":\"noop\",\"payload\":{\"result\":[1,2,}}"));
    ck_assert_int_eq(refused.kind, ERR_INVALID);
}
END_TEST

Suite *test_shortage(void)
{
    Suite *s = suite_create("shortage");
    TCase *tc = tcase_create("job_check");

    tcase_add_loop_test(tc, a_valid_document_is_accepted_or_memory_was_short, 0,
                        (int)ARRAY_LEN(valid));
    tcase_add_test(tc, a_document_that_is_none_is_refused_when_memory_is_back);
    suite_add_tcase(s, tc);
    return s;
}
