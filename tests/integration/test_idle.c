/* test_idle.c - how many commands an idle fleet sends to Redis.
 *
 * MONITOR names the connection of every command, and CLIENT LIST its program.  What scripts do
 * inside is not counted.  A slow machine sends fewer commands, never more. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

enum { PROCESSES = 3, WORKER_PER_S = 2, SCHEDULER_PER_S = 5, STANDBY_PER_S = 2 };
enum { SETTLE_MS = 5000, LOOK_MS = 10000, ALL_MS = 60000, CALLS = 40, RECORDS = 100000 };
#define MODEL "openai/gpt-oss-20b"

/* ---- counting --------------------------------------------------------------- */
struct sent {
    int workers, schedulers;
    int errands; /* of them, calls of errand.lua */
};

/* The name of the connection with this address; "" for one that has gone. */
static const char *name_of(struct world *w, const char *clients, const char *addr)
{
    const char *line = strstr(clients, world_text(w, " addr=%s ", addr));
    const char *name = line ? strstr(line, " name=") : NULL;

    return name ? world_text(w, "%.*s", (int)strcspn(name + 6, " \n"), name + 6) : "";
}

/* A line of MONITOR: 1788.1 [0 127.0.0.1:4711] "PING" */
static void count_line(struct world *w, const char *clients, const char *line, struct sent *sent)
{
    const char *from = strstr(line, " [0 "), *name;
    char addr[64];

    if (!from || sscanf(from, " [0 %63[^]]", addr) != 1)
        return;
    name = name_of(w, clients, addr);
    sent->workers += strncmp(name, "flotilla-worker", 15) == 0;
    sent->schedulers += strncmp(name, "flotilla-scheduler", 18) == 0;
    sent->errands += *name && strstr(line, ":lease\" \"fl:{0}:errands\"");
}

static struct sent count_sent(struct world *w)
{
    redisContext *c = redisConnect("127.0.0.1", w->redis_port);
    const char *clients = world_text(w, "%s", world_string(w, "CLIENT LIST"));
    const struct timeval limit = {.tv_usec = 100000};
    struct sent sent = {0};
    redisReply *reply;
    int64_t end;

    ck_assert(c && !c->err);
    freeReplyObject(redisCommand(c, "MONITOR"));
    redisSetTimeout(c, limit);
    for (end = now_ms() + LOOK_MS; now_ms() < end;) {
        if (redisGetReply(c, (void **)&reply) == REDIS_OK) {
            count_line(w, clients, reply->str, &sent);
            freeReplyObject(reply);
        } else {
            c->err = 0; /* nothing was sent for a while */
        }
    }
    redisFree(c);
    ck_assert_int_gt(sent.schedulers, 0);
    return sent;
}

/* ---- what has happened before ------------------------------------------------- */
static void do_nothing(struct world *w) { (void)w; }

static void call_models(struct world *w)
{
    world_push_questions(w, CALLS, "'expires_in_ms':600000");
    world_wait_results(w, CALLS, ALL_MS);
}

static void open_breaker(struct world *w)
{
    world_sim_faults(w, "{'fixture':'server_error','model':'" MODEL "','times':1000}");
    for (int i = 0; i < CALLS; i++)
        world_push(w,
                   "{'id':'f-%d','type':'inference','max_attempts':1,'payload':{'task':'chat',"
                   "'body':{'model':'" MODEL "','messages':[{'role':'user','content':'%d'}]}}}",
                   i, i);
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "route_opened"));
    world_redis(w, "DEL fl:{0}:delayed"); /* nobody waits for the probe */
}

static void leave_records(struct world *w)
{
    world_redis(w, "EVAL %s 0 %d",
                "for i = 1, ARGV[1] do redis.call('SET', 'fl:{0}:job:x-' .. i, 'x') end return 1",
                RECORDS);
}

static const struct {
    const char *what;
    void (*happens)(struct world *w);
} pasts[] = {
    {"nothing", do_nothing},
    {"calls", call_models},
    {"an open breaker", open_breaker},
    {"many records", leave_records},
};

/* "redis://worker:password@127.0.0.1:port" */
static const char *tcp_url(struct world *w, const char *user)
{
    const char *url = strstr(world_redis_url_as(w, user), "://");

    return world_text(w, "REDIS_URL=redis%.*s@127.0.0.1:%d", (int)strcspn(url, "@"), url,
                      w->redis_port);
}

START_TEST(an_idle_fleet_sends_few_commands)
{
    struct world *w = world_new(.simulator = true, .tcp = true);
    const char *alerts = world_text(w, "FLOTILLA_ALERTS_WEBHOOK_URL=%s", world_hook_url(w, "a"));
    struct program *worker;
    struct sent sent;

    for (int i = 0; i < 2; i++)
        world_start_scheduler(w, tcp_url(w, "scheduler"), alerts);
    worker = world_start_worker(
        w, tcp_url(w, "worker"), world_text(w, "FLOTILLA_WORKERS_PROCESSES=%d", PROCESSES),
        "FLOTILLA_LIMITS_MODEL_CONCURRENCY=4", "FLOTILLA_ROUTING_PROBE_MIN_MS=300000",
        "FLOTILLA_ROUTING_PROBE_MAX_MS=600000");
    look_wait_workers(w, worker, PROCESSES);
    pasts[_i].happens(w);
    pause_ms(SETTLE_MS);
    sent = count_sent(w);
    ck_assert_int_gt(sent.workers, 0);
    ck_assert_msg(sent.workers <= PROCESSES * WORKER_PER_S * LOOK_MS / 1000,
                  "after %s, %d worker processes sent %d commands in %d ms", pasts[_i].what,
                  PROCESSES, sent.workers, LOOK_MS);
    ck_assert_msg(sent.schedulers <= (SCHEDULER_PER_S + STANDBY_PER_S) * LOOK_MS / 1000,
                  "after %s, a scheduler and its standby sent %d commands in %d ms", pasts[_i].what,
                  sent.schedulers, LOOK_MS);
    world_free(w);
}
END_TEST

/* Nobody needs the catalogues of the providers then. */
START_TEST(a_scheduler_without_workers_sends_few_commands)
{
    struct world *w = world_new(.simulator = true, .tcp = true);
    struct sent sent;

    world_start_scheduler(w, tcp_url(w, "scheduler"), "FLOTILLA_ROUTING_CATALOGUE_MS=3600000");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "EXISTS fl:{0}:lease") == 1);
    pause_ms(SETTLE_MS);
    sent = count_sent(w);
    ck_assert_int_le(sent.schedulers, SCHEDULER_PER_S * LOOK_MS / 1000);
    ck_assert_int_eq(sent.errands, 0);
    world_free(w);
}
END_TEST

Suite *test_idle(void);
Suite *test_idle(void)
{
    Suite *s = suite_create("idle");
    TCase *tc = tcase_create("idle");

    tcase_set_timeout(tc, 120);
    tcase_add_loop_test(tc, an_idle_fleet_sends_few_commands, 0, (int)ARRAY_LEN(pasts));
    tcase_add_test(tc, a_scheduler_without_workers_sends_few_commands);
    suite_add_tcase(s, tc);
    return s;
}
