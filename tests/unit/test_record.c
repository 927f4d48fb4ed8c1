/* test_record.c - the header that Redis keeps and the scripts rewrite. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "common/core/random.h"
#include "common/queue/record.h"

static const struct {
    const char *field;
    int at, len;
} fields[] = {
#define HEX(field, at, len)  {#field, at, len},
#define TEXT(field, at, len) {#field, at, len},
#include "common/queue/record_fields.def"
};

static const struct record sample = {.version = RECORD_VERSION,
                                     .state = JOB_STATE_ACTIVE,
                                     .tnum = 3,
                                     .token = "7c41a22f00000003",
                                     .started_ms = 1790000000004,
                                     .run = 1,
                                     .attempts = 2,
                                     .parks = 10,
                                     .step = "call",
                                     .submitted_ms = 1790000000000,
                                     .type = JOB_INFERENCE,
                                     .queue = QUEUE_INFERENCE_STANDARD,
                                     .doc_bytes = 305,
                                     .digest = "00ff00ff00ff00ff"};
/* clang-format off */
static const char sample_text[] =
    "01" "a" "-" "000003" "7c41a22f00000003" "1a0c4506c04" "001" "002" "00" "000a" "call      "
    "00000000000" "00000000000" "1a0c4506c00" "00000000000" "i" "02" "0000131" "00ff00ff00ff00ff";
/* clang-format on */

START_TEST(fields_stand_in_order_and_without_gaps)
{
    int at = 0;

    for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
        ck_assert_msg(fields[i].at == at, "%s is at %d, not %d", fields[i].field, fields[i].at, at);
        at += fields[i].len;
    }
    ck_assert_int_eq(at, RECORD_HEADER);
    ck_assert_int_eq(sizeof sample_text - 1, RECORD_HEADER);
}
END_TEST

extern const char asset_common_queue_lua_prelude_lua[];

START_TEST(the_scripts_have_the_same_header)
{
    char line[40];

    snprintf(line, sizeof line, "\nlocal HEADER = %d\n", RECORD_HEADER);
    ck_assert_ptr_nonnull(strstr(asset_common_queue_lua_prelude_lua, line));
}
END_TEST

START_TEST(writes_every_field_at_its_place)
{
    char header[RECORD_HEADER + 1] = "";

    record_write(&sample, header);
    ck_assert_str_eq(header, sample_text);
}
END_TEST

START_TEST(reads_back_what_was_written)
{
    struct record r;

    ck_assert(record_read(sample_text, RECORD_HEADER, &r));
    ck_assert_int_eq(r.state, JOB_STATE_ACTIVE);
    ck_assert(!r.cancel_asked);
    ck_assert_uint_eq(r.tnum, 3);
    ck_assert_str_eq(r.token, "7c41a22f00000003");
    ck_assert_int_eq(r.started_ms, 1790000000004);
    ck_assert_int_eq(r.submitted_ms, 1790000000000);
    ck_assert_int_eq(r.run, 1);
    ck_assert_int_eq(r.attempts, 2);
    ck_assert_int_eq(r.parks, 10);
    ck_assert_str_eq(r.step, "call");
    ck_assert_int_eq(r.type, JOB_INFERENCE);
    ck_assert_int_eq(r.queue, QUEUE_INFERENCE_STANDARD);
    ck_assert_uint_eq(r.doc_bytes, 305);
    ck_assert_str_eq(r.digest, "00ff00ff00ff00ff");
}
END_TEST

static int64_t below(int64_t bound) { return random_below(bound); }

static struct record any_record(void)
{
    struct record r = {.version = RECORD_VERSION,
                       .state = (enum job_state)(1 + below(JOB_STATE_COUNT - 1)),
                       .cancel_asked = below(2),
                       .tnum = (uint32_t)below(1 << 24),
                       .started_ms = below(INT64_C(1) << 44),
                       .run = (int)below(1 << 12),
                       .attempts = (int)below(1 << 12),
                       .crashes = (int)below(1 << 8),
                       .parks = (int)below(1 << 16),
                       .parked_ms = below(INT64_C(1) << 44),
                       .due_ms = below(INT64_C(1) << 44),
                       .submitted_ms = below(INT64_C(1) << 44),
                       .expires_ms = below(INT64_C(1) << 44),
                       .type = (enum job_type_id)(1 + below(JOB_TYPE_COUNT - 1)),
                       .queue = (enum queue_id)(1 + below(QUEUE_COUNT)),
                       .doc_bytes = (size_t)below(1 << 28)};
    random_hex(r.token, 8);
    random_hex(r.digest, 8);
    snprintf(r.step, sizeof r.step, "%.*s", (int)below(RECORD_STEP + 1), "abcdefghij");
    return r;
}

