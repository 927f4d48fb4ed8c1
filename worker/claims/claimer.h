/* claimer.h - what the parts of claims/ need to know of the process, and what they report to it.
 *
 * They know ids, records and outcomes; what a run is, and which other parts a worker has, they do
 * not know.  process.c fills this in. */
#ifndef FLOTILLA_CLAIMER_H
#define FLOTILLA_CLAIMER_H

#include "common/queue/job.h"
#include "worker/env.h"

struct child;
struct cost_report;
struct claimer;
struct run;

/* Room for calls under way. */
struct slots {
    size_t running;          /* runs that occupy one */
    size_t waiters;          /* runs in hand that wait for one: they go before new jobs */
    size_t realtime_waiters; /* of them, those of realtime's queue */
    uint64_t calls_ended;    /* runs that made a call and have left their slot for good */
};

/* A claimed job that was started. */
struct started {
    const char *id, *token;
    struct span record;
    int64_t now_ms; /* Redis's clock */
};

struct claimer_ops {
    bool (*may_call)(
        const struct claimer *h); /* false: the heartbeat is not acknowledged in time */
    bool (*has)(const struct claimer *h, const char *id); /* is it in hand? */
    void (*start)(struct claimer *h, const struct started *s);
    void (*settled)(struct claimer *h, struct run *r, char code); /* see settle_code */
    void (*costs_reported)(struct claimer *h, struct cost_report *take_c, char code);
    void (*stray)(struct claimer *h,
                  const char *id); /* it is ours in Redis, and was never started */
    bool (*wants_health)(
        struct claimer *h); /* shall the next heartbeat bring the routes' health? */
    void (*heard)(struct claimer *h, const struct reply *beat); /* the heartbeat's answer */
    void (*gone)(struct claimer *h); /* a script says that this id was reaped */
    void (*kick)(struct claimer *h); /* something ended: there may be more to do */
};

struct claimer {
    const struct claimer_ops *ops;
    void *arg; /* of the ops */
    const struct env *env;
    struct child *child;
    const struct slots *slots;
    const struct job_defaults *defaults;
    int64_t started_ms; /* wall */
    bool registered;    /* the fleet knows this id */
    bool draining;
    bool kicking; /* claimer_kick_later was called in this turn */
    bool fenced;  /* reaped: no new id before the old one's runs are settled */
    int starting; /* start calls without an answer: slots wait for them */
};

/* May a call be started now?  False while the heartbeat is not acknowledged for half a lease, or
 * gone. */
bool claimer_may_call(const struct claimer *c);
/* A script said that this worker is not registered: it was reaped.  Its runs are fenced; once they
 * are settled, it takes a new id. */
void claimer_gone(struct claimer *c);
/* Something ended: claim more, or leave when draining is over. */
void claimer_kick(struct claimer *c);
void claimer_kick_later(struct claimer *c); /* at the end of this turn of the loop */

#endif
