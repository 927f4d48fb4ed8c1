/* test_streams.c - streamed answers: whole in the result, as they come in the chunks, true in the
 * books, however they end. */
#include <check.h>
#include <signal.h>
#include <string.h>

#include "tests/support/facts.h"
#include "tests/support/reading.h"

#define THINKS "openai/gpt-oss-120b"

static const char *const quick[] = {"FLOTILLA_RETRY_DELAY_MS=1", "FLOTILLA_RETRY_PARK_MIN_MS=20"};

/* ---- good streams ---- */

static const char *const models[] = {FORM_A, FORM_B, THINKS};

START_TEST(streams_of_all_forms_are_whole_in_the_result_and_told_in_chunks)
{
    struct world *w = world_new(.simulator = true);
    struct money m;

    world_start_both(w, quick[0]);
    world_sim_faults(w, "{'match':'pieces','piece_bytes':7,'times':1}"); /* cuts characters */
    for (size_t i = 0; i < ARRAY_LEN(models); i++)
        reading_push(w, world_text(w, "j%zu", i), models[i]);
    reading_push(w, "pieces", FORM_A);
    world_wait_results(w, ARRAY_LEN(models) + 1, 10000);
    for (size_t i = 0; i < ARRAY_LEN(models); i++) {
        const char *id = world_text(w, "j%zu", i);
        json_t *doc = world_result(w, id)->doc;

        reading_check_whole(w, id, 1);
        ck_assert_str_eq(world_string_at(doc, "output.object"), "chat.completion");
        ck_assert_str_eq(world_string_at(doc, "output.model"), models[i]);
        ck_assert_int_gt(world_int_at(doc, "usage.completion_tokens"), 0);
        ck_assert_int_gt(world_int_at(doc, "cost_nanousd"), 0);
    }
    reading_check_whole(w, "pieces", 1);
    world_check_one_result_each(w, ARRAY_LEN(models) + 1);
    m = world_check_money(w);
    ck_assert_int_eq(m.confirmed_nanousd, m.billed_nanousd);
    ck_assert_int_eq(m.estimated_nanousd, 0);
    world_free(w);
}
END_TEST

