/* validate.c - see validate.h.
 *
 *   request ─▶ wanted: JSON at all, and up to two schemas ─▶ schema_cached()
 *   answer  ─▶ each choice ─▶ its text ─▶ JSON? ─▶ each schema
 *
 * Integers that fit no integer type are read as reals. */
#include "worker/together/validate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/config/schema_cache.h"
#include "common/core/json.h"
#include "common/core/utf8.h"

struct wanted {
    bool json;
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

static struct wanted read_wanted(const struct together_request *req)
{
    struct wanted w = {0};

    if (!(req->task & (TASK_CHAT | TASK_COMPLETION | TASK_CODE)))
        return w;
    read_format(req->parts.response_format, &w);
    if (!json_absent(req->parts.validate)) {
        w.json = true;
        w.schema = json_at(req->parts.validate, "schema");
    }
    return w;
}

bool together_wants_json(const struct together_request *req)
{
    return (!json_absent(req->parts.response_format) || !json_absent(req->parts.validate)) &&
           read_wanted(req).json;
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

static json_t *load(const struct buf *text, json_error_t *at)
{
    const size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL;
    json_t *doc = json_loadb(text->p ? text->p : "", text->n, flags, at);

    if (!doc && json_error_code(at) == json_error_numeric_overflow)
        doc = json_loadb(text->p, text->n, flags | JSON_DECODE_INT_AS_REAL, at);
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

static bool check_text(const struct wanted *w, const struct buf *text, struct err *err)
{
    json_error_t at;
    json_t *doc;
    bool ok;

    if (text->n > VALIDATE_MAX_BYTES)
        return invalid(err, "too long to be checked");
    doc = load(text, &at);
    if (!doc)
        return err_set(err, ERR_INVALID_OUTPUT, "not JSON: line %d, column %d", at.line, at.column);
    ok = fits(w->schema, false, doc, err) && fits(w->provider, true, doc, err);
    json_decref(doc);
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

static bool check_choice(const struct wanted *w, struct span choice, struct err *err)
{
    struct span calls, raw = text_of(choice, &calls);
    struct buf text = BUF(raw.n + 1);
    bool ok;

    if ((json_absent(raw) || json_equals(raw, "")) && calls_tools(calls))
        return true;
    if (!json_read_string(raw, &text))
        ok = invalid(err, "not a text");
    else
        ok = check_text(w, &text, err);
    buf_done(&text);
    if (!ok && json_equals(json_at(choice, "finish_reason"), "length"))
        err_wrap(err, "cut by max_tokens");
    return ok;
}

bool together_validate(const struct together_request *req, struct span answer, struct err *err)
{
    struct wanted w = read_wanted(req);
    struct span choices = json_at(answer, "choices");
    struct json_iter it;
    int at = 0;

    if (!w.json || !choices.n || !json_iter_init(&it, choices.p, choices.n))
        return true;
    for (; json_next(&it); at++)
        if (!check_choice(&w, it.value, err))
            return err_wrap(err, "choices[%d]", at);
    return true;
}

/* The choice that is not what was asked for; the first one, if all are. */
static struct span wrong_choice(const struct together_request *req, struct span answer)
{
    struct wanted w = read_wanted(req);
    struct span choices = json_at(answer, "choices");
    struct json_iter it;
    struct err err = {0};

    if (choices.n && json_iter_init(&it, choices.p, choices.n))
        while (json_next(&it))
            if (!check_choice(&w, it.value, &err))
                return it.value;
    return json_at(answer, "choices.0");
}

void together_validate_show(const struct together_request *req, struct span answer, char *text,
                            size_t size)
{
    struct span calls, raw = text_of(wrong_choice(req, answer), &calls);
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
