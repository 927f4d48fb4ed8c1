/* test_ids.c - what the same id means a second time: the same document, another one, a dead job's
 * next run. */
#include <check.h>
#include <string.h>

#include "tests/support/facts.h"

static const char one_process[] = "FLOTILLA_WORKERS_PROCESSES=1";

/* ---- ids ---- */

START_TEST(the_same_document_again_changes_nothing)
{
    struct world *w = world_new();

    world_start_both(w, one_process);
    facts_push_noop(w, "a", ",'delay_ms':400,'tenant':'t'");
    facts_push_text(w, "{ \"tenant\" : \"t\", \"type\":\"noop\",\"delay_ms\":400,\"payload\":{},"
                       "\"id\":\"a\" }");
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_results(w)->items[0].id, "a");
    facts_push_noop(w, "a", ",'delay_ms':400,'tenant':'t'");
    facts_push_noop(w, "last", "");
    world_wait_results(w, 2, 10000);
    ck_assert_str_eq(world_results(w)->items[1].id, "last");
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:alerts"), 0);
    world_check_one_result_each(w, 2);
    world_free(w);
}
END_TEST

static json_t *reply_of(struct world *w, const char *id)
{
    redisReply *r = world_redis(w, "BLPOP fl:{0}:reply:%s 4", id);

    if (r->type != REDIS_REPLY_ARRAY)
        world_fail(w, "no reply for %s", id);
    return world_json(w, r->element[1]->str);
}

