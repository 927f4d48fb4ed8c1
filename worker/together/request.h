/* request.h - what to send to an OpenAI-compatible provider for an inference job.
 *
 *     struct together_request req;
 *     if (!together_request_read(job, &req, err)) ...          what the job says
 *     if (!together_request_write(job, model, &req, err)) ...  its body, for a model
 *     POST <base URL><req.path> with req.body
 *     together_request_write(job, other_model, &req, err)      the same for the next one
 *     together_request_done(&req);
 */
#ifndef FLOTILLA_TOGETHER_REQUEST_H
#define FLOTILLA_TOGETHER_REQUEST_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/model/model.h"
#include "common/queue/job.h"

enum { REQUEST_FALLBACKS_MAX = 8 };

/* Spans point into the job's document. */
struct together_parts {
    struct span task, body, payload_model, fallbacks, allow_cached, validate; /* of the payload */
    struct span model, messages, stream, stream_options, tools, response_format, temperature,
        max_tokens, max_completion_tokens; /* of the body, or of a payload that has none */
};

struct together_request {
    const char *path;      /* "/chat/completions": goes behind the provider's base URL */
    struct buf body;       /* the bytes to send */
    unsigned task;         /* task_bit */
    struct span model;     /* text: the name of the model that body is for; the caller's memory */
    struct span named;     /* text, unescaped: the model that the job names, {NULL, 0}: none.  Also
                              when that is "auto" */
    bool stream;           /* the body asks for server-sent events */
    bool ask_usage;        /* the caller's: bodies that are written ask for the usage of a stream */
    bool requested;        /* the job names a model (named is there) */
    bool automatic;        /* it names "auto": the router is to choose */
    unsigned features;     /* feature_bit: what the body asks for */
    int64_t max_tokens;    /* of the answer, at most 1e12; 0: it does not say */
    bool has_fallbacks;    /* the payload has `fallbacks`, maybe an empty list */
    size_t fallback_count; /* text, unescaped */
    struct span fallbacks[REQUEST_FALLBACKS_MAX];
    struct together_parts parts;
    /* private */
    struct buf names; /* the memory of named and fallbacks */
};

/* Read what a job asks for; one look at the members of its payload and body.  The job must outlive
 * *ret.  False: *ret holds nothing; kind INVALID. */
NODISCARD bool together_request_read(const struct job *job, struct together_request *ret,
                                     struct err *err);
/* Make the body for a model (text; its memory must outlive the request's use).  The job's own body
 * goes out byte for byte; only a model that it does not name (absent, null, "", "auto", or another
 * one) is put in.  A payload without body (the shorthand) is the body itself, without what is meant
 * for us; for a chat a `prompt` becomes the user's message. */
NODISCARD bool together_request_write(const struct job *job, struct span model,
                                      struct together_request *req, struct err *err);
/* Both, for the model that the job names (body.model, else payload.model), else the default of its
 * task.  Kind INVALID or MODEL_UNAVAILABLE (no default). */
NODISCARD bool together_request_build(const struct job *job, const struct model_table *models,
                                      struct together_request *ret, struct err *err);
/* May ask_usage be set?  The body streams, and does not say itself what it wants. */
bool together_request_may_ask_usage(const struct together_request *req);
void together_request_done(struct together_request *req);

#endif
