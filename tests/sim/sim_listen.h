/* sim_listen.h - opens the socket that connections come to. */
#ifndef FLOTILLA_SIM_LISTEN_H
#define FLOTILLA_SIM_LISTEN_H

#include "common/core/err.h"

/* A listening, non-blocking socket on "HOST:PORT" ("[::1]:0" too; port 0: any free one); -1 with
 * *err. */
int sim_listen(const char *address, struct err *err);
/* The port that it got. */
int sim_listen_port(int fd);

#endif
