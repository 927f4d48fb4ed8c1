#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/model/model.h"
#include "worker/together/stream.h"

#define CHUNK(rest)                                                                              \
    "data: "                                                                                     \
    "{\"id\":\"om1\",\"object\":\"chat.completion.chunk\",\"created\":7,\"model\":\"a/b\"," rest \
    "}\n\n"
#define DELTA(delta)                                                                            \
    CHUNK("\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}],\"usage\":" \
          "null")
#define FINISH(reason)                                                                         \
    CHUNK("\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"},\"finish_reason\":\"" reason \
          "\",\"seed\":15924764223251450000}]")
#define USAGE "\"usage\":{\"prompt_tokens\":9,\"completion_tokens\":3,\"cached_tokens\":1}"
#define DONE  "data: [DONE]\n\n"
#define EURO  "\xe2\x82\xac"
#define HEAD(object) \
    "{\"id\":\"om1\",\"object\":\"" object "\",\"created\":7,\"model\":\"a/b\",\"choices\":["
/* Pieces of a tool call, and the calls of an answer. */
#define CALL_AT(index, id, name, arguments)                             \
    "{\"index\":" index ",\"id\":" id ",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"" arguments "\"}}"
#define CALLS_END \
    CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]") DONE
#define CALL(index, id, name, arguments)                                                          \
    "{\"index\":" index ",\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"name\":\"" name \
    "\",\"arguments\":\"" arguments "\"}}"
#define CALLS(calls)                                                                           \
    HEAD("chat.completion")                                                                    \
    "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" calls \
    "]},\"finish_reason\":\"tool_calls\",\"seed\":null}],\"usage\":null}"
#define HELLO \
    DELTA("\"role\":\"assistant\",\"content\":\"He\\n\"") DELTA("\"content\":\"" EURO "\\u00e9\"")
#define HELLO_MESSAGE \
    "\"message\":{\"role\":\"assistant\",\"content\":\"He\\n" EURO "\\u00e9\",\"tool_calls\":[]}"
#define STOP "\"finish_reason\":\"stop\",\"seed\":15924764223251450000"

static const char form_a[] = HELLO FINISH("stop") CHUNK("\"choices\":[]," USAGE) DONE;
static const char form_b[] =
    HELLO CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\","
                "\"seed\":15924764223251450000}]," USAGE) DONE;
static const char hello[] =
    HEAD("chat.completion") "{\"index\":0," HELLO_MESSAGE "," STOP "}]," USAGE "}";

