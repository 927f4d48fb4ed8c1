/* supervisor.c - see supervisor.h.
 *
 *   poll( signals, lines of children ) with the time-out of the next deadline
 *     SIGCHLD  -> reap: slot_after_exit() decides, effects follow
 *     a line   -> "id ...", "scale <group> <n>"
 *     TERM     -> drain all, later kill; HUP -> reload; USR1 -> state to the log
 *     deadline -> spawn what rests, watchdog, memory
 *
 * A process that died has left its worker id in the page, and the job that it
 * crashed in; the next process of the slot gets both as --takes-over, together
 * with those of predecessors that could not finish taking over.  Nobody else keeps that; if the
 * supervisor itself dies, the scheduler's reaper does the same after the lease. */
#include "worker/supervisor/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/config/program.h"
#include "common/core/clock.h"
#include "common/core/log.h"
#include "common/core/notify.h"
#include "common/core/parse.h"
#include "common/core/random.h"
#include "worker/supervisor/crew.h"

enum { TICK_MS = 250, MEMORY_MS = 5000, ABORT_MS = 2000 };

struct supervisor {
    struct config *cfg;
    struct crew crew;
    int signals;
    int stopping; /* how many TERMs */
    int64_t kill_at_ms, memory_at_ms, tick_ms;
    bool bad_config;
};

/* ---- deaths ---- */

/* The job that crashed the process, or NULL. */
static const char *blamed(const struct slot *t, const struct slot_verdict *v)
{
    return v->blame && t->child.page->job[0] ? t->child.page->job : NULL;
}

static void note_death(struct slot *t, const struct slot_verdict *v)
{
    if (!v->take_over) {
        buf_clear(&t->takes_over);
    } else if (t->child.page->worker[0]) {
        if (t->takes_over.n)
            buf_putc(&t->takes_over, ',');
        buf_puts(&t->takes_over, t->child.page->worker);
        if (blamed(t, v))
            buf_printf(&t->takes_over, "=%s", blamed(t, v));
    }
}

/* What was taken over at the start needs no second taker. */
static void started_well(struct slot *t) { buf_clear(&t->takes_over); }

static void on_exit_of(struct supervisor *s, struct slot *t, int status)
{
    const struct slot_exit e = {.status = status,
                                .state = t->state,
                                .watchdog = t->watchdog,
                                .ran_ms = clock_mono_ms() - t->started_ms,
                                .quick_exits = t->quick_exits};
    const struct slot_verdict v = slot_after_exit(&e);

    note_death(t, &v);
    log_event(v.take_over ? LOG_WARN : LOG_INFO, "process.exited",
              "pid=%d group=%s slot=%d status=%s ran_ms=%lld blame=%s", (int)t->child.pid, t->group,
              t->number, log_quote(slot_exit_text(status)), (long long)e.ran_ms,
              blamed(t, &v) ? blamed(t, &v) : "-");
    spawn_release(&t->child);
    t->state = SLOT_EMPTY;
    t->quick_exits = v.quick_exits;
    s->bad_config |= v.bad_config;
    if (!v.respawn || s->stopping) {
        crew_drop(&s->crew, t);
        return;
    }
    t->spawn_at_ms = clock_mono_ms() + v.rest_ms + random_below(v.rest_ms / 2 + 1);
    if (v.rest_ms == 0)
        crew_spawn(t);
}

static void reap(struct supervisor *s)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        struct slot *t = s->crew.slots;

        while (t && t->child.pid != pid)
            t = t->next;
        if (t)
            on_exit_of(s, t, status);
    }
}

/* ---- lines ---- */

static void on_line(struct supervisor *s, struct slot *t, char *line)
{
    char *name = strncmp(line, "scale ", 6) == 0 ? line + 6 : NULL;
    char *number = name ? strchr(name, ' ') : NULL;
    int64_t n;

    if (strncmp(line, "id ", 3) == 0) {
        log_event(LOG_DEBUG, "process.id", "pid=%d id=%s", (int)t->child.pid, log_quote(line + 3));
    } else if (number && parse_int64(number + 1, strlen(number + 1), 0, SLOTS_MAX, &n)) {
        *number = '\0';
        if (!s->stopping)
            crew_told(&s->crew, name, n);
    }
}

static void read_lines(struct supervisor *s, struct slot *t)
{
    char text[LINE_BYTES];
    ssize_t n = read(t->child.line, text, sizeof text);

    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) { /* it died: SIGCHLD tells */
            close(t->child.line);
            t->child.line = -1;
        }
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        if (text[i] != '\n') {
            buf_putc(&t->line, text[i]);
            continue;
        }
        if (t->line.n && !buf_failed(&t->line))
            on_line(s, t, t->line.p);
        buf_clear(&t->line);
    }
}

/* ---- deadlines ---- */

static void watch(struct supervisor *s, struct slot *t, int64_t now)
{
    uint64_t beats = atomic_load_explicit(&t->child.page->beats, memory_order_relaxed);

    if (t->abort_ms && now >= t->abort_ms) {
        kill(t->child.pid, SIGKILL);
    } else if (beats != t->beats) {
        t->beats = beats;
        t->beat_ms = now;
        if (now - t->started_ms > SLOT_QUICK_MS)
            started_well(t);
    } else if (now - t->beat_ms >= s->cfg->workers_watchdog_ms && !t->abort_ms) {
        log_event(LOG_ERROR, "process.stuck", "pid=%d job=%s", (int)t->child.pid,
                  t->child.page->job[0] ? t->child.page->job : "-");
        t->watchdog = true;
        t->abort_ms = now + ABORT_MS;
        kill(t->child.pid, SIGABRT);
    }
}

