/* route_doc.h - a route that was added at run time: a field of fl:{0}:routes, checked.
 *
 *     field  my-org/my-model
 *     value  {"provider": "together", "tasks": ["chat"], "input_usd": 0.15, "output_usd": 0.6}
 *
 * The members are those of model_doc.h; tasks are required, provider is `together` when it is not
 * told.  A provider is one of the configuration, and there is no address here: keys must not follow
 * an address out of Redis.
 */
#ifndef FLOTILLA_ROUTE_DOC_H
#define FLOTILLA_ROUTE_DOC_H

#include "common/config/config.h"
#include "common/model/model_doc.h"

enum { ROUTE_DOCS_MAX = 512 }; /* more are not taken in */

/* The route as a row; model_done() it.  False: err (kind INVALID) says what is wrong; *ret holds
 * nothing. */
NODISCARD bool route_doc_read(struct span id, struct span doc, const struct config *cfg,
                              struct model *ret, struct err *err);

#endif
