/* model_doc.c - see model_doc.h.
 *
 * What the configuration may say of a model in YAML, these documents say in
 * JSON: `fields` is the list of config_models.c once more, with readers for
 * JSON.  default_for, replacement and fallbacks are the configuration's alone:
 * they speak of other models, and are checked with them.
 *
 * To add a field: a reader and a row in `fields`, a line in model_doc_write(). */
#include "common/model/model_doc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/core/parse.h"
#include "common/core/xalloc.h"

#define PROVIDER_MAX 32
#define GOT_MAX      40

/* ---- readers: false leaves "expected ..." in err ---- */

static bool expected(struct err *err, const char *what)
{
    return err_set(err, ERR_INVALID, "expected %s", what);
}

static bool read_text(struct span v, char *text, size_t size, const char *what, struct err *err)
{
    if (!json_read_text(v, text, size) || !*text)
        return expected(err, what);
    for (const char *p = text; *p; p++)
        if ((unsigned char)*p <= 0x20 || *p == 0x7f)
            return expected(err, what);
    return true;
}

static bool read_id(struct span v, struct model *m, struct err *err)
{
    char text[MODEL_ID_MAX + 1];

    if (!read_text(v, text, sizeof text, "an id of up to 200 characters without blanks", err))
        return false;
    free(m->id);
    m->id = xstrdup(text);
    return true;
}

static bool read_provider(struct span v, struct model *m, struct err *err)
{
    char text[PROVIDER_MAX + 1];

    if (!read_text(v, text, sizeof text, "the name of a provider", err))
        return false;
    free(m->provider);
    m->provider = xstrdup(text);
    return true;
}

/* "expected a list of tools, json_schema and vision" */
static bool expected_set(struct err *err, const struct model_set *set)
{
    char text[160];
    size_t n = 0;

    for (size_t i = 0; i < set->count && n < sizeof text; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
                              i == 0                ? "a list of "
                              : i + 1 == set->count ? " and "
                                                    : ", ",
                              set->names[i]);
    return expected(err, text);
}

static bool read_set(struct span v, const struct model_set *set, unsigned *ret, struct err *err)
{
    struct json_iter it;
    unsigned bits = 0;
    char name[32];

    if (!json_iter_init(&it, v.p, v.n) || it.close != ']')
        return expected_set(err, set);
    while (json_next(&it)) {
        unsigned bit =
            json_read_text(it.value, name, sizeof name) ? model_set_of(set, name, strlen(name)) : 0;

        if (!bit)
            return expected_set(err, set);
        bits |= bit;
    }
    *ret = bits;
    return !it.bad || expected_set(err, set);
}

static bool read_tasks(struct span v, struct model *m, struct err *err)
{
    return read_set(v, &model_tasks, &m->tasks, err);
}

static bool read_features(struct span v, struct model *m, struct err *err)
{
    return read_set(v, &model_features, &m->features, err);
}

static bool read_usd(struct span v, int64_t *ret, struct err *err)
{
    if (!v.n || *v.p == '"' || !parse_usd(v.p, v.n, ret))
        return expected(err, "an amount of USD like 0.15");
    return true;
}

static bool read_input(struct span v, struct model *m, struct err *err)
{
    return read_usd(v, &m->in_nanousd, err);
}

static bool read_output(struct span v, struct model *m, struct err *err)
{
    return read_usd(v, &m->out_nanousd, err);
}

static bool read_cached(struct span v, struct model *m, struct err *err)
{
    return read_usd(v, &m->cached_nanousd, err);
}

static bool read_image(struct span v, struct model *m, struct err *err)
{
    return read_usd(v, &m->image_nanousd, err);
}

static bool read_image_unit(struct span v, struct model *m, struct err *err)
{
    char text[16] = "";

    m->image_unit = json_read_text(v, text, sizeof text) ? image_unit_of(text) : IMAGE_NONE;
    return m->image_unit != IMAGE_NONE || expected(err, "megapixel or piece");
}

