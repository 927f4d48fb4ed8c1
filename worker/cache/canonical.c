/* canonical.c - see canonical.h.
 *
 *   body ──walk──▶ members sorted ──▶ values rewritten ──▶ canonical_sink ─▶ SHA-256, or text
 *            │
 *            └─ top: defaults and what does not count are left out
 *               messages[*]: nulls are left out (SDKs write every member that they know)
 *
 * There is no tree: an object is a run of (name, value) spans on one stack that
 * all levels share, sorted there, and each value is walked when its turn comes.
 * A body is at most JSON_MAX_DEPTH deep, so the recursion has a bound, and each
 * level scans its bytes once more.
 *
 * A member with a new default is a row in `rules`.  Take in only what is the
 * same answer for certain: a default that differs from model to model (top_k,
 * repetition_penalty, max_tokens) is none.
 */
#include "worker/cache/canonical.h"

#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "common/model/model.h"
#include "worker/cache/canonical_sink.h"

enum { SMALL = 64 };

#define TEXTS (TASK_CHAT | TASK_COMPLETION | TASK_CODE)
#define ALL   (~0U)

/* Members of a body that are left out: always (value NULL), or with that value in canonical form.
 * Nulls are always left out. */
/* clang-format off */
static const struct {
    unsigned tasks;
    const char *name, *value;
} rules[] = {
    {ALL,            "model",             NULL}, /* in the key by itself: the one that is routed to */
    {ALL,            "stream",            NULL}, /* how it comes, not what */
    {ALL,            "stream_options",    NULL},
    {ALL,            "user",              NULL}, /* who asks, or why */
    {ALL,            "metadata",          NULL},
    {ALL,            "safety_identifier", NULL},
    {ALL,            "prompt_cache_key",  NULL},
    {ALL,            "store",             NULL},
    {ALL,            "service_tier",      NULL},
    {TEXTS,          "temperature",       "1e0"},
    {TEXTS,          "top_p",             "1e0"},
    {ALL,            "n",                 "1e0"},
    {TEXTS,          "best_of",           "1e0"},
    {TEXTS,          "stop",              "[]"},
    {TEXTS,          "presence_penalty",  "0"},
    {TEXTS,          "frequency_penalty", "0"},
    {TEXTS,          "logit_bias",        "{}"},
    {TEXTS,          "logprobs",          "false"},
    {TEXTS,          "echo",              "false"},
    {TEXTS,          "tools",             "[]"},
    {TEXTS,          "tool_choice",       "\"auto\""},
    {TEXTS,          "parallel_tool_calls", "true"},
    {TEXTS,          "response_format",   "{\"type\":\"text\"}"},
    {TEXTS,          "context_length_exceeded_behavior", "\"error\""},
    {TASK_EMBEDDING, "encoding_format",   "\"float\""},
};
/* clang-format on */

struct member {
    struct span name, value; /* name: its text, escapes resolved */
};

struct walk {
    struct sink *out;
    unsigned task;
    struct span input;      /* replaces the member of that name, at the top */
    struct member *members; /* a stack: each object in progress has a run of it */
    size_t count, cap;
    struct buf names;     /* resolved names; never moves once it was made */
    struct buf raw, neat; /* of one string with escapes */
    size_t body_n;
};

/* ---- strings ---- */

static bool put_string(struct walk *w, struct span v)
{
    if (!memchr(v.p, '\\', v.n)) {
        sink_put(w->out, v.p, v.n);
        return true;
    }
    w->raw.max_bytes = v.n;
    w->neat.max_bytes = 6 * v.n;
    buf_clear(&w->raw);
    buf_clear(&w->neat);
    if (!json_read_string(v, &w->raw))
        return false;
    json_add_string(&w->neat, w->raw.p, w->raw.n);
    sink_put(w->out, w->neat.p, w->neat.n);
    return !buf_failed(&w->neat);
}

/* The text of a name.  Names with escapes are rare: their memory is made once, large enough for all
 * of a body, so that spans into it stay good. */
static bool name_text(struct walk *w, struct span raw, struct span *ret)
{
    struct span quoted = {raw.p - 1, raw.n + 2};
    size_t from;

    *ret = raw;
    if (!memchr(raw.p, '\\', raw.n))
        return true;
    if (!w->names.p) {
        w->names.max_bytes = w->body_n;
        if (!buf_reserve(&w->names, w->body_n))
            return false;
    }
    from = w->names.n;
    if (!json_read_string(quoted, &w->names))
        return false;
    *ret = (struct span){w->names.p + from, w->names.n - from};
    return true;
}

/* ---- objects ---- */

static int compare(struct span a, struct span b)
{
    int c = memcmp(a.p, b.p, a.n < b.n ? a.n : b.n);

    return c ? c : a.n < b.n ? -1 : a.n > b.n;
}

static int by_name(const void *a, const void *b)
{
    return compare(((const struct member *)a)->name, ((const struct member *)b)->name);
}

static bool is_named(struct span name, const char *text)
{
    return name.n == strlen(text) && memcmp(name.p, text, name.n) == 0;
}

enum place { TOP, MESSAGES, MESSAGE, ELSEWHERE };

static bool put_value(struct walk *w, struct span v, enum place place, int depth);

/* Is that value, in canonical form, the text?  Defaults are short. */
static bool is_value(struct walk *w, struct span v, const char *text)
{
    struct buf form = BUF(SMALL);
    struct sink sink = {.text = &form};
    struct walk inner = {.out = &sink, .task = w->task, .body_n = v.n};
    bool same;

    if (v.n > SMALL)
        return false;
    same = put_value(&inner, v, ELSEWHERE, 0);
    sink_flush(&sink);
    same = same && form.n == strlen(text) && memcmp(form.p, text, form.n) == 0;
    buf_done(&form);
    buf_done(&inner.names);
    buf_done(&inner.raw);
    buf_done(&inner.neat);
    free(inner.members);
    return same;
}

