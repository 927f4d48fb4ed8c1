/* model.h - the table of models: who serves what at which price.
 *
 * Built-in rows come from models.def (dated); the configuration's `models:`
 * adds rows and overrides fields.  Prices are nano-USD per million tokens.
 *
 * A row is named by its id and its provider: the same model may be served by
 * several providers, each with prices of its own.  The first row of an id is
 * the one that is preferred, and the one that model_find() gives.
 */
#ifndef FLOTILLA_MODEL_H
#define FLOTILLA_MODEL_H

#include "common/core/base.h"
#include "common/core/err.h"

enum task_bit {
    TASK_CHAT = 1,
    TASK_COMPLETION = 2,
    TASK_CODE = 4,
    TASK_EMBEDDING = 8,
    TASK_IMAGE = 16,
    TASK_RERANK = 32
};
enum { TASK_COUNT = 6 };
enum feature_bit { FEATURE_TOOLS = 1, FEATURE_JSON_SCHEMA = 2, FEATURE_VISION = 4 };
enum image_unit { IMAGE_NONE, IMAGE_MEGAPIXEL, IMAGE_PIECE };

/* Prices (and the context) that the configuration's file gives: no catalogue changes them. */
enum price_bit {
    PRICE_IN = 1,
    PRICE_OUT = 2,
    PRICE_CACHED = 4,
    PRICE_IMAGE = 8,
    GIVEN_CONTEXT = 16
};
enum { QUALITY_MAX = 1000, FALLBACKS_MAX = 8, MODEL_ID_MAX = 200 };
/* The most that the configuration, a catalogue or an added route may say. */
#define MODEL_CONTEXT_MAX     INT64_C(1000000000)
#define MODEL_P50_MAX_MS      INT64_C(3600000)
#define MODEL_CONCURRENCY_MAX INT64_C(1000000)

/* Ids of models, in order. */
struct model_ids {
    char *of[FALLBACKS_MAX];
    size_t count;
};

struct model {
    char *id, *provider;             /* provider: name of a config_provider; "together" */
    unsigned tasks;                  /* task_bit */
    int64_t in_nanousd, out_nanousd; /* per million tokens; -1: unknown (calls are `unpriced`) */
    int64_t cached_nanousd;          /* per million cached prompt tokens; -1: same as in */
    int64_t image_nanousd;           /* per image_unit */
    enum image_unit image_unit;
    unsigned given;       /* price_bit */
    int64_t context;      /* tokens; 0: unknown */
    int batch_percent;    /* of the list price, for batches: 50 or 100 */
    unsigned default_for; /* task_bit */
    /* for the router */
    int quality_permille;       /* 0..QUALITY_MAX: how good its answers are */
    int64_t p50_ms;             /* expected: half of the answers take no longer; 0: unknown */
    unsigned features;          /* feature_bit: what a request's body may ask of it */
    bool allowed;               /* false: never called */
    bool routed;                /* false: called only when a job names it */
    int64_t max_concurrency;    /* most calls at once, of the whole fleet; 0: no limit */
    char *replacement;          /* id of the model to use when this one is gone; NULL: none */
    struct model_ids fallbacks; /* tried after this one when it fails */
};
struct model_table {
    struct model *rows;
    size_t count;
};

/* Nothing known: no texts, prices -1. */
#define MODEL_UNKNOWN                                    \
    ((struct model){.in_nanousd = -1,                    \
                    .out_nanousd = -1,                   \
                    .cached_nanousd = -1,                \
                    .image_nanousd = -1,                 \
                    .batch_percent = 100,                \
                    .quality_permille = QUALITY_MAX / 2, \
                    .allowed = true,                     \
                    .routed = true})

void model_table_builtin(struct model_table *ret);
void model_table_done(struct model_table *t);
/* The first row of an id; NULL when unknown.  Id compared exactly. */
const struct model *model_find(const struct model_table *t, const char *id, size_t n);
/* The row of an id at a provider. */
const struct model *model_find_at(const struct model_table *t, const char *provider, const char *id,
                                  size_t n);
/* The default model of a task; NULL when none is configured. */
const struct model *model_default(const struct model_table *t, enum task_bit task);

/* What a model may be called where it is made known: 1 to MODEL_ID_MAX bytes without blanks and
 * control characters; and not "auto", by which a job lets the router choose. */
NODISCARD bool model_id_check(const char *id, size_t n, struct err *err);

/* Bits with names: a list of tasks or features, wherever one is read or written.  Bit 1 << i has
 * names[i]. */
struct model_set {
    const char *noun, *example; /* for messages: "task", "[chat, code]" */
    const char *const *names;
    size_t count;
};
extern const struct model_set model_tasks, model_features;
/* The bit of a name; 0 when unknown. */
unsigned model_set_of(const struct model_set *s, const char *name, size_t n);
/* "chat" -> TASK_CHAT; 0 when unknown.  task_name(TASK_CHAT) -> "chat". */
unsigned task_of(const char *name, size_t n);
const char *task_name(enum task_bit task);
/* 0..TASK_COUNT-1, of one bit. */
static inline unsigned task_index(enum task_bit task)
{
    return (unsigned)__builtin_ctz((unsigned)task) % TASK_COUNT;
}
/* "megapixel", "piece"; IMAGE_NONE when unknown. */
enum image_unit image_unit_of(const char *name);
const char *image_unit_name(enum image_unit unit);

/* What a row does not say and what its tasks cannot cost (answer tokens of an embedding): 0. */
void model_fill_impossible(struct model *m);
/* *ret = *m with copies of all texts; model_done frees those. */
void model_copy(struct model *ret, const struct model *m);
void model_done(struct model *m);

#endif
