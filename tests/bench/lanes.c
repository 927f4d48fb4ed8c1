/* lanes.c - four models, one of them throttled by the provider: do the others keep their pace?
 *
 *   round 1   jobs of models 1-3 alone        75,000 of them  --> calls a second
 *   round 2   the same with as many of model 4 among them, which may have RATE calls a second
 *   round 3   the same when model 4 also fails: of its jobs a fifth each gets only 429, 500 or 503
 *
 * A job whose turn is not soon must leave its slot, and come back when it is: so
 * no job of the fourth model may be put aside more than three times either. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"

enum { LANES = 4, EACH = 25000, SLOTS = 256, PROCESSES = 2, LATENCY_MS = 200, RATE = 50 };
enum { WAIT_MS = 180000, PARKS_AT = 45, PARKS_BYTES = 4, PIPELINE = 1000 };

/* The last is the throttled one. */
static const char *const models[LANES] = {"openai/gpt-oss-20b", "Qwen/Qwen3.5-9B",
                                          "google/gemma-4-31B-it", "openai/gpt-oss-120b"};

struct lanes {
    struct world *w;
    redisContext *c;
    int64_t each;
};

static int lanes_in_use = LANES, round_now; /* of the documents that are pushed now */

static int document(char *text, size_t size, int64_t i)
{
    return snprintf(text, size,
                    "{\"id\":\"%d-%lld\",\"type\":\"inference\",\"payload\":{\"task\":\"chat\","
                    "\"body\":{\"model\":\"%s\",\"max_tokens\":8,\"messages\":[{\"role\":\"user\","
                    "\"content\":\"lane %lld\"}]}}}",
                    round_now, (long long)i, models[i % lanes_in_use], (long long)i);
}

/* Calls of the first three models that the provider has answered. */
static int64_t answered(struct lanes *l)
{
    json_t *by_model = world_at(world_sim_ledger(l->w), "by_model");
    int64_t n = 0;

    for (int i = 0; i < LANES - 1; i++)
        n += world_int_at(json_object_get(by_model, models[i]), "requests");
    return n;
}

/* Calls a second of the first three models. */
static double run_round(struct lanes *l, int lanes)
{
    const int64_t others = l->each * (LANES - 1), before = answered(l);
    int64_t from;

    lanes_in_use = lanes;
    round_now++;
    bench_int(l->c, "HSET fl:{0}:paused inference.standard 1");
    push_documents(l->c, "fl:{0}:intake", document, 0, l->each * lanes);
    bench_wait(l->w, l->c, "LLEN fl:{0}:ready:inference.standard", l->each * lanes, WAIT_MS);
    from = mono_us();
    bench_int(l->c, "HDEL fl:{0}:paused inference.standard");
    bench_int(l->c, "LPUSH fl:{0}:wake:inference.standard 1 1");
    WAIT_UNTIL(l->w, WAIT_MS, answered(l) - before >= others);
    return (double)others * 1e6 / (double)(mono_us() - from);
}

/* The jobs of model 4 have odd numbers; the last digit tells what they get. */
static void make_flaky(struct lanes *l)
{
    static const struct {
        int digit, status;
    } faults[] = {{1, 429}, {5, 500}, {7, 503}};

    for (size_t i = 0; i < ARRAY_LEN(faults); i++)
        world_sim_faults(l->w, "{'model':'%s','match':'%d\\\"}]','status':%d,'times':-1}",
                         models[LANES - 1], faults[i].digit, faults[i].status);
}

/* The most times that a job of the throttled model was put aside in the second round. */
static long most_parks(struct lanes *l)
{
    long most = 0;

    for (int64_t i = LANES - 1; i < l->each * LANES; i += LANES) {
        const char *text = world_string(l->w, "GETRANGE fl:{0}:job:%d-%lld %d %d", 2, (long long)i,
                                        PARKS_AT, PARKS_AT + PARKS_BYTES - 1);
        long parks = text ? strtol(text, NULL, 16) : 0;

        most = parks > most ? parks : most;
    }
    return most;
}

void bench_lanes(void)
{
    static const char *const settings[] = {"FLOTILLA_WORKERS_REALTIME_PERCENT=0", NULL};
    struct world *w = world_new(.simulator = true);
    struct lanes l = {.w = w, .c = bench_connect(w, 0), .each = bench_jobs(EACH)};
    double alone, beside, flaky;
    struct fleet f;
    long parks;

    world_sim_latency(w, LATENCY_MS);
    world_sim(w, "POST", "/_sim/rate",
              world_text(w,
                         "{'model':'%s','start_per_s':%d,'growth_per_clean_s':0,'cut_percent':"
                         "0}",
                         models[LANES - 1], RATE));
    fleet_start(&f, w, PROCESSES, SLOTS, settings);
    alone = run_round(&l, LANES - 1);
    beside = run_round(&l, LANES);
    parks = most_parks(&l);
    make_flaky(&l);
    flaky = run_round(&l, LANES);
    bench_say("alone %.0f/s, beside a throttled model %.0f/s, beside a flaky one %.0f/s", alone,
              beside, flaky);
    bench_row(&(struct row){.workload = "3 models beside a throttled one",
                            .unit = "/s",
                            .ours = beside,
                            .against = "alone",
                            .reference = alone,
                            .bar = 0.95});
    bench_row(&(struct row){.workload = "  most times a job was put aside",
                            .unit = "",
                            .ours = (double)parks,
                            .bar = 3,
                            .at_most = true});
    bench_row(&(struct row){.workload = "3 models beside a flaky one",
                            .unit = "/s",
                            .ours = flaky,
                            .against = "alone",
                            .reference = alone,
                            .bar = 0.95});
    redisFree(l.c);
    world_free(w);
}
