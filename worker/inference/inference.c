/* inference.c - one call to a provider: chat, completion, code, embedding, image, rerank.
 *
 * The table of stages; see inference.h for the way through them.
 *
 * Nothing is sent twice by accident: the HTTP client reports what may have
 * arrived, every call whose answer was lost leaves an `unconfirmed` cost event,
 * and only a kept-alive connection that died before the first byte is tried
 * again at once, one time. */
#include "worker/inference/inference.h"

#include <assert.h>
#include <stdlib.h>

#include "common/core/xalloc.h"

static const struct {
    const char *name;
    void (*enter)(struct run *r);
    void (*abort)(struct run *r);
} stages[INFERENCE_STAGE_COUNT] = {
#define X(STAGE, name) [INFERENCE_##STAGE] = {#name, inference_##name, inference_##name##_abort},
#include "worker/inference/inference_stages.def"
};

void inference_go(struct run *r, enum inference_stage stage)
{
    struct inference *i = r->state;

    i->stage = stage;
    r->at = stages[stage].name;
    stages[stage].enter(r);
}

void inference_next(struct run *r)
{
    const struct inference *i = r->state;

    assert(i->stage + 1 < INFERENCE_STAGE_COUNT);
    inference_go(r, i->stage + 1);
}

/* ---- the type ---- */

static void start(struct run *r)
{
    struct inference *i = xcalloc(1, sizeof *i);

    i->invalid = inference_invalid_so_far(r);
    r->state = i;
    inference_go(r, INFERENCE_PLAN);
}

static void leave_stage(struct run *r)
{
    const struct inference *i = r->state;

    stages[i->stage].abort(r);
}

static void abort_run(struct run *r)
{
    if (!r->state)
        return;
    leave_stage(r);
    inference_cache_leave(r);
}

static void done(struct run *r)
{
    struct inference *i = r->state;

    if (!i)
        return;
    leave_stage(r);
    limiter_leave(&i->pace, false);
    health_drop(r->p->health, &i->health);
    inference_stream_over(r);
    inference_let_go(r);
    inference_cache_over(r);
    together_request_done(&i->req);
    free(i);
}

/* A job that is put aside says in its record in which stage that was (for `flotilla why`); it
 * starts with the plan all the same. */
static const struct step steps[] = {
#define X(STAGE, name) {#name, start},
#include "worker/inference/inference_stages.def"
};
const struct job_type job_type_inference = {
    .steps = steps, .step_count = ARRAY_LEN(steps), .abort = abort_run, .done = done};
