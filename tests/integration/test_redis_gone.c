/* test_redis_gone.c - Redis dies, forgets its last bytes, or its answer is lost:
 * what was acknowledged is neither lost nor done twice, and everything works again by itself. */
#include <check.h>
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/support/world.h"

enum { ALL_MS = 60000, LONG_MS = 150000 };

static int64_t result_count(struct world *w) { return world_int(w, "XLEN fl:{0}:results"); }

/* Nothing is left anywhere on the way. */
static void check_all_empty(struct world *w)
{
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "LLEN fl:{0}:intake") == 0 && world_int(w, "LLEN fl:{0}:taken") == 0);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:delayed"), 0);
}

/* ---- killed ------------------------------------------------------------------ */
START_TEST(ten_deaths_of_redis_lose_nothing_that_was_acknowledged)
{
    enum { JOBS = 2000, DEATHS = 10, MORE = 20 };
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    int64_t before;

    world_sim_latency(w, 150);
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=20");
    world_push_questions(w, JOBS, NULL);
    for (int death = 0; death < DEATHS; death++) {
        for (int i = 0; i < MORE; i++)
            world_push(w,
                       "{'id':'more-%d-%d','type':'inference','payload':{'task':'chat',"
                       "'messages':[{'role':'user','content':'one more'}]}}",
                       death, i);
        before = result_count(w);
        WAIT_UNTIL(w, ALL_MS, result_count(w) >= before + 40);
        world_redis_kill(w);
        world_redis_start(w);
    }
    ck_assert_int_lt(result_count(w), JOBS); /* all deaths came while jobs ran */
    world_wait_results(w, JOBS + DEATHS * MORE, LONG_MS);
    check_all_empty(w);
    world_check_one_result_each(w, JOBS + DEATHS * MORE);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- an append-only file without its end --------------------------------------- */
static char *newest_increment(struct world *w)
{
    char *dir = world_text(w, "%s/appendonlydir", w->dir), *found = NULL;
    DIR *d = opendir(dir);

    ck_assert_ptr_nonnull(d);
    for (struct dirent *e; (e = readdir(d));)
        if (strstr(e->d_name, ".incr.aof"))
            found = world_text(w, "%s/%s", dir, e->d_name);
    closedir(d);
    ck_assert_ptr_nonnull(found);
    return found;
}

static off_t file_bytes(struct world *w)
{
    struct stat st;

    ck_assert_int_eq(stat(newest_increment(w), &st), 0);
    return st.st_size;
}

static const off_t cuts[] = {1, 100, 3000, 20000};

START_TEST(what_a_truncated_file_still_holds_goes_on)
{
    enum { JOBS = 400 };
    struct world *w = world_new(.simulator = true, .appendfsync = "always");
    off_t stored;

    world_sim_latency(w, 200);
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=16");
    world_push_questions(w, JOBS, NULL);
    /* What is cut off is what came after all jobs were stored. */
    WAIT_UNTIL(w, ALL_MS,
               world_int(w, "LLEN fl:{0}:intake") == 0 && world_int(w, "LLEN fl:{0}:taken") == 0);
    stored = file_bytes(w);
    WAIT_UNTIL(w, ALL_MS, file_bytes(w) > stored + cuts[_i]);
    ck_assert_int_lt(result_count(w), JOBS);
    world_redis_kill(w);
    ck_assert_int_eq(truncate(newest_increment(w), file_bytes(w) - cuts[_i]), 0);
    world_redis_start(w);
    world_wait_results(w, JOBS, ALL_MS);
    check_all_empty(w);
    world_check_one_result_each(w, JOBS);
    if (cuts[_i] <= 100) /* one transition is gone; of more than one nobody can know the costs */
        world_check_money(w);
    world_free(w);
}
END_TEST

/* ---- the answer is lost, script by script -------------------------------------- */
#define QUICK "FLOTILLA_REDIS_COMMAND_TIMEOUT_MS=1000"

struct loss {
    struct world *w;
    void (*lose)(struct proxy *, const char *);
};

static void start_all(struct world *w)
{
    world_start_scheduler(w, QUICK);
    world_start_worker(w, QUICK, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_DELAY_MS=50");
}

static void push_one(struct world *w)
{
    world_push(w, "{'id':'one','type':'inference','payload':{'task':'chat','model':"
                  "'openai/gpt-oss-20b','messages':[{'role':'user','content':"
                  "'what-only-the-document-says'}]}}"); /* by name: no other model is tried */
}

static void wait_state(struct world *w, const char *state)
{
    WAIT_UNTIL(w, ALL_MS, strcmp(world_string(w, "GETRANGE fl:{0}:job:one 2 2"), state) == 0);
}

static void lose_take(struct loss *l) /* the first that names the intake is a take */
{
    push_one(l->w);
    l->lose(l->w->proxy, "fl:{0}:intake");
    start_all(l->w);
}

static void lose_submit(struct loss *l)
{
    l->lose(l->w->proxy, "what-only-the-document-says");
    start_all(l->w);
    push_one(l->w);
}

static void lose_claim(struct loss *l)
{
    world_start_scheduler(l->w, QUICK);
    push_one(l->w);
    wait_state(l->w, "r");
    l->lose(l->w->proxy, "fl:{0}:paused");
    world_start_worker(l->w, QUICK, "FLOTILLA_WORKERS_PROCESSES=1");
}

static void lose_start(struct loss *l) /* the first that names the record after submit */
{
    world_start_scheduler(l->w, QUICK);
    push_one(l->w);
    wait_state(l->w, "r");
    l->lose(l->w->proxy, "fl:{0}:job:one");
    world_start_worker(l->w, QUICK, "FLOTILLA_WORKERS_PROCESSES=1");
}

static void lose_finish(struct loss *l)
{
    l->lose(l->w->proxy, "\"status\":\"completed\"");
    start_all(l->w);
    push_one(l->w);
}

static void lose_defer(struct loss *l) /* the first that names the record while it runs */
{
    world_sim_latency(l->w, 500);
    world_sim_faults(l->w, "{'path':'/v1/chat/completions','status':500,'times':1}");
    start_all(l->w);
    push_one(l->w);
    wait_state(l->w, "a");
    l->lose(l->w->proxy, "fl:{0}:job:one");
}

static void (*const scripts[])(struct loss *) = {lose_take,  lose_submit, lose_claim,
                                                 lose_start, lose_finish, lose_defer};
static void (*const losses[])(struct proxy *, const char *) = {proxy_lose_reply,
                                                               proxy_silence_reply};

START_TEST(a_lost_answer_of_a_script_changes_nothing)
{
    struct loss l = {.w = world_new(.simulator = true, .proxy = true),
                     .lose = losses[_i % (int)ARRAY_LEN(losses)]};
    void (*script)(struct loss *) = scripts[_i / (int)ARRAY_LEN(losses)];

    script(&l);
    world_wait_results(l.w, 1, ALL_MS);
    ck_assert_int_eq(proxy_stats(l.w->proxy).faults, 1);
    check_all_empty(l.w);
    world_push(l.w, "{'id':'two','type':'noop','payload':{}}");
    world_wait_results(l.w, 2, ALL_MS);
    world_check_one_result_each(l.w, 2);
    ck_assert_str_eq(world_result(l.w, "one")->status, "completed");
    ck_assert_int_eq(world_int_at(world_sim_ledger(l.w), "requests"), script == lose_defer ? 2 : 1);
    ck_assert_int_eq(world_int_at(world_result(l.w, "one")->doc, "attempts"),
                     script == lose_defer ? 2 : 1);
    world_check_money(l.w);
    world_free(l.w);
}
END_TEST

/* ---- what others leave behind ---------------------------------------------------- */
/* A scheduler that was frozen as it waited has moved it, and is not the holder any more. */
START_TEST(an_entry_that_somebody_else_took_in_hand_is_found)
{
    struct world *w = world_new();

    world_start_scheduler(w);
    world_push(w, "{'id':'a','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    world_redis(w, "LPUSH fl:{0}:taken %s", "{\"id\":\"b\",\"type\":\"noop\",\"payload\":{}}");
    WAIT_UNTIL(w, 20000, world_int(w, "LLEN fl:{0}:ready:noop") == 2);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:taken"), 0);
    world_free(w);
}
END_TEST

/* Redis forgets the scripts, and documents without an id are pushed: each runs once. */
START_TEST(forgotten_scripts_are_taught_again_and_nothing_is_stored_twice)
{
    enum { JOBS = 400 };
    struct world *w = world_new();

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2");
    for (int i = 0; i < JOBS; i++) {
        world_push(w, "{'type':'noop','payload':{}}");
        if (i % 20 == 0)
            world_redis(w, "SCRIPT FLUSH SYNC");
    }
    world_wait_results(w, JOBS, ALL_MS);
    check_all_empty(w);
    world_check_one_result_each(w, JOBS);
    world_free(w);
}
END_TEST

Suite *test_redis_gone(void)
{
    Suite *s = suite_create("redis gone");
    TCase *tc = tcase_create("redis gone");

    tcase_set_timeout(tc, 240);
    tcase_add_test(tc, ten_deaths_of_redis_lose_nothing_that_was_acknowledged);
    tcase_add_loop_test(tc, what_a_truncated_file_still_holds_goes_on, 0, (int)ARRAY_LEN(cuts));
    tcase_add_loop_test(tc, a_lost_answer_of_a_script_changes_nothing, 0,
                        (int)(ARRAY_LEN(scripts) * ARRAY_LEN(losses)));
    tcase_add_test(tc, an_entry_that_somebody_else_took_in_hand_is_found);
    tcase_add_test(tc, forgotten_scripts_are_taught_again_and_nothing_is_stored_twice);
    suite_add_tcase(s, tc);
    return s;
}
