/* retry.h - what becomes of a job whose call failed: a pure decision.
 *
 *   class FAIL        the job ends
 *   class RETRY       an attempt is spent; the last one ends the job; backoff with full jitter:
 *                     uniform in [0, min(max_ms, delay_ms * 2^n)], n = attempts spent before
 *                     (fixed: delay_ms)
 *   class PARK, STOP  no attempt is spent; pause uniform in [p/2, p], p = what was waited since the
 *                     first of these pauses without a break, but within park_min and park_max; the
 *                     job ends when that is retry.max_wait_ms, or at its expiry
 *
 * What the server asked to wait is the least that is waited. */
#ifndef FLOTILLA_RETRY_H
#define FLOTILLA_RETRY_H

#include "common/core/err.h"
#include "common/queue/job.h"
#include "common/queue/record.h"

struct retry_rules {
    int64_t park_min_ms, park_max_ms, max_wait_ms, server_wait_max_ms;
};
struct retry_in {
    enum err_kind kind;
    const struct job *job;
    const struct record *rec;
    int64_t now_ms;                  /* wall */
    int64_t server_wait_ms;          /* -1: none */
    int64_t (*below)(int64_t bound); /* random_below; tests give their own */
};
enum retry_action { RETRY_END, RETRY_LATER, RETRY_PARK };
struct retry_out {
    enum retry_action action;
    enum err_kind kind; /* of the result when it ends (waited_too_long, expired, or the same) */
    int64_t delay_ms;
    bool attempt_spent;
};
struct retry_out retry_decide(const struct retry_rules *rules, const struct retry_in *in);
/* The largest pause before try n (0-based), without jitter. */
int64_t retry_backoff_ms(const struct job *job, int attempts_spent);

#endif
