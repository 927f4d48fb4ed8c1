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
    struct health_state fleet; /* as last heard; Redis's clock */
    struct health_tally tell;  /* seen, and not told yet; the monotonic clock */
    int64_t expected_ms;
    int64_t p50_ms, p90_ms; /* of both records, for who chooses; as of the last look */
    int64_t judged_ms;      /* when `own` was judged last */
    struct health_call *first, *last;

    /* to be told, see health_propose() */
    bool wants_probe; /* a job asked for it when a probe was due */
    bool granted;     /* the fleet's probe is this process's, and no call has it yet */
    int64_t granted_ms;
    bool has_outcome; /* the fleet's probe ended */
    enum health_probe outcome;
    int64_t outcome_ms; /* the latency of a good one */
    char *gone;         /* the alert's text: the provider does not have the model */
    bool heard;         /* by the answer that is being read */
    bool kept;          /* somebody knows it by its address */
    int tickets;        /* of calls; they do as well */
    UT_hash_handle hh;
};

struct health {
    const struct env *env;
    struct health_route *routes;
    size_t count;
    bool waiting;     /* for an answer */
    bool urgent;      /* once more, as soon as that may be */
    bool asked;       /* a job asked since the last call */
    int64_t sent_ms;  /* monotonic; of the last script call; 0: never */
    int64_t heard_ms; /* monotonic; 0: never */
    int64_t ahead_ms; /* Redis's clock minus the monotonic one */
    struct loop_timer *timer;
};

/* The route that the fleet told of; NULL: there is no room. */
struct health_route *health_heard_route(struct health *h, const char *provider, struct span model);
struct health_rules health_rules_of(const struct health *h, const struct health_route *t);
/* The same as the fleet is judged by. */
struct health_rules health_fleet_rules_of(const struct health *h, const struct health_route *t);
/* p50_ms and p90_ms, anew. */
void health_refresh(struct health_route *t);
/* Judge what this process saw of a route, now and then. */
void health_look(struct health *h, struct health_route *t, int64_t now_ms);
/* Look at what this process sees: calls that are late, shares of failures. */
void health_look_all(struct health *h);
/* Redis's time now, about. */
int64_t health_fleet_now(const struct health *h);
/* Is what was heard of the fleet still good? */
bool health_is_fresh(const struct health *h);
/* Is the fleet's probe this process's? */
bool health_is_mine(const struct health *h, const struct health_state *s);
/* Was it granted to this process, and no call came that wanted it? */
bool health_probe_is_unused(const struct health_route *t);
struct health_proposal {
    struct health_state next;
    const char *fate; /* of the tallies */
    const char *code; /* of the alert */
    struct buf text;
    bool probe;
};
/* What this process would make of the fleet's record; false: nothing.  w->text is the caller's. */
bool health_propose(const struct health *h, struct health_route *t, struct health_proposal *w);
/* Tell and hear soon: there is a shift, or somebody waits for it. */
void health_sync_soon(struct health *h);
void health_sync_done(struct health *h);

#endif
