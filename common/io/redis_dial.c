/* redis_dial.c - from a host name or a path to a connected socket, without blocking.
 *
 *     resolve (libevent's DNS and /etc/hosts) -> address 1 -> address 2 -> ... -> fd, or why not,
 *     of each address
 *
 * Every address of a name is tried, the families in turn (RFC 8305, section 4), so
 * that "localhost" works when Redis listens on 127.0.0.1 only, and a name with both
 * families where one has no way out.  The whole time is not limited here: whoever
 * dials cancels.  An address that swallows packets would eat all of it, so the next
 * one is tried after ADDRESS_MS; and each attempt begins one address further.
 *
 * AI_ADDRCONFIG is not asked for: libevent takes a host that has only private IPv6
 * addresses (::1, fd00::/8) for one without IPv6, and then finds nothing.
 *
 * A lookup cannot be taken back from libevent at once; it lives on its own and
 * is told that nobody waits for it any more. */
#include "common/io/redis_private.h"

#include <arpa/inet.h>
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
    UNSENT_LIMIT_MS = 30000,
    ADDRESS_MS = 1000 /* before the next address is tried; the last one has the rest */
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
    struct loop_timer *patience;
    char trying[INET6_ADDRSTRLEN]; /* the address at hand; "" when the URL names it, or a path */
    struct err err;                /* of all that failed so far */
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
    loop_cancel(&d->patience);
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

/* Bring the families in turn, as long as there are both; within each the order stays. */
static void alternate(struct evutil_addrinfo *found)
{
    for (struct evutil_addrinfo *a = found; a && a->ai_next; a = a->ai_next) {
        struct evutil_addrinfo *last = a, *other;

        while (last->ai_next && last->ai_next->ai_family == a->ai_family)
            last = last->ai_next;
        other = last->ai_next;
        if (!other || last == a)
            continue;
        last->ai_next = other->ai_next;
        other->ai_next = a->ai_next;
        a->ai_next = other;
    }
}

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
    alternate(found);
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
    struct evutil_addrinfo hints = {
        .ai_family = PF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_protocol = IPPROTO_TCP};
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

static void note_failure(struct dial *d, const char *why)
{
    char before[sizeof(d->err.msg) + 4] = "";

    if (d->err.msg[0])
        snprintf(before, sizeof(before), "%s; ", d->err.msg);
    err_set(&d->err, ERR_REDIS_LOST, "%s%s%s%s", before, d->trying, d->trying[0] ? ": " : "", why);
}

static void fail_address(struct dial *d, const char *why)
{
    note_failure(d, why);
    loop_unwatch(&d->io);
    loop_cancel(&d->patience);
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
        fail_address(d, strerror(error));
    else
        finish(d);
}

static void out_of_patience(void *arg)
{
    struct dial *d = arg;

    d->patience = NULL;
    fail_address(d, "no answer");
}

static void name_address(struct dial *d, const struct sockaddr *address)
{
    const void *raw =
        address->sa_family == AF_INET6
            ? (const void *)&((const struct sockaddr_in6 *)(const void *)address)->sin6_addr
            : (const void *)&((const struct sockaddr_in *)(const void *)address)->sin_addr;

    if (address->sa_family == AF_UNIX ||
        !inet_ntop(address->sa_family, raw, d->trying, sizeof(d->trying)) ||
        strcmp(d->trying, d->url->host) == 0)
        d->trying[0] = 0;
}

static void try_address(struct dial *d, const struct sockaddr *address, socklen_t n)
{
    name_address(d, address);
    d->fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (d->fd < 0) {
        fail_address(d, strerror(errno));
        return;
    }
    if (address->sa_family != AF_UNIX)
        tune(d->fd);
    if (connect(d->fd, address, n) < 0 && errno != EINPROGRESS) {
        fail_address(d, strerror(errno));
        return;
    }
    d->io = loop_watch(d->loop, d->fd, false, true, on_connected, d);
    if (d->tried < d->count)
        d->patience = loop_after(d->loop, ADDRESS_MS, out_of_patience, d);
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
