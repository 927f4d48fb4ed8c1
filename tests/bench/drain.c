/* drain.c - how many jobs a second: those that wait, and those that come while it runs.
 *
 *   drain   jobs wait in a paused queue; resumed -> all results are there
 *   push    first LPUSH -> all results are there
 *
 * BullMQ has 20,000 jobs per round where flotilla has 50,000, or it would take
 * most of the time; its processes stay from round to round, so they run warm. */
#include <check.h>

#include "tests/bench/bench.h"

enum {
    PROCESSES = 2,
    CONCURRENCY = 256,
    JOBS = 50000,
    BULLMQ_JOBS = 20000,
    BYTES = 300,
    WAIT_MS = 120000
};

/* Of one contestant: jobs per second by round, and the use of the CPUs of the last. */
struct contestant {
    struct samples rates;
    struct usage used;
};

static double median(struct contestant *c) { return samples_at(&c->rates, 0.5); }

struct drain {
    const char *name;
    struct world *w;
    struct fleet fleet;
    redisContext *c;
    struct bullmq *bullmq;
    int64_t jobs, bullmq_jobs, pushed;
    struct contestant ours, raw, single, theirs;
};

static void set_up(struct drain *d, const char *name, struct world *w)
{
    *d = (struct drain){
        .name = name, .w = w, .jobs = bench_jobs(JOBS), .bullmq_jobs = bench_jobs(BULLMQ_JOBS)};
    fleet_start(&d->fleet, w, PROCESSES, CONCURRENCY, NULL);
    d->c = bench_connect(w, 0);
    d->bullmq = bullmq_start(w);
}

static void done(struct drain *d)
{
    samples_done(&d->ours.rates);
    samples_done(&d->raw.rates);
    samples_done(&d->single.rates);
    samples_done(&d->theirs.rates);
    redisFree(d->c);
    world_free(d->w);
}

static void wait_for_results(struct drain *d, const struct usage *before)
{
    const char *results = "XLEN fl:{0}:results";

    bench_wait(d->w, d->c, results, d->pushed, WAIT_MS);
    d->ours.used = usage_since(&d->fleet.party, before);
    samples_add(&d->ours.rates, (double)d->jobs * 1e6 / (double)d->ours.used.mono_us);
    ck_assert_int_eq(bench_int(d->c, results), d->pushed);
}

static void drain_ours(struct drain *d)
{
    struct usage before;

    bench_int(d->c, "HSET fl:{0}:paused noop 1");
    push_documents(d->c, "fl:{0}:intake", noop_document, d->pushed, d->jobs);
    d->pushed += d->jobs;
    bench_wait(d->w, d->c, "LLEN fl:{0}:ready:noop", d->jobs, WAIT_MS);
    before = usage_now(&d->fleet.party);
    bench_int(d->c, "HDEL fl:{0}:paused noop"); /* these two are `flotilla resume` */
    bench_int(d->c, "LPUSH fl:{0}:wake:noop 1");
    wait_for_results(d, &before);
}

static void push_ours(struct drain *d)
{
    struct usage before = usage_now(&d->fleet.party);

    push_documents(d->c, "fl:{0}:intake", noop_document_300, d->pushed, d->jobs);
    d->pushed += d->jobs;
    wait_for_results(d, &before);
}

static void compare(struct drain *d, const char *against, struct contestant *other, int64_t jobs,
                    double bar)
{
    bench_row(&(struct row){.workload = d->name,
                            .unit = "/s",
                            .ours = median(&d->ours),
                            .against = against,
                            .reference = median(other),
                            .bar = bar});
    usage_row(world_text(d->w, "%s, %s", d->name, against), &other->used, jobs);
}

static void compare_bullmq(struct drain *d, double bar)
{
    if (d->bullmq)
        compare(d, "BullMQ", &d->theirs, d->bullmq_jobs, bar);
    else
        bench_missing(d->name, "BullMQ", "not installed");
}

static void report_ours(struct drain *d)
{
    usage_row(world_text(d->w, "%s, flotilla", d->name), &d->ours.used, d->jobs);
}

static void run_drain(const char *name, struct world *w)
{
    struct drain d;

    set_up(&d, name, w);
    for (int i = 0; i < bench_rounds(); i++) {
        samples_add(&d.raw.rates, raw_drain(w, true, d.jobs, &d.raw.used));
        samples_add(&d.single.rates, raw_drain(w, false, d.jobs, &d.single.used));
        drain_ours(&d);
        if (d.bullmq)
            samples_add(&d.theirs.rates, bullmq_drain(d.bullmq, d.bullmq_jobs, &d.theirs.used));
        bench_say("round %d: flotilla %.0f/s, raw %.0f/s and %.0f/s, BullMQ %.0f/s", i + 1,
                  d.ours.rates.v[i], d.raw.rates.v[i], d.single.rates.v[i],
                  d.bullmq ? d.theirs.rates.v[i] : 0);
    }
    report_ours(&d);
    compare(&d, "raw", &d.raw, d.jobs, 1.3);
    compare(&d, "raw, not batched", &d.single, d.jobs, 1.3);
    compare_bullmq(&d, 5);
    done(&d);
}

void bench_drain(void) { run_drain("drain", world_new()); }

void bench_drain_aof(void)
{
    run_drain("drain, AOF everysec", world_new(.appendfsync = "everysec"));
}

void bench_push(void)
{
    struct drain d;

    set_up(&d, "push while it runs", world_new());
    for (int i = 0; i < bench_rounds(); i++) {
        push_ours(&d);
        if (d.bullmq)
            samples_add(&d.theirs.rates,
                        bullmq_push(d.bullmq, d.bullmq_jobs, BYTES, &d.theirs.used));
        bench_say("round %d: flotilla %.0f/s, BullMQ %.0f/s", i + 1, d.ours.rates.v[i],
                  d.bullmq ? d.theirs.rates.v[i] : 0);
    }
    report_ours(&d);
    compare_bullmq(&d, 3);
    done(&d);
}
