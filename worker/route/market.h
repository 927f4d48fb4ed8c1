/* market.h - what changes in the table of routes at run time, as this process hears of it.
 *
 *   fl:{0}:models:<provider>   what a provider lists, kept by the catalogue job
 *   fl:{0}:routes          routes that were added
 *
 * With each heartbeat come the catalogues' stamps and a digest of the routes;
 * what differs from what is in the table is read and laid over it.  No job waits
 * for any of this, and nothing is asked of Redis while nothing changes.
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
/* {provider, stamp, ...} and the digest ("" when there are no routes) of a heartbeat's answer. */
void market_hear(struct market *m, const struct reply *stamps, struct span digest);

#endif
