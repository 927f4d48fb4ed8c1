/* test_ahead.c - a busy worker claims jobs ahead of its slots (worker/claims/ahead.h): until their
 * start they are nobody's, whatever happens to the worker. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/look.h"

enum { ALL_MS = 60000, SLOTS = 100, JOBS = 3000, EARLY_MAX = 64 };

#define QUEUE "inference.standard"

struct scene {
    struct world *w;
    struct program *worker;
    pid_t pid;
    const char *active; /* its set of claimed ids */
    const char *early[EARLY_MAX];
    size_t count;
};

static bool is_ready(struct world *w, const char *id)
{
    return strcmp(world_string(w, "GETRANGE fl:{0}:job:%s 2 2", id), "r") == 0;
}

/* A reply lives for a few commands only. */
static const char **copy_ids(struct world *w, const redisReply *ids)
{
    const char **copy = world_own(w, calloc(ids->elements + 1, sizeof *copy), free);

    for (size_t i = 0; i < ids->elements; i++)
        copy[i] = world_text(w, "%s", ids->element[i]->str);
    return copy;
}

/* What it has claimed and not started. */
static size_t read_early(struct scene *s)
{
    const char **ids = copy_ids(s->w, world_redis(s->w, "SMEMBERS %s", s->active));

    s->count = 0;
    for (; *ids && s->count < EARLY_MAX; ids++)
        if (is_ready(s->w, *ids))
            s->early[s->count++] = *ids;
    return s->count;
}

/* Stop the process at a moment when it has such jobs in hand, and nothing on its way to Redis. */
static void stop_with_early(struct scene *s)
{
    for (;;) {
        int64_t done = world_int(s->w, "XLEN fl:{0}:results");
        size_t before;

        ck_assert_int_eq(kill(s->pid, SIGSTOP), 0);
        do {
            before = read_early(s);
            world_redis(s->w, "PING");
        } while (read_early(s) != before);
        if (s->count > 0)
            return;
        kill(s->pid, SIGCONT);
        WAIT_UNTIL(s->w, ALL_MS, world_int(s->w, "XLEN fl:{0}:results") > done);
        ck_assert_int_lt(done, JOBS - SLOTS);
    }
}

static void setup_scene(struct scene *s)
{
    *s = (struct scene){.w = world_new(.simulator = true)};
    world_sim_latency(s->w, 50);
    world_start_scheduler(s->w);
    world_push_questions(s->w, JOBS, NULL);
    WAIT_UNTIL(s->w, ALL_MS, world_int(s->w, "LLEN fl:{0}:ready:" QUEUE) == JOBS);
    s->worker = world_start_worker(s->w, "FLOTILLA_WORKERS_PROCESSES=1",
                                   "FLOTILLA_WORKERS_CONCURRENCY=100");
    s->pid = look_wait_workers(s->w, s->worker, 1)[0];
    s->active = world_text(s->w, "fl:{0}:active:%s", look_worker(s->w, s->pid));
    WAIT_UNTIL(s->w, ALL_MS, world_int(s->w, "XLEN fl:{0}:results") > JOBS / 4);
    stop_with_early(s);
}

static void finish_scene(struct scene *s)
{
    world_wait_results(s->w, JOBS, ALL_MS);
    world_check_one_result_each(s->w, JOBS);
    world_check_money(s->w);
    ck_assert_int_eq(look_held(s->w), 0);
    world_free(s->w);
}

static bool is_flagged(json_t *event, const char *flag)
{
    json_t *flags = json_object_get(event, "flags");

    for (size_t i = 0; i < json_array_size(flags); i++)
        if (!strcmp(json_string_value(json_array_get(flags, i)), flag))
            return true;
    return false;
}

/* None of them has a cost event of a call that may have been made. */
static void check_uncalled(const struct scene *s, json_t *costs)
{
    size_t i;
    json_t *event;

    json_array_foreach (costs, i, event) {
        for (size_t k = 0; k < s->count; k++)
            if (!strcmp(world_string_at(event, "job_id"), s->early[k]))
                ck_assert_msg(!is_flagged(event, "unconfirmed"), "%s was not called", s->early[k]);
    }
}

