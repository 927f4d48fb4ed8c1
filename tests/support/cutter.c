/* cutter.c - a child process that copies bytes between sockets until their number is up.
 *
 *   client ──▶ listen [ client fd | pair: bytes left | server fd ] ──▶ upstream
 *                ▲ orders by a socketpair, each acknowledged
 *   test ────────┘
 *
 * A pair has one allowance for both directions.  What is read is cut down to the
 * allowance before it is written, so the last byte that arrives is chosen by the
 * seed and not by the sizes of reads.
 */
#include "tests/support/cutter.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAIRS_MAX = 1024, CHUNK_BYTES = 16384, BACKLOG = 512 };

enum order {
    ORDER_PASS,
    ORDER_STALL,
    ORDER_REFUSE,
    ORDER_CUT,
    ORDER_CUT_AFTER,
    ORDER_UPSTREAM,
    ORDER_STATS
};

struct message {
    enum order order;
    int64_t number; /* CUT_AFTER: bytes; UPSTREAM: port */
};

struct cutter {
    pid_t pid;
    int control;
};

/* One direction: what was read and not yet written. */
struct flow {
    int from, to;
    size_t at, n;
    char bytes[CHUNK_BYTES];
};

struct pair {
    struct flow up, down;
    int64_t left; /* bytes until the cut; -1: no end */
};

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_un un;
        struct sockaddr_in in;
    } u;
    socklen_t n;
};

struct state {
    struct address listen, upstream;
    int control, listener;
    bool deaf;       /* refuses connections */
    enum order mode; /* PASS, STALL or REFUSE */
    int64_t mean;
    uint64_t random;
    struct pair *pairs[PAIRS_MAX];
    size_t n;
    struct cutter_stats stats;
};

/* ---- sockets ---------------------------------------------------------------- */
static struct address address_of(const char *text)
{
    struct address a = {0};

    if (strncmp(text, "unix:", 5) == 0 && strlen(text + 5) < sizeof a.u.un.sun_path) {
        a.u.un.sun_family = AF_UNIX;
        memcpy(a.u.un.sun_path, text + 5, strlen(text + 5));
        a.n = sizeof a.u.un;
    } else if (strncmp(text, "tcp:", 4) == 0) {
        a.u.in.sin_family = AF_INET;
        a.u.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        a.u.in.sin_port = htons((uint16_t)strtol(text + 4, NULL, 10));
        a.n = sizeof a.u.in;
    } else {
        ck_abort_msg("cutter: no address: %s", text);
    }
    return a;
}

