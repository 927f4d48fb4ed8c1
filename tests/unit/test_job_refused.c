/* test_job_refused.c - which documents are refused, and in which words. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "tests/unit/job_scene.h"

static const struct {
    const char *doc, *says;
} bad[] = {
    /* no document */
    {"", "document: expected an object, got nothing"},
    {"  \n", "not JSON: line 2"},
    {"null", "document: expected an object, got null"},
    {"42", "document: expected an object, got 42"},
    {"\"{}\"", "document: expected an object, got \"{}\""},
    {"[{}]", "document: expected an object, got an array"},
    {"{", "not JSON: line 1, column 1, byte 1"},
    {"{\"type\":\"noop\",\n\"payload\":{}}}",
     "not JSON: line 2, column 14, byte 30: end of file expected"},
    {"{\"type\":\"noop\",\"payload\":{},}", "not JSON: line 1, column 29, byte 29"},
    {"{'type':'noop'}", "not JSON: line 1, column 2, byte 2"},
    {"{\"type\":\"noop\",\"payload\":{\"result\":NaN}}", "not JSON: line 1"},
    {"{\"type\":\"noop\",\"payload\":{\"result\":01}}", "not JSON: line 1"},
    {"\xef\xbb\xbf{}", "type: required, but missing"},
    {"\xef\xbb\xbf", "document: expected an object, got nothing"},
    {"\xef\xbb\xbf\xef\xbb\xbf{}", "not JSON: line 1, column 1, byte 3"},
    {"\xef\xbb{}", "not JSON: line 1"},
    {NOOP(",\"tenant\":\"\xff\""),
     "not JSON: line 1, column 38, byte 38: unable to decode byte 0xff"},
    {NOOP(",\"tenant\":\"\xc3\x28\""), "unable to decode byte 0xc3"},
    {NOOP(",\"tenant\":\"\xed\xa0\x80\""), "unable to decode byte 0xed"},
    {NOOP(",\"tenant\":\"\\ud800\""), "not JSON: line 1"},
    {NOOP(",\"tenant\":\"a\nb\""), "not JSON: line 1, column 39, byte 39: unexpected newline"},
    {NOOP(",\"a\":1,\"a\":1"), "duplicate object key near '\"a\"'"},
    {"{\"type\":\"noop\",\"type\":\"noop\",\"payload\":{}}",
     "duplicate object key near '\"type\"'"},
    {"{\"type\":\"noop\",\"payload\":{\"result\":{\"x\":1,\"\\u0078\":2}}}",
     "duplicate object key"},
    {"{\"type\":\"noop\",\"payload\":{\"result\":99999999999999999999}}}", "not JSON: line 1"},
    {"{\"type\":\"noop\",\"payload\":{\"result\":99999999999999999999-1}}", "not JSON: line 1"},
    {NOOP(",\"max_attempts\":99999999999999999999"),
     "max_attempts: expected an integer from 1 to 100, got "},
    {NOOP(",\"delay_ms\":1e999"), "delay_ms: expected an integer from 0 to 2592000000, got "},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"max_tokens\":18446744073709551615"),
     "payload.max_tokens: expected an integer from 1 to 10000000, got "},
    {"{\"type\":\"noop\",\"payload\":{\"\\u0000\":1}}", "not JSON: line 1"},
    /* type */
    {"{}", "type: required, but missing"},
    {"{\"payload\":{}}", "type: required, but missing"},
    {"{\"typ\":\"noop\",\"payload\":{}}", "typ: unknown field; did you mean 'type'?"},
    {"{\"type\":5,\"payload\":{}}", "type: expected a string, got 5"},
    {"{\"type\":null,\"payload\":{}}", "type: expected a string, got null"},
    {"{\"type\":\"\",\"payload\":{}}", "type: expected one of inference, noop; got \"\""},
    {"{\"type\":\"nop\",\"payload\":{}}",
     "type: expected one of inference, noop; got \"nop\"; did you mean 'noop'?"},
    {"{\"type\":\"Noop\",\"payload\":{}}", "got \"Noop\"; did you mean 'noop'?"},
    {"{\"type\":\"webhook\",\"payload\":{}}",
     "type: expected one of inference, noop; got \"webhook\""},
    {"{\"type\":\"none\",\"payload\":{}}", "type: expected one of inference, noop; got \"none\""},
    {"{\"type\":\"a\\u001b\\\"\\u0000b\",\"payload\":{}}", "got \"a???b\""},
    {"{\"type\":\"batch\",\"payload\":{},\"nonsense\":1}",
     "type: 'batch' is not built yet; built: inference, noop"},
    {"{\"type\":\"eval\"}", "type: 'eval' is not built yet; built: inference, noop"},
    {"{\"type\":\"fine-tune-deploy\",\"payload\":[]}", "type: 'fine-tune-deploy' is not built yet"},
    {"{\"type\":\"noop\"}", "payload: required, but missing"},
    {"{\"type\":\"noop\",\"payload\":[]}", "payload: expected an object, got an array"},
    {"{\"type\":\"noop\",\"payload\":null}", "payload: expected an object, got null"},
    /* what every job has */
    {NOOP(",\"id\":\"\""), "id: expected 1 to 64 characters, got 0"},
    {NOOP(",\"id\":\"" LONG_64 "x\""), "id: expected 1 to 64 characters, got 65"},
    {NOOP(",\"id\":\"a~w\""), "id: expected only characters of [A-Za-z0-9._-], got \"a~w\""},
    {NOOP(",\"id\":\"a b\""), "id: expected only characters of [A-Za-z0-9._-], got \"a b\""},
    {NOOP(",\"id\":\"a\\u0000\""),
     "id: expected only characters of [A-Za-z0-9._-], got \"a\\u0000\""},
    {NOOP(",\"id\":4711"), "id: expected a string, got 4711"},
    {NOOP(",\"id\":null"), "id: expected a string, got null"},
    {NOOP(",\"id\":\"\\u0061\""), "id: expected plain characters, got escapes"},
    {NOOP(",\"priority\":\"high\""),
     "priority: expected one of realtime, standard, batch; got \"high\""},
    {NOOP(",\"priority\":1"), "priority: expected a string, got 1"},
    {NOOP(",\"priorty\":\"batch\""), "priorty: unknown field; did you mean 'priority'?"},
    {NOOP(",\"maxAttempts\":1"), "maxAttempts: unknown field; did you mean 'max_attempts'?"},
    {NOOP(",\"zzz\":1"), "zzz: unknown field; known are id, type, priority, payload, "},
    {NOOP(",\"tenant\":\"\""), "tenant: expected 1 to 64 characters, got 0"},
    {NOOP(",\"tenant\":\"" LONG_64 "x\""), "tenant: expected 1 to 64 characters, got 65"},
    {NOOP(",\"tenant\":\"a:b\""),
     "tenant: expected only characters of [A-Za-z0-9._-], got \"a:b\""},
    {NOOP(",\"tenant\":{}"), "tenant: expected a string, got an object"},
    {NOOP(",\"tenant\":\"\\u0061cme\""), "tenant: expected plain characters, got escapes"},
    {NOOP(",\"tags\":[\"a\"]"), "tags: expected an object, got an array"},
    {NOOP(",\"tags\":{\"a\":1}"), "tags.a: expected a string, got 1"},
    {NOOP(",\"tags\":{\"a\":null}"), "tags.a: expected a string, got null"},
    {NOOP(",\"tags\":{\"a b\":\"c\"}"),
     "tags[\"a b\"]: this name is not allowed; expected 1 to 64 characters of [A-Za-z0-9._-]"},
    {NOOP(",\"tags\":{\"\":\"c\"}"), "tags[\"\"]: this name is not allowed"},
    {NOOP(",\"tags\":{\"" LONG_64 "x\":\"c\"}"), "this name is not allowed; expected 1 to 64"},
    {NOOP(",\"tags\":{\"a\":\"" LONG_128 "x\"}"),
     "tags.a: expected at most 128 characters, got 129"},
    {NOOP(",\"tags\":{\"1\":\"\",\"2\":\"\",\"3\":\"\",\"4\":\"\",\"5\":\"\",\"6\":\"\",\"7\":\"\","
          "\"8\":\"\",\"9\":\"\",\"10\":\"\",\"11\":\"\",\"12\":\"\",\"13\":\"\",\"14\":\"\","
          "\"15\":\"\",\"16\":\"\",\"17\":\"\"}"),
     "tags: expected at most 16 members, got 17"},
    {NOOP(",\"max_attempts\":0"), "max_attempts: expected an integer from 1 to 100, got 0"},
    {NOOP(",\"max_attempts\":101"), "max_attempts: expected an integer from 1 to 100, got 101"},
    {NOOP(",\"max_attempts\":2.5"), "max_attempts: expected an integer from 1 to 100, got 2.5"},
    {NOOP(",\"max_attempts\":101.0"), "max_attempts: expected an integer from 1 to 100, got 101.0"},
    {NOOP(",\"max_attempts\":5e-1"), "max_attempts: expected an integer from 1 to 100, got 0.5"},
    {NOOP(",\"expires_in_ms\":2.592000001e9"), "expires_in_ms: expected an integer from 1 to "},
    {NOOP(",\"max_attempts\":\"3\""), "max_attempts: expected an integer from 1 to 100, got \"3\""},
    {NOOP(",\"backoff\":\"fixed\""), "backoff: expected an object, got \"fixed\""},
    {NOOP(",\"backoff\":{\"type\":\"linear\"}"),
     "backoff.type: expected one of exponential, fixed; got \"linear\""},
    {NOOP(",\"backoff\":{\"delay\":1}"), "backoff.delay: unknown field; did you mean 'delay_ms'?"},
    {NOOP(",\"backoff\":{\"delay_ms\":-1}"),
     "backoff.delay_ms: expected an integer from 0 to 86400000, got -1"},
    {NOOP(",\"backoff\":{\"max_ms\":0}"),
     "backoff.max_ms: expected an integer from 1 to 86400000, got 0"},
    {NOOP(",\"backoff\":{\"jitter\":1}"), "backoff.jitter: expected true or false, got 1"},
    {NOOP(",\"delay_ms\":-5"), "delay_ms: expected an integer from 0 to 2592000000, got -5"},
    {NOOP(",\"delay_ms\":2592000001"),
     "delay_ms: expected an integer from 0 to 2592000000, got 2592000001"},
    {NOOP(",\"delay_ms\":1,\"run_at\":\"2026-11-22T09:00:00Z\""),
     "delay_ms and run_at: only one of the two can be given"},
    {NOOP(",\"run_at\":1790000000000"),
     "run_at: expected a time as RFC 3339 has it, like 2026-11-22T09:00:00Z, got 1790000000000"},
    {NOOP(",\"run_at\":\"tomorrow\""),
     "run_at: expected a time as RFC 3339 has it, like 2026-11-22T09:00:00Z, got \"tomorrow\""},
    {NOOP(",\"run_at\":\"2026-13-22T09:00:00Z\""), "run_at: expected a time as RFC 3339 has it"},
    {NOOP(",\"run_at\":\"2026-11-22T09:00:00\\u0000Z\""),
     "run_at: expected a time as RFC 3339 has it"},
    {NOOP(",\"run_at\":\"2026-11-22 09:00:00 CET\""), "run_at: expected a time as RFC 3339 has it"},
    {NOOP(",\"run_at\":\"2500-01-01T00:00:00Z\""), "run_at: expected a time before the year 2500"},
    {NOOP(",\"expires_in_ms\":0"),
     "expires_in_ms: expected an integer from 1 to 2592000000, got 0"},
    {NOOP(",\"timeout_ms\":0"), "timeout_ms: expected an integer from 1 to 3600000, got 0"},
    {NOOP(",\"timeout_ms\":3600001"),
     "timeout_ms: expected an integer from 1 to 3600000, got 3600001"},
    {NOOP(",\"reply\":\"yes\""), "reply: expected true or false, got \"yes\""},
    {NOOP(",\"traceparent\":\"x\""), "traceparent: expected a W3C traceparent, like 00-"},
    {NOOP(",\"traceparent\":\"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\""),
     "got \"00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01\""},
    /* webhooks */
    {NOOP(",\"webhook\":\"https://x\""), "webhook: expected an object, got \"https://x\""},
    {NOOP(",\"webhook\":{}"), "webhook.url: required, but missing"},
    {NOOP(",\"webhook\":{\"url\":\"https://x\",\"secret\":1}"),
     "webhook.secret: unknown field; known are url"},
    {HOOK(""), "webhook.url: expected 1 to 2048 characters, got 0"},
    {HOOK("example.com/hook"), "webhook.url: expected a URL like https://example.com/hook; it does "
                               "not start with http:// or https://"},
    {HOOK("ftp://example.com"), "it does not start with http:// or https://"},
    {HOOK("javascript:alert(1)"), "it does not start with http:// or https://"},
    {HOOK("https://"), "it has no host"},
    {HOOK("https:///path"), "it has no host"},
    {HOOK("https://user@/path"), "it has no host"},
    {HOOK("https://:80/"), "it has no host"},
    {HOOK("https://h:0/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://h:65536/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://h:/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://[::1/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://h:1:2/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://::1/"), "it has no host"},
    {HOOK("https://a@b@h/"), "an '@' in its user or password must be percent-encoded"},
    {HOOK("https://[]:1/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://[::1]x/"), "its port is not a number from 1 to 65535"},
    {HOOK("https://a b/"), "a character in it must be percent-encoded"},
    {HOOK("https://h/\\\\x"), "a character in it must be percent-encoded"},
    {HOOK("https://h/\\r\\nX: y"), "a character in it must be percent-encoded"},
    {HOOK("https://h/\\u0000"), "a character in it must be percent-encoded"},
    {HOOK("https://h/\xc3\xa4"), "a character in it must be percent-encoded"},
    {HOOK("https://bÃ¼cher.example/hook"), "an international host is written in ASCII (xn--...)"},
    {HOOK("https://a..b/"), "its host has an empty label"},
    {HOOK("https://.b/"), "its host has an empty label"},
    {HOOK("https://./"), "its host is not an address"},
    {HOOK("https://a%20b/"), "its host cannot be resolved: a name has only letters, digits, dots"},
    {HOOK("https://a,b/"), "its host cannot be resolved: a name has only letters, digits, dots"},
    {HOOK("https://256.1.1.1/"), "its host is not an address"},
    {HOOK("https://[::g]/"), "its host is not an address"},
    {HOOK("https://[1.2.3.4]/"), "its host is not an address"},
    {HOOK("https://"
          "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.example/"),
     "a label of its host is over 63 long"},
    /* payloads: noop */
    {"{\"type\":\"noop\",\"payload\":{\"sleep\":1}}",
     "payload.sleep: unknown field; did you mean 'sleep_ms'?"},
    {"{\"type\":\"noop\",\"payload\":{\"sleep_ms\":-1}}",
     "payload.sleep_ms: expected an integer from 0 to 3600000, got -1"},
    {"{\"type\":\"noop\",\"payload\":{\"sleep_ms\":3600001}}",
     "payload.sleep_ms: expected an integer from"},
    {"{\"type\":\"noop\",\"payload\":{\"sleep_ms\":null}}",
     "payload.sleep_ms: expected an integer from"},
    /* payloads: inference */
    {CALL(""), "payload.task: required, but missing"},
    {CALL("\"body\":{}"), "payload.task: required, but missing"},
    {CALL("\"task\":\"talk\",\"body\":{}"), "payload.task: expected one of chat, completion, code, "
                                            "embedding, image, rerank; got \"talk\""},
    {CALL("\"task\":\"ch\\u0061t\",\"body\":{\"prompt\":\"x\"}"),
     "payload.task: expected plain characters, got escapes"},
    {CALL("\"task\":\"chat\""), "payload: expected body, or one of messages and prompt"},
    {CALL("\"task\":\"code\",\"model\":\"m\""),
     "payload: expected body, or one of messages and prompt"},
    {CALL("\"task\":\"chat\",\"prompt\":\"a\",\"messages\":[{\"role\":\"user\"}]"),
     "payload: expected body, or one of messages and prompt"},
    {CALL("\"task\":\"completion\""), "payload: expected body or prompt"},
    {CALL("\"task\":\"image\""), "payload: expected body or prompt"},
    {CALL("\"task\":\"embedding\""), "payload: expected body or input"},
    {CALL("\"task\":\"rerank\",\"query\":\"q\""), "payload: expected body, or query and documents"},
    {CALL("\"task\":\"completion\",\"messages\":[{\"role\":\"user\"}],\"prompt\":\"x\""),
     "payload.messages: only with task chat or code"},
    {CALL("\"task\":\"embedding\",\"prompt\":\"x\",\"input\":\"x\""),
     "payload.prompt: only with task chat, code, completion or image"},
    {CALL("\"task\":\"image\",\"prompt\":\"x\",\"max_tokens\":5"),
     "payload.max_tokens: only with task chat, code or completion"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"input\":\"y\""),
     "payload.input: only with task embedding"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"query\":\"y\""),
     "payload.query: only with task rerank"},
    {CALL("\"task\":\"chat\",\"mesages\":[]"),
     "payload.mesages: unknown field; did you mean 'messages'?"},
    {CALL("\"task\":\"chat\",\"messages\":[]"),
     "payload.messages: expected at least 1 items, got 0"},
    {CALL("\"task\":\"chat\",\"messages\":\"Hi\""),
     "payload.messages: expected an array, got \"Hi\""},
    {CALL("\"task\":\"chat\",\"messages\":[\"Hi\"]"),
     "payload.messages[0]: expected an object, got \"Hi\""},
    {CALL("\"task\":\"chat\",\"messages\":[{\"content\":\"Hi\"}]"),
     "payload.messages[0].role: required, but missing"},
    {CALL("\"task\":\"chat\",\"messages\":[{\"role\":\"user\"},{\"role\":\"bot\"}]"),
     "payload.messages[1].role: expected one of system, user, assistant, tool; got \"bot\""},
    {CALL("\"task\":\"chat\",\"messages\":[{\"role\":\"user\",\"content\":7}]"),
     "payload.messages[0].content: expected a string or an array or null, got 7"},
    {CALL("\"task\":\"chat\",\"prompt\":\"\""),
     "payload.prompt: expected at least 1 characters, got 0"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"temperature\":2.1"),
     "payload.temperature: expected a number from 0 to 2, got 2.1"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"max_tokens\":0"),
     "payload.max_tokens: expected an integer from 1 to 10000000, got 0"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"model\":\"\""),
     "payload.model: expected 1 to 256 characters, got 0"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"allow_cached\":\"no\""),
     "payload.allow_cached: expected true or false, got \"no\""},
    {CALL("\"task\":\"embedding\",\"input\":[]"),
     "payload.input: expected at least 1 items, got 0"},
    {CALL("\"task\":\"embedding\",\"input\":[1]"), "payload.input[0]: expected a string, got 1"},
    {CALL("\"task\":\"chat\",\"body\":[]"), "payload.body: expected an object, got an array"},
    {CALL("\"task\":\"chat\",\"body\":{\"model\":7}"),
     "payload.body.model: expected a string, got 7"},
    {CALL("\"task\":\"chat\",\"body\":{\"stream\":1}"),
     "payload.body.stream: expected true or false or null, got 1"},
    {CALL("\"task\":\"embedding\",\"body\":{\"stream\":true}"),
     "payload.body.stream: only with task chat, code or completion, and not in a batch"},
    {CALL("\"task\":\"chat\",\"body\":{}"),
     "payload.body: expected messages (a list that is not empty) or prompt"},
    {CALL("\"task\":\"chat\",\"body\":{\"messages\":[]}"),
     "payload.body: expected messages (a list that is not empty) or prompt"},
    {CALL("\"task\":\"code\",\"body\":{\"messages\":null,\"prompt\":\"\"}"),
     "payload.body: expected messages (a list that is not empty) or prompt"},
    {CALL("\"task\":\"chat\",\"body\":{\"messages\":{\"role\":\"user\"}}"),
     "payload.body: expected messages (a list that is not empty) or prompt"},
    {CALL("\"task\":\"completion\",\"body\":{\"messages\":[{\"role\":\"user\"}]}"),
     "payload.body: expected prompt"},
    {CALL("\"task\":\"image\",\"body\":{\"prompt\":[]}"), "payload.body: expected prompt"},
    {CALL("\"task\":\"embedding\",\"body\":{\"input\":[]}"), "payload.body: expected input"},
    {CALL("\"task\":\"embedding\",\"body\":{\"model\":\"m\"}"), "payload.body: expected input"},
    {CALL("\"task\":\"rerank\",\"body\":{\"query\":\"q\"}"),
     "payload.body: expected query and documents"},
    {CALL("\"task\":\"rerank\",\"body\":{\"query\":\"q\",\"documents\":[]}"),
     "payload.body: expected query and documents"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"fallbacks\":[\"a/b\",\"auto\"]"),
     "payload.fallbacks[1]: expected the id of a model, got \"auto\"; with model \"auto\" the "
     "router"},
    {CALL("\"task\":\"image\",\"prompt\":\"x\",\"validate\":{\"schema\":true}"),
     "payload.validate: only with task chat, code or completion"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"validate\":{}"),
     "payload.validate.schema: required, but missing"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"validate\":{\"schema\":1}"),
     "payload.validate.schema: expected true or false or an object, got 1"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"validate\":{\"schema\":{\"properties\":{\"a\":"
          "{\"minimux\":1}}}}"),
     "payload.validate.schema: properties: a: minimux: unknown keyword"},
    {CALL("\"task\":\"chat\",\"prompt\":\"x\",\"validate\":{\"schema\":{\"pattern\":\"(?=a)\"}}"),
     "payload.validate.schema: pattern: look-around is not supported"},
    {CALL("\"task\":\"chat\",\"body\":{},\"model\":\"m\""),
     "payload.model: cannot stand beside body; write it inside"},
    {CALL("\"task\":\"chat\",\"body\":{},\"messages\":[{\"role\":\"user\"}]"),
     "payload.messages: cannot stand beside body; write it inside"},
};

