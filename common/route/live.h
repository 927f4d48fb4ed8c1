/* live.h - the table of routes as the workers have it, read from Redis: the configuration,
 * routes that were added, and the catalogues. */
#ifndef FLOTILLA_LIVE_H
#define FLOTILLA_LIVE_H

#include "common/core/err.h"
#include "common/queue/keys.h"
#include "common/route/routes.h"

/* take_t: the caller's; NULL with err when Redis was lost.  Unreadable
 * entries are left out; the workers send alerts for them. */
typedef void live_cb(void *arg, struct routes *take_t, const struct err *err);
/* cfg and keys are borrowed until the callback, cfg as long as the table. */
void live_read(struct redis *redis, const struct keys *keys, const struct config *cfg, live_cb *cb,
               void *arg);
/* The same, with the highest prices of the last hour: for what a call under way may have cost. */
void live_read_dearest(struct redis *redis, const struct keys *keys, const struct config *cfg,
                       live_cb *cb, void *arg);

#endif
