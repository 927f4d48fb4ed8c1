/* soak.c - minutes of steady load: memory of every process and of Redis stays flat, nobody starves.
 *
 * 1 % of the jobs name models that nobody has, each another; one model is flaky
 * and one is throttled, for a quarter of each minute.  What is kept by count or age is
 * set so that it is full after some minutes: from then on all must be flat.
 * Samples are taken every 10 s, and judged from minute 5 on (from a quarter of a shorter
 * soak). */
#include "tests/chaos/soak.h"

#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/chaos/chaos.h"

enum { SAMPLE_MS = 10000, TURN_MS = 10, WARM_MS = 300000, P99_MS = 1000, PROCESSES = 2 };
enum { TROUBLE_EVERY_MS = 60000, TROUBLE_MS = 15000, TROUBLE_STEP_MS = 500 };
static const double flat_percent = 3;

struct soak {
    struct world *w;
    struct load *load;
    pid_t pids[SERIES_MAX];
    struct series series[SERIES_MAX]; /* of the processes, then Redis' used_memory */
    size_t count;
    int64_t from_ms, trouble_ms;
    int64_t worst_p99_ms; /* of all windows of 10 s */
};

/* ---- the world -------------------------------------------------------------- */
static void watch(struct soak *s, const char *name, pid_t pid)
{
    s->pids[s->count] = pid;
    snprintf(s->series[s->count++].name, sizeof s->series[0].name, "%s", name);
}

static void start(struct soak *s, int rate)
{
    static const char *const sim[] = {"--latency-ms", "60", NULL};
    pid_t pids[PROCESSES];
    struct program *p;

    s->w = world_new_with(
        &(struct world_options){.test = "soak", .simulator = true, .simulator_args = sim});
    world_config(s->w, "retention: {ids_ms: 60000, dead_ms: 60000, results_entries: 10000,"
                       " costs_entries: 10000, alerts_entries: 1000}\n"
                       "scheduler: {sweep_ms: 5000}\n"
                       "webhooks: {per_host: 64}\n");
    p = world_start_scheduler(s->w,
                              world_text(s->w, "FLOTILLA_CONFIG=%s/flotilla.yaml", s->w->dir));
    watch(s, "scheduler", p->pid);
    p = world_start_worker(s->w, world_text(s->w, "FLOTILLA_CONFIG=%s/flotilla.yaml", s->w->dir));
    watch(s, "supervisor", p->pid);
    WAIT_UNTIL(s->w, 20000, world_int(s->w, "HLEN fl:{0}:workers") == PROCESSES);
    world_worker_pids(p, pids, PROCESSES);
    for (int i = 0; i < PROCESSES; i++)
        watch(s, i ? "worker process 2" : "worker process 1", pids[i]);
    watch(s, "redis-server", s->w->redis->pid);
    watch(s, "Redis: used_memory", 0);
    s->load = load_new(s->w->redis_socket, world_hook_url(s->w, "soak"), rate);
}

static void order(struct soak *s, const char *path, const char *body)
{
    char url[128];
    struct web_answer a;

    snprintf(url, sizeof url, "%s%s", s->w->sim_url, path);
    a = web_request("POST", url, body, NULL);
    if (a.status != 200)
        world_fail(s->w, "the simulator answered %d to %s: %s", a.status, path, a.body);
    web_answer_done(&a);
}

/* For a quarter of each minute: 429, 500 and 503 in turn, and refusals of another model.  Faults
 * that nobody met by then are dropped, or one model would be out for good. */
static void trouble(struct soak *s, int64_t now)
{
    bool on = (now - s->from_ms) % TROUBLE_EVERY_MS < TROUBLE_MS;
    char text[600];

    if (!on && s->trouble_ms)
        order(s, "/_sim/reset", "{}");
    if (!on)
        s->trouble_ms = 0;
    if (!on || now < s->trouble_ms)
        return;
    s->trouble_ms = now + TROUBLE_STEP_MS;
    snprintf(text, sizeof text,
             "[{\"model\":\"%s\",\"fixture\":\"throttled\",\"times\":2},"
             "{\"model\":\"%s\",\"status\":500,\"body\":{\"error\":\"oops\"},\"times\":2},"
             "{\"model\":\"%s\",\"fixture\":\"overloaded\",\"times\":2},"
             "{\"model\":\"%s\",\"fixture\":\"throttled\",\"times\":3}]",
             load_flaky_model(), load_flaky_model(), load_flaky_model(), load_throttled_model());
    order(s, "/_sim/faults", text);
}

