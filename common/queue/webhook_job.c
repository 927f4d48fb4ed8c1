/* webhook_job.c - see webhook_job.h.
 *
 *   header {"type":"webhook","tenant":...,"payload":{"url":...,"body":
 *            {"type":"job.failed","timestamp":...,"data":   result   }}}
 *
 * The document holds the body exactly as it will be sent (payload.body, raw), so
 * it outlives the record of the job that ended. */
#include "common/queue/webhook_job.h"

#include <stdio.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/core/json.h"

void webhook_job_begin(struct buf *b, const struct job *job, enum job_state status, int64_t at_ms)
{
    struct record rec = {.version = RECORD_VERSION,
                         .state = JOB_STATE_READY,
                         .run = 1,
                         .submitted_ms = at_ms,
                         .type = JOB_WEBHOOK,
                         .queue = QUEUE_WEBHOOK,
                         .digest = "0000000000000000"};
    char at[25], event[32];

    memset(rec.token, '0', RECORD_TOKEN);
    snprintf(event, sizeof event, "job.%s", job_state_name(status));
    buf_reserve(b, RECORD_HEADER);
    record_write(&rec, b->p);
    b->n = RECORD_HEADER;
    buf_puts(b, "{\"type\":\"webhook\"");
    if (job->tenant.n)
        json_add_raw(b, "tenant", job->tenant);
    if (job->traceparent.n)
        json_add_raw(b, "traceparent", job->traceparent);
    buf_puts(b, ",\"payload\":{\"url\":\""); /* what is between the quotes, of either kind */
    if (job->webhook_url.n > 2)
        buf_add(b, job->webhook_url.p + 1, job->webhook_url.n - 2);
    buf_puts(b, "\",\"body\":{");
    json_add_str(b, "type", event);
    json_add_str(b, "timestamp", clock_rfc3339(at_ms, at));
    json_add_key(b, "data");
}

void webhook_job_end(struct buf *b)
{
    struct record rec;

    buf_puts(b, WEBHOOK_JOB_CLOSE);
    if (!record_read(b->p, b->n, &rec))
        return; /* not possible: it was begun here */
    rec.doc_bytes = b->n - RECORD_HEADER;
    record_write(&rec, b->p);
}
