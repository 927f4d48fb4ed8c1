/* job.c - reads a job document that is known to be good.
 *
 *   {"id": "order-4711", "type": "inference", "payload": {...}, "reply": true}
 *          |----------|          |---------|             |---|
 *          spans into the document; numbers and words are read, defaults filled in
 *
 * Workers do this for every job they start, so it is one scan over the bytes
 * and copies nothing.  Whoever needs the text of a span (a webhook's URL, say)
 * unescapes it with json_read_string: encoders write "https:\/\/" too.
 *
 * job_check.c decides whether a document is good.  To add a member: a row in
 * job_read(), a field in job.h, a property in schemas/job.json.
 */
#include "common/queue/job.h"

#include <stdio.h>
#include <string.h>

#include "common/config/config.h"
#include "common/core/clock.h"
#include "common/core/json.h"

void job_defaults_from(struct job_defaults *ret, const struct config *cfg)
{
    *ret = (struct job_defaults){
        .max_attempts = cfg->retry_max_attempts,
        .delay_ms = cfg->retry_delay_ms,
        .realtime_delay_ms = cfg->retry_realtime_delay_ms,
        .finetune_delay_ms = cfg->retry_finetune_delay_ms,
        .backoff_max_ms = cfg->retry_max_ms,
        .timeout_ms = cfg->limits_timeout_ms,
        .max_bytes = (size_t)cfg->limits_job_bytes,
    };
}

/* What stands in the document, before it is understood. */
struct raw {
    struct span type, priority, max_attempts, backoff, delay_ms, run_at, expires_in_ms, timeout_ms,
        webhook, reply;
};

/* What is absent leaves *ret as it is. */
static bool read_int(struct span v, int64_t *ret)
{
    return json_absent(v) || json_read_int(v, ret);
}

static bool bool_or(struct span v, bool fallback)
{
    bool ret;

    return json_read_bool(v, &ret) ? ret : fallback;
}

static enum job_type_id read_type(struct span v)
{
    char text[32];

    return json_read_text(v, text, sizeof text) ? job_type_of(text, strlen(text)) : JOB_TYPE_NONE;
}

