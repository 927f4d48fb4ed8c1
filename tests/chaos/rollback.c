/* rollback.c - Redis forgets its last transactions, as after a failover or with `everysec`.
 *
 *   SIGKILL ─▶ the append-only file is cut after the transaction that is now the last ─▶ start
 *
 * A transaction is one command, or what stands between MULTI and EXEC: all that
 * a script wrote.  What was cut off is read for the books: pushes are pushed
 * again, as a producer would that reads of a failover, and the money of cost
 * events is known to be forgotten. */
#include <check.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/chaos/chaos.h"

/* Over what any single call of jobs.def may cost. */
enum { CALL_MOST_NANOUSD = 5000000, ARGS_MAX = 4096 };

struct log {
    const char *p;
    size_t n, at;
};

struct command {
    struct span args[ARGS_MAX];
    size_t count;
};

/* "*3\r\n" or "$5\r\n": the number; false at the end of what is whole. */
static bool read_number(struct log *log, char sign, size_t *ret)
{
    const char *end = log->at < log->n ? memchr(log->p + log->at, '\n', log->n - log->at) : NULL;

    if (!end || log->p[log->at] != sign)
        return false;
    *ret = strtoul(log->p + log->at + 1, NULL, 10);
    log->at = (size_t)(end - log->p) + 1;
    return true;
}

static bool read_command(struct log *log, struct command *c)
{
    size_t count, n;

    if (!read_number(log, '*', &count))
        return false;
    c->count = 0;
    for (size_t i = 0; i < count; i++) {
        if (!read_number(log, '$', &n) || log->n - log->at < n + 2)
            return false;
        if (c->count < ARGS_MAX)
            c->args[c->count++] = (struct span){log->p + log->at, n};
        log->at += n + 2;
    }
    return true;
}

static bool is(struct span s, const char *text)
{
    return s.n == strlen(text) && strncasecmp(s.p, text, s.n) == 0;
}

/* Where each transaction ends.  Belongs to the caller. */
static size_t *boundaries(struct log *log, size_t *ret_count)
{
    struct command *c = calloc(1, sizeof *c);
    size_t *ends = NULL, count = 0, cap = 0;
    bool inside = false;

    while (c && read_command(log, c)) {
        inside = is(c->args[0], "MULTI") || (inside && !is(c->args[0], "EXEC"));
        if (inside || is(c->args[0], "SELECT"))
            continue;
        if (count == cap) {
            cap = cap ? 2 * cap : 4096;
            ends = realloc(ends, cap * sizeof *ends);
            if (!ends)
                abort();
        }
        ends[count++] = log->at;
    }
    free(c);
    *ret_count = count;
    return ends;
}

/* ---- what is forgotten ------------------------------------------------------ */
static void push_forgotten(struct round *r, struct span doc)
{
    json_t *job = json_loadb(doc.p, doc.n, 0, NULL);
    const char *id = world_string_at(job, "id");
    struct chaos_job *known = jobs_find(r, id);

    if (known) {
        known->again = true;
        jobs_push_again(r, (size_t)(known - r->jobs));
    }
    json_decref(job);
}

static void forget_cost(struct round *r, const struct command *c)
{
    for (size_t i = 2; i + 1 < c->count; i++)
        if (is(c->args[i], "doc")) {
            json_t *cost = json_loadb(c->args[i + 1].p, c->args[i + 1].n, 0, NULL);

            r->forgotten_nanousd +=
                world_int_at(cost, "cost_nanousd") + world_int_at(cost, "estimate_nanousd");
            json_decref(cost);
        }
}

static void read_forgotten(struct round *r, struct log *log)
{
    struct command *c = calloc(1, sizeof *c);

    while (c && read_command(log, c)) {
        if (c->count >= 3 && is(c->args[0], "LPUSH") && is(c->args[1], "fl:{0}:intake"))
            for (size_t i = 2; i < c->count; i++)
                push_forgotten(r, c->args[i]);
        if (c->count >= 5 && is(c->args[0], "XADD") && is(c->args[1], "fl:{0}:costs"))
            forget_cost(r, c);
    }
    free(c);
}

/* ---- the file --------------------------------------------------------------- */
/* Redis' newest incremental file. */
static char *log_path(struct round *r)
{
    char *path = NULL;
    glob_t found;

    if (glob(world_text(r->w, "%s/appendonlydir/*.incr.aof", r->w->dir), 0, NULL, &found))
        ck_abort_msg("no append-only file in %s", r->w->dir);
    path = world_text(r->w, "%s", found.gl_pathv[found.gl_pathc - 1]);
    globfree(&found);
    return path;
}

static void cut_log(struct round *r, int transactions)
{
    char *path = log_path(r);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    struct log log;
    size_t count, *ends, keep;
    void *map;

    if (fd < 0 || fstat(fd, &st))
        ck_abort_msg("cannot open %s", path);
    map = st.st_size ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    if (map == MAP_FAILED)
        ck_abort_msg("cannot read %s", path);
    log = (struct log){map, (size_t)st.st_size, 0};
    ends = boundaries(&log, &count);
    if (count > (size_t)transactions) {
        keep = ends[count - (size_t)transactions - 1];
        log.at = keep;
        read_forgotten(r, &log);
        chaos_note(r, "Redis forgets %d transactions, %zu bytes", transactions, log.n - keep);
        if (ftruncate(fd, (off_t)keep))
            ck_abort_msg("cannot cut %s", path);
    }
    free(ends);
    munmap(map, (size_t)st.st_size);
    close(fd);
}

void rollback(struct round *r, int transactions)
{
    json_t *ledger = cast_ask(r, &r->provider, "GET", "/_sim/ledger?items=0", NULL);

    r->redis_away = true;
    r->rolled_back = true;
    r->counts.kills[ROLE_REDIS]++;
    r->counts.rollbacks++;
    r->forgotten_nanousd +=
        (ledger ? world_int_at(ledger, "in_flight") : 256) * (int64_t)CALL_MOST_NANOUSD;
    world_redis_kill(r->w);
    cut_log(r, transactions);
    cast_redis_back(r, 0);
}
