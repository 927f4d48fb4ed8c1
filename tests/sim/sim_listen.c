/* sim_listen.c - opens the socket that connections come to. */
#include "tests/sim/sim_listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(const struct addrinfo *ai)
{
    int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!bind(fd, ai->ai_addr, ai->ai_addrlen) && !listen(fd, 4096))
        return fd;
    close(fd);
    return -1;
}

int sim_listen_port(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } at = {0};
    socklen_t n = sizeof(at);

    if (getsockname(fd, &at.any, &n))
        return 0;
    return ntohs(at.any.sa_family == AF_INET6 ? at.v6.sin6_port : at.v4.sin_port);
}

int sim_listen(const char *address, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool brackets = n > 2 && address[0] == '[' && address[n - 1] == ']';
    char host[256];
    int fd = -1, why;

    if (!colon || n >= sizeof(host)) {
        err_set(err, ERR_USAGE, "--listen: expected HOST:PORT, not '%s'", address);
        return -1;
    }
    snprintf(host, sizeof(host), "%.*s", (int)n - 2 * brackets, address + brackets);
    why = getaddrinfo(n ? host : NULL, colon + 1, &hints, &list);
    if (!why)
        fd = listen_on(list);
    if (fd < 0)
        err_set(err, ERR_CONFIG, "cannot listen on %s: %s", address,
                why ? gai_strerror(why) : strerror(errno));
    if (list)
        freeaddrinfo(list);
    return fd;
}
