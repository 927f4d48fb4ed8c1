/* fuzz_job.c - any bytes as an intake entry.
 *
 * Exercises job_check.c, job_who.c, job_loose.c, job_rules.c, job.c, tree.c, schema*.c,
 * result.c, webhook_job.c and json_*.c.  Whatever comes in, there is an id for
 * the outcome, the refusal can be written as a valid result and as a valid job of
 * its webhook, and what was accepted is read alike by everybody after: by
 * job_read(), and by the same check again.
 */
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"
#include "common/queue/job_parts.h"
#include "common/queue/result.h"
#include "common/queue/webhook_job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct job_defaults defaults = {.max_attempts = 3,
                                             .delay_ms = 1000,
                                             .backoff_max_ms = 300000,
                                             .timeout_ms = 120000,
                                             .max_bytes = 100000};

#define MUST(x)      \
    do {             \
        if (!(x))    \
            abort(); \
    } while (0)

static void accepted(const struct job_checked *c)
{
    struct job_checked again;
    struct job job;
    struct err err = {0};

    MUST(json_valid(c->job.doc.p, c->job.doc.n));
    MUST(job_read(c->job.doc, &defaults, &job));
    MUST(job.type == c->job.type && (job_type_flags(job.type) & JOB_PUBLIC));
    MUST(c->queue == job_queue(job.type, job.priority) && c->queue != QUEUE_NONE);
    MUST(job.max_attempts >= 1 && job.max_attempts <= 100 && job.delay_ms >= 0);
    MUST(c->made_id || job_id_is_valid(c->id, strlen(c->id)));
    MUST(job_check(c->job.doc, &defaults, &again, &err));
    MUST(strcmp(again.digest, c->digest) == 0 && (c->made_id || strcmp(again.id, c->id) == 0));
}

static void refused_with_webhook(const struct job *job)
{
    struct buf b = BUF(1 << 20);
    struct record rec;

    webhook_job_begin(&b, job, JOB_STATE_REJECTED, 1790000000000);
    buf_puts(&b, "{}");
    webhook_job_end(&b);
    MUST(!buf_failed(&b) && record_read(b.p, b.n, &rec));
    MUST(b.n == RECORD_HEADER + rec.doc_bytes && json_valid(b.p + RECORD_HEADER, rec.doc_bytes));
    buf_done(&b);
}

static void refused(const struct job_checked *c, const struct err *err)
{
    struct buf out = BUF(1 << 20);
    const struct result r = {.id = c->id,
                             .submitted_id = c->submitted_id[0] ? c->submitted_id : NULL,
                             .submitted = c->job.doc,
                             .type = c->job.type,
                             .status = JOB_STATE_REJECTED,
                             .tenant = c->job.tenant,
                             .tags = c->job.tags,
                             .err = err};

    MUST(err->kind != ERR_NONE && err->msg[0]);
    MUST(c->id[0] && (c->made_id || job_id_is_valid(c->id, strlen(c->id))));
    result_write(&r, &out);
    MUST(!buf_failed(&out) && json_valid(out.p, out.n));
    buf_done(&out);
    if (c->job.webhook_url.n)
        refused_with_webhook(&c->job);
}

/* Each member lies in the text, behind the one before. */
static void walk(struct span text)
{
    const char *at = text.p, *end = text.p + text.n;
    struct job_loose l;

    if (!job_loose_init(&l, text))
        return;
    while (job_loose_next(&l)) {
        MUST(l.name.p >= at && l.name.p + l.name.n <= l.value.p);
        at = l.value.p + l.value.n;
        MUST(at <= end);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct job_checked c;
    struct err err = {0};
    char *doc = malloc(size ? size : 1); /* exactly as long as it is, so that overreads are seen */

    MUST(doc);
    memcpy(doc, data, size);
    walk((struct span){doc, size});
    if (job_check((struct span){doc, size}, &defaults, &c, &err))
        accepted(&c);
    else
        refused(&c, &err);
    free(doc);
    return 0;
}
