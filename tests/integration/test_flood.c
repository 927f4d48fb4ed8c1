/* test_flood.c - tens of thousands of names that nobody uses twice leave no memory behind.
 *
 * Models, tenants, tags, hosts and schemas come from users.  Each program keeps something by such
 * names, within the bound that the header of each table states. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { ROUNDS = 3, NAMES = 4000, ALL_MS = 60000, MB = 1024 /* KB */ };

#ifdef __SANITIZE_ADDRESS__
static const bool sanitized = true;
#else
static const bool sanitized = false;
#endif

static void push_models(struct world *w, int from, int n)
{
    static const char doc[] = "{'id':'m-%d','type':'inference','tenant':'t-%d','tags':{'k':'v-%d'},"
                              "'max_attempts':1,'payload':{'task':'chat','body':{'model':"
                              "'who/knows-%d','messages':[{'role':'user','content':'Hi'}]}}}";

    for (int i = from; i < from + n; i++)
        world_push(w, doc, i, i, i, i);
}

/* Nobody listens there. */
static void push_hosts(struct world *w, int from, int n)
{
    static const char doc[] = "{'id':'h-%d','type':'noop','payload':{},'webhook':{'url':"
                              "'http://127.1.%d.%d:1/x'}}";

    for (int i = from; i < from + n; i++)
        world_push(w, doc, i, i / 250, i % 250 + 1);
}

static void push_schemas(struct world *w, int from, int n)
{
    static const char doc[] =
        "{'id':'s-%d','type':'inference','payload':{'task':'chat','body':{'model':"
        "'openai/gpt-oss-20b','messages':[{'role':'user','content':'Hi %d'}],'response_format':"
        "{'type':'json_schema','json_schema':{'name':'n-%d','schema':{'type':'object',"
        "'properties':{'p-%d':{'type':'integer'}}}}}}}}";

    for (int i = from; i < from + n; i++)
        world_push(w, doc, i, i, i, i);
}

static void (*const floods[])(struct world *w, int from, int n) = {push_models, push_hosts,
                                                                   push_schemas};

static bool is_quiet(struct world *w, int64_t results)
{
    return world_int(w, "XLEN fl:{0}:results") == results &&
           world_int(w, "LLEN fl:{0}:ready:webhook") == 0 && look_running(w) == 0;
}

/* The first names of all fill the tables, the last ones must find room in them. */
START_TEST(names_that_come_once_are_forgotten)
{
    struct world *w = world_new(.simulator = true);
    int64_t kb[2][ROUNDS];
    struct program *scheduler, *worker;
    pid_t pids[2];

    world_sim_latency(w, 1);
    scheduler = world_start_scheduler(w);
    worker = world_start_worker(
        w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=64",
        "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0", "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8");
    pids[0] = scheduler->pid;
    pids[1] = look_wait_workers(w, worker, 1)[0];
    for (int r = 0; r < ROUNDS; r++) {
        floods[_i](w, r * NAMES, NAMES);
        WAIT_UNTIL(w, ALL_MS, is_quiet(w, (int64_t)(r + 1) * NAMES));
        for (int k = 0; k < 2; k++)
            kb[k][r] = look_resident_kb(pids[k]);
    }
    for (int k = 0; k < 2; k++)
        ck_assert_msg(sanitized || kb[k][ROUNDS - 1] < kb[k][0] + 3 * MB,
                      "program %d: %lld, %lld, %lld KB", k, (long long)kb[k][0],
                      (long long)kb[k][1], (long long)kb[k][2]);
    ck_assert_int_le(world_int(w, "HLEN fl:{0}:bucket"), 512);
    ck_assert_int_le(world_int(w, "HLEN fl:{0}:health"), 512);
    world_free(w);
}
END_TEST

Suite *test_flood(void);
Suite *test_flood(void)
{
    Suite *s = suite_create("flood");
    TCase *tc = tcase_create("flood");

    tcase_set_timeout(tc, 240);
    tcase_add_loop_test(tc, names_that_come_once_are_forgotten, 0, (int)ARRAY_LEN(floods));
    suite_add_tcase(s, tc);
    return s;
}
