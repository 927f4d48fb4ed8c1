/* sim_model.c - the models that the simulator serves.
 *
 *   models.def ──▶ rows ◀── quirks.def
 *                   ▲
 *                   └── settings: --script "models", POST /_sim/models
 *
 * A new behaviour is a member of struct sim_model and a row of `settings`.
 */
#include "tests/sim/sim_model.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "common/core/xalloc.h"

/* ---- rows ---- */

static const struct model_row {
    const char *id;
    int64_t in, out, cached, image, context;
    unsigned tasks;
    enum image_unit unit;
    int batch_percent;
} model_rows[] = {
#define X(id, tasks, in, out, cached, image, unit, context, batch, defaults, quality, p50, \
          features, routed)                                                                \
    {id, in, out, cached, image, context, tasks, unit, batch},
#include "common/model/models.def"
};

static const struct quirk {
    const char *id;
    char form;
    const char *reasoning;
} quirks[] = {
#define X(id, form, reasoning) {id, form, reasoning},
#include "tests/sim/quirks.def"
};

/* What models.def says of the i-th row, or, behind its end, what is known of no model. */
static void reset_terms(struct sim_model *row, size_t i)
{
    static const struct model_row unknown = {.tasks = TASK_CHAT | TASK_COMPLETION,
                                             .in = -1,
                                             .out = -1,
                                             .cached = -1,
                                             .batch_percent = 100};
    const struct model_row *r = i < ARRAY_LEN(model_rows) ? &model_rows[i] : &unknown;

    row->tasks = r->tasks;
    row->in_nanousd = r->in;
    row->out_nanousd = r->out;
    row->cached_nanousd = r->cached;
    row->image_nanousd = r->image;
    row->image_unit = r->unit;
    row->context = r->context;
    row->batch_percent = r->batch_percent;
    row->listed = i < ARRAY_LEN(model_rows);
}

/* The behaviour that a model has after start. */
static void reset_row(const struct sim_models *m, struct sim_model *row)
{
    reset_terms(row, (size_t)(row - m->rows));
    free(row->answer);
    free(row->redirect);
    row->answer = row->redirect = NULL;
    row->latency_ms = m->default_latency_ms;
    row->chunk_ms = 0;
    row->answer_bytes = row->cached_percent = row->capacity = 0;
    row->form = 'a';
    row->reasoning = NULL;
    row->rate = (struct sim_rate){0};
    row->requests = row->billed_nanousd = 0;
    for (size_t i = 0; i < ARRAY_LEN(quirks); i++)
        if (!strcmp(quirks[i].id, row->id)) {
            row->form = quirks[i].form;
            row->reasoning = quirks[i].reasoning;
        }
}

void sim_models_init(struct sim_models *m, int64_t default_latency_ms)
{
    *m = (struct sim_models){.default_latency_ms = default_latency_ms};
    for (size_t i = 0; i < ARRAY_LEN(model_rows); i++) {
        m->rows[i] = (struct sim_model){.id = xstrdup(model_rows[i].id)};
        reset_row(m, &m->rows[i]);
    }
    m->count = ARRAY_LEN(model_rows);
}

void sim_models_done(struct sim_models *m)
{
    for (size_t i = 0; i < m->count; i++) {
        free(m->rows[i].id);
        free(m->rows[i].answer);
        free(m->rows[i].redirect);
    }
    m->count = 0;
}

void sim_models_reset(struct sim_models *m)
{
    for (size_t i = 0; i < m->count; i++)
        reset_row(m, &m->rows[i]);
}

struct sim_model *sim_model_find(struct sim_models *m, struct span id)
{
    for (size_t i = 0; i < m->count; i++)
        if (strlen(m->rows[i].id) == id.n && !memcmp(m->rows[i].id, id.p, id.n))
            return &m->rows[i];
    return NULL;
}

struct sim_model *sim_model_add(struct sim_models *m, struct span id)
{
    struct sim_model *row = sim_model_find(m, id);

    if (row || m->count == SIM_MODELS_MAX)
        return row;
    row = &m->rows[m->count++];
    *row = (struct sim_model){.id = xstrndup(id.p, id.n)};
    reset_row(m, row);
    return row;
}

