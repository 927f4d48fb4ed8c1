/* test_flaky.c - one model is throttled and fails in turn: its jobs wait, and no other job waits
 * because of them.
 *
 * The model answers 429, 503 and 500 in turn, so that its rate falls to the lowest and each of its
 * jobs is postponed again and again. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/buf.h"
#include "tests/support/facts.h"
#include "tests/support/look.h"

#define FLAKY   "Qwen/Qwen3.5-9B"
#define HEALTHY "openai/gpt-oss-20b"

enum { ALL_MS = 30000, JOBS = 300, TURNS = 3000 };

static void push(struct world *w, const char *id, const char *model, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference','max_attempts':20%s,'payload':{'task':'chat','body':{"
               "'model':'%s','max_tokens':20,'messages':[{'role':'user','content':'Hi %s'}]}}}",
               id, members, model, id);
}

static void push_many(struct world *w, const char *prefix, int n, const char *model,
                      const char *members)
{
    for (int i = 0; i < n; i++)
        push(w, world_text(w, "%s-%d", prefix, i), model, members);
}

/* The three answers in turn. */
static void make_flaky(struct world *w)
{
    struct buf rules = BUF(1 << 20);

    for (int i = 0; i < TURNS; i++)
        buf_printf(&rules, "%c{'model':'" FLAKY "','status':%d}", i ? ',' : '[',
                   i % 3 == 0   ? 429
                   : i % 3 == 1 ? 503
                                : 500);
    buf_putc(&rules, ']');
    world_sim_faults(w, "%.*s", (int)rules.n, rules.p);
    buf_done(&rules);
}

static int64_t done_of(struct world *w, const char *prefix)
{
    const struct results *all = world_results(w);
    int64_t n = 0;

    for (size_t i = 0; i < all->count; i++)
        n += strncmp(all->items[i].id, prefix, strlen(prefix)) == 0 &&
             !strcmp(all->items[i].status, "completed");
    return n;
}

/* Jobs of the flaky model that were postponed at least so often. */
static int postponed(struct world *w, long times)
{
    int n = 0;

    for (int i = 0; i < JOBS; i++) {
        const char *parks = world_string(w, "GETRANGE fl:{0}:job:flaky-%d 45 48", i);

        n += parks && strtol(parks, NULL, 16) >= times;
    }
    return n;
}

/* Each concurrency once: the fleet of one slot, and one that has fewer slots than jobs. */
static const char *const slots[] = {"FLOTILLA_WORKERS_CONCURRENCY=1",
                                    "FLOTILLA_WORKERS_CONCURRENCY=16"};
/* As many could wait in slots and in memory. */
static const int most_stuck[] = {2, 32};

START_TEST(a_throttled_and_flaky_model_takes_no_slot_from_others)
{
    enum { EACH = 20, OTHERS_MS = 8000 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 20);
    make_flaky(w);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", slots[_i], "FLOTILLA_LIMITS_START_RATE=100",
                     "FLOTILLA_RETRY_PARK_MIN_MS=20", "FLOTILLA_RETRY_PARK_MAX_MS=200",
                     "FLOTILLA_RETRY_DELAY_MS=20", "FLOTILLA_ROUTING_PROBE_MIN_MS=20",
                     "FLOTILLA_ROUTING_PROBE_MAX_MS=200");
    push_many(w, "flaky", JOBS, FLAKY, "");
    WAIT_UNTIL(w, ALL_MS, postponed(w, 2) >= most_stuck[_i]);
    for (int i = 0; i < EACH; i++)
        world_push(w, "{'id':'noop-%d','type':'noop','payload':{},'webhook':{'url':'%s'}}", i,
                   world_hook_url(w, "n"));
    push_many(w, "chat", EACH, HEALTHY, "");
    push_many(w, "now", EACH, HEALTHY, ",'priority':'realtime'");
    WAIT_UNTIL(w, OTHERS_MS, done_of(w, "noop") == EACH && done_of(w, "now") == EACH);
    WAIT_UNTIL(w, OTHERS_MS, done_of(w, "chat") == EACH);
    WAIT_UNTIL(w, OTHERS_MS, json_array_size(world_hooks(w)) == EACH);
    ck_assert_int_lt(done_of(w, "flaky"), JOBS);
    world_free(w);
}
END_TEST

Suite *test_flaky(void);
Suite *test_flaky(void)
{
    Suite *s = suite_create("flaky");
    TCase *tc = tcase_create("flaky");

    tcase_set_timeout(tc, 90);
    tcase_add_loop_test(tc, a_throttled_and_flaky_model_takes_no_slot_from_others, 0,
                        (int)ARRAY_LEN(slots));
    suite_add_tcase(s, tc);
    return s;
}
