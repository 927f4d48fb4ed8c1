/* sim_answer.h - what the model says: prompt in, text out.
 *
 * The text of an answer is, in this order: the fault's `answer`, the model's
 * `answer` setting, the known answer to a question in the prompt (--answers),
 * JSON after the request's response_format, made-up words chosen by a hash of
 * the prompt, the model and the number of the choice.
 */
#ifndef FLOTILLA_SIM_ANSWER_H
#define FLOTILLA_SIM_ANSWER_H

#include "common/core/base.h"

struct buf;
struct sim_call;

struct sim_choice {
    struct span reasoning, content; /* into c->text: good until the next sim_answer_make */
    struct span tool_calls;         /* raw JSON array; {NULL, 0} when none */
    const char *finish;             /* finish_reason */
    uint64_t seed;
};

/* Join the contents of body.messages into c->prompt and count them; false: the reply says 400. */
bool sim_prompt_messages(struct sim_call *c);
/* The same for a string or an array of strings; each counted by itself when `each`. */
bool sim_prompt_texts(struct sim_call *c, const char *name, struct span value, bool each);
/* Choice number `index`; adds its tokens to the call's. */
void sim_answer_make(struct sim_call *c, int64_t index, struct sim_choice *ret);

/* ---- JSON by a schema (sim_schema.c) ---- */

/* Append a value that fits the JSON Schema; false when the schema is not JSON. */
bool sim_schema_example(struct span schema, uint64_t hash, struct buf *out);
/* Append tool_calls for the function that tool_choice names (or the first one, when it is
 * "required"); false when no call is asked for. */
bool sim_schema_tool_calls(struct span tools, struct span tool_choice, uint64_t hash,
                           struct buf *out);

#endif
