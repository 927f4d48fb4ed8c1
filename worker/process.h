/* process.h - one worker process: one event loop, hundreds of jobs in flight.
 *
 *            redis (scripts)          wait connections (BLPOP wake:...)
 *               |                              |
 *   heartbeat --+-- pull: claim, start  <------+
 *               |        |
 *               |       run: the job type's steps ---> http (providers, webhooks)
 *               |        |
 *               +---- outbox: finish, defer
 *
 * life.c makes the parts and owns the life cycle:
 *
 *   START --registered--> WORKING --TERM/drain--> DRAINING --nothing left--> exit
 *            ^               | gone (reaped)
 *            +--- new id ----+
 */
#ifndef FLOTILLA_PROCESS_H
#define FLOTILLA_PROCESS_H

#include "common/core/err.h"
#include "common/io/http_client.h"
#include "common/queue/job.h"
#include "worker/child.h"
#include "worker/claims/claimer.h"
#include "worker/claims/strays.h"

struct clients;
struct pull;
struct outbox;
struct heartbeat;
struct run;
struct stops;
struct routes;
struct market;
struct watch;
struct habits;
struct hooks;
struct chunks;
struct cache;
struct shares;
struct health;
struct limiter;
struct holds;
struct takeovers;
struct rooms;
struct budget_rooms;
struct drain;
struct job_type;

struct process {
    struct env env;
    struct redis *wait[2];   /* BLPOP on the wake lists: realtime, the others */
    struct clients *clients; /* HTTP */
    struct claimer claimer;  /* what claims/ knows of it; its flags are the process's */
    struct slots slots;
    struct child *child;
    struct drain *drain; /* how it ends */
    struct job_defaults defaults;
    const struct job_type *const *types; /* by enum job_type_id */
    bool leave;                          /* the loop was stopped */
    struct heartbeat *heartbeat;
    struct pull *pull;
    struct outbox *outbox;
    struct strays strays;
    struct stops *stops;
    struct health *health;             /* of the routes */
    struct routes *routes;             /* the live table */
    struct market *market;             /* what changes it at run time */
    struct watch *watch;               /* what is seen of them */
    struct habits *habits;             /* how the providers answer */
    struct limiter *limiter;           /* the rates of keys and models */
    struct rooms *rooms;               /* of postponed jobs, which are called back */
    struct budget_rooms *budget_rooms; /* those of jobs that wait for a budget */
    struct holds *holds;               /* money set aside for calls: budget/ */
    struct hooks *hooks;               /* webhook deliveries per host */
    struct cache *cache;               /* answers kept in Redis */
    struct shares *shares;             /* equal calls under way */
    struct takeovers *takeovers;       /* dead processes whose jobs are still to be recovered */
    struct chunks *chunks;             /* streamed answers, for who reads along */
    struct run *runs;                  /* all in hand, by id (uthash) */
    size_t waiting;                    /* runs that wait in memory without one */
    size_t waiting_bytes;              /* of their records */
    struct run *slot_waiters;          /* those of them that wait for one again, in order */
};

#endif
