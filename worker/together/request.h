/* request.h - what to send to an OpenAI-compatible provider for an inference job.
 *
 *     struct together_request req;
 *     if (!together_request_build(job, models, &req, err)) ...
 *     POST <base URL><req.path> with req.body
 *     together_request_done(&req);
 */
#ifndef FLOTILLA_TOGETHER_REQUEST_H
#define FLOTILLA_TOGETHER_REQUEST_H

#include "common/config/model.h"
#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/queue/job.h"

struct together_request {
    const char *path;      /* "/chat/completions": goes behind the provider's base URL */
    struct buf body;       /* the bytes to send */
    unsigned task;         /* task_bit */
    struct span model;     /* text, unescaped: the name to look up and to account under */
    struct buf model_text; /* its memory, when it is ours; else model points into models */
    bool stream;           /* the body asks for server-sent events */
    bool requested;        /* the job names the model; false: it is the task's default */
};

/* Build the request of a job.  Its payload's body goes out byte for byte; only a missing model
 * (absent, null or "") is put in: body.model, else payload.model, else the task's default.  A
 * payload without body (the shorthand) is the body itself, without what is meant for us; for a chat
 * a `prompt` becomes the user's message.  False: *ret holds nothing; kind INVALID or
 * MODEL_UNAVAILABLE (no default). */
NODISCARD bool together_request_build(const struct job *job, const struct model_table *models,
                                      struct together_request *ret, struct err *err);
void together_request_done(struct together_request *req);

#endif
