/* refusal.c - which kind of failure a provider's words are; see reply.h.
 *
 *   a body, or the value of an `error` ─▶ its words (refusal_words.c) ─▶ code ─▶ words ─▶ status
 *
 * The tables are refusal_kinds.def: a refusal that means more than its status is a new row there.
 */
#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/secret.h"
#include "worker/together/refusal_words.h"

/* ---- tables ---- */

static const struct {
    const char *code;
    int status;
    enum err_kind kind;
} by_code[] = {
#define CODE(code, status, kind) {code, status, ERR_##kind},
#include "worker/together/refusal_kinds.def"
};

static const struct {
    int status;
    const char *one, *other;
    enum err_kind kind;
} by_words[] = {
#define WORDS(status, one, other, kind) {status, one, other, ERR_##kind},
#include "worker/together/refusal_kinds.def"
};

static const struct {
    int first, last;
    enum err_kind kind;
} by_status[] = {
#define STATUS(first, last, kind) {first, last, ERR_##kind},
#include "worker/together/refusal_kinds.def"
};

static enum err_kind kind_by_code(int status, const char *code)
{
    for (size_t i = 0; i < ARRAY_LEN(by_code); i++)
        if ((by_code[i].status == 0 || by_code[i].status == status) &&
            !strcmp(by_code[i].code, code))
            return by_code[i].kind;
    return ERR_NONE;
}

static enum err_kind kind_by_words(int status, const char *message)
{
    for (size_t i = 0; i < ARRAY_LEN(by_words); i++)
        if (by_words[i].status == status && strcasestr(message, by_words[i].one) &&
            strcasestr(message, by_words[i].other))
            return by_words[i].kind;
    return ERR_NONE;
}

static enum err_kind kind_by_status(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(by_status); i++)
        if (status >= by_status[i].first && status <= by_status[i].last)
            return by_status[i].kind;
    return ERR_BAD_ANSWER;
}

/* ---- refusals ---- */

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
static void judge(struct together_reply *r, int status, const struct refusal_words *w)
{
    const struct span said[] = {w->code, w->error_type, w->type, w->status};
    char text[sizeof(r->provider_code)];

    secret_hide_text(r->message);
    r->kind = ERR_NONE;
    for (size_t i = 0; i < ARRAY_LEN(said) && r->kind == ERR_NONE; i++) {
        read_code(said[i], text, sizeof(text), &status);
        r->kind = kind_by_code(status, text);
        if (r->kind != ERR_NONE || !r->provider_code[0])
            memcpy(r->provider_code, text, sizeof(text));
    }
    if (r->kind == ERR_NONE)
        r->kind = kind_by_words(status, r->message);
    if (r->kind == ERR_NONE)
        r->kind = kind_by_status(status);
    secret_hide_text(r->provider_code);
}

bool together_is_error(struct span v)
{
    bool b;

    return !json_absent(v) && !(json_read_bool(v, &b) && !b) && !json_equals(v, "");
}

void together_error_read(int http_status, struct span error, struct together_reply *ret)
{
    struct refusal_words w;

    *ret = (struct together_reply){0};
    if (!refusal_words_pick(error, &w))
        w = (struct refusal_words){.message = error};
    refusal_words_say(&w, ret->message, sizeof(ret->message));
    judge(ret, http_status ? http_status : 200, &w);
}

void together_refusal_read(int status, struct span body, struct together_reply *ret)
{
    struct refusal_words w, inner;
    struct span first = json_at(body, "0");

    *ret = (struct together_reply){0};
    if (first.p && *first.p == '{') /* Google wraps its errors in a list */
        body = first;
    if (!refusal_words_pick(body, &w)) {
        w = (struct refusal_words){0};
        refusal_text_say(body, ret->message, sizeof(ret->message));
    } else {
        if (refusal_words_pick(w.error, &inner))
            w = inner;
        else if (w.error.n && *w.error.p == '"')
            w.message = w.error;
        refusal_words_say(&w, ret->message, sizeof(ret->message));
    }
    judge(ret, status, &w);
}
