/* sim_handlers.h - one function per row of routes.def: from a request to a reply. */
#ifndef FLOTILLA_SIM_HANDLERS_H
#define FLOTILLA_SIM_HANDLERS_H

struct sim_call;

/* Rows may share a handler, so each is declared as often as it is used; that is allowed. */
#define X(method, path, handler, provider) void sim_on_##handler(struct sim_call *c);
#include "tests/sim/routes.def"

#endif
