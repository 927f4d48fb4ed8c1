/* test_alerts.c - alerts on their way to the team's own webhook: each once, in its format, signed.
 *
 * The simulator is the receiver.  Most alerts are put into the stream here, as
 * the programs do; what happens to them afterwards is what is tested. */
#include <check.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <string.h>
#include <time.h>

#include "tests/support/facts.h"
#include "tests/support/look.h"

#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define OTHER  "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";

static const char *to_hook(struct world *w, const char *name)
{
    return world_text(w, "FLOTILLA_ALERTS_WEBHOOK_URL=%s", world_hook_url(w, name));
}

/* Into the stream, under an entry id ("*": now). */
static const char *alert(struct world *w, const char *entry, const char *code, const char *subject)
{
    const char *doc = world_text(
        w, "{\"code\":\"%s\",\"subject\":\"%s\",\"message\":\"a < b & \\\"c\\\"\",\"at\":%lld}",
        code, subject, 1790000000650LL);

    return world_text(w, "%s",
                      world_string(w, "XADD fl:{0}:alerts %s code %s doc %s", entry, code, doc));
}

static size_t hooks(struct world *w) { return json_array_size(world_hooks(w)); }
static json_t *hook(struct world *w, size_t i) { return json_array_get(world_hooks(w), i); }

static const char *signature_of(struct world *w, const char *secret, json_t *one)
{
    unsigned char key[64], mac[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE];
    const char *message =
        world_text(w, "%s.%s.%s", world_string_at(one, "id"), world_string_at(one, "timestamp"),
                   world_string_at(one, "body"));
    unsigned int mac_n = 0;
    int n = EVP_DecodeBlock(key, (const unsigned char *)secret + 6, (int)strlen(secret) - 6);

    HMAC(EVP_sha256(), key, n, (const unsigned char *)message, strlen(message), mac, &mac_n);
    EVP_EncodeBlock(text, mac, (int)mac_n);
    return world_text(w, "v1,%s", (const char *)text);
}

static const char *const signers[][2] = {
    {"FLOTILLA_ALERTS_WEBHOOK_SECRET=" OTHER, OTHER},
    {"FLOTILLA_LOG_FORMAT=logfmt", SECRET}, /* none of its own: that of the other webhooks */
};

START_TEST(an_alert_is_sent_as_a_signed_webhook)
{
    struct world *w = world_new(.simulator = true);
    json_t *body;
    const char *entry;

    world_start_both(w, one_process, to_hook(w, "team"), "FLOTILLA_WEBHOOKS_SECRET=" SECRET,
                     signers[_i][0]);
    entry = alert(w, "*", "no_key", "together");
    WAIT_UNTIL(w, 10000, hooks(w) == 1);
    body = world_json(w, world_string_at(hook(w, 0), "body"));
    ck_assert_str_eq(world_string_at(hook(w, 0), "id"), world_text(w, "alert~%s", entry));
    ck_assert_str_eq(world_string_at(hook(w, 0), "signature"),
                     signature_of(w, signers[_i][1], hook(w, 0)));
    ck_assert_str_eq(world_string_at(body, "type"), "alert.no_key");
    ck_assert_str_eq(world_string_at(body, "timestamp"), "2026-09-21T14:13:20.650Z");
    ck_assert(json_equal(json_object_get(body, "data"), json_array_get(world_alerts(w), 0)));
    ck_assert_int_eq(json_object_size(body), 3);
    WAIT_UNTIL(w, 5000, facts_has_state(w, world_text(w, "alert~%s", entry), "completed"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    world_free(w);
}
END_TEST

START_TEST(slack_gets_its_own_format_and_only_what_is_bad_enough)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, one_process, to_hook(w, "slack"), "FLOTILLA_ALERTS_WEBHOOK_FORMAT=slack",
                     "FLOTILLA_ALERTS_MIN_LEVEL=warning");
    alert(w, "*", "id_conflict", "order-1");
    alert(w, "*", "of_a_later_version", "x");
    alert(w, "*", "no_credit", "<3f2a>");
    WAIT_UNTIL(w, 10000, hooks(w) == 2);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:ready:webhook"), 0);
    for (size_t i = 0; i < 2; i++) {
        json_t *body = world_json(w, world_string_at(hook(w, i), "body"));
        const char *text = world_string_at(body, "text");

        ck_assert_int_eq(json_object_size(body), 1);
        ck_assert_msg(!strcmp(text, "*no_credit* &lt;3f2a&gt;: a &lt; b &amp; \"c\"") ||
                          !strcmp(text, "*of_a_later_version* x: a &lt; b &amp; \"c\""),
                      "%s", text);
    }
    world_free(w);
}
END_TEST

