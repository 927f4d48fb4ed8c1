/* overlay.h - catalogues and added routes, laid over the table of routes.
 *
 * Workers and the commands that show their table share this code.
 */
#ifndef FLOTILLA_OVERLAY_H
#define FLOTILLA_OVERLAY_H

#include "common/core/err.h"
#include "common/route/routes.h"

/* A catalogue gives prices and contexts to the routes in the table.  A new id becomes a route that
 * is called only when a job names it, and not even then if the model is configured at another
 * provider.  Routes that are no longer listed are removed.  Rows may be changed.  Returns the
 * number of changed routes. */
size_t overlay_catalogue(struct routes *t, const char *provider, struct model_table *rows);

/* The higher prices of a catalogue's last hour (dearer.h) replace the present ones. */
void overlay_dearer(struct routes *t, struct model_table *rows);

/* Lay a field of fl:{0}:routes over the table.  False: it is ignored, and err says why. */
NODISCARD bool overlay_route(struct routes *t, struct span id, struct span doc, struct err *err);

#endif
