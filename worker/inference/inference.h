/* inference.h - one inference job on its way to a provider: private to worker/inference/inference*.c.
 *
 *   PLAN ──▶ CACHE ──▶ BUDGET ──▶ PACE ──▶ SEND ──▶ judge ──▶ result
 *              │         ▲                            ├─────▶ the next route, where another may do
 *              │         └────────────────────────────┘ │     better
 *            result                                     └───▶ run_fail, whose table decides: retry,
 *                                                             park, end
 *
 * These are the steps of run.h.  What a step waits for stands in struct
 * inference, and its abort function undoes it.
 *
 * A new step is a row in inference_steps.def and a file inference_<step>.c.
 */
#ifndef FLOTILLA_INFERENCE_H
#define FLOTILLA_INFERENCE_H

#include "common/route/select.h"
#include "worker/budget/budget_room.h"
#include "worker/budget/holds.h"
#include "worker/limit/limiter.h"
#include "worker/route/health.h"
#include "worker/route/stops.h"
#include "worker/run.h"
#include "worker/together/reply.h"
#include "worker/together/request.h"

enum inference_step {
#define X(STEP, name, abort) INFERENCE_##STEP,
#include "worker/inference/inference_steps.def"
};

struct inference {
    struct together_request req;
    struct route_list routes;  /* those it may take, best first */
    size_t at;                 /* the one that is taken */
    const struct route *route; /* the same; NULL: unknown */
    const struct model *model; /* its row; NULL: unknown, unpriced */
    const struct config_provider *provider;
    char fingerprint[STOPS_FINGERPRINT]; /* of the provider's key */
    struct limiter_call pace;            /* its turn at the provider's rate */
    struct loop_timer *patience;         /* then the money of a waiting call is released */
    struct loop_timer *review;           /* then the wait is looked at again */
    int reviews;                         /* of a wait in the slot */
    struct hold *hold;                   /* money set aside for the call; NULL: none */
    int64_t worst_nanousd;               /* how much */
    struct budget_wait refused;          /* the budget that it is postponed for */
    bool covered;                        /* BUDGET let the next call pass */
    struct health_call health;           /* its ticket */
    struct loop_timer *probe;            /* the probe that was asked for it is expected then */
    bool probe_expected;                 /* it has waited for that already */
    struct flight *flight;               /* the call under way */
    bool again;                          /* the one immediate retry was used */
    struct failure failed;               /* of the routes before: the failure that counts */
    bool blocked;                        /* that was no failed call, but none */
    char failed_code[64];                /* its provider_code's memory */
    struct inference_cached *cached;     /* its answer may be known, or another's; else NULL */
    struct chunk_stream *chunks;         /* of a streamed answer; NULL until it begins */
    bool passed_on;                      /* readers have some of its text */
    int invalid; /* answers that were not the JSON that was asked for; earlier claims included */
};

/* What came back: a whole answer of any status. */
struct inference_answer {
    struct together_reply reply;   /* read */
    struct span body;              /* what becomes the output; empty when it is a failure */
    const struct http_reply *http; /* status and headers */
    bool began; /* of a stream: text had come before it ended, well or with an error */
};

/* ---- the steps ---- */
#define X(STEP, name, abort) void inference_##name(struct run *r);
#include "worker/inference/inference_steps.def"
void inference_cache_abort(struct run *r);
void inference_budget_abort(struct run *r);
void inference_pace_abort(struct run *r);
void inference_send_abort(struct run *r);

/* ---- the way from one route to the next (inference_plan.c) ---- */
/* The first step that each further call of the run repeats. */
#define INFERENCE_CALL INFERENCE_BUDGET
/* False: that route was removed since the routes were chosen. */
bool inference_may_take(const struct run *r, size_t at);
/* Turn to this place of i->routes; false: the run is over. */
bool inference_take(struct run *r, size_t at);
/* Has this model the context and the features that the body asks for? */
bool inference_suits(const struct run *r, const struct model *m);
/* The call to the present route failed: goes to the next one that may do better, else ends the run
 * as run_fail does, by the failure that counts. */
