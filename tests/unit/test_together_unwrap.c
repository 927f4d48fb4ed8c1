/* test_together_unwrap.c - which JSON value in a text is the answer. */
#include "worker/together/unwrap.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define F   "```"
#define BOM "\xef\xbb\xbf"

/* clang-format off */
static const struct {
    const char *text, *value; /* value NULL: none */
} cases[] = {
    /* the text itself */
    {"{\"a\":1}", "{\"a\":1}"},
    {" \n[1, 2]\n", "[1, 2]"},
    {"42", "42"},
    {"null", "null"},
    {BOM "{\"a\":1}", "{\"a\":1}"},
    {"{\"a\":\"</think>\"}", "{\"a\":\"</think>\"}"},
    {"\"" F "json\\n{}\\n" F "\"", "\"" F "json\\n{}\\n" F "\""},
    {"", NULL},
    {BOM, NULL},
    {" \n", NULL},
    {"Sorry, I cannot.", NULL},
    /* fences */
    {F "json\n{\"a\":1}\n" F, "{\"a\":1}"},
    {BOM F "json\r\n{\"a\":1}\r\n" F "\r\n", "{\"a\":1}"},
    {F "\n{\"a\":1}\n" F, "{\"a\":1}"},
    {F "JSON\n[1]\n" F, "[1]"},
    {F "jsonc\n[1]\n" F, "[1]"},
    {F "javascript\n{\"a\":1}\n" F, "{\"a\":1}"},
    {F "json\n42\n" F, "42"},
    {F "json {\"a\":1} " F, "{\"a\":1}"},
    {F "json{\"a\":1}" F, "{\"a\":1}"},
    {F " json\n{\"a\":1}\n" F, "{\"a\":1}"},
    {F " \tJSON \r\n42\r\n" F, "42"},
    {F " \n{\"a\":1}\n" F " ", "{\"a\":1}"},
    {F " python\n{\"a\":1}\n" F, NULL},
    {F " {\"a\":1} " F, "{\"a\":1}"},
    {"Here it is:\n\n" F "json\n{\"a\":1}\n" F "\nHope it helps!", "{\"a\":1}"},
    {"Here: " F "json\n{\"a\":1}\n" F, "{\"a\":1}"},
    {"1. So:\n   " F "json\n   {\"a\":1}\n   " F "\n", "{\"a\":1}"},
    {"````json\n{\"a\":1}\n````", "{\"a\":1}"},
    {F "json\n{\"md\":\"" F "js\\nx()\\n" F "\"}\n" F, "{\"md\":\"" F "js\\nx()\\n" F "\"}"},
    {F "json\n{\"t\":\"</think>\"}\n" F, "{\"t\":\"</think>\"}"},
    {F "json\n{\"t\":\"<think>\"}\n" F, "{\"t\":\"<think>\"}"},
    {F "json\n{\"a\":1}\n", "{\"a\":1}"},
    {F "json\n// the age\n{\"a\":1} // years\n# so\n" F, "{\"a\":1}"},
    /* several: the last one */
    {F "json\n{\"a\":1}\n" F "\nBetter:\n" F "json\n{\"a\":2}\n" F, "{\"a\":2}"},
    {F "json\n{\"a\":1}\n" F "\nBetter:\n" F "\n{\"a\":2}\n" F, "{\"a\":2}"},
    {F "python\nprint({})\n" F "\n" F "json\n{\"a\":2}\n" F, "{\"a\":2}"},
    {F "json\n{\"a\":2}\n" F "\nCall it:\n" F "bash\n{ cat x; }\n" F, "{\"a\":2}"},
    {F "json\n{\"a\":2}\n" F "\nIt prints:\n" F "\nHello\n" F, "{\"a\":2}"},
    {F "json\n{\"a\":2}\n" F "\nNot `" "a" "` but ``b``.", "{\"a\":2}"},
    /* not clear, or broken: none, never an earlier one */
    {F "json\n{\"a\":1}\n" F "\nBetter:\n" F "json\n{\"a\":2,}\n" F, NULL},
    {F "json\n{\"a\":1}\n" F "\nBetter:\n" F "\n{\"a\":\n" F, NULL},
    {F "json\n{\"a\":1}\n" F "\nBetter:\n" F "json\n{\"a\":2", NULL},
    {F "json\n{\"a\":1}\n{\"a\":2}\n" F, NULL},
    {F "json\n{\"a\":1}\nand so on", NULL},
    {F "json\n{\"a\":\"x\ny\"}\n" F, NULL},
    {F "json\n" F, NULL},
    {F "json", NULL},
    {F, NULL},
    {F "python\n{\"a\":1}\n" F, NULL},
    {F "\n42\n" F, NULL},
    {F "json\n{\"a\":1}\n" F "\n{\"a\":2}\n", NULL},
    {"{\"a\":1}\n" F "json\n{\"a\":2}\n" F, NULL},
    {"`{\"a\":1}`", NULL},
    /* thinking */
    {"<think>\nhm\n</think>\n\n{\"a\":1}", "{\"a\":1}"},
    {"<think>hm</think> \"<think> and </think>{}\"\n", "\"<think> and </think>{}\""},
    {"<think></think>{\"a\":1}", "{\"a\":1}"},
    {"<think>a</think><think>b</think>\n42", "42"},
    {"hm\n</think>\n{\"a\":1}", "{\"a\":1}"},
    {"[THINK]hm[/THINK][1]", "[1]"},
    {"<reasoning>hm</reasoning>\n" F "json\n{\"a\":1}\n" F, "{\"a\":1}"},
    {"<think>\n" F "json\n{\"a\":1}\n" F "\n</think>\n" F "json\n{\"a\":2}\n" F, "{\"a\":2}"},
    {F "json\n{\"a\":1}\n" F "\n</think>\n" F "json\n{\"a\":2}\n" F, "{\"a\":2}"},
    {"<think>{\"a\":1}</think>\nSorry.", NULL},
    {"<think>{\"a\":1}</think>", NULL},
    {"{\"a\":1}</think>", NULL},
    {"<think>\nLet me see\n{\"a\":1}", NULL},
    {"<think>\n" F "json\n{\"a\":1}\n" F, NULL},
    {F "json\n{\"a\":1}\n" F "\n<think>is it?", NULL},
    /* text around a value */
    {"Here it is:\n\n{\n \"a\": 1\n}\n\nHope it helps!", "{\n \"a\": 1\n}"},
    {"<think>hm</think>\nHere:\n  [1]  \nDone.", "[1]"},
    {"{\"a\":1}\n" F, "{\"a\":1}"},
    {"{\"a\":1}" F "\n", "{\"a\":1}"},
    {"Here: {\"a\":1}", NULL},
    {"{\"a\":1} is it", NULL},
    {"As [1] says\n", NULL},
    {"{\"a\":1}\n{\"a\":2}", NULL},
    {"{\"a\":1}\nor\n{\"a\":2,}\n", NULL},
    {"{\"a\":1,}\nor\n{\"a\":2}\n", NULL},
};
/* clang-format on */

START_TEST(the_value_that_is_meant_or_none)
{
    size_t n = strlen(cases[_i].text);
    char *text = malloc(n + 1); /* exact: an over-read is seen */
    struct span v;

    memcpy(text, cases[_i].text, n);
    v = together_unwrap((struct span){text, n});
    if (!cases[_i].value)
        ck_assert_msg(!v.p, "%s: %.*s", cases[_i].text, (int)v.n, v.p);
    else
        ck_assert_msg(v.n == strlen(cases[_i].value) && !memcmp(v.p, cases[_i].value, v.n),
                      "%s: '%.*s'", cases[_i].text, (int)v.n, v.n ? v.p : "");
    free(text);
}
END_TEST

Suite *test_together_unwrap(void);
Suite *test_together_unwrap(void)
{
    Suite *s = suite_create("test_together_unwrap");
    TCase *tc = tcase_create("unwrap");

    tcase_add_loop_test(tc, the_value_that_is_meant_or_none, 0, (int)ARRAY_LEN(cases));
    suite_add_tcase(s, tc);
    return s;
}
