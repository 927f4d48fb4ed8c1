/* calls.c - inference jobs against the simulator: throughput, and memory of calls in flight.
 *
 * One worker process; no slots are kept for realtime jobs here, so all are in flight.  The ceiling
 * is slots / latency: that of a machine which costs no time at all.  What this one has left of it
 * shows the bare C loop (bare.c), in turns with flotilla and BullMQ.
 *
 *   cold   the first jobs of a new fleet, with an empty Redis: nothing is known of the model
 *   warm   the next ones */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { JOBS = 20000, WAIT_MS = 60000 };
enum { CALLS = 1000, SLOW_MS = 30000 };

static const struct shape {
    int slots, latency_ms;
} shapes[] = {{256, 50}, {1024, 200}, {64, 10}};

static const char *const no_reserve[] = {"FLOTILLA_WORKERS_REALTIME_PERCENT=0", NULL};

/* Jobs per second by round, and the CPU time of the last. */
struct contestant {
    const char *name;
    struct samples rates;
    struct usage used;
};
enum { COLD, WARM, BARE, QUEUED, BULLMQ, CONTESTANTS };

struct calls {
    const struct shape *shape;
    int64_t jobs;
    struct contestant of[CONTESTANTS];
};

static double took(struct contestant *c, double rate)
{
    samples_add(&c->rates, rate);
    return rate;
}

static double run_ours(struct fleet *f, redisContext *c, int64_t done, int64_t jobs,
                       struct usage *ret_used)
{
    struct usage before;

    bench_int(c, "HSET fl:{0}:paused inference.standard 1");
    push_documents(c, "fl:{0}:intake", chat_document_300, done, jobs);
    bench_wait(f->w, c, "LLEN fl:{0}:ready:inference.standard", jobs, WAIT_MS);
    before = usage_now(&f->party);
    bench_int(c, "HDEL fl:{0}:paused inference.standard");
    bench_int(c, "LPUSH fl:{0}:wake:inference.standard 1");
    bench_wait(f->w, c, "XLEN fl:{0}:results", done + jobs, WAIT_MS);
    *ret_used = usage_since(&f->party, &before);
    return (double)jobs * 1e6 / (double)ret_used->mono_us;
}

static double run_bare(struct world *w, const struct calls *a, bool queued, struct usage *ret_used)
{
    const struct party p = {.redis = w->redis->pid, .workers = {getpid()}, .count = 1};
    struct usage before = usage_now(&p);
    double rate = bare_calls(w, a->shape->slots, a->jobs, queued);

    *ret_used = usage_since(&p, &before);
    return rate;
}

/* A new fleet and an empty Redis. */
static void run_round(struct calls *a, int round)
{
    struct world *w = world_new(.simulator = true);
    redisContext *c = bench_connect(w, 0);
    struct contestant *of = a->of;
    double rates[CONTESTANTS] = {0};
    struct bullmq *bullmq;
    struct fleet f;

    world_sim_latency(w, a->shape->latency_ms);
    fleet_start(&f, w, 1, a->shape->slots, no_reserve);
    rates[COLD] = took(&of[COLD], run_ours(&f, c, 0, a->jobs, &of[COLD].used));
    rates[WARM] = took(&of[WARM], run_ours(&f, c, a->jobs, a->jobs, &of[WARM].used));
    rates[BARE] = took(&of[BARE], run_bare(w, a, false, &of[BARE].used));
    rates[QUEUED] = took(&of[QUEUED], run_bare(w, a, true, &of[QUEUED].used));
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 4 * a->jobs);
    bullmq = bullmq_start_calls(w, a->shape->slots);
    if (bullmq)
        rates[BULLMQ] = took(&of[BULLMQ], bullmq_drain(bullmq, a->jobs, &of[BULLMQ].used));
    bench_say("round %d: cold %.0f/s, warm %.0f/s; bare C %.0f/s, from Redis %.0f/s; BullMQ %.0f/s",
              round, rates[COLD], rates[WARM], rates[BARE], rates[QUEUED], rates[BULLMQ]);
    redisFree(c);
    world_free(w);
}

/* "256 x 50 ms": 256 in flight, 50 ms each. */
static void report(struct calls *a)
{
    static const double bars[CONTESTANTS] = {[COLD] = 0.90, [WARM] = 0.95};
    char what[80];

    snprintf(what, sizeof what, "%d x %d ms", a->shape->slots, a->shape->latency_ms);
    for (int i = 0; i < CONTESTANTS; i++) {
        char name[120];

        snprintf(name, sizeof name, "%s, %s", what, a->of[i].name);
        if (!a->of[i].rates.n) {
            bench_missing(what, a->of[i].name, "not installed");
            continue;
        }
        bench_row(&(struct row){.workload = name,
                                .unit = "/s",
                                .ours = samples_at(&a->of[i].rates, 0.5),
                                .against = "ceiling",
                                .reference = a->shape->slots * 1000.0 / a->shape->latency_ms,
                                .bar = bars[i]});
        usage_row(name, &a->of[i].used, a->jobs);
        samples_done(&a->of[i].rates);
    }
}

void bench_inference(void)
{
    size_t count = bench_rounds() == 1 ? 1 : ARRAY_LEN(shapes);

    for (size_t i = 0; i < count; i++) {
        struct calls a = {.shape = &shapes[i],
                          .jobs = bench_jobs(JOBS),
                          .of = {{.name = "cold"},
                                 {.name = "warm"},
                                 {.name = "bare C"},
                                 {.name = "bare C from Redis"},
                                 {.name = "BullMQ"}}};

        for (int round = 1; round <= bench_rounds(); round++)
            run_round(&a, round);
        report(&a);
    }
}

void bench_calls(void)
{
    struct world *w = world_new(.simulator = true);
    redisContext *c = bench_connect(w, 0);
    int64_t calls = bench_jobs(CALLS), before;
    struct fleet f;

    world_sim_latency(w, SLOW_MS);
    fleet_start(&f, w, 1, CALLS, no_reserve);
    before = private_bytes(f.party.workers[0]);
    push_documents(c, "fl:{0}:intake", chat_document_1k, 0, calls);
    WAIT_UNTIL(w, WAIT_MS, world_int_at(world_sim_ledger(w), "in_flight") == calls);
    bench_row(&(struct row){.workload = "memory per call in flight",
                            .unit = " KB",
                            .ours = (double)(private_bytes(f.party.workers[0]) - before) / 1024 /
                                    (double)calls,
                            .bar = 40,
                            .at_most = true});
    redisFree(c);
    world_free(w);
}
