/* test_webhooks.c - deliveries to receivers that are well, slow, gone, or not to be called.
 *
 * The simulator is the receiver: it notes every try with its time and headers,
 * and answers what a rule says (world_hook_rules).  Signatures are worked out
 * here a second time, after Standard Webhooks 1.0.
 */
#include <check.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/json.h"
#include "tests/support/facts.h"

#define SECRET     "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OLD_SECRET "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";
static const char fast[] = "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,100,200,300,300,300,300,300";

static void push(struct world *w, const char *id, const char *url)
{
    world_push(w,
               "{'id':'%s','type':'noop','payload':{'result':{'of':'%s'}},'webhook':{'url':'%s'}}",
               id, id, url);
}

static json_t *tries(struct world *w, const char *name)
{
    json_t *all = world_hooks(w), *some = world_own(w, json_array(), (void (*)(void *))json_decref);
    const char *path = world_text(w, "/_sim/hook/%s", name);
    json_t *hook;
    size_t i;

    json_array_foreach (all, i, hook) {
        if (strcmp(world_string_at(hook, "path"), path) == 0)
            json_array_append(some, hook);
    }
    return some;
}

static bool ended(struct world *w, const char *id, const char *state)
{
    return facts_has_state(w, world_text(w, "%s~w", id), state);
}

static json_t *webhook_error(struct world *w, const char *id)
{
    return world_at(facts_job(w, world_text(w, "%s~w", id)), "result.error");
}

static int64_t gap_ms(json_t *list, size_t n)
{
    return world_int_at(json_array_get(list, n + 1), "received_ms") -
           world_int_at(json_array_get(list, n), "received_ms");
}

/* ---- signatures ---- */

static const char *signature_of(struct world *w, const char *secret, json_t *hook)
{
    unsigned char key[64], mac[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    const char *message =
        world_text(w, "%s.%s.%s", world_string_at(hook, "id"), world_string_at(hook, "timestamp"),
                   world_string_at(hook, "body"));
    unsigned int mac_n = 0;
    int n = EVP_DecodeBlock(key, (const unsigned char *)secret + 6, (int)strlen(secret) - 6);

    ck_assert_int_eq(n, 24); /* both secrets have no padding */
    HMAC(EVP_sha256(), key, n, (const unsigned char *)message, strlen(message), mac, &mac_n);
    EVP_EncodeBlock(text, mac, (int)mac_n);
    return world_text(w, "v1,%s", (const char *)text);
}

START_TEST(a_webhook_carries_the_result_and_is_signed)
{
    struct world *w = world_new(.simulator = true);
    json_t *hook, *body;
    const char *at;

    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SECRET=" SECRET);
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "x")) == 1);
    hook = json_array_get(tries(w, "x"), 0);
    body = world_json(w, world_string_at(hook, "body"));
    ck_assert_str_eq(world_string_at(hook, "id"), "a~w");
    ck_assert_str_eq(world_string_at(hook, "headers.content-type"), "application/json");
    ck_assert_str_eq(world_string_at(hook, "signature"), signature_of(w, SECRET, hook));
    at = world_string_at(hook, "timestamp");
    ck_assert_int_le(llabs(world_int_at(hook, "received_ms") / 1000 - strtoll(at, NULL, 10)), 5);
    ck_assert_str_eq(world_string_at(body, "type"), "job.completed");
    ck_assert(json_equal(json_object_get(body, "data"), world_result(w, "a")->doc));
    ck_assert_ptr_nonnull(strstr(world_string_at(hook, "body"),
                                 world_text(w, "\"data\":%s}", facts_result_text(w, "a"))));
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    ck_assert_int_eq(json_array_size(world_hooks(w)), 1);
    world_check_one_result_each(w, 1); /* a webhook is no result of its own */
    world_free(w);
}
END_TEST

/* Refused one after the other: by its schema, as no JSON, because of its id, with a job under its
 * id, and as JSON in JSON. */
