/* webhook_job.h - the record of a job that calls a webhook with a result. */
#ifndef FLOTILLA_WEBHOOK_JOB_H
#define FLOTILLA_WEBHOOK_JOB_H

#include "common/core/buf.h"
#include "common/queue/job.h"

/* Write into b, which is empty: header and document, up to where the result belongs.  job: tenant,
 * traceparent and webhook_url of the job that ended with this status. */
void webhook_job_begin(struct buf *b, const struct job *job, enum job_state status, int64_t at_ms);
/* The caller has appended the result: close the document and write its length into the header.
 * lua/submit.lua does the same. */
void webhook_job_end(struct buf *b);
#define WEBHOOK_JOB_CLOSE "}}}"

#endif
