/* sim_server.h - the sockets of the simulator, on a libevent base.
 *
 * One request of a connection is worked on at a time, in order; what a client
 * sends ahead waits.  A client that closes while its request is worked on has
 * gone: the call ends undelivered.
 */
#ifndef FLOTILLA_SIM_SERVER_H
#define FLOTILLA_SIM_SERVER_H

#include "common/core/base.h"
#include "common/core/err.h"

struct event_base;
struct sim;

#define SIM_CONNECTIONS_MAX 20000

struct sim_server;

/* Listen on "HOST:PORT" (an IPv4 address or [IPv6]; port 0: any free one, see sim->port). */
struct sim_server *sim_server_new(struct event_base *borrow_base, struct sim *borrow_sim,
                                  const char *address, struct err *err);
/* Close everything; calls in work end undelivered.  NULL is fine. */
void sim_server_free(struct sim_server *s);

#endif