static const char *const unacceptable[] = {
    "{\"id\":\"a\",\"type\":\"noop\",\"payload\":{},\"colour\":1,\"webhook\":{\"url\":\"%s\"}}",
    "{\"type\":\"noop\",\"payload\":{\"text\":\"say \"hi\"\"},\"webhook\":{\"url\":\"%s\"}}",
    "{\"id\":\"b\",\"type\":\"noop\",\"payload\":{\"result\":2},\"webhook\":{\"url\":\"%s\"}}",
    "{\"id\":\"b\",\"type\":\"nop\",\"payload\":{},\"webhook\":{\"url\":\"%s\"}}",
    "\"{\\\"id\\\":\\\"c\\\",\\\"webhook\\\":{\\\"url\\\":\\\"%s\\\"}}\"",
};

/* The URL in place of %s. */
static char *document(struct world *w, const char *text, const char *url)
{
    int at = (int)strcspn(text, "%");

    return world_text(w, "%.*s%s%s", at, text, url, text + at + 2);
}

START_TEST(a_refused_document_is_reported_to_its_webhook)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, one_process);
    push(w, "b", world_hook_url(w, "b"));
    world_wait_results(w, 1, 10000);
    for (size_t i = 0; i < ARRAY_LEN(unacceptable); i++) {
        const char *name = world_text(w, "x%zu", i);
        const char *doc = document(w, unacceptable[i], world_hook_url(w, name));
        json_t *body;

        world_push_raw(w, doc, strlen(doc));
        WAIT_UNTIL(w, 10000, json_array_size(tries(w, name)) == 1);
        body = world_json(w, world_string_at(json_array_get(tries(w, name), 0), "body"));
        ck_assert_str_eq(world_string_at(body, "type"), "job.rejected");
        ck_assert(json_equal(
            json_object_get(body, "data"),
            world_result(w, world_text(w, "%s", world_string_at(body, "data.id")))->doc));
        world_wait_results(w, (int64_t)i + 2, 1000);
    }
    world_check_one_result_each(w, (int64_t)ARRAY_LEN(unacceptable) + 1);
    world_free(w);
}
END_TEST

START_TEST(two_secrets_give_two_signatures_while_one_is_replaced)
{
    struct world *w = world_new(.simulator = true);
    json_t *hook;

    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SECRET=" SECRET,
                     "FLOTILLA_WEBHOOKS_OLD_SECRET=" OLD_SECRET);
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "x")) == 1);
    hook = json_array_get(tries(w, "x"), 0);
    ck_assert_str_eq(
        world_string_at(hook, "signature"),
        world_text(w, "%s %s", signature_of(w, SECRET, hook), signature_of(w, OLD_SECRET, hook)));
    world_free(w);
}
END_TEST

START_TEST(without_a_secret_nothing_is_signed)
{
    struct world *w = world_new(.simulator = true);
    json_t *hook;

    world_start_both(w, one_process);
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "x")) == 1);
    hook = json_array_get(tries(w, "x"), 0);
    ck_assert_ptr_null(world_at(hook, "headers.webhook-signature"));
    ck_assert_str_ne(world_string_at(hook, "headers.webhook-timestamp"), "");
    world_free(w);
}
END_TEST

START_TEST(every_end_of_a_job_is_told)
{
    static const char *const jobs[][2] = {
        {"failed", "'type':'inference','payload':{'task':'chat','prompt':'x','model':'no/such'}"},
        {"expired", "'type':'noop','payload':{},'delay_ms':60000,'expires_in_ms':1"},
        {"cancelled", "'type':'noop','payload':{},'delay_ms':60000"},
    };
    struct world *w = world_new(.simulator = true);

    world_start_both(w, one_process);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        world_push(w, "{'id':'%s',%s,'webhook':{'url':'%s'}}", jobs[i][0], jobs[i][1],
                   world_hook_url(w, jobs[i][0]));
    WAIT_UNTIL(w, 5000, facts_job(w, "cancelled"));
    ck_assert_int_eq(world_cli(w, "cancel", "cancelled").exit_code, 0);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        json_t *body;

        WAIT_UNTIL(w, 10000, json_array_size(tries(w, jobs[i][0])) == 1);
        body = world_json(w, world_string_at(tries(w, jobs[i][0]), "0.body"));
        ck_assert_str_eq(world_string_at(body, "type"), world_text(w, "job.%s", jobs[i][0]));
        ck_assert(json_equal(json_object_get(body, "data"), world_result(w, jobs[i][0])->doc));
    }
    world_check_one_result_each(w, ARRAY_LEN(jobs));
    world_free(w);
}
END_TEST