static const struct {
    unsigned task;
    const char *bytes;
    bool clean;
    const char *answer;
} good[] = {
    {TASK_CHAT, form_a, true, hello},
    {TASK_CHAT, form_a, false, hello}, /* [DONE] came: how the connection ended is no matter */
    {TASK_CHAT, form_b, true, hello},
    {TASK_CODE, form_b, true, hello},
    /* no [DONE], but usage and a clean end */
    {TASK_CHAT, HELLO FINISH("stop") CHUNK("\"choices\":[]," USAGE), true, hello},
    /* the finish repeated, comments between */
    {TASK_CHAT,
     ": ping\n\n" HELLO FINISH("stop") ": ping\n\n" FINISH("stop") CHUNK("\"choices\":[]," USAGE)
         DONE,
     true, hello},
    /* nothing but a finish; no usage */
    {TASK_CHAT, CHUNK("\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}]") DONE, true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
                             "\"tool_calls\":[]},\"finish_reason\":\"length\",\"seed\":null}],"
                             "\"usage\":null}"},
    /* thinking aloud, under both names */
    {TASK_CHAT,
     DELTA("\"reasoning\":\"a\"") DELTA("\"reasoning\":\"b\"") DELTA("\"content\":\"c\"")
         FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"c\","
                             "\"reasoning\":\"ab\",\"tool_calls\":[]}," STOP "}],\"usage\":null}"},
    {TASK_CHAT,
     DELTA("\"reasoning_content\":\"a\",\"reasoning\":null") DELTA("\"content\":\"c\"")
         FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"c\","
                             "\"reasoning_content\":\"a\",\"tool_calls\":[]}," STOP
                             "}],\"usage\":null}"},
    /* two choices, interleaved */
    {TASK_CHAT,
     CHUNK("\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}},{\"index\":0,\"delta\":{"
           "\"content\":\"y\"}}]") CHUNK("\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"},"
                                         "\"finish_reason\":\"stop\"}]")
         CHUNK(
             "\"choices\":[{\"index\":0,\"delta\":{\"content\":\"y\"},\"finish_reason\":\"eos\"}]")
             DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"yy\","
                             "\"tool_calls\":[]},"
                             "\"finish_reason\":\"eos\",\"seed\":null},{\"index\":1,\"message\":{"
                             "\"role\":\"assistant\",\"content\":\"xx\","
                             "\"tool_calls\":[]},\"finish_reason\":\"stop\",\"seed\":null}],"
                             "\"usage\":null}"},
    /* tool calls in pieces */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
           "\"name\":\"f\",\"arguments\":\"\"}}]")
         DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"a\"}}]")
             DELTA("\"tool_calls\":[{\"index\":1,\"id\":\"c2\",\"function\":{\"name\":\"g\"}},{"
                   "\"index\":0,\"function\":{\"arguments\":\"\\\":1}\"}}]")
                 CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]")
                     DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":null,"
                             "\"tool_calls\":["
                             "{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{"
                             "\"name\":\"f\",\"arguments\":\"{\\\"a\\\":1}\"}},"
                             "{\"index\":1,\"id\":\"c2\",\"type\":\"function\",\"function\":{"
                             "\"name\":\"g\",\"arguments\":\"\"}}]},"
                             "\"finish_reason\":\"tool_calls\",\"seed\":null}],\"usage\":null}"},
    /* two whole calls, both of index 0 */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("0", "\"call_a\"", "get_weather", "{\\\"city\\\":1}") "]")
         DELTA("\"tool_calls\":[" CALL_AT("0", "\"call_b\"", "get_time", "{}") "]") CALLS_END,
     true,
     CALLS(CALL("0", "call_a", "get_weather", "{\\\"city\\\":1}") "," CALL("1", "call_b",
                                                                           "get_time", "{}"))},
    /* one call, whose index is 1 */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("1", "\"a\"", "f", "{") "]")
         DELTA("\"tool_calls\":[{\"index\":1,\"function\":{\"arguments\":\"}\"}}]") CALLS_END,
     true, CALLS(CALL("0", "a", "f", "{}"))},
    /* the name in every piece */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("0", "\"a\"", "bash", "{") "]")
         DELTA("\"tool_calls\":[" CALL_AT("0", "\"a\"", "bash", "\\\"x\\\"") "]")
             DELTA("\"tool_calls\":[" CALL_AT("0", "\"a\"", "bash", ":1}") "]") CALLS_END,
     true, CALLS(CALL("0", "a", "bash", "{\\\"x\\\":1}"))},
    /* indexes of -1: by id, then by place */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("-1", "\"a\"", "f", "") "]")
         DELTA("\"tool_calls\":[" CALL_AT("-1", "\"\"", "", "{}") "]")
             DELTA("\"tool_calls\":[" CALL_AT("-1", "\"b\"", "g", "{") "]")
                 DELTA("\"tool_calls\":[" CALL_AT("-1", "null", "", "}") "]") CALLS_END,
     true, CALLS(CALL("0", "a", "f", "{}") "," CALL("1", "b", "g", "{}"))},
    /* neither index nor id: whole calls one by one, or several in pieces */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("null", "null", "f", "{}") "]")
         DELTA("\"tool_calls\":[" CALL_AT("null", "null", "g", "{}") "]") CALLS_END,
     true, CALLS(CALL("0", "", "f", "{}") "," CALL("1", "", "g", "{}"))},
    {TASK_CHAT,
     DELTA("\"tool_calls\":[" CALL_AT("null", "null", "f", "") "," CALL_AT("null", "null", "g",
                                                                           "") "]")
         DELTA("\"tool_calls\":[" CALL_AT("null", "null", "", "{}") "," CALL_AT(
             "null", "null", "", "[]") "]") CALLS_END,
     true, CALLS(CALL("0", "", "f", "{}") "," CALL("1", "", "g", "[]"))},
    /* the id comes after the index; members of the provider's own stay */
    {TASK_CHAT,
     DELTA("\"tool_calls\":[{\"index\":999,\"extra\":{\"sign\":\"x\"},\"function\":{\"name\":\"f\"}"
           "}]") DELTA("\"tool_calls\":[{\"index\":999,\"id\":\"a\",\"extra\":{\"sign\":\"y\"}}]")
         CALLS_END,
     true,
     CALLS("{\"index\":0,\"id\":\"a\",\"type\":\"function\",\"function\":{\"name\":\"f\","
           "\"arguments\":\"\"},\"extra\":{\"sign\":\"xy\"}}")},
    /* content in parts */
    {TASK_CHAT,
     DELTA("\"content\":[{\"type\":\"thinking\",\"thinking\":[1]},{\"type\":\"text\",\"text\":"
           "\"Bonjour\"}]") DELTA("\"content\":\" !\"") FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":["
                             "{\"type\":\"thinking\",\"thinking\":[1]},{\"type\":\"text\",\"text\":"
                             "\"Bonjour !\"}],\"tool_calls\":[]}," STOP "}],\"usage\":null}"},
    {TASK_CHAT,
     DELTA("\"content\":\"a\"") DELTA("\"content\":[{\"type\":\"text\",\"text\":\"b\"}]")
         DELTA("\"content\":[]") FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"ab\","
                             "\"tool_calls\":[]}," STOP "}],\"usage\":null}"},
    {TASK_CHAT,
     DELTA("\"content\":\"a\"") DELTA("\"content\":[{\"type\":\"image\",\"url\":\"u\"}]")
         FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":["
                             "{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"image\",\"url\":\"u\"}"
                             "],"
                             "\"tool_calls\":[]}," STOP "}],\"usage\":null}"},
    /* members that are not known: texts joined, lists appended, objects by member, else the last */
    {TASK_CHAT,
     DELTA(
         "\"refusal\":\"I \",\"function_call\":{\"name\":\"f\",\"arguments\":\"{\"},\"images\":[1],"
         "\"audio\":{\"id\":\"x\",\"data\":\"AA\"},\"n\":1")
         DELTA(
             "\"refusal\":\"won't\",\"function_call\":{\"arguments\":\"}\"},\"images\":[2,3],"
             "\"audio\":{\"id\":\"x\",\"data\":\"BB\",\"expires_at\":7},\"n\":2,\"annotations\":[]")
             FINISH("stop") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"\","
                             "\"refusal\":\"I won't\",\"function_call\":{\"name\":\"f\","
                             "\"arguments\":\"{}\"},\"images\":[1,2,3],\"audio\":{\"id\":\"x\","
                             "\"data\":\"AABB\",\"expires_at\":7},\"n\":2,\"annotations\":[],"
                             "\"tool_calls\":[]}," STOP "}],\"usage\":null}"},
    {TASK_CHAT,
     CHUNK("\"citations\":[\"a\"],\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"},"
           "\"logprobs\":{\"content\":[{\"t\":1}]},\"native_finish_reason\":\"s\"}]")
         CHUNK(
             "\"citations\":[\"a\",\"b\"],\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":{"
             "\"content\":[{\"t\":2}]},\"native_finish_reason\":\"s\",\"finish_reason\":\"stop\"}],"
             "\"x_groq\":{" USAGE "}") DONE,
     true,
     HEAD("chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"x\","
                             "\"tool_calls\":[]},\"finish_reason\":\"stop\",\"seed\":null,"
                             "\"logprobs\":{\"content\":[{\"t\":1},{\"t\":2}]},"
                             "\"native_finish_reason\":\"s\"}]," USAGE
                             ",\"citations\":[\"a\",\"b\"],\"x_groq\":{" USAGE "}}"},
    /* no finish_reason, but [DONE]: one of two, or none */
    {TASK_CHAT, HELLO DONE, true,
     HEAD("chat.completion") "{\"index\":0," HELLO_MESSAGE
                             ",\"finish_reason\":null,\"seed\":null}],\"usage\":null}"},
    {TASK_CHAT, HELLO CHUNK("\"choices\":[]," USAGE) DONE, true,
     HEAD("chat.completion") "{\"index\":0," HELLO_MESSAGE
                             ",\"finish_reason\":null,\"seed\":null}]," USAGE "}"},
    /* a whole answer instead of a stream */
    {TASK_CHAT, " \n{\"choices\":[{\"message\":{}}]}\n", true,
     "{\"choices\":[{\"message\":{}}]}\n"},
    {TASK_CHAT, "{\"choices\":[{}]}\n\ndata: [DONE]\n\n", true, "{\"choices\":[{}]}"},
    /* completions have texts */
    {TASK_COMPLETION,
     CHUNK("\"choices\":[{\"index\":0,\"text\":\"a\"}]")
         CHUNK("\"choices\":[{\"index\":0,\"text\":\"b\",\"finish_reason\":\"stop\"}]," USAGE) DONE,
     true,
     HEAD("text.completion") "{\"index\":0,\"text\":\"ab\",\"finish_reason\":\"stop\",\"seed\":"
                             "null}]," USAGE "}"},
    /* a surrogate pair cut in two, for each choice and tool call by itself */
    {TASK_CHAT,
     DELTA("\"content\":\"a\\\\\\ud83d\",\"reasoning\":\"\\ud83d\"")
         DELTA("\"content\":\"\\ude00b\"") DELTA("\"reasoning\":\"\\uDE01\"")
             DELTA("\"tool_calls\":[{\"function\":{\"arguments\":\"\\uD83D\"}}]") DELTA(
                 "\"tool_calls\":[{\"function\":{\"arguments\":\"\\uDE02\"}}]") FINISH("stop") DONE,
     true,
     HEAD(
         "chat.completion") "{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":"
                            "\"a\\\\\\ud83d\\ude00b\",\"reasoning\":\"\\ud83d\\uDE01\","
                            "\"tool_calls\":[{\"index\":0,\"id\":\"\",\"type\":\"function\","
                            "\"function\":{\"name\":\"\",\"arguments\":\"\\uD83D\\uDE02\"}}]}," STOP
                            "}],\"usage\":null}"},
    /* halves that stay alone; the last one in an event without its blank line */
    {TASK_COMPLETION,
     CHUNK("\"choices\":[{\"text\":\"\\ude00a\\ud83d\"}]") CHUNK(
         "\"choices\":[{\"text\":\"\\\\ude00\\ud83d\\ud83d\\ude00\"}]") "data: "
                                                                        "{\"choices\":[{\"text\":"
                                                                        "\"\\udbff\",\"finish_"
                                                                        "reason\":\"length\"}]"
                                                                        "," USAGE "}",
     true,
     HEAD("text.completion") "{\"index\":0,\"text\":\"\\ufffda\\ufffd\\\\ude00\\ufffd\\ud83d\\ude00"
                             "\\ufffd\",\"finish_reason\":\"length\",\"seed\":null}]," USAGE "}"},
    /* the last event lacks its blank line; warnings are kept */
    {TASK_COMPLETION,
     CHUNK("\"choices\":[{\"text\":\"a\",\"finish_reason\":\"stop\"}],\"warnings\":[{\"message\":"
           "\"w\"}]") "data: [DONE]",
     true,
     HEAD("text.completion") "{\"index\":0,\"text\":\"a\",\"finish_reason\":\"stop\",\"seed\":null}"
                             "],\"usage\":null,"
                             "\"warnings\":[{\"message\":\"w\"}]}"},
};

