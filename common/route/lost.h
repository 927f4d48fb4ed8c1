/* lost.h - the cost of a routed call whose worker died. */
#ifndef FLOTILLA_LOST_H
#define FLOTILLA_LOST_H

#include "common/config/config.h"
#include "common/model/cost.h"
#include "common/route/select.h"

/* e is what cost_of_lost_job() made.  The route of the call is not known, so the estimate becomes
 * that of the most expensive route that the job may have taken.  routes: the live table with the
 * current prices; NULL: as configured. */
void route_lost(struct cost_event *e, const struct job *job, const struct config *cfg,
                const struct routes *routes);

/* The first choice of such a job if all routes work; false: the job makes no call.  Lives as long as
 * the table and the job. */
bool route_first(const struct cost_event *e, const struct job *job, const struct config *cfg,
                 const struct routes *routes, struct candidate *ret);

#endif
