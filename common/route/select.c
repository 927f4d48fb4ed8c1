/* select.c - see select.h.
 *
 *   routes ─ rate: may it? ─▶ candidates ─ score ─▶ sorted ─ the first few ─▶ list
 *                                                              ▲
 *   names (job, model, task) ─ chains of providers ────────────┘
 *
 * A route decision is made per job, so nothing is allocated and each route is
 * looked at once: candidates are rated into a fixed array, and only as many of
 * them are kept in order as the list takes.
 *
 * A further reason to leave a route out is a value of enum route_out and a line
 * in rate(); a further criterion is a member of struct candidate, a weight and
 * a line in score().
 */
#include "common/route/select.h"

#include <string.h>

#include "common/route/select_list.h"

enum { RATED_MAX = 512 }; /* routes of one task that are looked at */

static const char *const out_texts[] = {
    [ROUTE_IN] = "",
    [ROUTE_NOT_THERE] = "removed",
    [ROUTE_OTHER_TASK] = "does not serve this task",
    [ROUTE_NOT_ALLOWED] = "not allowed",
    [ROUTE_NOT_ROUTED] = "only when a job names it",
    [ROUTE_NO_FEATURE] = "lacks a feature that is asked for",
    [ROUTE_NO_CONTEXT] = "its context is too small",
    [ROUTE_IS_GONE] = "the provider has it no more",
};

static const char *const state_names[] = {
    [ROUTE_FINE] = "fine", [ROUTE_PROBE] = "probe", [ROUTE_SLOW] = "slow",
    [ROUTE_OPEN] = "open", [ROUTE_GONE] = "gone",
};

const char *route_out_text(enum route_out why) { return out_texts[why]; }
const char *route_state_name(enum route_state s) { return state_names[s]; }

void route_rules_from(struct route_rules *ret, const struct config *cfg)
{
    *ret = (struct route_rules){
        .weights = {[JOB_REALTIME] = {cfg->routing_realtime_price, cfg->routing_realtime_latency,
                                      cfg->routing_realtime_quality},
                    [JOB_STANDARD] = {cfg->routing_standard_price, cfg->routing_standard_latency,
                                      cfg->routing_standard_quality},
                    [JOB_PRIORITY_BATCH] = {cfg->routing_batch_price, cfg->routing_batch_latency,
                                            cfg->routing_batch_quality}},
        .default_first = cfg->routing_unnamed == 0,
        .candidates = (size_t)cfg->routing_candidates};
}

/* ---- rating ---- */

static enum route_out judge(const struct route *r, const struct route_needs *needs)
{
    const struct model *m = &r->model;

    if (!r->there)
        return ROUTE_NOT_THERE;
    if (!(m->tasks & (unsigned)needs->task))
        return ROUTE_OTHER_TASK;
    if (!m->allowed)
        return ROUTE_NOT_ALLOWED;
    if (!m->routed)
        return ROUTE_NOT_ROUTED;
    if (needs->features & ~m->features)
        return ROUTE_NO_FEATURE;
    if (m->context > 0 && needs->tokens > m->context)
        return ROUTE_NO_CONTEXT;
    return ROUTE_IN;
}

static double price_of(const struct model *m, enum task_bit task)
{
    if (task == TASK_IMAGE)
        return (double)m->image_nanousd;
    if (m->in_nanousd < 0 || m->out_nanousd < 0)
        return -1;
    return (3 * (double)m->in_nanousd + (double)m->out_nanousd) / 4;
}

static int64_t p50_of(const struct candidate *c)
{
    return c->health.p50_ms > 0 ? c->health.p50_ms : c->route->model.p50_ms;
}

static void rate(struct candidate *c, const struct route *r, const struct route_needs *needs,
                 const struct route_view *view)
{
    *c = (struct candidate){
        .route = r, .name = {r->model.id, strlen(r->model.id)}, .why = judge(r, needs)};
    if (c->why != ROUTE_IN)
        return;
    c->health = route_health_of(view, r);
    if (c->health.state == ROUTE_GONE) {
        c->why = ROUTE_IS_GONE;
        return;
    }
    c->price = price_of(&r->model, needs->task); /* both become ratings once all are known */
    c->latency = (double)p50_of(c);
    c->quality = (double)r->model.quality_permille / QUALITY_MAX;
}