/* Feed bytes in two pieces. */
static enum err_kind read_stream(unsigned task, const char *bytes, size_t cut, bool clean,
                                 struct together_stream **ret, struct together_reply *reply,
                                 struct span *body)
{
    size_t n = strlen(bytes);

    *ret = together_stream_new(task, 1000, 10000);
    if (together_stream_feed(*ret, bytes, cut) && !together_stream_feed(*ret, bytes + cut, n - cut))
        ck_assert_uint_le(cut, n); /* it may stop before the end: at [DONE], or a failure */
    together_stream_end(*ret, clean, reply, body);
    return reply->kind;
}

START_TEST(puts_an_answer_together_wherever_the_bytes_are_cut)
{
    for (size_t cut = 0; cut <= strlen(good[_i].bytes); cut++) {
        struct together_stream *st;
        struct together_reply r;
        struct span body;

        ck_assert_msg(read_stream(good[_i].task, good[_i].bytes, cut, good[_i].clean, &st, &r,
                                  &body) == ERR_NONE,
                      "row %d: %s", _i, r.message);
        ck_assert_msg(body.n == strlen(good[_i].answer) && !memcmp(body.p, good[_i].answer, body.n),
                      "row %d, cut %zu: %.*s", _i, cut, (int)body.n, body.p);
        ck_assert(json_valid(body.p, body.n));
        together_stream_free(st);
    }
}
END_TEST

