/* test_tls.c - private authorities: of providers, of webhooks, of the environment. */
#include "tests/support/world.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/certificate.h"
#include "tests/support/cli_checks.h"
#include "tests/support/tls_front.h"

Suite *test_tls(void);

enum { ALL_MS = 20000 };

static struct certificate pem;

static void stop_front(void *p) { tls_front_stop(p); }

/* The simulator behind TLS, with a certificate for 127.0.0.1 of an authority of our own. */
static const char *front_of(struct world *w)
{
    int plain_port = (int)strtol(strrchr(w->sim_url, ':') + 1, NULL, 10);
    struct tls_front *f;

    certificate_make(&pem, w->dir, "IP:127.0.0.1");
    f = world_own(w, tls_front_start(&pem, plain_port), stop_front);
    return world_text(w, "https://127.0.0.1:%d", tls_front_port(f));
}

static void push_chat(struct world *w, const char *id, const char *members)
{
    world_push(w,
               "{'id':'%s','type':'inference','payload':{'task':'chat',"
               "'body':{'messages':[{'role':'user','content':'%s'}]%s}}}",
               id, id, members);
}

/* ---- Together --------------------------------------------------------------- */
static const char *const ways[] = {"FLOTILLA_PROVIDERS_TOGETHER_CA_FILE", "SSL_CERT_FILE"};

START_TEST(a_provider_is_verified_by_the_file_that_is_named)
{
    struct world *w = world_new(.simulator = true);
    const char *url = front_of(w);

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1",
                       world_text(w, "TOGETHER_BASE_URL=%s/v1", url),
                       world_text(w, "%s=%s", ways[_i], pem.ca));
    push_chat(w, "a", "");
    world_wait_results(w, 1, ALL_MS);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* A provider that cannot be verified is one that cannot be reached: the job waits. */
START_TEST(a_provider_of_another_authority_gets_nothing)
{
    struct world *w = world_new(.simulator = true);
    const char *url = front_of(w);

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1",
                       world_text(w, "TOGETHER_BASE_URL=%s/v1", url));
    push_chat(w, "a", "");
    WAIT_UNTIL(w, ALL_MS, world_has_alert(w, "bad_certificate"));
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "requests"), 0);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:costs"), 0);
    world_free(w);
}
END_TEST

/* ---- one process, two authorities ------------------------------------------- */
static const char *config_with_local(struct world *w, const char *url)
{
    return world_config(
        w, world_text(w,
                      "providers:\n  others:\n    - name: local\n      base_url: %s/v1\n"
                      "      ca_file: %s\n"
                      "models:\n  - {id: acme/local, provider: local, tasks: [chat]}\n",
                      url, pem.ca));
}

/* The kept connection to the provider was verified by a file that webhooks do not name. */
START_TEST(a_connection_serves_only_those_who_name_its_authority)
{
    struct world *w = world_new(.simulator = true);
    const char *url = front_of(w), *config = config_with_local(w, url);

    world_sim(w, "POST", "/_sim/models", "{'acme/local':{'answer_bytes':40}}");
    world_start_scheduler(w, config);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_WEBHOOKS_SCHEDULE_MS=0,50",
                       config);
    world_push(w,
               "{'id':'a','type':'inference','webhook':{'url':'%s/_sim/hook/a'},'payload':"
               "{'task':'chat','body':{'model':'acme/local',"
               "'messages':[{'role':'user','content':'a'}]}}}",
               url);
    push_chat(w, "b", ""); /* to Together, without TLS */
    world_wait_results(w, 2, ALL_MS);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "provider"), "local");
    ck_assert_str_eq(world_string_at(world_result(w, "b")->doc, "provider"), "together");
    WAIT_UNTIL(w, ALL_MS, world_int(w, "ZCARD fl:{0}:dead") == 1);
    CHECK_HAS(world_cli(w, "job", "a~w").out, "certificate");
    ck_assert_int_eq((int)json_array_size(world_hooks(w)), 0);
    world_free(w);
}
END_TEST

START_TEST(a_receiver_is_verified_by_the_file_of_webhooks)
{
    struct world *w = world_new(.simulator = true);
    const char *url = front_of(w);

    world_start_scheduler(w);
    world_start_worker(w, "FLOTILLA_WORKERS_PROCESSES=1",
                       world_text(w, "FLOTILLA_WEBHOOKS_CA_FILE=%s", pem.ca));
    world_push(w, "{'id':'a','type':'noop','webhook':{'url':'%s/_sim/hook/a'},'payload':{}}", url);
    WAIT_UNTIL(w, ALL_MS, json_array_size(world_hooks(w)) == 1);
    world_free(w);
}
END_TEST

START_TEST(doctor_reads_the_files_of_authorities)
{
    struct world *w = world_new();
    const char *bad = world_text(w, "FLOTILLA_WEBHOOKS_CA_FILE=%s", w->redis_socket);
    struct program *p = world_start(w, "flotilla", (const char *const[]){"doctor", NULL},
                                    (const char *const[]){bad, NULL});

    ck_assert_int_eq(program_wait(p, ALL_MS), 1);
    CHECK_HAS(world_own(w, program_out(p), free), "FAIL  authorities");
    CHECK_HAS(world_own(w, program_out(p), free), "no certificate in PEM format");
    world_free(w);
}
END_TEST

Suite *test_tls(void)
{
    Suite *s = suite_create("tls");
    TCase *tc = tcase_create("tls");

    tcase_add_loop_test(tc, a_provider_is_verified_by_the_file_that_is_named, 0, ARRAY_LEN(ways));
    tcase_add_test(tc, a_provider_of_another_authority_gets_nothing);
    tcase_add_test(tc, a_connection_serves_only_those_who_name_its_authority);
    tcase_add_test(tc, a_receiver_is_verified_by_the_file_of_webhooks);
    tcase_add_test(tc, doctor_reads_the_files_of_authorities);
    suite_add_tcase(s, tc);
    return s;
}
