/* test_scripts_fleet.c - the scripts around the jobs: intake, lease, heartbeats, burials, stops,
 * alerts, bounds. */
#include "tests/unit/scripts_scene.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json.h"

static const char noop[] = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{}}";

/* How many entries of results have that status. */
static int results(const char *status)
{
    const char *all = says("XRANGE @results - +");
    char word[64];
    int n = 0;

    snprintf(word, sizeof word, "status %s ", status);
    for (const char *p = all; (p = strstr(p, word)); p++)
        n++;
    return n;
}

/* ---- pause ---- */

START_TEST(a_pause_and_its_end_may_be_sent_twice_and_need_no_memory)
{
    CK_SAYS("CONFIG SET maxmemory 1000", "OK");
    for (int i = 0; i < 2; i++)
        CK_SCRIPT(PAUSE, "@paused @wake:noop | noop 1234", "ok");
    CK_SAYS("HGETALL @paused", "[noop 1234]");
    CK_SAYS("EXISTS @wake:noop", "0");
    for (int i = 0; i < 2; i++)
        CK_SCRIPT(PAUSE, "@paused @wake:noop | noop ''", "ok");
    CK_SAYS("EXISTS @paused", "0");
    CK_SAYS("LLEN @wake:noop", "2");
    CK_SAYS("CONFIG SET maxmemory 0", "OK");
}
END_TEST

/* ---- take, submit ---- */

#define IN_HAND "@lease @intake @taken @portion @aside @alerts @alerted"

START_TEST(what_is_in_hand_is_shown_until_it_is_submitted)
{
    CK_SAYS("LPUSH @intake 1 2 3", "3");
    CK_SCRIPT(TAKE, IN_HAND " | L 2 1000 100 '' '' 1", "[ok 1 [2 1]]");
    CK_SCRIPT(TAKE, IN_HAND " | L 2 1000 100 '' '' 1", "[ok 1 [2 1]]");
    CK_SCRIPT(TAKE, IN_HAND " | other 2 1000 100 '' '' 1", "[deposed]");
    CK_SCRIPT(SUBMIT, "@lease @taken @results @alerts @delayed @expiring | L 2 '' 1 1 m 0",
              "[ok  -1]");
    CK_SCRIPT(TAKE, IN_HAND " | L 2 1000 2 '' '' 1", "[ok 0 [3]]");
    CK_SAYS("LPUSH @intake 12345", "1");
    CK_SAYS("DEL @taken", "1");
    CK_SCRIPT(TAKE, IN_HAND " | L 2 1000 2 '' '' 1", "[ok 0 [12]]");
}
END_TEST

/* One job goes the short way when it is to be dropped by value; the same record comes of it. */
START_TEST(a_single_job_is_stored_and_dropped_from_what_was_taken)
{
    const char *other = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"sleep_ms\":1}}";
    struct record rec, longer;
    char words[128];

    CK_SAYS("RPUSH @taken x y", "2");
    snprintf(words, sizeof words, "LPUSH @taken %s", noop);
    CK_SAYS(words, "3");
    ck_assert_int_eq(submit_moved(noop), 's');
    CK_SAYS("LRANGE @taken 0 -1", "[x y]");
    CK_SAYS("LRANGE @ready:noop 0 -1", "[a]");
    CK_SAYS("LRANGE @wake:noop 0 -1", "[a]");
    rec = record_of_job("a");
    ck_assert_int_eq(submit_moved(noop), 'd');
    ck_assert_int_eq(submit_moved(other), 'c');
    CK_SAYS("LLEN @ready:noop", "1");
    CK_SAYS("DEL @job:a @ready:noop", "2");
    ck_assert_int_eq(submit_one(noop), 's');
    longer = record_of_job("a");
    ck_assert_int_ge(longer.submitted_ms, rec.submitted_ms);
    ck_assert_int_eq(rec.due_ms, rec.submitted_ms);
    ck_assert_int_eq(rec.expires_ms, 0);
    longer.due_ms = longer.submitted_ms = rec.submitted_ms;
    ck_assert_mem_eq(&longer, &rec, sizeof rec);
}
END_TEST

