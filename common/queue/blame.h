/* blame.h - a job crashed or hung its worker, and is not that worker's any more.
 *
 * The scheduler had found the worker dead (its lease is shorter than the
 * watchdog's patience) and given its jobs back, blaming nobody.  So the crash
 * is counted where the job is now: waiting, it gets a crash, and at max_crashes
 * it is dead with code `poison`; active elsewhere, it gets the crash and stays
 * there, and whoever recovers that worker finds it.  An ended job gets nothing.
 */
#ifndef FLOTILLA_BLAME_H
#define FLOTILLA_BLAME_H

#include "common/config/config.h"
#include "common/core/err.h"
#include "common/queue/settle.h"

/* Has it crashed so often that it must end? */
bool blame_is_enough(const struct config *cfg, int crashes);

struct blame_options {
    struct redis *redis; /* borrowed until the callback, as cfg and who are */
    const struct config *cfg;
    const struct settle_who *who;
    const char *job; /* borrowed likewise */
};
/* err NULL: done.  ended: it is dead now. */
typedef void blame_cb(void *arg, bool ended, const struct err *err);
void blame_start(const struct blame_options *o, blame_cb *cb, void *arg);

#endif
