/* usage.h - what a provider says a call used.
 *
 * Providers write it in different words (the table in usage.c).  Where their numbers disagree, the
 * larger ones are taken, so that a cost is never too low, and `estimated` is set:
 *
 *   total = prompt + completion              as it says
 *   total = prompt + completion + reasoning  reasoning came on top, and is billed as completion
 *   another total                            the larger of the total and the sum
 *   no total, reasoning > completion         reasoning came on top
 */
#ifndef FLOTILLA_TOGETHER_USAGE_H
#define FLOTILLA_TOGETHER_USAGE_H

#include "common/model/cost.h"

/* v: the value of a `usage` member, perhaps absent.  ret->there is false when v does not say what
 * the task needs; `images` is left alone. */
void together_usage_read(unsigned task, struct span v, struct usage *ret);

#endif
