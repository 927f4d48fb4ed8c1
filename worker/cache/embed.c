/* embed.c - see embed.h.
 *
 * The hash of a text is that of the text behind the hash of the body without its list, so the rest
 * of the body is hashed once for thousands of texts.
 *
 * A provider may substitute another model for the requested one.  Its vectors are kept under the
 * requested name and replace those of the old model, which must not be beside them in one answer.
 *
 * An element is kept as the provider wrote it, without its index: members that are added to the API
 * come back as they were.
 */
#include "worker/cache/embed.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/core/hash.h"
#include "common/core/json.h"
#include "common/core/xalloc.h"
#include "common/model/model.h"

__extension__ typedef __int128 wide;

/* ---- the texts of a body ---- */

static bool is_tokens(struct span v)
{
    struct span first = json_at(v, "0");

    return first.n > 0 && *first.p != '"' && *first.p != '[';
}

/* Raw values into *ret (malloc'd).  0: no texts, or too many. */
static size_t list_texts(struct span input, struct span **ret)
{
    struct span *texts = xcalloc(EMBED_TEXTS_MAX, sizeof *texts);
    struct json_iter it;
    size_t n = 0;

    *ret = texts;
    if (!input.n)
        return 0;
    if (*input.p == '"' || (*input.p == '[' && is_tokens(input))) {
        texts[0] = input;
        return 1;
    }
    if (*input.p != '[' || !json_iter_init(&it, input.p, input.n))
        return 0;
    while (json_next(&it)) {
        if (n == EMBED_TEXTS_MAX)
            return 0;
        texts[n++] = it.value;
    }
    return it.bad ? 0 : n;
}

/* Append a member to an object that is open. */
static void add_member(struct buf *out, struct span name, struct span value)
{
    if (out->p[out->n - 1] != '{')
        buf_putc(out, ',');
    buf_putc(out, '"');
    buf_add_span(out, name);
    buf_puts(out, "\":");
    buf_add_span(out, value);
}

/* Copy an object with another value in place of one member. */
static void replace(struct span body, const char *name, struct span value, struct buf *out)
{
    struct json_iter it;

    buf_putc(out, '{');
    if (json_iter_init(&it, body.p, body.n))
        while (json_next(&it))
            add_member(out, it.key, span_is(it.key, name) ? value : it.value);
    buf_putc(out, '}');
}

static bool hash_texts(const char *path, struct span body, const struct span *texts, size_t n,
                       struct embed_text *ret)
{
    static const struct span zero = {"0", 1}, alone = {"{\"input\":0}", 11};
    struct buf bare = BUF(body.n + 16);
    char rest[CANONICAL_HEX];
    bool ok;

    replace(body, "input", zero, &bare);
    ok = canonical_hash(TASK_EMBEDDING, path, buf_span(&bare), (struct span){NULL, 0}, rest);
    for (size_t i = 0; ok && i < n; i++) {
        ret[i].raw = texts[i];
        ok = canonical_hash(TASK_EMBEDDING, rest, alone, texts[i], ret[i].hash);
    }
    buf_done(&bare);
    return ok;
}

/* Equal texts become one: slot[i] is set, and text[] holds the different ones. */
static void unite(struct embed *e)
{
    struct known {
        char hash[CANONICAL_HEX];
        size_t slot;
        UT_hash_handle hh;
    } *all = xcalloc(e->n, sizeof *all), *table = NULL, *k;

    for (size_t i = 0; i < e->n; i++) {
        HASH_FIND_STR(table, e->text[i].hash, k);
        if (!k) {
            k = &all[e->unique];
            memcpy(k->hash, e->text[i].hash, sizeof k->hash);
            k->slot = e->unique;
            HASH_ADD_STR(table, hash, k);
            e->text[e->unique++] = e->text[i];
        }
        e->slot[i] = k->slot;
    }
    HASH_CLEAR(hh, table);
    free(all);
}

bool embed_read(const char *path, struct span body, struct embed *ret)
{
    struct span *texts;
    size_t n = list_texts(json_at(body, "input"), &texts);

    *ret = (struct embed){.n = n};
    ret->text = xcalloc(n ? n : 1, sizeof *ret->text);
    ret->slot = xcalloc(n ? n : 1, sizeof *ret->slot);
    if (n == 0 || !hash_texts(path, body, texts, n, ret->text)) {
        free(texts);
        embed_done(ret);
        return false;
    }
    free(texts);
    unite(ret);
    return true;
}

void embed_done(struct embed *e)
{
    free(e->text);
    free(e->slot);
    *e = (struct embed){0};
}