START_TEST(a_large_output_is_left_out_and_says_so)
{
    struct world *w = world_new(.simulator = true);
    char *text = world_text(w, "%02000d", 7);
    json_t *small, *large;

    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_OUTPUT_BYTES=1000");
    world_push(
        w, "{'id':'large','type':'noop','payload':{'result':{'text':'%s'}},'webhook':{'url':'%s'}}",
        text, world_hook_url(w, "large"));
    push(w, "small", world_hook_url(w, "small"));
    WAIT_UNTIL(w, 10000, json_array_size(world_hooks(w)) == 2);
    large = world_json(w, world_string_at(tries(w, "large"), "0.body"));
    small = world_json(w, world_string_at(tries(w, "small"), "0.body"));
    ck_assert(json_is_true(world_at(large, "data.output_omitted")));
    ck_assert(!world_at(large, "data.output") || json_is_null(world_at(large, "data.output")));
    ck_assert_str_eq(world_string_at(large, "data.status"), "completed");
    ck_assert_ptr_null(world_at(small, "data.output_omitted"));
    ck_assert_str_eq(world_string_at(small, "data.output.of"), "small");
    ck_assert_ptr_nonnull(strstr(facts_result_text(w, "large"), text));
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

/* Its webhook wraps it by some levels. */
START_TEST(an_answer_that_nests_deep_is_in_its_webhook)
{
    struct world *w = world_new(.simulator = true);
    char arrays[2 * (JSON_ANSWER_DEPTH - 1) + 1] = "";
    json_t *body;

    memset(arrays, '[', sizeof arrays / 2);
    memset(arrays + sizeof arrays / 2, ']', sizeof arrays / 2);
    world_sim_faults(w,
                     "{'path':'/v1/chat/completions','status':200,'times':1,'body':"
                     "{'choices':[{'message':{'role':'assistant','content':'x'},"
                     "'finish_reason':'stop'}],'usage':{'prompt_tokens':1,'completion_tokens':1},"
                     "'x':%s}}",
                     arrays);
    world_start_both(w, one_process);
    world_push(w,
               "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'x'},"
               "'webhook':{'url':'%s'}}",
               world_hook_url(w, "a"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "a")) == 1);
    body = world_json(w, world_string_at(tries(w, "a"), "0.body"));
    ck_assert_str_eq(world_string_at(body, "type"), "job.completed");
    ck_assert(json_equal(json_object_get(body, "data"), world_result(w, "a")->doc));
    world_free(w);
}
END_TEST

/* ---- receivers in trouble ---- */

START_TEST(a_receiver_that_was_down_gets_it_later_under_the_same_id)
{
    struct world *w = world_new(.simulator = true);
    json_t *all;

    world_hook_rules(w, "[{'path':'/x','status':500},{'path':'/x','close':'before'},"
                        "{'path':'/x','status':404}]");
    world_start_both(w, one_process, fast, "FLOTILLA_WEBHOOKS_SECRET=" SECRET);
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    all = tries(w, "x");
    ck_assert_int_eq(json_array_size(all), 4);
    for (size_t i = 0; i < 4; i++) {
        json_t *one = json_array_get(all, i);

        ck_assert_str_eq(world_string_at(one, "id"), "a~w");
        ck_assert_str_eq(world_string_at(one, "body"), world_string_at(all, "0.body"));
        ck_assert_str_eq(world_string_at(one, "signature"), signature_of(w, SECRET, one));
    }
    ck_assert_int_ge(gap_ms(all, 0), 100);
    ck_assert_int_ge(gap_ms(all, 1), 200);
    ck_assert_int_ge(gap_ms(all, 2), 300);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_receiver_that_cannot_be_reached_gets_it_later)
{
    struct world *w = world_new(.simulator = true);
    const char *url = world_hook_url(w, "x");
    const char *const args[] = {"--listen", strstr(w->sim_url, "127.0.0.1"), NULL};

    world_start_both(w, one_process,
                     "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,100,100,100,100,100,100,100,100,"
                     "100,100,100,100,100,100,100,100,100,100,100");
    program_kill(w->sim);
    push(w, "a", url);
    world_wait_results(w, 1, 10000);
    WAIT_UNTIL(w, 10000, world_int_at(facts_job(w, "a~w"), "attempts") >= 2);
    w->sim = world_start(w, "together-sim", args, NULL);
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    ck_assert_int_eq(json_array_size(tries(w, "x")), 1);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_slow_receiver_is_given_up_and_tried_again)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "{'delay_ms':20000}");
    world_start_both(w, one_process, fast, "FLOTILLA_WEBHOOKS_TIMEOUT_MS=300");
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    ck_assert_int_eq(json_array_size(tries(w, "x")), 2);
    ck_assert_int_ge(gap_ms(tries(w, "x"), 0), 400);
    world_free(w);
}
END_TEST