START_TEST(reads_usage_and_model_of_a_stream)
{
    const char *const forms[] = {form_a, form_b};
    struct together_stream *st;
    struct together_reply r;
    struct span body;

    ck_assert_int_eq(read_stream(TASK_CHAT, forms[_i], 40, true, &st, &r, &body), ERR_NONE);
    ck_assert(r.usage.there);
    ck_assert_int_eq(r.usage.prompt_tokens, 9);
    ck_assert_int_eq(r.usage.completion_tokens, 3);
    ck_assert_int_eq(r.usage.cached_tokens, 1);
    ck_assert(r.model.n == 3 && !memcmp(r.model.p, "a/b", 3));
    ck_assert(r.finish_reason.n == 4 && !memcmp(r.finish_reason.p, "stop", 4));
    together_stream_free(st);
}
END_TEST

static const struct {
    const char *bytes;
    bool clean;
    enum err_kind kind;
    const char *message;
} bad[] = {
    {"", true, ERR_ANSWER_LOST, "the stream broke off after 0 events"},
    {HELLO, true, ERR_ANSWER_LOST, "the stream broke off after 2 events"},
    {HELLO, false, ERR_ANSWER_LOST, "the stream broke off after 2 events"},
    {HELLO CHUNK("\"choices\":[]," USAGE), true, ERR_ANSWER_LOST,
     "the stream broke off after 3 events"},
    {HELLO FINISH("stop"), true, ERR_ANSWER_LOST, "the stream broke off after 3 events"},
    {HELLO FINISH("stop") CHUNK("\"choices\":[]," USAGE), false, ERR_ANSWER_LOST,
     "the stream broke off after 4 events"},
    {DONE, true, ERR_ANSWER_LOST, "the stream broke off after 1 events"},
    {HELLO "data: {\"cho", false, ERR_ANSWER_LOST, "the stream broke off after 2 events"},
    /* one of two choices is not finished, and nothing says that this is the end */
    {CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},{\"index\":1,"
           "\"delta\":{}}]," USAGE),
     true, ERR_ANSWER_LOST, "the stream broke off after 1 events"},
    /* a whole answer that is none, or is cut */
    {"{\"error\":{\"message\":\"busy\",\"code\":503}}", true, ERR_OVERLOADED, "busy"},
    {"{\"choices\":[", false, ERR_ANSWER_LOST, "the answer broke off"},
    {"{\"choices\":[", true, ERR_BAD_ANSWER, "the answer is no JSON object"},
    /* errors as events and fields */
    {"event: error\ndata: {\"code\":400,\"details\":\"no such voice\"}\n\n", true, ERR_BAD_REQUEST,
     "no such voice"},
    {HELLO "error: {\"message\":\"busy\",\"code\":503}\n\n", true, ERR_OVERLOADED, "busy"},
    {HELLO "error: upstream is gone", false, ERR_SERVER_ERROR, "upstream is gone"},
    /* errors amid the stream */
    {HELLO "data: {\"error\":{\"message\":\"boom\",\"type\":\"server_error\"}}\n\n" DONE, true,
     ERR_SERVER_ERROR, "boom"},
    {HELLO "data: {\"error\":{\"message\":\"b\",\"code\":503}}\n\n", true, ERR_OVERLOADED, "b"},
    {HELLO "data: {\"error\":\"text\"}\n\n", true, ERR_SERVER_ERROR, "text"},
    {HELLO "data: {\"error\":{\"message\":\"last words\"}}", false, ERR_SERVER_ERROR, "last words"},
    {CHUNK("\"choices\":[{\"index\":0,\"error\":{\"message\":\"b\",\"type\":\"overloaded\"}}]"),
     true, ERR_OVERLOADED, "b"},
    /* what is no stream of chunks */
    {"data: nonsense\n\n", true, ERR_BAD_ANSWER, "an event of the stream is no JSON object"},
    {"data: {\"id\":\"\\ud83d\"\n\n", true, ERR_BAD_ANSWER,
     "an event of the stream is no JSON object"},
    {"data: {\"id\":\"\\ud83\"}\n\n", true, ERR_BAD_ANSWER,
     "an event of the stream is no JSON object"},
    {"data:\n\n", true, ERR_BAD_ANSWER, "an event of the stream is no JSON object"},
    {"data: {\"choices\":[1]}\n\n", true, ERR_BAD_ANSWER, "a choice in the stream is no object"},
    {"data: {\"choices\":[{\"index\":128}]}\n\n", true, ERR_BAD_ANSWER,
     "a choice in the stream has no proper index"},
    {"data: {\"choices\":[{\"index\":-1}]}\n\n", true, ERR_BAD_ANSWER,
     "a choice in the stream has no proper index"},
    {"data: {\"choices\":[{\"index\":\"0\"}]}\n\n", true, ERR_BAD_ANSWER,
     "a choice in the stream has no proper index"},
    {"data: {\"choices\":[{\"delta\":1}]}\n\n", true, ERR_BAD_ANSWER,
     "a delta in the stream is no object"},
    {DELTA("\"tool_calls\":[1]"), true, ERR_BAD_ANSWER, "a tool call in the stream is no object"},
    {"<html>not a stream</html>", true, ERR_ANSWER_LOST, "the stream broke off after 0 events"},
};

