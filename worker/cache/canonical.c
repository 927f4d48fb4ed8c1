/* canonical.c - see canonical.h.
 *
 *   body ──walk──▶ members sorted ──▶ values rewritten ──▶ text ──▶ SHA-256
 *            │
 *            └─ top: what equals its default, or does not count, is cut off again
 *               messages[*]: nulls are cut off (SDKs write every member that they know)
 *
 * There is no tree, as jansson's would lose what numbers say: it refuses integers past 64 bits and
 * rounds 0.1 and 0.10000000000000000001 to one real, so two requests would have one key.  An object
 * is a run of (name, value) spans on one stack that all levels share.  It is sorted there, and each
 * value is walked in turn.  A body is at most JSON_MAX_DEPTH deep, so the recursion has a bound, and
 * each level scans its bytes once more.
 *
 * A member with a new default is a row in `rules`.  Add only what is certain to be the same answer:
 * a default that differs from model to model (top_k, repetition_penalty, max_tokens) has no row.
 */
#include "worker/cache/canonical.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/digest.h"
#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"
#include "common/model/model.h"

enum { MAX_EXPONENT = 999999999 };

#define TEXTS (TASK_CHAT | TASK_COMPLETION | TASK_CODE)
#define ALL   (~0U)

/* Members of a body that are left out: always (value NULL), or with that value in canonical form.
 * Nulls are always left out. */
/* clang-format off */
static const struct {
    unsigned tasks;
    const char *name, *value;
} rules[] = {
    {ALL,            "model",             NULL}, /* the key has the one that is routed to */
    {ALL,            "stream",            NULL}, /* how the answer comes, not what it is */
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
    struct buf *out;
    unsigned task;
    struct span input;      /* replaces the member of that name, at the top */
    struct member *members; /* a stack: each object in progress has a run of it */
    size_t count, cap;
    struct buf names; /* resolved names; does not move, as spans point into it */
    struct buf raw;   /* of one string with escapes */
    size_t body_n;
};

/* ---- numbers ---- */

/* A number by its value: significant digits times a power of ten, so 150, 150.0 and 1.5e2 are 15e1.
 * Nothing is converted: 0.1 and a number of a hundred digits are exact. */
static void put_number(struct buf *out, struct span v)
{
    const char *p = v.p, *end = v.p + v.n;
    size_t before = out->n, start;
    int64_t exponent = 0, written = 0;
    bool point = false;

    if (*p == '-')
        buf_putc(out, *p++);
    for (start = out->n; p < end && *p != 'e' && *p != 'E'; p++) {
        if (*p == '.')
            point = true;
        else if (*p != '0' || out->n > start)
            buf_putc(out, *p);
        exponent -= point && *p != '.';
    }
    for (; out->n > start && out->p[out->n - 1] == '0'; exponent++)
        out->n--;
    p += p < end;
    p += p < end && *p == '+';
    if (out->n == start) {
        out->n = before;
        buf_putc(out, '0');
    } else if (p < end &&
               !parse_int64(p, (size_t)(end - p), -MAX_EXPONENT, MAX_EXPONENT, &written)) {
        out->n = before;
        buf_putc(out, '#'); /* beyond all numbers: as it is spelled */
        buf_add_span(out, v);
    } else {
        buf_putc(out, 'e');
        buf_int(out, exponent + written);
    }
}

/* ---- strings ---- */

static bool put_string(struct walk *w, struct span v)
{
    if (!memchr(v.p, '\\', v.n))
        return buf_add_span(w->out, v);
    w->raw.max_bytes = v.n;
    buf_clear(&w->raw);
    if (!json_read_string(v, &w->raw))
        return false;
    json_add_string(w->out, w->raw.p, w->raw.n);
    return true;
}

/* The text of a name.  Names with escapes are rare: room for all of a body is made once, so that
 * spans into it stay good. */
static bool name_text(struct walk *w, struct span raw, struct span *ret)
{
    size_t from = w->names.n;

    *ret = raw;
    if (!memchr(raw.p, '\\', raw.n))
        return true;
    w->names.max_bytes = w->body_n;
    if ((!w->names.p && !buf_reserve(&w->names, w->body_n)) ||
        !json_read_string((struct span){raw.p - 1, raw.n + 2}, &w->names))
        return false;
    *ret = (struct span){w->names.p + from, w->names.n - from};
    return true;
}

