/* redis_server.c - starts and stops a redis-server for a test. */
#include "tests/unit/redis_server.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_ARGS = 64, START_TRIES = 1000, PAUSE_MS = 5 };

static pid_t spawn(const char *const *argv, const char *log)
{
    pid_t parent = getpid(), pid = fork();
    char *copy[MAX_ARGS + 1] = {0};
    int fd;

    ck_assert_int_ge(pid, 0);
    if (pid > 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(126);
    fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, STDOUT_FILENO);
    dup2(fd, STDERR_FILENO);
    for (size_t i = 0; argv[i] && i < MAX_ARGS; i++)
        copy[i] = strdup(argv[i]);
    execvp(copy[0], copy);
    _exit(127);
}

static void run_program(const char *const *argv)
{
    int status = 0;
    pid_t pid = spawn(argv, "/dev/null");

    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == 0, "%s %s failed", argv[0], argv[1]);
}

void redis_server_init(struct redis_server *s)
{
    *s = (struct redis_server){0};
    snprintf(s->dir, sizeof(s->dir), "/tmp/flotilla-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(s->dir));
    snprintf(s->socket, sizeof(s->socket), "%s/redis.sock", s->dir);
    snprintf(s->url, sizeof(s->url), "unix://%s", s->socket);
}

/* Whether it says anything at all to a PING: +PONG, or that it wants a password. */
static int answers(const struct redis_server *s)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), ok;
    char c = 0;

    memcpy(un.sun_path, s->socket, strlen(s->socket));
    ok = connect(fd, (const struct sockaddr *)&un, sizeof(un)) == 0 &&
         send(fd, "PING\r\n", 6, MSG_NOSIGNAL) == 6 && recv(fd, &c, 1, 0) == 1;
    close(fd);
    return ok;
}

void redis_server_start(struct redis_server *s, const char *const *more)
{
    const char *argv[MAX_ARGS] = {"redis-server", "--port",      "0",       "--unixsocket",
                                  s->socket,      "--save",      "",        "--appendonly",
                                  "no",           "--daemonize", "no",      "--dir",
                                  s->dir,         "--loglevel",  "warning", NULL};
    char log[96];
    size_t n = 15;

    for (size_t i = 0; more && more[i]; i++)
        argv[n++] = more[i];
    ck_assert_uint_lt(n, MAX_ARGS);
    snprintf(log, sizeof(log), "%s/log", s->dir);
    s->pid = spawn(argv, log);
    for (int i = 0; !answers(s); i++) {
        ck_assert_msg(i < START_TRIES && waitpid(s->pid, NULL, WNOHANG) == 0,
                      "redis-server does not start; see %s", log);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
}

void redis_server_signal(struct redis_server *s, int signo)
{
    ck_assert_int_gt(s->pid, 0);
    ck_assert_int_eq(kill(s->pid, signo), 0);
}

void redis_server_kill(struct redis_server *s)
{
    if (s->pid <= 0)
        return;
    kill(s->pid, SIGKILL);
    waitpid(s->pid, NULL, 0);
    s->pid = 0;
}

void redis_server_done(struct redis_server *s)
{
    redis_server_kill(s);
    run_program((const char *const[]){"rm", "-rf", s->dir, NULL});
}

int redis_server_free_port(void)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(in);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    ck_assert_int_eq(bind(fd, (const struct sockaddr *)&in, n), 0);
    ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&in, &n), 0);
    close(fd);
    return ntohs(in.sin_port);
}
