/* tokens.c - how many tokens a request and its answer have, when nobody says.
 *
 * No tokenizer: every model has its own, and the provider's count is the one
 * that is billed.  What is counted is bytes of text, straight from the raw
 * JSON: a string is measured as if it were unescaped, without unescaping it.
 *
 * A new task with texts in another place is one more case in
 * tokens_of_request().
 */
#include "common/model/tokens.h"

#include "common/core/json.h"
#include "common/model/model.h"

enum {
    BYTES_PER_TOKEN = 4,
    BYTES_PER_TOKEN_AT_LEAST = 3, /* of JSON, for the high guess */
    TEMPLATE_TOKENS = 16,         /* what a chat template adds */
    PART_TOKENS = 8192,           /* an image, an audio clip */
    DEFAULT_MAX_TOKENS = 16384,   /* what providers allow when a request does not say, at most */
    CHOICES_MAX = 128
};

static int64_t tokens(int64_t bytes) { return (bytes + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN; }

/* ---- bytes of text ---- */

static unsigned hex4(const char *p)
{
    unsigned v = 0;

    for (int i = 0; i < 4; i++)
        v = v << 4 | (unsigned)(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
    return v;
}

/* The length of the text of a valid JSON string; 0 for anything else. */
static int64_t text_bytes(struct span v)
{
    const char *p, *end;
    int64_t n = 0;

    if (v.n < 2 || *v.p != '"')
        return 0;
    end = v.p + v.n - 1;
    for (p = v.p + 1; p < end;) {
        if (*p != '\\' || end - p < 2) {
            p++;
            n++;
        } else if (p[1] != 'u' || end - p < 6) {
            p += 2;
            n++;
        } else {
            unsigned u = hex4(p + 2);
            bool pair = u >= 0xd800 && u < 0xdc00 && end - p >= 12 && p[6] == '\\';

            p += pair ? 12 : 6;
            n += pair ? 4 : u < 0x80 ? 1 : u < 0x800 ? 2 : 3;
        }
    }
    return n;
}

static bool is_number(struct span v)
{
    return v.n && (*v.p == '-' || (*v.p >= '0' && *v.p <= '9'));
}

/* A message's content: a string, or an array of parts.  Parts that are no text are counted in
 * *others. */
static int64_t content_bytes(struct span content, int64_t *others)
{
    struct json_iter it;
    int64_t n = 0;

    if (!content.n || *content.p != '[' || !json_iter_init(&it, content.p, content.n))
        return text_bytes(content);
    while (json_next(&it)) {
        struct span type = json_at(it.value, "type");

        if (type.p && !json_equals(type, "text"))
            ++*others;
        else
            n += text_bytes(*it.value.p == '"' ? it.value : json_at(it.value, "text"));
    }
    return n;
}

static int64_t messages_bytes(struct span messages, int64_t *others)
{
    struct json_iter it;
    int64_t n = 0;

    if (!messages.p || !json_iter_init(&it, messages.p, messages.n))
        return 0;
    while (json_next(&it))
        n += content_bytes(json_at(it.value, "content"), others);
    return n;
}

/* ---- likely ---- */

/* A string, an object (as it is written), a number (a token), or an array of these, each rounded up
 * by itself. */
static int64_t tokens_each(struct span v, int depth)
{
    struct json_iter it;
    int64_t n = 0;

    if (is_number(v))
        return 1;
    if (v.n && *v.p == '{')
        return tokens((int64_t)v.n);
    if (!v.n || *v.p != '[' || !depth || !json_iter_init(&it, v.p, v.n))
        return tokens(text_bytes(v));
    while (json_next(&it))
        n += tokens_each(it.value, depth - 1);
    return n;
}

/* A prompt: a string, or an array of strings and tokens; the strings are joined. */
static int64_t tokens_joined(struct span v)
{
    struct json_iter it;
    int64_t bytes = 0, numbers = 0;

    if (!v.n || *v.p != '[' || !json_iter_init(&it, v.p, v.n))
        return tokens(text_bytes(v));
    while (json_next(&it)) {
        bytes += text_bytes(it.value);
        numbers += *it.value.p == '[' ? tokens_joined(it.value) : is_number(it.value);
    }
    return tokens(bytes) + numbers;
}

int64_t tokens_of_request(unsigned task, struct span body)
{
    struct span messages = {0}, prompt = {0}, input = {0}, query = {0}, documents = {0};
    const struct json_want wants[] = {{"messages", &messages},
                                      {"prompt", &prompt},
                                      {"input", &input},
                                      {"query", &query},
                                      {"documents", &documents}};
    int64_t others = 0;

    if (!body.p || !json_pick(body.p, body.n, wants, ARRAY_LEN(wants)))
        return 0;
    if (task & TASK_EMBEDDING)
        return tokens_each(input, 2);
    if (task & TASK_RERANK)
        return tokens_each(query, 0) + tokens_each(documents, 2);
    return messages.p ? tokens(messages_bytes(messages, &others)) : tokens_joined(prompt);
}

static int64_t choice_bytes(struct span choice)
{
    struct span message = json_at(choice, "message"), calls = json_at(message, "tool_calls");
    struct json_iter it;
    int64_t others = 0, n;

    if (!message.p)
        return text_bytes(json_at(choice, "text"));
    n = content_bytes(json_at(message, "content"), &others) +
        text_bytes(json_at(message, "reasoning")) +
        text_bytes(json_at(message, "reasoning_content"));
    if (calls.n && *calls.p == '[' && json_iter_init(&it, calls.p, calls.n))
        while (json_next(&it))
            n += text_bytes(json_at(it.value, "function.arguments"));
    return n;
}

int64_t tokens_of_answer(struct span answer)
{
    struct span choices = json_at(answer, "choices");
    struct json_iter it;
    int64_t n = 0;

    if (!choices.n || *choices.p != '[' || !json_iter_init(&it, choices.p, choices.n))
        return 0;
    while (json_next(&it))
        n += tokens(choice_bytes(it.value));
    return n;
}

/* ---- at most ---- */

void tokens_at_most(unsigned task, struct span body, int64_t context, int64_t *ret_prompt,
                    int64_t *ret_completion)
{
    struct span messages = {0}, max = {0}, max_completion = {0}, n = {0};
    const struct json_want wants[] = {{"messages", &messages},
                                      {"max_tokens", &max},
                                      {"max_completion_tokens", &max_completion},
                                      {"n", &n}};
    int64_t bound = context > 0 ? context : INT64_MAX / CHOICES_MAX / 2;
    bool is_list = task & (TASK_EMBEDDING | TASK_RERANK); /* of texts, each with a context's room */
    int64_t others = 0, tokens_max = 0, choices = 1, v;

    if (body.p && json_pick(body.p, body.n, wants, ARRAY_LEN(wants))) {
        messages_bytes(messages, &others);
        if (json_read_int(max, &v))
            tokens_max = v;
        if (json_read_int(max_completion, &v) && v > tokens_max)
            tokens_max = v;
        if (json_read_int(n, &v) && v > 1)
            choices = min64(v, CHOICES_MAX);
    }
    *ret_prompt = ((int64_t)body.n + BYTES_PER_TOKEN_AT_LEAST - 1) / BYTES_PER_TOKEN_AT_LEAST +
                  TEMPLATE_TOKENS + others * PART_TOKENS;
    v = tokens_of_request(task, body); /* of a prompt in tokens, [1,2,3], a token has two bytes */
    *ret_prompt = *ret_prompt > v ? *ret_prompt : v;
    if (!is_list)
        *ret_prompt = min64(*ret_prompt, bound);
    *ret_completion = 0;
    if (!is_list)
        *ret_completion = choices * min64(tokens_max > 0 ? tokens_max : DEFAULT_MAX_TOKENS, bound);
}
