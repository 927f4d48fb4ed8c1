/* spawn.c - one child process; see spawn.h, and child.h for what the two share.
 *
 *     memfd, socketpair --> fork --> in the child: the two to their numbers, the rest closed
 *                                                  --> exec of ourselves, with --process
 *
 * It is an exec and no mere fork, so that each process has its own addresses and starts with
 * nothing of the supervisor's; /proc/self/exe is the very program that runs, also after an upgrade
 * put another one in its place.  Between fork and exec nothing is called that may take a lock. */
#include "worker/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/config/program.h"
#include "common/core/log.h"
#include "common/core/parse.h"

enum { ARGS_MAX = 16 };

/* In the child: put the two descriptors in their places and become a worker. */
NORETURN static void become_child(const struct child_options *o, int line, int page)
{
    char slot[16];
    const char *argv[ARGS_MAX] = {"flotilla-worker", "--process", "--group",
                                  o->group,          "--slot",    slot};
    size_t n = 6;
    int high_line = fcntl(line, F_DUPFD, 10), high_page = fcntl(page, F_DUPFD, 10);
    sigset_t held;

    snprintf(slot, sizeof slot, "%d", o->slot);
    if (o->takes_over) {
        argv[n++] = "--takes-over";
        argv[n++] = o->takes_over;
    }
    if (program_config_path()) {
        argv[n++] = "-c";
        argv[n++] = program_config_path();
    }
    argv[n] = NULL;
    sigemptyset(&held);
    sigaddset(&held, SIGHUP); /* until it listens for them */
    sigaddset(&held, SIGUSR1);
    sigprocmask(SIG_SETMASK, &held, NULL);
    if (dup2(high_line, CHILD_LINE_FD) < 0 || dup2(high_page, CHILD_PAGE_FD) < 0)
        _exit(71);
    close_range(CHILD_PAGE_FD + 1, ~0U, 0);
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    _exit(71);
}

static struct child_page *new_page(int *ret_fd)
{
    void *page;

    *ret_fd = memfd_create("flotilla-child", MFD_CLOEXEC);
    if (*ret_fd < 0 || ftruncate(*ret_fd, sizeof(struct child_page)) != 0)
        return NULL;
    page = mmap(NULL, sizeof(struct child_page), PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
    return page == MAP_FAILED ? NULL : page;
}

bool spawn_child(const struct child_options *o, struct spawned *ret)
{
    int ends[2] = {-1, -1}, fd = -1;
    struct child_page *page = new_page(&fd);

    if (!page || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
        log_event(LOG_ERROR, "spawn.failed", "msg=%s", log_quote(strerror(errno)));
        return false;
    }
    ret->pid = fork();
    if (ret->pid == 0)
        become_child(o, ends[1], fd);
    close(ends[1]);
    close(fd);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    ret->line = ends[0];
    ret->page = page;
    if (ret->pid > 0)
        return true;
    log_event(LOG_ERROR, "spawn.failed", "msg=%s", log_quote(strerror(errno)));
    spawn_release(ret);
    return false;
}

void spawn_release(struct spawned *s)
{
    if (s->line >= 0)
        close(s->line);
    if (s->page)
        munmap(s->page, sizeof *s->page);
    *s = (struct spawned){.line = -1};
}

void spawn_tell(const struct spawned *s, const char *word)
{
    char line[32];
    int n = snprintf(line, sizeof line, "%s\n", word);

    if (s->line >= 0 && send(s->line, line, (size_t)n, MSG_NOSIGNAL) != n)
        log_event(LOG_DEBUG, "spawn.tell", "pid=%d word=%s msg=%s", (int)s->pid, word,
                  log_quote(strerror(errno)));
}

int64_t spawn_memory_bytes(pid_t pid)
{
    char path[64], text[128];
    const char *second;
    int64_t pages = 0;
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    second = strchr(text, ' ');
    if (!second || !parse_int64(second + 1, strcspn(second + 1, " "), 0, INT64_MAX / 65536, &pages))
        return 0;
    return pages * sysconf(_SC_PAGESIZE);
}