bool job_priority_of(const char *name, enum job_priority *ret)
{
    static const char *const names[] = {
        [JOB_STANDARD] = "standard", [JOB_REALTIME] = "realtime", [JOB_PRIORITY_BATCH] = "batch"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (!strcmp(names[i], name)) {
            *ret = (enum job_priority)i;
            return true;
        }
    return false;
}

static enum job_priority read_priority(struct span v)
{
    enum job_priority priority = JOB_STANDARD;
    char text[16];

    return json_read_text(v, text, sizeof text) && job_priority_of(text, &priority) ? priority
                                                                                    : JOB_STANDARD;
}

static int64_t first_backoff_ms(const struct job_defaults *d, const struct job *job)
{
    if (job->type == JOB_FINE_TUNE_DEPLOY)
        return d->finetune_delay_ms;
    return job->priority == JOB_REALTIME ? d->realtime_delay_ms : d->delay_ms;
}

static bool read_backoff(struct span v, const struct job_defaults *d, struct job *job)
{
    struct span type = {0}, delay_ms = {0}, max_ms = {0}, jitter = {0};
    const struct json_want wants[] = {
        {"type", &type}, {"delay_ms", &delay_ms}, {"max_ms", &max_ms}, {"jitter", &jitter}};
    char text[16];

    if (v.n && !json_pick(v.p, v.n, wants, ARRAY_LEN(wants)))
        return false;
    job->backoff = json_read_text(type, text, sizeof text) && strcmp(text, "fixed") == 0
                       ? BACKOFF_FIXED
                       : BACKOFF_EXPONENTIAL;
    job->backoff_delay_ms = first_backoff_ms(d, job);
    job->backoff_max_ms = d->backoff_max_ms;
    job->backoff_jitter = bool_or(jitter, true);
    return read_int(delay_ms, &job->backoff_delay_ms) && read_int(max_ms, &job->backoff_max_ms);
}

/* A time before 1970 has passed as well, but 0 means none. */
static int64_t read_time(struct span v)
{
    int64_t ms;
    char text[64];

    if (!json_read_text(v, text, sizeof text) || !clock_parse_rfc3339(text, strlen(text), &ms))
        return 0;
    return ms > 0 ? ms : 1;
}

static bool understand(const struct raw *raw, const struct job_defaults *d, struct job *job)
{
    const struct json_want wants[] = {{"url", &job->webhook_url}};

    job->type = read_type(raw->type);
    job->priority = read_priority(raw->priority);
    job->max_attempts = d->max_attempts;
    job->run_at_ms = read_time(raw->run_at);
    job->timeout_ms = d->timeout_ms;
    job->reply = bool_or(raw->reply, false);
    if (raw->webhook.n && !json_pick(raw->webhook.p, raw->webhook.n, wants, ARRAY_LEN(wants)))
        return false;
    return read_int(raw->max_attempts, &job->max_attempts) &&
           read_int(raw->delay_ms, &job->delay_ms) &&
           read_int(raw->expires_in_ms, &job->expires_in_ms) &&
           read_int(raw->timeout_ms, &job->timeout_ms) && read_backoff(raw->backoff, d, job);
}

bool job_read(struct span doc, const struct job_defaults *d, struct job *ret)
{
    struct job job = {.doc = doc};
    struct raw raw = {0};
    const struct json_want wants[] = {
        {"id", &job.id},
        {"type", &raw.type},
        {"payload", &job.payload},
        {"priority", &raw.priority},
        {"tenant", &job.tenant},
        {"tags", &job.tags},
        {"max_attempts", &raw.max_attempts},
        {"backoff", &raw.backoff},
        {"delay_ms", &raw.delay_ms},
        {"run_at", &raw.run_at},
        {"expires_in_ms", &raw.expires_in_ms},
        {"timeout_ms", &raw.timeout_ms},
        {"webhook", &raw.webhook},
        {"reply", &raw.reply},
        {"traceparent", &job.traceparent},
    };

    if (!json_pick(doc.p, doc.n, wants, ARRAY_LEN(wants)) || !understand(&raw, d, &job))
        return false;
    *ret = job;
    return true;
}

enum queue_id job_queue(enum job_type_id type, enum job_priority priority)
{
    static const enum queue_id of_inference[] = {[JOB_STANDARD] = QUEUE_INFERENCE_STANDARD,
                                                 [JOB_REALTIME] = QUEUE_INFERENCE_REALTIME,
                                                 [JOB_PRIORITY_BATCH] = QUEUE_INFERENCE_BATCH};

    switch (type) {
    case JOB_INFERENCE: return of_inference[priority];
    case JOB_NOOP: return QUEUE_NOOP;
    case JOB_WEBHOOK: return QUEUE_WEBHOOK;
    case JOB_CATALOGUE: return QUEUE_INFERENCE_REALTIME; /* once an hour, and short */
    case JOB_BATCH: return QUEUE_BATCH;
    case JOB_FINE_TUNE_DEPLOY: return QUEUE_FINE_TUNE_DEPLOY;
    case JOB_EVAL: return QUEUE_EVAL;
    case JOB_TYPE_NONE:
    case JOB_TYPE_COUNT: break;
    }
    return QUEUE_NONE;
}

bool job_id_is_valid(const char *p, size_t n)
{
    if (n < 1 || n > JOB_ID_MAX)
        return false;
    for (size_t i = 0; i < n; i++) {
        char c = p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '.' || c == '_' || c == '-'))
            return false;
    }
    return true;
}

bool job_trace_header(const struct job *job, char *line, size_t size)
{
    size_t n = job->traceparent.n; /* with its quotes */

    if (n <= 2 || n >= 100)
        return false;
    snprintf(line, size, "traceparent: %.*s", (int)n - 2, job->traceparent.p + 1);
    return true;
}
