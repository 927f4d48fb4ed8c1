/* inference.c - one call to a provider: chat, completion, code, embedding, image, rerank.
 *
 * The table of steps; see inference.h for the way through them.
 *
 * Nothing is sent twice by accident: the HTTP client reports what may have
 * arrived, every call whose answer was lost leaves an `unconfirmed` cost event,
 * and only a kept-alive connection that died before the first byte is tried
 * again at once, one time. */
#include "worker/inference/inference.h"

#include <stdlib.h>

#include "worker/job_types.h"

static void abort_run(struct run *r)
{
    if (r->state)
        inference_cache_leave(r);
}

static void done(struct run *r)
{
    struct inference *i = r->state;

    if (!i)
        return;
    limiter_leave(&i->pace, false);
    health_drop(r->p->health, &i->health);
    inference_stream_over(r);
    inference_release(r);
    inference_cache_over(r);
    together_request_done(&i->req);
    free(i);
}

static const struct step steps[] = {
#define X(STEP, name, abort) {#name, inference_##name, abort},
#include "worker/inference/inference_steps.def"
};
/* The record of a deferred job names the step for `flotilla why`; each claim plans again. */
const struct job_type job_type_inference = {.steps = steps,
                                            .step_count = ARRAY_LEN(steps),
                                            .restarts = true,
                                            .abort = abort_run,
                                            .done = done};