START_TEST(says_what_is_wrong_with_a_stream_wherever_it_is_cut)
{
    for (size_t cut = 0; cut <= strlen(bad[_i].bytes); cut++) {
        struct together_stream *st;
        struct together_reply r;
        struct span body;

        ck_assert_msg(read_stream(TASK_CHAT, bad[_i].bytes, cut, bad[_i].clean, &st, &r, &body) ==
                          bad[_i].kind,
                      "row %d, cut %zu: %s", _i, cut, err_code(r.kind));
        ck_assert_str_eq(r.message, bad[_i].message);
        ck_assert_ptr_null(body.p);
        together_stream_free(st);
    }
}
END_TEST

START_TEST(a_failed_stream_keeps_the_usage_that_came)
{
    static const char *const streams[] = {
        HELLO CHUNK("\"choices\":[]," USAGE) "data: {\"error\":{\"message\":\"b\"}}\n\n",
        HELLO "data: {\"error\":{\"message\":\"b\"}," USAGE "}\n\n",
        CHUNK("\"choices\":[{\"index\":0,\"delta\":{},\"error\":{\"code\":502}}]," USAGE),
        HELLO CHUNK("\"choices\":[]," USAGE)};
    struct together_stream *st;
    struct together_reply r;
    struct span body;

    ck_assert_int_ne(read_stream(TASK_CHAT, streams[_i], 40, false, &st, &r, &body), ERR_NONE);
    ck_assert(r.usage.there);
    ck_assert_int_eq(r.usage.completion_tokens, 3);
    ck_assert_ptr_null(body.p);
    together_stream_free(st);
}
END_TEST

