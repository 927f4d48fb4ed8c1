#include <check.h>
#include <string.h>

#include "common/model/model.h"
#include "common/model/tokens.h"

#define SPAN(s) ((struct span){s, strlen(s)})

/* The provider's rule as the simulator has it: 4 bytes of unescaped text are a token. */
static const struct {
    unsigned task;
    const char *body;
    int64_t tokens;
} requests[] = {
    {TASK_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":\"12345678\"}]}", 2},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"12345\"},{\"content\":\"678\"}]}", 2}, /* joined */
    {TASK_CHAT, "{\"messages\":[{\"content\":\"123456789\"}]}", 3},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\"}]}", 0},
    {TASK_CHAT, "{\"messages\":[{\"content\":null},{\"role\":\"x\"}]}", 0},
    {TASK_CHAT, "{\"messages\":[]}", 0},
    {TASK_CHAT, "{}", 0},
    {TASK_CHAT, "not json", 0},
    /* escapes count as what they stand for: \n 1, e-acute 2, the euro sign 3, an emoji 4 bytes */
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\\n\\n\\n\\n\"}]}", 1},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\\u0041\\u00e9\\\"\"}]}", 1},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\\u20ac\\u20ac\"}]}", 2},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\\ud83d\\ude00\"}]}", 1},
    {TASK_CHAT, "{\"messages\":[{\"content\":\"\\ud83d\\ude00a\"}]}", 2},
    /* the texts of parts; an image counts nothing */
    {TASK_CHAT,
     "{\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"12345678\"},"
     "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:aaaaaaaaaaaaaaaaaa\"}}]}]}",
     2},
    {TASK_COMPLETION, "{\"prompt\":\"12345678\"}", 2},
    {TASK_COMPLETION, "{\"prompt\":[\"12345\",\"678\"]}", 2},
    {TASK_COMPLETION, "{\"prompt\":[1,2,3]}", 3},
    {TASK_CODE, "{\"prompt\":\"1234\"}", 1},
    {TASK_CODE, "{\"messages\":[{\"content\":\"1234\"}]}", 1},
    {TASK_EMBEDDING, "{\"input\":\"123456789\"}", 3},
    {TASK_EMBEDDING, "{\"input\":[\"1\",\"2\",\"12345\"]}", 4}, /* each by itself */
    {TASK_EMBEDDING, "{\"input\":[[1,2,3],[4]]}", 4},
    {TASK_RERANK, "{\"query\":\"1\",\"documents\":[\"12345\",\"1\"]}", 4},
    {TASK_RERANK, "{\"query\":\"1\",\"documents\":[{\"title\":\"12345\",\"text\":\"1\"}]}", 8},
};

START_TEST(counts_the_text_of_a_request)
{
    ck_assert_msg(tokens_of_request(requests[_i].task, SPAN(requests[_i].body)) ==
                      requests[_i].tokens,
                  "row %d: %s", _i, requests[_i].body);
}
END_TEST

static const struct {
    const char *answer;
    int64_t tokens;
} answers[] = {
    {"{\"choices\":[{\"message\":{\"content\":\"12345\"}}]}", 2},
    {"{\"choices\":[{\"message\":{\"content\":\"12\",\"reasoning\":\"345\"}}]}", 2},
    {"{\"choices\":[{\"message\":{\"content\":\"12\",\"reasoning_content\":\"345\"}}]}", 2},
    {"{\"choices\":[{\"message\":{\"content\":\"1\"}},{\"message\":{\"content\":\"2\"}}]}", 2},
    {"{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"function\":"
     "{\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}",
     2},
    {"{\"choices\":[{\"text\":\"123456789\"}]}", 3},
    {"{\"choices\":[]}", 0},
    {"{\"data\":[]}", 0},
};