/* A body of 3 MB, one that is cut, and one that takes ten minutes. */
START_TEST(a_receiver_that_answered_is_called_once_whatever_its_body_does)
{
    struct world *w = world_new(.simulator = true);
    const size_t large = 3 << 20;
    char *body = world_own(w, malloc(large + 1), free);
    json_t *rule;
    char *text;

    memset(body, 'x', large);
    body[large] = 0;
    rule = json_pack("{s:s, s:i, s:s, s:i}", "path", "/large", "status", 200, "body", body, "times",
                     -1);
    text = json_dumps(rule, 0);
    world_sim(w, "POST", "/_sim/hooks", text);
    free(text);
    json_decref(rule);
    world_hook_rules(w,
                     "[{'path':'/cut','status':200,'body':'%0500d','close':'middle','times':-1},"
                     "{'path':'/slow','status':200,'body':'%0600d','piece_bytes':1,"
                     "'piece_ms':1000,'times':-1}]",
                     0, 0);
    world_start_both(w, one_process, fast, "FLOTILLA_WEBHOOKS_TIMEOUT_MS=1000");
    push(w, "l", world_hook_url(w, "large"));
    push(w, "c", world_hook_url(w, "cut"));
    push(w, "s", world_hook_url(w, "slow"));
    WAIT_UNTIL(w, 15000,
               ended(w, "l", "completed") && ended(w, "c", "completed") &&
                   ended(w, "s", "completed"));
    ck_assert_uint_eq(json_array_size(world_hooks(w)), 3);
    world_free(w);
}
END_TEST

START_TEST(gone_stops_the_deliveries)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "{'status':410,'times':-1}");
    world_start_both(w, one_process, fast);
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "failed"));
    ck_assert_int_eq(json_array_size(tries(w, "x")), 1);
    ck_assert_str_eq(world_string_at(webhook_error(w, "a"), "code"), "webhook_gone");
    ck_assert_int_eq(world_int_at(webhook_error(w, "a"), "http_status"), 410);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(retry_after_of_a_receiver_is_obeyed)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "[{'path':'/a','status':429,'headers':{'retry-after':'1'}},"
                        "{'path':'/b','status':503,'headers':{'retry-after':'1'}},"
                        "{'path':'/c','status':500,'headers':{'retry-after':'1'}}]");
    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,50,50,50");
    push(w, "a", world_hook_url(w, "a"));
    push(w, "b", world_hook_url(w, "b"));
    push(w, "c", world_hook_url(w, "c"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    WAIT_UNTIL(w, 10000, ended(w, "b", "completed"));
    WAIT_UNTIL(w, 10000, ended(w, "c", "completed"));
    ck_assert_int_ge(gap_ms(tries(w, "a"), 0), 1000);
    ck_assert_int_ge(gap_ms(tries(w, "b"), 0), 1000);
    ck_assert_int_lt(gap_ms(tries(w, "c"), 0), 1000); /* only 429 and 503 may ask */
    world_free(w);
}
END_TEST

START_TEST(a_redirect_is_not_followed)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "{'path':'/from','status':307,'headers':{'location':'%s'},'times':-1}",
                     world_hook_url(w, "to"));
    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,50");
    push(w, "a", world_hook_url(w, "from"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "failed"));
    ck_assert_int_eq(json_array_size(tries(w, "from")), 2);
    ck_assert_int_eq(json_array_size(tries(w, "to")), 0);
    ck_assert_str_eq(world_string_at(webhook_error(w, "a"), "code"), "webhook_redirect");
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_delivery_is_dead_after_its_schedule_and_can_be_replayed)
{
    struct world *w = world_new(.simulator = true);
    json_t *all;

    world_hook_rules(w, "{'status':500,'times':3}");
    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,50,50");
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, ended(w, "a", "failed"));
    ck_assert_int_eq(json_array_size(tries(w, "x")), 3);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 1);
    ck_assert_str_eq(world_string_at(webhook_error(w, "a"), "code"), "webhook_status");
    ck_assert_int_eq(world_cli(w, "retry", "a~w").exit_code, 0);
    WAIT_UNTIL(w, 10000, ended(w, "a", "completed"));
    all = tries(w, "x");
    ck_assert_int_eq(json_array_size(all), 4);
    ck_assert_str_eq(world_string_at(all, "3.id"), "a~w");
    ck_assert_str_eq(world_string_at(all, "3.body"), world_string_at(all, "0.body"));
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

