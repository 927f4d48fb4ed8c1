/* model.c - the built-in table of models, and finding one in a table.
 *
 * The rows are models.def; a table owns copies of their strings, so that the
 * configuration (config_models.c) can change and add rows.  A table has some
 * dozens of rows and is looked up once per routing decision: a walk is enough.
 */
#include "common/config/model.h"

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
};

static const struct builtin builtins[] = {
#define X(id_, tasks_, in, out, cached, image, unit, context_, percent, default_) \
    {.id = id_,                                                                   \
     .tasks = tasks_,                                                             \
     .in_nanousd = in,                                                            \
     .out_nanousd = out,                                                          \
     .cached_nanousd = cached,                                                    \
     .image_nanousd = image,                                                      \
     .image_unit = unit,                                                          \
     .context = context_,                                                         \
     .batch_percent = percent,                                                    \
     .default_for = default_},
#include "common/config/models.def"
};

static const struct {
    enum task_bit bit;
    const char *name;
} tasks[] = {
    {TASK_CHAT, "chat"},           {TASK_COMPLETION, "completion"}, {TASK_CODE, "code"},
    {TASK_EMBEDDING, "embedding"}, {TASK_IMAGE, "image"},           {TASK_RERANK, "rerank"},
};

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
                                      .default_for = b->default_for};
    }
}

void model_table_done(struct model_table *t)
{
    for (size_t i = 0; i < t->count; i++) {
        free(t->rows[i].id);
        free(t->rows[i].provider);
    }
    free(t->rows);
    *t = (struct model_table){0};
}

const struct model *model_find(const struct model_table *t, const char *id, size_t n)
{
    for (size_t i = 0; i < t->count; i++)
        if (strlen(t->rows[i].id) == n && memcmp(t->rows[i].id, id, n) == 0)
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

unsigned task_of(const char *name, size_t n)
{
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (strlen(tasks[i].name) == n && memcmp(tasks[i].name, name, n) == 0)
            return tasks[i].bit;
    return 0;
}

const char *task_name(enum task_bit task)
{
    for (size_t i = 0; i < ARRAY_LEN(tasks); i++)
        if (tasks[i].bit == task)
            return tasks[i].name;
    return "unknown";
}
