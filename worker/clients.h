/* clients.h - the HTTP clients of a process: one per file of authorities.
 *
 * A client reads its authorities once and shares them among its connections (reading the system's
 * costs 40 ms of CPU), and no connection that was verified by one file serves those who name
 * another. The files come from the configuration, so that their number is bounded by it.
 */
#ifndef FLOTILLA_CLIENTS_H
#define FLOTILLA_CLIENTS_H

#include "common/core/base.h"

struct clients;
struct http_client;
struct loop;

/* max_connections: of each client, kept open for reuse. */
struct clients *clients_new(struct loop *borrow_loop, size_t max_connections);
/* Calls in flight get CANCELLED, as http_client_free says.  NULL is fine. */
void clients_free(struct clients *c);
/* ca_file: a path; NULL or "": the system's authorities, or $SSL_CERT_FILE. */
struct http_client *clients_for(struct clients *c, const char *ca_file);
size_t clients_in_flight(const struct clients *c);

#endif
