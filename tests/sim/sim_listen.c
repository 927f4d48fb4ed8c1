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
    struct sockaddr_storage ss = {0};
    socklen_t n = sizeof(ss);

    if (getsockname(fd, (struct sockaddr *)&ss, &n))
        return 0;
    return ntohs(ss.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&ss)->sin6_port
                                          : ((struct sockaddr_in *)&ss)->sin_port);
}

int sim_listen(const char *address, struct err *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *list = NULL;
    const char *colon = strrchr(address, ':');
    size_t n = colon ? (size_t)(colon - address) : 0;
    bool brackets = n > 2 && address[0] == '[' && address[n - 1] == ']';
    char host[256];
    int fd = -1;

    if (!colon || n >= sizeof(host)) {
        err_set(err, ERR_USAGE, "--listen: expected HOST:PORT, not '%s'", address);
        return -1;
    }
    snprintf(host, sizeof(host), "%.*s", (int)n - 2 * brackets, address + brackets);
    if (!getaddrinfo(n ? host : NULL, colon + 1, &hints, &list) && list)
        fd = listen_on(list);
    if (fd < 0)
        err_set(err, ERR_CONFIG, "cannot listen on %s: %s", address, strerror(errno));
    if (list)
        freeaddrinfo(list);
    return fd;
}