/* best / x, of numbers above 0; the best rates 1. */
static double rating(double best, double x) { return x > best ? best / x : 1; }

static void score(struct candidate *all, size_t n, const struct route_weights *w)
{
    const double unit = 1.0 / (double)(w->price + w->latency + w->quality);
    const double price = (double)w->price * unit, latency = (double)w->latency * unit,
                 quality = (double)w->quality * unit;
    double cheapest = -1, quickest = 0;

    for (size_t i = 0; i < n; i++) {
        if (all[i].price >= 0 && (cheapest < 0 || all[i].price < cheapest))
            cheapest = all[i].price;
        if (all[i].latency > 0 && (quickest <= 0 || all[i].latency < quickest))
            quickest = all[i].latency;
    }
    for (size_t i = 0; i < n; i++) {
        struct candidate *c = &all[i];

        c->price = c->price < 0 ? 0 : rating(cheapest + 1, c->price + 1); /* nothing may be free */
        c->latency = c->latency > 0 ? rating(quickest, c->latency) : 1;
        c->score = price * c->price + latency * c->latency + quality * c->quality;
    }
}

/* ---- order ---- */

/* Is it of the model that is preferred, whatever its score? */
static bool is_of(const struct candidate *c, const struct route *preferred)
{
    return preferred && !strcmp(c->route->model.id, preferred->model.id);
}

static bool before(const struct candidate *a, const struct candidate *b,
                   const struct route *preferred)
{
    int by_id;

    if (route_tier(a) != route_tier(b))
        return route_tier(a) < route_tier(b);
    if (is_of(a, preferred) != is_of(b, preferred))
        return is_of(a, preferred);
    if (a->score < b->score || a->score > b->score)
        return a->score > b->score;
    by_id = strcmp(a->route->model.id, b->route->model.id);
    return by_id ? by_id < 0 : strcmp(a->route->model.provider, b->route->model.provider) < 0;
}

/* Insert c into the sorted first `count` of ret, which has room for max. */
static size_t keep(struct candidate *ret, size_t count, size_t max, const struct candidate *c,
                   const struct route *preferred)
{
    size_t at = count;

    while (at > 0 && before(c, &ret[at - 1], preferred))
        at--;
    if (at == max)
        return count;
    if (count == max)
        count--;
    memmove(&ret[at + 1], &ret[at], (count - at) * sizeof *ret);
    ret[at] = *c;
    ret[at].name = (struct span){c->route->model.id, strlen(c->route->model.id)};
    return count + 1;
}

/* ---- a named model ---- */

static void add_fallbacks(const struct routes *t, const struct route_needs *needs,
                          const struct route *head, const struct route_view *view,
                          struct route_list *l)
{
    if (needs->has_fallbacks)
        for (size_t i = 0; i < needs->fallback_count; i++)
            list_add(t, l, needs->fallbacks[i], view);
    else if (head && head->model.fallbacks.count)
        list_add_ids(t, l, &head->model.fallbacks, view);
    else
        list_add_ids(t, l, &t->cfg->fallbacks[task_index(needs->task)], view);
}

static void select_named(const struct routes *t, const struct route_needs *needs,
                         const struct route_view *view, struct route_list *ret)
{
    const struct route *head = routes_find(t, needs->model.p, needs->model.n);

    list_add(t, ret, needs->model, view);
    add_fallbacks(t, needs, head, view, ret);
    /* Gone, and nothing instead: the provider has the last word. */
    for (const struct route *r = head; r && !ret->count; r = r->other)
        if (r->model.allowed)
            list_put(ret, 0,
                     &(struct candidate){.route = r, .name = needs->model, .why = ROUTE_IS_GONE});
}

/* ---- free choice ---- */

