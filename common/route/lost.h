/* lost.h - what a routed call may have cost whose worker died with it. */
#ifndef FLOTILLA_LOST_H
#define FLOTILLA_LOST_H

#include "common/config/config.h"
#include "common/model/cost.h"
#include "common/route/select.h"

/* e is what cost_of_lost_job() made.  Nobody knows any more which route the call was at: its
 * estimate becomes that of the dearest one that the job may have taken, so that it stays on the
 * high side.  routes: the live table with the prices of now; NULL: as configured. */
void route_lost(struct cost_event *e, const struct job *job, const struct config *cfg,
                const struct routes *routes);

/* The route that such a job is tried at first, were all in health; false: it calls nobody.  Lives
 * as long as the table and the job. */
bool route_first(const struct cost_event *e, const struct job *job, const struct config *cfg,
                 const struct routes *routes, struct candidate *ret);

#endif
