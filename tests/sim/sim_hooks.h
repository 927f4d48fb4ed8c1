/* sim_hooks.h - a receiver of webhooks: what came to /_sim/hook/<anything>.
 *
 * At most SIM_HOOKS_MAX deliveries are kept, each with at most
 * SIM_HOOK_BODY_MAX bytes of body (the rest is counted in body_bytes); the
 * count goes on.  What the receiver answers is a list of faults (sim_fault.h),
 * else 200.
 */
#ifndef FLOTILLA_SIM_HOOKS_H
#define FLOTILLA_SIM_HOOKS_H

#include "common/core/base.h"

#define SIM_HOOKS_MAX     20000
#define SIM_HOOK_BODY_MAX ((size_t)1024 * 1024)

struct sim_hook {
    char *path, *headers; /* headers: a JSON object, names in lower case */
    char *body;
    size_t body_bytes, kept_bytes;
    int64_t received_ms;
    int status; /* what was answered */
};

struct sim_hooks {
    struct sim_hook *items;
    size_t kept;
    int64_t count;
};

void sim_hooks_reset(struct sim_hooks *h);

#endif