START_TEST(a_single_job_that_is_not_due_or_expires_goes_the_long_way)
{
    ck_assert_int_eq(
        submit_moved("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"delay_ms\":60000}"), 's');
    CK_SAYS("ZCARD @delayed", "1");
    ck_assert_int_eq(
        submit_moved("{\"id\":\"b\",\"type\":\"noop\",\"payload\":{},\"expires_in_ms\":60000}"),
        's');
    CK_SAYS("ZCARD @expiring", "1");
    ck_assert_int_gt(record_of_job("b").expires_ms, 0);
    CK_SAYS("LRANGE @ready:noop 0 -1", "[b]");
}
END_TEST

START_TEST(a_deposed_scheduler_submits_nothing)
{
    CK_SAYS("SET @lease other", "OK");
    ck_assert_int_eq(submit_one(noop), '!');
    ck_assert_int_eq(state_of("a"), '-');
}
END_TEST

START_TEST(another_document_under_an_id_in_use_is_a_conflict)
{
    const char *other =
        "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{\"sleep_ms\":1},\"reply\":true}";

    ck_assert_int_eq(submit_one(noop), 's');
    ck_assert_int_eq(submit_one(other), 'c');
    ck_assert_int_eq(results("rejected"), 1);
    CK_SAYS("XLEN @alerts", "1");
    CK_SAYS("LLEN @reply:a", "1");
    CK_SAYS("LLEN @ready:noop", "1");
}
END_TEST

START_TEST(an_ended_job_answers_the_same_document_with_its_result)
{
    const char *doc = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"reply\":true}";
    struct record rec;
    struct finish f;

    ck_assert_int_eq(submit_one(doc), 's');
    ck_assert(claim_one(W, "aaaaaaaa00000001", "a"));
    rec = record_of_job("a");
    f = plain_finish("a", &rec);
    ck_assert_int_eq(finish_one(W, &f), 'k');
    ck_assert_int_eq(submit_one(doc), 'd');
    CK_SAYS("LRANGE @reply:a 0 -1", "[{\"the\":\"result\"}]");
}
END_TEST

START_TEST(a_rejected_document_may_be_mended_under_its_id)
{
    const char *bad = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"delay_ms\":-1}";
    const char *worse = "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"delay_ms\":-2}";

    ck_assert_int_eq(submit_one(bad), 'j');
    ck_assert_int_eq(submit_one(bad), 'd');
    ck_assert_int_eq(results("rejected"), 1);
    ck_assert_int_eq(submit_one(worse), 'j');
    ck_assert_int_eq(results("rejected"), 2);
    ck_assert_int_eq(record_of_job("a").run, 2);
    ck_assert_int_eq(submit_one(noop), 's');
    ck_assert_int_eq(record_of_job("a").run, 3);
    CK_SAYS("PTTL @job:a", "-1");
    CK_SAYS("LLEN @ready:noop", "1");
}
END_TEST

START_TEST(a_refusal_never_touches_the_job_that_has_the_id)
{
    ck_assert_int_eq(submit_one(noop), 's');
    ck_assert_int_eq(submit_one("{\"id\":\"a\",\"type\":\"noop\"}"), 'j');
    ck_assert_int_eq(state_of("a"), 'r');
    ck_assert_ptr_nonnull(strstr(says("XRANGE @results - +"), "\"submitted_id\":\"a\""));
}
END_TEST

#define HOOKED(rest) "{\"id\":\"a\",\"webhook\":{\"url\":\"https://h.example/x\"}" rest "}"
#define HOOKED_JOB   HOOKED(",\"type\":\"noop\",\"payload\":{}")

/* The document of the webhook's job that was enqueued last; "" when none was. */
static struct span webhook_doc(void)
{
    static char record[4096];
    char words[200];
    struct record rec;

