/* sim_server.c - connections: bytes in, bytes out, delays and cuts.
 *
 *   READING ──a whole request──▶ sim_call_run ──▶ WAITING (delay_ms)
 *      ▲                                             │ timer
 *      └──keep-alive──── call end (delivered) ◀── WRITING ◀─┐ timer (piece_ms)
 *                                                    └──────┘ one piece after another
 *
 *   the client closes, or a cut: call end (not delivered), connection freed
 *
 * Written for a busy benchmark: one read and one write per request, no timer
 * and no epoll change when there is no delay.  Reads stay on during the work,
 * so that a client's leaving is seen at once.  libevent's own HTTP server is
 * not used, because it cannot stop in the middle of an answer.
 */
#include "tests/sim/sim_server.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/event_struct.h>

#include "common/core/xalloc.h"
#include "tests/sim/sim.h"
#include "tests/sim/sim_head.h"
#include "tests/sim/sim_listen.h"

#define READ_BYTES  ((size_t)16 * 1024)
#define AHEAD_BYTES ((size_t)1024 * 1024) /* sent ahead of its turn; reading stops above */
#define ACCEPTS_MAX 64

enum conn_state { CONN_READING, CONN_WAITING, CONN_WRITING };

struct conn {
    struct sim_server *server;
    struct conn *prev, *next;
    int fd;
    enum conn_state state;
    bool reading, ends_after;
    struct event ev_read, ev_write, ev_timer;
    struct buf in, out;
    size_t sent, piece; /* bytes of out that are written; pieces that are in out */
    struct sim_call call;
};

struct sim_server {
    struct event_base *base;
    struct sim *sim;
    int fd;
    struct event *ev_accept;
    struct conn *conns;
    size_t count;
};

static void serve(struct conn *c);

/* ---- life ---- */

static void conn_free(struct conn *c)
{
    struct sim_server *s = c->server;

    if (c->state != CONN_READING)
        sim_call_end(&c->call, false);
    event_del(&c->ev_read);
    event_del(&c->ev_write);
    event_del(&c->ev_timer);
    close(c->fd);
    *(c->prev ? &c->prev->next : &s->conns) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->count--;
    buf_done(&c->in);
    buf_done(&c->out);
    sim_call_done(&c->call);
    free(c);
}

static void set_reading(struct conn *c, bool on)
{
    if (c->reading == on)
        return;
    c->reading = on;
    if (on)
        event_add(&c->ev_read, NULL);
    else
        event_del(&c->ev_read);
}

static void pause_ms(struct conn *c, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};

    event_add(&c->ev_timer, &tv);
}

/* ---- writing ---- */

/* The next piece into out; false when there is none left. */
static bool fill(struct conn *c)
{
    const struct sim_reply *r = &c->call.reply;
    size_t count = r->pieces ? r->pieces : 1, from, to;

    if (c->piece == count ||
        (r->close == SIM_CLOSE_MIDDLE && c->piece && c->piece * 2 >= count && !c->call.truncated))
        return false;
    from = c->piece ? r->ends[c->piece - 1] : 0;
    to = r->pieces ? r->ends[c->piece] : r->body.n;
    c->piece++;
    if (r->close == SIM_CLOSE_MIDDLE && count == 1)
        to = from + (to - from) / 2;
    if (!r->chunked) {
        buf_add(&c->out, r->body.p + from, to - from);
    } else if (to > from) {
        buf_printf(&c->out, "%zx\r\n", to - from);
        buf_add(&c->out, r->body.p + from, to - from);
        buf_puts(&c->out, "\r\n");
    }
    if (r->chunked && c->piece == count && r->close != SIM_CLOSE_MIDDLE)
        buf_puts(&c->out, "0\r\n\r\n");
    return true;
}

/* Write what is in out.  1: all, 0: the rest waits for the socket, -1: the client has gone. */
static int flush(struct conn *c)
{
    while (c->sent < c->out.n) {
        ssize_t n = send(c->fd, c->out.p + c->sent, c->out.n - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN) {
            event_add(&c->ev_write, NULL);
            return 0;
        }
        if (n < 0)
            return -1;
        c->sent += (size_t)n;
    }
    c->sent = 0;
    if (c->out.cap > AHEAD_BYTES)
        buf_done(&c->out);
    else
        buf_clear(&c->out);
    return 1;
}

/* The answer is out, or was cut; false when the connection was freed. */
static bool finish(struct conn *c)
{
    enum sim_close how = c->call.reply.close;

    if (how == SIM_CLOSE_MIDDLE) {
        conn_free(c);
        return false;
    }
    c->state = CONN_READING;
    sim_call_end(&c->call, true);
    if (how == SIM_CLOSE_AFTER || c->ends_after) {
        conn_free(c);
        return false;
    }
    sim_http_init(&c->call.http);
    return true;
}

/* Go on writing; true when the answer is finished and the connection reads again. */
static bool write_on(struct conn *c)
{
    const struct sim_reply *r = &c->call.reply;

    for (;;) {
        int done = flush(c);
        if (done < 0) {
            conn_free(c);
            return false;
        }
        if (!done)
            return false;
        if (!fill(c))
            return finish(c);
        if (r->piece_ms > 0) {
            /* The piece is in out; it goes when the pause is over. */
            pause_ms(c, r->piece_ms);
            return false;
        }
        while (fill(c)) {
        }
    }
}

