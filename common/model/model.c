/* model.c - the built-in table of models, and finding one in a table.
 *
 * The rows are models.def; a table owns copies of their strings, so that the
 * configuration (config_models.c) can change and add rows.  A table has some
 * dozens of rows and is looked up once per routing decision: a walk is enough.
 */
#include "common/model/model.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"

struct builtin {
    const char *id;
    int64_t in_nanousd, out_nanousd, cached_nanousd, image_nanousd;
    int64_t context;
    enum image_unit image_unit;
    int batch_percent;
    unsigned tasks, default_for;
    int quality_permille;
    int64_t p50_ms;
    unsigned features;
    bool routed;
};

static const struct builtin builtins[] = {
#define X(id_, tasks_, in, out, cached, image, unit, context_, percent, default_, quality, p50, \
          features_, routed_)                                                                   \
    {.id = id_,                                                                                 \
     .tasks = tasks_,                                                                           \
     .in_nanousd = in,                                                                          \
     .out_nanousd = out,                                                                        \
     .cached_nanousd = cached,                                                                  \
     .image_nanousd = image,                                                                    \
     .image_unit = unit,                                                                        \
     .context = context_,                                                                       \
     .batch_percent = percent,                                                                  \
     .default_for = default_,                                                                   \
     .quality_permille = quality,                                                               \
     .p50_ms = p50,                                                                             \
     .features = features_,                                                                     \
     .routed = routed_},
#include "common/model/models.def"
};

static const char *const task_names[TASK_COUNT] = {
    [__builtin_ctz(TASK_CHAT)] = "chat",   [__builtin_ctz(TASK_COMPLETION)] = "completion",
    [__builtin_ctz(TASK_CODE)] = "code",   [__builtin_ctz(TASK_EMBEDDING)] = "embedding",
    [__builtin_ctz(TASK_IMAGE)] = "image", [__builtin_ctz(TASK_RERANK)] = "rerank",
};
static const char *const feature_names[] = {
    [__builtin_ctz(FEATURE_TOOLS)] = "tools",
    [__builtin_ctz(FEATURE_JSON_SCHEMA)] = "json_schema",
    [__builtin_ctz(FEATURE_VISION)] = "vision",
};
const struct model_set model_tasks = {"task", "[chat, code]", task_names, ARRAY_LEN(task_names)};
const struct model_set model_features = {"feature", "[tools, vision]", feature_names,
                                         ARRAY_LEN(feature_names)};

void model_table_builtin(struct model_table *ret)
{
    ret->rows = xcalloc(ARRAY_LEN(builtins), sizeof(*ret->rows));
    ret->count = ARRAY_LEN(builtins);
    for (size_t i = 0; i < ARRAY_LEN(builtins); i++) {
        const struct builtin *b = &builtins[i];

        ret->rows[i] = (struct model){.id = xstrdup(b->id),
                                      .provider = xstrdup("together"),
                                      .tasks = b->tasks,
                                      .in_nanousd = b->in_nanousd,
                                      .out_nanousd = b->out_nanousd,
                                      .cached_nanousd = b->cached_nanousd,
                                      .image_nanousd = b->image_nanousd,
                                      .image_unit = b->image_unit,
                                      .context = b->context,
                                      .batch_percent = b->batch_percent,
                                      .default_for = b->default_for,
                                      .quality_permille = b->quality_permille,
                                      .p50_ms = b->p50_ms,
                                      .features = b->features,
                                      .allowed = true,
                                      .routed = b->routed};
    }
}

void model_fill_impossible(struct model *m)
{
    if (m->tasks && !(m->tasks & ~(unsigned)(TASK_EMBEDDING | TASK_RERANK | TASK_IMAGE)) &&
        m->out_nanousd < 0)
        m->out_nanousd = 0;
    if (m->tasks == TASK_IMAGE && m->image_nanousd >= 0 && m->in_nanousd < 0)
        m->in_nanousd = 0;
    if (!(m->tasks & TASK_IMAGE) && m->image_nanousd < 0)
        m->image_nanousd = 0;
}

void model_copy(struct model *ret, const struct model *m)
{
    *ret = *m;
    ret->id = xstrdup(m->id);
    ret->provider = xstrdup(m->provider);
    ret->replacement = m->replacement ? xstrdup(m->replacement) : NULL;
    for (size_t i = 0; i < m->fallbacks.count; i++)
        ret->fallbacks.of[i] = xstrdup(m->fallbacks.of[i]);
}

void model_done(struct model *m)
{
    free(m->id);
    free(m->provider);
    free(m->replacement);
    for (size_t i = 0; i < m->fallbacks.count; i++)
        free(m->fallbacks.of[i]);
    *m = (struct model){0};
}

void model_table_done(struct model_table *t)
{
    for (size_t i = 0; i < t->count; i++)
        model_done(&t->rows[i]);
    free(t->rows);
    *t = (struct model_table){0};
}

bool model_id_check(const char *id, size_t n, struct err *err)
{
    bool good = n > 0 && n <= MODEL_ID_MAX;

    for (size_t i = 0; good && i < n; i++)
        good = (unsigned char)id[i] > 0x20 && id[i] != 0x7f;
    if (!good)
        return err_set(err, ERR_INVALID,
                       "expected 1 to %d characters without blanks, like maker/model",
                       MODEL_ID_MAX);
    return n != 4 || memcmp(id, "auto", n) != 0 ||
           err_set(err, ERR_INVALID,
                   "expected another id than 'auto', by which a job lets the router choose");
}

const struct model *model_find(const struct model_table *t, const char *id, size_t n)
{
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->rows[i].id) == n && memcmp(t->rows[i].id, id, n) == 0)
            return &t->rows[i];
    return NULL;
}

const struct model *model_find_at(const struct model_table *t, const char *provider, const char *id,
                                  size_t n)
{
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->rows[i].id) == n && memcmp(t->rows[i].id, id, n) == 0 &&
            strcmp(t->rows[i].provider, provider) == 0)
            return &t->rows[i];
    return NULL;
}

const struct model *model_default(const struct model_table *t, enum task_bit task)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].default_for & (unsigned)task)
            return &t->rows[i];
    return NULL;
}

/* ---- names ---- */

unsigned model_set_of(const struct model_set *s, const char *name, size_t n)
{
    for (size_t i = 0; i < s->count; i++)
        if (strlen(s->names[i]) == n && memcmp(s->names[i], name, n) == 0)
            return 1U << i;
    return 0;
}

unsigned task_of(const char *name, size_t n) { return model_set_of(&model_tasks, name, n); }

const char *task_name(enum task_bit task)
{
    return task && task < (1 << TASK_COUNT) ? task_names[task_index(task)] : "unknown";
}

enum image_unit image_unit_of(const char *name)
{
    return strcmp(name, "megapixel") == 0 ? IMAGE_MEGAPIXEL
           : strcmp(name, "piece") == 0   ? IMAGE_PIECE
                                          : IMAGE_NONE;
}

const char *image_unit_name(enum image_unit unit)
{
    return unit == IMAGE_MEGAPIXEL ? "megapixel" : "piece";
}
