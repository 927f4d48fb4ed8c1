/* submit.h - a batch of checked documents on its way into the queue. */
#ifndef FLOTILLA_SUBMIT_H
#define FLOTILLA_SUBMIT_H

#include "common/core/base.h"
#include "common/core/err.h"
#include "common/queue/job.h"
#include "common/queue/keys.h"

struct submit;
struct submit *submit_new(const struct keys *borrow_keys);
void submit_free(struct submit *s);
size_t submit_count(const struct submit *s);

/* An accepted document: job_check() said true. */
void submit_job(struct submit *s, const struct job_checked *c);
/* A refused one: it becomes a result with status `rejected`, and a call of its webhook. */
void submit_refusal(struct submit *s, const struct job_checked *c, const struct err *why);

struct submit_how {
    const char *lease;        /* the scheduler's token */
    size_t drop;              /* entries to drop from `taken`, oldest first */
    struct span drop_value;   /* or the one entry to drop */
    int64_t ids_ms, reply_ms; /* how long refused records and replies are kept */
};
/* codes: one letter per entry: s stored, d the same again, c id conflict, j refused; NULL with err
 * (ERR_REDIS with text "deposed": the lease is another's).  due_ms: to the earliest due job, or -1.
 */
typedef void submit_cb(void *arg, struct submit *s, const char *codes, int64_t due_ms,
                       const struct err *err);
void submit_send(struct submit *s, struct redis *r, const struct submit_how *how, submit_cb *cb,
                 void *arg);

#endif
