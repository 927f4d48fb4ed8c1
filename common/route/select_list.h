/* select_list.h - filling a route_list by names: private to select*.c. */
#ifndef FLOTILLA_SELECT_LIST_H
#define FLOTILLA_SELECT_LIST_H

#include "common/route/select.h"

static inline struct route_health route_health_of(const struct route_view *view,
                                                  const struct route *r)
{
    return view->of ? view->of(view->arg, r) : (struct route_health){ROUTE_FINE, 0};
}

/* In which order routes are tried: those that work, slow ones, those that are out. */
static inline int route_tier(const struct candidate *c)
{
    return c->health.state == ROUTE_OPEN ? 2 : c->health.state == ROUTE_SLOW;
}

/* Put a candidate at a place of the list, unless it is there already; what is over falls off. */
bool list_put(struct route_list *l, size_t at, const struct candidate *c);
/* A model's routes behind what is there, or what replaces it where all of them are gone. */
void list_add(const struct routes *t, struct route_list *l, struct span name,
              const struct route_view *view);
void list_add_ids(const struct routes *t, struct route_list *l, const struct model_ids *ids,
                  const struct route_view *view);

#endif