static bool read_int(struct span v, int64_t most, int64_t *ret, struct err *err)
{
    int64_t n;

    if (!json_read_int(v, &n) || n < 0 || n > most)
        return err_set(err, ERR_INVALID, "expected a whole number from 0 to %lld", (long long)most);
    *ret = n;
    return true;
}

static bool read_context(struct span v, struct model *m, struct err *err)
{
    return read_int(v, MODEL_CONTEXT_MAX, &m->context, err);
}

static bool read_p50(struct span v, struct model *m, struct err *err)
{
    return read_int(v, MODEL_P50_MAX_MS, &m->p50_ms, err);
}

static bool read_concurrency(struct span v, struct model *m, struct err *err)
{
    return read_int(v, MODEL_CONCURRENCY_MAX, &m->max_concurrency, err);
}

static bool read_discount(struct span v, struct model *m, struct err *err)
{
    int64_t n = 0;

    if (!read_int(v, 100, &n, err))
        return false;
    m->batch_percent = (int)(100 - n);
    return true;
}

static bool read_quality(struct span v, struct model *m, struct err *err)
{
    double d;

    if (!json_read_double(v, &d) || d < 0 || d > 1)
        return expected(err, "a number from 0 to 1");
    m->quality_permille = (int)(d * QUALITY_MAX + 0.5);
    return true;
}

static bool read_allowed(struct span v, struct model *m, struct err *err)
{
    return json_read_bool(v, &m->allowed) || expected(err, "true or false");
}

static bool read_routed(struct span v, struct model *m, struct err *err)
{
    return json_read_bool(v, &m->routed) || expected(err, "true or false");
}

static const struct field {
    const char *name;
    bool (*read)(struct span v, struct model *m, struct err *err);
} fields[] = {
    {"id", read_id},
    {"provider", read_provider},
    {"tasks", read_tasks},
    {"input_usd", read_input},
    {"output_usd", read_output},
    {"cached_usd", read_cached},
    {"image_usd", read_image},
    {"image_unit", read_image_unit},
    {"context", read_context},
    {"batch_discount_percent", read_discount},
    {"quality", read_quality},
    {"p50_ms", read_p50},
    {"features", read_features},
    {"allowed", read_allowed},
    {"routed", read_routed},
    {"max_concurrency", read_concurrency},
};

/* ---- one model ---- */

static bool fail_unknown(struct span name, struct err *err)
{
    const char *names[ARRAY_LEN(fields)], *near;
    char word[41];

    snprintf(word, sizeof word, "%.*s", (int)(name.n < 40 ? name.n : 40), name.p);
    for (char *p = word; *p; p++)
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f)
            *p = '?';
    for (size_t i = 0; i < ARRAY_LEN(fields); i++)
        names[i] = fields[i].name;
    near = parse_nearest(word, names, ARRAY_LEN(names));
    return err_set(err, ERR_INVALID, "%s: unknown member%s%s%s", word,
                   near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* Out of Redis anything may come. */
static bool fail_member(const char *name, struct span v, struct err *err)
{
    const struct err why = *err;
    char got[GOT_MAX + 1];
    size_t n = 0;

    for (; n < v.n && n < GOT_MAX; n++)
        got[n] =
            (char)((unsigned char)v.p[n] >= 0x20 && (unsigned char)v.p[n] < 0x7f ? v.p[n] : '?');
    got[n] = '\0';
    return err_set(err, ERR_INVALID, "%s: %s; got %s%s", name, why.msg, got, n < v.n ? "..." : "");
}

static bool read_member(struct span name, struct span v, struct model *m, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        if (strlen(fields[i].name) != name.n || memcmp(fields[i].name, name.p, name.n) != 0)
            continue;
        return json_absent(v) || fields[i].read(v, m, err) || fail_member(fields[i].name, v, err);
    }
    return fail_unknown(name, err);
}

bool model_doc_read(struct span doc, struct model *m, struct err *err)
{
    struct json_iter it;

    if (!doc.p || !json_iter_init(&it, doc.p, doc.n) || it.close != '}')
        return expected(err, "an object like {\"tasks\": [\"chat\"]}");
    while (json_next(&it))
        if (!read_member(it.key, it.value, m, err))
            return false;
    return !it.bad || expected(err, "valid JSON");
}