START_TEST(a_killed_worker_costs_the_jobs_it_claimed_ahead_neither_money_nor_an_attempt)
{
    struct scene s;
    int64_t reserved;

    setup_scene(&s);
    reserved = world_int(s.w, "HGET fl:{0}:budget reserved");
    kill(s.pid, SIGKILL);
    world_wait_results(s.w, JOBS, ALL_MS);
    for (size_t i = 0; i < s.count; i++)
        ck_assert_int_eq(world_int_at(world_result(s.w, s.early[i])->doc, "attempts"), 1);
    check_uncalled(&s, world_costs(s.w));
    ck_assert_int_eq(reserved, 0);
    ck_assert_int_gt(look_flagged(s.w, "unconfirmed"), 0); /* of those in flight */
    finish_scene(&s);
}
END_TEST

START_TEST(jobs_claimed_ahead_of_a_pause_wait_until_it_ends)
{
    struct scene s;

    setup_scene(&s);
    world_redis(s.w, "HSET fl:{0}:paused " QUEUE " 1");
    kill(s.pid, SIGCONT);
    WAIT_UNTIL(s.w, ALL_MS, look_held(s.w) == 0);
    for (size_t i = 0; i < s.count; i++)
        ck_assert_msg(is_ready(s.w, s.early[i]), "%s ran while its queue was paused", s.early[i]);
    ck_assert_int_eq(
        world_int(s.w, "LLEN fl:{0}:ready:" QUEUE) + world_int(s.w, "XLEN fl:{0}:results"), JOBS);
    world_redis(s.w, "HDEL fl:{0}:paused " QUEUE);
    world_redis(s.w, "LPUSH fl:{0}:wake:" QUEUE " 1");
    finish_scene(&s);
}
END_TEST

/* From the front of the queue: before the last of them stands no job that nobody has had. */
static void check_in_front(const struct scene *s)
{
    const redisReply *front = world_redis(s->w, "LRANGE fl:{0}:ready:" QUEUE " -1000 -1");
    size_t left = front->elements, found = 0;
    const char **ids = copy_ids(s->w, front);

    while (left > 0 && found < s->count) {
        const char *id = ids[--left];
        bool early = false;

        for (size_t k = 0; k < s->count; k++)
            early |= !strcmp(s->early[k], id);
        found += early;
        ck_assert_msg(
            early || strcmp(world_string(s->w, "GETRANGE fl:{0}:job:%s 4 9", id), "000000") != 0,
            "%s stands before a job that was claimed", id);
    }
    ck_assert_uint_eq(found, s->count);
}

START_TEST(a_draining_worker_gives_back_what_it_claimed_ahead_to_the_front)
{
    struct scene s;

    setup_scene(&s);
    /* The pause keeps them from starting before the signal is read. */
    world_redis(s.w, "HSET fl:{0}:paused " QUEUE " 1");
    program_signal(s.worker, SIGTERM);
    kill(s.pid, SIGCONT);
    world_stop(s.w, s.worker, 30000);
    ck_assert_int_eq(look_held(s.w), 0);
    check_in_front(&s);
    world_redis(s.w, "HDEL fl:{0}:paused " QUEUE);
    world_start_worker(s.w, "FLOTILLA_WORKERS_PROCESSES=1");
    finish_scene(&s);
}
END_TEST

START_TEST(a_job_claimed_ahead_can_be_cancelled)
{
    struct scene s;

    setup_scene(&s);
    ck_assert_int_eq(world_cli(s.w, "cancel", s.early[0]).exit_code, 0);
    kill(s.pid, SIGCONT);
    world_wait_results(s.w, JOBS, ALL_MS);
    ck_assert_str_eq(world_result(s.w, s.early[0])->status, "cancelled");
    ck_assert_int_eq(world_int_at(world_sim_ledger(s.w), "requests"), JOBS - 1);
    finish_scene(&s);
}
END_TEST

Suite *test_ahead(void)
{
    Suite *s = suite_create("ahead");
    TCase *tc = tcase_create("claimed ahead of the slots");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc,
                   a_killed_worker_costs_the_jobs_it_claimed_ahead_neither_money_nor_an_attempt);
    tcase_add_test(tc, jobs_claimed_ahead_of_a_pause_wait_until_it_ends);
    tcase_add_test(tc, a_draining_worker_gives_back_what_it_claimed_ahead_to_the_front);
    tcase_add_test(tc, a_job_claimed_ahead_can_be_cancelled);
    suite_add_tcase(s, tc);
    return s;
}
