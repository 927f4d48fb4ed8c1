/* select.h - which routes a job may take, best first: a pure function.
 *
 *     struct route_list list;
 *     route_select(table, &rules, &needs, &view, &list);
 *     list.of[0] is called; when that fails, list.of[1] ...
 *
 * Same arguments, same list: no chance, no clock.  The list depends on the model
 * that the job names:
 *
 *   named      the model at each of its providers, in the configuration's order; where it is gone,
 *              its replacement; then the fallbacks: the job's, else the model's, else the task's.
 *              Nothing else: a name is obeyed.  Models that are not allowed are left out; routes
 *              that are gone are left out if another one remains
 *   auto       all routes of the task that may be routed to, by score; then the job's fallbacks
 *   unnamed    as auto; with routing.unnamed `default`, the task's default model first
 *
 * The router leaves out candidates that lack a feature of the body, or whose
 * context is too small for prompt and answer.  Slow routes come after all
 * others.  Open routes (an open breaker, a missing or stopped key) come last.
 *
 * The score is a weighted mean (simple additive weighting with the linear
 * scale transformation: Hwang & Yoon, Multiple Attribute Decision Making, 1981,
 * where a cost criterion is rated min / x) of three ratings from 0 to 1:
 *
 *   price     cheapest of the candidates / this one's price.  Of tokens: (3 x in + out) / 4 per
 *             million, as a prompt is mostly about three times as long as its answer; of an
 *             image: its price.  An unknown price rates 0
 *   latency   quickest of the candidates / this one's p50: measured, else expected (an unknown one
 *             rates 1, so that it is tried, and then measured)
 *   quality   as configured
 *
 *   score = (w_price x price + w_latency x latency + w_quality x quality) / (sum of weights)
 *
 * Weights are those of the job's priority (section routing).  A tie goes to the
 * id that sorts first, then to the provider that does.
 */
#ifndef FLOTILLA_SELECT_H
#define FLOTILLA_SELECT_H

#include "common/queue/job.h"
#include "common/route/routes.h"

enum { ROUTE_LIST_MAX = 8, ROUTE_NAMES_MAX = 8 };

/* ---- what is known of a route's health ---- */
enum route_state {
    ROUTE_FINE,
    ROUTE_PROBE, /* it was slow or open, and one call may try: as if fine */
    ROUTE_SLOW,
    ROUTE_OPEN, /* not to be called now */
    ROUTE_GONE  /* the provider has no such model */
};
struct route_health {
    enum route_state state;
    int64_t p50_ms; /* measured of late; of a PROBE what is its norm; 0: nothing is */
};
struct route_view {
    struct route_health (*of)(void *arg, const struct route *r); /* NULL: nothing is known */
    void *arg;
};

/* ---- what is asked ---- */
struct route_weights {
    int64_t price, latency, quality;
};
struct route_rules {
    struct route_weights weights[3]; /* by enum job_priority */
    bool default_first;              /* for jobs that name no model */
    size_t candidates;               /* at most so many of a free choice, and ROUTE_LIST_MAX */
};
void route_rules_from(struct route_rules *ret, const struct config *cfg);

struct route_needs {
    enum task_bit task;
    enum job_priority priority;
    struct span model; /* named; {NULL, 0}: none */
    bool automatic;    /* "auto" was named (model is empty then) */
    int64_t tokens;    /* prompt and answer, estimated; 0: no matter */
    unsigned features; /* feature_bit */
    bool has_fallbacks;
    struct span fallbacks[ROUTE_NAMES_MAX]; /* the job's own, with has_fallbacks */
    size_t fallback_count;
};

/* ---- the answer ---- */
enum route_out {
    ROUTE_IN,
    ROUTE_NOT_THERE,
    ROUTE_OTHER_TASK,
    ROUTE_NOT_ALLOWED,
    ROUTE_NOT_ROUTED,
    ROUTE_NO_FEATURE,
    ROUTE_NO_CONTEXT,
    ROUTE_IS_GONE
};
const char *route_out_text(enum route_out why); /* for people; "" for ROUTE_IN */
const char *route_state_name(enum route_state s);

struct candidate {
    const struct route *route; /* NULL: unknown here; called by its name, unpriced */
    struct span name;          /* the model; lives as long as the table or the needs */
    struct route_health health;
    double score, price, latency, quality; /* 0 when it was not scored */
    enum route_out why;                    /* ROUTE_IN, or why it would not be chosen freely */
};
struct route_list {
    struct candidate of[ROUTE_LIST_MAX];
    size_t count;
    enum route_out why; /* count 0: the best that can be said */
};

void route_select(const struct routes *t, const struct route_rules *rules,
                  const struct route_needs *needs, const struct route_view *view,
                  struct route_list *ret);
/* What a gone model is replaced by, put behind place `at` of the list; false: nothing new, or
 * another provider has it still. */
bool route_list_replace(const struct routes *t, struct route_list *l, size_t at,
                        const struct route_view *view);

/* Every route of the table that is there, as a job without a name would see it: scored and in
 * order, then those that are left out with why.  Returns how many of max were filled. */
size_t route_explain(const struct routes *t, const struct route_rules *rules,
                     const struct route_needs *needs, const struct route_view *view,
                     struct candidate *ret, size_t max);

#endif
