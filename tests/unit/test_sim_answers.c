/* test_sim_answers.c - known answers to questions in a prompt. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/core/buf.h"
#include "tests/sim/sim_answers.h"

static const char four[] = "{\"question\": \"What is six times seven?\", \"answer\": \"42\"}\n"
                           "{\"question\": \"six times seven?\", \"answer\": \"the short one\"}\r\n"
                           "\n"
                           "{\"question\": \"2+2?\", \"answer\": \"4\", \"level\": 1}\n"
                           "{\"question\": \"Caf\\u00e9?\", \"answer\": \"\"}";

static const struct {
    const char *prompt, *answer; /* NULL: none */
} prompts[] = {
    {"What is six times seven?", "42"},
    {"Q: What is six times seven?\nA:", "42"},
    {"How much is six times seven?", "the short one"},
    {"2+2?", "4"},
    {"What is six times seven? 42. And 2+2? Answer:", "4"},
    {"2+2? 4. What is six times seven?", "42"},
    {"In the Caf\xc3\xa9?", ""},
    {"What is six times eight?", NULL},
    {"2+2", NULL},
    {"", NULL},
};

START_TEST(finds_the_answer_of_the_question_that_ends_last)
{
    struct err err = {0};
    struct sim_answers *a = sim_answers_parse(four, strlen(four), &err);
    struct span prompt = {prompts[_i].prompt, strlen(prompts[_i].prompt)}, found;

    ck_assert_msg(a, "%s", err.msg);
    ck_assert_uint_eq(sim_answers_count(a), 4);
    found = sim_answers_find(a, prompt);
    ck_assert_int_eq(found.p != NULL, prompts[_i].answer != NULL);
    if (found.p) {
        ck_assert_uint_eq(found.n, strlen(prompts[_i].answer));
        ck_assert(!memcmp(found.p, prompts[_i].answer, found.n));
    }
    sim_answers_free(a);
}
END_TEST

static const struct {
    const char *text, *says;
} bad[] = {
    {"{\"question\": \"a\"}", "line 1: expected"},
    {"{\"question\": \"a\", \"answer\": 1}", "line 1: expected"},
    {"{\"question\": \"\", \"answer\": \"x\"}", "line 1: expected"},
    {"{\"question\": \"a\", \"answer\": \"b\"}\n[]", "line 2: expected"},
    {"nonsense", "line 1: expected"},
};

START_TEST(refuses_a_bad_line_and_says_which)
{
    struct err err = {0};

    ck_assert_ptr_null(sim_answers_parse(bad[_i].text, strlen(bad[_i].text), &err));
    ck_assert_msg(strstr(err.msg, bad[_i].says), "row %d said: %s", _i, err.msg);
}
END_TEST

START_TEST(an_empty_file_knows_nothing)
{
    struct err err = {0};
    struct sim_answers *a = sim_answers_parse("\n\n", 2, &err);

    ck_assert_ptr_nonnull(a);
    ck_assert_ptr_null(sim_answers_find(a, (struct span){"anything", 8}).p);
    ck_assert_ptr_null(sim_answers_find(NULL, (struct span){"anything", 8}).p);
    sim_answers_free(a);
}
END_TEST

START_TEST(finds_each_of_two_thousand_questions_with_a_common_end)
{
    struct buf text = BUF((size_t)1024 * 1024);
    struct err err = {0};
    struct sim_answers *a;
    char prompt[128], answer[16];

    for (int i = 0; i < 2000; i++)
        buf_printf(&text,
                   "{\"question\":\"Ann has %d ducks; how many are left in the "
                   "end?\",\"answer\":\"%d\"}\n",
                   i, i * 7);
    a = sim_answers_parse(text.p, text.n, &err);
    ck_assert_msg(a, "%s", err.msg);
    for (int i = 0; i < 2000; i++) {
        struct span found, p = {prompt, 0};
        p.n = (size_t)snprintf(prompt, sizeof(prompt),
                               "Solve: Ann has %d ducks; how many are left in the end? Think.", i);
        found = sim_answers_find(a, p);
        ck_assert_uint_eq(found.n, (size_t)snprintf(answer, sizeof(answer), "%d", i * 7));
        ck_assert(!memcmp(found.p, answer, found.n));
    }
    sim_answers_free(a);
    buf_done(&text);
}
END_TEST

Suite *test_sim_answers(void);
Suite *test_sim_answers(void)
{
    Suite *s = suite_create("test_sim_answers");
    TCase *tc = tcase_create("answers");

    tcase_add_loop_test(tc, finds_the_answer_of_the_question_that_ends_last, 0,
                        (int)ARRAY_LEN(prompts));
    tcase_add_loop_test(tc, refuses_a_bad_line_and_says_which, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, an_empty_file_knows_nothing);
    tcase_add_test(tc, finds_each_of_two_thousand_questions_with_a_common_end);
    suite_add_tcase(s, tc);
    return s;
}