/* ---- samples ---------------------------------------------------------------- */
/* Resident megabytes of a process. */
static double rss_mb(struct soak *s, pid_t pid)
{
    char path[64];
    char line[128] = "", *at = line;
    long pages;
    FILE *in;

    snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    in = fopen(path, "re");
    if (!in || !fgets(line, sizeof line, in))
        world_fail(s->w, "process %d has gone", (int)pid);
    fclose(in);
    strtol(at, &at, 10); /* all of its address space; then what is resident */
    pages = strtol(at, NULL, 10);
    return (double)pages * (double)sysconf(_SC_PAGESIZE) / 1048576;
}

static double used_memory_mb(struct soak *s)
{
    static const char name[] = "\nused_memory:";
    const char *text = world_string(s->w, "INFO memory"), *at = text ? strstr(text, name) : NULL;

    return at ? (double)strtoll(at + sizeof name - 1, NULL, 10) / 1048576 : 0;
}

static void sample(struct soak *s, int64_t now)
{
    int64_t p99 = load_latency(s->load, 0.99, false);

    printf("%5" PRId64 " s", (now - s->from_ms) / 1000);
    for (size_t i = 0; i < s->count; i++) {
        struct series *one = &s->series[i];

        if (one->n == SAMPLES_MAX)
            continue;
        one->v[one->n] = s->pids[i] ? rss_mb(s, s->pids[i]) : used_memory_mb(s);
        printf(" %8.2f", one->v[one->n++]);
    }
    printf("   %7" PRId64 " under way, noop p50 %" PRId64 " p99 %" PRId64 " ms\n",
           load_pushed(s->load) - load_ended(s->load), load_latency(s->load, 0.5, false), p99);
    fflush(stdout);
    s->worst_p99_ms = max64(s->worst_p99_ms, p99);
    load_restart(s->load);
}

/* ---- the verdict ------------------------------------------------------------ */
static bool is_flat(const struct trend *t)
{
    return t->slope_percent <= flat_percent && t->slope_percent >= -flat_percent &&
           t->spread_percent <= flat_percent;
}

static bool judge(struct soak *s, size_t from)
{
    int64_t p99 = load_latency(s->load, 0.99, true);
    bool good = p99 <= P99_MS;

    printf("\n%-20s %9s %9s %9s %9s %8s %8s\n", "MB from there on", "line from", "to", "least",
           "most", "rise", "spread");
    for (size_t i = 0; i < s->count; i++) {
        struct trend t = trend_of(&s->series[i], from);

        printf("%-20s %9.2f %9.2f %9.2f %9.2f %+7.2f%% %7.2f%%  %s\n", s->series[i].name, t.first,
               t.last, t.min, t.max, t.slope_percent, t.spread_percent,
               is_flat(&t) ? "flat" : "NOT FLAT");
        good &= is_flat(&t);
    }
    printf("%" PRId64 " jobs pushed, %" PRId64 " ended; noop p50 %" PRId64 " ms, p99 %" PRId64
           " ms (at most %d), worst p99 of 10 s %" PRId64 " ms\n",
           load_pushed(s->load), load_ended(s->load), load_latency(s->load, 0.5, true), p99, P99_MS,
           s->worst_p99_ms);
    fflush(stdout);
    return good;
}

bool soak(int minutes, int rate)
{
    struct soak *s = calloc(1, sizeof *s);
    int64_t end, next, warm = min64(WARM_MS, (int64_t)minutes * 60000 / 4);
    bool good;

    if (!s)
        abort();
    start(s, rate);
    printf("soak: %d minutes at %d jobs/s; MB of", minutes, rate);
    for (size_t i = 0; i < s->count; i++)
        printf("%s %s", i ? "," : "", s->series[i].name);
    printf("\n");
    s->from_ms = now_ms();
    end = s->from_ms + (int64_t)minutes * 60000;
    for (next = s->from_ms + SAMPLE_MS; now_ms() < end; pause_ms(TURN_MS)) {
        load_turn(s->load, now_ms());
        trouble(s, now_ms());
        if (now_ms() >= next) {
            sample(s, now_ms());
            next += SAMPLE_MS;
        }
    }
    good = judge(s, (size_t)(warm / SAMPLE_MS));
    load_free(s->load);
    world_free(s->w);
    free(s);
    return good;
}
