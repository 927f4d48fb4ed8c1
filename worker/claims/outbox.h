/* outbox.h - outcomes on their way to Redis, many per script call.
 *
 * Outcomes of one turn of the loop are sent together.  A batch is kept until
 * it is answered; after a lost connection it is sent again as it was (the
 * scripts answer `again` for what had been written).  While Redis is away the
 * outbox simply holds what finished. */
#ifndef FLOTILLA_OUTBOX_H
#define FLOTILLA_OUTBOX_H

#include "common/queue/settle.h"
#include "worker/claims/claimer.h"

struct outbox;

struct outbox *outbox_new(struct claimer *h);
void outbox_free(struct outbox *o);
void outbox_finish(struct outbox *o, const struct finish *f, struct run *r);
void outbox_defer(struct outbox *o, const struct defer *d, struct run *r);
/* What its calls cost so far, before the next one; the report comes back to
 * claimer_ops.costs_reported. */
void outbox_tell(struct outbox *o, const struct tell *t, struct cost_report *report);
void outbox_resend(struct outbox *o); /* the connection is back */
bool outbox_is_empty(const struct outbox *o);
size_t outbox_waiting(const struct outbox *o); /* outcomes without an answer */

#endif
