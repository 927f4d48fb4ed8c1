/* fake_http.c - a scripted HTTP server in a child process.
 *
 * One thread per connection, blocking, over plain sockets or TLS.  A script
 * is a row: what to send once the request is there, and what to do then.
 * `dies_at` n: the n-th request on one connection gets no answer; the
 * connection is closed (or reset) after the whole request was read, or already
 * after its head.  A script with a function does it all by itself.
 */
#include "tests/unit/fake_http.h"

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/ssl.h>
#include <zlib.h>

#include "common/core/base.h"

struct conn {
    int fd;
    SSL *ssl;
    struct fake_http_seen *seen;
    char in[1 << 16]; /* the head of the request, then what came of its body */
    size_t in_n, head_n;
    int nth;
};

enum then { KEEP, CLOSE, RESET, HANG };
struct script {
    const char *path, *answer;
    enum then then;
    int dies_at;
    bool at_head; /* dies after the head of the request */
    void (*run)(struct conn *c);
};

/* ---- bytes ---- */

static ssize_t conn_read(struct conn *c, char *p, size_t n)
{
    return c->ssl ? SSL_read(c->ssl, p, (int)n) : read(c->fd, p, n);
}

NORETURN static void conn_end(struct conn *c, enum then how)
{
    struct linger now = {1, 0};

    if (how == HANG)
        sleep(3600);
    if (how == RESET)
        setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    else if (c->ssl)
        SSL_shutdown(c->ssl);
    SSL_free(c->ssl);
    close(c->fd);
    free(c);
    pthread_exit(NULL);
}

static void conn_write(struct conn *c, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->fd, p, n, MSG_NOSIGNAL);

        if (done <= 0)
            conn_end(c, CLOSE);
        p += done;
        n -= (size_t)done;
    }
}

static void conn_puts(struct conn *c, const char *s) { conn_write(c, s, strlen(s)); }

/* ---- scripts that are more than a text ---- */

static void run_echo_head(struct conn *c)
{
    char head[128];

    snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", c->head_n);
    conn_puts(c, head);
    conn_write(c, c->in, c->head_n);
}

static void run_big(struct conn *c)
{
    char block[10000];

    memset(block, 'x', sizeof block);
    conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
    for (int i = 0; i < 10; i++)
        conn_write(c, block, sizeof block);
}

static void run_long_head(struct conn *c)
{
    char line[1000];

    memset(line, 'h', sizeof line);
    conn_puts(c, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 80; i++) {
        conn_puts(c, "X-Long:");
        conn_write(c, line, sizeof line);
        conn_puts(c, "\r\n");
    }
    conn_puts(c, "Content-Length: 0\r\n\r\n");
}

/* Ten bytes, one every 100 ms. */
static void run_drip(struct conn *c)
{
    conn_puts(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        usleep(100000);
        conn_puts(c, "d");
    }
}

/* bytes of 'z', compressed whether or not the request allows it. */
static void send_compressed(struct conn *c, const char *encoding, int window_bits, size_t bytes)
{
    static char plain[1 << 20], packed[1 << 20];
    z_stream z = {.next_in = (Bytef *)plain,
                  .avail_in = (uInt)bytes,
                  .next_out = (Bytef *)packed,
                  .avail_out = sizeof packed};
    char head[128];

    memset(plain, 'z', sizeof plain);
    if (deflateInit2(&z, 9, Z_DEFLATED, window_bits, 9, Z_DEFAULT_STRATEGY) != Z_OK ||
        deflate(&z, Z_FINISH) != Z_STREAM_END)
        _exit(1);
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %lu\r\n\r\n", encoding,
             z.total_out);
    conn_puts(c, head);
    conn_write(c, packed, z.total_out);
    deflateEnd(&z);
}

static void run_gzip(struct conn *c) { send_compressed(c, "gzip", 15 + 16, 100); }
static void run_deflate(struct conn *c) { send_compressed(c, "deflate", 15, 100); }
static void run_bomb(struct conn *c) { send_compressed(c, "gzip", 15 + 16, 1 << 20); }

#define OK_HEAD "HTTP/1.1 200 OK\r\n"
#define OK      OK_HEAD "Content-Length: 2\r\n\r\nok"

static const struct script scripts[] = {
    {.path = "/ok", .answer = OK},
    {.path = "/created", .answer = "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"},
    {.path = "/head", .answer = OK_HEAD "Content-Length: 2\r\n\r\n"},
    {.path = "/to-the-end", .answer = OK_HEAD "\r\nall", .then = CLOSE},
    {.path = "/chunked",
     .answer = OK_HEAD "Transfer-Encoding: chunked\r\nX-A: b\r\n\r\n"
                       "3\r\none\r\n3\r\ntwo\r\n0\r\nX-Late: trailer\r\n\r\n"},
    {.path = "/continue", .answer = "HTTP/1.1 100 Continue\r\nX-First: 1\r\n\r\n" OK},
    {.path = "/429",
     .answer = "HTTP/1.1 429 Too Many Requests\r\nx-ratelimit-reset: 1.5\r\n"
               "Retry-After: 1\r\nContent-Length: 4\r\n\r\nbusy"},
    {.path = "/redirect",
     .answer = "HTTP/1.1 302 Found\r\nLocation: /ok\r\nContent-Length: 0\r\n\r\n"},
    {.path = "/close", .answer = "", .then = CLOSE},
    {.path = "/reset", .answer = "", .then = RESET},
    {.path = "/half-status", .answer = "HTTP/1.1 20", .then = CLOSE},
    {.path = "/only-100", .answer = "HTTP/1.1 100 Continue\r\n\r\n", .then = CLOSE},
    {.path = "/half-head", .answer = OK_HEAD "Content-Len", .then = CLOSE},
    {.path = "/half-body", .answer = OK_HEAD "Content-Length: 9\r\n\r\nhalf", .then = CLOSE},
    {.path = "/half-chunk",
     .answer = OK_HEAD "Transfer-Encoding: chunked\r\n\r\n9\r\nhalf",
     .then = CLOSE},
    {.path = "/garbage", .answer = "220 mail.example ESMTP\r\n", .then = CLOSE},
    {.path = "/silent", .answer = "", .then = HANG},
    {.path = "/stalls", .answer = OK_HEAD "Content-Length: 9\r\n\r\nhalf", .then = HANG},
    {.path = "/dies-second", .answer = OK, .dies_at = 2},
    {.path = "/resets-second", .answer = OK, .then = RESET, .dies_at = 2},
    {.path = "/dies-second-head", .answer = OK, .dies_at = 2, .at_head = true},
    {.path = "/dies-third", .answer = OK, .dies_at = 3},
    {.path = "/echo-head", .run = run_echo_head},
    {.path = "/big", .run = run_big},
    {.path = "/gzip", .run = run_gzip},
    {.path = "/deflate", .run = run_deflate},
    {.path = "/bomb", .run = run_bomb},
    {.path = "/long-head", .run = run_long_head},
    {.path = "/drip", .run = run_drip},
};

