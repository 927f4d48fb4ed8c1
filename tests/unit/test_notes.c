/* test_notes.c - a call is noted before it is made, and read by whoever recovers its worker. */
#include "common/queue/notes.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/scripts_scene.h"

#define SPAN(s) ((struct span){s, strlen(s)})

static const struct record held = {
    .tnum = 7, .token = "aaaaaaaa00000001", .run = 2, .attempts = 1, .type = JOB_INFERENCE};

static struct cost_event event_of(const char *job)
{
    return (struct cost_event){.job_id = job,
                               .attempt = 2,
                               .type = JOB_INFERENCE,
                               .tenant = SPAN("\"acme\""),
                               .tags = SPAN("{\"team\":\"search\"}"),
                               .provider = "other",
                               .model = SPAN("a/\"dear\" one"),
                               .requested_model = SPAN("auto"),
                               .cost = {.estimate_nanousd = 12345678901, .flags = COST_UNCONFIRMED},
                               .at_ms = 1790000000000};
}

static void add(const char *name, const char *doc)
{
    redis_sendv(scene_redis(), NULL, NULL, "HSET", "fl:{0}:calls:" W, name, doc, NULL);
}

struct got {
    bool done;
    struct notes notes;
};

static void on_all(void *arg, const struct reply *reply, const struct err *err)
{
    struct got *g = arg;

    ck_assert_ptr_null(err);
    notes_read(&g->notes, reply);
    g->done = true;
}

static struct notes read_all(void)
{
    struct got g = {0};

    redis_sendv(scene_redis(), on_all, &g, "HGETALL", "fl:{0}:calls:" W, NULL);
    scene_turn_until(&g.done);
    return g.notes;
}

static void check_same(const struct cost_event *got, struct cost_event *want)
{
    struct buf a = BUF(65536), b = BUF(65536);

    snprintf(want->event_id, sizeof want->event_id, "%s", got->event_id);
    cost_write(got, &a);
    cost_write(want, &b);
    ck_assert_str_eq(a.p, b.p);
    buf_done(&a);
    buf_done(&b);
}

START_TEST(what_was_noted_is_the_event_that_is_told)
{
    struct cost_event texts = event_of("order~1"), image = event_of("pic");
    const struct cost_event *got;
    struct buf doc = BUF(65536);
    struct notes n;

    note_write(&texts, &held, 3, &doc);
    add("order~1:aaaaaaaa00000001.9", doc.p);
    buf_clear(&doc);
    image.tenant = image.tags = image.requested_model = (struct span){NULL, 0};
    image.cost = (struct cost){.unit = "megapixels",
                               .units = 1049,
                               .estimate_nanousd = 5,
                               .flags = COST_UNCONFIRMED | COST_UNPRICED};
    note_write(&image, &held, 1, &doc);
    add("pic:aaaaaaaa00000001.10", doc.p);
    n = read_all();
    ck_assert_uint_eq(n.count, 2);
    ck_assert_uint_eq(notes_of_job(&n, "order", 1790000000000, &got), 0);
    ck_assert_uint_eq(notes_of_job(&n, "order~1", 1790000000000, &got), 1);
    ck_assert_str_eq(got->event_id, "order~1:2:2:7-aaaaaaaa00000001.03");
    ck_assert_str_eq(got->note, "order~1:aaaaaaaa00000001.9");
    check_same(got, &texts);
    ck_assert_uint_eq(notes_of_job(&n, "order~1", 0, &got), 0); /* each once */
    got = notes_rest(&n, 1790000000000);
    ck_assert_ptr_nonnull(got);
    check_same(got, &image);
    ck_assert_ptr_null(notes_rest(&n, 0));
    notes_done(&n);
    buf_done(&doc);
}
END_TEST

START_TEST(a_job_may_have_several_and_garbage_is_an_event_too)
{
    static const char *const bad[] = {"", "{", "[]", "{\"flags\":3,\"units\":{\"x\":-1}}"};
    struct cost_event e = event_of("a");
    const struct cost_event *got;
    struct buf doc = BUF(65536);
    struct notes n;

    note_write(&e, &held, 1, &doc);
    add("a:t.1", doc.p);
    buf_clear(&doc);
    note_write(&e, &held, 2, &doc);
    add("a:t.2", doc.p);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        add((const char *[]){"b:t.1", "c", ":", "d:"}[i], bad[i]);
    n = read_all();
    ck_assert_uint_eq(n.count, 6);
    ck_assert_uint_eq(notes_of_job(&n, "a", 0, &got), 2);
    ck_assert_str_ne(got[0].event_id, got[1].event_id);
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        got = notes_rest(&n, 0);
        ck_assert_ptr_nonnull(got);
        ck_assert_int_eq(got->type, JOB_INFERENCE);
        ck_assert_uint_eq(got->cost.flags, COST_UNCONFIRMED | COST_UNPRICED);
        ck_assert_ptr_nonnull(strstr(got->event_id, ":1:1:0-0.0"));
    }
    notes_done(&n);
    buf_done(&doc);
}
END_TEST

START_TEST(without_any_there_is_nothing_to_tell)
{
    const struct cost_event *got;
    struct notes n;

    notes_read(&n, NULL);
    ck_assert_uint_eq(notes_of_job(&n, "a", 0, &got), 0);
    ck_assert_ptr_null(got);
    ck_assert_ptr_null(notes_rest(&n, 0));
    notes_done(&n);
}
END_TEST

Suite *test_notes(void);
Suite *test_notes(void)
{
    Suite *s = suite_create("notes");
    TCase *tc = tcase_create("notes");

    tcase_set_timeout(tc, 20);
    tcase_add_checked_fixture(tc, scene_open, scene_close);
    tcase_add_test(tc, what_was_noted_is_the_event_that_is_told);
    tcase_add_test(tc, a_job_may_have_several_and_garbage_is_an_event_too);
    tcase_add_test(tc, without_any_there_is_nothing_to_tell);
    suite_add_tcase(s, tc);
    return s;
}
