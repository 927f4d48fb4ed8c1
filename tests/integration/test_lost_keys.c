/* test_lost_keys.c - private keys that vanish, or are of another type, while work flows.
 *
 * Somebody deletes a key, Redis is restored from an older copy, a flood of names evicts a field:
 * the fleet goes on by itself, without a restart.  The table says of each key what is lost with it.
 * What is the truth about jobs (records, ready, delayed, active, intake, taken) is left alone.
 * LOST_ONLY="holds bucket" tries these only. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/clock.h"
#include "common/queue/keys.h"
#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { BATCH = 12, BATCHES = 3, BATCH_MS = 60, DONE_MS = 20000 };

/* ---- the keys ---- */

enum kind { SOFT, MONEY, STREAM, TRUTH }; /* MONEY: of another type it is waited for */
static const struct row {
    enum key_id id;
    enum kind kind;
    const char *name, *lost; /* with the key */
} rows[] = {
    {KEY_LEASE, SOFT, "lease", "nothing: the scheduler takes it again"},
    {KEY_BELL, SOFT, "bell", "nothing: the promoter looks again within a second"},
    {KEY_EXPIRING, SOFT, "expiring", "jobs there live until they are looked at for another reason"},
    {KEY_WORKERS, SOFT, "workers", "nothing: processes register again, and their jobs with them"},
    {KEY_ALERTED, SOFT, "alerted", "an alert may be sent twice"},
    {KEY_LATE, SOFT, "late", "costs whose answer came late are not corrected"},
    {KEY_CANCELS, SOFT, "cancels", "a cancelled job may run to its end"},
    {KEY_SCALE, SOFT, "scale", "the wanted numbers of processes; those there stay"},
    {KEY_PAUSED, SOFT, "paused", "paused queues go on"},
    {KEY_STOPS, SOFT, "stops", "a stopped key is tried, and stopped again"},
    {KEY_ROUTES, SOFT, "routes", "routes that were added at run time"},
    {KEY_CACHED, SOFT, "cached", "entries in it end by their own time"},
    {KEY_CACHED_BYTES, SOFT, "cached:bytes", "the bound is kept from then on only"},
    {KEY_HEALTH, SOFT, "health", "what the fleet knew of routes is seen again"},
    {KEY_BUCKET, SOFT, "bucket", "nothing: rates are as the processes know them"},
    {KEY_ERRANDS, SOFT, "errands", "catalogues are fetched again"},
    {KEY_CATALOGUES, SOFT, "catalogues", "catalogues are fetched again"},
    {KEY_BUDGET, MONEY, "budget", "what was spent in this period"},
    {KEY_HOLDS, SOFT, "holds", "calls under way are not counted as spent"},
    {KEY_HOLDS_DUE, SOFT, "holds-due", "nothing"},
    {KEY_SWEEP, SOFT, "sweep", "nothing: the search for unnamed jobs begins again"},
    {KEY_PORTION, SOFT, "portion", "what schedulers ended over is tried in large portions again"},
    {KEY_ROOMS, SOFT, "rooms",
     "the sizes of rooms; who waits there is called back, or comes by itself"},
    {KEY_COUNT, SOFT, "wake:noop", "nothing: workers look again"},
    {KEY_COUNT, SOFT, "wake:inference.standard", "nothing: workers look again"},
    {KEY_COUNT, SOFT, "wake:webhook", "nothing: workers look again"},
    {KEY_COUNT, SOFT, "spend:", "the sums of the day until then"},
    {KEY_RESULTS, STREAM, "results", "results that nobody has read"},
    {KEY_COSTS, STREAM, "costs", "costs that nobody has read"},
    {KEY_ALERTS, STREAM, "alerts", "alerts that nobody has read"},
    {KEY_DEAD, TRUTH, "dead", "dead jobs, for replay"},
    {KEY_INTAKE, TRUTH, "intake", "documents that were not taken in"},
    {KEY_TAKEN, TRUTH, "taken", "documents in hand"},
    {KEY_ASIDE, TRUTH, "aside", "documents that could not be taken in"},
    {KEY_DELAYED, TRUTH, "delayed", "when those jobs are due"},
};

START_TEST(every_key_is_in_the_table)
{
    bool there[KEY_COUNT] = {false};

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].id < KEY_COUNT)
            there[rows[i].id] = true;
    for (int i = 0; i < KEY_COUNT; i++)
        ck_assert_msg(there[i], "key number %d of keys.def", i);
}
END_TEST

/* ---- work that flows ---- */

static int pushed;