static int listen_at(const struct address *a)
{
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), on = 1;

    if (a->u.any.sa_family == AF_UNIX)
        unlink(a->u.un.sun_path);
    else
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (fd >= 0 && bind(fd, &a->u.any, a->n) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_to(const struct address *a)
{
    int fd = socket(a->u.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, &a->u.any, a->n) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* splitmix64 */
static uint64_t random_of(struct state *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int64_t allowance(struct state *s)
{
    return s->mean ? 1 + (int64_t)(random_of(s) % (uint64_t)(2 * s->mean)) : -1;
}

/* ---- pairs ------------------------------------------------------------------ */
static void pair_new(struct state *s, int client)
{
    int server = s->n < PAIRS_MAX ? connect_to(&s->upstream) : -1;
    struct pair *p = server < 0 ? NULL : calloc(1, sizeof *p);

    if (!p) {
        close(client);
        return;
    }
    p->up.from = p->down.to = client;
    p->up.to = p->down.from = server;
    p->left = allowance(s);
    s->pairs[s->n++] = p;
}

static void pair_free(struct state *s, size_t i, bool cut)
{
    struct pair *p = s->pairs[i];
    struct linger reset = {.l_onoff = 1};

    if (cut && random_of(s) % 2)
        setsockopt(p->up.from, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    s->stats.cuts += cut;
    close(p->up.from);
    close(p->up.to);
    free(p);
    s->pairs[i] = s->pairs[--s->n];
}

static void cut_all(struct state *s)
{
    while (s->n > 0)
        pair_free(s, s->n - 1, true);
}

/* Move what can be moved.  False: the connection is broken. */
static bool flow_move(struct state *s, struct pair *p, struct flow *f)
{
    ssize_t n;

    if (f->n == 0) {
        size_t most = p->left >= 0 && p->left < CHUNK_BYTES ? (size_t)p->left : CHUNK_BYTES;

        n = read(f->from, f->bytes, most);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
        f->n = (size_t)n;
        f->at = 0;
    }
    n = write(f->to, f->bytes + f->at, f->n - f->at);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    s->stats.bytes += n;
    f->at += (size_t)n;
    if (p->left >= 0)
        p->left -= n;
    if (f->at == f->n)
        f->n = 0;
    return true;
}

/* ---- the child's loop ------------------------------------------------------- */
/* A TCP listener that is shut down keeps its port, so that nobody else gets it meanwhile. */
static void refuse(struct state *s)
{
    cut_all(s);
    if (s->deaf)
        return;
    s->deaf = true;
    if (s->listen.u.any.sa_family != AF_UNIX) {
        shutdown(s->listener, SHUT_RD);
        return;
    }
    close(s->listener);
    s->listener = -1;
}

static void hear(struct state *s)
{
    if (!s->deaf)
        return;
    if (s->listener < 0)
        s->listener = listen_at(&s->listen);
    else
        listen(s->listener, BACKLOG);
    s->deaf = false;
}

static void apply(struct state *s, const struct message *m)
{
    switch (m->order) {
    case ORDER_PASS:
    case ORDER_STALL:
    case ORDER_REFUSE:
        s->mode = m->order;
        (m->order == ORDER_REFUSE ? refuse : hear)(s);
        break;
    case ORDER_CUT: cut_all(s); break;
    case ORDER_CUT_AFTER:
        s->mean = m->number;
        for (size_t i = 0; i < s->n; i++)
            s->pairs[i]->left = allowance(s);
        break;
    case ORDER_UPSTREAM: s->upstream.u.in.sin_port = htons((uint16_t)m->number); break;
    case ORDER_STATS: break;
    }
}

/* False when the test is gone. */
static bool obey(struct state *s)
{
    struct message m;

    if (recv(s->control, &m, sizeof m, 0) != (ssize_t)sizeof m)
        return false;
    apply(s, &m);
    s->stats.open = (int64_t)s->n;
    return send(s->control, &s->stats, sizeof s->stats, MSG_NOSIGNAL) == (ssize_t)sizeof s->stats;
}

static nfds_t watch(const struct state *s, struct pollfd *fds)
{
    bool flows = s->mode == ORDER_PASS;

    fds[0] = (struct pollfd){.fd = s->control, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->deaf ? -1 : s->listener, .events = POLLIN};
    for (size_t i = 0; i < s->n; i++) {
        const struct pair *p = s->pairs[i];

        fds[2 + 2 * i] =
            (struct pollfd){.fd = flows ? p->up.from : -1,
                            .events = (short)((p->up.n ? 0 : POLLIN) | (p->down.n ? POLLOUT : 0))};
        fds[3 + 2 * i] =
            (struct pollfd){.fd = flows ? p->up.to : -1,
                            .events = (short)((p->down.n ? 0 : POLLIN) | (p->up.n ? POLLOUT : 0))};
    }
    return 2 + 2 * s->n;
}

static void serve_pairs(struct state *s, const struct pollfd *fds, size_t count)
{
    for (size_t i = count; i-- > 0;) { /* backwards: pair_free moves the last one here */
        struct pair *p = s->pairs[i];
        bool alive = true;

        if (fds[2 + 2 * i].revents | fds[3 + 2 * i].revents)
            alive = flow_move(s, p, &p->up) && (p->left == 0 || flow_move(s, p, &p->down));
        if (!alive || p->left == 0)
            pair_free(s, i, p->left == 0);
    }
}

static NORETURN void serve(struct state *s)
{
    static struct pollfd fds[2 + 2 * PAIRS_MAX];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "cutter");
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        size_t pairs = s->n;

        if (poll(fds, watch(s, fds), -1) < 0)
            continue;
        serve_pairs(s, fds, pairs);
        if (fds[1].revents) {
            int client = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

            if (client >= 0)
                pair_new(s, client);
        }
        if (fds[0].revents && !obey(s))
            _exit(0);
    }
}

/* ---- the test's side -------------------------------------------------------- */
struct cutter *cutter_start(const char *listen, const char *upstream, uint64_t seed)
{
    struct state *s = calloc(1, sizeof *s);
    struct cutter *c = calloc(1, sizeof *c);
    int ends[2];

    if (!s || !c || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        ck_abort_msg("cutter: %s", strerror(errno));
    *s = (struct state){
        .listen = address_of(listen), .upstream = address_of(upstream), .random = seed};
    s->listener = listen_at(&s->listen);
    if (s->listener < 0)
        ck_abort_msg("cutter: cannot listen on %s: %s", listen, strerror(errno));
    c->control = ends[0];
    s->control = ends[1];
    c->pid = fork();
    if (c->pid < 0)
        ck_abort_msg("fork: %s", strerror(errno));
    if (c->pid == 0) {
        close(ends[0]);
        serve(s);
    }
    close(ends[1]);
    close(s->listener);
    free(s);
    return c;
}

void cutter_free(struct cutter *c)
{
    if (!c)
        return;
    close(c->control);
    kill(c->pid, SIGKILL);
    waitpid(c->pid, NULL, 0);
    free(c);
}

static struct cutter_stats order(struct cutter *c, enum order order, int64_t number)
{
    struct message m = {.order = order, .number = number};
    struct cutter_stats stats = {0};

    if (send(c->control, &m, sizeof m, MSG_NOSIGNAL) != (ssize_t)sizeof m ||
        recv(c->control, &stats, sizeof stats, 0) != (ssize_t)sizeof stats)
        ck_abort_msg("cutter: it is gone");
    return stats;
}

void cutter_cut_after(struct cutter *c, int64_t mean_bytes)
{
    order(c, ORDER_CUT_AFTER, mean_bytes);
}
void cutter_upstream(struct cutter *c, int port) { order(c, ORDER_UPSTREAM, port); }
void cutter_cut(struct cutter *c) { order(c, ORDER_CUT, 0); }
void cutter_pass(struct cutter *c) { order(c, ORDER_PASS, 0); }
void cutter_stall(struct cutter *c) { order(c, ORDER_STALL, 0); }
void cutter_refuse(struct cutter *c) { order(c, ORDER_REFUSE, 0); }
struct cutter_stats cutter_stats(struct cutter *c) { return order(c, ORDER_STATS, 0); }
