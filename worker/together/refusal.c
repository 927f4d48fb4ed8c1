/* refusal.c - which kind of failure a provider's words are; see reply.h.
 *
 *   a body, or the value of an `error` ─▶ its words ─▶ by_code ─▶ too_long ─▶ by_status
 *
 * The first row that fits decides.  The tables only name what happened; what the worker does about
 * it stands in err_kinds.def and nowhere else.  Words come in many shapes: an object, an object in
 * `error`, a string, FastAPI's list, the title of a page of HTML, nothing.
 *
 * A code that means more than its status is a new row in by_code.
 */
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/utf8.h"
#include "worker/together/reply.h"

enum { ANY = 0, LOOK_BYTES = 4096 };

/* ---- tables ---- */

/* A code or type that says more than the status.  200: in the body of a success, or amid a stream.
 */
/* clang-format off */
static const struct {
    const char *code;
    int status;
    enum err_kind kind;
} by_code[] = {
    {"dedicated_endpoint_not_running",      400, ERR_NOT_READY},
    {"endpoint_not_ready",                  400, ERR_NOT_READY},
    {"model_not_available",                 ANY, ERR_MODEL_UNAVAILABLE}, /* 400, 404 and 503 were seen */
    {"model_not_found",                     404, ERR_MODEL_UNAVAILABLE}, /* other providers' word for it */
    {"credit_limit",                        ANY, ERR_NO_CREDIT},         /* 402, and 429 */
    {"insufficient_balance",                ANY, ERR_NO_CREDIT},
    {"third_party_data_sharing_blocked",    403, ERR_FORBIDDEN},
    {"endpoints_v1_create_access_disabled", 403, ERR_FORBIDDEN},
    {"context_length_exceeded",             400, ERR_CONTEXT_LENGTH},
    {"context_length_exceeded",             403, ERR_CONTEXT_LENGTH},
    {"context_length_exceeded",             422, ERR_CONTEXT_LENGTH},
    {"context_length_exceeded",             200, ERR_CONTEXT_LENGTH},
    {"invalid_api_key",                     200, ERR_BAD_KEY},
    {"dynamic_request_limited",             200, ERR_RATE_LIMITED},
    {"dynamic_token_limited",               200, ERR_RATE_LIMITED},
    {"rate_limit_exceeded",                 200, ERR_RATE_LIMITED},
    {"overloaded",                          200, ERR_OVERLOADED},
    {"overloaded_error",                    200, ERR_OVERLOADED},
    {"service_unavailable",                 200, ERR_OVERLOADED},
    {"invalid_request_error",               200, ERR_BAD_REQUEST},
};

/* Words that tell a prompt which is too long, where no code does.  403 says it in more ways. */
static const struct {
    int status;
    const char *words;
} too_long[] = {
    {400, "context length"},  {400, "context window"}, {400, "`max_new_tokens` must be"},
    {422, "context length"},  {422, "context window"}, {422, "`max_new_tokens` must be"},
    {403, "context length"},  {403, "context window"}, {403, "context_length"},
    {403, "max_tokens"},      {403, "max_new_tokens"}, {403, "token limit"},
    {403, "token count"},     {403, "too long"},
};

static const struct {
    int first, last;
    enum err_kind kind;
} by_status[] = {
    {200, 299, ERR_SERVER_ERROR}, /* an error without a code that is known */
    {300, 399, ERR_BAD_ANSWER},
    {401, 401, ERR_BAD_KEY},
    {402, 402, ERR_NO_CREDIT},
    {403, 403, ERR_FORBIDDEN},
    {404, 404, ERR_PROVIDER_NOT_FOUND},
    {408, 409, ERR_REQUEST_TIMEOUT},
    {413, 413, ERR_BODY_TOO_LARGE},
    {429, 429, ERR_RATE_LIMITED},
    {400, 499, ERR_BAD_REQUEST},
    {502, 502, ERR_GATEWAY},
    {503, 503, ERR_OVERLOADED},
    {504, 504, ERR_GATEWAY},
    {520, 528, ERR_GATEWAY}, /* Cloudflare: with its origin, or its certificate, something is wrong */
    {529, 529, ERR_OVERLOADED},
    {530, 530, ERR_GATEWAY},
    {500, 599, ERR_SERVER_ERROR},
};
/* clang-format on */

static enum err_kind kind_by_code(int status, const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(by_code); i++)
        if ((by_code[i].status == ANY || by_code[i].status == status) &&
            !strcmp(by_code[i].code, code))
            return by_code[i].kind;
    return ERR_NONE;
}

static bool says_too_long(int status, const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(too_long); i++)
        if (too_long[i].status == status && strcasestr(message, too_long[i].words))
            return true;
    return false;
}

static enum err_kind kind_by_status(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(by_status); i++)
        if (status >= by_status[i].first && status <= by_status[i].last)
            return by_status[i].kind;
    return ERR_BAD_ANSWER;
}

/* ---- messages ---- */

/* One byte that cannot stand in a line of text. */
static size_t escape_byte(char c, char out[8])
{
    const char *name = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;

    return (size_t)(name ? snprintf(out, 8, "%s", name)
                         : snprintf(out, 8, "\\x%02x", (unsigned char)c));
}

