/* bare.c - what this machine and the simulator can do: calls of a C loop, and nothing else.
 *
 *   256 kept connections:  write a request --> epoll --> read its answer --> write the next
 *
 * No queue, no JSON, no results: one prepared request, and of the answer only its length is
 * read.  What is between this and slots / latency is the simulator's, the kernel's and their
 * timers', so no client gets it.
 *
 * With bare_queue.c between an answer and the next request the same loop shows what a queue costs
 * that asks Redis for the next job when a connection is free, and does nothing else. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/bench/bare.h"
#include "tests/bench/bench.h"

enum { EVENTS = 256 };

int bare_connect(const char *url)
{
    const char *colon = strrchr(url, ':');
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0 || connect(fd, (struct sockaddr *)(void *)&at, sizeof at))
        ck_abort_msg("bare: %s: %s", url, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return fd;
}

void bare_send(struct bare *b, struct bare_caller *c, const char *request, size_t n)
{
    b->sent++;
    c->have = c->want = 0;
    if (send(c->fd, request, n, MSG_NOSIGNAL) != (ssize_t)n)
        ck_abort_msg("bare: send: %s", strerror(errno));
}

static void next(struct bare *b, struct bare_caller *c)
{
    if (b->queue)
        bare_queue_done(b->queue, c);
    else if (b->sent < b->count)
        bare_send(b, c, b->request, b->request_n);
}

static size_t length_of(struct bare_caller *c)
{
    static const char name[] = "content-length:";
    const char *end, *at;

    c->in[c->have] = '\0';
    end = strstr(c->in, "\r\n\r\n");
    at = strcasestr(c->in, name);
    if (!end)
        return 0;
    if (strncmp(c->in, "HTTP/1.1 200 ", 13) != 0 || !at)
        ck_abort_msg("bare: an answer that was not expected: %.200s", c->in);
    return (size_t)(end - c->in) + 4 + (size_t)strtoul(at + sizeof name - 1, NULL, 10);
}

static void receive(struct bare *b, struct bare_caller *c)
{
    ssize_t n = recv(c->fd, c->in + c->have, BARE_ANSWER_MAX - c->have, 0);

    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0)
        ck_abort_msg("bare: recv: %s", n ? strerror(errno) : "closed");
    c->have += (size_t)n;
    if (!c->want)
        c->want = length_of(c);
    if (c->want && c->have >= c->want) {
        b->done++;
        next(b, c);
    }
}

static void run(struct bare *b, struct bare_caller *callers, int n)
{
    struct epoll_event events[EVENTS];

    for (int i = 0; i < n; i++)
        next(b, &callers[i]);
    if (b->queue)
        bare_queue_turn(b->queue, b);
    while (b->done < b->count) {
        int ready = epoll_wait(b->epoll, events, EVENTS, -1);

        for (int i = 0; i < ready; i++)
            receive(b, events[i].data.ptr);
        if (b->queue)
            bare_queue_turn(b->queue, b);
    }
}

/* As large as those of chat_document_300. */
size_t bare_request(char *text, size_t size)
{
    char body[512], content[200];
    int n;

    memset(content, 'x', sizeof content);
    n = snprintf(body, sizeof body,
                 "{\"model\":\"openai/gpt-oss-20b\",\"max_tokens\":16,\"messages\":[{\"role\":"
                 "\"user\",\"content\":\"%.*s\"}]}",
                 (int)sizeof content, content);
    return (size_t)snprintf(text, size,
                            "POST /v1/chat/completions HTTP/1.1\r\nHost: bare\r\n"
                            "Content-Type: application/json\r\n"
                            "Authorization: Bearer a-key-of-the-tests\r\n"
                            "Content-Length: %d\r\n\r\n%s",
                            n, body);
}

double bare_calls(struct world *w, int connections, int64_t count, bool queued)
{
    char text[1024];
    struct bare b = {.epoll = epoll_create1(EPOLL_CLOEXEC), .count = count, .request = text};
    struct bare_caller *callers = calloc((size_t)connections, sizeof *callers);
    int64_t from;

    if (!callers)
        abort();
    b.request_n = bare_request(text, sizeof text);
    for (int i = 0; i < connections; i++) {
        callers[i].fd = bare_connect(w->sim_url);
        fcntl(callers[i].fd, F_SETFL, O_NONBLOCK);
        epoll_ctl(b.epoll, EPOLL_CTL_ADD, callers[i].fd,
                  &(struct epoll_event){.events = EPOLLIN, .data.ptr = &callers[i]});
    }
    if (queued)
        b.queue = bare_queue_new(w, connections, count);
    from = mono_us();
    run(&b, callers, connections);
    from = mono_us() - from;
    for (int i = 0; i < connections; i++)
        close(callers[i].fd);
    close(b.epoll);
    bare_queue_free(b.queue);
    free(callers);
    return (double)count * 1e6 / (double)from;
}
