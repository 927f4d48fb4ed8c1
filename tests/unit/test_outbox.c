/* test_outbox.c - outcomes and costs on their way, against a real Redis. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/queue/scripts.h"
#include "tests/unit/redis_server.h"
#include "tests/unit/redis_shot.h"
#include "worker/claims/outbox.h"

static struct {
    struct redis_server server;
    struct loop *loop;
    struct line line;
    struct config cfg;
    struct env env;
    struct claimer claimer;
    struct outbox *outbox;
    struct record held;
    char settled, reported; /* the letters that came */
    int count;              /* of settled runs */
} t;

static void settled(struct claimer *h, struct run *r, char code)
{
    (void)h, (void)r;
    t.settled = code;
    t.count++;
}

static void costs_reported(struct claimer *h, struct cost_report *take_c, char code)
{
    (void)h, (void)take_c;
    t.reported = code;
}

static void kick(struct claimer *h) { (void)h; }

static const struct claimer_ops ops = {
    .settled = settled, .costs_reported = costs_reported, .kick = kick};

/* A job that runs here. */
static void put_job(void)
{
    static const char doc[] = "{}";
    char header[RECORD_HEADER];
    struct redis_args a;
    struct shot s = {0};

    t.held = (struct record){.version = RECORD_VERSION,
                             .state = JOB_STATE_ACTIVE,
                             .run = 1,
                             .tnum = 1,
                             .token = "aaaaaaaa00000001",
                             .type = JOB_INFERENCE,
                             .queue = QUEUE_INFERENCE_STANDARD,
                             .doc_bytes = sizeof doc - 1,
                             .digest = "0000000000000000"};
    record_write(&t.held, header);
    redis_args_make(&a, "SET", "fl:{0}:job:j");
    redis_arg_pieces(&a, (const struct span[]){{header, RECORD_HEADER}, {doc, sizeof doc - 1}}, 2);
    shoot_args(&t.line, &s, &a);
    TURN_UNTIL(t.loop, s.told);
}

static void setup(void)
{
    memset(&t, 0, sizeof t);
    redis_server_init(&t.server);
    redis_server_start(&t.server, NULL);
    t.loop = loop_new();
    line_open(&t.line, t.loop, t.server.url, (struct redis_options){.scripts = scripts_all()});
    TURN_UNTIL(t.loop, t.line.ready == 1);
    t.cfg = (struct config){.workers_batch_jobs = 256,
                            .retention_ids_ms = 60000,
                            .retention_dead_ms = 60000,
                            .limits_reply_ttl_ms = 60000};
    t.env =
        (struct env){.loop = t.loop, .redis = t.line.redis, .cfg = &t.cfg, .id = "host-aaaaaaaa"};
    keys_init(&t.env.keys, "fl");
    t.claimer = (struct claimer){.ops = &ops, .env = &t.env};
    t.outbox = outbox_new(&t.claimer);
    put_job();
}

static void teardown(void)
{
    outbox_free(t.outbox);
    line_close(&t.line);
    keys_done(&t.env.keys);
    loop_free(t.loop);
    redis_server_done(&t.server);
}

/* A job tells what a call cost, and is cancelled in the same moment.  Told behind its end, the costs
 * would be those of a job that is somebody else's: a duplicate. */
START_TEST(costs_of_a_job_are_written_before_its_end)
{
    const struct cost_event e = {.event_id = "j:1:1:1",
                                 .job_id = "j",
                                 .root_id = "j",
                                 .attempt = 1,
                                 .type = JOB_INFERENCE,
                                 .provider = "p",
                                 .model = {"m", 1},
                                 .cost = {.cost_nanousd = 5}};
    struct finish f = {
        .id = "j", .held = &t.held, .next = t.held, .result = {"{}", 2}, .publish = true};

    f.next.state = JOB_STATE_CANCELLED;
    outbox_tell(t.outbox, &(struct tell){"j", &t.held, &e, 1}, NULL);
    outbox_finish(t.outbox, &f, NULL);
    TURN_UNTIL(t.loop, t.settled && t.reported);
    ck_assert_int_eq(t.settled, SETTLE_WRITTEN);
    ck_assert_int_eq(t.reported, SETTLE_WRITTEN);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:costs").number, 1);
    ck_assert(outbox_is_empty(t.outbox));
}
END_TEST

/* How many scripts were run. */
static int scripts_run(void)
{
    return (int)strtol(ask(&t.line, "EVAL return(string.match(redis.call('INFO','commandstats'),"
                                    "'evalsha:calls=(%d+)')) 0")
                           .text,
                       NULL, 10);
}

/* A batch that is larger than a command may be would be refused for ever. */
START_TEST(large_outcomes_are_not_added_up_in_one_command)
{
    enum { OUTCOMES = 3, BYTES = 700000 };
    char *text = malloc(BYTES);
    struct finish f = {
        .id = "j", .held = &t.held, .next = t.held, .result = {text, BYTES}, .publish = true};

    ck_assert_ptr_nonnull(text);
    memset(text, 'x', BYTES);
    text[0] = text[BYTES - 1] = '"';
    f.next.state = JOB_STATE_COMPLETED;
    ck_assert(ask(&t.line, "CONFIG RESETSTAT").ok);
    for (int i = 0; i < OUTCOMES; i++)
        outbox_finish(t.outbox, &f, NULL);
    TURN_UNTIL(t.loop, t.count == OUTCOMES);
    ck_assert_int_eq(scripts_run(), OUTCOMES);
    ck_assert_int_eq(ask(&t.line, "XLEN fl:{0}:results").number, 1);
    free(text);
}
END_TEST

Suite *test_outbox(void);
Suite *test_outbox(void)
{
    Suite *s = suite_create("outbox");
    TCase *tc = tcase_create("outbox");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, large_outcomes_are_not_added_up_in_one_command);
    tcase_add_test(tc, costs_of_a_job_are_written_before_its_end);
    suite_add_tcase(s, tc);
    return s;
}
