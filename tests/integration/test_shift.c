/* test_shift.c - traffic leaves a model that fails or has become slow, and comes back; no job
 * fails.
 *
 * A suite of its own, and in real time: the settings are those that everybody has.
 *
 *   favourite works | breaks ... 5 s ... hardly asked | mended ... at most 30 s ... asked again
 */
#include <check.h>
#include <string.h>

#include "tests/support/world.h"

enum { ALL_MS = 60000, LATENCY_MS = 100, TICK_MS = 20, LEAVES_MS = 5000, BACK_MS = 30000 };
#define ENOUGH 0.95

struct traffic {
    struct world *w;
    int64_t pushed;
    const char *favourite;
};

/* One job every TICK_MS, for so long. */
static void push_for(struct traffic *t, int64_t ms)
{
    int64_t from = now_ms();

    for (int64_t n = 0; n * TICK_MS < ms; n++) {
        world_push(t->w,
                   "{'id':'%lld','type':'inference','payload':{'task':'chat','body':{'model':"
                   "'auto','max_tokens':8,'messages':[{'role':'user','content':'job %lld'}]}}}",
                   (long long)t->pushed, (long long)t->pushed);
        t->pushed++;
        WAIT_UNTIL(t->w, ALL_MS, now_ms() >= from + n * TICK_MS);
    }
}

/* Calls so far, to all models or to one. */
static int64_t calls_to(struct traffic *t, const char *model)
{
    json_t *ledger = world_sim_ledger(t->w), *by_model = world_at(ledger, "by_model");

    return model ? world_int_at(json_object_get(by_model, model), "requests")
                 : world_int_at(ledger, "requests");
}

/* The favourite's share of the calls while jobs are pushed for so long. */
static double share_during(struct traffic *t, int64_t ms)
{
    int64_t all = calls_to(t, NULL), its = calls_to(t, t->favourite);

    push_for(t, ms);
    all = calls_to(t, NULL) - all;
    ck_assert_int_gt(all, 0);
    return (double)(calls_to(t, t->favourite) - its) / (double)all;
}

static void find_favourite(struct traffic *t)
{
    json_t *by_model, *row;
    const char *model;
    int64_t most = 0;

    push_for(t, 3000);
    by_model = world_at(world_sim_ledger(t->w), "by_model");
    json_object_foreach (by_model, model, row) {
        if (world_int_at(row, "requests") > most) {
            most = world_int_at(row, "requests");
            t->favourite = world_text(t->w, "%s", model);
        }
    }
    ck_assert_ptr_nonnull(t->favourite);
    ck_assert(share_during(t, 1000) > ENOUGH);
}

static void fails(struct traffic *t)
{
    world_sim_faults(t->w, "{'path':'/v1/chat/completions','model':'%s','status':500,'times':-1}",
                     t->favourite);
}

static void is_mended(struct traffic *t)
{
    world_sim_reset(t->w);
    world_sim_latency(t->w, LATENCY_MS);
}

static void is_slow(struct traffic *t)
{
    world_sim(t->w, "POST", "/_sim/latency",
              world_text(t->w, "{'model':'%s','ms':%d}", t->favourite, 10 * LATENCY_MS));
}

static void is_quick(struct traffic *t)
{
    world_sim(t->w, "POST", "/_sim/latency",
              world_text(t->w, "{'model':'%s','ms':%d}", t->favourite, LATENCY_MS));
}

static const struct {
    void (*breaks)(struct traffic *t);
    void (*mends)(struct traffic *t);
} troubles[] = {{fails, is_mended}, {is_slow, is_quick}};

START_TEST(traffic_leaves_a_model_in_trouble_and_comes_back)
{
    struct traffic t = {.w = world_new(.simulator = true)};
    const struct results *all;
    int64_t until;
    double share;

    world_sim_latency(t.w, LATENCY_MS);
    world_start_scheduler(t.w);
    world_start_worker(t.w, "FLOTILLA_WORKERS_PROCESSES=2");
    find_favourite(&t);
    troubles[_i].breaks(&t);
    push_for(&t, LEAVES_MS);
    share = share_during(&t, 3000);
    ck_assert_msg(share <= 1 - ENOUGH, "%s still gets %.3f of the calls", t.favourite, share);
    ck_assert(world_has_alert(t.w, "route_opened"));
    troubles[_i].mends(&t);
    until = now_ms() + patience_ms(BACK_MS);
    while (share_during(&t, 1000) < ENOUGH)
        ck_assert_msg(now_ms() < until, "%s does not get its calls back", t.favourite);
    ck_assert(world_has_alert(t.w, "route_closed"));
    all = world_wait_results(t.w, t.pushed, ALL_MS);
    world_check_one_result_each(t.w, t.pushed);
    for (size_t i = 0; i < all->count; i++)
        ck_assert_str_eq(all->items[i].status, "completed");
    world_free(t.w);
}
END_TEST

Suite *test_shift(void)
{
    Suite *s = suite_create("shift");
    TCase *tc = tcase_create("shift");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, traffic_leaves_a_model_in_trouble_and_comes_back, 0,
                        (int)ARRAY_LEN(troubles));
    suite_add_tcase(s, tc);
    return s;
}