/* ---- writing ---- */

void model_doc_add_set(struct buf *b, const char *name, const struct model_set *set, unsigned bits)
{
    json_add_key(b, name);
    buf_putc(b, '[');
    for (size_t i = 0; i < set->count; i++) {
        if (!(bits & 1U << i))
            continue;
        if (b->p[b->n - 1] != '[')
            buf_putc(b, ',');
        json_add_text(b, set->names[i]);
    }
    buf_putc(b, ']');
}

static void add_price(struct buf *b, const char *name, int64_t nanousd)
{
    if (nanousd >= 0)
        json_add_usd(b, name, nanousd);
}

void model_doc_add_prices(struct buf *b, const struct model *m)
{
    add_price(b, "input_usd", m->in_nanousd);
    add_price(b, "output_usd", m->out_nanousd);
    add_price(b, "cached_usd", m->cached_nanousd);
    if (m->image_unit == IMAGE_NONE)
        return;
    add_price(b, "image_usd", m->image_nanousd);
    json_add_str(b, "image_unit", image_unit_name(m->image_unit));
}

void model_doc_write(const struct model *m, struct buf *b)
{
    buf_putc(b, '{');
    json_add_str(b, "id", m->id);
    json_add_str(b, "provider", m->provider);
    model_doc_add_set(b, "tasks", &model_tasks, m->tasks);
    model_doc_add_prices(b, m);
    if (m->context > 0)
        json_add_int(b, "context", m->context);
    buf_putc(b, '}');
}

/* ---- a catalogue ---- */

static void add_rows(struct buf *b, const char *name, const struct model_table *t)
{
    json_add_key(b, name);
    buf_putc(b, '[');
    for (size_t i = 0; i < t->count; i++) {
        if (i)
            buf_putc(b, ',');
        model_doc_write(&t->rows[i], b);
    }
    buf_putc(b, ']');
}

void catalogue_doc_write(const struct model_table *t, const char *provider, int64_t fetched_ms,
                         struct buf *b)
{
    buf_putc(b, '{');
    json_add_str(b, "provider", provider);
    json_add_int(b, "fetched_at", fetched_ms);
    add_rows(b, "models", t);
    buf_putc(b, '}');
}

void catalogue_doc_add_dearer(struct buf *doc, const struct model_table *t, int64_t at_ms)
{
    doc->n--; /* the brace */
    json_add_int(doc, "dearer_at", at_ms);
    add_rows(doc, "dearer", t);
    buf_putc(doc, '}');
}

static void add_row(struct model_table *t, struct span doc)
{
    struct model m = MODEL_UNKNOWN;
    struct err err;

    if (!model_doc_read(doc, &m, &err) || !m.id || !m.provider) {
        model_done(&m);
        return;
    }
    t->rows = xrealloc(t->rows, (t->count + 1) * sizeof *t->rows);
    t->rows[t->count++] = m;
}

static bool read_rows(struct span doc, const char *at, const char *name, struct model_table *ret,
                      int64_t *ret_at_ms)
{
    struct span at_ms = {NULL, 0}, list = {NULL, 0};
    const struct json_want wants[] = {{at, &at_ms}, {name, &list}};
    struct json_iter it;

    if (!doc.p || !json_pick(doc.p, doc.n, wants, ARRAY_LEN(wants)) ||
        !json_read_int(at_ms, ret_at_ms) || !json_iter_init(&it, list.p, list.n) || it.close != ']')
        return false;
    *ret = (struct model_table){0};
    while (json_next(&it))
        add_row(ret, it.value);
    return true;
}

bool catalogue_doc_read(struct span doc, struct model_table *ret, int64_t *ret_fetched_ms)
{
    return read_rows(doc, "fetched_at", "models", ret, ret_fetched_ms);
}

bool catalogue_doc_read_dearer(struct span doc, struct model_table *ret, int64_t *ret_at_ms)
{
    return read_rows(doc, "dearer_at", "dearer", ret, ret_at_ms);
}
