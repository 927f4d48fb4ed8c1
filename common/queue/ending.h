/* ending.h - the end of a job as one piece: result, reply, webhook job, dead set.
 *
 * Every party that ends a job (a worker, a scheduler that expires or reaps, a
 * command that cancels) goes through ending_make, so that an ending looks the
 * same whoever writes it.
 */
#ifndef FLOTILLA_ENDING_H
#define FLOTILLA_ENDING_H

#include "common/core/buf.h"
#include "common/queue/result.h"
#include "common/queue/settle.h"

struct ending {
    struct finish finish; /* ready for settle_finish; spans point into the buffers below */
    struct buf result, webhook;
    char webhook_id[96], webhook_spare_id[112];
};

/* r: from result_from() plus what the caller knows (status, output, err, costs ...).
 * output_max: larger outputs are left out of the webhook.  finish.costs is the caller's to set. */
void ending_make(struct ending *ret, const char *id, const struct record *held,
                 const struct job *job, const struct result *r, int64_t output_max);
void ending_done(struct ending *e);

/* The end of a job because its worker died, added to a batch. */
struct ending_death {
    const char *id;
    const struct record *held;
    const struct job *job;
    struct span bytes;              /* of the record */
    const struct cost_event *costs; /* of the calls that were lost */
    size_t cost_count;
    enum err_kind kind; /* ERR_POISON or ERR_CANCELLED */
    int crashes;        /* this one included */
    int64_t output_max;
};
void ending_by_death(struct settle *s, const struct ending_death *d);

#endif
