/* inference_plan.c - which request, to whom; and to whom next.
 *
 *   job ─ read once ─▶ needs ─ route_select ─▶ routes ─▶ [0] ─ fails ─▶ [1] ─ fails ─▶ ...
 *
 * All of it is one attempt of the job.  The column `onward` of err_kinds.def
 * says which other route may succeed after a failure; the job's own failures
 * stay, and end or repeat the job as ever.  When all routes have failed, the
 * most severe failure decides: the provider's state parks the job, unless a
 * call may have been billed, which is an attempt.
 *
 * A call that timed out or was lost may be paid, and the next one is a second one: that is
 * what trying another route costs, and each has its event.  Text of a stream
 * that was passed on is never followed by another model's.
 */
#include <stdio.h>
#include <string.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/model/tokens.h"
#include "worker/inference/inference.h"
#include "worker/route/habits.h"
#include "worker/route/watch.h"

/* ---- plan ---- */

/* Tokens of a prompt are counted only where their number could matter: no text has more of them
 * than half its bytes. */
static int64_t tokens_of(const struct run *r, const struct together_request *req)
{
    const unsigned one_text = TASK_CHAT | TASK_CODE | TASK_COMPLETION;
    struct span body = req->parts.body.p ? req->parts.body : r->job.payload;
    int64_t most = (int64_t)body.n / 2 + req->max_tokens;

    if (!(req->task & one_text) || most <= r->p->routes->least_context)
        return 0;
    return tokens_of_request(req->task, body) + req->max_tokens;
}

static void make_needs(const struct run *r, struct route_needs *ret)
{
    const struct inference *i = r->state;
    const struct together_request *req = &i->req;

    *ret = (struct route_needs){.task = (enum task_bit)req->task,
                                .priority = r->job.priority,
                                .automatic = req->automatic,
                                .tokens = tokens_of(r, req),
                                .features = req->features,
                                .has_fallbacks = req->has_fallbacks,
                                .fallback_count = req->fallback_count};
    if (req->requested && !req->automatic)
        ret->model = req->named;
    for (size_t k = 0; k < req->fallback_count; k++)
        ret->fallbacks[k] = req->fallbacks[k];
}

bool inference_suits(const struct run *r, const struct model *m)
{
    struct route_needs needs;

    make_needs(r, &needs);
    return !(needs.features & ~m->features) && (m->context == 0 || needs.tokens <= m->context);
}

static void no_route(struct run *r, enum route_out why)
{
    const struct inference *i = r->state;
    struct failure f = {.server_wait_ms = -1};
    struct span named = i->req.automatic ? (struct span){"auto", 4} : i->req.named;

    err_set(&f.err, ERR_MODEL_UNAVAILABLE, "no model can be called for task '%s'%s%.*s%s%s%s",
            task_name((enum task_bit)i->req.task), named.n ? ", model '" : "", (int)named.n,
            named.n ? named.p : "", named.n ? "'" : "", why == ROUTE_IN ? "" : ": ",
            route_out_text(why));
    run_fail(r, &f);
}

/* The route at this place of the list is the one to call; false: the run has ended. */
bool inference_take(struct run *r, size_t at)
{
    struct inference *i = r->state;
    const struct candidate *c = &i->routes.of[at];
    struct failure f = {.server_wait_ms = -1};

    i->at = at;
    i->again = false;
    i->route = c->route;
    i->model = c->route ? &c->route->model : NULL;
    i->provider = c->route ? c->route->provider : config_provider(r->p->env.cfg, "together");
    i->req.ask_usage =
        together_request_may_ask_usage(&i->req) && habits_ask_usage(r->p->habits, i->provider);
    if (!together_request_write(&r->job, c->name, &i->req, &f.err)) {
        run_fail(r, &f);
        return false;
    }
    r->model = i->req.model;
    r->provider = i->provider->name;
    return true;
}

void inference_plan(struct run *r)
{
    struct inference *i = xcalloc(1, sizeof *i);
    const struct route_view view = watch_view(r->p->watch);
    struct failure f = {.server_wait_ms = -1};
    struct route_rules rules;
    struct route_needs needs;

    r->state = i;
    i->invalid = inference_invalid_so_far(r);
    if (!together_request_read(&r->job, &i->req, &f.err)) {
        run_fail(r, &f);
        return;
    }
    make_needs(r, &needs);
    route_rules_from(&rules, r->p->env.cfg);
    route_select(r->p->routes, &rules, &needs, &view, &i->routes);
    if (!i->routes.count)
        no_route(r, i->routes.why);
    else if (inference_take(r, 0))
        run_next(r);
}

