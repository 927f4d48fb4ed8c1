/* job.h - the job document (schemas/job.json): checking it once, reading it fast.
 *
 * job_check() is for intake: full parse, schema, rules; it yields everything a
 * record needs.  job_read() is for workers and tools: the document is already
 * valid, one scan finds the members as raw spans, nothing is copied.
 */
#ifndef FLOTILLA_JOB_H
#define FLOTILLA_JOB_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/queue/record.h"

#define JOB_ID_MAX 64

enum job_priority { JOB_STANDARD, JOB_REALTIME, JOB_PRIORITY_BATCH };
enum backoff_type { BACKOFF_EXPONENTIAL, BACKOFF_FIXED };

/* Defaults of documents that do not say; filled from the configuration. */
struct job_defaults {
    int64_t max_attempts, delay_ms, realtime_delay_ms, finetune_delay_ms, backoff_max_ms,
        timeout_ms;
    size_t max_bytes;
};
struct config;
void job_defaults_from(struct job_defaults *ret, const struct config *cfg);

/* What a document says, defaults filled in.  Spans point into the document (raw JSON values,
 * strings with their quotes); {NULL,0} when absent. */
struct job {
    struct span doc;
    struct span id, payload, tenant, tags, traceparent, webhook_url;
    enum job_type_id type;
    enum job_priority priority;
    int64_t max_attempts;
    enum backoff_type backoff;
    int64_t backoff_delay_ms, backoff_max_ms;
    bool backoff_jitter;
    int64_t delay_ms;      /* as asked; run_at is turned into run_at_ms */
    int64_t run_at_ms;     /* 0: none */
    int64_t expires_in_ms; /* 0: none */
    int64_t timeout_ms;
    bool reply;
};

/* One scan of a valid document.  False only when it is no object (a damaged record). */
NODISCARD bool job_read(struct span doc, const struct job_defaults *d, struct job *ret);

/* The header line "traceparent: ..." for calls on behalf of a job; false when it has none. */
bool job_trace_header(const struct job *job, char *line, size_t size);

/* The outcome of checking one intake entry. */
struct job_checked {
    struct job job;          /* when accepted; of a refused document see job_who() */
    char id[JOB_ID_MAX + 1]; /* the producer's id, or a made UUIDv7 */
    bool made_id;            /* the producer gave none (or none that can be used) */
    char submitted_id[JOB_ID_MAX * 2 +
                      1]; /* when it gave one that cannot be used: the printable start of it */
    enum queue_id queue;
    char digest[17];  /* SHA-256 (64 bits, hex) of the canonical document: keys sorted, no white
                         space; 1500 and 1500.0 stay different */
    bool wants_reply; /* also set for refused documents that could be read that far */
};
/* Check an entry.  True: *ret is filled, ret->job points into doc.  False: err says why (field,
 * value, expected), and ret->id/made_id/submitted_id/wants_reply say under which id the rejection
 * is told.  Kind ERR_MEMORY: memory was short, and the document may be good: check it later. */
NODISCARD bool job_check(struct span doc, const struct job_defaults *d, struct job_checked *ret,
                         struct err *err);

/* The bytes behind a UTF-8 byte order mark; all of them when there is none. */
struct span job_without_mark(struct span doc);

/* "realtime", "standard", "batch"; false (and *ret untouched) when it is another word. */
NODISCARD bool job_priority_of(const char *name, enum job_priority *ret);
/* The queue of an accepted job: decided by type and priority. */
enum queue_id job_queue(enum job_type_id type, enum job_priority priority);
/* 1-64 of [A-Za-z0-9._-] (producers); made ids may contain '~' too and be up to 80 long. */
bool job_id_is_valid(const char *p, size_t n);

#endif