/* 40 chunks, 40 ms apart, are longer than the total time-out of another call would be. */
START_TEST(chunks_come_while_the_answer_is_made_and_only_silence_ends_it)
{
    struct world *w = world_new(.simulator = true);

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':40,'answer_bytes':200}}");
    world_start_both(w, quick[0], "FLOTILLA_LIMITS_STREAM_IDLE_MS=1000");
    reading_push_more(w, "a", FORM_A, ",'timeout_ms':1000");
    WAIT_UNTIL(w, 5000, world_int(w, "XLEN fl:{0}:chunks:a") > 2);
    ck_assert_int_eq(world_int(w, "XLEN fl:{0}:results"), 0);
    world_wait_results(w, 1, 10000);
    ck_assert_int_gt(reading_check_whole(w, "a", 1).entries, 10);
    ck_assert_int_gt(facts_ms_of(world_result(w, "a")->doc, "started_at", "finished_at"), 1000);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(an_answer_that_is_no_stream_is_read_as_usual)
{
    struct world *w = world_new(.simulator = true);

    canned_answer(w, NULL, canned_chat);
    world_start_both(w, canned_provider(w));
    reading_push(w, "a", FORM_A);
    world_wait_results(w, 1, 10000);
    ck_assert_str_eq(world_result(w, "a")->status, "completed");
    ck_assert_uint_eq(json_array_size(facts_costs(w, "a")), 1);
    WAIT_UNTIL(w, 5000, !strcmp(reading_of(w, "a").end, "completed"));
    world_free(w);
}
END_TEST

/* 8 bytes of answer are 2 tokens, flagged; the chunks have CR LF and no [DONE]... but an end. */
START_TEST(a_stream_without_usage_is_estimated)
{
    struct world *w = world_new(.simulator = true);
    json_t *cost;

    world_hook_rules(w, "{'status':200,'times':-1,'headers':{'content-type':'text/event-stream'},"
                        "'body':'data: {\\'choices\\':[{\\'index\\':0,\\'delta\\':{\\'content\\':"
                        "\\'12345678\\'},\\'finish_reason\\':\\'stop\\'}]}\\r\\n\\r\\n"
                        "data: [DONE]\\r\\n\\r\\n'}");
    world_start_both(w, canned_provider(w));
    world_push(w, "{'id':'a','type':'inference','payload':{'task':'chat','body':{'model':'" FORM_A
                  "','stream':true,'stream_options':{'include_usage':true},'messages':[{'role':"
                  "'user','content':'Hi'}]}}}");
    world_wait_results(w, 1, 10000);
    reading_check_whole(w, "a", 1);
    cost = json_array_get(facts_costs(w, "a"), 0);
    ck_assert_uint_eq(json_array_size(canned_calls(w, "include_usage")), 1); /* asked for in vain */
    ck_assert(facts_flagged(cost, "estimated") && !facts_flagged(cost, "unconfirmed"));
    ck_assert_int_gt(world_int_at(cost, "prompt_tokens"), 0);
    ck_assert_int_eq(world_int_at(cost, "completion_tokens"), 2);
    ck_assert_int_gt(world_int_at(cost, "cost_nanousd"), 0);
    world_free(w);
}
END_TEST

/* ---- broken ones ---- */

/* What happens to the first call; the second is good. */
static const struct {
    const char *fault;
    bool text_came, may_be_paid;
} breaks[] = {
    {"'fixture':'cut_stream'", true, true},
    {"'fixture':'no_done'", true, true},
    {"'fixture':'mid_stream_error'", true, true},
    {"'close':'before'", false, true},
    {"'fixture':'throttled'", false, false},
    {"'fixture':'server_error'", false, false},
    {"'delay_ms':3000", false, true}, /* the first byte is late */
    {"'piece_ms':2500", true, true},  /* silence after the first chunk */
};

START_TEST(a_stream_that_breaks_starts_anew_and_readers_see_it)
{
    struct world *w = world_new(.simulator = true);
    size_t n = ARRAY_LEN(breaks);

    world_start_both(w, quick[0], quick[1], "FLOTILLA_RETRY_SERVER_WAIT_MAX_MS=10",
                     "FLOTILLA_LIMITS_STREAM_IDLE_MS=1000");
    for (size_t i = 0; i < n; i++) {
        world_sim_faults(w, "{%s,'match':'j%zu:','times':1}", breaks[i].fault, i);
        reading_push_more(w, world_text(w, "j%zu", i), _i ? FORM_B : FORM_A,
                          ",'timeout_ms':1500,'max_attempts':2");
    }
    world_wait_results(w, (int64_t)n, 15000);
    for (size_t i = 0; i < n; i++) {
        const char *id = world_text(w, "j%zu", i);
        json_t *costs = facts_costs(w, id);
        struct reading r = reading_check_whole(w, id, breaks[i].text_came ? 2 : 1);

        ck_assert_uint_eq(json_array_size(costs), 2);
        ck_assert_msg(facts_flagged(json_array_get(costs, 0), "unconfirmed") ==
                          breaks[i].may_be_paid,
                      "%s", breaks[i].fault);
        ck_assert_int_eq(r.ends, breaks[i].text_came ? 2 : 1); /* again, completed */
    }
    world_check_one_result_each(w, (int64_t)n);
    world_check_money(w);
    world_free(w);
}
END_TEST

START_TEST(a_stream_that_fails_without_a_word_goes_on_to_the_next_model)
{
    struct world *w = world_new(.simulator = true);

    world_sim_faults(w, "{'fixture':'mid_stream_error','model':'" FORM_A "','after_chunks':0}");
    world_start_both(w, quick[0]);
    world_push(w, "{'id':'a','type':'inference','max_attempts':1,'payload':{'task':'chat',"
                  "'fallbacks':['" FORM_B "'],'body':{'model':'" FORM_A "','stream':true,"
                  "'messages':[{'role':'user','content':'Hi'}]}}}");
    world_wait_results(w, 1, 10000);
    ck_assert_int_eq(reading_check_whole(w, "a", 1).ends, 1);
    ck_assert_str_eq(world_string_at(world_result(w, "a")->doc, "model"), FORM_B);
    world_check_one_result_each(w, 1);
    world_check_money(w);
    world_free(w);
}
END_TEST

static const char *const bill_aborted[] = {"--bill-aborted", NULL};

START_TEST(a_cancelled_stream_is_closed_and_its_loss_is_told)
{
    struct world *w = world_new(.simulator = true, .simulator_args = bill_aborted);
    json_t *costs;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':50,'answer_bytes':4000}}");
    world_start_both(w, "FLOTILLA_WORKERS_HEARTBEAT_MS=100");
    reading_push(w, "a", FORM_A);
    WAIT_UNTIL(w, 5000, world_int(w, "XLEN fl:{0}:chunks:a") > 0);
    ck_assert_int_eq(world_cli(w, "cancel", "a").exit_code, 0);
    world_wait_results(w, 1, 5000);
    ck_assert_str_eq(world_result(w, "a")->status, "cancelled");
    WAIT_UNTIL(w, 5000, json_array_size(world_sim_items(w)) == 1);
    ck_assert(json_is_true(json_object_get(json_array_get(world_sim_items(w), 0), "aborted")));
    costs = facts_costs(w, "a");
    ck_assert_uint_eq(json_array_size(costs), 1);
    ck_assert(facts_flagged(json_array_get(costs, 0), "unconfirmed"));
    ck_assert_int_gt(world_check_money(w).billed_nanousd, 0);
    WAIT_UNTIL(w, 5000, !strcmp(reading_of(w, "a").end, "cancelled"));
    world_free(w);
}
END_TEST

/* ---- the command ---- */

START_TEST(the_command_prints_the_text_as_it_comes)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;
    const char *text;
    size_t lines = 0;

    world_sim(w, "POST", "/_sim/models", "{'" FORM_A "':{'chunk_ms':10}}");
    world_start_both(w, quick[0]);
    world_sim_faults(w, "{'match':'a:','fixture':'cut_stream'}");
    reading_push(w, "a", FORM_A);
    cli = world_cli(w, "wait", "a", "--stream");
    ck_assert_int_eq(cli.exit_code, 0);
    text = world_string_at(world_result(w, "a")->doc, "output.choices.0.message.content");
    ck_assert_str_ne(text, "");
    ck_assert_ptr_nonnull(strstr(cli.out, world_text(w, "%s\n", text)));
    ck_assert_ptr_nonnull(strstr(cli.err, "starts again"));
    /* later there are the same chunks, and with --json as they are, with the result behind them */
    ck_assert_str_eq(world_cli(w, "wait", "a", "--stream").out, cli.out);
    cli = world_cli(w, "--json", "wait", "a", "--stream");
    for (const char *p = cli.out; (p = strchr(p, '\n')); p++)
        lines++;
    ck_assert_uint_gt(lines, 4);
    ck_assert_ptr_nonnull(strstr(cli.out, "\n{\"id\":\"a\""));
    /* half a character, of which the rest is in another chunk */
    world_redis(w, "XADD fl:{0}:chunks:a * run 1 data {\"choices\":[{\"text\":\"half\\ud83d\"}]}");
    cli = world_cli(w, "wait", "a", "--stream");
    ck_assert_ptr_nonnull(strstr(cli.out, "half\xef\xbf\xbd"));
    world_free(w);
}
END_TEST

