/* child.h - a worker process's side of its supervisor.
 *
 * The supervisor forks and execs `flotilla-worker --process` with
 *   fd 3   a socket pair: lines of text both ways
 *   fd 4   a memfd with one struct child_page, mapped by both
 *
 *   child -> supervisor   "id <worker id>", "scale <group> <n>"
 *   supervisor -> child   "drain", "now" (give everything back and exit)
 *   end of file           the supervisor is gone: the process is an orphan, and drains
 *
 * The page survives the child: what it last wrote tells who died, which job's
 * code was running, and whether the loop still turned.
 */
#ifndef FLOTILLA_CHILD_H
#define FLOTILLA_CHILD_H

#include <stdatomic.h>

#include "common/core/base.h"

struct loop;

/* Where the two are, in the child. */
enum { CHILD_LINE_FD = 3, CHILD_PAGE_FD = 4 };

struct child_page {
    char worker[96];          /* its worker id */
    char job[96];             /* the job whose code runs now; "" none */
    _Atomic uint64_t beats;   /* +1 at least every heartbeat_ms while the loop turns */
    _Atomic uint64_t running; /* jobs in hand, for state dumps */
};

struct child_options {
    const char *group;      /* name of the worker group */
    int slot;               /* number of the process in its group, from 0 */
    const char *takes_over; /* dead processes whose jobs to recover, or NULL: "id,id=job", with
                               the job that crashed the process, if one did */
    bool alone;             /* run by hand, without a supervisor: fds 3 and 4 are not there */
};

/* Why a process is to end, the weakest reason first. */
enum child_stop {
    CHILD_ORPHANED, /* the supervisor is gone */
    CHILD_DRAIN,    /* the supervisor said so, or TERM */
    CHILD_NOW,      /* the supervisor said so, or a second TERM without a supervisor */
};

struct child;
struct child *child_new(struct loop *borrow_loop, const struct child_options *o);
void child_free(struct child *c);
/* Called on the loop's turn, each time with a stronger reason. */
void child_on_stop(struct child *c, void (*cb)(void *arg, enum child_stop why), void *arg);
const char *child_stop_text(enum child_stop why); /* "orphaned", "drain", "now" */
void child_tell_id(struct child *c, const char *worker_id);
void child_tell_scale(struct child *c, const char *group, int64_t processes);
void child_beat(struct child *c);
void child_running(struct child *c, size_t jobs);
/* Around every entry into a job's code.  NULL: none. */
void child_enter_job(struct child *c, const char *job_id);

#endif
