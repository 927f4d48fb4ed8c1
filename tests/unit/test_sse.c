#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "worker/together/sse.h"

#define EURO "\xe2\x82\xac"

/* What the reader passed on, each event in brackets, behind its name. */
struct cost_report {
    struct buf text;
    int stop_after; /* events; 0: never */
    int count;
};

static bool on_event(void *arg, struct span name, struct span data)
{
    struct cost_report *t = arg;

    buf_add_span(&t->text, name);
    buf_putc(&t->text, '[');
    buf_add_span(&t->text, data);
    buf_putc(&t->text, ']');
    return ++t->count != t->stop_after;
}

static const struct {
    const char *bytes, *told;
} streams[] = {
    {"data: a\n\n", "[a]"},
    {"data: a\n\ndata: b\n\n", "[a][b]"},
    {"data:a\r\n\r\ndata:  b\r\rdata: c\n\n", "[a][ b][c]"},
    {"\xef\xbb\xbf"
     "data: a\n\n",
     "[a]"},
    {"data: " EURO "\xf0\x9f\x98\x80\n\n", "[" EURO "\xf0\x9f\x98\x80]"},
    {"data: a\ndata: b\ndata\ndata:\n\n", "[a\nb\n\n]"},
    {"data: a\r\ndata: b\r\n\r\n", "[a\nb]"},
    {": comment\n\ndata: a\nid: 7\nevent: x\nretry: 9\n\n", "x[a]"},
    {"event: x\n\ndata: a\n\n", "[a]"}, /* the name of an event without data is forgotten */
    {"event:error\ndata: a\n\ndata: b\n\n", "error[a][b]"},
    {"error: {\"a\":1}\n\n", "error[{\"a\":1}]"},
    {"error: busy", "error[busy]"},
    {"events: x\ndata: a\n\n", "[a]"},
    {"event: a name of an event that is longer than any\ndata: a\n\n",
     "a name of an event that is long[a]"},
    {"dat: a\n\ndatas: b\n\n data: c\n\n", ""},
    {"\n\n\ndata: a\n\n\n\n", "[a]"},
    {"data\n\n", "[]"},
    {"", ""},
    /* without a blank line at the end */
    {"data: a\n\ndata: {\"b\":1}", "[a][{\"b\":1}]"},
    {"data: a\n\ndata: {\"b\":1}\n", "[a][{\"b\":1}]"},
    {"data: [DONE]", "[[DONE]]"},
    {"data: a\n\ndata: {\"b\":", "[a]"},
    {"data: a\n\ndata: [DON", "[a]"},
    {"data: 12", ""},
};

static void finish(struct sse *s, struct cost_report *t, const char *expected, size_t cut)
{
    sse_end(s);
    buf_putc(&t->text, 0);
    ck_assert_msg(!strcmp(t->text.p, expected), "cut at %zu: %s", cut, t->text.p);
    buf_done(&t->text);
    sse_done(s);
}

START_TEST(tells_the_same_events_wherever_the_bytes_are_cut)
{
    const char *bytes = streams[_i].bytes;
    size_t n = strlen(bytes);

    for (size_t cut = 0; cut <= n; cut++) {
        struct cost_report t = {.text = BUF(1000)};
        struct sse s;

        sse_init(&s, 100, on_event, &t);
        ck_assert(sse_feed(&s, bytes, cut));
        ck_assert(sse_feed(&s, bytes + cut, n - cut));
        finish(&s, &t, streams[_i].told, cut);
    }
}
END_TEST

START_TEST(tells_the_same_events_byte_by_byte)
{
    const char *bytes = streams[_i].bytes;
    struct cost_report t = {.text = BUF(1000)};
    struct sse s;

    sse_init(&s, 100, on_event, &t);
    for (size_t i = 0; i < strlen(bytes); i++)
        ck_assert(sse_feed(&s, bytes + i, 1));
    finish(&s, &t, streams[_i].told, 1);
}
END_TEST

START_TEST(stops_when_it_is_told_to)
{
    struct cost_report t = {.text = BUF(1000), .stop_after = 2};
    struct sse s;

    sse_init(&s, 100, on_event, &t);
    ck_assert(!sse_feed(&s, "data: a\n\ndata: b\n\ndata: c\n\n", 27));
    ck_assert(!s.too_large);
    ck_assert(!sse_feed(&s, "data: d\n\n", 9));
    finish(&s, &t, "[a][b]", 0);
}
END_TEST

/* The cap is 10: of a line with its field name, and of the data of an event. */
static const struct {
    const char *first, *second;
    bool too_large;
} caps[] = {
    {"data: 1234\n", "\n", false},       /* a line of 10 */
    {"data: 1234", "5\n", true},         /* of 11, in two pieces */
    {"data: 12345", "", true},           /* of 11, without an end yet */
    {"data: 1234567890\n", "\n", false}, /* whole at once: only its data counts, 10 */
    {"data: 12345678901\n", "\n", true},
    {"data: 1234\ndata: 5678", "\n\n", false},
    {"data: 1234\ndata: 1234\ndata: 1\n", "\n", true}, /* 4 + 1 + 4 + 1 + 1 */
};

START_TEST(an_event_has_a_cap)
{
    struct cost_report t = {.text = BUF(1000)};
    struct sse s;
    bool ok;

    sse_init(&s, 10, on_event, &t);
    ok = sse_feed(&s, caps[_i].first, strlen(caps[_i].first)) &&
         sse_feed(&s, caps[_i].second, strlen(caps[_i].second));
    ck_assert_msg(ok == !caps[_i].too_large, "row %d", _i);
    ck_assert(s.too_large == caps[_i].too_large);
    ck_assert_int_eq(t.count, !caps[_i].too_large);
    buf_done(&t.text);
    sse_done(&s);
}
END_TEST

Suite *test_sse(void);
Suite *test_sse(void)
{
    Suite *s = suite_create("test_sse");
    TCase *tc = tcase_create("sse");

    tcase_add_loop_test(tc, tells_the_same_events_wherever_the_bytes_are_cut, 0,
                        (int)ARRAY_LEN(streams));
    tcase_add_loop_test(tc, tells_the_same_events_byte_by_byte, 0, (int)ARRAY_LEN(streams));
    tcase_add_test(tc, stops_when_it_is_told_to);
    tcase_add_loop_test(tc, an_event_has_a_cap, 0, (int)ARRAY_LEN(caps));
    suite_add_tcase(s, tc);
    return s;
}