    snprintf(words, sizeof words, "LINDEX @ready:webhook 0");
    snprintf(record, sizeof record, "%s", says(words));
    if (!*record)
        return (struct span){"", 0};
    ck_assert_uint_eq(strlen(record), 38);
    rec = record_of_job(record);
    ck_assert_int_eq(rec.state, JOB_STATE_READY);
    ck_assert_int_eq(rec.type, JOB_WEBHOOK);
    ck_assert_int_eq(rec.queue, QUEUE_WEBHOOK);
    ck_assert_int_gt(rec.submitted_ms, 0);
    snprintf(words, sizeof words, "GET @job:%.38s", record);
    snprintf(record, sizeof record, "%s", says(words));
    ck_assert_uint_eq(strlen(record), RECORD_HEADER + rec.doc_bytes);
    ck_assert(json_valid(record + RECORD_HEADER, rec.doc_bytes));
    return (struct span){record + RECORD_HEADER, rec.doc_bytes};
}

static void check_webhook(const char *path, const char *value)
{
    char text[100];

    ck_assert_msg(json_read_text(json_at(webhook_doc(), path), text, sizeof text), "%s", path);
    ck_assert_str_eq(text, value);
}

START_TEST(a_refusal_calls_the_webhook_that_it_names_once)
{
    ck_assert_int_eq(submit_moved(HOOKED(",\"tenant\":\"t\"")), 'j');
    check_webhook("payload.url", "https://h.example/x");
    check_webhook("tenant", "t");
    check_webhook("payload.body.type", "job.rejected");
    check_webhook("payload.body.data.id", "a");
    CK_SAYS("LLEN @wake:webhook", "1");
    ck_assert_int_eq(submit_moved(HOOKED(",\"tenant\":\"t\"")), 'd');
    CK_SAYS("LLEN @ready:webhook", "1");
    ck_assert_int_eq(submit_one(HOOKED(",\"reply\":true")), 'j');
    CK_SAYS("LLEN @ready:webhook", "2");
    ck_assert(json_at(webhook_doc(), "payload.body.data.run").p[0] == '2');
    CK_SAYS("LLEN @reply:a", "1");
    CK_SAYS("LLEN @ready:noop", "0");
}
END_TEST

START_TEST(a_refusal_of_bytes_that_are_no_json_calls_it_too)
{
    ck_assert_int_eq(submit_one("{'webhook':{'url':'https://h.example/x'},'type':'noop'}"), 'j');
    check_webhook("payload.url", "https://h.example/x");
    check_webhook("payload.body.data.submitted",
                  "{'webhook':{'url':'https://h.example/x'},'type':'noop'}");
    ck_assert_int_eq(submit_one("{'webhook':{'url':'nowhere'},'type':'noop'}"), 'j');
    CK_SAYS("LLEN @ready:webhook", "1");
}
END_TEST

START_TEST(a_conflict_of_ids_calls_the_webhook_of_the_one_that_is_refused)
{
    ck_assert_int_eq(submit_moved(HOOKED_JOB), 's');
    CK_SAYS("LLEN @ready:noop", "1");
    CK_SAYS("LLEN @wake:noop", "1");
    ck_assert_int_eq(submit_moved(HOOKED_JOB), 'd');
    CK_SAYS("EXISTS @ready:webhook", "0");
    ck_assert_int_eq(submit_moved(HOOKED(",\"type\":\"noop\",\"payload\":{\"sleep_ms\":1}")), 'c');
    check_webhook("payload.body.data.submitted_id", "a");
    check_webhook("payload.body.data.error.code", "id_conflict");
    ck_assert_int_eq(submit_one(HOOKED(",\"type\":1")), 'j'); /* a job lives under its id */
    check_webhook("payload.body.data.submitted_id", "a");
    check_webhook("payload.body.data.error.code", "invalid");
    CK_SAYS("LLEN @ready:webhook", "2");
    CK_SAYS("LLEN @ready:noop", "1");
    ck_assert_int_eq(state_of("a"), 'r');
}
END_TEST