/* ---- a connection ---- */

static const struct script *script_of(const char *head)
{
    const char *path = strchr(head, ' ') + 1;

    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        size_t n = strlen(scripts[i].path);

        if (strncmp(path, scripts[i].path, n) == 0 && (path[n] == ' ' || path[n] == '?'))
            return &scripts[i];
    }
    fprintf(stderr, "fake_http: no script for %.60s\n", head);
    _exit(1);
}

static void read_head(struct conn *c)
{
    char *end;

    for (c->in_n = 0; !(end = memmem(c->in, c->in_n, "\r\n\r\n", 4));) {
        ssize_t n = conn_read(c, c->in + c->in_n, sizeof c->in - 1 - c->in_n);

        if (n <= 0)
            conn_end(c, CLOSE);
        c->in_n += (size_t)n;
    }
    c->in[c->in_n] = 0;
    c->head_n = (size_t)(end + 4 - c->in);
    c->nth++;
    atomic_fetch_add(&c->seen->heads, 1);
}

static void read_body(struct conn *c)
{
    const char *length = strcasestr(c->in, "\r\nContent-Length:");
    size_t want = length ? strtoul(length + 17, NULL, 10) : 0, got = c->in_n - c->head_n;
    char *body = c->in + c->head_n;
    unsigned long id;

    while (got < want) {
        size_t at = got < 64 ? got : 64; /* only the beginning is looked at */
        ssize_t n = conn_read(c, body + at, sizeof c->in - 1 - c->head_n - at);

        if (n <= 0)
            conn_end(c, CLOSE);
        got += (size_t)n;
    }
    body[got < 64 ? got : 64] = 0;
    if (want == 0)
        return;
    atomic_fetch_add(&c->seen->bodies, 1);
    id = strncmp(body, "id=", 3) == 0 ? strtoul(body + 3, NULL, 10) : 0;
    if (id > 0 && id < FAKE_HTTP_IDS)
        atomic_fetch_add(&c->seen->by_id[id], 1);
}

static void *serve(void *arg)
{
    struct conn *c = arg;

    if (c->ssl && (SSL_set_fd(c->ssl, c->fd) != 1 || SSL_accept(c->ssl) != 1))
        conn_end(c, CLOSE);
    atomic_fetch_add(&c->seen->connections, 1);
    for (;;) {
        const struct script *s;

        read_head(c);
        s = script_of(c->in);
        if (s->dies_at == c->nth && s->at_head)
            conn_end(c, s->then == RESET ? RESET : CLOSE);
        read_body(c);
        if (s->dies_at == c->nth)
            conn_end(c, s->then == RESET ? RESET : CLOSE);
        if (s->run)
            s->run(c);
        else
            conn_puts(c, s->answer);
        if (s->then != KEEP && !s->dies_at)
            conn_end(c, s->then);
    }
}

/* ---- the process ---- */

static SSL_CTX *tls_context(const char *cert, const char *key)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1 ||
        SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        _exit(1);
    return ctx;
}

NORETURN static void serve_all(int listener, struct fake_http_seen *seen, SSL_CTX *ctx)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct conn *c = calloc(1, sizeof *c);
        pthread_t thread;

        if (!c || (c->fd = accept(listener, NULL, NULL)) < 0)
            _exit(1);
        c->seen = seen;
        c->ssl = ctx ? SSL_new(ctx) : NULL;
        if (pthread_create(&thread, NULL, serve, c) != 0)
            _exit(1);
        pthread_detach(thread);
    }
}

void fake_http_start(struct fake_http *s, const char *cert, const char *key)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t sa_n = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert(bind(listener, (struct sockaddr *)&sa, sa_n) == 0 && listen(listener, 512) == 0);
    ck_assert(getsockname(listener, (struct sockaddr *)&sa, &sa_n) == 0);
    s->port = ntohs(sa.sin_port);
    s->seen =
        mmap(NULL, sizeof *s->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ck_assert(s->seen != MAP_FAILED);
    s->pid = fork();
    ck_assert_int_ge(s->pid, 0);
    if (s->pid == 0)
        serve_all(listener, s->seen, cert ? tls_context(cert, key) : NULL);
    close(listener);
}

void fake_http_stop(struct fake_http *s)
{
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
    if (s->seen)
        munmap(s->seen, sizeof *s->seen);
    *s = (struct fake_http){0};
}
