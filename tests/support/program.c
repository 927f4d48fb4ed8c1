/* program.c - starts programs so that none outlives its test.
 *
 *   test process ──fork+exec──▶ program (own process group) ──▶ its children
 *        │ dies: SIGKILL ──────────▲
 *        └ is their subreaper: what a dead program leaves behind becomes the
 *          test's child, and program_kill_descendants() finds it by /proc
 *
 * Three nets, because a test can end by a failed check (_exit), a signal or a
 * time-out (SIGKILL by Check): the parent-death signal for programs, the
 * subreaper for orphans of a living test, and the runner (main.c), which is a
 * subreaper too and looks for leftovers at the end.
 */
#include "tests/support/program.h"

#include <check.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSES_MAX = 4096, DEATH_MS = 5000 };

/* ---- time ------------------------------------------------------------------- */
int patience_ms(int ms)
{
    const char *text = getenv("CK_TIMEOUT_MULTIPLIER");
    double factor = text ? strtod(text, NULL) : 1;

    return factor > 1 ? (int)(ms * factor) : ms;
}

int64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void pause_ms(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    nanosleep(&t, NULL);
}

/* ---- starting --------------------------------------------------------------- */
static char *path_in(const char *dir, const char *name, const char *suffix)
{
    char *path = NULL;

    if (asprintf(&path, "%s/%s%s", dir, name, suffix) < 0)
        abort();
    return path;
}

static int open_input(const char *text)
{
    int fd;

    if (!text)
        return open("/dev/null", O_RDONLY | O_CLOEXEC);
    fd = memfd_create("stdin", MFD_CLOEXEC);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text) || lseek(fd, 0, SEEK_SET))
        return -1;
    return fd;
}

/* exec's prototypes are older than const. */
static char *const *unconst(const char *const *list)
{
    union {
        const char *const *in;
        char *const *out;
    } u = {list};

    return u.out;
}

/* In the child: become the program, or say why not on its stderr. */
static NORETURN void become(const struct program_spec *spec, const int fds[3], pid_t parent)
{
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* the test died before the line above */
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(127);
    close_range(3, ~0U, 0);
    if (chdir(spec->dir) == 0)
        execvpe(spec->argv[0], unconst(spec->argv), spec->env ? unconst(spec->env) : environ);
    dprintf(2, "cannot run %s: %s\n", spec->argv[0], strerror(errno));
    _exit(127);
}

struct program *program_start(const struct program_spec *spec)
{
    struct program *p = calloc(1, sizeof *p);
    pid_t parent = getpid();
    int fds[3];

    if (!p)
        abort();
    snprintf(p->name, sizeof p->name, "%s", spec->name);
    p->out_path = path_in(spec->dir, spec->name, ".out");
    p->err_path = path_in(spec->dir, spec->name, ".err");
    fds[0] = open_input(spec->input);
    fds[1] = open(p->out_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    fds[2] = open(p->err_path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    if (fds[0] < 0 || fds[1] < 0 || fds[2] < 0)
        ck_abort_msg("%s: cannot open its files: %s", spec->name, strerror(errno));
    p->pid = fork();
    if (p->pid < 0)
        ck_abort_msg("fork: %s", strerror(errno));
    if (p->pid == 0)
        become(spec, fds, parent);
    setpgid(p->pid, p->pid); /* here too: the child may not have got there yet */
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    return p;
}

void program_free(struct program *p)
{
    if (!p)
        return;
    if (program_runs(p)) {
        kill(-p->pid, SIGKILL);
        program_kill(p);
    }
    free(p->out_path);
    free(p->err_path);
    free(p);
}

/* ---- ending ----------------------------------------------------------------- */
bool program_runs(struct program *p)
{
    if (!p->ended && waitpid(p->pid, &p->status, WNOHANG) != 0)
        p->ended = true; /* or reaped by program_kill_descendants, which is an end too */
    return !p->ended;
}

void program_signal(struct program *p, int signal)
{
    if (program_runs(p))
        kill(p->pid, signal);
}

int program_wait(struct program *p, int timeout_ms)
{
    int64_t until = now_ms() + patience_ms(timeout_ms);

    p->may_end = true;
    while (program_runs(p)) {
        if (now_ms() > until) {
            program_print_tail(p, 20);
            ck_abort_msg("%s (pid %d) still runs after %d ms", p->name, (int)p->pid, timeout_ms);
        }
        pause_ms(2);
    }
    return WIFEXITED(p->status) ? WEXITSTATUS(p->status) : -WTERMSIG(p->status);
}

int program_stop(struct program *p, int timeout_ms)
{
    p->may_end = true;
    program_signal(p, SIGTERM);
    return program_wait(p, timeout_ms);
}

void program_kill(struct program *p)
{
    program_signal(p, SIGKILL);
    program_wait(p, DEATH_MS);
}

/* ---- what it wrote ---------------------------------------------------------- */
static char *contents(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "re");

    if (!in || getdelim(&text, &size, '\0', in) < 0) {
        free(text);
        text = strdup("");
    }
    if (in)
        fclose(in);
    return text;
}

char *program_out(const struct program *p) { return contents(p->out_path); }
char *program_err(const struct program *p) { return contents(p->err_path); }

void program_print_tail(const struct program *p, int lines)
{
    char *text = program_err(p), *from = text + strlen(text);

    for (int left = lines; from > text; from--)
        if (from[-1] == '\n' && from[0] != '\0' && --left == 0)
            break;
    if (*text)
        fprintf(stderr, "---- the last of %s (pid %d%s):\n%s", p->name, (int)p->pid,
                p->ended ? ", ended" : "", from);
    free(text);
}

/* ---- the tree of processes -------------------------------------------------- */
/* The parent of pid, or 0 when pid is gone or a zombie. */
static pid_t parent_of(pid_t pid)
{
    char path[40], line[512], *rest;
    size_t n = 0;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    in = fopen(path, "re");
    if (in) {
        n = fread(line, 1, sizeof line - 1, in);
        fclose(in);
    }
    line[n] = '\0';
    rest = strrchr(line, ')'); /* "pid (name) state ppid ..."; a name may hold blanks */
    if (!rest || strlen(rest) < 4 || rest[2] == 'Z' || rest[2] == 'X')
        return 0;
    return (pid_t)strtol(rest + 3, NULL, 10);
}

size_t program_children(pid_t pid, pid_t *pids, size_t max)
{
    size_t n = 0;
    DIR *dir = opendir("/proc");

    for (struct dirent *e; dir && n < max && (e = readdir(dir));) {
        pid_t child = (pid_t)strtol(e->d_name, NULL, 10);

        if (child > 0 && parent_of(child) == pid)
            pids[n++] = child;
    }
    if (dir)
        closedir(dir);
    return n;
}

size_t program_descendants(pid_t pid, pid_t *pids, size_t max)
{
    size_t n = program_children(pid, pids, max);

    for (size_t i = 0; i < n; i++)
        n += program_children(pids[i], pids + n, max - n);
    return n;
}

size_t program_kill_descendants(void)
{
    static pid_t pids[PROCESSES_MAX];
    int64_t until = now_ms() + patience_ms(DEATH_MS);
    size_t first = 0;

    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (bool again = false;; again = true) {
        size_t n = program_descendants(getpid(), pids, PROCESSES_MAX);

        if (!again)
            first = n;
        if (n == 0 || now_ms() > until)
            break;
        for (size_t i = 0; i < n; i++)
            kill(pids[i], SIGKILL);
        pause_ms(2);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return first;
}