/* ---- settings ---- */

enum setting_type { SET_INT64, SET_INT, SET_TEXT, SET_FORM, SET_REASONING, SET_RATE, SET_FLAG };

/* clang-format off */
static const struct setting {
    const char *name;
    enum setting_type type;
    size_t at;
    int64_t min, max;
    const char *help;
} settings[] = {
#define AT(member) offsetof(struct sim_model, member)
    {"latency_ms",     SET_INT64, AT(latency_ms),     0, 3600000,       "time until the answer, or a stream's first chunk"},
    {"chunk_ms",       SET_INT64, AT(chunk_ms),       0, 3600000,       "time between the chunks of a stream"},
    {"answer_bytes",   SET_INT,   AT(answer_bytes),   0, 10000000,      "length of made-up answers; 0 = 20 to 60"},
    {"answer",         SET_TEXT,  AT(answer),         0, 0,             "the text of every answer"},
    {"redirect",       SET_TEXT,  AT(redirect),       0, 0,             "the model that answers instead (an upgrade)"},
    {"cached_percent", SET_INT,   AT(cached_percent), 0, 100,           "part of the prompt that counts as cached"},
    {"capacity",       SET_INT,   AT(capacity),       0, 1000000,       "requests at a time, 503 above; 0 = no bound"},
    {"stream",         SET_FORM,  AT(form),           0, 0,             "\"a\" or \"b\": the end form of streams"},
    {"reasoning",      SET_REASONING, AT(reasoning),  0, 0,             "true, false or the member that carries it"},
    {"rate",           SET_RATE,  AT(rate),           0, 0,             "{start_per_s, growth_per_clean_s, cut_percent, window, headers} or null"},
    {"listed",         SET_FLAG,  AT(listed),         0, 1,             "whether GET /v1/models shows it"},
    {"context",        SET_INT64, AT(context),        0, 1000000000,    "tokens of prompt and answer, 403 above; 0 = no bound"},
    {"in_nanousd",     SET_INT64, AT(in_nanousd),    -1, INT64_MAX,     "price per million prompt tokens; -1 = unknown"},
    {"out_nanousd",    SET_INT64, AT(out_nanousd),   -1, INT64_MAX,     "price per million completion tokens; -1 = unknown"},
    {"cached_nanousd", SET_INT64, AT(cached_nanousd),-1, INT64_MAX,     "price per million cached tokens; -1 = as in"},
    {"tasks",          SET_INT,   AT(tasks),          0, 63,            "bits: chat 1, completion 2, code 4, embedding 8, image 16, rerank 32"},
#undef AT
};
/* clang-format on */

static bool set_rate(struct sim_rate *rate, json_t *v, struct err *err)
{
    const char *window = "dynamic";
    struct sim_rate r = {.on = true, .cut_percent = 50};
    int headers = -1;
    json_error_t je;

    if (json_is_null(v) || json_is_false(v)) {
        *rate = (struct sim_rate){0};
        return true;
    }
    if (json_unpack_ex(v, &je, JSON_STRICT, "{s:F,s?F,s?i,s?F,s?s,s?s,s?b}", "start_per_s",
                       &r.start_per_s, "growth_per_clean_s", &r.growth_per_clean_s, "cut_percent",
                       &r.cut_percent, "tokens_per_s", &r.tokens_per_s, "window", &window, "model",
                       &(const char *){NULL}, "headers", &headers))
        return err_set(err, ERR_INVALID, "rate: %s", je.text);
    if (r.start_per_s < 1 || r.growth_per_clean_s < 0 || r.cut_percent < 0 || r.cut_percent > 100 ||
        r.tokens_per_s < 0)
        return err_set(err, ERR_INVALID,
                       "rate: start_per_s >= 1, growth and tokens >= 0, cut_percent 0..100");
    r.fixed_window = !strcmp(window, "fixed");
    if (!r.fixed_window && strcmp(window, "dynamic") != 0)
        return err_set(err, ERR_INVALID, "rate: window is dynamic or fixed, not %s", window);
    r.silent = headers < 0 ? r.fixed_window : !headers;
    sim_rate_reset(&r);
    *rate = r;
    return true;
}

