/* sim_head.h - the status line and headers of an answer. */
#ifndef FLOTILLA_SIM_HEAD_H
#define FLOTILLA_SIM_HEAD_H

#include "common/core/base.h"
#include "common/core/buf.h"

struct sim_call;

/* Append the head of the call's reply; a provider's answer gets the headers that the provider
 * sends. */
void sim_head_print(const struct sim_call *c, bool keep_alive, struct buf *out);

/* The usual phrase: 404 -> "Not Found". */
const char *sim_head_reason(int status);

#endif
