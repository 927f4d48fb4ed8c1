/* bench.h - what the workloads share; this header is the manual.
 *
 * A workload is a function bench_<name>(void) and a row of workloads.def.  It
 * runs in a process of its own (main.c), in a world of its own (world.h), in a
 * few short rounds in which flotilla and what it is measured against take
 * turns, so that both see the same machine.  The figure is the median of the
 * rounds.  What it found it hands over by bench_row and usage_row; main.c prints.
 *
 * On a busy machine rates say little, and CPU time per job says most: so each
 * workload reports that as well, with how busy the machine was with others.
 */
#ifndef FLOTILLA_BENCH_H
#define FLOTILLA_BENCH_H

#include <hiredis/hiredis.h>

#include "common/core/base.h"
#include "tests/support/world.h"

#define X(name, symbol, seconds, help) void bench_##symbol(void);
#include "tests/bench/workloads.def"
#undef X

/* ---- the plan (main.c) ------------------------------------------------------ */
enum { ROUNDS_MAX = 16 };
int bench_rounds(void);                            /* 3; with QUICK=1 1, or as ROUNDS says */
int bench_jobs(int full);                          /* full, or a tenth with QUICK=1 */
void bench_say(const char *fmt, ...) PRINTF(1, 2); /* progress, on stderr */

/* ---- what is printed (table.c) ---------------------------------------------- */
struct row {
    const char *workload, *unit;
    double ours;
    const char *against;     /* name of the reference; NULL: none, and the bar is for `ours` */
    double reference, ratio; /* ratio 0: ours / reference */
    double bar;              /* 0: none, only to be known */
    bool at_most;            /* the bar is a most, not a least */
};
void bench_row(const struct row *r);
void bench_missing(const char *workload, const char *against, const char *why);
/* To be called once before any workload is forked, and at the end. */
void table_share(void);
void table_print(void);

/* ---- samples (figures.c) ---------------------------------------------------- */
struct samples {
    double *v;
    size_t n, cap;
};
void samples_add(struct samples *s, double v);
double samples_at(struct samples *s, double share); /* 0.5: the median; sorts */
void samples_done(struct samples *s);

int64_t wall_us(void); /* CLOCK_REALTIME */
int64_t mono_us(void);
void sleep_until_us(int64_t mono_us); /* of mono_us() */

/* ---- who uses what (usage.c) ------------------------------------------------ */
enum { PARTY_MAX = 16 };
/* The processes of one contestant: a redis-server, a scheduler (or producer), workers. */
struct party {
    pid_t redis, scheduler, workers[PARTY_MAX];
    size_t count;
};
struct usage {
    int64_t redis_us, scheduler_us, workers_us; /* CPU time so far */
    int64_t machine_us, mono_us;                /* of everybody on this machine; the clock */
};
struct usage usage_now(const struct party *p);
struct usage usage_since(const struct party *p, const struct usage *before);
/* One line of the second table: CPU microseconds per job, and who kept the machine busy. */
void usage_row(const char *what, const struct usage *used, int64_t jobs);
int64_t cpu_us(pid_t pid); /* all threads */
/* Private_Dirty + Private_Clean of smaps_rollup. */
int64_t private_bytes(pid_t pid);

/* ---- flotilla and its Redis (fleet.c) --------------------------------------- */
/* Scheduler and worker processes of a world, all registered; processes 0: no worker. */
struct fleet {
    struct world *w;
    struct program *scheduler, *worker;
    struct party party;
};
/* settings: more of them for the worker ("NAME=value"), NULL-terminated, or NULL. */
void fleet_start(struct fleet *f, struct world *w, int processes, int concurrency,
                 const char *const *settings);

redisContext *bench_connect(struct world *w, int database);
/* Run a command that must succeed; returns its integer. */
int64_t bench_int(redisContext *c, const char *fmt, ...);
/* Write the i-th document of a workload. */
typedef int document_fn(char *text, size_t size, int64_t i);
/* One LPUSH per document, pipelined: documents from..from+count of `list`. */
void push_documents(redisContext *c, const char *list, document_fn *document, int64_t from,
                    int64_t count);
/* Poll until the command's integer is `least` or more; within timeout_ms, else the workload fails.
 */
void bench_wait(struct world *w, redisContext *c, const char *command, int64_t least,
                int timeout_ms);

document_fn noop_document;     /* 55 bytes */
document_fn noop_document_300; /* 300 bytes; the result carries its filling */
document_fn chat_document_300; /* 300 bytes */
document_fn chat_document_1k;  /* its body has 1 KB */

/* ---- the references --------------------------------------------------------- */
/* raw.c: jobs per second of a loop that takes `count` ready jobs one by one, eight in flight;
 * pipelined: commands share writes, else each goes out at once. */
double raw_drain(struct world *w, bool pipelined, int64_t count, struct usage *ret_used);

/* bare.c: calls per second of an epoll loop on that many connections to the simulator; queued: of
 * jobs that it takes from Redis as its connections become free. */
double bare_calls(struct world *w, int connections, int64_t count, bool queued);
int bare_connect(const char *url); /* a blocking TCP connection to http://ADDRESS:PORT */

/* relay.c: the same hops as a job's, with nothing in them: request bodies that are LPUSHed to
 * bare:{0}:intake are sent to the simulator, and counted in the list bare:{0}:done. */
struct relay *relay_start(struct world *w);
void relay_stop(struct relay *r);

/* bullmq.c: worker processes and a producer, warm; NULL when it is not installed here. */
struct bullmq;
struct bullmq *bullmq_start(struct world *w);
/* The same, one process whose jobs call the simulator. */
struct bullmq *bullmq_start_calls(struct world *w, int concurrency);
/* Jobs per second of draining jobs that wait, or of adding and draining together. */
double bullmq_drain(struct bullmq *b, int64_t count, struct usage *ret_used);
double bullmq_push(struct bullmq *b, int64_t count, int bytes, struct usage *ret_used);

#endif
