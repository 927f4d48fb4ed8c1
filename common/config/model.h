/* model.h - the table of models: who serves what at which price.
 *
 * Built-in rows come from models.def (dated); the configuration's `models:`
 * adds rows and overrides fields.  Prices are nano-USD per million tokens.
 */
#ifndef FLOTILLA_MODEL_H
#define FLOTILLA_MODEL_H

#include "common/core/base.h"

enum task_bit {
    TASK_CHAT = 1,
    TASK_COMPLETION = 2,
    TASK_CODE = 4,
    TASK_EMBEDDING = 8,
    TASK_IMAGE = 16,
    TASK_RERANK = 32
};
enum image_unit { IMAGE_NONE, IMAGE_MEGAPIXEL, IMAGE_PIECE };

struct model {
    char *id, *provider;             /* provider: name of a config_provider; "together" */
    unsigned tasks;                  /* task_bit */
    int64_t in_nanousd, out_nanousd; /* per million tokens; -1: unknown (calls are `unpriced`) */
    int64_t cached_nanousd;          /* per million cached prompt tokens; -1: same as in */
    int64_t image_nanousd;           /* per image_unit */
    enum image_unit image_unit;
    int64_t context;      /* tokens; 0: unknown */
    int batch_percent;    /* of the list price, for batches: 50 or 100 */
    unsigned default_for; /* task_bit */
};
struct model_table {
    struct model *rows;
    size_t count;
};

void model_table_builtin(struct model_table *ret);
void model_table_done(struct model_table *t);
/* NULL when unknown.  Id compared exactly. */
const struct model *model_find(const struct model_table *t, const char *id, size_t n);
/* The default model of a task; NULL when none is configured. */
const struct model *model_default(const struct model_table *t, enum task_bit task);
/* "chat" -> TASK_CHAT; 0 when unknown.  task_name(TASK_CHAT) -> "chat". */
unsigned task_of(const char *name, size_t n);
const char *task_name(enum task_bit task);

#endif
