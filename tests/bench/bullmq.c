/* bullmq.c - BullMQ as a reference: worker processes and a producer, see bullmq/bullmq.mjs.
 *
 * Its noop jobs are worked by two processes, its calls by one that has as many under way as ours.
 * run.sh installs it and says where by BENCH_BULLMQ (the directory) and
 * BENCH_NODE; without them its rows say so.  Of 20, 100 and 400 jobs at once per
 * process, 100 cost the least CPU per job (323, 266 and 283 us of Redis and
 * workers together); BULLMQ_CONCURRENCY tries another. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { WORKERS = 2, PROGRAMS_MAX = WORKERS + 1, DATABASE = 1, START_MS = 60000, WORK_MS = 120000 };
static const char usual_concurrency[] = "100";

struct bullmq {
    struct world *w;
    redisContext *c;
    struct party party;
};

static bool is_ready(struct program *p)
{
    char *text = program_out(p);
    bool ready = strstr(text, "ready\n") != NULL;

    free(text);
    return ready;
}

/* url: NULL, or its jobs call that. */
static struct program *start(struct world *w, const char *role, const char *concurrency,
                             const char *url)
{
    const char *const args[] = {world_text(w, "%s/bullmq.mjs", getenv("BENCH_BULLMQ")),
                                role,
                                w->redis_socket,
                                concurrency,
                                url,
                                NULL};

    return world_start(w, getenv("BENCH_NODE"), args, NULL);
}

static struct bullmq *start_all(struct world *w, int workers, const char *concurrency,
                                const char *url)
{
    struct program *programs[PROGRAMS_MAX];
    struct bullmq *b;

    if (!getenv("BENCH_BULLMQ") || !getenv("BENCH_NODE"))
        return NULL;
    b = world_own(w, calloc(1, sizeof *b), free);
    b->w = w;
    b->c = bench_connect(w, DATABASE);
    for (int i = 0; i <= workers; i++)
        programs[i] = start(w, i < workers ? "worker" : "producer", concurrency, url);
    for (int i = 0; i <= workers; i++)
        WAIT_UNTIL(w, START_MS, is_ready(programs[i]));
    b->party.redis = w->redis->pid;
    b->party.scheduler = programs[workers]->pid;
    for (int i = 0; i < workers; i++)
        b->party.workers[b->party.count++] = programs[i]->pid;
    return b;
}

struct bullmq *bullmq_start(struct world *w)
{
    const char *concurrency = getenv("BULLMQ_CONCURRENCY");

    return start_all(w, WORKERS, concurrency ? concurrency : usual_concurrency, NULL);
}

struct bullmq *bullmq_start_calls(struct world *w, int concurrency)
{
    return start_all(w, 1, world_text(w, "%d", concurrency),
                     world_text(w, "%s/v1/chat/completions", w->sim_url));
}

/* An order to the producer; waits until it is done. */
static void order(struct bullmq *b, const char *text)
{
    bench_int(b->c, "DEL bench:done");
    bench_int(b->c, "LPUSH bench:todo %s", text);
    bench_wait(b->w, b->c, "LLEN bench:done", 1, WORK_MS);
}

static double wait_for_all(struct bullmq *b, int64_t count, const struct usage *before,
                           struct usage *ret_used)
{
    bench_wait(b->w, b->c, "ZCARD bull:bench:completed", count, WORK_MS);
    *ret_used = usage_since(&b->party, before);
    ck_assert_int_eq(bench_int(b->c, "ZCARD bull:bench:failed"), 0);
    bench_int(b->c, "DEL bull:bench:completed bull:bench:events");
    return (double)count * 1e6 / (double)ret_used->mono_us;
}

double bullmq_drain(struct bullmq *b, int64_t count, struct usage *ret_used)
{
    struct usage before;
    char add[64];

    snprintf(add, sizeof add, "add %lld 0", (long long)count);
    order(b, "pause");
    order(b, add);
    before = usage_now(&b->party);
    bench_int(b->c, "LPUSH bench:todo resume");
    return wait_for_all(b, count, &before, ret_used);
}

double bullmq_push(struct bullmq *b, int64_t count, int bytes, struct usage *ret_used)
{
    struct usage before = usage_now(&b->party);

    bench_int(b->c, "DEL bench:done");
    bench_int(b->c, "LPUSH bench:todo %s",
              world_text(b->w, "add %lld %d", (long long)count, bytes));
    return wait_for_all(b, count, &before, ret_used);
}
