/* test_shift.c - traffic leaves a model that fails or has become slow, and comes back; no job
 * fails.
 *
 * A suite of its own, and in real time: the settings are those that everybody has.
 *
 *   favourite works | breaks ... 5 s ... hardly asked | recovers ... at most 30 s ... asked again
 *
 * While it is hardly asked, one call at a time probes it, in the whole fleet.  With many processes
 * each of them sees one or two calls a second: too few to judge by, so they must add up what they
 * see.
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/world.h"

enum {
    ALL_MS = 60000,
    LATENCY_MS = 100,
    TICK_MS = 20,
    LEAVES_MS = 5000,
    OUT_MS = 8000,
    BACK_MS = 30000
};
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
    world_sim_faults(t->w,
                     "{'path':'/v1/chat/completions','model':'%s','status':500,'delay_ms':%d,"
                     "'times':-1}",
                     t->favourite, LATENCY_MS);
}

static void recovers(struct traffic *t)
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
    void (*ends)(struct traffic *t);
    int processes;
} troubles[] = {{fails, recovers, 2}, {is_slow, is_quick, 2}, {is_slow, is_quick, 8}};

/* SHIFT_PROCESSES=32 make integration T=shift: the long form of the last row. */
static int processes_of(int row)
{
    const char *many = getenv("SHIFT_PROCESSES");

    return many && troubles[row].processes > 2 ? (int)strtol(many, NULL, 10)
                                               : troubles[row].processes;
}

/* From item `from` of the ledger on, no call to the favourite begins while another is under way. */
static void check_probes(struct traffic *t, int64_t from)
{
    int64_t last_us = 0;
    json_t *item;
    size_t i;

    json_array_foreach (world_sim_items(t->w), i, item) {
        int64_t us = world_int_at(item, "received_us");

        if ((int64_t)i < from || strcmp(world_string_at(item, "model"), t->favourite) != 0)
            continue;
        ck_assert_msg(us - last_us >= LATENCY_MS * 1000, "two calls %lld ms apart",
                      (long long)((us - last_us) / 1000));
        last_us = us;
    }
}

START_TEST(traffic_leaves_a_model_in_trouble_and_comes_back)
{
    struct traffic t = {.w = world_new(.simulator = true)};
    const struct results *all;
    int64_t until, out;
    double share;

    world_sim_latency(t.w, LATENCY_MS);
    world_start_scheduler(t.w);
    world_start_worker(t.w, world_text(t.w, "FLOTILLA_WORKERS_PROCESSES=%d", processes_of(_i)));
    WAIT_UNTIL(t.w, ALL_MS, world_int(t.w, "HLEN fl:{0}:workers") == processes_of(_i));
    find_favourite(&t);
    troubles[_i].breaks(&t);
    push_for(&t, LEAVES_MS);
    out = calls_to(&t, NULL);
    share = share_during(&t, OUT_MS);
    ck_assert_msg(share <= 1 - ENOUGH, "%s still gets %.3f of the calls", t.favourite, share);
    check_probes(&t, out);
    ck_assert(world_has_alert(t.w, "route_opened"));
    troubles[_i].ends(&t);
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
