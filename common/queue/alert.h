/* alert.h - what a team must know, in the stream `alerts`. */
#ifndef FLOTILLA_ALERT_H
#define FLOTILLA_ALERT_H

#include "common/core/buf.h"
#include "common/queue/keys.h"

enum { ALERT_AGAIN_MS = 3600000 };
/* {"code","subject","message","at"}; the same code and subject at most once in ALERT_AGAIN_MS. */
void alert_send(struct redis *r, const struct keys *k, const char *code, const char *subject,
                const char *message);

/* Its document alone, for a script that writes it with what it tells of. */
void alert_write(struct buf *out, const char *code, const char *subject, const char *message);

/* How bad it is, by its code (alert_codes.def); a code that is not there is a warning, but
 * budget_<percent> good to know. */
enum alert_level { ALERT_INFO, ALERT_WARNING, ALERT_ERROR };
enum alert_level alert_level(const char *code);

#endif
