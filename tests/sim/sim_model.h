/* sim_model.h - the models that the simulator serves: rows of models.def, how
 * each one behaves just now, and what its answers cost.
 *
 * Rows never move and are never removed while the simulator runs, so pointers
 * to them stay good across a reset; a reset only sets the behaviour back.
 *
 * Tokens: one per 4 bytes of text, rounded up, of the unescaped UTF-8:
 *   chat        the contents of all messages, joined without anything between
 *               (of content parts the texts; images count nothing)
 *   completion  the prompt (an array: all strings joined)
 *   embedding   the input (an array: each element is rounded up by itself)
 *   rerank      the query and each document, each rounded up by itself
 *   answers     reasoning + content (+ arguments of tool calls) of each
 *               choice, each choice rounded up by itself
 */
#ifndef FLOTILLA_SIM_MODEL_H
#define FLOTILLA_SIM_MODEL_H

#include "common/core/err.h"
#include "common/model/model.h"
#include "tests/sim/sim_rate.h"

struct json_t; /* jansson's */

#define SIM_MODELS_MAX 256

struct sim_model {
    char *id;
    unsigned tasks;
    int64_t in_nanousd, out_nanousd, cached_nanousd, image_nanousd;
    enum image_unit image_unit;
    int64_t context;
    int batch_percent;
    bool listed; /* in GET /v1/models */
    /* behaviour, settable at run time (sim_models_set) */
    int64_t latency_ms; /* until the answer (or the first chunk of a stream) */
    int64_t chunk_ms;   /* between the chunks of a stream */
    int answer_bytes;   /* length of made-up answers; 0: 20 to 60 */
    int cached_percent; /* of the prompt tokens that count as cached */
    int capacity;       /* requests at a time, 503 above; 0: no bound */
    char form;          /* 'a' or 'b', see quirks.def */
    const char *reasoning;
    char *answer;   /* every answer, when set */
    char *redirect; /* the model that really answers (an upgrade), when set */
    struct sim_rate rate;
    /* sums; cleared by reset */
    int64_t in_flight, requests, billed_nanousd;
};

struct sim_models {
    struct sim_model rows[SIM_MODELS_MAX];
    size_t count;
    int64_t default_latency_ms;
};

/* Fill with the rows of models.def. */
void sim_models_init(struct sim_models *m, int64_t default_latency_ms);
void sim_models_done(struct sim_models *m);
/* Behaviour and sums back to those after init. */
void sim_models_reset(struct sim_models *m);
/* NULL when unknown. */
struct sim_model *sim_model_find(struct sim_models *m, struct span id);
/* The row, added as an unlisted chat model without price when it is not there; NULL when the table
 * is full. */
struct sim_model *sim_model_add(struct sim_models *m, struct span id);
/* Apply {"latency_ms": 50, ...} to one model (added when unknown), or to all when id is NULL.
 * The members are the rows of `settings` in sim_model.c; others are errors. */
NODISCARD bool sim_models_set(struct sim_models *m, const char *id, struct json_t *settings,
                              struct err *err);
/* One line per setting, for --help. */
const char *sim_models_help(void);

/* ---- tokens and money ---- */
static inline int64_t sim_tokens(size_t bytes) { return (int64_t)((bytes + 3) / 4); }
/* nano-USD of one call, rounded half up once.  Unknown prices count 0. */
int64_t sim_price_tokens(const struct sim_model *m, int64_t prompt, int64_t cached,
                         int64_t completion);
/* nano-USD of n images; steps do not change the price. */
int64_t sim_price_images(const struct sim_model *m, int64_t width, int64_t height, int64_t n);

#endif
