/* test_restart.c - programs and Redis that come back different: newer records, an empty Redis,
 * other addresses, passwords and certificates. */
#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificate.h"
#include "tests/support/look.h"

enum { ALL_MS = 60000 };

static int64_t result_count(struct world *w) { return world_int(w, "XLEN fl:{0}:results"); }

static void watch_for(struct world *w, int ms)
{
    int64_t until = now_ms() + ms;

    WAIT_UNTIL(w, 2 * ms, now_ms() >= until);
}

/* ---- a rolling upgrade ---------------------------------------------------------- */
static void make_newer(struct world *w, const char *id)
{
    world_redis(w, "SETRANGE fl:{0}:job:%s 0 02", id);
}

static void make_known(struct world *w, const char *id)
{
    world_redis(w, "SETRANGE fl:{0}:job:%s 0 01", id);
}

static int64_t script_calls(struct world *w)
{
    const char *at = strstr(world_string(w, "INFO commandstats"), "cmdstat_evalsha:calls=");

    return at ? strtoll(at + strlen("cmdstat_evalsha:calls="), NULL, 10) : 0;
}

START_TEST(jobs_of_a_newer_version_are_left_for_a_newer_worker)
{
    enum { NEWER = 6, OLD = 20 };
    struct world *w = world_new();
    int64_t before;

    world_start_scheduler(w);
    for (int i = 0; i < NEWER; i++)
        world_push(w, "{'id':'newer-%d','type':'noop','payload':{}}", i);
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == NEWER);
    for (int i = 0; i < NEWER; i++)
        make_newer(w, world_text(w, "newer-%d", i));
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WORKERS_CONCURRENCY=4");
    for (int i = 0; i < OLD; i++)
        world_push(w, "{'id':'old-%d','type':'noop','payload':{}}", i);
    world_wait_results(w, OLD, ALL_MS);
    world_check_one_result_each(w, OLD);
    before = script_calls(w);
    watch_for(w, 3000); /* it does not spin, and does not lose them */
    ck_assert_int_lt(script_calls(w) - before, 60);
    for (int i = 0; i < NEWER; i++)
        make_known(w, world_text(w, "newer-%d", i));
    world_wait_results(w, NEWER + OLD, ALL_MS);
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    world_check_one_result_each(w, NEWER + OLD);
    world_free(w);
}
END_TEST

START_TEST(a_worker_with_newer_jobs_in_hand_drains_and_returns_them)
{
    struct world *w = world_new();
    struct program *worker;

    world_start_scheduler(w);
    world_push(w, "{'id':'newer','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    make_newer(w, "newer");
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 1);
    world_stop(w, worker, 20000);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:ready:noop"), 1);
    ck_assert_int_eq((int)world_redis(w, "KEYS fl:{0}:active:*")->elements, 0);
    world_free(w);
}
END_TEST

/* A newer worker died, and an older scheduler sweeps up what it held. */
START_TEST(newer_jobs_of_a_dead_worker_are_not_lost)
{
    struct world *w = world_new();

    world_start_scheduler(w, "FLOTILLA_SCHEDULER_SWEEP_MS=200");
    world_push(w, "{'id':'claimed','type':'noop','payload':{}}");
    world_push(w, "{'id':'running','type':'noop','payload':{}}");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 2);
    world_redis(w, "DEL fl:{0}:ready:noop");
    make_newer(w, "claimed");
    make_newer(w, "running");
    world_redis(w, "SETRANGE fl:{0}:job:running 2 %s", "a-000001abcdef0100000001");
    world_redis(w, "SADD fl:{0}:active:host-abcdef01 claimed running");
    /* What was only claimed goes back; of what ran only a newer one knows what to do. */
    WAIT_UNTIL(w, ALL_MS, world_int(w, "LLEN fl:{0}:ready:noop") == 1);
    ck_assert_int_eq(world_int(w, "SISMEMBER fl:{0}:active:host-abcdef01 claimed"), 0);
    watch_for(w, 1000);
    ck_assert_int_eq(world_int(w, "SISMEMBER fl:{0}:active:host-abcdef01 running"), 1);
    make_known(w, "claimed");
    make_known(w, "running");
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1");
    world_wait_results(w, 2, ALL_MS);
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

/* ---- an empty Redis --------------------------------------------------------------- */
static void flush(struct world *w) { world_redis(w, "FLUSHALL"); }

