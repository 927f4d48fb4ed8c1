/* program.h - one program that a test started, and everything it started in turn.
 *
 *     const char *argv[] = {"redis-server", "--port", "0", NULL};
 *     struct program *p = program_start(&(struct program_spec){.name = "redis", .argv = argv,
 * ...}); program_signal(p, SIGSTOP); ck_assert_int_eq(program_stop(p, 5000), 0);
 *
 * A program is its own process group and gets SIGKILL when the test's process
 * dies, however that happens.  Its stdout and stderr go to files.  Failures of
 * the machinery itself fail the test.
 */
#ifndef FLOTILLA_TESTS_PROGRAM_H
#define FLOTILLA_TESTS_PROGRAM_H

#include <sys/types.h>

#include "common/core/base.h"

struct program {
    char name[64];
    pid_t pid; /* also its process group */
    char *out_path, *err_path;
    bool may_end; /* the test ended it: its end is no surprise */
    bool ended;   /* reaped; status is waitpid's */
    int status;
    struct program *next; /* for the list of whoever owns it */
};

struct program_spec {
    const char *name;        /* its files are DIR/NAME.out and DIR/NAME.err, started anew */
    const char *dir;         /* where it runs and its files are */
    const char *const *argv; /* argv[0] is looked up in PATH unless it has a slash */
    const char *const *env;  /* exactly this; NULL: the test's own */
    const char *input;       /* text on its stdin; NULL: /dev/null */
};

struct program *program_start(const struct program_spec *spec);
void program_free(struct program *p); /* kills it and its group first; NULL is fine */

/* Is it running?  Reaps it when not. */
bool program_runs(struct program *p);
void program_signal(struct program *p, int signal);
/* Wait for its end: the exit code, or -SIGNAL.  Fails the test when it takes longer. */
int program_wait(struct program *p, int timeout_ms);
int program_stop(struct program *p, int timeout_ms); /* SIGTERM, then program_wait */
void program_kill(struct program *p);                /* SIGKILL to it alone, reaped on return */

/* Whole contents of what it wrote; free() it. */
char *program_out(const struct program *p);
char *program_err(const struct program *p);
/* The last lines of its stderr, on the test's stderr: for failures. */
void program_print_tail(const struct program *p, int lines);

/* Processes whose parent is pid (program_children), or below it at any depth.
 * Returns how many were put into pids[0..max). */
size_t program_children(pid_t pid, pid_t *pids, size_t max);
size_t program_descendants(pid_t pid, pid_t *pids, size_t max);
/* Kill and reap all descendants of this very process; returns how many were still alive. */
size_t program_kill_descendants(void);

/* Milliseconds, stretched by CK_TIMEOUT_MULTIPLIER as Check's own time-outs are. */
int patience_ms(int ms);
int64_t now_ms(void);  /* monotonic */
void pause_ms(int ms); /* between two looks at something; never to wait for luck */

#endif