START_TEST(refuses_a_bad_document_and_says_why)
{
    ck_assert_msg(!job_checks(bad[_i].doc), "accepted %s", bad[_i].doc);
    ck_assert_msg(strstr(refused.msg, bad[_i].says) != NULL, "%s said: %s", bad[_i].doc,
                  refused.msg);
    ck_assert(refused.kind == ERR_INVALID || refused.kind == ERR_UNKNOWN_TYPE);
    ck_assert_int_eq(refused.kind == ERR_UNKNOWN_TYPE,
                     strncmp(refused.msg, "type: expected one of", 21) == 0 ||
                         strstr(refused.msg, "not built yet") != NULL);
    ck_assert(checked.id[0] != 0);
}
END_TEST

START_TEST(a_nul_byte_in_the_document_is_no_json)
{
    static const char doc[] = "{\"type\":\"noop\",\0\"payload\":{}}";

    ck_assert(
        !job_check((struct span){doc, sizeof doc - 1}, &job_scene_defaults, &checked, &refused));
    ck_assert_ptr_nonnull(strstr(refused.msg, "not JSON: line 1"));
}
END_TEST

START_TEST(nesting_is_allowed_to_a_depth_and_no_deeper)
{
    char doc[6000];

    for (int depth = 1; depth < 2300; depth += depth < 70 ? 1 : 300) {
        int n = snprintf(doc, sizeof doc, "{\"type\":\"noop\",\"payload\":{\"result\":");

        memset(doc + n, '[', (size_t)depth);
        memset(doc + n + depth, ']', (size_t)depth);
        snprintf(doc + n + 2 * (ptrdiff_t)depth, 3, "}}");
        ck_assert_msg(job_checks(doc) == (depth + 2 <= JSON_MAX_DEPTH), "depth %d: %s", depth,
                      refused.msg);
        if (depth + 2 > JSON_MAX_DEPTH && depth < 1000)
            ck_assert_str_eq(refused.msg, "document: nested deeper than 64 levels");
    }
}
END_TEST

