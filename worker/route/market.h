/* market.h - changes of the table of routes at run time, as this process receives them.
 *
 *   fl:{0}:models:<provider>   the catalogue of a provider, kept by the catalogue job
 *   fl:{0}:routes              routes that were added
 *
 * Each heartbeat brings the stamps of the catalogues and a digest of the routes.  What differs from
 * the table is read and laid over it.  No job waits for this, and nothing is read from Redis while
 * nothing changes.
 */
#ifndef FLOTILLA_MARKET_H
#define FLOTILLA_MARKET_H

#include "common/core/base.h"
#include "worker/env.h"

struct routes;
struct market;
struct reply;

struct market *market_new(const struct env *env, struct routes *routes);
void market_free(struct market *m); /* after env->redis */
/* {provider, stamp, ...} and the digest ("" when there are no routes) of a heartbeat's reply. */
void market_hear(struct market *m, const struct reply *stamps, struct span digest);

#endif
