/* lost.c - see lost.h.
 *
 * The choice is made again, without the health of that time.  The first candidate
 * may differ, but the most expensive one costs about the same.
 */
#include "common/route/lost.h"

#include <string.h>

#include "common/core/json.h"

static void read_fallbacks(const struct job *job, struct route_needs *needs)
{
    struct span list = json_at(job->payload, "fallbacks");
    struct json_iter it;

    if (!list.n || *list.p != '[' || !json_iter_init(&it, list.p, list.n))
        return;
    needs->has_fallbacks = true;
    while (needs->fallback_count < ROUTE_NAMES_MAX && json_next(&it))
        if (it.value.n > 2) /* without its quotes; an escaped name is an unknown one here */
            needs->fallbacks[needs->fallback_count++] =
                (struct span){it.value.p + 1, it.value.n - 2};
}

/* False: it calls nobody. */
static bool choose(const struct cost_event *e, const struct job *job, const struct config *cfg,
                   const struct routes *routes, struct route_list *ret)
{
    struct route_needs needs = {.priority = job->priority};
    const struct route_view view = {0};
    struct route_rules rules;
    struct span body;
    unsigned task;

    cost_job_facts(job, &task, &body, &needs.model);
    if (!task)
        return false;
    needs.task = (enum task_bit)task;
    needs.automatic = span_is(needs.model, "auto");
    if (needs.automatic)
        needs.model = (struct span){NULL, 0};
    else if (e->requested_model.n)
        needs.model = e->requested_model; /* unescaped */
    read_fallbacks(job, &needs);
    route_rules_from(&rules, cfg);
    route_select(routes, &rules, &needs, &view, ret);
    return true;
}

bool route_first(const struct cost_event *e, const struct job *job, const struct config *cfg,
                 const struct routes *routes, struct candidate *ret)
{
    struct route_list list;

    if (!choose(e, job, cfg, routes, &list) || list.count == 0)
        return false;
    *ret = list.of[0];
    return true;
}

void route_lost(struct cost_event *e, const struct job *job, const struct config *cfg,
                const struct routes *routes)
{
    struct route_list list;
    struct routes *own = NULL;
    struct span body, model;
    unsigned task;

    cost_job_facts(job, &task, &body, &model);
    if (!task)
        return;
    if (!routes)
        routes = own = routes_new(cfg);
    if (!choose(e, job, cfg, routes, &list))
        list.count = 0;
    for (size_t i = 0; i < list.count; i++) {
        const struct route *r = list.of[i].route;
        struct cost c;

        cost_of_lost(&c, r ? &r->model : NULL, task, body);
        if (c.estimate_nanousd > e->cost.estimate_nanousd)
            e->cost = c;
    }
    if (own)
        routes_free(own);
}
