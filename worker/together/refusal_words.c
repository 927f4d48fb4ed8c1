/* refusal_words.c - see refusal_words.h. */
#include "worker/together/refusal_words.h"

#include <stdio.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/utf8.h"

enum { LOOK_BYTES = 4096, DEPTH_MAX = 3, WORDS_BYTES = 4096, PARAM_BYTES = 60 };

/* ---- one line ---- */

/* One byte that cannot stand in a line of text. */
static size_t escape_byte(char c, char out[8])
{
    const char *name = c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : NULL;

    return (size_t)(name ? snprintf(out, 8, "%s", name)
                         : snprintf(out, 8, "\\x%02x", (unsigned char)c));
}

/* Cut at a whole character, with "..." behind it, when it is too long. */
static void write_line(struct span text, char *line, size_t size)
{
    const char *p = text.p, *end = text.p + text.n;
    size_t at = 0, max = size - 1;

    while (p < end) {
        size_t len = utf8_len(p, end);
        bool as_it_is = len > 1 || (len == 1 && (unsigned char)*p >= 0x20 && *p != 0x7f);
        char escaped[8];
        size_t need = as_it_is ? len : escape_byte(*p, escaped);

        if (at + need > max - 3) {
            memcpy(line + at, "...", 3);
            at += 3;
            break;
        }
        memcpy(line + at, as_it_is ? p : escaped, need);
        at += need;
        p += as_it_is ? len : 1;
    }
    line[at] = 0;
}

/* ---- words ---- */

bool refusal_words_pick(struct span v, struct refusal_words *w)
{
    const struct json_want wants[] = {
        {"error", &w->error},     {"message", &w->message}, {"detail", &w->detail},
        {"details", &w->details}, {"param", &w->param},     {"metadata", &w->metadata},
        {"code", &w->code},       {"type", &w->type},       {"error_type", &w->error_type},
        {"status", &w->status}};

    *w = (struct refusal_words){0};
    if (v.p && json_pick(v.p, v.n, wants, ARRAY_LEN(wants)))
        return true;
    *w = (struct refusal_words){0};
    return false;
}

static void add_reason(struct span v, int depth, struct buf *out);

/* What an object says in its own words, deepest first. */
static bool add_object(struct span v, int depth, struct buf *out)
{
    struct refusal_words w;
    size_t before = out->n;

    if (!refusal_words_pick(v, &w))
        return false;
    const struct span places[] = {w.error, w.message, w.detail, w.details,
                                  json_at(w.metadata, "raw")};
    for (size_t i = 0; i < ARRAY_LEN(places) && out->n == before; i++)
        add_reason(places[i], depth + 1, out);
    return out->n > before;
}

/* A text, which may be JSON itself. */
static void add_text(struct span v, int depth, struct buf *out)
{
    struct buf text = BUF(WORDS_BYTES);
    bool ok = json_read_string(v, &text) && text.n > 0;

    if (ok && !(*text.p == '{' && add_object(buf_span(&text), depth, out)))
        buf_add_span(out, buf_span(&text));
    buf_done(&text);
}

/* FastAPI's [{"loc": [...], "msg": "..."}]; of another list its first element. */
static void add_list(struct span v, int depth, struct buf *out)
{
    struct span msg = json_at(v, "0.msg"), loc = json_at(v, "0.loc");

    if (msg.n && *msg.p == '"') {
        add_text(msg, DEPTH_MAX, out);
        if (loc.p) {
            buf_putc(out, ' ');
            buf_add(out, loc.p, loc.n < PARAM_BYTES ? loc.n : PARAM_BYTES);
        }
        return;
    }
    add_reason(json_at(v, "0"), depth + 1, out);
}

static void add_reason(struct span v, int depth, struct buf *out)
{
    if (json_absent(v) || depth > DEPTH_MAX)
        return;
    if (*v.p == '"')
        add_text(v, depth, out);
    else if (*v.p == '[')
        add_list(v, depth, out);
    else if (*v.p != '{' || !add_object(v, depth, out))
        buf_add(out, v.p, v.n < WORDS_BYTES / 4 ? v.n : WORDS_BYTES / 4);
}

static bool says(const struct buf *words, const struct buf *more)
{
    return more->n == 0 || (words->n && memmem(words->p, words->n, more->p, more->n));
}

/* ": more" behind what is there, unless that says it already. */
static void add_more(struct buf *words, struct span v)
{
    struct buf more = BUF(WORDS_BYTES);

    add_reason(v, 0, &more);
    if (!says(words, &more)) {
        buf_puts(words, words->n ? ": " : "");
        buf_add_span(words, buf_span(&more));
    }
    buf_done(&more);
}

static void add_param(struct buf *words, struct span param)
{
    struct buf text = BUF(PARAM_BYTES);

    if (json_read_string(param, &text) && !says(words, &text))
        buf_printf(words, " (parameter %s)", text.p);
    buf_done(&text);
}

void refusal_words_say(const struct refusal_words *w, char *line, size_t size)
{
    struct buf words = BUF((size_t)5 * WORDS_BYTES);

    add_more(&words, w->message);
    add_more(&words, w->detail);
    add_more(&words, w->details);
    add_more(&words, json_at(w->metadata, "raw"));
    if (!words.n)
        buf_puts(&words, "an error without a message");
    add_param(&words, w->param);
    write_line(buf_span(&words), line, size);
    buf_done(&words);
}

void refusal_text_say(struct span body, char *line, size_t size)
{
    size_t look = body.n < LOOK_BYTES ? body.n : LOOK_BYTES;
    const char *from = look ? memmem(body.p, look, "<title>", 7) : NULL;
    const char *to = from ? memmem(from, (size_t)(body.p + look - from), "</title>", 8) : NULL;

    while (look && strchr(" \t\r\n", *body.p) && *body.p)
        body.p++, body.n--, look--;
    if (to && to > from + 7)
        write_line((struct span){from + 7, (size_t)(to - from - 7)}, line, size);
    else if (look && *body.p != '<')
        write_line(body, line, size);
    else if (look)
        snprintf(line, size, "an HTML page of %zu bytes", body.n);
    else
        snprintf(line, size, "an empty answer");
}
