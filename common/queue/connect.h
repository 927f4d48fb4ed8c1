/* connect.h - a connection to Redis as the configuration describes it. */
#ifndef FLOTILLA_CONNECT_H
#define FLOTILLA_CONNECT_H

#include "common/config/config.h"
#include "common/io/redis.h"

/* Where, as whom and how long: for redis_new().  Scripts and callbacks are the caller's to add.
 * The texts are borrowed from cfg and client_name. */
struct redis_options connect_options(const struct config *cfg, const char *client_name);

/* For programs that do one thing after the other: connect, and turn the loop until that is done or
 * has failed once.  NULL: err says why (a bad URL, ERR_REDIS_LOST, ...). */
NODISCARD struct redis *connect_now(struct loop *borrow_loop, const struct config *cfg,
                                    const char *client_name, struct err *err);

#endif