static void start_empty(struct world *w) /* it keeps nothing */
{
    world_redis_kill(w);
    world_redis_start(w);
}

static void (*const forget[])(struct world *) = {flush, start_empty};

START_TEST(a_redis_that_forgot_everything_is_served_again)
{
    enum { JOBS = 30 };
    struct world *w = world_new(.simulator = true);

    world_sim_latency(w, 300);
    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=2", "FLOTILLA_WORKERS_CONCURRENCY=4");
    world_push_questions(w, JOBS, NULL);
    WAIT_UNTIL(w, ALL_MS, result_count(w) >= 5);
    forget[_i](w);
    for (int i = 0; i < JOBS; i++)
        world_push(w, "{'id':'new-%d','type':'noop','payload':{}}", i);
    world_wait_results(w, JOBS, ALL_MS);
    for (int i = 0; i < JOBS; i++)
        ck_assert_str_eq(world_result(w, world_text(w, "new-%d", i))->status, "completed");
    WAIT_UNTIL(w, ALL_MS, world_redis(w, "KEYS fl:{0}:active:*")->elements == 0);
    world_free(w);
}
END_TEST

/* ---- addresses, passwords, certificates --------------------------------------------- */
#define RIGHTS "~fl:{0}:* +@all -@dangerous +info" /* of one user for all programs */

struct set_up {
    const char *url, *more; /* "NAME=value", for all programs */
    int database;
};

/* Redis listens with a certificate of our own authority for 127.0.0.1. */
static int listen_with_tls(struct world *w, struct certificate *pem)
{
    int port = world_free_port();

    certificate_make(pem, w->dir, "IP:127.0.0.1");
    world_redis(w,
                "CONFIG SET tls-cert-file %s tls-key-file %s tls-ca-cert-file %s tls-auth-clients "
                "no tls-port %d",
                pem->cert, pem->key, pem->ca, port);
    return port;
}

static struct set_up user_and_database(struct world *w)
{
    world_redis(w, "ACL SETUSER app on >s3cret " RIGHTS);
    return (struct set_up){
        .url = world_text(w, "REDIS_URL=redis://app:s3cret@127.0.0.1:%d/3", w->redis_port),
        .database = 3};
}

static struct set_up odd_password(struct world *w)
{
    world_redis(w, "ACL SETUSER app on >p@ss/w:rd%%?# " RIGHTS);
    return (struct set_up){
        .url = world_text(w, "REDIS_URL=redis://app:p%%40ss%%2Fw%%3Ard%%25%%3F%%23@127.0.0.1:%d",
                          w->redis_port)};
}

static struct set_up socket_and_database(struct world *w)
{
    return (struct set_up){.url = world_text(w, "REDIS_URL=unix://%s?db=2", w->redis_socket),
                           .database = 2};
}

static struct set_up tls(struct world *w)
{
    struct certificate pem;
    int port = listen_with_tls(w, &pem);

    return (struct set_up){.url = world_text(w, "REDIS_URL=rediss://127.0.0.1:%d", port),
                           .more = world_text(w, "FLOTILLA_REDIS_CA_FILE=%s", pem.ca)};
}

static struct set_up tls_by_environment(struct world *w)
{
    struct certificate pem;
    int port = listen_with_tls(w, &pem);

    return (struct set_up){.url = world_text(w, "REDIS_URL=rediss://127.0.0.1:%d", port),
                           .more = world_text(w, "SSL_CERT_FILE=%s", pem.ca)};
}

static struct set_up tls_user_and_database(struct world *w)
{
    struct certificate pem;
    int port = listen_with_tls(w, &pem);

    world_redis(w, "ACL SETUSER app on >s3cret " RIGHTS);
    return (struct set_up){.url =
                               world_text(w, "REDIS_URL=rediss://app:s3cret@127.0.0.1:%d/5", port),
                           .more = world_text(w, "FLOTILLA_REDIS_CA_FILE=%s", pem.ca),
                           .database = 5};
}

static struct set_up other_prefix(struct world *w)
{
    return (struct set_up){.url = world_text(w, "REDIS_URL=unix://%s", w->redis_socket),
                           .more = "FLOTILLA_REDIS_PREFIX=team-a"};
}

static struct set_up (*const set_ups[])(struct world *) = {
    user_and_database,  odd_password,          socket_and_database, tls,
    tls_by_environment, tls_user_and_database, other_prefix};

