/* watch.h - the state of the routes in this process, for the router and for who judges answers.
 *
 * route_select() asks for the state of each route (watch_view).  Surprises in answers are alerts
 * (watch_tell), which reach Redis once an hour, however many answers are alike.
 */
#ifndef FLOTILLA_WATCH_H
#define FLOTILLA_WATCH_H

#include "common/route/select.h"
#include "worker/env.h"

struct health;
struct stops;
struct watch;
struct health_route;

struct watch *watch_new(const struct env *env, struct health *health, struct stops *stops);
void watch_free(struct watch *w);
/* Lives as long as w. */
struct route_view watch_view(struct watch *w);
/* Its health; NULL: not watched. */
struct health_route *watch_health(struct watch *w, const struct route *r);
/* alert_send, but the same code and subject only once an hour by this process as well. */
void watch_tell(struct watch *w, const char *code, const char *subject, const char *message);

#endif
