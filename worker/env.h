/* env.h - what nearly every part of a worker process uses.
 *
 * One per process; parts borrow it for their whole life and read a member when they need it, for
 * some change: cfg and group at a reload, id after the worker was reaped, redis when it connects.
 * Only process.c writes. */
#ifndef FLOTILLA_ENV_H
#define FLOTILLA_ENV_H

#include "common/config/config.h"
#include "common/io/loop.h"
#include "common/io/redis.h"
#include "common/queue/keys.h"
#include "common/queue/work.h"

struct env {
    struct loop *loop;
    struct redis *redis; /* for scripts; NULL before the connection is made and after its end */
    struct config *cfg;
    const struct config_group *group;
    struct keys keys;
    char id[WORKER_ID_MAX];
};

#endif
