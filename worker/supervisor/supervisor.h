/* supervisor.h - keeps the worker processes of a host alive.
 *
 * It owns no event loop, no Redis and no curl: it waits in poll() for signals
 * and its children's lines, forks, and execs itself with --process.  What it
 * knows of a child is the page they share (child.h). */
#ifndef FLOTILLA_SUPERVISOR_H
#define FLOTILLA_SUPERVISOR_H

#include "common/config/config.h"

/* Run until TERM; the exit status. */
int supervisor_main(struct config *cfg);

#endif
