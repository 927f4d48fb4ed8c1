/* proxy.c - a child process that copies bytes between unix sockets, badly.
 *
 *   program ──▶ listen_path  [ client fd | pair | server fd ]  upstream_path ──▶ Redis
 *                               ▲ orders by a socketpair, each acknowledged
 *   test ───────────────────────┘
 *
 * A pair forwards raw bytes as they come, and feeds the same bytes to two
 * hiredis readers: one counts whole requests (Redis' commands are arrays of
 * strings, which a reply reader reads too), one counts whole replies.  "Lose
 * the reply of request n" is then exact: the request has wholly gone to Redis,
 * and nothing of the chunk that holds its reply (or later bytes) is passed on.
 * The answer to n proves that Redis ran it.  Earlier replies that share that
 * chunk are lost with it, as they would be on a real network.
 *
 * Another fault is one value of `enum order` and one case in on_request or apply.
 */
#include "tests/support/proxy.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <hiredis/hiredis.h>

enum { PAIRS_MAX = 512, CHUNK_BYTES = 65536, TEXT_MAX = 128 };

enum order {
    ORDER_PASS,
    ORDER_STALL,
    ORDER_REFUSE,
    ORDER_CUT,
    ORDER_LOSE_REPLY,
    ORDER_LOSE_REQUEST,
    ORDER_SILENCE_REPLY,
    ORDER_LOSE_REPLIES,
    ORDER_STALL_AFTER,
    ORDER_STATS
};

struct message {
    enum order order;
    char text[TEXT_MAX];
};

struct proxy {
    pid_t pid;
    int control;
};

/* One direction: what was read and not yet written. */
struct flow {
    int from, to;
    size_t at, n;
    redisReader *reader;
    char bytes[CHUNK_BYTES];
};

struct pair {
    struct flow up, down; /* to Redis, from Redis */
    int64_t requests, replies;
    int64_t doomed;  /* the request whose reply is lost; 0: none */
    bool silent;     /* that reply came, and nothing flows any more */
    bool deaf;       /* that reply came, and no byte of Redis is passed on any more */
    enum order fate; /* what happens then */
};

struct state {
    const char *listen_path, *upstream_path;
    int control, listener;
    enum order mode;      /* PASS, STALL or REFUSE */
    struct message armed; /* what waits to happen once; PASS: none */
    struct pair *pairs[PAIRS_MAX];
    size_t n;
    struct proxy_stats stats;
};

/* ---- sockets ---------------------------------------------------------------- */
static bool unix_address(const char *path, struct sockaddr_un *a)
{
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    if (strlen(path) >= sizeof a->sun_path)
        return false;
    memcpy(a->sun_path, path, strlen(path));
    return true;
}

