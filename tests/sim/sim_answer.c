/* sim_answer.c - what the model says.
 *
 *   messages ─▶ c->prompt ─▶ known answer? JSON? words by hash ─▶ cut at max_tokens ─▶ choice
 *
 * The cut counts as the provider does: reasoning first, then content; what
 * does not fit ends with finish_reason "length".
 */
#include "tests/sim/sim_answer.h"

#include <string.h>

#include "common/core/json.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_text.h"

/* ---- prompts ---- */

static bool bad_messages(struct sim_call *c, const char *what)
{
    sim_call_error(c, 400, "invalid_request_error", "messages", NULL, "Input validation error: %s",
                   what);
    return false;
}

/* Content parts: the texts count, images and sounds do not. */
static bool add_parts(struct sim_call *c, struct span parts)
{
    struct json_iter it;
    struct span text;

    if (!json_iter_init(&it, parts.p, parts.n) || it.close != ']')
        return false;
    while (json_next(&it)) {
        text = json_at(it.value, "text");
        if (text.p && !json_read_string(text, &c->prompt))
            return false;
    }
    return !it.bad;
}

static bool add_message(struct sim_call *c, struct span message)
{
    struct span role, content, tool_calls;
    const struct json_want wants[] = {
        {"role", &role}, {"content", &content}, {"tool_calls", &tool_calls}};
    struct json_iter it;

    if (!message.n || *message.p != '{' ||
        !json_pick(message.p, message.n, wants, ARRAY_LEN(wants)))
        return bad_messages(c, "a message is an object with role and content");
    if (!role.n || *role.p != '"')
        return bad_messages(c, "role is required");
    if (tool_calls.p && json_iter_init(&it, tool_calls.p, tool_calls.n) && !json_next(&it))
        return bad_messages(c, "tool_calls must not be empty");
    if (json_absent(content))
        return true;
    if (*content.p == '"' ? !json_read_string(content, &c->prompt) : !add_parts(c, content))
        return bad_messages(c, "content is a string or a list of parts");
    return true;
}

bool sim_prompt_messages(struct sim_call *c)
{
    struct span messages = c->body.messages;
    struct json_iter it;
    bool any = false;

    if (!messages.n || *messages.p != '[' || !json_iter_init(&it, messages.p, messages.n))
        return bad_messages(c, "messages is required and must be an array");
    while (json_next(&it)) {
        if (!add_message(c, it.value))
            return false;
        any = true;
    }
    if (!any)
        return bad_messages(c, "messages must not be empty");
    c->prompt_tokens = sim_tokens(c->prompt.n);
    return true;
}

bool sim_prompt_texts(struct sim_call *c, const char *name, struct span value, bool each)
{
    struct json_iter it;
    bool ok = value.n > 0;

    if (ok && *value.p == '"') {
        ok = json_read_string(value, &c->prompt);
    } else if (ok && (ok = *value.p == '[' && json_iter_init(&it, value.p, value.n))) {
        while (ok && json_next(&it)) {
            size_t before = c->prompt.n;
            ok = json_read_string(it.value, &c->prompt);
            c->prompt_tokens += each ? sim_tokens(c->prompt.n - before) : 0;
        }
    }
    if (!ok)
        sim_call_error(c, 400, "invalid_request_error", name, NULL,
                       "Input validation error: %s must be a string or an array of strings", name);
    else if (!each || *value.p == '"')
        c->prompt_tokens = sim_tokens(c->prompt.n);
    return ok;
}

/* ---- answers ---- */

/* Append JSON after response_format; false when plain text is asked for. */
static bool add_json(struct sim_call *c, uint64_t hash, struct span known)
{
    struct span format = c->body.response_format, type, schema;

    if (!format.n || *format.p != '{')
        return false;
    type = json_at(format, "type");
    schema = json_at(format, "json_schema.schema");
    if (json_equals(type, "json_schema") && schema.p)
        return sim_schema_example(schema, hash, &c->text);
    if (!json_equals(type, "json_object") && !json_equals(type, "json_schema"))
        return false;
    buf_puts(&c->text, "{\"answer\": ");
    if (!known.p) {
        sim_text_make(&c->scratch, hash, (size_t)c->model->answer_bytes);
        known = buf_span(&c->scratch);
    }
    json_add_string(&c->text, known.p, known.n);
    buf_putc(&c->text, '}');
    return true;
}

static void add_content(struct sim_call *c, uint64_t hash)
{
    const char *fixed = c->answer ? c->answer : c->model->answer;
    struct span known;

    if (fixed) {
        buf_puts(&c->text, fixed);
        return;
    }
    known = sim_answers_find(c->sim->answers, buf_span(&c->prompt));
    if (add_json(c, hash, known))
        return;
    if (known.p)
        buf_add_span(&c->text, known);
    else
        sim_text_make(&c->text, hash, (size_t)c->model->answer_bytes);
}

/* The first bytes of a text that fit the budget, which they reduce; *whole tells whether all did.
 */
static struct span spend(struct span text, size_t *budget, bool *whole)
{
    if (text.n > *budget) {
        text.n = sim_text_cut(text.p, *budget);
        *budget = 0;
        *whole = false;
    } else {
        *budget -= text.n;
    }
    return text;
}

void sim_answer_make(struct sim_call *c, int64_t index, struct sim_choice *ret)
{
    uint64_t hash = sim_text_hash(c->model->id, strlen(c->model->id), (uint64_t)index);
    size_t budget = c->max_tokens ? (size_t)c->max_tokens * 4 : SIZE_MAX, thought = 0;
    bool whole = true;

    hash = sim_text_hash(c->prompt.p, c->prompt.n, hash);
    buf_clear(&c->text);
    buf_clear(&c->scratch);
    *ret = (struct sim_choice){.finish = "stop", .seed = hash % 1844674407370955u * 10000u};
    if (c->model->reasoning && c->body.messages.p) {
        buf_puts(&c->text, "The user asks; I think: ");
        sim_text_make(&c->text, ~hash, 0);
        thought = c->text.n;
    }
    if (c->body.tools.p &&
        sim_schema_tool_calls(c->body.tools, c->body.tool_choice, hash, &c->scratch)) {
        ret->tool_calls = buf_span(&c->scratch);
        ret->finish = "tool_calls";
    } else {
        add_content(c, hash);
    }
    ret->reasoning = spend((struct span){c->text.p, thought}, &budget, &whole);
    ret->content = spend((struct span){c->text.p ? c->text.p + thought : "", c->text.n - thought},
                         &budget, &whole);
    if (!whole)
        ret->finish = "length";
    c->reasoning_tokens += sim_tokens(ret->reasoning.n);
    c->completion_tokens += sim_tokens(ret->reasoning.n + ret->content.n + ret->tool_calls.n);
}
