/* alert.h - what a team must know, in the stream `alerts`. */
#ifndef FLOTILLA_ALERT_H
#define FLOTILLA_ALERT_H

#include "common/queue/keys.h"

/* {"code","subject","message","at"}; the same code and subject at most once an hour. */
void alert_send(struct redis *r, const struct keys *k, const char *code, const char *subject,
                const char *message);

#endif