/* Its place is taken by a new process first; then it drains. */
static void check_memory(struct supervisor *s, struct slot *t)
{
    int64_t bytes = spawn_memory_bytes(t->child.pid);

    if (t->state != SLOT_RUNNING || s->cfg->workers_memory_bytes == 0 ||
        bytes <= s->cfg->workers_memory_bytes)
        return;
    log_event(LOG_WARN, "process.memory", "pid=%d bytes=%lld limit=%lld", (int)t->child.pid,
              (long long)bytes, (long long)s->cfg->workers_memory_bytes);
    t->wanted = false;
    crew_spawn(crew_add(&s->crew, t->group, t->number));
    crew_drain(t);
}

static void tick(struct supervisor *s)
{
    int64_t now = clock_mono_ms();
    bool late =
        now - s->tick_ms > 4L * TICK_MS; /* we were stopped ourselves: their clocks start anew */
    bool memory = now >= s->memory_at_ms;
    struct slot *t, *next;

    s->tick_ms = now;
    if (memory)
        s->memory_at_ms = now + MEMORY_MS;
    for (t = s->crew.slots; t; t = next) {
        next = t->next;
        if (t->state == SLOT_EMPTY) {
            if (now >= t->spawn_at_ms && !s->stopping)
                crew_spawn(t);
            continue;
        }
        if (late)
            t->beat_ms = now;
        watch(s, t, now);
        if (memory && !s->stopping)
            check_memory(s, t);
        if (t->state == SLOT_DRAINING && !t->wanted &&
            now - t->started_ms > s->cfg->workers_drain_ms + 5000)
            kill(t->child.pid, SIGKILL);
    }
    if (s->stopping && now >= s->kill_at_ms)
        for (t = s->crew.slots; t; t = t->next)
            if (t->state != SLOT_EMPTY)
                kill(t->child.pid, SIGKILL);
    notify_watchdog();
}

/* ---- signals ---- */

static void stop(struct supervisor *s)
{
    struct slot *t, *next;

    s->stopping++;
    log_event(LOG_INFO, "stopping", "times=%d", s->stopping);
    notify("STOPPING=1");
    s->kill_at_ms = clock_mono_ms() + (s->stopping == 1 ? s->cfg->workers_drain_ms + 5000 : 2000);
    for (t = s->crew.slots; t; t = next) {
        next = t->next;
        if (t->state == SLOT_EMPTY) {
            crew_drop(&s->crew, t);
            continue;
        }
        t->state = SLOT_DRAINING;
        spawn_tell(&t->child, s->stopping == 1 ? "drain" : "now");
    }
}

static void reload(struct supervisor *s)
{
    struct slot *t;

    if (!program_reload(&s->cfg))
        return;
    s->bad_config = false;
    for (t = s->crew.slots; t; t = t->next)
        if (t->state == SLOT_RUNNING)
            kill(t->child.pid, SIGHUP);
    crew_configure(&s->crew, s->cfg);
}

static void dump(const struct supervisor *s)
{
    static const char *const names[] = {"empty", "running", "draining"};

    for (const struct slot *t = s->crew.slots; t; t = t->next)
        log_event(LOG_INFO, "state",
                  "group=%s slot=%d state=%s pid=%d worker=%s jobs=%llu age_ms=%lld", t->group,
                  t->number, names[t->state], (int)t->child.pid,
                  t->child.page ? t->child.page->worker : "-",
                  t->child.page ? (unsigned long long)atomic_load(&t->child.page->running) : 0ULL,
                  (long long)(clock_mono_ms() - t->started_ms));
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;

    while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD: reap(s); break;
        case SIGTERM:
        case SIGINT: stop(s); break;
        case SIGHUP: reload(s); break;
        case SIGUSR1: dump(s); break;
        default: break;
        }
    }
}

static int open_signals(void)
{
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        sigaddset(&set, wanted[i]);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void wait_for_events(struct supervisor *s)
{
    struct pollfd fds[SLOTS_MAX + 1] = {{.fd = s->signals, .events = POLLIN}};
    struct slot *at[SLOTS_MAX + 1];
    nfds_t n = 1;

    for (struct slot *t = s->crew.slots; t && n <= SLOTS_MAX; t = t->next)
        if (t->state != SLOT_EMPTY && t->child.line >= 0) {
            at[n] = t;
            fds[n++] = (struct pollfd){.fd = t->child.line, .events = POLLIN};
        }
    if (poll(fds, n, TICK_MS) < 0)
        return;
    for (nfds_t i = 1; i < n; i++) /* before the signals, which may drop slots */
        if (fds[i].revents)
            read_lines(s, at[i]);
    if (fds[0].revents)
        on_signal(s);
}

static void forget_all(struct supervisor *s)
{
    crew_forget(&s->crew);
    program_end(s->cfg);
    close(s->signals);
}

int supervisor_main(struct config *cfg)
{
    struct supervisor s = {.cfg = cfg};

    random_reseed();
    s.signals = open_signals();
    s.tick_ms = clock_mono_ms();
    log_event(LOG_INFO, "started", "version=%s groups=%zu", FLOTILLA_VERSION, cfg->group_count);
    crew_configure(&s.crew, cfg);
    notify("READY=1");
    while (!(s.stopping && !s.crew.slots) && !(s.bad_config && !s.crew.slots)) {
        wait_for_events(&s);
        tick(&s);
    }
    log_event(LOG_INFO, "stopped", "bad_config=%d", s.bad_config);
    forget_all(&s);
    return s.bad_config && !s.stopping ? 78 : 0;
}
