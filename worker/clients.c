/* clients.c - see clients.h: a short list, looked through from the front.
 *
 * The first is that of the system's authorities, which most calls use. */
#include "worker/clients.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/xalloc.h"
#include "common/io/http_client.h"

struct client {
    char *ca_file; /* "": the system's */
    struct http_client *http;
};

struct clients {
    struct loop *loop;
    size_t max_connections, n;
    struct client *all;
};

static struct http_client *client_add(struct clients *c, const char *ca_file)
{
    const struct http_client_options o = {.max_connections = c->max_connections,
                                          .ca_file = *ca_file ? ca_file : NULL};
    struct client *new;

    c->all = xrealloc(c->all, (c->n + 1) * sizeof *c->all);
    new = &c->all[c->n++];
    *new = (struct client){xstrdup(ca_file), http_client_new(c->loop, &o)};
    return new->http;
}

struct clients *clients_new(struct loop *borrow_loop, size_t max_connections)
{
    struct clients *c = xcalloc(1, sizeof *c);

    c->loop = borrow_loop;
    c->max_connections = max_connections;
    client_add(c, "");
    return c;
}

void clients_free(struct clients *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++) {
        http_client_free(c->all[i].http);
        free(c->all[i].ca_file);
    }
    free(c->all);
    free(c);
}

struct http_client *clients_for(struct clients *c, const char *ca_file)
{
    if (!ca_file)
        ca_file = "";
    for (size_t i = 0; i < c->n; i++)
        if (!strcmp(c->all[i].ca_file, ca_file))
            return c->all[i].http;
    return client_add(c, ca_file);
}

size_t clients_in_flight(const struct clients *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->n; i++)
        n += http_in_flight(c->all[i].http);
    return n;
}