START_TEST(counts_the_text_of_an_answer)
{
    ck_assert_msg(tokens_of_answer(SPAN(answers[_i].answer)) == answers[_i].tokens, "row %d: %s",
                  _i, answers[_i].answer);
}
END_TEST

/* Body of 30 bytes and more: written so that the length is easy to see. */
static const struct {
    unsigned task;
    const char *body;
    int64_t context, prompt, completion;
} at_most[] = {
    {TASK_CHAT, "{}", 0, 17, 16384},
    {TASK_CHAT, "{\"x\":1}", 0, 19, 16384}, /* 7 bytes: 3 */
    {TASK_CHAT, "{\"max_tokens\":100}", 0, 22, 100},
    {TASK_CHAT, "{\"max_tokens\":100,\"n\":3}", 0, 24, 300},
    {TASK_CHAT, "{\"max_completion_tokens\":50}", 0, 26, 50},
    {TASK_CHAT, "{\"max_tokens\":9,\"max_completion_tokens\":50}", 0, 31, 50},
    {TASK_CHAT, "{\"n\":2}", 0, 19, 32768},
    {TASK_CHAT, "{\"n\":9000}", 0, 20, INT64_C(128) * 16384},
    {TASK_CHAT, "{\"max_tokens\":0}", 0, 22, 16384},
    {TASK_CHAT, "{\"max_tokens\":\"9\"}", 0, 22, 16384},
    {TASK_CHAT, "{\"max_tokens\":9999999}", 2048, 24, 2048}, /* bounded by the context */
    {TASK_CHAT, "{\"n\":2}", 1000, 19, 2000},
    {TASK_CHAT, "{\"x\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"}", 10, 10, 10},
    {TASK_CHAT, "{\"messages\":[{\"content\":[{\"type\":\"image_url\"}]}]}", 0, 33 + 8192, 16384},
    {TASK_EMBEDDING, "{\"x\":1}", 0, 19, 0},
    {TASK_EMBEDDING, "{\"input\":[\"aaaaaaaaaaaa\",\"b\"]}", 10, 26, 0}, /* each has its own room */
    {TASK_RERANK, "{\"documents\":[\"aaaaaaaa\",\"b\"]}", 10, 26, 0},
    {TASK_RERANK, "{\"x\":1}", 0, 19, 0},
    {TASK_EMBEDDING,
     "{\"input\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
     "1,"
     "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
     0, 82, 0},
};

START_TEST(guesses_high_for_a_call_whose_answer_was_lost)
{
    int64_t prompt, completion;

    tokens_at_most(at_most[_i].task, SPAN(at_most[_i].body), at_most[_i].context, &prompt,
                   &completion);
    ck_assert_msg(prompt == at_most[_i].prompt, "row %d: prompt %ld", _i, (long)prompt);
    ck_assert_msg(completion == at_most[_i].completion, "row %d: completion %ld", _i,
                  (long)completion);
}
END_TEST

START_TEST(the_high_guess_is_never_below_the_likely_one)
{
    int64_t prompt, completion;

    tokens_at_most(requests[_i].task, SPAN(requests[_i].body), 0, &prompt, &completion);
    ck_assert_int_ge(prompt, requests[_i].tokens);
}
END_TEST

Suite *test_tokens(void);
Suite *test_tokens(void)
{
    Suite *s = suite_create("test_tokens");
    TCase *tc = tcase_create("tokens");

    tcase_add_loop_test(tc, counts_the_text_of_a_request, 0, (int)ARRAY_LEN(requests));
    tcase_add_loop_test(tc, counts_the_text_of_an_answer, 0, (int)ARRAY_LEN(answers));
    tcase_add_loop_test(tc, guesses_high_for_a_call_whose_answer_was_lost, 0,
                        (int)ARRAY_LEN(at_most));
    tcase_add_loop_test(tc, the_high_guess_is_never_below_the_likely_one, 0,
                        (int)ARRAY_LEN(requests));
    suite_add_tcase(s, tc);
    return s;
}