/* ---- the next route ---- */

/* How much a failure counts when all routes have failed: the provider's state most; but a call
 * that may be billed is an attempt, or a job could pay for a call after every pause. */
static int severity_of(enum err_kind kind)
{
    if (err_may_be_billed(kind))
        return 4;
    switch (err_class(kind)) {
    case ERR_CLASS_PARK:
    case ERR_CLASS_STOP: return 3;
    case ERR_CLASS_RETRY: return 2;
    case ERR_CLASS_FAIL: return 1;
    case ERR_CLASS_NONE: break;
    }
    return 0;
}

/* Of equal ones the first stays, as it is of the route that was preferred; but for refusals, of
 * which the last is of the route that was wanted in the end, and for routes that are out, of which
 * the one that comes back first counts. */
static void note(struct inference *i, const struct failure *f, bool blocked)
{
    int is = severity_of(f->err.kind), was = severity_of(i->failed.err.kind);
    bool sooner = blocked && i->blocked && f->server_wait_ms < i->failed.server_wait_ms;

    if (is < was || (is == was && err_class(f->err.kind) != ERR_CLASS_FAIL && !sooner))
        return;
    i->failed = *f;
    i->blocked = blocked;
    snprintf(i->failed_code, sizeof i->failed_code, "%s", f->provider_code ? f->provider_code : "");
    i->failed.provider_code = i->failed_code;
}

/* By name: a reload makes new providers. */
static bool is_same_provider(const struct inference *i, size_t at)
{
    const struct route *route = i->routes.of[at].route;

    return !strcmp(route ? route->model.provider : "together", i->provider->name);
}

bool inference_may_take(const struct run *r, size_t at)
{
    const struct route *route = ((const struct inference *)r->state)->routes.of[at].route;

    return !route || route->there;
}

/* The place of the next route that may do better; the list's end: there is none. */
static size_t next_route(const struct run *r, enum err_onward onward)
{
    const struct inference *i = r->state;
    size_t at = i->at + 1;

    while (at < i->routes.count && (!inference_may_take(r, at) ||
                                    (onward == ERR_ONWARD_PROVIDER && is_same_provider(i, at))))
        at++;
    return onward == ERR_ONWARD_STAY ? i->routes.count : at;
}

static void give_up(struct run *r)
{
    const struct inference *i = r->state;
    struct failure last = i->failed;
    enum err_class class = err_class(last.err.kind);

    /* Equal calls wait for the provider as this one does; the job's own failure they see for
     * themselves. */
    if (class != ERR_CLASS_PARK && class != ERR_CLASS_STOP)
        inference_cache_failed(r);
    if (i->blocked)
        run_park(r, &last.err, last.server_wait_ms);
    else
        run_fail(r, &last);
}

static void go_on(struct run *r, const struct failure *f, bool blocked)
{
    struct inference *i = r->state;
    const struct route_view view = watch_view(r->p->watch);
    enum err_onward onward = i->passed_on ? ERR_ONWARD_STAY : err_onward(f->err.kind);
    size_t next;

    note(i, f, blocked);
    if (onward == ERR_ONWARD_REPLACE)
        route_list_replace(r->p->routes, &i->routes, i->at, &view);
    next = next_route(r, onward);
    if (next >= i->routes.count) {
        give_up(r);
        return;
    }
    log_event(LOG_INFO, "call.next", "job=%s model=%s provider=%s code=%s msg=%s", r->id,
              log_quote_n(i->req.model.p, i->req.model.n), i->provider->name, err_code(f->err.kind),
              log_quote(f->err.msg));
    if (inference_take(r, next))
        run_enter(r, INFERENCE_CALL);
}

void inference_failed(struct run *r, const struct failure *f) { go_on(r, f, false); }

void inference_blocked(struct run *r, const struct err *why, int64_t wait_ms)
{
    go_on(r, &(struct failure){.err = *why, .server_wait_ms = wait_ms}, true);
}