static bool is_left_out(struct walk *w, const struct member *m, enum place place)
{
    if (place == ELSEWHERE)
        return false;
    if (json_absent(m->value))
        return true;
    for (size_t i = 0; place == TOP && i < ARRAY_LEN(rules); i++)
        if ((rules[i].tasks & w->task) && is_named(m->name, rules[i].name))
            return !rules[i].value || is_value(w, m->value, rules[i].value);
    return false;
}

static bool push(struct walk *w, const struct json_iter *it, enum place place)
{
    struct member m = {.value = it->value};

    if (!name_text(w, it->key, &m.name))
        return false;
    if (place == TOP && w->input.p && is_named(m.name, "input"))
        m.value = w->input;
    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 32;
        w->members = xrealloc(w->members, w->cap * sizeof *w->members);
    }
    w->members[w->count++] = m;
    return true;
}

static bool read_members(struct walk *w, struct span v, enum place place)
{
    size_t base = w->count;
    struct json_iter it;

    if (!json_iter_init(&it, v.p, v.n))
        return false;
    while (json_next(&it))
        if (!push(w, &it, place))
            return false;
    if (it.bad)
        return false;
    if (w->count - base > 1)
        qsort(w->members + base, w->count - base, sizeof *w->members, by_name);
    for (size_t i = base + 1; i < w->count; i++)
        if (!compare(w->members[i - 1].name, w->members[i].name))
            return false;
    return true;
}

static bool put_name(struct walk *w, struct span name)
{
    w->neat.max_bytes = 6 * name.n + 2;
    buf_clear(&w->neat);
    json_add_string(&w->neat, name.p, name.n);
    sink_put(w->out, w->neat.p, w->neat.n);
    sink_char(w->out, ':');
    return !buf_failed(&w->neat);
}

static bool put_object(struct walk *w, struct span v, enum place place, int depth)
{
    size_t base = w->count, end;
    bool first = true, ok = read_members(w, v, place);

    end = w->count;
    sink_char(w->out, '{');
    for (size_t i = base; ok && i < end; i++) {
        struct member m = w->members[i]; /* by value: the stack may move */
        bool messages = place == TOP && is_named(m.name, "messages");

        if (is_left_out(w, &m, place))
            continue;
        if (!first)
            sink_char(w->out, ',');
        first = false;
        ok = put_name(w, m.name) && put_value(w, m.value, messages ? MESSAGES : ELSEWHERE, depth);
    }
    sink_char(w->out, '}');
    w->count = base;
    return ok;
}

static bool put_array(struct walk *w, struct span v, enum place place, int depth)
{
    struct json_iter it;
    bool first = true;

    if (!json_iter_init(&it, v.p, v.n))
        return false;
    sink_char(w->out, '[');
    while (json_next(&it)) {
        if (!first)
            sink_char(w->out, ',');
        first = false;
        if (!put_value(w, it.value, place == MESSAGES ? MESSAGE : ELSEWHERE, depth))
            return false;
    }
    sink_char(w->out, ']');
    return !it.bad;
}

static bool put_value(struct walk *w, struct span v, enum place place, int depth)
{
    if (v.n == 0 || depth >= JSON_MAX_DEPTH)
        return false;
    switch (*v.p) {
    case '{': return put_object(w, v, place == MESSAGES ? ELSEWHERE : place, depth + 1);
    case '[': return put_array(w, v, place, depth + 1);
    case '"': return put_string(w, v);
    case 't':
    case 'f':
    case 'n': sink_put(w->out, v.p, v.n); return true;
    default: sink_number(w->out, v); return true;
    }
}

/* ---- a body ---- */

static bool put_body(struct sink *out, unsigned task, struct span body, struct span input)
{
    struct walk w = {.out = out, .task = task, .input = input, .body_n = body.n};
    bool ok;

    while (body.n > 0 && strchr(" \t\r\n", *body.p) && *body.p)
        body.p++, body.n--;
    ok = body.n > 0 && *body.p == '{' && put_value(&w, body, TOP, 0);
    sink_flush(out);
    buf_done(&w.names);
    buf_done(&w.raw);
    buf_done(&w.neat);
    free(w.members);
    return ok;
}

bool canonical_text(unsigned task, struct span body, struct span input, struct buf *out)
{
    struct sink sink = {.text = out};

    return put_body(&sink, task, body, input) && !buf_failed(out);
}

bool canonical_hash(unsigned task, const char *path, struct span body, struct span input,
                    char hex[CANONICAL_HEX])
{
    static const char digits[] = "0123456789abcdef";
    struct sink sink = {.md = EVP_MD_CTX_new()};
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    bool ok = sink.md && EVP_DigestInit_ex(sink.md, EVP_sha256(), NULL);

    if (ok) {
        sink_put(&sink, path, strlen(path));
        sink_char(&sink, '\n');
        ok = put_body(&sink, task, body, input) && EVP_DigestFinal_ex(sink.md, md, &n);
    }
    EVP_MD_CTX_free(sink.md);
    for (size_t i = 0; ok && i < n; i++) {
        hex[2 * i] = digits[md[i] >> 4];
        hex[2 * i + 1] = digits[md[i] & 15];
    }
    hex[ok ? CANONICAL_HEX - 1 : 0] = '\0';
    return ok;
}
