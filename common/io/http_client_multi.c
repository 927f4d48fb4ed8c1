/* http_client_multi.c - curl's sockets and its timer on the event loop.
 *
 *     epoll ──▶ on_event ──▶ curl_multi_socket_action ──▶ on_socket, on_timer
 *                   │                                      (what to watch next)
 *                   └──▶ collect: finished calls, outside of curl's callbacks
 *
 * One `struct http_socket` per descriptor, in a table by descriptor number.
 *
 * Keep-alive makes curl say "watch for reading" at the start of each request
 * and "remove" at its end.  Taken literally that is two epoll_ctl calls per
 * request.  So a socket that we opened ourselves (http_multi_open) stays armed
 * for reading while it is idle in curl's cache; if it becomes readable then
 * (the peer closed it), it is disarmed, and curl finds it dead on its next
 * use.  http_multi_close sees every close before it happens, so a descriptor
 * never leaves epoll behind the event library's back.  Descriptors that are
 * curl's own (the pipe of its resolver thread) are removed when it says so.
 */
#include "common/io/http_client_impl.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event_struct.h>

#include "common/core/xalloc.h"
#include "common/io/loop.h"

struct http_socket {
    struct event event;
    struct http_client *client;
    int fd;
    short wants; /* what curl asked for: EV_READ | EV_WRITE */
    short armed; /* what the event library watches */
    bool ours;   /* opened by http_multi_open */
};

/* ---- the table of sockets ---- */

static struct http_socket *socket_at(struct http_client *c, int fd)
{
    return (size_t)fd < c->sockets_n ? c->sockets[fd] : NULL;
}

static struct http_socket *socket_add(struct http_client *c, int fd, bool ours)
{
    struct http_socket *s = xcalloc(1, sizeof *s);
    size_t n = c->sockets_n ? c->sockets_n : 64;

    while (n <= (size_t)fd)
        n *= 2;
    if (n > c->sockets_n) {
        c->sockets = xrealloc(c->sockets, n * sizeof(struct http_socket *));
        memset(c->sockets + c->sockets_n, 0, (n - c->sockets_n) * sizeof(struct http_socket *));
        c->sockets_n = n;
    }
    s->client = c;
    s->fd = fd;
    s->ours = ours;
    c->sockets[fd] = s;
    return s;
}

static void socket_disarm(struct http_socket *s)
{
    if (s->armed)
        event_del(&s->event);
    s->armed = 0;
}

static void socket_remove(struct http_socket *s)
{
    socket_disarm(s);
    s->client->sockets[s->fd] = NULL;
    free(s);
}

/* ---- from the loop to curl ---- */

static void collect(struct http_client *c)
{
    CURLMsg *msg;
    int left;

    while ((msg = curl_multi_info_read(c->multi, &left))) {
        struct http_call *call = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &call);
        if (call->state == HTTP_CALL_RUNNING)
            http_call_report(call, http_outcome_of(call, msg->data.result));
    }
}

static void act(struct http_client *c, curl_socket_t fd, int mask)
{
    int running;

    assert(!c->in_curl);
    c->in_curl = true;
    curl_multi_socket_action(c->multi, fd, mask, &running);
    c->in_curl = false;
    collect(c);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    struct http_socket *s = arg;

    if (!s->wants) {
        socket_disarm(s);
        return;
    }
    loop_worked(s->client->loop);
    act(s->client, fd,
        (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0));
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

/* ---- from curl to the loop ---- */

static void socket_watch(struct http_socket *s, short wants)
{
    s->wants = wants;
    if (s->armed == wants)
        return;
    socket_disarm(s);
    event_assign(&s->event, loop_base(s->client->loop), s->fd, (short)(wants | EV_PERSIST),
                 on_event, s);
    loop_make_bulk(&s->event);
    event_add(&s->event, NULL);
    s->armed = wants;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *client, void *unused)
{
    struct http_client *c = client;
    struct http_socket *s = socket_at(c, fd);
    short wants =
        (short)((what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));

    (void)easy, (void)unused;
    if (what != CURL_POLL_REMOVE) {
        socket_watch(s ? s : socket_add(c, fd, false), wants);
    } else if (s && !s->ours) {
        socket_remove(s);
    } else if (s) {
        s->wants = 0;
        if (s->armed & EV_WRITE)
            socket_disarm(s);
    }
    return 0;
}

/* "At once" is the end of this turn: a timer would need a turn of its own. */
static void on_due(void *arg)
{
    struct http_client *c = arg;

    c->due_deferred = false;
    act(c, CURL_SOCKET_TIMEOUT, 0);
}

static int http_client_multi_on_timer(CURLM *multi, long ms, void *client)
{
    struct http_client *c = client;
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};

    (void)multi;
    if (ms == 0 && !c->due_deferred) {
        c->due_deferred = true;
        loop_defer(c->loop, on_due, c);
    }
    if (ms <= 0)
        evtimer_del(c->timer);
    else
        evtimer_add(c->timer, &tv);
    return 0;
}

curl_socket_t http_multi_open(void *client, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct http_client *c = client;
    int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);

    (void)purpose;
    if (fd < 0)
        return CURL_SOCKET_BAD;
    if (socket_at(c, fd)) /* closed without a word; never seen, and harmless */
        socket_remove(socket_at(c, fd));
    socket_add(c, fd, true);
    return fd;
}

int http_multi_close(void *client, curl_socket_t fd)
{
    struct http_client *c = client;
    struct http_socket *s = socket_at(c, fd);

    if (s)
        socket_remove(s);
    return close(fd);
}

/* ---- life ---- */

bool http_multi_start(struct http_client *c)
{
    c->multi = curl_multi_init();
    c->timer = evtimer_new(loop_base(c->loop), on_timeout, c);
    if (!c->multi || !c->timer)
        return false;
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(c->multi, CURLMOPT_SOCKETDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERFUNCTION, http_client_multi_on_timer);
    curl_multi_setopt(c->multi, CURLMOPT_TIMERDATA, c);
    curl_multi_setopt(c->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return true;
}

void http_multi_stop(struct http_client *c)
{
    loop_undefer(c->loop, on_due, c);
    if (c->multi)
        curl_multi_cleanup(c->multi);
    if (c->timer)
        event_free(c->timer);
    for (size_t i = 0; i < c->sockets_n; i++)
        if (c->sockets[i])
            socket_remove(c->sockets[i]);
    free(c->sockets);
}