START_TEST(a_webhook_outlives_the_record_of_its_job)
{
    struct world *w = world_new(.simulator = true);

    world_hook_rules(w, "{'status':500}");
    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,2500",
                     "FLOTILLA_RETENTION_IDS_MS=1000");
    push(w, "a", world_hook_url(w, "x"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "x")) == 1);
    WAIT_UNTIL(w, 10000, !facts_job(w, "a"));
    ck_assert_int_eq(json_array_size(tries(w, "x")), 1);
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "x")) == 2);
    ck_assert_str_eq(world_string_at(tries(w, "x"), "1.body"),
                     world_string_at(tries(w, "x"), "0.body"));
    world_free(w);
}
END_TEST

/* ---- targets that must not be called ---- */

static const struct {
    const char *name, *url, *setting; /* url: up to the port */
} refused[] = {
    {"loopback", "http://127.0.0.1:", "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS"},
    {"loopback although http is allowed", "http://127.0.0.1:", "FLOTILLA_WEBHOOKS_ALLOW_HTTP=true"},
    {"loopback by name", "https://localhost:", "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS"},
    {"loopback as one number", "http://2130706433:", "FLOTILLA_WEBHOOKS_ALLOW_HTTP=true"},
    {"loopback inside IPv6", "http://[::ffff:127.0.0.1]:", "FLOTILLA_WEBHOOKS_ALLOW_HTTP=true"},
    {"another network is allowed",
     "http://127.0.0.1:", "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.1.0/24"},
    {"private", "https://10.1.2.3:", "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS"},
    {"metadata of clouds", "http://169.254.169.254:", "FLOTILLA_WEBHOOKS_ALLOW_HTTP=true"},
    {"plain http to a public address", "http://8.8.8.8:", "FLOTILLA_WEBHOOKS_ALLOW_HTTP=false"},
};

START_TEST(private_and_plain_targets_are_refused_at_once)
{
    struct world *w = world_new(.simulator = true);
    const char *none = strstr(refused[_i].setting, "NETWORKS=")
                           ? refused[_i].setting
                           : "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS";
    int port = (int)strtol(strrchr(w->sim_url, ':') + 1, NULL, 10);

    world_start_both(w, one_process, fast, none, refused[_i].setting);
    world_push(w, "{'id':'a','type':'noop','payload':{},'webhook':{'url':'%s%d/_sim/hook/x'}}",
               refused[_i].url, port);
    WAIT_UNTIL(w, 10000, ended(w, "a", "failed"));
    ck_assert_msg(strcmp(world_string_at(webhook_error(w, "a"), "code"), "webhook_refused") == 0,
                  "%s: %s", refused[_i].name, world_string_at(webhook_error(w, "a"), "message"));
    ck_assert_int_eq(world_int_at(facts_job(w, "a~w"), "attempts"), 1);
    ck_assert_int_eq(json_array_size(world_hooks(w)), 0);
    world_check_one_result_each(w, 1);
    world_free(w);
}
END_TEST

/* ---- many hosts ---- */

/* A port that takes connections and never says a word. */
static int silent_port(int *ret_fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || bind(fd, (struct sockaddr *)&a, n) || listen(fd, 128) ||
        getsockname(fd, (struct sockaddr *)&a, &n))
        ck_abort_msg("cannot listen");
    *ret_fd = fd;
    return ntohs(a.sin_port);
}