START_TEST(runs_stay_within_their_width)
{
    ck_assert_int_eq(submit_one("{\"id\":\"a\"}"), 'j');
    CK_SAYS("SETRANGE @job:a 37 fff", says("STRLEN @job:a"));
    ck_assert_int_eq(submit_one(noop), 's');
    ck_assert_int_eq(record_of_job("a").run, 0xfff);
}
END_TEST

START_TEST(a_delayed_job_waits_in_delayed)
{
    ck_assert_int_eq(submit_one("{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},"
                                "\"delay_ms\":60000,\"expires_in_ms\":90000}"),
                     's');
    CK_SAYS("LLEN @ready:noop", "0");
    CK_SAYS("ZRANGE @delayed 0 -1", "[noop/a]");
    CK_SAYS("ZRANGE @expiring 0 -1", "[a]");
}
END_TEST

START_TEST(the_next_expiry_is_known)
{
    CK_SCRIPT(EXPIRED, "@expiring | 2", "[-1 []]");
    CK_SAYS("ZADD @expiring 1 a 3 c 2 b 99999999999999 d", "4");
    CK_SCRIPT(EXPIRED, "@expiring | 2", "[0 [a b]]");
    CK_SCRIPT(EXPIRED, "@expiring | 2", "[0 [a b]]");
    CK_SAYS("ZREM @expiring a b", "2");
    CK_SAYS("ZADD @expiring XX 1 d", "0");
    CK_SCRIPT(EXPIRED, "@expiring | 2", "[-1 [d c]]");
    CK_SAYS("ZREM @expiring c d", "2");
    CK_SAYS("ZADD @expiring 9000000000000 e", "1");
    ck_assert_int_gt(atoll(1 + script_says(SCRIPT_EXPIRED, "@expiring | 2")), 1000000000000);
}
END_TEST

/* ---- lease, heartbeat, bury ---- */

START_TEST(a_lease_is_held_by_one)
{
    CK_SCRIPT(LEASE, "@lease | M 1000", "other");
    CK_SCRIPT(LEASE, "@lease | L 1000", "held");
    ck_assert_str_ne(says("PTTL @lease"), "-1");
    CK_SCRIPT(LEASE, "@lease | M 0", "free");
    CK_SAYS("GET @lease", "L");
    CK_SCRIPT(LEASE, "@lease | L 0", "free");
    CK_SCRIPT(LEASE, "@lease | M 1000", "taken");
}
END_TEST

/* What its last connection carried may come after what the new one has sent. */
START_TEST(a_scheduler_that_is_connected_again_holds_its_lease_by_another_token)
{
    CK_SAYS("DEL @lease", "1");
    CK_SCRIPT(LEASE, "@lease | aaaa00000001 60000", "taken");
    CK_SCRIPT(LEASE, "@lease | bbbb00000002 60000", "other");
    CK_SCRIPT(LEASE, "@lease | aaaa00000002 60000", "held");
    CK_SAYS("GET @lease", "aaaa00000002");
    CK_SCRIPT(LEASE, "@lease | aaaa00000001 60000", "other");
    CK_SCRIPT(LEASE, "@lease | aaaa00000001 0", "free");
    CK_SAYS("RPUSH @taken 3", "1");
    CK_SCRIPT(
        SUBMIT,
        "@lease @taken @results @alerts @alerted @delayed @expiring | aaaa00000001 1 '' 1 1 m 0",
        "[deposed]");
    CK_SAYS("LLEN @taken", "1");
    CK_SCRIPT(LEASE, "@lease | aaaa0000000a 60000", "held");
    ck_assert_str_ne(says("PTTL @lease"), "-1");
}
END_TEST

#define HEARTBEAT "@workers @cancels @scale @stops @catalogues @routes @health | "

