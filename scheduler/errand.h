/* errand.h - jobs that the scheduler makes itself (alerts to deliver, catalogues to fetch).
 *
 * Each kind of errand has a field in fl:{0}:errands that says how far it was
 * made: the last alert, the last hour.  Jobs and field are written by one
 * script, under the lease, and only if the field is still what was read: every
 * errand is made once, whichever scheduler dies when.
 *
 *     struct errand *e = errand_new(s, "alerts", QUEUE_WEBHOOK);
 *     errand_job(e, JOB_WEBHOOK, "alert~1790000000000-0", doc, 0);
 *     errand_send(e, "1789999999999-0", "1790000000000-0", cb, arg);
 */
#ifndef FLOTILLA_ERRAND_H
#define FLOTILLA_ERRAND_H

#include "scheduler/scheduler.h"

struct errand;
/* what: the field in errands; all jobs go to one queue. */
struct errand *errand_new(struct scheduler *s, const char *what, enum queue_id queue);
/* Add a job; doc is copied.  expires_ms: when it is of no use any more (Unix ms), 0 never. */
void errand_job(struct errand *e, enum job_type_id type, const char *id, struct span doc,
                int64_t expires_ms);
/* Nothing is made while no worker is registered: nobody would run it soon. */
void errand_needs_worker(struct errand *e);

/* How far it was made: reads the field; at is "" when it was never made. */
enum errand_end {
    ERRAND_MADE,   /* the jobs are in their queue, the field holds what was given */
    ERRAND_MOVED,  /* the field holds something else, `at`: nothing was made */
    ERRAND_NOBODY, /* no worker: nothing was made */
    ERRAND_LOST    /* no answer, or the lease is another's: look again later */
};
typedef void errand_cb(void *arg, enum errand_end end, const char *at);
/* Consumes e; cb is called once.  from: what the field must hold, "" nothing; to: what it becomes
 * (at most 63 characters both). */
void errand_send(struct errand *take_e, const char *from, const char *to, errand_cb *cb, void *arg);

#endif