static char *big_document(size_t n)
{
    static const char head[] =
        "{\"id\":\"big\",\"reply\":true,\"type\":\"noop\",\"payload\":{\"result\":\"";
    static const char tail[] = "\"}}";
    char *doc = malloc(n + 1);

    memset(doc, 'x', n);
    memcpy(doc, head, sizeof head - 1);
    memcpy(doc + n - (sizeof tail - 1), tail, sizeof tail);
    return doc;
}

START_TEST(a_document_may_have_the_limit_s_size_and_not_one_byte_more)
{
    char *doc = big_document(job_scene_defaults.max_bytes);

    ck_assert(job_checks(doc));
    free(doc);
    doc = big_document(job_scene_defaults.max_bytes + 1);
    ck_assert(!job_checks(doc));
    ck_assert_int_eq(refused.kind, ERR_TOO_LARGE);
    ck_assert_str_eq(refused.msg, "document: over limits.job_bytes (1000000 bytes)");
    ck_assert_str_eq(checked.id, "big"); /* told under its own id, to who waits */
    ck_assert(!checked.made_id);
    ck_assert(checked.wants_reply);
    free(doc);
}
END_TEST

START_TEST(a_megabyte_where_a_word_belongs_is_cut_in_the_message)
{
    char *doc = big_document(999000);

    memcpy(doc, "{\"type\":\"noop\",\"payload\":{},\"priority\":\"", 41);
    memset(doc + 40, 'x', 100);
    memcpy(doc + 998997, "\"} ", 4);
    ck_assert(!job_checks(doc));
    ck_assert_uint_lt(strlen(refused.msg), 200);
    ck_assert_ptr_nonnull(
        strstr(refused.msg, "priority: expected one of realtime, standard, batch; got \""));
    free(doc);
}
END_TEST

Suite *test_job_refused(void);
Suite *test_job_refused(void)
{
    Suite *s = suite_create("test_job_refused");
    TCase *tc = tcase_create("refused");

    tcase_add_loop_test(tc, refuses_a_bad_document_and_says_why, 0, (int)ARRAY_LEN(bad));
    tcase_add_test(tc, a_nul_byte_in_the_document_is_no_json);
    tcase_add_test(tc, nesting_is_allowed_to_a_depth_and_no_deeper);
    tcase_add_test(tc, a_document_may_have_the_limit_s_size_and_not_one_byte_more);
    tcase_add_test(tc, a_megabyte_where_a_word_belongs_is_cut_in_the_message);
    suite_add_tcase(s, tc);
    return s;
}
