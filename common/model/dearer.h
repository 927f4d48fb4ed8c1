/* dearer.h - what models cost a while ago, where that was more than now.
 *
 * A call under way was made at the prices of then.  When its worker dies, the recovery estimates
 * its cost from the job's document, and must not estimate it too low because the provider has
 * lowered a price since.  So a kept catalogue has the higher prices of the last hour beside the
 * present ones. */
#ifndef FLOTILLA_DEARER_H
#define FLOTILLA_DEARER_H

#include "common/model/model.h"

#define DEARER_MS INT64_C(3600000) /* as long as a call may take: limits.stream_max_ms */

/* Adds to ret (owned by the caller) the rows of `before` that cost more than those of `now`, or are
 * not there any more.  A row that ret has already keeps the higher price of each kind. */
void dearer_add(struct model_table *ret, const struct model_table *now,
                const struct model_table *before);

#endif