START_TEST(a_heartbeat_tells_what_a_worker_must_know)
{
    const char *said;

    CK_SCRIPT(HEARTBEAT, HEARTBEAT "x {} 0", "[gone]");
    CK_SAYS("HSET @cancels a 1", "1");
    CK_SAYS("HSET @scale default 3", "1");
    CK_SAYS("HSET @stops f 1", "1");
    CK_SAYS("HSET @catalogues together s1", "1");
    said = script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1");
    ck_assert_ptr_nonnull(strstr(said, " [a] [default 3] [f 1] [together s1] ]"));
    CK_SAYS("HGET @workers x", "{}");
}
END_TEST

START_TEST(a_heartbeat_brings_the_health_of_the_routes_if_asked)
{
    CK_SAYS("HSET @health a 1|", "1");
    ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1 1"), "  [a 1|]]"));
    ck_assert_ptr_null(strstr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 0 0"), "1|"));
    CK_SAYS("DEL @health", "1");
    CK_SAYS("SET @health x", "OK");
    ck_assert_ptr_nonnull(strstr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 0 1"), "  []]"));
}
END_TEST

START_TEST(keys_of_another_type_stop_no_heart)
{
    const char *said;

    CK_SAYS("SET @cancels x", "OK");
    CK_SAYS("SET @scale x", "OK");
    CK_SAYS("HSET @stops f 1", "1");
    CK_SAYS("SET @catalogues x", "OK");
    said = script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1");
    ck_assert_msg(strstr(said, " [] [] [f 1] [] ]"), "%s", said);
    CK_SAYS("DEL @stops", "1");
    CK_SAYS("SET @stops x", "OK");
    said = script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 0");
    ck_assert_msg(strstr(said, " [] [] [] [] ]"), "%s", said);
}
END_TEST

START_TEST(a_heartbeat_hears_of_every_change_of_the_routes)
{
    char first[256], second[256];

    CK_SAYS("HSET @routes a {}", "1");
    snprintf(first, sizeof first, "%s",
             strrchr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1"), ' '));
    ck_assert_uint_eq(strlen(first), 42);
    ck_assert_str_eq(strrchr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1"), ' '), first);
    CK_SAYS("HSET @routes a {1}", "0");
    snprintf(second, sizeof second, "%s",
             strrchr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1"), ' '));
    ck_assert_str_ne(second, first);
    CK_SAYS("DEL @routes", "1");
    CK_SAYS("SET @routes text", "OK");
    ck_assert_str_eq(strrchr(script_says(SCRIPT_HEARTBEAT, HEARTBEAT "x {} 1"), ' '),
                     " unreadable]");
}
END_TEST

START_TEST(a_worker_is_buried_when_nothing_is_left_of_it)
{
    CK_SAYS("SADD @active:" W " a", "1");
    CK_SCRIPT(BURY, "@lease @workers @active:" W " @calls:" W " | M " W " ''", "deposed");
    CK_SCRIPT(BURY, "@lease @workers @active:" W " @calls:" W " | L " W " {1}", "alive");
    CK_SCRIPT(BURY, "@lease @workers @active:" W " @calls:" W " | L " W " {}", "busy");
    CK_SAYS("DEL @active:" W, "1");
    CK_SAYS("HSET @calls:" W " a:1.1 {}", "1");
    CK_SCRIPT(BURY, "@lease @workers @active:" W " @calls:" W " | L " W " {}", "busy");
    CK_SAYS("DEL @calls:" W, "1");
    CK_SCRIPT(BURY, "@lease @workers @active:" W " @calls:" W " | '' " W " ''", "ok");
    CK_SAYS("HEXISTS @workers " W, "0");
}
END_TEST

/* ---- stops, alerts ---- */

START_TEST(a_stop_grants_one_probe_at_a_time)
{
    CK_SCRIPT(STOP, "@stops | f probe code 60000", "free");
    CK_SCRIPT(STOP, "@stops | f set code 60000", "stopped");
    CK_SCRIPT(STOP, "@stops | f probe code 60000", "stopped");
    CK_SCRIPT(STOP, "@stops | f set code 0", "stopped");
    CK_SCRIPT(STOP, "@stops | f probe code 60000", "probe");
    CK_SCRIPT(STOP, "@stops | f probe code 60000", "stopped");
    CK_SCRIPT(STOP, "@stops | f clear", "free");
    CK_SAYS("EXISTS @stops", "0");
}
END_TEST

START_TEST(an_alert_is_told_once_per_subject_and_period)
{
    CK_SCRIPT(ALERT, "@alerts @alerted | c s {} 60000", "1");
    CK_SCRIPT(ALERT, "@alerts @alerted | c s {} 60000", "0");
    CK_SCRIPT(ALERT, "@alerts @alerted | c t {} 60000", "1");
    CK_SCRIPT(ALERT, "@alerts @alerted | c s {} 0", "1");
    CK_SAYS("XLEN @alerts", "3");
}
END_TEST

/* ---- bounds ---- */

#define HOUSE                                                                     \
    "@lease @results @costs @alerts @dead @late @alerted @stops | L 100 100 100 " \
    "3600000 2 60000"

START_TEST(streams_are_trimmed_to_their_bounds_in_steps)
{
    char words[4096] = "EVAL for\ti=1,12000\tdo\tredis.call('XADD','fl:{0}:results','*','a','b')"
                       "\tend 0";

    CK_SAYS(words, "nil");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [] 1]");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [] 0]");
    ck_assert_int_lt((int)strtol(says("XLEN @results"), NULL, 10), 300);
    CK_SAYS("SET @lease M", "OK");
    CK_SCRIPT(HOUSE, HOUSE, "[deposed]");
}
END_TEST

START_TEST(late_cost_events_are_known_as_long_as_the_events_are_kept)
{
    CK_SAYS("EVAL for\ti=1,130\tdo\tredis.call('ZADD','fl:{0}:late',9e14+i,i)\tend 0", "nil");
    CK_SAYS("ZADD @late 1 old", "1");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [] 0]");
    CK_SAYS("ZRANGE @late 0 0", "[31]");
    CK_SAYS("ZCARD @late", "100");
}
END_TEST

