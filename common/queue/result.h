/* result.h - the result document (schemas/result.json). */
#ifndef FLOTILLA_RESULT_H
#define FLOTILLA_RESULT_H

#include "common/core/base.h"
#include "common/core/buf.h"
#include "common/core/err.h"
#include "common/queue/job.h"
#include "common/queue/record.h"

struct result {
    const char *id, *submitted_id; /* submitted_id: only for rejections; else NULL */
    struct span submitted;         /* bytes that a refused document begins with; absent: left out */
    int run;
    enum job_type_id type; /* NONE writes null */
    enum job_state status;
    int attempts;
    struct span tenant, tags; /* raw values from the document; absent: null */
    struct span model;        /* text without quotes; empty: null */
    const char *provider;     /* NULL: null */
    bool cached;
    struct span output;     /* raw, already validated JSON; absent: null */
    struct span structured; /* the JSON in its text; absent: so is the member */
    bool has_usage;
    int64_t prompt_tokens, completion_tokens, cached_tokens;
    int64_t cost_nanousd;                          /* all confirmed calls of this run */
    const struct err *err;                         /* NULL: null */
    int http_status;                               /* 0: null */
    const char *provider_code;                     /* NULL or "": null */
    int64_t submitted_ms, started_ms, finished_ms; /* started 0: null */
};

/* Append the document.  output and structured are spliced in unchanged. */
void result_write(const struct result *r, struct buf *out);
/* What the record knows: id, run, type, attempts, tenant, tags, times, and what its calls so far
 * cost.  bytes: all of the record; {NULL, 0}: they are not at hand. */
void result_from(struct result *ret, const char *id, const struct record *rec,
                 const struct job *job, struct span bytes);
/* {"cost": nano-USD of the calls before, ...} behind the document of a job that has not ended;
 * 0 without. */
int64_t result_cost_before(const struct record *rec, struct span bytes);

#endif
