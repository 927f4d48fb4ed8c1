/* sim_answers.h - known answers: a prompt that contains a question gets its answer.
 *
 * The file is JSONL, one {"question": "...", "answer": "..."} a line; other
 * members are ignored.  When a prompt contains several questions (examples
 * before the real one), the one that ends last wins, and of two that end at the
 * same place the longer one.  Looking one up costs about a nanosecond per
 * byte of prompt, however many questions there are.
 */
#ifndef FLOTILLA_SIM_ANSWERS_H
#define FLOTILLA_SIM_ANSWERS_H

#include "common/core/base.h"
#include "common/core/err.h"

#define SIM_ANSWERS_FILE_MAX ((size_t)64 * 1024 * 1024)

struct sim_answers;

/* From the text of a file; NULL with *err filled when a line is not as it should be. */
struct sim_answers *sim_answers_parse(const char *p, size_t n, struct err *err);
struct sim_answers *sim_answers_load(const char *path, struct err *err);
void sim_answers_free(struct sim_answers *a); /* NULL is fine */
size_t sim_answers_count(const struct sim_answers *a);
/* The answer, borrowed; {NULL, 0} when the prompt contains no question, or a is NULL. */
struct span sim_answers_find(const struct sim_answers *a, struct span prompt);

#endif
