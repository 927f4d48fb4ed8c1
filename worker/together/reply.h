/* reply.h - what came back from an OpenAI-compatible provider.
 *
 * One call tells a good answer from every way in which a provider says no: by
 * status, by code, in an object, a string, an HTML page, nothing at all, or in
 * the body of a 200.  What is to be done then is err_class(ret->kind), the
 * table err_kinds.def; how long to wait is in the headers (http_retry_after_ms).
 */
#ifndef FLOTILLA_TOGETHER_REPLY_H
#define FLOTILLA_TOGETHER_REPLY_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/model/cost.h"

struct together_reply {
    enum err_kind kind;     /* ERR_NONE: a good answer, to be spliced into a result as it is */
    char provider_code[64]; /* the provider's code or type; "" when it gave none */
    char message[300];      /* the provider's words: one line, cut; "" for a good answer */
    struct usage usage; /* as the provider says, beside an error too: then it is paid all the same;
                           usage.there is false when it does not say */
    struct span model;  /* in model_text: do not copy the struct; empty when it does not say.
                           Without our secrets: a gateway may put the key there */
    char model_text[1025];     /* no job can ask for a longer name */
    struct span finish_reason; /* of the first choice, without quotes; empty for other tasks */
};

/* Read a complete response.  task: the request's task_bit; body is borrowed (the spans point into
 * it). */
void together_reply_read(unsigned task, int http_status, struct span body,
                         struct together_reply *ret);

/* Read an error that stands alone: the value of an `error` member (an object or a string), as
 * streams and batches carry them.  http_status 0: unknown; kind is never ERR_NONE. */
void together_error_read(int http_status, struct span error, struct together_reply *ret);
/* Is the value of an `error` member one?  null, false and "" are not. */
bool together_is_error(struct span error);
/* The body of a refusal, or of a success that holds an `error` (200); the same. */
void together_refusal_read(int http_status, struct span body, struct together_reply *ret);

#endif
