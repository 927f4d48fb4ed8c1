/* test_addresses.c - providers and receivers of webhooks wherever they are: IPv6, names, ports at
 * which nobody listens. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

START_TEST(a_provider_and_a_receiver_may_have_ipv6_addresses)
{
    static const char *const args[] = {"--listen", "[::1]:0", NULL};
    struct world *w = world_new(.simulator = true, .simulator_args = args);

    ck_assert_msg(!strncmp(w->sim_url, "http://[::1]:", 13), "%s", w->sim_url);
    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1",
                     "FLOTILLA_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8,::1/128");
    world_push(w,
               "{'id':'a','type':'inference','webhook':{'url':'%s'},'payload':{'task':'chat',"
               "'prompt':'Hello'}}",
               world_hook_url(w, "a"));
    world_push(w, "{'id':'b','type':'inference','payload':{'task':'chat','body':{'stream':true,"
                  "'messages':[{'role':'user','content':'Hello'}]}}}");
    world_wait_results(w, 2, 10000);
    ck_assert_msg(!strcmp(world_result(w, "a")->status, "completed"), "%s",
                  world_string_at(world_result(w, "a")->doc, "error.message"));
    ck_assert_str_eq(world_result(w, "b")->status, "completed");
    WAIT_UNTIL(w, 5000, json_array_size(world_hooks(w)) == 1);
    world_check_one_result_each(w, 2);
    world_check_money(w);
    world_free(w);
}
END_TEST

/* Where localhost has an IPv6 address, too, nobody listens there. */
START_TEST(a_name_with_two_addresses_is_reached_at_the_one_that_answers)
{
    struct world *w = world_new(.simulator = true);
    const char *port = strrchr(w->sim_url, ':');

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1",
                     world_text(w, "TOGETHER_BASE_URL=http://localhost%s/v1", port));
    world_push(w,
               "{'id':'a','type':'inference','webhook':{'url':'http://localhost%s/_sim/hook/a'},"
               "'payload':{'task':'chat','prompt':'Hello'}}",
               port);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    WAIT_UNTIL(w, 5000, json_array_size(world_hooks(w)) == 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(the_error_says_which_address_was_tried)
{
    struct world *w = world_new(.simulator = true);

    world_start_both(w, "FLOTILLA_WORKERS_PROCESSES=1", "FLOTILLA_RETRY_MAX_WAIT_MS=0",
                     "FLOTILLA_RETRY_MAX_ATTEMPTS=1", "TOGETHER_BASE_URL=http://localhost:1/v1");
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','prompt':'Hello'}}");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "failed");
    ck_assert_msg(strstr(world_string_at(world_result(w, "a")->doc, "error.message"), "127.0.0.1"),
                  "%s", world_string_at(world_result(w, "a")->doc, "error.message"));
    world_free(w);
}
END_TEST

Suite *test_addresses(void);
Suite *test_addresses(void)
{
    Suite *s = suite_create("addresses");
    TCase *tc = tcase_create("addresses");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, a_provider_and_a_receiver_may_have_ipv6_addresses);
    tcase_add_test(tc, a_name_with_two_addresses_is_reached_at_the_one_that_answers);
    tcase_add_test(tc, the_error_says_which_address_was_tried);
    suite_add_tcase(s, tc);
    return s;
}