/* One line; cut at a whole character, with "..." behind it, when it is too long. */
static void set_message(struct together_reply *r, const char *p, size_t n)
{
    const char *end = p + n;
    size_t at = 0, max = sizeof(r->message) - 1;

    while (p < end) {
        size_t len = utf8_len(p, end);
        bool as_it_is = len > 1 || (len == 1 && (unsigned char)*p >= 0x20 && *p != 0x7f);
        char escaped[8];
        size_t need = as_it_is ? len : escape_byte(*p, escaped);

        if (at + need > max - 3) {
            memcpy(r->message + at, "...", 3);
            at += 3;
            break;
        }
        memcpy(r->message + at, as_it_is ? p : escaped, need);
        at += need;
        p += as_it_is ? len : 1;
    }
    r->message[at] = 0;
}

/* A string's text, any other value as it is written; false when there is nothing to say. */
static bool set_message_value(struct together_reply *r, struct span v)
{
    struct buf text = BUF(v.n);
    bool ok = !json_absent(v);

    if (ok && json_read_string(v, &text))
        set_message(r, text.p, text.n);
    else if (ok)
        set_message(r, v.p, v.n);
    buf_done(&text);
    return ok && r->message[0];
}

/* FastAPI's [{"loc": [...], "msg": "..."}], or a string. */
static bool set_message_detail(struct together_reply *r, struct span detail)
{
    struct span msg = json_at(detail, "0.msg"), loc = json_at(detail, "0.loc");
    char text[200];

    if (!json_read_text(msg, text, sizeof(text)))
        return set_message_value(r, detail);
    set_message(r, text, strlen(text));
    if (loc.p) {
        char line[sizeof(text) + 64];
        int n = snprintf(line, sizeof(line), "%s %.*s", text, loc.n < 60 ? (int)loc.n : 60, loc.p);
        set_message(r, line, (size_t)n);
    }
    return true;
}

/* The body of a refusal that is no JSON: the title of a page, or the text. */
static void set_message_text(struct together_reply *r, struct span body)
{
    size_t look = body.n < LOOK_BYTES ? body.n : LOOK_BYTES;
    const char *from = look ? memmem(body.p, look, "<title>", 7) : NULL;
    const char *to = from ? memmem(from, (size_t)(body.p + look - from), "</title>", 8) : NULL;
    char text[64] = "an empty answer";

    while (look && strchr(" \t\r\n", *body.p) && *body.p)
        body.p++, body.n--, look--;
    if (to && to > from + 7) {
        set_message(r, from + 7, (size_t)(to - from - 7));
    } else if (look && *body.p != '<') {
        set_message(r, body.p, body.n);
    } else {
        if (look)
            snprintf(text, sizeof(text), "an HTML page of %zu bytes", body.n);
        set_message(r, text, strlen(text));
    }
}

/* ---- refusals ---- */

/* What an error object or a body may say. */
struct words {
    struct span error, message, detail, code, error_type, type;
};

static bool pick_words(struct span v, struct words *w)
{
    const struct json_want wants[] = {{"error", &w->error},           {"message", &w->message},
                                      {"detail", &w->detail},         {"code", &w->code},
                                      {"error_type", &w->error_type}, {"type", &w->type}};

    *w = (struct words){0};
    return v.p && json_pick(v.p, v.n, wants, ARRAY_LEN(wants));
}

/* A code is a string, or a number (which inside a 200 is the status that was meant). */
static void read_code(struct span v, char *text, size_t size, int *status)
{
    int64_t n;

    text[0] = 0;
    if (json_read_text(v, text, size) || !json_read_int(v, &n))
        return;
    snprintf(text, size, "%lld", (long long)n);
    if (*status == 200 && n >= 400 && n <= 599)
        *status = (int)n;
}

/* The kind, from what is said; message is set already. */
static void judge(struct together_reply *r, int status, const struct words *w)
{
    const struct span said[] = {w->code, w->error_type, w->type};
    char text[sizeof(r->provider_code)];

    r->kind = ERR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(said) && r->kind == ERR_NONE; i++) {
        read_code(said[i], text, sizeof(text), &status);
        r->kind = kind_by_code(status, text);
        if (r->kind != ERR_NONE || !r->provider_code[0])
            memcpy(r->provider_code, text, sizeof(text));
    }
    if (r->kind == ERR_NONE && says_too_long(status, r->message))
        r->kind = ERR_CONTEXT_LENGTH;
    if (r->kind == ERR_NONE)
        r->kind = kind_by_status(status);
}

static void judge_words(struct together_reply *r, int status, const struct words *w)
{
    if (!set_message_value(r, w->message) && !set_message_detail(r, w->detail))
        set_message_text(r, (struct span){"an error without a message", 26});
    judge(r, status, w);
}

void together_error_read(int http_status, struct span error, struct together_reply *ret)
{
    struct words w;

    *ret = (struct together_reply){0};
    if (!pick_words(error, &w))
        w = (struct words){.message = error};
    judge_words(ret, http_status ? http_status : 200, &w);
}

void together_refusal_read(int status, struct span body, struct together_reply *ret)
{
    struct words w, inner;

    *ret = (struct together_reply){0};
    if (!pick_words(body, &w)) {
        w = (struct words){0};
        set_message_text(ret, body);
        judge(ret, status, &w);
        return;
    }
    if (pick_words(w.error, &inner)) {
        judge_words(ret, status, &inner);
        return;
    }
    if (w.error.n && *w.error.p == '"')
        w.message = w.error;
    judge_words(ret, status, &w);
}
