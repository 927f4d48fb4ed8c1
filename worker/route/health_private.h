/* health_private.h - what the files of health.h share. */
#ifndef FLOTILLA_HEALTH_PRIVATE_H
#define FLOTILLA_HEALTH_PRIVATE_H

#include "common/core/hash.h"
#include "worker/route/health.h"

enum { HEALTH_ROUTES_MAX = 512 }; /* of a process, and of the fleet in Redis */

struct health_route {
    char name[HEALTH_NAME];    /* "<provider> <model>", as in Redis */
    const char *model;         /* points into it */
    struct health_state own;   /* what this process saw; its monotonic clock */
    struct health_state fleet; /* as last received; Redis's clock */
    struct health_tally tell;  /* seen, and not sent yet; the monotonic clock */
    int64_t expected_ms;
    int64_t p50_ms;    /* of both records, for the router; as of the last look */
    int64_t judged_ms; /* when `own` was judged last */
    struct health_call *first, *last;

    /* to be sent, see health_propose() */
    bool wants_probe; /* a job asked when a probe was due */
    bool granted;     /* this process has the fleet's probe, and no call has taken it */
    int64_t granted_ms;
    bool has_outcome; /* the fleet's probe ended */
    enum health_probe outcome;
    int64_t outcome_ms; /* the latency of a good one */
    char *gone;         /* the alert's text: the provider does not have the model */
    bool heard;         /* in the reply that is being read */
    bool kept;          /* a part keeps its address */
    int tickets;        /* calls that keep its address */
    UT_hash_handle hh;
};

struct health {
    const struct env *env;
    struct health_route *routes;
    size_t count;
    bool waiting;     /* a script call is under way */
    bool urgent;      /* send once more as soon as possible */
    bool asked;       /* a job asked since the last call */
    int64_t sent_ms;  /* monotonic; of the last script call; 0: never */
    int64_t heard_ms; /* monotonic; 0: never */
    int64_t ahead_ms; /* Redis's clock minus the monotonic one */
    int64_t beat_ms;  /* monotonic; of the heartbeat that brings the records; 0: it does not */
    struct loop_timer *timer;
};

/* The route of a record in Redis; NULL: there is no room. */
struct health_route *health_heard_route(struct health *h, const char *provider, struct span model);
struct health_rules health_rules_of(const struct health *h, const struct health_route *t);
/* The rules for the record of the fleet. */
struct health_rules health_fleet_rules_of(const struct health *h, const struct health_route *t);
/* Compute p50_ms. */
void health_refresh(struct health_route *t);
/* Judge what this process saw of a route, at most every 100 ms. */
void health_look(struct health *h, struct health_route *t, int64_t now_ms);
/* The same for all routes that have calls. */
void health_look_all(struct health *h);
/* Redis's time now, approximately. */
int64_t health_fleet_now(const struct health *h);
/* Is the received state of the fleet recent enough? */
bool health_is_fresh(const struct health *h);
/* Does this process have the fleet's probe? */
bool health_is_mine(const struct health *h, const struct health_state *s);
/* Was the probe granted to this process, and no call took it? */
bool health_probe_is_unused(const struct health_route *t);
struct health_proposal {
    struct health_state next;
    const char *fate; /* of the tallies */
    const char *code; /* of the alert */
    struct buf text;
    bool probe;
};
/* The head that this process proposes for the fleet's record; false: none.  The caller frees
 * w->text. */
bool health_propose(const struct health *h, struct health_route *t, struct health_proposal *w);
/* Send soon: there is a shift, or a job waits for it. */
void health_sync_soon(struct health *h);
void health_sync_done(struct health *h);

#endif