static bool start_writing(struct conn *c)
{
    if (c->call.reply.close == SIM_CLOSE_BEFORE) {
        conn_free(c);
        return false;
    }
    c->state = CONN_WRITING;
    c->piece = 0;
    sim_head_print(&c->call, !c->ends_after, &c->out);
    (void)fill(c);
    return write_on(c);
}

static void on_timer(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
    struct conn *c = arg;

    if (c->state == CONN_WAITING ? start_writing(c) : write_on(c))
        serve(c);
}

static void on_writable(UNUSED evutil_socket_t fd, UNUSED short what, void *arg)
{
    if (write_on(arg))
        serve(arg);
}

/* ---- reading ---- */

/* A request that cannot be read: say why and close. */
static bool refuse(struct conn *c)
{
    char text[256];
    int n = snprintf(text, sizeof(text),
                     "HTTP/1.1 %d %s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
                     c->call.http.status, sim_head_reason(c->call.http.status));

    (void)send(c->fd, text, (size_t)n, MSG_NOSIGNAL);
    conn_free(c);
    return false;
}

/* A whole request is in `in`: answer it.  True when it is done and the next may be read. */
static bool answer(struct conn *c)
{
    size_t total = c->call.http.total;

    c->ends_after = !c->call.http.keep_alive;
    sim_call_run(&c->call, c->in.p);
    if (total < c->in.n)
        memmove(c->in.p, c->in.p + total, c->in.n - total);
    c->in.n -= total;
    if (!c->in.n && c->in.cap > AHEAD_BYTES)
        buf_done(&c->in);
    c->state = CONN_WAITING;
    if (c->call.reply.delay_ms > 0) {
        pause_ms(c, c->call.reply.delay_ms);
        return false;
    }
    return start_writing(c);
}

/* Answer what is complete in `in`, one after the other. */
static void serve(struct conn *c)
{
    enum sim_http_state state = SIM_HTTP_MORE;

    set_reading(c, true);
    while (c->in.n) {
        state = sim_http_parse(&c->call.http, c->in.p, c->in.n);
        if (state == SIM_HTTP_BAD) {
            refuse(c);
            return;
        }
        if (state == SIM_HTTP_MORE)
            break;
        if (!answer(c))
            return;
    }
    if (state == SIM_HTTP_MORE && c->call.http.head_bytes && c->call.http.expects_continue) {
        c->call.http.expects_continue = false;
        (void)send(c->fd, "HTTP/1.1 100 Continue\r\n\r\n", 25, MSG_NOSIGNAL);
    }
}

/* How much to read next: more when a large body is on its way. */
static size_t read_bytes(const struct conn *c)
{
    const struct sim_http *h = &c->call.http;
    size_t rest = h->head_bytes + h->length > c->in.n ? h->head_bytes + h->length - c->in.n : 0;

    if (c->state != CONN_READING || rest < READ_BYTES)
        return READ_BYTES;
    return rest < AHEAD_BYTES ? rest : AHEAD_BYTES;
}

static void on_readable(evutil_socket_t fd, UNUSED short what, void *arg)
{
    struct conn *c = arg;
    size_t want = read_bytes(c);
    char *at = buf_reserve(&c->in, want);
    ssize_t n = at ? recv(fd, at, want, 0) : -1;

    if (n < 0 && at && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_free(c);
        return;
    }
    c->in.n += (size_t)n;
    if (c->state == CONN_READING)
        serve(c);
    else if (c->in.n > AHEAD_BYTES)
        set_reading(c, false);
}

/* ---- accepting ---- */

static void conn_new(struct sim_server *s, int fd)
{
    struct conn *c = xcalloc(1, sizeof(*c));
    int on = 1;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    c->server = s;
    c->fd = fd;
    c->next = s->conns;
    if (c->next)
        c->next->prev = c;
    s->conns = c;
    s->count++;
    buf_init(&c->in, SIM_HTTP_HEAD_MAX + SIM_HTTP_BODY_MAX + 2 * AHEAD_BYTES);
    buf_init(&c->out, SIM_REPLY_MAX + SIM_HTTP_HEAD_MAX);
    sim_call_init(&c->call, s->sim);
    sim_http_init(&c->call.http);
    event_assign(&c->ev_read, s->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    event_assign(&c->ev_write, s->base, fd, EV_WRITE, on_writable, c);
    event_assign(&c->ev_timer, s->base, -1, 0, on_timer, c);
    set_reading(c, true);
}

static void on_accept(evutil_socket_t fd, UNUSED short what, void *arg)
{
    struct sim_server *s = arg;

    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client < 0)
            return;
        if (s->count >= SIM_CONNECTIONS_MAX)
            close(client);
        else
            conn_new(s, client);
    }
}

/* ---- the server ---- */

struct sim_server *sim_server_new(struct event_base *borrow_base, struct sim *borrow_sim,
                                  const char *address, struct err *err)
{
    int fd = sim_listen(address, err);
    struct sim_server *s;

    if (fd < 0)
        return NULL;
    s = xcalloc(1, sizeof(*s));
    *s = (struct sim_server){.base = borrow_base, .sim = borrow_sim, .fd = fd};
    s->ev_accept = event_new(borrow_base, fd, EV_READ | EV_PERSIST, on_accept, s);
    event_add(s->ev_accept, NULL);
    borrow_sim->port = sim_listen_port(fd);
    return s;
}

void sim_server_free(struct sim_server *s)
{
    if (!s)
        return;
    while (s->conns)
        conn_free(s->conns);
    event_free(s->ev_accept);
    close(s->fd);
    free(s);
}
