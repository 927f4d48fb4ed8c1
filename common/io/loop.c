/* loop.c - one turn after the other.
 *
 *     turn:  libevent waits and runs what became ready  ->  deferred calls  ->  next turn
 *
 * libevent does the waiting; this file adds what its users need on top: timers
 * that free themselves, a queue of deferred calls, and an order between the
 * two.  Calls deferred by deferred calls run on the next turn, which then does
 * not wait, so that a chain of them cannot starve the sockets.
 *
 * Timers are exact: the base reads the precise clock for every timer instead
 * of the time at which the turn began (a callback that worked for 20 ms would
 * otherwise make its timers fire 20 ms early), and it waits on a timerfd, not
 * on epoll's whole milliseconds.
 *
 * Hundreds of answers that are ready together would make one turn of many
 * milliseconds, in which nobody else works: so a turn takes a few of them, and
 * what is not bulk stands before what is.
 *
 * Whatever hangs in the loop is on one list, so that loop_free() can drop it.
 * SIGPIPE is ignored from loop_new() on: writes to dead sockets must fail. */
#include "common/io/loop.h"

#include <assert.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/core/xalloc.h"

enum { TRIM_AFTER_MS = 1000, WORK_PER_TURN = 32 };
enum { PRIORITIES = 3 }; /* the middle one is what events have that say nothing */

/* One event of ours, of whatever sort. */
struct node {
    struct event ev;
    struct loop *loop;
    struct node *prev, *next;
    void *arg;
};

struct loop_timer {
    struct node node;
    loop_cb *cb;
};

struct loop_io {
    struct node node;
    loop_io_cb *cb;
    int fd;
};

struct signal_watch {
    struct node node;
    loop_cb *cb;
};

struct deferred {
    loop_cb *cb; /* NULL: undeferred */
    void *arg;
};

struct loop {
    struct event_base *base;
    struct evdns_base *dns;
    struct event wait_limit;
    struct node *nodes;
    struct deferred *deferred; /* [first_deferred, deferred_count) are to be called */
    size_t first_deferred, deferred_count, deferred_cap;
    struct loop_timer *trim;
    uint64_t turns;
    int worked; /* in this turn */
    bool stopped, inside;
};

/* ---- life ---- */

static void on_wait_limit(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg; /* only to end the wait */
}

struct loop *loop_new(void)
{
    struct loop *l = xcalloc(1, sizeof(*l));
    struct event_config *config = event_config_new();

    if (!config)
        abort();
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
    l->base = event_base_new_with_config(config);
    event_config_free(config);
    if (!l->base)
        abort();
    event_base_priority_init(l->base, PRIORITIES);
    evtimer_assign(&l->wait_limit, l->base, on_wait_limit, NULL);
    signal(SIGPIPE, SIG_IGN);
    return l;
}

static void node_link(struct loop *l, struct node *n, void *arg)
{
    n->loop = l;
    n->arg = arg;
    n->next = l->nodes;
    if (n->next)
        n->next->prev = n;
    l->nodes = n;
}

/* node is the first member of everything on the list, so this frees it. */
static void node_free(struct node *n)
{
    event_del(&n->ev);
    if (n->prev)
        n->prev->next = n->next;
    else
        n->loop->nodes = n->next;
    if (n->next)
        n->next->prev = n->prev;
    free(n);
}

void loop_free(struct loop *l)
{
    if (!l)
        return;
    assert(!l->inside);
    while (l->nodes)
        node_free(l->nodes);
    event_del(&l->wait_limit);
    if (l->dns)
        evdns_base_free(l->dns, 1);
    event_base_loop(l->base, EVLOOP_NONBLOCK); /* what freed bufferevents and lookups left to do */
    event_base_free(l->base);
    free(l->deferred);
    free(l);
}

struct event_base *loop_base(struct loop *l) { return l->base; }

uint64_t loop_turns(const struct loop *l) { return l->turns; }