START_TEST(a_reply_comes_once_and_again_for_the_same_document)
{
    struct world *w = world_new();
    json_t *reply;

    world_start_both(w, one_process);
    for (int i = 0; i < 3; i++) {
        facts_push_noop(w, "a", ",'reply':true");
        reply = reply_of(w, "a");
        ck_assert(json_equal(reply, world_result(w, "a")->doc));
        ck_assert_int_eq(world_int(w, "EXISTS fl:{0}:reply:a"), 0);
    }
    facts_push_noop(w, "unread", ",'reply':true");
    world_wait_results(w, 2, 10000);
    ck_assert_int_eq(world_int(w, "LLEN fl:{0}:reply:unread"), 1);
    ck_assert_int_gt(world_int(w, "PTTL fl:{0}:reply:unread"), 0);
    ck_assert_int_le(world_int(w, "PTTL fl:{0}:reply:unread"), 600000);
    facts_push_text(w, "{\"id\":\"bad\",\"type\":\"noop\",\"reply\":true}");
    ck_assert_str_eq(world_string_at(reply_of(w, "bad"), "status"), "rejected");
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

START_TEST(another_document_under_an_id_in_use_is_refused)
{
    struct world *w = world_new();
    const struct results *rs;

    world_start_both(w, one_process);
    facts_push_noop(w, "a", ",'delay_ms':500");
    facts_push_noop(w, "a", ",'delay_ms':501"); /* while it waits */
    world_wait_results(w, 2, 10000);
    facts_push_noop(w, "a", ",'tenant':'other','reply':true"); /* and when it has ended */
    ck_assert_str_eq(world_string_at(reply_of(w, "a"), "error.code"), "id_conflict");
    rs = world_wait_results(w, 3, 10000);
    for (size_t i = 0; i < rs->count; i++) {
        const struct result *r = &rs->items[i];

        if (strcmp(r->id, "a") == 0) {
            ck_assert_str_eq(r->status, "completed");
            continue;
        }
        ck_assert_ptr_nonnull(strchr(r->id, '~'));
        ck_assert_str_eq(r->status, "rejected");
        ck_assert_str_eq(world_string_at(r->doc, "submitted_id"), "a");
        ck_assert_str_eq(world_string_at(r->doc, "error.code"), "id_conflict");
    }
    ck_assert(world_has_alert(w, "id_conflict"));
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:alerts"), 1); /* not one for each */
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    world_check_one_result_each(w, 3);
    world_free(w);
}
END_TEST

START_TEST(after_the_record_expired_an_id_is_new)
{
    struct world *w = world_new();

    world_start_both(w, one_process, "FLOTILLA_RETENTION_IDS_MS=1000");
    facts_push_noop(w, "same", "");
    facts_push_noop(w, "other", "");
    world_wait_results(w, 2, 10000);
    WAIT_UNTIL(w, 10000, !facts_job(w, "same") && !facts_job(w, "other"));
    facts_push_noop(w, "same", "");
    facts_push_noop(w, "other", ",'tenant':'t'");
    world_wait_results(w, 4, 10000);
    ck_assert_str_eq(world_string_at(world_result(w, "other")->doc, "tenant"), "t");
    for (size_t i = 0; i < 4; i++)
        ck_assert_str_eq(world_results(w)->items[i].status, "completed");
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:alerts"), 0);
    world_free(w);
}
END_TEST

/* ---- the dead ---- */

START_TEST(dead_jobs_are_listed_and_replayed_as_their_next_run)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_sim_faults(w, "{'fixture':'bad_params','times':5}");
    world_start_both(w, one_process);
    for (int i = 0; i < 5; i++)
        facts_push_chat(w, world_text(w, "d-%d", i), ",'reply':true");
    world_wait_results(w, 5, 10000);
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 5);
    cli = world_cli(w, "jobs", "--state", "failed", "--json");
    for (int i = 0; i < 5; i++)
        ck_assert_ptr_nonnull(strstr(cli.out, world_text(w, "\"id\":\"d-%d\"", i)));
    facts_push_chat(w, "d-3", ",'reply':true"); /* the same document: the stored failure */
    ck_assert_str_eq(world_string_at(reply_of(w, "d-3"), "status"), "failed");

    facts_command(w, "retry", "d-1");
    world_wait_results(w, 6, 10000);
    ck_assert_str_eq(world_results(w)->items[5].id, "d-1");
    ck_assert_int_eq(world_results(w)->items[5].run, 2);
    ck_assert_str_eq(world_results(w)->items[5].status, "completed");
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 4);

    facts_command(w, "retry", "--dead");
    world_wait_results(w, 10, 10000);
    for (int i = 0; i < 5; i++) {
        const struct result *r = world_result(w, world_text(w, "d-%d", i));

        ck_assert_int_eq(r->run, 2);
        ck_assert_int_eq(world_int_at(r->doc, "attempts"), 1);
        ck_assert_str_eq(r->status, "completed");
    }
    ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), 0);
    ck_assert_int_eq(world_cli(w, "retry", "d-1").exit_code, 1); /* it is not dead */
    ck_assert_int_eq(world_cli(w, "retry", "no-such").exit_code, 4);
    world_check_one_result_each(w, 5);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_replay_that_fails_is_dead_again)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'fixture':'bad_params','times':2}");
    world_start_both(w, one_process);
    facts_push_chat(w, "a", world_text(w, ",'webhook':{'url':'%s'}", world_hook_url(w, "h")));
    world_wait_results(w, 1, 10000);
    for (int run = 2; run <= 3; run++) {
        facts_command(w, "retry", "a");
        world_wait_results(w, run, 10000);
        ck_assert_int_eq(world_result(w, "a")->run, run);
        ck_assert_str_eq(world_result(w, "a")->status, run < 3 ? "failed" : "completed");
        ck_assert_int_eq(world_int(w, "ZCARD fl:{0}:dead"), run < 3);
    }
    /* each run tells its own end, under its own webhook-id */
    WAIT_UNTIL(w, 10000, json_array_size(world_hooks(w)) == 3);
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < i; k++)
            ck_assert_str_ne(world_string_at(json_array_get(world_hooks(w), i), "id"),
                             world_string_at(json_array_get(world_hooks(w), k), "id"));
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

Suite *test_ids(void)
{
    Suite *s = suite_create("ids");
    TCase *tc = tcase_create("ids");

    tcase_add_test(tc, the_same_document_again_changes_nothing);
    tcase_add_test(tc, a_reply_comes_once_and_again_for_the_same_document);
    tcase_add_test(tc, another_document_under_an_id_in_use_is_refused);
    tcase_add_test(tc, after_the_record_expired_an_id_is_new);
    suite_add_tcase(s, tc);
    tc = tcase_create("dead");
    tcase_add_test(tc, dead_jobs_are_listed_and_replayed_as_their_next_run);
    tcase_add_test(tc, a_replay_that_fails_is_dead_again);
    suite_add_tcase(s, tc);
    return s;
}