START_TEST(dead_jobs_are_kept_for_their_time_and_up_to_a_number)
{
    CK_SAYS("ZADD @dead 1 old 9e14 a 9e14 b 9e14 c", "4");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [a] 0]");
    CK_SAYS("ZRANGE @dead 0 -1", "[b c]");
}
END_TEST

START_TEST(a_stop_of_a_key_that_is_used_no_more_is_forgotten)
{
    CK_SAYS("EVAL redis.call('HSET',KEYS[1],'old','1\\0322\\032bad_key','new',"
            "'1\\0329790000000000\\032no_credit') 1 @stops",
            "nil");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [] 0]");
    CK_SAYS("HKEYS @stops", "[new]");
}
END_TEST

START_TEST(a_key_of_another_type_keeps_none_of_the_others_from_its_bound)
{
    CK_SAYS("MSET @results x @costs x @alerts x @late x @alerted x @stops x", "OK");
    CK_SAYS("ZADD @dead 1 old 9e14 a 9e14 b 9e14 c", "4");
    CK_SCRIPT(HOUSE, HOUSE, "[ok [a] 0]");
    CK_SAYS("GET @results", "x");
}
END_TEST

/* ---- errands ---- */

#define ERRAND "@lease @errands @workers @ready:webhook @wake:webhook "

START_TEST(an_errand_is_made_once_and_goes_on_from_where_it_was)
{
    CK_SCRIPT(ERRAND, ERRAND "@job:a~1 @job:a~2 | L alerts '' 2 0 a~1 REC1 a~2 REC2", "[ok 2]");
    CK_SCRIPT(ERRAND, ERRAND "@job:a~1 | L alerts '' 2 0 a~1 OTHER", "[moved 2]");
    CK_SCRIPT(ERRAND, ERRAND "@job:a~2 @job:a~3 | L alerts 2 3 0 a~2 OTHER a~3 REC3", "[ok 1]");
    CK_SAYS("MGET @job:a~1 @job:a~2 @job:a~3", "[REC1 REC2 REC3]");
    CK_SAYS("LRANGE @ready:webhook 0 -1", "[a~3 a~2 a~1]");
    CK_SAYS("LLEN @wake:webhook", "2");
    CK_SCRIPT(ERRAND, ERRAND "| L alerts 3 9 0", "[ok 0]"); /* nothing to do is progress too */
    CK_SAYS("HGETALL @errands", "[alerts 9]");
}
END_TEST

