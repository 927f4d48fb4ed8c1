/* delay.c - from just before LPUSH until the provider has the request.
 *
 *   0 ms  LPUSH a job      5 ms  PING      10 ms  LPUSH a job      15 ms  PING ...
 *
 * Both ends read the same clock (CLOCK_REALTIME): the simulator writes into its
 * ledger when it had read each request.  A job is recognised there by its
 * number of prompt tokens, which no other job of the same 640 ms has.
 * The yardsticks are a PING round trip of the same process at the same pace, and,
 * in rounds that take turns with flotilla's, the same hops with nothing in them (relay.c). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { EVERY_US = 10000, PUSHES = 400, SIZES = 64, WAIT_MS = 20000 };
enum { SLOTS = 256, RESERVED = 25, HELD_MS = 60000 };
#define SLOW_MODEL "openai/gpt-oss-120b"
#define FAST_MODEL "openai/gpt-oss-20b"

/* Who takes the jobs: what it is pushed to, what tells how many are done, what was measured. */
struct way {
    const char *intake, *done;
    struct samples p50, p99; /* by round, us */
};

struct delay {
    const char *name, *priority;
    struct world *w;
    redisContext *c;
    int64_t jobs, pushed_us[PUSHES];
    struct way ours, bare;
    struct samples start, ping;              /* of one round, us */
    struct samples ping50, ping99, x50, x99; /* by round */
};

static int tokens_of(int64_t i) { return 1 + (int)(i % SIZES); }

static void push(struct delay *d, const struct way *to, int round, int64_t i)
{
    char body[512], text[1024], content[4 * SIZES + 1];

    memset(content, 'x', sizeof content);
    snprintf(body, sizeof body,
             "{\"model\":\"" FAST_MODEL "\",\"max_tokens\":4,"
             "\"messages\":[{\"role\":\"user\",\"content\":\"%.*s\"}]}",
             4 * tokens_of(i), content);
    snprintf(text, sizeof text,
             "{\"id\":\"d-%d-%lld\",\"type\":\"inference\",\"priority\":\"%s\",\"payload\":{"
             "\"task\":\"chat\",\"body\":%s}}",
             round, (long long)i, d->priority, body);
    d->pushed_us[i] = wall_us();
    bench_int(d->c, "LPUSH %s %s", to->intake, to == &d->bare ? body : text);
}

static void ping(struct delay *d)
{
    int64_t from = mono_us();

    bench_int(d->c, "PING");
    samples_add(&d->ping, (double)(mono_us() - from));
}

/* Which of the pushed jobs does a ledger item belong to?  -1: none of them. */
static int64_t job_of(json_t *item, int64_t seen[SIZES], int64_t jobs)
{
    int64_t tokens = world_int_at(item, "prompt_tokens"), i;

    if (strcmp(world_string_at(item, "model"), FAST_MODEL) != 0 || tokens < 1 || tokens > SIZES)
        return -1;
    i = seen[tokens - 1]++ * SIZES + tokens - 1;
    return i < jobs ? i : -1;
}

static void read_ledger(struct delay *d, int64_t since)
{
    const char *path = world_text(d->w, "/_sim/ledger?since=%lld", (long long)since);
    json_t *items = world_at(world_sim(d->w, "GET", path, NULL), "items"), *item;
    int64_t seen[SIZES] = {0}, i;
    size_t at;

    json_array_foreach (items, at, item) {
        if (world_int_at(item, "received_us") < d->pushed_us[0])
            continue; /* of the round before: what is no call has a place in the list as well */
        i = job_of(item, seen, d->jobs);
        if (i >= 0)
            samples_add(&d->start, (double)(world_int_at(item, "received_us") - d->pushed_us[i]));
    }
    ck_assert_int_eq((int64_t)d->start.n, d->jobs);
}

/* held: calls that are in flight all the time. */
static void run_round(struct delay *d, struct way *way, int round, int64_t held)
{
    int64_t since = world_int_at(world_sim_ledger(d->w), "requests");
    int64_t begin = mono_us() + EVERY_US;

    d->start.n = d->ping.n = 0;
    for (int64_t i = 0; i < d->jobs; i++) {
        sleep_until_us(begin + i * EVERY_US);
        push(d, way, round, i);
        sleep_until_us(begin + i * EVERY_US + EVERY_US / 2);
        ping(d);
    }
    bench_wait(d->w, d->c, way->done, d->jobs * (round + 1), WAIT_MS);
    read_ledger(d, since);
    ck_assert_int_eq(world_int_at(world_sim_ledger(d->w), "in_flight"), held);
    samples_add(&way->p50, samples_at(&d->start, 0.5));
    samples_add(&way->p99, samples_at(&d->start, 0.99));
    bench_say("round %d, %s: p50 %.0f us, p99 %.0f us; PING p50 %.0f us, p99 %.0f us", round + 1,
              way == &d->bare ? "bare" : "flotilla", way->p50.v[round], way->p99.v[round],
              samples_at(&d->ping, 0.5), samples_at(&d->ping, 0.99));
}

