/* slot.c - what becomes of a slot when its process has exited; the picture is in slot.h.
 *
 * Three questions, each answered from the exit status, the state and the clock alone: does it come
 * back, are its jobs to be recovered, and is the job blamed that ran?  Only what a process's own
 * code does to itself (and a loop that hangs) is a job's fault; SIGKILL and the kernel's lack of
 * memory are not.  Exit 78 says that the configuration is bad: another try cannot help. */
#include "worker/supervisor/slot.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

/* Signals that the process's own code earns; anything else comes from outside. */
static const int crashes[] = {SIGSEGV, SIGABRT, SIGBUS, SIGILL, SIGFPE, SIGSYS, SIGTRAP};

static bool is_crash(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(crashes); i++)
        if (WIFSIGNALED(status) && WTERMSIG(status) == crashes[i])
            return true;
    return false;
}

static bool is_clean(int status) { return WIFEXITED(status) && WEXITSTATUS(status) == 0; }

static int64_t rest_ms(int quick_exits)
{
    int64_t ms = SLOT_REST_MIN_MS;

    if (quick_exits <= SLOT_QUICK_FREE)
        return 0;
    for (int i = SLOT_QUICK_FREE + 1; i < quick_exits && ms < SLOT_REST_MAX_MS; i++)
        ms *= 2;
    return min64(ms, SLOT_REST_MAX_MS);
}

struct slot_verdict slot_after_exit(const struct slot_exit *e)
{
    struct slot_verdict v = {0};

    v.bad_config = WIFEXITED(e->status) && WEXITSTATUS(e->status) == 78;
    v.take_over = !is_clean(e->status) && !v.bad_config;
    v.blame = e->watchdog || is_crash(e->status);
    v.respawn = !v.bad_config && (e->state != SLOT_DRAINING || v.take_over);
    v.quick_exits = e->ran_ms < SLOT_QUICK_MS ? e->quick_exits + 1 : 0;
    v.rest_ms = rest_ms(v.quick_exits);
    return v;
}

const char *slot_exit_text(int status)
{
    static char text[64];

    if (WIFEXITED(status))
        snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
    else if (WIFSIGNALED(status))
        snprintf(text, sizeof text, "signal %d (%s)", WTERMSIG(status),
                 sigabbrev_np(WTERMSIG(status)));
    else
        snprintf(text, sizeof text, "status %d", status);
    return text;
}
