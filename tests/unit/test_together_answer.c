#include <check.h>
#include <string.h>

#include "common/model/model.h"
#include "worker/together/answer.h"

#define SPAN(s) ((struct span){s, strlen(s)})
#define ANSWER  "{\"choices\":[{\"message\":{\"content\":\"Hi\"},\"finish_reason\":\"stop\"}]}"
#define STREAM                                                               \
    "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"Hi\"}}]}\n\n" \
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"

/* Whatever the frame is, and whatever the header says of it. */
static const struct {
    int status;
    const char *bytes;
    enum err_kind kind;
    const char *body, *message;
} rows[] = {
    {200, ANSWER, ERR_NONE, ANSWER, ""},
    {200, "\xef\xbb\xbf" ANSWER, ERR_NONE, ANSWER, ""},
    {200, ANSWER "\n\ndata: [DONE]\n\n", ERR_NONE, ANSWER, ""},
    {200, "\r\n" ANSWER " data: [DONE]", ERR_NONE, ANSWER, ""},
    {200, ANSWER " x", ERR_BAD_ANSWER, "", "the answer is no JSON object"},
    {200, STREAM "data: [DONE]\n\n", ERR_NONE,
     "{\"id\":null,\"object\":\"chat.completion\",\"created\":null,\"model\":null,\"choices\":[{"
     "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"Hi\",\"tool_calls\":[]},"
     "\"finish_reason\":\"stop\",\"seed\":null}],\"usage\":null}",
     ""},
    {200, ": ping\n\n" STREAM, ERR_ANSWER_LOST, "", "the stream broke off after 2 events"},
    {200, "event: error\ndata: {\"code\":400,\"details\":\"no voice\"}\n\n", ERR_BAD_REQUEST, "",
     "no voice"},
    {200, "data: [DONE]\n\n", ERR_ANSWER_LOST, "", "the stream broke off after 1 events"},
    {400, "event: error\ndata: {\"error\":{\"message\":\"no voice\"}}\n\n", ERR_BAD_REQUEST, "",
     "no voice"},
    {503, "data: {\"error\":{\"message\":\"busy\"}}\n\ndata: [DONE]\n\n", ERR_OVERLOADED, "",
     "busy"},
    {503, "event: error\n\n", ERR_OVERLOADED, "", "event: error\\n\\n"},
    {200, "<html><title>Bad</title></html>", ERR_BAD_ANSWER, "", "the answer is no JSON object"},
    {200, "", ERR_BAD_ANSWER, "", "the answer is empty"},
    {200, "database is gone", ERR_BAD_ANSWER, "", "the answer is no JSON object"},
    /* half of a character, at the end of what was paid for */
    {200, "{\"choices\":[{\"text\":\"\\ud83d\"}]}", ERR_NONE,
     "{\"choices\":[{\"text\":\"\\ufffd\"}]}", ""},
};

START_TEST(the_bytes_say_what_an_answer_is)
{
    struct together_reply r;
    struct together_answer a;

    together_answer_read(TASK_CHAT, rows[_i].status, SPAN(rows[_i].bytes), &r, &a);
    ck_assert_msg(r.kind == rows[_i].kind, "row %d: %s %s", _i, err_code(r.kind), r.message);
    ck_assert_msg(a.body.n == strlen(rows[_i].body) &&
                      !strncmp(a.body.p ? a.body.p : "", rows[_i].body, a.body.n),
                  "row %d: %.*s", _i, (int)a.body.n, a.body.p);
    ck_assert_str_eq(r.message, rows[_i].message);
    together_answer_done(&a);
}
END_TEST

Suite *test_together_answer(void);
Suite *test_together_answer(void)
{
    Suite *s = suite_create("test_together_answer");
    TCase *tc = tcase_create("answer");

    tcase_add_loop_test(tc, the_bytes_say_what_an_answer_is, 0, (int)ARRAY_LEN(rows));
    suite_add_tcase(s, tc);
    return s;
}