static void push_batch(struct world *w)
{
    static const char chat[] = "{'id':'j-%d','type':'inference','payload':{'task':'chat','body':"
                               "{'model':'openai/gpt-oss-20b','max_tokens':50,'messages':[{'role':"
                               "'user','content':'Hi %d'}]}}%s}";
    const char *hook = world_text(w, ",'webhook':{'url':'%s'}", world_hook_url(w, "h"));

    for (int i = pushed; i < pushed + BATCH; i++)
        if (i % 3)
            world_push(w, chat, i, i, i % 3 == 1 ? hook : "");
        else
            facts_push_noop(w, world_text(w, "j-%d", i), i % 2 ? "" : ",'delay_ms':200");
    pushed += BATCH;
}

static bool is_done(struct world *w, int i)
{
    const char *s = world_string(w, "GETRANGE fl:{0}:job:j-%d 2 2", i);

    return s && *s == 'c';
}

static int count_done(struct world *w, int from)
{
    int n = 0;

    for (int i = from; i < pushed; i++)
        n += is_done(w, i);
    return n;
}

static void lose(struct world *w, const struct row *r, bool garbage)
{
    bool string = r->id == KEY_LEASE || r->id == KEY_CACHED_BYTES || r->id == KEY_SWEEP ||
                  r->id == KEY_PORTION;
    char day[9] = "";

    if (strcmp(r->name, "spend:") == 0)
        clock_day(clock_wall_ms(), day);
    world_redis(w, "DEL fl:{0}:%s%s", r->name, day);
    if (garbage)
        world_redis(w, string ? "HSET fl:{0}:%s%s a b" : "SET fl:{0}:%s%s garbage", r->name, day);
}

/* While jobs come, keys are lost; all jobs come to their end. */
static void check_flows(struct world *w, const struct row *lost, size_t n, bool garbage)
{
    int from = pushed;
    int64_t until;

    for (int i = 0; i < BATCHES; i++) {
        push_batch(w);
        until = now_ms() + BATCH_MS;
        WAIT_UNTIL(w, DONE_MS, now_ms() >= until);
        for (size_t k = 0; k < n && i == 1; k++)
            if (lost[k].kind == SOFT || (lost[k].kind == MONEY && !garbage))
                lose(w, &lost[k], garbage);
    }
    until = now_ms() + patience_ms(DONE_MS);
    while (count_done(w, from) < pushed - from) {
        if (now_ms() > until)
            world_fail(w, "%s: %d of %d jobs are done", lost->name, count_done(w, from),
                       pushed - from);
        pause_ms(10);
    }
}

static void check_nothing_is_set_aside(struct world *w)
{
    redisReply *r = world_redis(w, "HVALS fl:{0}:budget");

    for (size_t i = 0; i < r->elements; i++) { /* "spent reserved ..." */
        const char *reserved = strchr(r->element[i]->str, ' ');

        ck_assert_msg(strncmp(reserved, " 0 ", 3) == 0, "%s", r->element[i]->str);
    }
    ck_assert_int_eq(world_int(w, "EVAL %s 1 fl:{0}:holds",
                               "local n = 0 for _, v in ipairs(redis.call('HVALS', KEYS[1])) do "
                               "if string.sub(v, 1, 1) == 'o' then n = n + 1 end end return n"),
                     0);
}

static struct world *new_world(void)
{
    struct world *w = world_new(.simulator = true);
    const char *config = world_config(w, "budgets:\n  - {name: d, for: {all: true}, per: month, "
                                         "limit_usd: 1000}\n");

    pushed = 0;
    world_sim_latency(w, 150);
    world_start_scheduler(w, config, "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8");
    world_start_worker(w, config, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=16",
                       "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8",
                       "FLOTILLA_WORKERS_HEARTBEAT_MS=100", "FLOTILLA_LIMITS_SYNC_MS=50");
    return w;
}

static void check_all(struct world *w, bool garbage)
{
    const char *only = getenv("LOST_ONLY");

    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if ((rows[i].kind == SOFT || (rows[i].kind == MONEY && !garbage)) &&
            (!only || strstr(only, rows[i].name)))
            check_flows(w, &rows[i], 1, garbage);
    if (!only)
        check_flows(w, rows, ARRAY_LEN(rows), garbage);
    check_nothing_is_set_aside(w);
    world_check_one_result_each(w, pushed);
    world_check_money(w);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        if (rows[i].kind == STREAM && !only)
            check_flows(w, &rows[i], 1, garbage);
    world_free(w);
}

START_TEST(work_flows_on_when_keys_are_lost) { check_all(new_world(), false); }
END_TEST

START_TEST(work_flows_on_when_keys_are_of_another_type) { check_all(new_world(), true); }
END_TEST

Suite *test_lost_keys(void);
Suite *test_lost_keys(void)
{
    Suite *s = suite_create("lost keys");
    TCase *tc = tcase_create("lost keys");

    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, every_key_is_in_the_table);
    tcase_add_test(tc, work_flows_on_when_keys_are_lost);
    tcase_add_test(tc, work_flows_on_when_keys_are_of_another_type);
    suite_add_tcase(s, tc);
    return s;
}