void embed_ask(const struct embed *e, struct span body, const struct found *found, struct buf *out)
{
    struct buf list = BUF(body.n + 16);

    buf_putc(&list, '[');
    for (size_t i = 0; i < e->unique; i++) {
        if (found->each[i])
            continue;
        if (list.n > 1)
            buf_putc(&list, ',');
        buf_add_span(&list, e->text[i].raw);
    }
    buf_putc(&list, ']');
    replace(body, "input", buf_span(&list), out);
    buf_done(&list);
}

/* ---- models ---- */

/* Providers change the case of names. */
bool embed_same_model(struct span a, struct span b)
{
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* NULL: nothing is known. */
static const struct entry *newest(const struct found *found)
{
    const struct entry *last = NULL;

    for (size_t i = 0; i < found->n; i++)
        if (found->each[i] && (!last || found->each[i]->stored_ms > last->stored_ms))
            last = found->each[i];
    return last;
}

static bool is_of(const struct entry *e, const struct entry *other)
{
    return !e || !other || embed_same_model(e->model, other->model);
}

bool embed_is_mixed(const struct found *found)
{
    const struct entry *last = newest(found);

    for (size_t i = 0; i < found->n; i++)
        if (!is_of(found->each[i], last))
            return true;
    return false;
}

void embed_unmix(struct found *found)
{
    struct entry *last = (struct entry *)(uintptr_t)newest(found);

    if (!last)
        return;
    entry_use(last);
    for (size_t i = 0; i < found->n; i++)
        if (!is_of(found->each[i], last)) {
            entry_drop(&found->each[i]);
            found->known--;
        }
    entry_drop(&last);
}

/* ---- answers ---- */

bool embed_split(struct span answer, struct span *elements, size_t n)
{
    struct span data = json_at(answer, "data");
    struct json_iter it;
    size_t place = 0;

    for (size_t i = 0; i < n; i++)
        elements[i] = (struct span){NULL, 0};
    if (!json_iter_init(&it, data.p, data.n))
        return false;
    for (; json_next(&it); place++) {
        int64_t at = (int64_t)place;

        if (!it.value.n || *it.value.p != '{')
            return false;
        if (!json_read_int(json_at(it.value, "index"), &at))
            at = (int64_t)place;
        if (at < 0 || at >= (int64_t)n || elements[at].p)
            return false;
        elements[at] = it.value;
    }
    return !it.bad && place == n;
}

void embed_strip(struct span element, struct buf *out)
{
    struct json_iter it;

    buf_putc(out, '{');
    if (json_iter_init(&it, element.p, element.n))
        while (json_next(&it))
            if (!span_is(it.key, "index"))
                add_member(out, it.key, it.value);
    buf_putc(out, '}');
}

void embed_share_tokens(const struct span *texts, size_t n, int64_t tokens, int64_t *ret)
{
    wide all = 0, so_far = 0;
    int64_t given = 0;

    for (size_t i = 0; i < n; i++)
        all += (wide)texts[i].n;
    for (size_t i = 0; i < n; i++) {
        so_far += (wide)texts[i].n;
        ret[i] = all ? (int64_t)(so_far * tokens / all) - given : 0;
        given += ret[i];
    }
}

/* The kept element, with its index. */
static void add_element(struct buf *out, size_t index, struct span kept)
{
    buf_printf(out, "%s{\"index\":%zu", index ? "," : "", index);
    if (kept.n > 2)
        buf_putc(out, ',');
    buf_add(out, kept.p + 1, kept.n - 1);
}

static void add_data(const struct embed *e, const struct found *found, struct buf *out)
{
    json_add_key(out, "data");
    buf_putc(out, '[');
    for (size_t i = 0; i < e->n; i++)
        add_element(out, i, found->each[e->slot[i]]->body);
    buf_putc(out, ']');
}

void embed_join(const struct embed *e, const struct found *found, struct span answer,
                struct span model, struct span usage, struct buf *out)
{
    struct json_iter it;

    buf_putc(out, '{');
    if (answer.p && json_iter_init(&it, answer.p, answer.n)) {
        while (json_next(&it))
            if (!span_is(it.key, "data") && !span_is(it.key, "usage"))
                add_member(out, it.key, it.value);
    } else {
        json_add_str(out, "object", "list");
        json_add_key(out, "model");
        json_add_string(out, model.p, model.n);
    }
    add_data(e, found, out);
    if (usage.p)
        json_add_raw(out, "usage", usage);
    buf_putc(out, '}');
}