struct evdns_base *loop_dns(struct loop *l)
{
    if (l->dns)
        return l->dns;
    l->dns = evdns_base_new(l->base,
                            EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (!l->dns) { /* no usable resolv.conf: /etc/hosts still counts */
        l->dns = evdns_base_new(l->base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (!l->dns)
            abort();
        evdns_base_load_hosts(l->dns, "/etc/hosts");
    }
    /* Some resolvers do not echo the mixed case that libevent uses against spoofing. */
    evdns_base_set_option(l->dns, "randomize-case:", "0");
    return l->dns;
}

/* ---- turns ---- */

static void run_deferred(struct loop *l)
{
    size_t end = l->deferred_count, left;

    while (l->first_deferred < end) {
        struct deferred d = l->deferred[l->first_deferred++];

        if (d.cb)
            d.cb(d.arg);
    }
    left = l->deferred_count - l->first_deferred;
    if (left && l->first_deferred)
        memmove(l->deferred, l->deferred + l->first_deferred, left * sizeof(*l->deferred));
    l->first_deferred = 0;
    l->deferred_count = left;
}

void loop_turn(struct loop *l, int64_t max_ms)
{
    int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;
    bool limited = max_ms > 0 && !l->deferred_count;

    assert(!l->inside);
    l->inside = true;
    if (max_ms == 0 || l->deferred_count)
        flags |= EVLOOP_NONBLOCK;
    if (limited)
        event_add(&l->wait_limit, &(struct timeval){.tv_sec = (time_t)(max_ms / 1000),
                                                    .tv_usec = (max_ms % 1000) * 1000});
    l->worked = 0;
    event_base_loop(l->base, flags);
    if (limited)
        event_del(&l->wait_limit);
    run_deferred(l);
    l->turns++;
    l->inside = false;
}

void loop_worked(struct loop *l)
{
    if (++l->worked == WORK_PER_TURN)
        event_base_loopbreak(l->base); /* what else is active comes first in the next turn */
}

void loop_make_bulk(struct event *ev) { event_priority_set(ev, PRIORITIES - 1); }

void loop_run(struct loop *l)
{
    while (!l->stopped)
        loop_turn(l, -1);
    l->stopped = false;
}

void loop_stop(struct loop *l) { l->stopped = true; }

/* ---- timers ---- */

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct loop_timer *t = arg;
    loop_cb *cb = t->cb;
    void *cb_arg = t->node.arg;

    (void)fd, (void)what;
    node_free(&t->node);
    cb(cb_arg);
}

struct loop_timer *loop_after(struct loop *l, int64_t ms, loop_cb *cb, void *arg)
{
    struct loop_timer *t = xcalloc(1, sizeof(*t));

    if (ms < 0)
        ms = 0;
    t->cb = cb;
    evtimer_assign(&t->node.ev, l->base, loop_on_timer, t);
    node_link(l, &t->node, arg);
    event_add(&t->node.ev,
              &(struct timeval){.tv_sec = (time_t)(ms / 1000), .tv_usec = (ms % 1000) * 1000});
    return t;
}

void loop_cancel(struct loop_timer **t)
{
    if (*t)
        node_free(&(*t)->node);
    *t = NULL;
}

static void on_trim(void *arg)
{
    ((struct loop *)arg)->trim = NULL;
    malloc_trim(0);
}

void loop_trim_memory(struct loop *l)
{
    if (!l->trim)
        l->trim = loop_after(l, TRIM_AFTER_MS, on_trim, l);
}

/* ---- deferred calls ---- */

void loop_defer(struct loop *l, loop_cb *cb, void *arg)
{
    if (l->deferred_count == l->deferred_cap) {
        l->deferred_cap = l->deferred_cap ? l->deferred_cap * 2 : 16;
        l->deferred = xrealloc(l->deferred, l->deferred_cap * sizeof(*l->deferred));
    }
    l->deferred[l->deferred_count++] = (struct deferred){cb, arg};
}

void loop_undefer(struct loop *l, loop_cb *cb, void *arg)
{
    for (size_t i = l->first_deferred; i < l->deferred_count; i++)
        if (l->deferred[i].cb == cb && l->deferred[i].arg == arg)
            l->deferred[i].cb = NULL;
}

/* ---- signals and descriptors ---- */

static void on_signal(evutil_socket_t signo, short what, void *arg)
{
    struct signal_watch *w = arg;

    (void)signo, (void)what;
    w->cb(w->node.arg);
}

void loop_on_signal(struct loop *l, int signo, loop_cb *cb, void *arg)
{
    struct signal_watch *w = xcalloc(1, sizeof(*w));
    sigset_t heard;

    w->cb = cb;
    evsignal_assign(&w->node.ev, l->base, signo, on_signal, w);
    node_link(l, &w->node, arg);
    event_add(&w->node.ev, NULL);
    sigemptyset(&heard);
    sigaddset(&heard, signo);
    sigprocmask(SIG_UNBLOCK, &heard, NULL);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    struct loop_io *io = arg;

    io->cb(io->node.arg, fd, what & EV_READ, what & EV_WRITE);
}

static void io_arm(struct loop_io *io, bool read, bool write)
{
    short what = (short)(EV_PERSIST | (read ? EV_READ : 0) | (write ? EV_WRITE : 0));

    event_assign(&io->node.ev, io->node.loop->base, io->fd, what, on_io, io);
    if (read || write)
        event_add(&io->node.ev, NULL);
}

struct loop_io *loop_watch(struct loop *l, int fd, bool read, bool write, loop_io_cb *cb, void *arg)
{
    struct loop_io *io = xcalloc(1, sizeof(*io));

    io->cb = cb;
    io->fd = fd;
    node_link(l, &io->node, arg);
    io_arm(io, read, write);
    return io;
}

void loop_rewatch(struct loop_io *io, bool read, bool write)
{
    event_del(&io->node.ev);
    io_arm(io, read, write);
}

void loop_unwatch(struct loop_io **io)
{
    if (*io)
        node_free(&(*io)->node);
    *io = NULL;
}