static bool set_number(const struct setting *s, void *at, json_t *v, struct err *err)
{
    int64_t n = json_is_boolean(v) ? json_is_true(v) : json_integer_value(v);

    if ((!json_is_integer(v) && !(s->type == SET_FLAG && json_is_boolean(v))) || n < s->min ||
        n > s->max)
        return err_set(err, ERR_INVALID, "%s: expected %lld to %lld", s->name, (long long)s->min,
                       (long long)s->max);
    if (s->type == SET_INT64)
        *(int64_t *)at = n;
    else if (s->type == SET_INT)
        *(int *)at = (int)n;
    else
        *(bool *)at = n != 0;
    return true;
}

static bool set_one(struct sim_model *m, const struct setting *s, json_t *v, struct err *err)
{
    void *at = (char *)m + s->at;
    const char *text = json_string_value(v);

    switch (s->type) {
    case SET_RATE: return set_rate(at, v, err);
    case SET_INT64:
    case SET_INT:
    case SET_FLAG: return set_number(s, at, v, err);
    case SET_REASONING:
        m->reasoning = json_is_true(v) ? "reasoning" : NULL;
        if (text && !strcmp(text, "reasoning_content"))
            m->reasoning = "reasoning_content";
        else if (text)
            m->reasoning = "reasoning";
        return true;
    case SET_FORM:
        if (!text || (strcmp(text, "a") != 0 && strcmp(text, "b") != 0))
            return err_set(err, ERR_INVALID, "stream: expected \"a\" or \"b\"");
        m->form = *text;
        return true;
    case SET_TEXT:
        if (!text && !json_is_null(v))
            return err_set(err, ERR_INVALID, "%s: expected a string or null", s->name);
        free(*(char **)at);
        *(char **)at = xstrdup(text);
        return true;
    }
    return true;
}

static bool set_row(struct sim_model *m, json_t *doc, struct err *err)
{
    const char *key;
    json_t *v;

    json_object_foreach (doc, key, v) {
        size_t i = 0;
        while (i < ARRAY_LEN(settings) && strcmp(settings[i].name, key) != 0)
            i++;
        if (i == ARRAY_LEN(settings))
            return err_set(err, ERR_INVALID, "%s: not a setting of a model", key);
        if (!set_one(m, &settings[i], v, err))
            return false;
    }
    return true;
}

bool sim_models_set(struct sim_models *m, const char *id, json_t *doc, struct err *err)
{
    if (!json_is_object(doc))
        return err_set(err, ERR_INVALID, "expected an object of settings");
    if (id) {
        struct sim_model *row = sim_model_add(m, (struct span){id, strlen(id)});
        return row ? set_row(row, doc, err)
                   : err_set(err, ERR_INVALID, "more than %d models", SIM_MODELS_MAX);
    }
    for (size_t i = 0; i < m->count; i++)
        if (!set_row(&m->rows[i], doc, err))
            return false;
    return true;
}

const char *sim_models_help(void)
{
    static char text[4096];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(settings) && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "    %-15s %s\n", settings[i].name,
                              settings[i].help);
    return text;
}

/* ---- money ---- */

static int64_t known(int64_t price) { return price > 0 ? price : 0; }

int64_t sim_price_tokens(const struct sim_model *m, int64_t prompt, int64_t cached,
                         int64_t completion)
{
    int64_t cached_price = m->cached_nanousd >= 0 ? m->cached_nanousd : known(m->in_nanousd);
    int64_t sum = (prompt - cached) * known(m->in_nanousd) + cached * cached_price +
                  completion * known(m->out_nanousd);

    return (sum + 500000) / 1000000;
}

int64_t sim_price_images(const struct sim_model *m, int64_t width, int64_t height, int64_t n)
{
    if (m->image_unit == IMAGE_MEGAPIXEL)
        return (width * height * n * known(m->image_nanousd) + 500000) / 1000000;
    return m->image_unit == IMAGE_PIECE ? n * known(m->image_nanousd) : 0;
}
