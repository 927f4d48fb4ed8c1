/* test_flooded.c - what a process keeps by names of users stays flat when 50,000 come.
 *
 * The limiter's table is in test_limit_offline.c, Redis's fields are in test_limit_script.c. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "common/core/log.h"
#include "common/schema/schema_cache.h"
#include "tests/unit/health_scene.h"
#include "worker/process.h"
#include "worker/webhook/hooks.h"

enum { NAMES = 50000, KNOWN = 10000, SLACK_BYTES = 64 * 1024 };

static struct config cfg;
static struct process process;
static struct hooks *hooks;

static void deliver_to_a_dead_host(int i)
{
    char host[64];

    snprintf(host, sizeof host, "host-%d.example:443", i);
    for (int k = 0; k < 6; k++)
        if (hooks_begin(hooks, host) == 0)
            hooks_end(hooks, host, false);
}

static void check_with_a_schema(int i)
{
    char text[64];
    struct err err;

    snprintf(text, sizeof text, "{\"minimum\":%d}", i);
    ck_assert_ptr_nonnull(schema_cached((struct span){text, strlen(text)}, false, &err));
}

static void call_an_unknown_model(int i)
{
    struct health_call c = {0};
    char name[32];
    struct health_route *t;

    snprintf(name, sizeof name, "who/knows-%d", i);
    t = health_job_route(one->health, "p", (struct span){name, strlen(name)});
    health_gate(one->health, t, &c);
    health_began(one->health, &c);
    health_failed(one->health, &c, i % 2 ? ERR_PROVIDER_NOT_FOUND : ERR_SERVER_ERROR);
    health_drop(one->health, &c);
    if (i % 200 == 0)
        sync_both();
}

static void (*const uses[])(int i) = {deliver_to_a_dead_host, check_with_a_schema,
                                      call_an_unknown_model};

START_TEST(fifty_thousand_names_leave_no_memory_behind)
{
    size_t before = 0, after;

    log_setup("unit", LOG_ERROR, LOG_LOGFMT); /* each dead host is a warning */
    cfg = (struct config){.webhooks_per_host = 2};
    process = (struct process){.env.cfg = &cfg};
    hooks = hooks_new(&process.env);
    for (int i = 0; i < NAMES; i++) {
        if (i == KNOWN)
            before = mallinfo2().uordblks;
        uses[_i](i);
    }
    after = mallinfo2().uordblks;
    ck_assert_msg(after < before + SLACK_BYTES, "%zu bytes, then %zu", before, after);
    hooks_free(hooks);
    schema_cache_clear();
}
END_TEST

Suite *test_flooded(void);
Suite *test_flooded(void)
{
    Suite *s = suite_create("flooded");
    TCase *tc = tcase_create("flooded");

    tcase_add_checked_fixture(tc, two_processes, no_processes);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, fifty_thousand_names_leave_no_memory_behind, 0, (int)ARRAY_LEN(uses));
    suite_add_tcase(s, tc);
    return s;
}