START_TEST(an_errand_is_not_made_by_the_deposed_nor_for_nobody)
{
    CK_SCRIPT(ERRAND, ERRAND "@job:a~1 | M alerts '' 2 0 a~1 REC1", "[deposed]");
    CK_SAYS("DEL @workers", "1");
    CK_SCRIPT(ERRAND, ERRAND "@job:a~1 | L alerts '' 2 1 a~1 REC1", "[nobody]");
    CK_SAYS("EXISTS @job:a~1 @errands @ready:webhook", "0");
}
END_TEST

Suite *test_scripts_fleet(void);
Suite *test_scripts_fleet(void)
{
    Suite *s = suite_create("scripts_fleet");
    TCase *t = tcase_create("fleet");

    tcase_add_checked_fixture(t, scene_open, scene_close);
    tcase_add_test(t, a_pause_and_its_end_may_be_sent_twice_and_need_no_memory);
    tcase_add_test(t, what_is_in_hand_is_shown_until_it_is_submitted);
    tcase_add_test(t, a_single_job_is_stored_and_dropped_from_what_was_taken);
    tcase_add_test(t, a_single_job_that_is_not_due_or_expires_goes_the_long_way);
    tcase_add_test(t, a_deposed_scheduler_submits_nothing);
    tcase_add_test(t, a_refusal_calls_the_webhook_that_it_names_once);
    tcase_add_test(t, a_refusal_of_bytes_that_are_no_json_calls_it_too);
    tcase_add_test(t, a_conflict_of_ids_calls_the_webhook_of_the_one_that_is_refused);
    tcase_add_test(t, another_document_under_an_id_in_use_is_a_conflict);
    tcase_add_test(t, an_ended_job_answers_the_same_document_with_its_result);
    tcase_add_test(t, a_rejected_document_may_be_mended_under_its_id);
    tcase_add_test(t, a_refusal_never_touches_the_job_that_has_the_id);
    tcase_add_test(t, runs_stay_within_their_width);
    tcase_add_test(t, a_delayed_job_waits_in_delayed);
    tcase_add_test(t, the_next_expiry_is_known);
    tcase_add_test(t, a_lease_is_held_by_one);
    tcase_add_test(t, a_scheduler_that_is_connected_again_holds_its_lease_by_another_token);
    tcase_add_test(t, a_heartbeat_tells_what_a_worker_must_know);
    tcase_add_test(t, keys_of_another_type_stop_no_heart);
    tcase_add_test(t, a_heartbeat_brings_the_health_of_the_routes_if_asked);
    tcase_add_test(t, a_heartbeat_hears_of_every_change_of_the_routes);
    tcase_add_test(t, a_worker_is_buried_when_nothing_is_left_of_it);
    tcase_add_test(t, a_stop_grants_one_probe_at_a_time);
    tcase_add_test(t, an_alert_is_told_once_per_subject_and_period);
    tcase_add_test(t, streams_are_trimmed_to_their_bounds_in_steps);
    tcase_add_test(t, late_cost_events_are_known_as_long_as_the_events_are_kept);
    tcase_add_test(t, dead_jobs_are_kept_for_their_time_and_up_to_a_number);
    tcase_add_test(t, a_stop_of_a_key_that_is_used_no_more_is_forgotten);
    tcase_add_test(t, a_key_of_another_type_keeps_none_of_the_others_from_its_bound);
    tcase_add_test(t, an_errand_is_made_once_and_goes_on_from_where_it_was);
    tcase_add_test(t, an_errand_is_not_made_by_the_deposed_nor_for_nobody);
    suite_add_tcase(s, t);
    return s;
}
