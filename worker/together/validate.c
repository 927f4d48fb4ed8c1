/* validate.c - see validate.h.
 *
 *   request ─▶ wanted: JSON at all, and up to two schemas ─▶ schema_cached()
 *   answer  ─▶ each choice ─▶ its text ─▶ its value ─▶ JSON? ─▶ each schema
 *
 * Integers that fit no integer type are read as reals. */
#include "worker/together/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/json.h"
#include "common/core/utf8.h"
#include "common/schema/schema_cache.h"
#include "worker/together/unwrap.h"

struct wanted {
    bool json;
    bool structured;      /* validate: the value becomes a part of the result */
    bool unwrap;          /* its text may have more around it */
    struct span schema;   /* of validate */
    struct span provider; /* of response_format */
};

/* {"type": "json_schema", "json_schema": {"schema": {...}}}; Together also takes the schema beside
 * the type. */
static void read_format(struct span format, struct wanted *w)
{
    struct span type = {0}, inner = {0}, schema = {0};
    const struct json_want wants[] = {
        {"type", &type}, {"json_schema", &inner}, {"schema", &schema}};

    if (!format.n || !json_pick(format.p, format.n, wants, ARRAY_LEN(wants)))
        return;
    if (!json_equals(type, "json_schema") && !json_equals(type, "json_object"))
        return;
    w->json = true;
    w->provider = json_absent(inner) ? schema : json_at(inner, "schema");
    if (json_absent(w->provider))
        w->provider = (struct span){NULL, 0};
}

static struct wanted read_wanted(const struct together_request *req, bool unwrap)
{
    struct wanted w = {0};

    if (!(req->task & (TASK_CHAT | TASK_COMPLETION | TASK_CODE)))
        return w;
    read_format(req->parts.response_format, &w);
    if (!json_absent(req->parts.validate)) {
        w.json = w.structured = true;
        w.unwrap = unwrap;
        w.schema = json_at(req->parts.validate, "schema");
    }
    return w;
}

bool together_wants_json(const struct together_request *req)
{
    return (!json_absent(req->parts.response_format) || !json_absent(req->parts.validate)) &&
           read_wanted(req, false).json;
}

int64_t together_validate_retries(const struct together_request *req, int64_t fallback)
{
    int64_t n;

    return json_read_int(json_at(req->parts.validate, "max_retries"), &n) ? n : fallback;
}

/* ---- one text ---- */

static bool invalid(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID_OUTPUT, "%s", what);
}

static json_t *load(struct span text, json_error_t *at)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *doc = json_loadb(text.p ? text.p : "", text.n, flags, at);

    if (!doc && json_error_code(at) == json_error_numeric_overflow)
        doc = json_loadb(text.p, text.n, flags | JSON_DECODE_INT_AS_REAL, at);
    return doc;
}

static bool fits(struct span schema, bool lenient, const json_t *doc, struct err *err)
{
    struct err why = {0};
    const struct schema *s = schema.n ? schema_cached(schema, lenient, &why) : NULL;

    if (!s) /* one that cannot be read: submission refuses it, or the provider has it */
        return true;
    if (schema_check(s, doc, err))
        return true;
    err->kind = ERR_INVALID_OUTPUT;
    return false;
}

/* A good value is appended to values; null when a result cannot hold it. */
static bool check_text(const struct wanted *w, struct span text, struct buf *values,
                       struct err *err)
{
    struct span value = w->unwrap ? together_unwrap(text) : (struct span){NULL, 0};
    json_error_t at;
    json_t *doc;
    bool ok;

    if (!value.n)
        value = text;
    doc = load(value, &at);
    if (!doc)
        return err_set(err, ERR_INVALID_OUTPUT, "not JSON: line %d, column %d", at.line, at.column);
    ok = fits(w->schema, false, doc, err) && fits(w->provider, true, doc, err);
    json_decref(doc);
    if (ok && json_valid(value.p, value.n))
        buf_add_span(values, value);
    else if (ok)
        buf_puts(values, "null");
    return ok;
}

/* ---- choices ---- */

/* The raw text of a choice; absent when it has none. */
static struct span text_of(struct span choice, struct span *calls)
{
    struct span message = {0}, text = {0}, content = {0};
    const struct json_want wants[] = {{"message", &message}, {"text", &text}};
    const struct json_want inner[] = {{"content", &content}, {"tool_calls", calls}};

    *calls = (struct span){NULL, 0};
    if (!json_pick(choice.p, choice.n, wants, ARRAY_LEN(wants)))
        return text;
    if (!message.n || !json_pick(message.p, message.n, inner, ARRAY_LEN(inner)))
        return text;
    return content;
}

