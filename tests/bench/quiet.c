/* quiet.c - what flotilla needs while little or nothing happens, and how soon it is back. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { IDLE_S = 10, SETTLE_US = 2000000 };
enum { WAITING = 50000, WAIT_MS = 120000 };
enum { PROCESSES = 2, SLOTS = 64, HELD_MS = 60000, CALLS = PROCESSES * SLOTS };

/* ---- idle ------------------------------------------------------------------- */
void bench_idle(void)
{
    struct world *w = world_new();
    int64_t seconds = bench_rounds() > 1 ? IDLE_S : 2, before;
    struct fleet f;
    pid_t pid;

    fleet_start(&f, w, 1, 256, NULL);
    pid = f.party.workers[0];
    sleep_until_us(mono_us() + SETTLE_US);
    before = cpu_us(pid);
    sleep_until_us(mono_us() + seconds * 1000000);
    bench_row(&(struct row){.workload = "idle worker process, CPU",
                            .unit = " %",
                            .ours = (double)(cpu_us(pid) - before) / 1e4 / (double)seconds,
                            .bar = 0.2,
                            .at_most = true});
    bench_row(&(struct row){.workload = "idle worker process, private memory",
                            .unit = " MB",
                            .ours = (double)private_bytes(pid) / 1048576,
                            .bar = 5,
                            .at_most = true});
    world_free(w);
}

/* ---- memory of Redis -------------------------------------------------------- */
static int64_t used_memory(struct world *w)
{
    static const char name[] = "\nused_memory:";
    const char *text = world_string(w, "INFO memory"), *at = text ? strstr(text, name) : NULL;

    if (!at)
        world_fail(w, "INFO memory does not say used_memory");
    return (int64_t)strtoll(at + sizeof name - 1, NULL, 10);
}

void bench_memory(void)
{
    struct world *w = world_new();
    int64_t jobs = bench_jobs(WAITING), before;
    redisContext *c;
    struct fleet f;

    fleet_start(&f, w, 0, 1, NULL);
    before = used_memory(w);
    c = bench_connect(w, 0);
    push_documents(c, "fl:{0}:intake", chat_document_300, 0, jobs);
    redisFree(c);
    WAIT_UNTIL(w, WAIT_MS, world_int(w, "LLEN fl:{0}:ready:inference.standard") == jobs);
    WAIT_UNTIL(w, WAIT_MS, world_int(w, "EXISTS fl:{0}:taken") == 0);
    bench_row(&(struct row){.workload = "Redis memory per waiting job of 300",
                            .unit = " B",
                            .ours = (double)(used_memory(w) - before) / (double)jobs,
                            .bar = 700,
                            .at_most = true});
    world_free(w);
}

/* ---- death ------------------------------------------------------------------ */
static int64_t requests(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

/* Jobs that a process has in hand: about as many as slots, for one that waits for its turn at the
 * provider has none meanwhile. */
static int64_t held_by(redisContext *c, pid_t pid)
{
    redisReply *r = redisCommand(c, "HGETALL fl:{0}:workers");
    int64_t held = -1;
    char mark[32];

    snprintf(mark, sizeof mark, "\"pid\":%d,", (int)pid);
    for (size_t i = 0; r && i + 1 < r->elements; i += 2)
        if (strstr(r->element[i + 1]->str, mark))
            held = bench_int(c, "SCARD fl:{0}:active:%s", r->element[i]->str);
    freeReplyObject(r);
    ck_assert_int_gt(held, 0);
    return held;
}

/* When the last of the requests so far came, as wall_us(). */
static int64_t last_request_us(struct world *w)
{
    json_t *items = world_sim_items(w);

    return world_int_at(json_array_get(items, json_array_size(items) - 1), "received_us");
}

void bench_death(void)
{
    struct world *w = world_new(.simulator = true);
    redisContext *c = bench_connect(w, 0);
    struct samples back = {0};
    int64_t seen = CALLS;
    struct fleet f;

    world_sim_latency(w, HELD_MS);
    fleet_start(&f, w, PROCESSES, SLOTS,
                (const char *const[]){"FLOTILLA_WORKERS_REALTIME_PERCENT=0", NULL});
    push_documents(c, "fl:{0}:intake", chat_document_300, 0, CALLS);
    WAIT_UNTIL(w, WAIT_MS, requests(w) == seen);
    for (int i = 0; i < bench_rounds(); i++) {
        int64_t killed_us, held;

        f.party.count = world_worker_pids(f.worker, f.party.workers, PARTY_MAX);
        ck_assert_int_eq((int)f.party.count, PROCESSES);
        held = held_by(c, f.party.workers[0]);
        killed_us = wall_us();
        kill(f.party.workers[0], SIGKILL);
        seen += held;
        WAIT_UNTIL(w, WAIT_MS, requests(w) >= seen);
        samples_add(&back, (double)(last_request_us(w) - killed_us) / 1000);
        bench_say("round %d: %lld jobs called again %.0f ms after the death", i + 1,
                  (long long)held, back.v[i]);
    }
    bench_row(&(struct row){.workload = "death to its 64 jobs called again",
                            .unit = " ms",
                            .ours = samples_at(&back, 0.5),
                            .bar = 1000,
                            .at_most = true});
    samples_done(&back);
    redisFree(c);
    world_free(w);
}