void inference_failed(struct run *r, const struct failure *f);
/* It cannot be made now: the same, but at the end the job is parked for exactly wait_ms. */
void inference_blocked(struct run *r, const struct err *why, int64_t wait_ms);

/* ---- the rate (inference_pace.c) ---- */
/* The call was answered, or lost: the limiter learns from it.  tokens: used, -1 unknown. */
void inference_pace_end(struct run *r, const struct inference_answer *a, double tokens);
/* 429: a job that was postponed often enough waits for another turn where it is.  False: it is
 * parked, as for any other state of the provider, or has waited for too long. */
NODISCARD bool inference_pace_again(struct run *r);

/* ---- the money of a call (inference_budget.c) ---- */
/* The call that the run is at. */
struct run_call inference_call(const struct inference *i);
/* A call ended, and cost this or may have: what was set aside for it is settled.  Another call of
 * the same run passes through BUDGET again. */
void inference_settle(struct run *r, const struct cost *c);
void inference_release(struct run *r); /* the run is over: what it still holds is released */
/* The call is not made soon: others may have its money meanwhile.  It passes through BUDGET again
 * when it may go. */
void inference_release_money(struct run *r);

/* ---- judging (inference_judge.c): each ends the run, or goes to a step ---- */
void inference_answered(struct run *r, const struct inference_answer *a);
void inference_lost(struct run *r, const struct http_reply *reply); /* no complete answer */
/* A call was cut by us: it may be paid. */
void inference_report_lost(struct run *r);

/* ---- is it the JSON that was asked for? (inference_check.c) ---- */
int inference_invalid_so_far(const struct run *r); /* as persisted */
/* Both keep the value that it holds in r->structured. */
/* For answers that somebody else got: nothing is asked for again. */
NODISCARD bool inference_fits(struct run *r, struct span answer);
/* False: no; it is asked for again, or the run has failed. */
NODISCARD bool inference_check(struct run *r, struct span answer);

/* ---- answers that others may have (inference_keep.c) ---- */
/* There is a good answer to a call of that model: keep it, and give it to the runs that wait for it.  *output:
 * what the job ends with, when it is kept. */
enum inference_kept {
    INFERENCE_KEPT,
    INFERENCE_ASKED_AGAIN, /* it does not go with what was known; the run goes on */
    INFERENCE_NO_ANSWER    /* to what the job asked */
};
NODISCARD enum inference_kept inference_cache_keep(struct run *r, struct span model,
                                                   const struct inference_answer *a,
                                                   const struct cost *cost, struct span *output);
void inference_cache_failed(struct run *r); /* no answer for others: another one calls, or all do */
/* It did not fit, and is asked again: another one calls; after so many such answers all do. */
void inference_cache_again(struct run *r, int64_t most);
void inference_cache_leave(struct run *r); /* it is taken away: another one calls at once */
void inference_cache_over(struct run *r);  /* the run has ended or was deferred */
/* ---- the route's health (inference_health.c) ---- */
/* False: the route is out, and the run was deferred or waits for a probe. */
NODISCARD bool inference_may_go(struct run *r);
/* message: the provider's. */
void inference_report_failed(struct run *r, enum err_kind kind, const char *message);

/* ---- streamed answers (inference_stream.c), for inference_call.c ---- */
struct inference_stream;
/* Fills in the time-outs and caps of the request. */
struct inference_stream *inference_stream_new(struct run *r, struct http_request *q);
void inference_stream_free(struct inference_stream *s); /* NULL is fine */
/* http_head_cb and http_data_cb: */
bool inference_stream_head(struct inference_stream *s, const struct http_reply *head);
bool inference_stream_data(struct inference_stream *s, struct http_call *call, const char *p,
                           size_t n);
/* The call is over.  False: no stream came, it is an answer like any other. */
NODISCARD bool inference_stream_done(struct inference_stream *s, const struct http_reply *reply);
void inference_stream_over(struct run *r); /* the run has ended or was deferred */

#endif
