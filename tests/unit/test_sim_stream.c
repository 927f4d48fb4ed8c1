/* test_sim_stream.c - the simulator's streams, and what goes wrong on purpose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/sim_scene.h"

/* ---- streams ---- */

/* All data lines of the last answer: texts joined, chunks counted, finish and usage noted. */
struct heard {
    struct buf text;
    int chunks, empty_choices;
    bool finish, done, finish_with_usage;
    int64_t completion_tokens;
};

static void hear(struct heard *h, struct span line)
{
    struct span usage = json_at(line, "usage"), finish = json_at(line, "choices.0.finish_reason");

    ck_assert_msg(json_valid(line.p, line.n), "%.*s", (int)line.n, line.p);
    h->chunks++;
    h->empty_choices += json_at(line, "choices").n == 2;
    h->finish |= !json_absent(finish);
    h->finish_with_usage |= !json_absent(finish) && !json_absent(usage);
    if (!json_absent(usage))
        h->completion_tokens = number_at(usage, "completion_tokens");
    if (json_at(line, "choices.0.delta.content").n)
        ck_assert(json_read_string(json_at(line, "choices.0.delta.content"), &h->text));
}

static void hear_all(struct heard *h)
{
    const char *p = call.reply.body.p;

    *h = (struct heard){.text = BUF(100000)};
    for (size_t i = 0; i < call.reply.pieces; i++) {
        const char *end = call.reply.body.p + call.reply.ends[i];
        ck_assert(!memcmp(p, "data: ", 6) && !memcmp(end - 2, "\n\n", 2));
        if (!memcmp(p + 6, "[DONE]", 6))
            h->done = true;
        else
            hear(h, (struct span){p + 6, (size_t)(end - 2 - p - 6)});
        p = end;
    }
}

static const char *const stream_models[] = {BIG, OSS, LLAMA};

/* Ask the same, whole and streamed. */
static int64_t ask_twice(const char *model, char *whole, size_t size, struct heard *h)
{
    char body[512];
    int64_t tokens;

    snprintf(body, sizeof(body), "{%s," HI "}", model);
    ck_assert(
        json_read_text(json_at(sim_post(CHAT, body), "choices.0.message.content"), whole, size));
    tokens = number_at(buf_span(&call.reply.body), "usage.completion_tokens");
    snprintf(body, sizeof(body), "{%s,\"stream\":true," HI "}", model);
    sim_post(CHAT, body);
    hear_all(h);
    return tokens;
}

START_TEST(a_stream_says_what_a_whole_answer_says)
{
    struct heard h;
    char whole[256];
    int64_t tokens = ask_twice(stream_models[_i], whole, sizeof(whole), &h);
    bool form_b = _i == 2;

    ck_assert_str_eq(h.text.p, whole);
    ck_assert_int_eq(h.completion_tokens, tokens);
    ck_assert(call.reply.chunked && h.finish && h.done);
    ck_assert(h.empty_choices == !form_b && h.finish_with_usage == form_b);
    ck_assert_int_eq(sim.ledger.items[0].billed_nanousd, sim.ledger.items[1].billed_nanousd);
    buf_done(&h.text);
}
END_TEST

static void fault(const char *doc)
{
    struct err err = {0};

    ck_assert_msg(sim_faults_add_text(&sim.faults, (struct span){doc, strlen(doc)}, &err), "%s",
                  err.msg);
}

START_TEST(an_error_in_the_middle_of_a_stream_is_not_billed)
{
    fault("{\"fixture\":\"mid_stream_error\"}");
    sim_post(CHAT, "{" BIG ",\"stream\":true," HI "}");
    ck_assert_uint_eq(call.reply.pieces, 3);
    ck_assert_ptr_nonnull(strstr(call.reply.body.p + call.reply.ends[1], "\"error\""));
    ck_assert_int_eq(sim.ledger.items[0].status, 200);
    ck_assert_int_eq(sim.ledger.items[0].billed_nanousd, 0);
    ck_assert(sim.ledger.items[0].aborted);
}
END_TEST