START_TEST(the_command_ends_as_the_job_does)
{
    struct world *w = world_new(.simulator = true);
    struct cli cli;

    world_start_both(w, quick[0]);
    world_sim_faults(w, "{'match':'bad','status':400,'body':'no','times':-1}");
    cli = world_cli(w, "submit", "--wait", "--stream",
                    world_text(w,
                               "{\"type\":\"inference\",\"payload\":{\"task\":\"completion\","
                               "\"body\":{\"model\":\"%s\",\"stream\":true,\"prompt\":\"good\"}}}",
                               FORM_A));
    ck_assert_int_eq(cli.exit_code, 0);
    ck_assert_uint_gt(strlen(cli.out), 10);
    ck_assert_ptr_null(strstr(cli.out, "{\"id\""));
    cli = world_cli(w, "submit", "--stream",
                    "{\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"body\":"
                    "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\"bad\"}]}}}");
    ck_assert_int_eq(cli.exit_code, 3);
    ck_assert_str_eq(cli.out, "");
    ck_assert_ptr_nonnull(strstr(cli.err, ": failed: "));
    cli =
        world_cli(w, "submit", "--stream",
                  "{\"type\":\"inference\",\"payload\":{\"task\":\"chat\",\"prompt\":\"whole\"}}");
    ck_assert_int_eq(cli.exit_code, 0);
    ck_assert_uint_gt(strlen(cli.out), 10); /* no stream: the text at the end */
    ck_assert_ptr_null(strstr(cli.out, "{\"id\""));
    ck_assert_int_eq(world_cli(w, "wait", "nobody", "--stream").exit_code, 4);
    ck_assert_int_eq(world_cli(w, "wait", "a", "b", "--stream").exit_code, 2);
    world_free(w);
}
END_TEST

Suite *test_streams(void)
{
    Suite *s = suite_create("streams");
    TCase *tc = tcase_create("streams");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, streams_of_all_forms_are_whole_in_the_result_and_told_in_chunks);
    tcase_add_test(tc, chunks_come_while_the_answer_is_made_and_only_silence_ends_it);
    tcase_add_test(tc, an_answer_that_is_no_stream_is_read_as_usual);
    tcase_add_test(tc, a_stream_without_usage_is_estimated);
    tcase_add_loop_test(tc, a_stream_that_breaks_starts_anew_and_readers_see_it, 0, 2);
    tcase_add_test(tc, a_stream_that_fails_without_a_word_goes_on_to_the_next_model);
    tcase_add_test(tc, a_cancelled_stream_is_closed_and_its_loss_is_told);
    tcase_add_test(tc, the_command_prints_the_text_as_it_comes);
    tcase_add_test(tc, the_command_ends_as_the_job_does);
    suite_add_tcase(s, tc);
    return s;
}