static void note_ping(struct delay *d, int round)
{
    samples_add(&d->ping50, samples_at(&d->ping, 0.5));
    samples_add(&d->ping99, samples_at(&d->ping, 0.99));
    samples_add(&d->x50, d->ours.p50.v[round] / d->ping50.v[round]);
    samples_add(&d->x99, d->ours.p99.v[round] / d->ping50.v[round]);
}

static void report_one(struct delay *d, const char *what, struct samples *ours,
                       struct samples *ratios, struct samples *bare, double bar)
{
    double ping = samples_at(&d->ping50, 0.5), floor = samples_at(bare, 0.5);

    bench_row(&(struct row){.workload = world_text(d->w, "%s, %s", d->name, what),
                            .unit = " us",
                            .ours = samples_at(ours, 0.5),
                            .against = "PING",
                            .reference = ping,
                            .ratio = samples_at(ratios, 0.5),
                            .bar = bar,
                            .at_most = true});
    bench_row(&(struct row){.workload = world_text(d->w, "  the same hops, bare, %s", what),
                            .unit = " us",
                            .ours = floor,
                            .against = "PING",
                            .reference = ping});
    bench_row(&(struct row){.workload = world_text(d->w, "  beside these hops, %s", what),
                            .unit = " us",
                            .ours = samples_at(ours, 0.5),
                            .against = "bare",
                            .reference = floor});
}

static void report(struct delay *d)
{
    report_one(d, "p50", &d->ours.p50, &d->x50, &d->bare.p50, 6);
    report_one(d, "p99", &d->ours.p99, &d->x99, &d->bare.p99, 30);
    bench_row(&(struct row){
        .workload = "  PING round trip, p99", .unit = " us", .ours = samples_at(&d->ping99, 0.5)});
}

static void measure(struct delay *d, int64_t held)
{
    struct relay *relay = relay_start(d->w);

    d->ours = (struct way){.intake = "fl:{0}:intake", .done = "XLEN fl:{0}:results"};
    d->bare = (struct way){.intake = "bare:{0}:intake", .done = "LLEN bare:{0}:done"};
    d->jobs = bench_jobs(PUSHES);
    for (int i = 0; i < bench_rounds(); i++) {
        run_round(d, &d->bare, i, held);
        run_round(d, &d->ours, i, held);
        note_ping(d, i);
    }
    report(d);
    relay_stop(relay);
    redisFree(d->c);
    world_free(d->w);
}

void bench_delay(void)
{
    struct world *w = world_new(.simulator = true);
    struct delay d = {
        .name = "push to start", .priority = "standard", .w = w, .c = bench_connect(w, 0)};
    struct fleet f;

    fleet_start(&f, w, 2, SLOTS, NULL);
    measure(&d, 0);
}

static int slow_document(char *text, size_t size, int64_t i)
{
    return snprintf(text, size,
                    "{\"id\":\"held-%lld\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\","
                    "\"body\":{\"model\":\"" SLOW_MODEL "\",\"messages\":[{\"role\":\"user\","
                    "\"content\":\"wait\"}]}}}",
                    (long long)i);
}

/* All slots of one process are taken but those that are kept for realtime jobs, and more wait. */
void bench_realtime(void)
{
    struct world *w = world_new(.simulator = true);
    struct delay d = {
        .name = "realtime push to start", .priority = "realtime", .w = w, .c = bench_connect(w, 0)};
    const int64_t held = SLOTS - RESERVED;
    struct fleet f;

    world_sim(w, "POST", "/_sim/latency",
              world_text(w, "{'model':'" SLOW_MODEL "','ms':%d}", HELD_MS));
    fleet_start(&f, w, 1, SLOTS, NULL);
    push_documents(d.c, "fl:{0}:intake", slow_document, 0, 2 * held);
    WAIT_UNTIL(w, WAIT_MS, world_int_at(world_sim_ledger(w), "in_flight") == held);
    measure(&d, held);
}
