/* orphans.h - money that a dead worker had set aside for its calls is spent, as they may be paid.
 *
 * A hold (lua/budget.lua) is named "<job>:<token>.<n>" after the claim that it was made for, and
 * the token begins with the worker's tag: so the holds of one worker are found by their names.
 * Left alone each would keep its room until its deadline, as a call under way does: for streams
 * that is limits.stream_max_ms.
 *
 * What is charged twice counts once, and a late answer (the worker was not dead) still corrects
 * it.  It is for workers whose jobs were taken from them, and their `unconfirmed` costs told: what
 * was reserved becomes what was told, and never less.
 */
#ifndef FLOTILLA_ORPHANS_H
#define FLOTILLA_ORPHANS_H

#include "common/core/err.h"
#include "common/queue/keys.h"

/* err: Redis failed; what was not charged yet is so at its deadline, or when this is called again.
 */
typedef void orphans_cb(void *arg, const struct err *err);
/* The connection has the budget script among its scripts; it and the keys are borrowed until the
 * callback, as is worker: its id. */
void orphans_charge(struct redis *redis, const struct keys *keys, const char *worker,
                    orphans_cb *cb, void *arg);

#endif
