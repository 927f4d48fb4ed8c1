/* slot.h - what becomes of a process slot when its process has exited: pure.
 *
 *   EMPTY --spawn--> RUNNING --crash, kill, exit--> EMPTY (rests, then spawned again)
 *                       | drain
 *                       v
 *                    DRAINING --exit--> EMPTY (gone, or its replacement is there already)
 *
 * A process that died without having drained leaves jobs behind: the next one
 * of the slot takes them over.  It rests only when the slot's processes die
 * quickly one after the other; the first replacements always come at once. */
#ifndef FLOTILLA_SLOT_H
#define FLOTILLA_SLOT_H

#include "common/core/base.h"

enum slot_state { SLOT_EMPTY, SLOT_RUNNING, SLOT_DRAINING };

struct slot_exit {
    int status;            /* as of waitpid */
    enum slot_state state; /* when it exited */
    bool watchdog;         /* we killed it because its loop did not turn */
    int64_t ran_ms;
    int quick_exits; /* in a row before this one */
};
struct slot_verdict {
    bool respawn;    /* false: the slot stays empty (drained away) */
    bool take_over;  /* its jobs are to be recovered */
    bool blame;      /* the job whose code was running gets a crash */
    bool bad_config; /* exit 78: trying again cannot help */
    int quick_exits; /* to be kept for the next time */
    int64_t rest_ms; /* before the respawn, without jitter */
};
enum {
    SLOT_QUICK_MS = 10000,
    SLOT_QUICK_FREE = 3,
    SLOT_REST_MIN_MS = 1000,
    SLOT_REST_MAX_MS = 30000
};

struct slot_verdict slot_after_exit(const struct slot_exit *e);
/* "exit 1", "signal 11 (SEGV)": for logs; a static buffer. */
const char *slot_exit_text(int status);

#endif