static struct program *start_cli(struct world *w, const struct set_up *s, const char *const *args)
{
    return world_start(w, "flotilla", args, (const char *const[]){s->url, s->more, NULL});
}

START_TEST(a_job_goes_through)
{
    struct world *w = world_new(.tcp = true);
    struct set_up s = set_ups[_i](w);
    bool prefixed = s.more && strstr(s.more, "team-a");
    struct program *cli;
    char *out;

    world_start_scheduler(w, s.url, s.more);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", s.url, s.more);
    cli = start_cli(w, &s,
                    (const char *const[]){"submit", "--wait", "--json",
                                          "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}}", NULL});
    ck_assert_int_eq(program_wait(cli, 30000), 0);
    out = program_out(cli);
    ck_assert_str_eq(world_string_at(world_json(w, out), "status"), "completed");
    free(out);
    ck_assert_int_eq(program_wait(start_cli(w, &s, (const char *const[]){"queues", NULL}), 30000),
                     0);
    if (s.database)
        ck_assert_int_eq(world_int(w, "DBSIZE"), 0);
    world_redis(w, "SELECT %d", s.database);
    ck_assert_int_eq(world_int(w, prefixed ? "EXISTS team-a:{0}:job:a" : "EXISTS fl:{0}:job:a"), 1);
    if (prefixed)
        ck_assert_int_eq((int)world_redis(w, "KEYS fl:*")->elements, 0);
    world_free(w);
}
END_TEST

START_TEST(a_wrong_password_is_said_and_waited_for)
{
    struct world *w = world_new(.tcp = true);
    struct set_up s = user_and_database(w);
    struct program *scheduler, *worker, *cli;
    char *err;

    world_redis(w, "ACL SETUSER app resetpass >another");
    scheduler = world_start_scheduler(w, s.url);
    worker = world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", s.url);
    cli = start_cli(w, &s, (const char *const[]){"queues", NULL});
    ck_assert_int_eq(program_wait(cli, 30000), 69);
    err = program_err(cli);
    ck_assert_msg(strstr(err, "WRONGPASS"), "%s", err);
    ck_assert_ptr_null(strstr(err, "s3cret"));
    free(err);
    WAIT_UNTIL(w, 10000, look_logged(scheduler, "WRONGPASS") > 0);
    WAIT_UNTIL(w, 10000, look_logged(worker, "WRONGPASS") > 0);
    watch_for(w, 2000);
    ck_assert_int_lt(look_logged(scheduler, "\n"), 60); /* the pauses between the tries grow */
    ck_assert_int_eq(look_logged(scheduler, "s3cret"), 0);
    ck_assert_int_eq(look_logged(worker, "s3cret"), 0);
    world_redis(w, "ACL SETUSER app resetpass >s3cret");
    cli = start_cli(
        w, &s,
        (const char *const[]){"submit", "--wait", "{\"type\":\"noop\",\"payload\":{}}", NULL});
    ck_assert_int_eq(program_wait(cli, 30000), 0);
    world_free(w);
}
END_TEST

START_TEST(a_certificate_of_a_stranger_is_refused)
{
    struct world *w = world_new();
    struct set_up s = tls(w);
    struct program *cli;
    char *err;

    s.more = NULL; /* the system's authorities do not know ours */
    cli = start_cli(w, &s, (const char *const[]){"queues", NULL});
    ck_assert_int_eq(program_wait(cli, 30000), 69);
    err = program_err(cli);
    ck_assert_msg(strstr(err, "certificate"), "%s", err);
    free(err);
    world_free(w);
}
END_TEST

Suite *test_restart(void)
{
    Suite *s = suite_create("restart");
    TCase *tc = tcase_create("restart");

    tcase_set_timeout(tc, 120);
    tcase_add_test(tc, jobs_of_a_newer_version_are_left_for_a_newer_worker);
    tcase_add_test(tc, a_worker_with_newer_jobs_in_hand_drains_and_returns_them);
    tcase_add_test(tc, newer_jobs_of_a_dead_worker_are_not_lost);
    tcase_add_loop_test(tc, a_redis_that_forgot_everything_is_served_again, 0,
                        (int)ARRAY_LEN(forget));
    tcase_add_loop_test(tc, a_job_goes_through, 0, (int)ARRAY_LEN(set_ups));
    tcase_add_test(tc, a_wrong_password_is_said_and_waited_for);
    tcase_add_test(tc, a_certificate_of_a_stranger_is_refused);
    suite_add_tcase(s, tc);
    return s;
}
