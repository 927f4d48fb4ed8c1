/* recover.h - what a dead worker held goes back to the front of its queues.
 *
 * Used by the replacement of a dead process (--takes-over) and by the
 * scheduler when a heartbeat stood still.  Every job that calls a provider and
 * was active gets an `unconfirmed` cost event: its call may have been paid.  If the worker noted
 * the call, that is the event which stands there; else the prices are those that workers have now,
 * which are read from Redis. What the dead one had set aside in budgets is spent from then on, and
 * reserved no longer; only then it is forgotten. A job whose code was running when its process
 * crashed (blame) gets a crash; at max_crashes it is dead with code `poison`.  The watchdog's
 * victims are found dead by the scheduler first, which blames nobody: then the crash is counted
 * wherever the job is by now.
 */
#ifndef FLOTILLA_RECOVER_H
#define FLOTILLA_RECOVER_H

#include "common/config/config.h"
#include "common/core/err.h"
#include "common/queue/keys.h"

struct recover_options {
    struct redis *redis; /* borrowed until the callback */
    const struct keys *keys;
    const struct config *cfg;
    const char *worker; /* the dead one; copied */
    const char
        *what; /* its entry in `workers` when it was found dead, copied; NULL: whatever it is */
    const char *lease; /* the scheduler's token, copied, or NULL */
    const char *blame; /* job id that crashed it, or NULL; copied */
};
struct recover_report {
    size_t given_back, ended; /* jobs back in their queues; dead (poison) or cancelled */
    bool alive;               /* it was not dead after all: nothing was forgotten */
};
/* err NULL: done.  Else Redis failed somewhere: call again later, nothing is lost. */
typedef void recover_cb(void *arg, const struct recover_report *report, const struct err *err);
void recover_start(const struct recover_options *o, recover_cb *cb, void *arg);

#endif