START_TEST(a_dead_host_does_not_hold_up_another)
{
    enum { EACH = 40, SLOTS = 10 };
    struct world *w = world_new(.simulator = true);
    int fd, port = silent_port(&fd);
    int64_t start;

    world_start_both(w, one_process, "FLOTILLA_WEBHOOKS_TIMEOUT_MS=20000",
                     "FLOTILLA_WORKERS_CONCURRENCY=10", "FLOTILLA_WEBHOOKS_PER_HOST=4");
    for (int i = 0; i < EACH; i++)
        push(w, world_text(w, "dead-%d", i), world_text(w, "http://127.0.0.1:%d/", port));
    world_wait_results(w, EACH, 10000);
    start = now_ms();
    for (int i = 0; i < EACH; i++)
        push(w, world_text(w, "live-%d", i), world_hook_url(w, "live"));
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "live")) == EACH);
    ck_assert_msg(now_ms() - start < patience_ms(5000), "%lld ms", (long long)(now_ms() - start));
    world_check_one_result_each(w, EACH + EACH);
    close(fd);
    world_free(w);
}
END_TEST

START_TEST(a_host_that_fails_again_and_again_is_left_alone_for_a_while)
{
    enum { COUNT = 30 };
    struct world *w = world_new(.simulator = true);
    size_t sent;

    world_hook_rules(w, "{'path':'/down','status':500,'times':-1}");
    world_start_both(w, one_process,
                     "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,100,100,100,100,100,100,100,100,"
                     "100,100,100,100,100,100,100,100,100,100,100",
                     "FLOTILLA_WEBHOOKS_PER_HOST=2");
    for (int i = 0; i < COUNT; i++)
        push(w, world_text(w, "j-%d", i), world_hook_url(w, "down"));
    world_wait_results(w, COUNT, 10000);
    WAIT_UNTIL(w, 10000, json_array_size(tries(w, "down")) >= 8); /* 5 failures and some probes */
    sent = json_array_size(tries(w, "down"));
    ck_assert_msg(sent < COUNT, "%zu tries", sent); /* without a breaker all go out at once */
    world_sim_reset(w);
    WAIT_UNTIL(w, 25000, json_array_size(tries(w, "down")) == COUNT);
    world_check_one_result_each(w, COUNT);
    world_free(w);
}
END_TEST

Suite *test_webhooks(void)
{
    Suite *s = suite_create("webhooks");
    TCase *tc = tcase_create("webhooks");

    tcase_add_test(tc, a_webhook_carries_the_result_and_is_signed);
    tcase_add_test(tc, a_refused_document_is_reported_to_its_webhook);
    tcase_add_test(tc, two_secrets_give_two_signatures_while_one_is_replaced);
    tcase_add_test(tc, without_a_secret_nothing_is_signed);
    tcase_add_test(tc, every_end_of_a_job_is_told);
    tcase_add_test(tc, a_large_output_is_left_out_and_says_so);
    tcase_add_test(tc, an_answer_that_nests_deep_is_in_its_webhook);
    suite_add_tcase(s, tc);
    tc = tcase_create("trouble");
    tcase_add_test(tc, a_receiver_that_was_down_gets_it_later_under_the_same_id);
    tcase_add_test(tc, a_receiver_that_cannot_be_reached_gets_it_later);
    tcase_add_test(tc, a_slow_receiver_is_given_up_and_tried_again);
    tcase_add_test(tc, a_receiver_that_answered_is_called_once_whatever_its_body_does);
    tcase_add_test(tc, gone_stops_the_deliveries);
    tcase_add_test(tc, retry_after_of_a_receiver_is_obeyed);
    tcase_add_test(tc, a_redirect_is_not_followed);
    tcase_add_test(tc, a_delivery_is_dead_after_its_schedule_and_can_be_replayed);
    tcase_add_test(tc, a_webhook_outlives_the_record_of_its_job);
    suite_add_tcase(s, tc);
    tc = tcase_create("targets");
    tcase_add_loop_test(tc, private_and_plain_targets_are_refused_at_once, 0, ARRAY_LEN(refused));
    suite_add_tcase(s, tc);
    tc = tcase_create("hosts");
    tcase_add_test(tc, a_dead_host_does_not_hold_up_another);
    tcase_add_test(tc, a_host_that_fails_again_and_again_is_left_alone_for_a_while);
    suite_add_tcase(s, tc);
    return s;
}
