/* select_list.c - a list of routes, filled by the names of models; see select_list.h.
 *
 *   name ─ its routes, those that work first ─▶ list
 *     └─ gone everywhere? ─ what replaces it, and what replaces that ─▶ list
 *
 * A route stands in a list once; what is over its end falls off. */
#include "common/route/select_list.h"

#include <string.h>

static bool has(const struct route_list *l, const struct route *r, struct span name)
{
    for (size_t i = 0; i < l->count; i++)
        if (r ? l->of[i].route == r
              : l->of[i].name.n == name.n && !memcmp(l->of[i].name.p, name.p, name.n))
            return true;
    return false;
}

bool list_put(struct route_list *l, size_t at, const struct candidate *c)
{
    size_t tail;

    if (at >= ROUTE_LIST_MAX || has(l, c->route, c->name))
        return false;
    if (l->count == ROUTE_LIST_MAX)
        l->count--;
    tail = l->count - at;
    memmove(&l->of[at + 1], &l->of[at], tail * sizeof l->of[0]);
    l->of[at] = *c;
    l->count++;
    return true;
}

/* Put a model's routes from place `at` on: those that work first, in their own order.  Returns the
 * place behind them. */
static size_t put_model(const struct routes *t, struct route_list *l, size_t at, struct span name,
                        const struct route_view *view)
{
    const struct route *head = routes_find(t, name.p, name.n);
    struct candidate c = {.name = name};

    if (!head)
        return at + (size_t)list_put(l, at, &c);
    for (int step = 0; step <= 2; step++)
        for (const struct route *r = head; r; r = r->other) {
            c = (struct candidate){.route = r,
                                   .name = {r->model.id, strlen(r->model.id)},
                                   .health = route_health_of(view, r)};
            if (!r->model.allowed) {
                l->why = ROUTE_NOT_ALLOWED;
                continue;
            }
            if (c.health.state == ROUTE_GONE) {
                l->why = ROUTE_IS_GONE;
                continue;
            }
            if (route_tier(&c) == step)
                at += (size_t)list_put(l, at, &c);
        }
    return at;
}

/* Does any provider serve it, and may it be called?  An unknown one is for its provider to say. */
static bool is_served(const struct route *head, const struct route_view *view)
{
    const struct route *r = head;

    while (r && (!r->model.allowed || route_health_of(view, r).state == ROUTE_GONE))
        r = r->other;
    return !head || r;
}

/* What replaces a model that is gone: what replaces that, while it is gone as well. */
static size_t put_replacement(const struct routes *t, struct route_list *l, size_t at,
                              const struct route *gone, const struct route_view *view)
{
    const char *id = gone->model.replacement;

    for (size_t steps = 0; id && steps < t->count; steps++) {
        const struct route *next = routes_find(t, id, strlen(id));

        if (!next)
            return at;
        if (is_served(next, view))
            return put_model(t, l, at, (struct span){id, strlen(id)}, view);
        id = next->model.replacement;
    }
    return at;
}

/* A model's routes, or what replaces it where all of them are gone. */
void list_add(const struct routes *t, struct route_list *l, struct span name,
              const struct route_view *view)
{
    const struct route *head = routes_find(t, name.p, name.n);

    put_model(t, l, l->count, name, view); /* if only to say why not */
    if (!is_served(head, view))
        put_replacement(t, l, l->count, head, view);
}

void list_add_ids(const struct routes *t, struct route_list *l, const struct model_ids *ids,
                  const struct route_view *view)
{
    for (size_t i = 0; i < ids->count; i++)
        if (routes_find(t, ids->of[i], strlen(ids->of[i]))) /* the configuration knew it */
            list_add(t, l, (struct span){ids->of[i], strlen(ids->of[i])}, view);
}

/* Is the model at another provider, which has it?  That is what was asked for. */
static bool others_serve(const struct routes *t, const struct route *gone,
                         const struct route_view *view)
{
    const struct route *r = routes_find(t, gone->model.id, strlen(gone->model.id));

    while (r && (r == gone || !r->model.allowed || route_health_of(view, r).state == ROUTE_GONE))
        r = r->other;
    return r != NULL;
}

bool route_list_replace(const struct routes *t, struct route_list *l, size_t at,
                        const struct route_view *view)
{
    const struct route *gone = l->of[at].route;

    return gone && !others_serve(t, gone, view) &&
           put_replacement(t, l, at + 1, gone, view) > at + 1;
}