START_TEST(what_the_client_left_is_billed_only_when_asked)
{
    sim.bill_aborted = _i == 1;
    sim_post(CHAT, "{" BIG "," HI "}");
    call.item = sim_ledger_open(&sim.ledger, "/chat/completions");
    sim_call_end(&call, false);
    ck_assert(sim.ledger.items[1].aborted);
    ck_assert_int_eq(sim.ledger.items[1].billed_nanousd > 0, _i == 1);
}
END_TEST

START_TEST(a_fault_bends_the_answer_it_meets)
{
    fault("{\"delay_ms\":40,\"close\":\"middle\",\"headers\":{\"x-a\":\"b\"},\"piece_bytes\":100}");
    sim_post(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    ck_assert_int_eq(call.reply.delay_ms, 40);
    ck_assert_int_eq(call.reply.close, SIM_CLOSE_MIDDLE);
    ck_assert_str_eq(call.reply.head.p, "x-a: b\r\n");
    ck_assert_uint_gt(call.reply.pieces, 4);
    ck_assert_uint_eq(call.reply.ends[0], 100);
    ck_assert_uint_eq(call.reply.ends[call.reply.pieces - 1], call.reply.body.n);
}
END_TEST

START_TEST(above_the_rate_it_says_429_and_when_to_come_back)
{
    struct sim_model *m = sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15});

    m->rate = (struct sim_rate){.on = true, .start_per_s = 1};
    sim_post(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    check_text_at(sim_post(CHAT, "{" BIG "," HI "}"), "error.type", "dynamic_request_limited");
    ck_assert_int_eq(call.reply.status, 429);
    ck_assert_ptr_nonnull(strstr(call.reply.head.p, "x-ratelimit-reset: "));
}
END_TEST

START_TEST(above_the_capacity_it_says_503)
{
    struct sim_model *m = sim_model_find(&sim.models, (struct span){"Qwen/Qwen3.5-9B", 15});

    m->capacity = 2;
    m->in_flight = 2;
    sim_post(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 503);
    m->in_flight = 1;
    sim_post(CHAT, "{" BIG "," HI "}");
    ck_assert_int_eq(call.reply.status, 200);
    ck_assert_int_eq(m->in_flight, 1);
}
END_TEST

START_TEST(an_item_of_before_a_reset_is_not_counted_after_it)
{
    struct sim_ledger_ref ref = sim_ledger_open(&sim.ledger, "/chat/completions");
    struct sim_ledger_item item = {.status = 200, .billed_nanousd = 5};
    struct err err = {0};

    ck_assert(sim_reset(&sim, &err));
    sim_ledger_close(&sim.ledger, &ref, &item);
    ck_assert_int_eq(sim.ledger.billed_nanousd, 0);
    ck_assert_int_eq(sim.ledger.in_flight, 0);
}
END_TEST

Suite *test_sim_stream(void);
Suite *test_sim_stream(void)
{
    Suite *s = suite_create("test_sim_stream");
    TCase *tc = tcase_create("stream");

    tcase_add_checked_fixture(tc, sim_scene_open, sim_scene_close);
    tcase_add_loop_test(tc, a_stream_says_what_a_whole_answer_says, 0,
                        (int)ARRAY_LEN(stream_models));
    tcase_add_test(tc, an_error_in_the_middle_of_a_stream_is_not_billed);
    tcase_add_loop_test(tc, what_the_client_left_is_billed_only_when_asked, 0, 2);
    tcase_add_test(tc, a_fault_bends_the_answer_it_meets);
    tcase_add_test(tc, above_the_rate_it_says_429_and_when_to_come_back);
    tcase_add_test(tc, above_the_capacity_it_says_503);
    tcase_add_test(tc, an_item_of_before_a_reset_is_not_counted_after_it);
    suite_add_tcase(s, tc);
    return s;
}
