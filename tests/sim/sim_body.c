/* sim_body.c - the members of a request's body that several handlers check. */
#include <inttypes.h>

#include "common/core/json.h"
#include "tests/sim/sim.h"

bool sim_call_int(struct sim_call *c, const char *name, struct span value, int64_t min, int64_t max,
                  int64_t *ret)
{
    int64_t v = *ret;

    if (json_absent(value))
        return true;
    if (!json_read_int(value, &v) || v < min || v > max) {
        sim_call_error(c, 400, "invalid_request_error", name, NULL,
                       "Input validation error: %s must be an integer from %" PRId64 " to %" PRId64,
                       name, min, max);
        return false;
    }
    *ret = v;
    return true;
}

bool sim_call_sampling(struct sim_call *c)
{
    const struct sim_body *b = &c->body;
    const struct {
        const char *name;
        struct span value;
    } numbers[] = {
        {"temperature", b->temperature},
        {"top_p", b->top_p},
        {"top_k", b->top_k},
        {"min_p", b->min_p},
        {"repetition_penalty", b->repetition_penalty},
        {"presence_penalty", b->presence_penalty},
        {"frequency_penalty", b->frequency_penalty},
        {"seed", b->seed},
    };
    int64_t logprobs = 0;
    bool all = false;
    double v;

    for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
        if (json_absent(numbers[i].value) || json_read_double(numbers[i].value, &v))
            continue;
        sim_call_error(c, 400, "invalid_request_error", numbers[i].name, NULL,
                       "Input validation error: %s must be a number", numbers[i].name);
        return false;
    }
    if (!json_read_bool(b->logprobs, &all) &&
        !sim_call_int(c, "logprobs", b->logprobs, 0, 20, &logprobs))
        return false;
    c->logprobs = all || logprobs > 0;
    return true;
}

bool sim_call_fits(struct sim_call *c)
{
    int64_t context = c->model->context;

    if (!context || c->prompt_tokens + c->max_tokens <= context ||
        json_equals(c->body.context_length_exceeded_behavior, "truncate"))
        return true;
    sim_call_error(c, 403, "invalid_request_error", "max_tokens", NULL,
                   "Input validation error: `inputs` tokens + `max_new_tokens` must be <= %" PRId64
                   ". Given: %" PRId64 " `inputs` tokens and %" PRId64 " `max_new_tokens`",
                   context, c->prompt_tokens, c->max_tokens);
    return false;
}
