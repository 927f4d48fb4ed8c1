/* route.c - what a routing decision takes: a job that says "auto", 100 routes of its task.
 *
 * The table is made of a configuration, as ever, and health is asked of every
 * route.  Nothing but this process takes part.
 */
#include <check.h>
#include <time.h>

#include "common/config/config_parts.h"
#include "common/route/select.h"
#include "tests/bench/bench.h"

enum { ROUTES = 100, DECISIONS = 100000 };

static struct route_health health_of(void *arg, const struct route *r)
{
    const int64_t *p50_ms = arg;

    return (struct route_health){r->index % 10 ? ROUTE_FINE : ROUTE_SLOW, p50_ms[r->index % 4]};
}

/* Of the processor: others have it as well. */
static int64_t used_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* ROUTES models for task rerank, which the built-in one leaves to them. */
static struct config *make_config(void)
{
    static const char *const no_env[] = {NULL};
    struct buf text = BUF(65536);
    struct err err = {0};
    struct config *cfg;

    buf_puts(&text, "models:\n- {id: mixedbread-ai/Mxbai-Rerank-Large-V2, allowed: no, "
                    "default_for: []}\n");
    for (int i = 0; i < ROUTES; i++)
        buf_printf(&text,
                   "- {id: m/%d, tasks: [rerank], input_usd: 0.%02d, output_usd: 0, "
                   "quality: 0.%02d, p50_ms: %d, context: 100000}\n",
                   i, 1 + i * 37 % 99, i * 53 % 100, 100 + i * 71 % 1000);
    cfg = config_build("bench", text.p, text.n, no_env, &err);
    ck_assert_msg(cfg, "%s", err.msg);
    buf_done(&text);
    return cfg;
}

void bench_route(void)
{
    static int64_t p50_ms[] = {0, 300, 900, 2700};
    const struct route_view view = {health_of, p50_ms};
    const struct route_needs needs = {
        .task = TASK_RERANK, .automatic = true, .tokens = 1000, .priority = JOB_STANDARD};
    struct config *cfg = make_config();
    struct routes *table = routes_new(cfg);
    struct samples us = {0};
    struct route_rules rules;
    struct route_list list = {0};

    for (int round = 0; round < bench_rounds(); round++) {
        int64_t n = bench_jobs(DECISIONS), before = used_us();

        for (int64_t i = 0; i < n; i++) {
            route_rules_from(&rules, cfg);
            route_select(table, &rules, &needs, &view, &list);
        }
        samples_add(&us, (double)(used_us() - before) / (double)n);
    }
    ck_assert_uint_eq(list.count, (size_t)cfg->routing_candidates);
    bench_row(&(struct row){.workload = "routing decision, 100 routes",
                            .unit = " us CPU",
                            .ours = samples_at(&us, 0.5),
                            .bar = 5,
                            .at_most = true});
    samples_done(&us);
    routes_free(table);
    config_free(cfg);
}
