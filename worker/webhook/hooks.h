/* hooks.h - webhook deliveries per host: at most so many at once, and a breaker.
 *
 * One dead receiver must harm nobody: a host takes at most webhooks.per_host
 * deliveries at a time per process, and after BREAK_AFTER failures in a row it
 * is left alone for a growing pause, after which one delivery probes it.
 *
 * Hosts come from users: 4096 are remembered, and more only while deliveries to them are under way;
 * the one that was not used for the longest time is forgotten. */
#ifndef FLOTILLA_HOOKS_H
#define FLOTILLA_HOOKS_H

#include "common/core/base.h"
#include "worker/env.h"

struct http_networks;
struct hooks;

struct hooks *hooks_new(const struct env *env);
void hooks_free(struct hooks *h);
/* Read webhooks.allow_networks (again); what it was before lives on for calls under way. */
void hooks_reload(struct hooks *h);
const struct http_networks *hooks_networks(const struct hooks *h); /* NULL: none */
/* May a delivery to that host ("example.com:443") be made now?  0: yes, and it counts until
 * hooks_end. Else: come back in so many ms. */
int64_t hooks_begin(struct hooks *h, const char *host);
/* The delivery ended; ok: the receiver works (any 2xx, or an answer that is its own decision such
 * as 410). */
void hooks_end(struct hooks *h, const char *host, bool ok);
/* It was not made, or cut by us: that says nothing about the receiver. */
void hooks_drop(struct hooks *h, const char *host);

#endif
