/* redis_dial.c - from a host name or a path to a connected socket, without blocking.
 *
 *     resolve (libevent's DNS and /etc/hosts) -> address 1 -> address 2 -> ... -> fd, or the last
 * error
 *
 * Every address of a name is tried, so that "localhost" works when Redis
 * listens on 127.0.0.1 only.  Time is not limited here: whoever dials cancels.
 * An address that swallows packets would eat that whole time, so each attempt
 * begins one address further.
 *
 * A lookup cannot be taken back from libevent at once; it lives on its own and
 * is told that nobody waits for it any more. */
#include "common/io/redis_private.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/dns.h>
#include <event2/util.h>

#include "common/core/xalloc.h"

enum {
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_PAUSE_S = 10,
    KEEPALIVE_PROBES = 3,
    UNSENT_LIMIT_MS = 30000
};

struct lookup {
    struct dial *dial; /* NULL: cancelled */
};

struct dial {
    struct loop *loop;
    const struct redis_url *url;
    dial_cb *cb;
    void *arg;
    struct lookup *lookup;
    struct evdns_getaddrinfo_request *request;
    struct evutil_addrinfo *found; /* all addresses of the name */
    size_t tried, count, first;
    int fd;
    struct loop_io *io;
    struct err err; /* of the last address */
};

static void resolve(void *arg);
static void try_next(void *arg);

struct dial *dial_start(struct loop *l, const struct redis_url *borrow_url, unsigned attempt,
                        dial_cb *cb, void *arg)
{
    struct dial *d = xcalloc(1, sizeof(*d));

    *d = (struct dial){.loop = l, .url = borrow_url, .cb = cb, .arg = arg, .fd = -1};
    d->first = attempt;
    d->count = 1;
    loop_defer(l, d->url->is_unix ? try_next : resolve, d);
    return d;
}

void dial_cancel(struct dial **dp)
{
    struct dial *d = TAKE(*dp);

    if (!d)
        return;
    loop_undefer(d->loop, resolve, d);
    loop_undefer(d->loop, try_next, d);
    if (d->lookup)
        d->lookup->dial = NULL;
    if (d->request)
        evdns_getaddrinfo_cancel(d->request);
    loop_unwatch(&d->io);
    if (d->fd >= 0)
        close(d->fd);
    if (d->found)
        evutil_freeaddrinfo(d->found);
    free(d);
}

static void finish(struct dial *d)
{
    dial_cb *cb = d->cb;
    void *arg = d->arg;
    struct err err = d->err;
    int fd = d->fd;

    d->fd = -1;
    dial_cancel(&d);
    cb(arg, fd, fd < 0 ? &err : NULL);
}

/* ---- names ---- */

static void on_found(int code, struct evutil_addrinfo *found, void *arg)
{
    struct lookup *lookup = arg;
    struct dial *d = lookup->dial;

    free(lookup);
    if (!d) {
        if (found)
            evutil_freeaddrinfo(found);
        return;
    }
    d->lookup = NULL;
    d->request = NULL;
    d->found = found;
    d->count = 0;
    for (struct evutil_addrinfo *a = found; a; a = a->ai_next)
        d->count++;
    if (!d->count)
        err_set(&d->err, ERR_REDIS_LOST, "cannot resolve '%s': %s", d->url->host,
                code ? evutil_gai_strerror(code) : "no address");
    loop_defer(d->loop, try_next, d); /* this may be running inside resolve() */
}

static void resolve(void *arg)
{
    struct dial *d = arg;
    struct evutil_addrinfo hints = {.ai_family = PF_UNSPEC,
                                    .ai_socktype = SOCK_STREAM,
                                    .ai_protocol = IPPROTO_TCP,
                                    .ai_flags = EVUTIL_AI_ADDRCONFIG};
    struct evdns_getaddrinfo_request *request;
    char port[16];

    snprintf(port, sizeof(port), "%d", d->url->port);
    d->lookup = xcalloc(1, sizeof(*d->lookup));
    d->lookup->dial = d;
    request = evdns_getaddrinfo(loop_dns(d->loop), d->url->host, port, &hints, on_found, d->lookup);
    if (d->lookup) /* otherwise it was answered at once */
        d->request = request;
}

/* ---- sockets ---- */

/* Best effort: a socket without them works too. */
static void tune(int fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {IPPROTO_TCP, TCP_NODELAY, 1},
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_PAUSE_S},
        {IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, UNSENT_LIMIT_MS},
    };

    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

static void fail_address(struct dial *d, int error)
{
    err_set(&d->err, ERR_REDIS_LOST, "%s", strerror(error));
    loop_unwatch(&d->io);
    if (d->fd >= 0)
        close(d->fd);
    d->fd = -1;
    loop_defer(d->loop, try_next, d);
}

static void on_connected(void *arg, int fd, bool readable, bool writable)
{
    struct dial *d = arg;
    int error = 0;
    socklen_t n = sizeof(error);

    (void)readable, (void)writable;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) < 0)
        error = errno;
    if (error)
        fail_address(d, error);
    else
        finish(d);
}

static void try_address(struct dial *d, const struct sockaddr *address, socklen_t n)
{
    d->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        fail_address(d, errno);
        return;
    }
    if (address->sa_family != AF_UNIX)
        tune(d->fd);
    if (connect(d->fd, address, n) < 0 && errno != EINPROGRESS) {
        fail_address(d, errno);
        return;
    }
    d->io = loop_watch(d->loop, d->fd, false, true, on_connected, d);
}

static void try_path(struct dial *d)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    size_t n = strlen(d->url->host);

    assert(n < sizeof(un.sun_path)); /* redis_url checked */
    memcpy(un.sun_path, d->url->host, n);
    try_address(d, (const struct sockaddr *)&un, sizeof(un));
}

/* The next address, beginning with the one that this attempt is to begin with. */
static void try_next(void *arg)
{
    struct dial *d = arg;
    struct evutil_addrinfo *a = d->found;

    if (d->tried == d->count) {
        finish(d);
        return;
    }
    for (size_t i = (d->first + d->tried) % d->count; a && i > 0; i--)
        a = a->ai_next;
    d->tried++;
    if (!a)
        try_path(d);
    else
        try_address(d, a->ai_addr, (socklen_t)a->ai_addrlen);
}
