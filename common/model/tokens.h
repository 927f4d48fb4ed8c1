/* tokens.h - how many tokens a request and its answer have, when nobody says.
 *
 * Two rules, for two questions:
 *   likely   one token per 4 bytes of text, rounded up: what an answer without
 *            usage is taken to cost, as long as it is not over the other one
 *   at most  far on the high side: what a call may have cost whose answer was lost
 */
#ifndef FLOTILLA_TOKENS_H
#define FLOTILLA_TOKENS_H

#include "common/core/base.h"

/* Likely tokens of a request's body.  Texts are counted unescaped: the contents of all messages (or
 * the prompts) joined; each input of an embedding, and the query and each document of a rerank,
 * rounded up by itself.  Numbers in place of texts are tokens. */
int64_t tokens_of_request(unsigned task, struct span body);
/* Likely tokens of an answer: each choice (reasoning, content, arguments of tool calls) rounded up
 * by itself. */
int64_t tokens_of_answer(struct span answer);
/* The most that a call may use: prompt = body bytes / 3 rounded up + 16 (and 8192 for every part
 * that is no text); completion = max_tokens, else 16384, times n; 0 for embeddings and reranks.
 * Both are bounded by the model's context (completion: per choice) unless that is 0; but not the
 * texts of an embedding or rerank, of which each may fill it. */
void tokens_at_most(unsigned task, struct span body, int64_t context, int64_t *ret_prompt,
                    int64_t *ret_completion);

#endif
