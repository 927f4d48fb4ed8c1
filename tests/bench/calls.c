/* calls.c - inference jobs against the simulator: throughput, and memory of calls in flight.
 *
 * One worker process with 256 slots; no slots are kept for realtime jobs here,
 * so all 256 are in flight.  The ceiling is slots / latency: that of a machine which costs no time
 * at all.  What this one has left of it shows the bare C loop (bare.c), in turns with flotilla. */
#include <check.h>
#include <stdio.h>
#include <unistd.h>

#include "tests/bench/bench.h"

enum { SLOTS = 256, LATENCY_MS = 50, JOBS = 20000, WAIT_MS = 60000 };
enum { CALLS = 1000, SLOW_MS = 30000 };

static const char *const no_reserve[] = {"FLOTILLA_WORKERS_REALTIME_PERCENT=0", NULL};

static void run_round(struct fleet *f, redisContext *c, int64_t done, int64_t jobs,
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
}

void bench_inference(void)
{
    struct world *w = world_new(.simulator = true);
    const double ceiling = SLOTS * 1000.0 / LATENCY_MS;
    redisContext *c = bench_connect(w, 0);
    struct samples rates = {0}, cpu = {0}, bare = {0}, queued = {0}, bare_cpu = {0};
    int64_t jobs = bench_jobs(JOBS), before_us;
    struct usage used;
    struct fleet f;

    world_sim_latency(w, LATENCY_MS);
    fleet_start(&f, w, 1, SLOTS, no_reserve);
    for (int i = 0; i < bench_rounds(); i++) {
        run_round(&f, c, i * jobs, jobs, &used);
        samples_add(&rates, (double)jobs * 1e6 / (double)used.mono_us);
        samples_add(&cpu, (double)used.workers_us / 1e6 / ((double)jobs / 1000));
        before_us = cpu_us(getpid());
        samples_add(&bare, bare_calls(w, SLOTS, jobs, false));
        samples_add(&bare_cpu,
                    (double)(cpu_us(getpid()) - before_us) / 1e6 / ((double)jobs / 1000));
        samples_add(&queued, bare_calls(w, SLOTS, jobs, true));
        bench_say("round %d: %.0f/s, %.3f s worker CPU per 1,000; bare C %.0f/s, from Redis %.0f/s",
                  i + 1, rates.v[i], cpu.v[i], bare.v[i], queued.v[i]);
    }
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 3 * jobs * bench_rounds());
    bench_row(&(struct row){.workload = "inference, 256 in flight, 50 ms",
                            .unit = "/s",
                            .ours = samples_at(&rates, 0.5),
                            .against = "ceiling",
                            .reference = ceiling,
                            .bar = 0.95});
    bench_row(&(struct row){.workload = "  of what bare C reaches here",
                            .unit = "/s",
                            .ours = samples_at(&rates, 0.5),
                            .against = "bare C",
                            .reference = samples_at(&bare, 0.5)});
    bench_row(&(struct row){.workload = "  of what bare C reaches from Redis",
                            .unit = "/s",
                            .ours = samples_at(&rates, 0.5),
                            .against = "bare C",
                            .reference = samples_at(&queued, 0.5)});
    bench_row(&(struct row){.workload = "  worker CPU per 1,000 of them",
                            .unit = " s",
                            .ours = samples_at(&cpu, 0.5),
                            .bar = 0.10,
                            .at_most = true});
    bench_row(&(struct row){.workload = "  the same, beside bare C's",
                            .unit = " s",
                            .ours = samples_at(&cpu, 0.5),
                            .against = "bare C",
                            .reference = samples_at(&bare_cpu, 0.5)});
    usage_row("inference", &used, jobs);
    samples_done(&rates);
    samples_done(&cpu);
    samples_done(&bare);
    samples_done(&queued);
    samples_done(&bare_cpu);
    redisFree(c);
    world_free(w);
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
