/* tls_front.c - see tls_front.h.
 *
 *   client ──TLS──▶ [ outer | pair | inner ] ──plain──▶ 127.0.0.1:plain_port
 *
 * Whatever one side reads goes to the output of the other; when one side ends,
 * both are closed once what was read has been written. */
#include "tests/support/tls_front.h"

#include <arpa/inet.h>
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <openssl/ssl.h>

struct tls_front {
    pid_t pid;
    int port;
};

struct inside {
    struct event_base *base;
    SSL_CTX *tls;
    int plain_port;
};

struct pair {
    struct bufferevent *side[2];
};

static void end_pair(struct pair *p)
{
    for (int i = 0; i < 2; i++)
        bufferevent_free(p->side[i]);
    free(p);
}

static struct bufferevent *other(const struct pair *p, const struct bufferevent *b)
{
    return p->side[p->side[0] == b];
}

static void on_read(struct bufferevent *b, void *arg)
{
    bufferevent_write_buffer(other(arg, b), bufferevent_get_input(b));
}

static void on_written(struct bufferevent *b, void *arg)
{
    (void)b;
    end_pair(arg);
}

static void on_event(struct bufferevent *b, short what, void *arg)
{
    struct pair *p = arg;
    struct bufferevent *to = other(p, b);

    if (!(what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)))
        return;
    on_read(b, p);
    if (evbuffer_get_length(bufferevent_get_output(to)) == 0) {
        end_pair(p);
        return;
    }
    bufferevent_disable(b, EV_READ | EV_WRITE);
    bufferevent_setcb(to, NULL, on_written, on_event, p);
}

static void on_accept(struct evconnlistener *l, int fd, struct sockaddr *from, int n, void *arg)
{
    struct inside *in = arg;
    struct pair *p = calloc(1, sizeof *p);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)in->plain_port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)l, (void)from, (void)n;
    if (!p)
        abort();
    p->side[0] = bufferevent_openssl_socket_new(in->base, fd, SSL_new(in->tls),
                                                BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    p->side[1] = bufferevent_socket_new(in->base, -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_openssl_set_allow_dirty_shutdown(p->side[0], 1);
    for (int i = 0; i < 2; i++) {
        bufferevent_setcb(p->side[i], on_read, NULL, on_event, p);
        bufferevent_enable(p->side[i], EV_READ | EV_WRITE);
    }
    bufferevent_socket_connect(p->side[1], (struct sockaddr *)&at, sizeof at);
}

static _Noreturn void serve(const struct certificate *certificate, int plain_port, int tell)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct inside in = {event_base_new(), SSL_CTX_new(TLS_server_method()), plain_port};
    socklen_t n = sizeof at;
    struct evconnlistener *l = evconnlistener_new_bind(
        in.base, on_accept, &in, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 128,
        (struct sockaddr *)&at, sizeof at);
    int port = 0;

    signal(SIGPIPE, SIG_IGN);
    if (l && SSL_CTX_use_certificate_file(in.tls, certificate->cert, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_use_PrivateKey_file(in.tls, certificate->key, SSL_FILETYPE_PEM) == 1 &&
        getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&at, &n) == 0)
        port = ntohs(at.sin_port);
    if (write(tell, &port, sizeof port) == sizeof port && port)
        event_base_dispatch(in.base);
    _exit(1);
}

struct tls_front *tls_front_start(const struct certificate *certificate, int plain_port)
{
    struct tls_front *f = calloc(1, sizeof *f);
    pid_t parent = getpid();
    int ends[2];

    ck_assert(f && pipe(ends) == 0);
    f->pid = fork();
    ck_assert_int_ge(f->pid, 0);
    if (f->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            serve(certificate, plain_port, ends[1]);
        _exit(1);
    }
    close(ends[1]);
    ck_assert_int_eq(read(ends[0], &f->port, sizeof f->port), sizeof f->port);
    ck_assert_int_ne(f->port, 0);
    close(ends[0]);
    return f;
}

int tls_front_port(const struct tls_front *f) { return f->port; }

void tls_front_stop(struct tls_front *f)
{
    if (!f)
        return;
    kill(f->pid, SIGKILL);
    waitpid(f->pid, NULL, 0);
    free(f);
}
