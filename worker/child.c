/* child.c - a worker process's side of its supervisor; see child.h.
 *
 * It is told to stop in two ways, which are often one wish: a signal (a whole process group or
 * cgroup is told at once) and the supervisor's line.  So a second signal counts only when nobody
 * supervises; else the supervisor decides when it is time for "now".
 *
 * The page is read when the process is dead, whatever it died of: it is written in an order that
 * is right at every instant, and nothing in it points anywhere. */
#include "worker/child.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/core/log.h"
#include "common/core/xalloc.h"
#include "common/io/loop.h"

enum { LINE_MAX_BYTES = 256 };

struct child {
    struct loop *loop;
    struct child_page *page; /* shared with the supervisor, or our own when alone */
    struct child_page own;
    bool stopping;
    enum child_stop why; /* the strongest reason so far */
    bool supervised;     /* it says when to stop at once; else a second signal does */
    int signals;
    struct loop_io *io;
    char line[LINE_MAX_BYTES];
    size_t line_n;
    void (*on_stop)(void *arg, enum child_stop why);
    void *arg;
};

const char *child_stop_text(enum child_stop why)
{
    static const char *const texts[] = {"orphaned", "drain", "now"};

    return texts[why];
}

static void stop(struct child *c, enum child_stop why)
{
    if (c->stopping && why <= c->why)
        return;
    c->stopping = true;
    c->why = why;
    if (c->on_stop)
        c->on_stop(c->arg, why);
}

static void on_term(void *arg)
{
    struct child *c = arg;

    c->signals++;
    stop(c, !c->supervised && c->signals > 1 ? CHILD_NOW : CHILD_DRAIN);
}

static void on_line(struct child *c, const char *line)
{
    if (!strcmp(line, "drain")) {
        stop(c, CHILD_DRAIN);
    } else if (!strcmp(line, "now")) {
        stop(c, CHILD_NOW);
    } else {
        log_event(LOG_WARN, "child.line", "text=%s", log_quote(line));
    }
}

static void take_byte(struct child *c, char ch)
{
    if (ch == '\n') {
        c->line[c->line_n] = '\0';
        c->line_n = 0;
        on_line(c, c->line);
    } else if (c->line_n + 1 < sizeof c->line) {
        c->line[c->line_n++] = ch;
    }
}

static void on_readable(void *arg, int fd, bool readable, bool writable)
{
    struct child *c = arg;
    char text[LINE_MAX_BYTES];
    ssize_t n;

    (void)readable;
    (void)writable;
    n = read(fd, text, sizeof text);
    if (n > 0) {
        for (ssize_t i = 0; i < n; i++)
            take_byte(c, text[i]);
        return;
    }
    loop_unwatch(&c->io);
    c->supervised = false;
    c->signals = 0; /* those before came with the supervisor's own */
    log_event(LOG_WARN, "child.orphaned", "action=drain");
    stop(c, CHILD_ORPHANED);
}

struct child *child_new(struct loop *borrow_loop, const struct child_options *o)
{
    struct child *c = xcalloc(1, sizeof *c);
    void *page;

    c->loop = borrow_loop;
    c->supervised = !o->alone;
    c->page = &c->own;
    if (!o->alone) {
        page = mmap(NULL, sizeof *c->page, PROT_READ | PROT_WRITE, MAP_SHARED, CHILD_PAGE_FD, 0);
        if (page != MAP_FAILED)
            c->page = page;
        c->io = loop_watch(c->loop, CHILD_LINE_FD, true, false, on_readable, c);
    }
    loop_on_signal(c->loop, SIGTERM, on_term, c);
    loop_on_signal(c->loop, SIGINT, on_term, c);
    return c;
}

void child_free(struct child *c)
{
    if (!c)
        return;
    loop_unwatch(&c->io);
    if (c->page != &c->own)
        munmap(c->page, sizeof *c->page);
    free(c);
}

void child_on_stop(struct child *c, void (*cb)(void *arg, enum child_stop why), void *arg)
{
    c->on_stop = cb;
    c->arg = arg;
}

static void child_tell(struct child *c, const char *line)
{
    size_t n = strlen(line);

    if (c->supervised && write(CHILD_LINE_FD, line, n) != (ssize_t)n)
        log_event(LOG_WARN, "child.tell", "action=lost line=%s", log_quote(line));
}

void child_tell_id(struct child *c, const char *worker_id)
{
    char line[LINE_MAX_BYTES];

    snprintf(c->page->worker, sizeof c->page->worker, "%s", worker_id);
    snprintf(line, sizeof line, "id %s\n", worker_id);
    child_tell(c, line);
}

void child_tell_scale(struct child *c, const char *group, int64_t processes)
{
    char line[LINE_MAX_BYTES];

    snprintf(line, sizeof line, "scale %s %" PRId64 "\n", group, processes);
    child_tell(c, line);
}

void child_beat(struct child *c)
{
    atomic_fetch_add_explicit(&c->page->beats, 1, memory_order_relaxed);
}
void child_running(struct child *c, size_t jobs)
{
    atomic_store_explicit(&c->page->running, jobs, memory_order_relaxed);
}

/* The first byte is written last: the page never shows half a name. */
void child_enter_job(struct child *c, const char *job_id)
{
    volatile char *job = c->page->job;
    size_t n;

    job[0] = '\0';
    if (!job_id)
        return;
    n = strnlen(job_id, sizeof c->page->job - 1);
    for (size_t i = 1; i <= n; i++)
        job[i] = i < n ? job_id[i] : '\0';
    job[0] = job_id[0];
}