static int listen_at(const char *path)
{
    struct sockaddr_un a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink(path);
    if (fd >= 0 && unix_address(path, &a) && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 &&
        listen(fd, 128) == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return -1;
}

static int connect_to(const char *path)
{
    struct sockaddr_un a;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && unix_address(path, &a) && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
        fcntl(fd, F_SETFL, O_NONBLOCK);
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- pairs ------------------------------------------------------------------ */
static void pair_new(struct state *s, int client)
{
    int server = s->n < PAIRS_MAX ? connect_to(s->upstream_path) : -1;
    struct pair *p = server < 0 ? NULL : calloc(1, sizeof *p);

    if (!p) {
        close(client);
        return;
    }
    p->up.from = p->down.to = client;
    p->up.to = p->down.from = server;
    p->up.reader = redisReaderCreate();
    p->down.reader = redisReaderCreate();
    s->pairs[s->n++] = p;
    s->stats.accepted++;
}

static void pair_free(struct state *s, size_t i)
{
    struct pair *p = s->pairs[i];

    close(p->up.from);
    close(p->up.to);
    redisReaderFree(p->up.reader);
    redisReaderFree(p->down.reader);
    free(p);
    s->pairs[i] = s->pairs[--s->n];
}

static void cut_all(struct state *s)
{
    while (s->n > 0)
        pair_free(s, s->n - 1);
}

/* ---- bytes ------------------------------------------------------------------ */
static bool contains(const redisReply *request, const char *text)
{
    for (size_t i = 0; i < request->elements; i++) {
        const redisReply *arg = request->element[i];

        if (arg->type == REDIS_REPLY_STRING && memmem(arg->str, arg->len, text, strlen(text)))
            return true;
    }
    return false;
}

/* A whole request was read.  False: close the pair now. */
static bool on_request(struct state *s, struct pair *p, const redisReply *request)
{
    p->requests++;
    s->stats.requests++;
    if (s->armed.order == ORDER_PASS || !contains(request, s->armed.text))
        return true;
    if (s->armed.order == ORDER_LOSE_REQUEST) {
        s->stats.faults++;
        s->armed.order = ORDER_PASS;
        return false;
    }
    p->doomed = p->requests;
    p->fate = s->armed.order;
    s->armed.order = ORDER_PASS;
    return true;
}

/* A whole reply was read.  False: close the pair now. */
static bool on_reply(struct state *s, struct pair *p)
{
    if (++p->replies != p->doomed)
        return true;
    s->stats.faults++;
    p->silent = p->fate == ORDER_SILENCE_REPLY;
    p->deaf = p->fate == ORDER_LOSE_REPLIES;
    if (p->fate == ORDER_STALL_AFTER)
        s->mode = ORDER_STALL;
    return p->fate != ORDER_LOSE_REPLY;
}

/* Count what is in the chunk just read.  False: close the pair. */
static bool account(struct state *s, struct pair *p, struct flow *f)
{
    void *one = NULL;

    redisReaderFeed(f->reader, f->bytes, f->n);
    while (redisReaderGetReply(f->reader, &one) == REDIS_OK && one) {
        bool go_on = f == &p->up ? on_request(s, p, one) : on_reply(s, p);

        freeReplyObject(one);
        if (!go_on)
            return false;
    }
    return true;
}

/* Move what can be moved.  False: the connection ended, or has to. */
static bool flow_move(struct state *s, struct pair *p, struct flow *f)
{
    ssize_t n;

    if (f->n == 0) {
        n = read(f->from, f->bytes, sizeof f->bytes);
        if (n <= 0)
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        f->n = (size_t)n;
        f->at = 0;
        if (!account(s, p, f))
            return false;
        if (p->silent)
            return true;
        if (p->deaf && f == &p->down) {
            f->n = 0;
            return true;
        }
    }
    n = write(f->to, f->bytes + f->at, f->n - f->at);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    f->at += (size_t)n;
    if (f->at == f->n)
        f->n = 0;
    return true;
}

/* ---- the child's loop ------------------------------------------------------- */
static void apply(struct state *s, const struct message *m)
{
    switch (m->order) {
    case ORDER_PASS:
    case ORDER_STALL:
    case ORDER_REFUSE:
        s->mode = m->order;
        if (m->order == ORDER_REFUSE) {
            cut_all(s);
            if (s->listener >= 0)
                close(s->listener);
            s->listener = -1;
        } else if (s->listener < 0) {
            s->listener = listen_at(s->listen_path);
        }
        break;
    case ORDER_CUT: cut_all(s); break;
    case ORDER_LOSE_REPLY:
    case ORDER_LOSE_REQUEST:
    case ORDER_SILENCE_REPLY:
    case ORDER_LOSE_REPLIES:
    case ORDER_STALL_AFTER: s->armed = *m; break;
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

static size_t watch(const struct state *s, struct pollfd *fds)
{
    bool flows = s->mode == ORDER_PASS;

    fds[0] = (struct pollfd){.fd = s->control, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = s->listener, .events = POLLIN};
    for (size_t i = 0; i < s->n; i++) {
        const struct pair *p = s->pairs[i];
        struct pollfd *client = &fds[2 + 2 * i], *server = client + 1;

        *client = (struct pollfd){.fd = flows ? p->up.from : -1};
        *server = (struct pollfd){.fd = flows ? p->up.to : -1};
        client->events = (short)((p->up.n ? 0 : POLLIN) | (p->down.n ? POLLOUT : 0));
        server->events = (short)((p->down.n ? 0 : POLLIN) | (p->up.n ? POLLOUT : 0));
        if (p->silent) { /* watch only for the client's end */
            client->events = POLLRDHUP;
            server->fd = -1;
        }
    }
    return 2 + 2 * s->n;
}

static void serve_pairs(struct state *s, const struct pollfd *fds, size_t count)
{
    for (size_t i = count; i-- > 0;) { /* backwards: pair_free moves the last one here */
        struct pair *p = s->pairs[i];
        short client = fds[2 + 2 * i].revents, server = fds[3 + 2 * i].revents;
        bool alive = true;

        if (p->silent)
            alive = !client;
        else if (client | server)
            alive = flow_move(s, p, &p->up) && flow_move(s, p, &p->down);
        if (!alive)
            pair_free(s, i);
    }
}

static NORETURN void serve(struct state *s)
{
    static struct pollfd fds[2 + 2 * PAIRS_MAX];

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_NAME, "proxy");
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        size_t pairs = s->n;
        nfds_t n = (nfds_t)watch(s, fds);

        if (poll(fds, n, -1) < 0)
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
struct proxy *proxy_start(const char *listen_path, const char *upstream_path)
{
    struct state s = {.listen_path = listen_path, .upstream_path = upstream_path};
    struct proxy *p = calloc(1, sizeof *p);
    int ends[2];

    if (!p || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends))
        ck_abort_msg("proxy: %s", strerror(errno));
    s.listener = listen_at(listen_path);
    if (s.listener < 0)
        ck_abort_msg("proxy: cannot listen on %s: %s", listen_path, strerror(errno));
    p->control = ends[0];
    s.control = ends[1];
    p->pid = fork();
    if (p->pid < 0)
        ck_abort_msg("fork: %s", strerror(errno));
    if (p->pid == 0) {
        close(ends[0]);
        serve(&s);
    }
    close(ends[1]);
    close(s.listener);
    return p;
}

void proxy_free(struct proxy *p)
{
    if (!p)
        return;
    close(p->control);
    kill(p->pid, SIGKILL);
    waitpid(p->pid, NULL, 0);
    free(p);
}

static struct proxy_stats order(struct proxy *p, enum order order, const char *text)
{
    struct message m = {.order = order};
    struct proxy_stats stats = {0};

    if (strlen(text) >= sizeof m.text)
        ck_abort_msg("proxy: the text is over %d bytes: %s", TEXT_MAX - 1, text);
    memcpy(m.text, text, strlen(text));
    if (send(p->control, &m, sizeof m, MSG_NOSIGNAL) != (ssize_t)sizeof m ||
        recv(p->control, &stats, sizeof stats, 0) != (ssize_t)sizeof stats)
        ck_abort_msg("proxy: it is gone");
    return stats;
}

void proxy_pass(struct proxy *p) { order(p, ORDER_PASS, ""); }
void proxy_stall(struct proxy *p) { order(p, ORDER_STALL, ""); }
void proxy_refuse(struct proxy *p) { order(p, ORDER_REFUSE, ""); }
void proxy_cut(struct proxy *p) { order(p, ORDER_CUT, ""); }
void proxy_lose_reply(struct proxy *p, const char *text) { order(p, ORDER_LOSE_REPLY, text); }
void proxy_lose_request(struct proxy *p, const char *text) { order(p, ORDER_LOSE_REQUEST, text); }
void proxy_silence_reply(struct proxy *p, const char *text) { order(p, ORDER_SILENCE_REPLY, text); }
void proxy_lose_replies(struct proxy *p, const char *text) { order(p, ORDER_LOSE_REPLIES, text); }
void proxy_stall_after(struct proxy *p, const char *text) { order(p, ORDER_STALL_AFTER, text); }
struct proxy_stats proxy_stats(struct proxy *p) { return order(p, ORDER_STATS, ""); }
