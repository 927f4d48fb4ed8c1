/* overlay.h - what is known at run time, laid over the table of routes.
 *
 * Both the workers, whose table it is, and the commands that show it do it this way.
 */
#ifndef FLOTILLA_OVERLAY_H
#define FLOTILLA_OVERLAY_H

#include "common/core/err.h"
#include "common/route/routes.h"

/* What a provider lists: prices and contexts of the routes there are; new ids as routes that only a
 * job which names them takes (and not even that when the model is configured at another provider:
 * to be listed there is no allowance); those listed before and no more go.  Rows may be changed.
 * Returns how many changed what counts. */
/* The higher prices of a catalogue's last hour (dearer.h) take the place of the present ones. */
void overlay_dearer(struct routes *t, struct model_table *rows);
size_t overlay_catalogue(struct routes *t, const char *provider, struct model_table *rows);

/* A field of fl:{0}:routes.  False: it is ignored, and err says why. */
NODISCARD bool overlay_route(struct routes *t, struct span id, struct span doc, struct err *err);

#endif