static bool calls_tools(struct span calls)
{
    struct json_iter it;

    return calls.n && *calls.p == '[' && json_iter_init(&it, calls.p, calls.n) && json_next(&it);
}

/* A string, or a list of parts: those of text count, thinking and the like do not. */
static bool read_text(struct span raw, struct buf *text)
{
    struct json_iter it;
    bool any = false;

    if (!raw.n || *raw.p != '[' || !json_iter_init(&it, raw.p, raw.n))
        return json_read_string(raw, text);
    while (json_next(&it))
        if (json_equals(json_at(it.value, "type"), "text"))
            any = json_read_string(json_at(it.value, "text"), text) || any;
    return any;
}

static bool check_choice(const struct wanted *w, struct span choice, struct buf *values,
                         struct err *err)
{
    struct span calls, raw = text_of(choice, &calls);
    struct buf text = BUF(raw.n + 1);
    bool ok;

    if ((json_absent(raw) || json_equals(raw, "")) && calls_tools(calls))
        return true;
    if (!read_text(raw, &text))
        ok = invalid(err, "not a text");
    else if (text.n > VALIDATE_MAX_BYTES)
        ok = invalid(err, "too long to be checked");
    else
        ok = check_text(w, buf_span(&text), values, err);
    buf_done(&text);
    if (!ok && json_equals(json_at(choice, "finish_reason"), "length"))
        err_wrap(err, "cut by max_tokens");
    return ok;
}

/* values: of all choices, with commas between them; *count: how many choices there are. */
static bool check_choices(const struct wanted *w, struct span answer, struct buf *values,
                          int *count, struct err *err)
{
    struct span choices = json_at(answer, "choices");
    struct json_iter it;

    if (!w->json || !choices.n || !json_iter_init(&it, choices.p, choices.n))
        return true;
    for (*count = 0; json_next(&it); ++*count) {
        size_t before;

        if (*count)
            buf_putc(values, ',');
        before = values->n;
        if (!check_choice(w, it.value, values, err))
            return err_wrap(err, "choices[%d]", *count);
        if (*count && values->n == before)
            buf_puts(values, "null");
    }
    return true;
}

bool together_validate(const struct together_request *req, struct span answer, bool unwrap,
                       struct buf *structured, struct err *err)
{
    struct wanted w = read_wanted(req, unwrap);
    struct buf values = BUF(answer.n + 16);
    int count = 0;
    bool ok;

    ok = check_choices(&w, answer, &values, &count, err);
    if (ok && w.structured && values.n) {
        buf_puts(structured, count > 1 ? "[" : "");
        buf_puts(structured, count > 1 && *values.p == ',' ? "null" : "");
        buf_add_span(structured, buf_span(&values));
        buf_puts(structured, count > 1 ? "]" : "");
    }
    buf_done(&values);
    return ok;
}

/* The choice that is not what was asked for; the first one, if all are. */
static struct span wrong_choice(const struct together_request *req, struct span answer, bool unwrap)
{
    struct wanted w = read_wanted(req, unwrap);
    struct span choices = json_at(answer, "choices"), wrong = json_at(answer, "choices.0");
    struct buf values = BUF(answer.n + 16);
    struct json_iter it;
    struct err err = {0};
    bool ok = true;

    if (choices.n && json_iter_init(&it, choices.p, choices.n))
        while (ok && json_next(&it)) {
            ok = check_choice(&w, it.value, &values, &err);
            wrong = ok ? wrong : it.value;
        }
    buf_done(&values);
    return wrong;
}

void together_validate_show(const struct together_request *req, struct span answer, bool unwrap,
                            char *text, size_t size)
{
    struct span calls, raw = text_of(wrong_choice(req, answer, unwrap), &calls);
    size_t n = 0, from = 0;

    if (raw.n > 2 && *raw.p == '"') { /* the inside of the string, escapes and all but \" */
        raw.p++;
        raw.n -= 2;
    }
    while (from < raw.n) {
        size_t len = utf8_len(raw.p + from, raw.p + raw.n);

        from += raw.n - from > 1 && raw.p[from] == '\\' && raw.p[from + 1] == '"';
        len = len ? len : 1;
        if (n + len + 4 > size)
            break;
        memcpy(text + n, raw.p + from, len);
        n += len;
        from += len;
    }
    snprintf(text + n, size - n, "%s", from < raw.n ? "..." : "");
}