START_TEST(a_record_that_nobody_holds_has_a_token_of_zeros)
{
    struct record r = sample, back;
    char header[RECORD_HEADER];

    r.token[0] = 0;
    record_write(&r, header);
    ck_assert(record_read(header, sizeof header, &back));
    ck_assert_str_eq(back.token, "0000000000000000");
}
END_TEST

START_TEST(any_record_survives_the_round_trip)
{
    for (int i = 0; i < 2000; i++) {
        struct record r = any_record(), back;
        char a[RECORD_HEADER], b[RECORD_HEADER];

        record_write(&r, a);
        ck_assert(record_read(a, sizeof a, &back));
        record_write(&back, b);
        ck_assert_mem_eq(a, b, RECORD_HEADER);
        ck_assert_str_eq(r.token, back.token);
        ck_assert_str_eq(r.step, back.step);
        ck_assert(r.due_ms == back.due_ms && r.expires_ms == back.expires_ms);
        ck_assert(r.parked_ms == back.parked_ms && r.started_ms == back.started_ms);
        ck_assert(r.doc_bytes == back.doc_bytes && r.tnum == back.tnum && r.run == back.run);
        ck_assert(r.attempts == back.attempts && r.crashes == back.crashes);
        ck_assert(r.state == back.state && r.type == back.type && r.queue == back.queue);
        ck_assert(r.parks == back.parks && r.cancel_asked == back.cancel_asked);
    }
}
END_TEST

START_TEST(a_number_that_does_not_fit_becomes_the_largest_that_does)
{
    struct record r = sample, back;
    char header[RECORD_HEADER];

    r.attempts = 5000;
    r.parks = -1;
    r.due_ms = INT64_MAX;
    record_write(&r, header);
    ck_assert(record_read(header, sizeof header, &back));
    ck_assert_int_eq(back.attempts, 0xfff);
    ck_assert_int_eq(back.parks, 0);
    ck_assert_int_eq(back.due_ms, INT64_C(0xfffffffffff));
    ck_assert_int_eq(back.run, 1);
}
END_TEST

static const struct {
    int at;
    char byte;
} damage[] = {
    {1, '0'},   {0, 'f'},   {1, '2'},   {2, '?'},          {2, 0},
    {3, 'x'},   {4, 'G'},   {9, 'A'},   {26, ' '},         {37, '-'},
    {45, 0},    {60, '\n'}, {103, '?'}, {103, 0},          {105, '0'},
    {105, '9'}, {104, '1'}, {112, 'g'}, {106, (char)0xff},
};

START_TEST(refuses_what_is_no_record_that_it_knows)
{
    char text[RECORD_HEADER];
    struct record r = {.tnum = 77};

    memcpy(text, sample_text, sizeof text);
    text[damage[_i].at] = damage[_i].byte;
    ck_assert_msg(!record_read(text, sizeof text, &r), "byte %d", damage[_i].at);
    ck_assert_uint_eq(r.tnum, 77);
}
END_TEST

START_TEST(only_a_refused_document_may_have_no_type_and_no_queue)
{
    struct record r = sample, back;
    char header[RECORD_HEADER];

    r.state = JOB_STATE_REJECTED;
    r.type = JOB_TYPE_NONE;
    r.queue = QUEUE_NONE;
    record_write(&r, header);
    ck_assert(record_read(header, sizeof header, &back));
    ck_assert_int_eq(back.type, JOB_TYPE_NONE);
    ck_assert_int_eq(back.queue, QUEUE_NONE);
    r.state = JOB_STATE_READY;
    record_write(&r, header);
    ck_assert(!record_read(header, sizeof header, &back));
}
END_TEST

START_TEST(refuses_every_length_under_a_header)
{
    struct record r;

    for (size_t n = 0; n < RECORD_HEADER; n++)
        ck_assert(!record_read(sample_text, n, &r));
}
END_TEST