START_TEST(of_one_code_so_many_are_sent_and_then_one_that_says_so)
{
    enum { MOST = 50 };
    struct world *w = world_new(.simulator = true);
    size_t told = 0;

    world_start_both(w, one_process, to_hook(w, "team"));
    for (int i = 0; i < 2 * MOST; i++)
        alert(w, "*", "id_conflict", world_text(w, "order-%d", i));
    alert(w, "*", "no_key", "together");
    WAIT_UNTIL(w, 10000, hooks(w) == MOST + 2);
    for (size_t i = 0; i < MOST + 2; i++) {
        json_t *body = world_json(w, world_string_at(hook(w, i), "body"));

        told += !strcmp(world_string_at(body, "type"), "alert.many_alerts") &&
                !strcmp(world_string_at(body, "data.subject"), "id_conflict");
    }
    ck_assert_uint_eq(told, 1);
    ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:ready:webhook"), 0);
    world_free(w);
}
END_TEST

/* 80 alerts in two waves; the holder of the lease is killed as soon as some were made. */
START_TEST(each_alert_is_sent_once_whichever_scheduler_dies)
{
    enum { EACH = 20, WAVES = 2, ALL = 2 * EACH * WAVES };
    static const char lease[] = "FLOTILLA_SCHEDULER_LEASE_MS=500";
    struct world *w = world_new(.simulator = true);
    const char *url = to_hook(w, "team");
    struct program *holder = world_start_scheduler(w, lease, url);
    json_t *seen = world_own(w, json_object(), (void (*)(void *))json_decref);

    world_start_worker(w, one_process);
    for (int i = 0; i < WAVES; i++) {
        WAIT_UNTIL(w, 10000, look_logged(holder, "event=lease.held ") == 1);
        for (int k = 0; k < EACH; k++)
            alert(w, "*", "no_key", world_text(w, "subject-%d-%d", i, k));
        WAIT_UNTIL(w, 10000, hooks(w) > (size_t)(i * EACH));
        for (int k = 0; k < EACH; k++) /* some before the kill, some behind it */
            alert(w, "*", "bad_key", world_text(w, "subject-%d-%d", i, k));
        program_kill(holder);
        holder = world_start_scheduler(w, lease, url);
        WAIT_UNTIL(w, 15000, hooks(w) >= (size_t)(2 * (i + 1) * EACH));
    }
    WAIT_UNTIL(w, 5000, world_int(w, "LLEN fl:{0}:ready:webhook") == 0);
    ck_assert_uint_eq(hooks(w), ALL);
    for (size_t i = 0; i < hooks(w); i++)
        json_object_set(seen, world_string_at(hook(w, i), "id"), json_true());
    ck_assert_uint_eq(json_object_size(seen), ALL);
    world_free(w);
}
END_TEST

START_TEST(old_alerts_and_those_about_their_own_delivery_are_not_sent)
{
    struct world *w = world_new(.simulator = true);
    struct program *scheduler;
    const char *nonsense;

    alert(w, world_text(w, "%lld-0", (long long)(time(NULL) - 3700) * 1000), "no_key", "old");
    alert(w, world_text(w, "%lld-0", (long long)(time(NULL) - 3500) * 1000), "no_key", "late");
    alert(w, "*", "poison", "alert~1790000000000-0");
    nonsense =
        world_text(w, "%s", world_string(w, "XADD fl:{0}:alerts * code no_key doc nonsense"));
    scheduler = world_start_scheduler(w, to_hook(w, "team"));
    world_start_worker(w, one_process);
    WAIT_UNTIL(w, 10000, hooks(w) == 1);
    ck_assert_ptr_nonnull(strstr(world_string_at(hook(w, 0), "body"), "\"late\""));
    WAIT_UNTIL(w, 5000, look_logged(scheduler, "event=alert.untold ") == 2);
    alert(w, "*", "no_key", "new");
    WAIT_UNTIL(w, 10000, hooks(w) == 2);
    ck_assert_ptr_nonnull(strstr(world_string_at(hook(w, 1), "body"), "\"new\""));
    world_redis(w, "XDEL fl:{0}:alerts %s", nonsense);
    world_free(w);
}
END_TEST

START_TEST(a_dead_receiver_of_alerts_is_no_alert)
{
    struct world *w = world_new(.simulator = true);
    const char *entry;

    world_hook_rules(w, "{'path':'/team','status':500,'times':-1}");
    world_start_both(w, one_process, to_hook(w, "team"), "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,50,50");
    entry = alert(w, "*", "no_key", "together");
    WAIT_UNTIL(w, 15000, facts_has_state(w, world_text(w, "alert~%s", entry), "failed"));
    ck_assert_uint_eq(json_array_size(world_alerts(w)), 1);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 1);
    world_free(w);
}
END_TEST

Suite *test_alerts(void)
{
    Suite *s = suite_create("alerts");
    TCase *tc = tcase_create("alerts");

    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, an_alert_is_sent_as_a_signed_webhook, 0, (int)ARRAY_LEN(signers));
    tcase_add_test(tc, slack_gets_its_own_format_and_only_what_is_bad_enough);
    tcase_add_test(tc, of_one_code_so_many_are_sent_and_then_one_that_says_so);
    tcase_add_test(tc, each_alert_is_sent_once_whichever_scheduler_dies);
    tcase_add_test(tc, old_alerts_and_those_about_their_own_delivery_are_not_sent);
    tcase_add_test(tc, a_dead_receiver_of_alerts_is_no_alert);
    suite_add_tcase(s, tc);
    return s;
}
