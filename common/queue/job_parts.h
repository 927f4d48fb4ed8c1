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

/* job_loose.c: walk the members of an object, as far as they can be made out in a text that may be
 * no JSON.  The name is raw, without quotes; the value is raw and trimmed, may be empty, and may be
 * anything: its reader checks it.  Text before the first brace is skipped. */
struct job_loose {
    const char *p, *end;
    struct span name, value;
};
bool job_loose_init(struct job_loose *l, struct span text);
bool job_loose_next(struct job_loose *l);

/* job_who.c: under which id a refusal is told (id, made_id, submitted_id), to whom (wants_reply)
 * and whose job it was (job.type, tenant, tags, webhook_url), as far as the bytes can be read.
 * The first and last byte of webhook_url may be any; what is between them is good in double quotes. */
void job_who(struct span doc, struct job_checked *ret);

#endif