/* ---- objects ---- */

static int by_name(const void *a, const void *b)
{
    const struct span x = ((const struct member *)a)->name, y = ((const struct member *)b)->name;
    int c = memcmp(x.p, y.p, x.n < y.n ? x.n : y.n);

    return c ? c : x.n < y.n ? -1 : x.n > y.n;
}

enum place { TOP, MESSAGES, MESSAGE, ELSEWHERE };

static bool put_value(struct walk *w, struct span v, enum place place, int depth);

/* form: the value in canonical form. */
static bool is_left_out(unsigned task, enum place place, struct span name, struct span form)
{
    if (place == ELSEWHERE)
        return false;
    for (size_t i = 0; place == TOP && i < ARRAY_LEN(rules); i++)
        if ((rules[i].tasks & task) && span_is(name, rules[i].name) &&
            (!rules[i].value || span_is(form, rules[i].value)))
            return true;
    return span_is(form, "null");
}

static bool push(struct walk *w, const struct json_iter *it, enum place place)
{
    struct member m = {.value = it->value};

    if (!name_text(w, it->key, &m.name))
        return false;
    if (place == TOP && w->input.p && span_is(m.name, "input"))
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
        if (!by_name(&w->members[i - 1], &w->members[i]))
            return false;
    return true;
}

static bool put_object(struct walk *w, struct span v, enum place place, int depth)
{
    size_t base = w->count, open = w->out->n + 1, end;
    bool ok = read_members(w, v, place);

    end = w->count;
    buf_putc(w->out, '{');
    for (size_t i = base; ok && i < end; i++) {
        const struct member m = w->members[i]; /* by value: the stack may move */
        bool messages = place == TOP && span_is(m.name, "messages");
        size_t before = w->out->n, at;

        if (before > open)
            buf_putc(w->out, ',');
        json_add_string(w->out, m.name.p, m.name.n);
        buf_putc(w->out, ':');
        at = w->out->n;
        ok = put_value(w, m.value, messages ? MESSAGES : ELSEWHERE, depth);
        if (is_left_out(w->task, place, m.name, (struct span){w->out->p + at, w->out->n - at}))
            w->out->n = before;
    }
    w->count = base;
    return ok && buf_putc(w->out, '}');
}

static bool put_array(struct walk *w, struct span v, enum place place, int depth)
{
    size_t open = w->out->n + 1;
    struct json_iter it;

    if (!json_iter_init(&it, v.p, v.n))
        return false;
    buf_putc(w->out, '[');
    while (json_next(&it)) {
        if (w->out->n > open)
            buf_putc(w->out, ',');
        if (!put_value(w, it.value, place == MESSAGES ? MESSAGE : ELSEWHERE, depth))
            return false;
    }
    return !it.bad && buf_putc(w->out, ']');
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
    case 'n': return buf_add_span(w->out, v);
    default: put_number(w->out, v); return true;
    }
}

/* ---- a body ---- */

bool canonical_text(unsigned task, struct span body, struct span input, struct buf *out)
{
    struct walk w = {.out = out, .task = task, .input = input, .body_n = body.n};
    bool ok;

    while (body.n > 0 && strchr(" \t\r\n", *body.p) && *body.p)
        body.p++, body.n--;
    ok = body.n > 0 && *body.p == '{' && put_value(&w, body, TOP, 0);
    buf_done(&w.names);
    buf_done(&w.raw);
    free(w.members);
    return ok && !buf_failed(out);
}

bool canonical_hash(unsigned task, const char *path, struct span body, struct span input,
                    char hex[CANONICAL_HEX])
{
    /* \u0001 stays that long, a number 1 becomes 1e0 */
    struct buf text = BUF(strlen(path) + 1 + 3 * (body.n + input.n));
    bool ok;

    buf_reserve(&text, strlen(path) + 1 + body.n);
    buf_puts(&text, path);
    buf_putc(&text, '\n');
    ok = canonical_text(task, body, input, &text);
    if (ok)
        digest_hex(buf_span(&text), CANONICAL_HEX / 2, hex);
    else
        hex[0] = '\0';
    buf_done(&text);
    return ok;
}