START_TEST(every_prefix_of_a_stream_is_an_answer_that_was_lost)
{
    size_t whole = strlen(form_a) - 2; /* the blank line is not needed */

    for (size_t n = 0; n < whole; n++) {
        struct together_stream *st = together_stream_new(TASK_CHAT, 1000, 10000);
        struct together_reply r;
        struct span body;

        ck_assert(together_stream_feed(st, form_a, n));
        together_stream_end(st, false, &r, &body);
        ck_assert_msg(r.kind == ERR_ANSWER_LOST, "after %zu bytes: %s", n, err_code(r.kind));
        together_stream_free(st);
    }
}
END_TEST

START_TEST(an_answer_and_an_event_have_caps)
{
    struct together_stream *st = together_stream_new(TASK_CHAT, 1000, 3000);
    struct together_reply r;
    struct span body;
    int fed = 0;

    while (fed < 1000 && together_stream_feed(st, DELTA("\"content\":\"0123456789\""),
                                              strlen(DELTA("\"content\":\"0123456789\""))))
        fed++;
    ck_assert_int_gt(fed, 200);
    ck_assert_int_lt(fed, 300);
    together_stream_end(st, true, &r, &body);
    ck_assert_int_eq(r.kind, ERR_ANSWER_TOO_LARGE);
    ck_assert_str_eq(r.message, "the streamed answer is too large");
    together_stream_free(st);

    st = together_stream_new(TASK_CHAT, 20, 300);
    ck_assert(!together_stream_feed(st, form_a, strlen(form_a)));
    together_stream_end(st, true, &r, &body);
    ck_assert_int_eq(r.kind, ERR_ANSWER_TOO_LARGE);
    ck_assert_str_eq(r.message, "an event of the stream is too large");
    together_stream_free(st);
}
END_TEST

