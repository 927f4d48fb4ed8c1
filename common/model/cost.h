/* cost.h - what a call costs, and the cost document (schemas/cost.json).
 *
 * Money is nano-USD in int64_t, rounded half up, once, in cost_of_tokens().
 *
 *   cost = ((prompt - cached) x in + cached x cached_price + completion x out) / 1,000,000 (prices
 * per million)
 *
 * Always: confirmed <= the provider's bill <= confirmed + estimates.  So an
 * estimate (of a call whose answer was lost) errs on the high side.
 */
#ifndef FLOTILLA_COST_H
#define FLOTILLA_COST_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/model/model.h"
#include "common/queue/job.h"
#include "common/queue/record.h"

enum cost_flag {
    COST_CACHED = 1,
    COST_BATCH = 2,
    COST_ESTIMATED = 4,
    COST_UNPRICED = 8,
    COST_UNCONFIRMED = 16,
    COST_DUPLICATE = 32,
    COST_FAILED = 64
};

struct cost {
    int64_t prompt_tokens, completion_tokens, cached_tokens;
    int64_t units;    /* images; thousandths of megapixels; 0 where tokens apply */
    const char *unit; /* "images", "megapixels"; NULL none */
    int64_t cost_nanousd, list_cost_nanousd, estimate_nanousd;
    unsigned flags; /* cost_flag */
};

/* The one function that multiplies money.  -1 prices count as 0; *unpriced says whether one was
 * needed. */
int64_t cost_of_tokens(const struct model *m, int64_t prompt, int64_t cached, int64_t completion,
                       bool *unpriced);

/* A complete answer with (or without) usage.  body is the request's body (for images and missing
 * usage); m NULL: unpriced.  list_cost_nanousd takes cached tokens at the full price.
 *
 * Missing usage, flag estimated: bytes of text / 4, rounded up, of the prompt and of each choice
 * (tokens_of_request, tokens_of_answer), each side at most what tokens_at_most says of the same
 * request.  So it is never more than cost_of_lost tells for that model, which is what budgets set
 * aside for the call, however long the answer is. */
struct usage {
    bool there;
    bool estimated; /* its numbers disagree, or a price of a part is not known */
    int64_t prompt_tokens, completion_tokens, cached_tokens;
    int64_t images; /* how many came */
};
void cost_of_answer(struct cost *ret, const struct model *m, unsigned task, struct span body,
                    const struct usage *u, struct span answer);
/* The costs of two calls as one: sums that do not fit are cut and flagged `estimated`. */
void cost_add(struct cost *c, const struct cost *more);
/* A call whose answer was lost: cost 0, no tokens, estimate high (see tokens.h), flags unconfirmed
 * (and unpriced without prices). */
void cost_of_lost(struct cost *ret, const struct model *m, unsigned task, struct span body);

enum { COST_NOTE = 128 };

struct cost_event {
    /* <id>:<run>:<attempt>:<call>, call = <tnum of the start>-<its token>.<n>, n = 0 when told by
     * another.  The token, because a Redis that forgot a start counts the same tnum again. */
    char event_id[160];
    char note[COST_NOTE]; /* under which it stands in calls:<worker>; "": it was not noted */
    const char *job_id,
        *root_id; /* root_id NULL: job_id up to its first '~', the job that it was made for */
    int attempt;
    enum job_type_id type;
    struct span tenant, tags; /* raw */
    const char *provider;
    struct span model, requested_model; /* text */
    struct cost cost;
    int64_t at_ms;
};
/* Append the part of an event's id behind the job's: the name of a call of this claim, the n-th. */
void cost_add_call(struct buf *b, const struct record *held, int attempt, int n);
/* Name the event after the n-th call; job_id and attempt are set. */
void cost_name_event(struct cost_event *e, const struct record *held, int n);
/* Append the document.  units is null or {"<unit>": number}, e.g. {"megapixels": 1.049}. */
void cost_write(const struct cost_event *e, struct buf *out);
/* "cached", ... for one flag bit. */
const char *cost_flag_name(enum cost_flag f);
unsigned cost_flag_of(struct span name); /* 0: none has that name */
/* The member `units` of a document, as cost_write wrote it. */
void cost_read_units(struct span units, struct cost *ret);

/* The unconfirmed event for a job that was lost in flight (taken over or reaped); false when its
 * type calls nobody. */
bool cost_of_lost_job(struct cost_event *ret, const char *id, const struct record *rec,
                      const struct job *job, const struct model_table *models, int64_t now_ms);
/* payload -> task bit, the request body (body, or the payload itself for the shorthand), and the
 * model's name as text, escapes kept (from body.model or model; empty when neither).  No task is
 * chat; an unknown one 0. */
void cost_job_facts(const struct job *job, unsigned *ret_task, struct span *ret_body,
                    struct span *ret_model);

#endif