START_TEST(document_and_tail_stand_behind_the_header)
{
    char text[RECORD_HEADER + 10];
    struct record r = sample;
    struct span doc, tail;

    r.doc_bytes = 6;
    record_write(&r, text);
    memcpy(text + RECORD_HEADER, "{\"a\"}tail", 10);
    doc = record_doc(&r, text, sizeof text);
    tail = record_tail(&r, text, sizeof text);
    ck_assert_uint_eq(doc.n, 6);
    ck_assert(doc.p == text + RECORD_HEADER);
    ck_assert_uint_eq(tail.n, 4);
    ck_assert(tail.p == doc.p + 6);
    ck_assert_ptr_null(record_tail(&r, text, RECORD_HEADER + 6).p);
    ck_assert_ptr_null(record_doc(&r, text, RECORD_HEADER + 5).p); /* cut off */
    ck_assert_ptr_null(record_tail(&r, text, RECORD_HEADER + 5).p);
    ck_assert_ptr_null(record_doc(&r, text, 7).p);
    ck_assert_ptr_null(record_tail(&r, text, 7).p);
    r.doc_bytes = 0;
    ck_assert_ptr_null(record_doc(&r, text, sizeof text).p);
    ck_assert_uint_eq(record_tail(&r, text, sizeof text).n, 10);
}
END_TEST

START_TEST(every_name_leads_back_to_its_row)
{
    for (enum job_type_id t = 1; t < JOB_TYPE_COUNT; t++)
        ck_assert_int_eq(job_type_of(job_type_name(t), strlen(job_type_name(t))), t);
    for (enum queue_id q = 1; q <= QUEUE_COUNT; q++)
        ck_assert_int_eq(queue_of(queue_name(q), strlen(queue_name(q))), q);
    ck_assert_int_eq(job_type_of("none", 4), JOB_TYPE_NONE);
    ck_assert_int_eq(job_type_of("", 0), JOB_TYPE_NONE);
    ck_assert_int_eq(queue_of("inference", 9), QUEUE_NONE);
    ck_assert_str_eq(job_type_name((enum job_type_id)99), "none");
    ck_assert_str_eq(queue_name(QUEUE_INFERENCE_BATCH), "inference.batch");
}
END_TEST

START_TEST(types_say_whether_they_are_public_built_and_call_a_provider)
{
    ck_assert_uint_eq(job_type_flags(JOB_INFERENCE), JOB_PUBLIC | JOB_CALLS);
    ck_assert_uint_eq(job_type_flags(JOB_NOOP), JOB_PUBLIC);
    ck_assert_uint_eq(job_type_flags(JOB_WEBHOOK), 0);
    ck_assert_uint_eq(job_type_flags(JOB_TYPE_NONE), 0);
}
END_TEST

START_TEST(a_ready_record_that_is_due_later_is_shown_as_delayed)
{
    struct record r = sample;

    r.due_ms = 1000;
    ck_assert_str_eq(record_state_name(&r, 0), "active");
    r.state = JOB_STATE_READY;
    ck_assert_str_eq(record_state_name(&r, 999), "delayed");
    ck_assert_str_eq(record_state_name(&r, 1000), "ready");
    ck_assert(!job_state_ended(JOB_STATE_WAITING));
    ck_assert(job_state_ended(JOB_STATE_REJECTED));
}
END_TEST

Suite *test_record(void);
Suite *test_record(void)
{
    Suite *s = suite_create("test_record");
    TCase *tc = tcase_create("record");

    tcase_add_test(tc, fields_stand_in_order_and_without_gaps);
    tcase_add_test(tc, the_scripts_have_the_same_header);
    tcase_add_test(tc, writes_every_field_at_its_place);
    tcase_add_test(tc, reads_back_what_was_written);
    tcase_add_test(tc, a_record_that_nobody_holds_has_a_token_of_zeros);
    tcase_add_test(tc, any_record_survives_the_round_trip);
    tcase_add_test(tc, a_number_that_does_not_fit_becomes_the_largest_that_does);
    tcase_add_loop_test(tc, refuses_what_is_no_record_that_it_knows, 0, (int)ARRAY_LEN(damage));
    tcase_add_test(tc, only_a_refused_document_may_have_no_type_and_no_queue);
    tcase_add_test(tc, refuses_every_length_under_a_header);
    tcase_add_test(tc, document_and_tail_stand_behind_the_header);
    tcase_add_test(tc, every_name_leads_back_to_its_row);
    tcase_add_test(tc, types_say_whether_they_are_public_built_and_call_a_provider);
    tcase_add_test(tc, a_ready_record_that_is_due_later_is_shown_as_delayed);
    suite_add_tcase(s, tc);
    return s;
}