/* Nothing fits: the default of the task, or else the route with the most context, or else one that
 * is gone: its provider has the last word. */
static void select_nearest(const struct routes *t, const struct route_needs *needs,
                           const struct route_rules *rules, const struct route_view *view,
                           struct route_list *ret)
{
    const struct route *wide = NULL, *gone = NULL, *best;
    const struct route *def = t->defaults[task_index(needs->task)];

    for (size_t i = 0; i < t->count; i++) {
        const struct route *r = t->of[i];
        enum route_out why = judge(r, needs);

        if (why == ROUTE_NO_CONTEXT && (!wide || r->model.context > wide->model.context))
            wide = r;
        if (why == ROUTE_IN && !gone)
            gone = r;
    }
    best = !needs->automatic && rules->default_first && def ? def : wide ? wide : gone;
    if (!best)
        return;
    list_add(t, ret, (struct span){best->model.id, strlen(best->model.id)}, view);
    if (!ret->count && best->model.allowed)
        list_put(ret, 0,
                 &(struct candidate){.route = best,
                                     .name = {best->model.id, strlen(best->model.id)},
                                     .why = ROUTE_IS_GONE});
}

static size_t rate_all(const struct routes *t, const struct route_needs *needs,
                       const struct route_view *view, struct candidate *all,
                       enum route_out *ret_why)
{
    size_t n = 0;

    for (size_t i = 0; i < t->count && n < RATED_MAX; i++) {
        rate(&all[n], t->of[i], needs, view);
        if (all[n].why == ROUTE_IN)
            n++;
        else if (all[n].why > *ret_why)
            *ret_why = all[n].why;
    }
    return n;
}

static void select_free(const struct routes *t, const struct route_rules *rules,
                        const struct route_needs *needs, const struct route_view *view,
                        struct route_list *ret)
{
    const struct route *preferred =
        !needs->automatic && rules->default_first ? t->defaults[task_index(needs->task)] : NULL;
    const size_t room =
        needs->fallback_count < ROUTE_LIST_MAX ? ROUTE_LIST_MAX - needs->fallback_count : 1;
    const size_t max = rules->candidates < room ? rules->candidates : room;
    struct candidate all[RATED_MAX];
    size_t n = rate_all(t, needs, view, all, &ret->why);

    score(all, n, &rules->weights[needs->priority]);
    for (size_t i = 0; i < n; i++)
        ret->count = keep(ret->of, ret->count, max, &all[i], preferred);
    if (!ret->count)
        select_nearest(t, needs, rules, view, ret);
    if (needs->has_fallbacks)
        add_fallbacks(t, needs, NULL, view, ret);
}

void route_select(const struct routes *t, const struct route_rules *rules,
                  const struct route_needs *needs, const struct route_view *view,
                  struct route_list *ret)
{
    ret->count = 0;
    ret->why = ROUTE_IN;
    if (needs->model.n)
        select_named(t, needs, view, ret);
    else
        select_free(t, rules, needs, view, ret);
}

/* ---- for people ---- */

size_t route_explain(const struct routes *t, const struct route_rules *rules,
                     const struct route_needs *needs, const struct route_view *view,
                     struct candidate *ret, size_t max)
{
    const struct route *preferred =
        !needs->automatic && rules->default_first ? t->defaults[task_index(needs->task)] : NULL;
    struct candidate all[RATED_MAX];
    enum route_out why = ROUTE_IN;
    size_t n = rate_all(t, needs, view, all, &why), count = 0;

    score(all, n, &rules->weights[needs->priority]);
    for (size_t i = 0; i < n; i++)
        count = keep(ret, count, max, &all[i], preferred);
    for (size_t i = 0; i < t->count && count < max; i++) {
        rate(&ret[count], t->of[i], needs, view);
        ret[count].name = (struct span){t->of[i]->model.id, strlen(t->of[i]->model.id)};
        if (ret[count].why != ROUTE_IN && ret[count].why != ROUTE_NOT_THERE)
            count++;
    }
    return count;
}
