/* server.c - the private redis-server of the explorer; see wire.h.
 *
 * It listens on a unix socket in a directory of its own, keeps nothing, and
 * dies with this process. Everything goes through one blocking connection: many
 * commands in one write, then their replies.
 */
#include <errno.h>
#include <fcntl.h>
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

#include <hiredis/hiredis.h>

#include "common/queue/scripts.h"
#include "tests/explore/wire.h"

enum { TRIES = 1000, PAUSE_MS = 5 };

static char dir[] = "/tmp/flotilla-explore-XXXXXX", path[64];
static pid_t server;
static int fd = -1;
static redisReader *reader;

static void run_server(pid_t parent)
{
    const char *program = getenv("REDIS_SERVER");
    int log;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent || chdir(dir) != 0)
        _exit(126);
    log = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execlp(program ? program : "redis-server", "redis-server", "--port", "0", "--unixsocket", path,
           "--save", "", "--appendonly", "no", "--loglevel", "warning", (char *)NULL);
    _exit(127);
}

static bool dial(void)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    memcpy(un.sun_path, path, strlen(path));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&un, sizeof un) == 0)
        return true;
    close(fd);
    fd = -1;
    return false;
}

static void load_scripts(void)
{
    const struct redis_script *const *all = scripts_all();

    for (size_t i = 0; all[i]; i++) {
        const char *words[] = {"SCRIPT", "LOAD", all[i]->text};
        char *bytes;
        int n = (int)redisFormatCommandArgv(&bytes, 3, words, NULL);
        const struct reply *reply;

        server_send((struct span){bytes, (size_t)n});
        free(bytes);
        reply = server_reply();
        if (!reply_is(reply, all[i]->sha1)) {
            fprintf(stderr, "explore: %s: %.*s\n", all[i]->name, (int)reply_span(reply).n,
                    reply_span(reply).p);
            exit(1);
        }
        wire_done(reply);
    }
}

bool server_start(void)
{
    pid_t parent = getpid();

    if (!mkdtemp(dir))
        return false;
    snprintf(path, sizeof path, "%s/redis.sock", dir);
    server = fork();
    if (server == 0)
        run_server(parent);
    for (int i = 0; server > 0 && i < TRIES && !dial(); i++) {
        if (waitpid(server, NULL, WNOHANG) != 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    if (fd < 0) {
        fprintf(stderr, "explore: redis-server does not start; see %s/log\n", dir);
        return false;
    }
    reader = redisReaderCreate();
    load_scripts();
    return true;
}

void server_stop(void)
{
    char log[80];

    redisReaderFree(reader);
    close(fd);
    kill(server, SIGKILL);
    waitpid(server, NULL, 0);
    snprintf(log, sizeof log, "%s/log", dir);
    unlink(log);
    unlink(path);
    rmdir(dir);
}

static NORETURN void lost(void)
{
    fprintf(stderr, "explore: redis-server is gone: %s\n", strerror(errno));
    exit(1);
}

void server_send(struct span bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);

        if (n < 0 && errno != EINTR)
            lost();
        if (n > 0)
            bytes = (struct span){bytes.p + n, bytes.n - (size_t)n};
    }
}

const struct reply *server_reply(void)
{
    char piece[65536];
    void *got = NULL;

    for (;;) {
        ssize_t n;

        if (redisReaderGetReply(reader, &got) != REDIS_OK)
            lost();
        if (got)
            return got;
        n = recv(fd, piece, sizeof piece, 0);
        if (n <= 0 && errno != EINTR)
            lost();
        if (n > 0)
            redisReaderFeed(reader, piece, (size_t)n);
    }
}
