/* job_parts.h - the parts of job_check(); private to job_*.c. */
#ifndef FLOTILLA_JOB_PARTS_H
#define FLOTILLA_JOB_PARTS_H

#include "common/queue/job.h"

struct json_t;

/* job_rules.c: what the schema cannot say.  root fits the schema, job was read from the same bytes.
 */
NODISCARD bool job_rules(const struct json_t *root, const struct job *job, struct err *err);

/* What is wrong with the URL of a webhook (NUL-terminated), or NULL. */
const char *job_url_fault(const char *url, size_t n);

/* job_who.c: under which id a refusal is told (id, made_id, submitted_id), to whom (wants_reply)
 * and whose job it was (job.type, tenant, tags), as far as the bytes can be read. */
void job_who(struct span doc, struct job_checked *ret);

#endif