/* n times the piece, then the end. */
static enum err_kind read_pieces(const char *first, const char *piece, int n, struct span *ret_body,
                                 struct together_stream **ret)
{
    enum { MAX = 16 * 1024 * 1024 };
    struct together_stream *st = together_stream_new(TASK_CHAT, MAX, MAX);
    struct together_reply r;

    ck_assert(together_stream_feed(st, first, strlen(first)));
    for (int i = 0; i < n; i++)
        ck_assert(together_stream_feed(st, piece, strlen(piece)));
    ck_assert(!together_stream_feed(st, CALLS_END, strlen(CALLS_END)));
    together_stream_end(st, true, &r, ret_body);
    *ret = st;
    return r.kind;
}

START_TEST(content_of_many_parts_is_an_answer)
{
    static const char *const pieces[] = {
        DELTA("\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"reference\"}]"),
        DELTA("\"content\":[1,2,3,4,5,6,7]"),
    };
    struct together_stream *st;
    struct span body;

    ck_assert_int_eq(read_pieces("", pieces[_i], 5000, &body, &st), ERR_NONE);
    ck_assert(json_valid(body.p, body.n));
    ck_assert_uint_gt(body.n, 5000 * 14);
    together_stream_free(st);
}
END_TEST

/* Without a bound this takes minutes, in which a worker does nothing else. */
START_TEST(the_end_of_long_arguments_is_not_searched_for_ever)
{
    enum { LONG = 3000000 };
    static const char piece[] =
        DELTA("\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":\"1\"}}]");
    struct buf first = BUF(2 * LONG);
    struct together_stream *st;
    struct span body;

    buf_puts(&first, "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"function\":{\"name\":"
                     "\"f\",\"arguments\":\"");
    for (int i = 0; i < LONG; i++)
        buf_putc(&first, i ? '1' : '[');
    buf_puts(&first, "\"}}]}}]}\n\n");
    ck_assert_int_eq(read_pieces(first.p, piece, 10000, &body, &st), ERR_NONE);
    ck_assert_uint_gt(body.n, LONG + 10000);
    together_stream_free(st);
    buf_done(&first);
}
END_TEST

Suite *test_together_stream(void);
Suite *test_together_stream(void)
{
    Suite *s = suite_create("test_together_stream");
    TCase *tc = tcase_create("stream");

    tcase_add_loop_test(tc, puts_an_answer_together_wherever_the_bytes_are_cut, 0,
                        (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, reads_usage_and_model_of_a_stream, 0, 2);
    tcase_add_loop_test(tc, says_what_is_wrong_with_a_stream_wherever_it_is_cut, 0,
                        (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, a_failed_stream_keeps_the_usage_that_came, 0, 4);
    tcase_add_test(tc, every_prefix_of_a_stream_is_an_answer_that_was_lost);
    tcase_add_test(tc, an_answer_and_an_event_have_caps);
    tcase_add_loop_test(tc, content_of_many_parts_is_an_answer, 0, 2);
    tcase_add_test(tc, the_end_of_long_arguments_is_not_searched_for_ever);
    suite_add_tcase(s, tc);
    return s;
}
