/* test_http_stream.c - answers in pieces: who takes them may stop, or choose by the head. */
#include <check.h>

#include "tests/unit/http_scene.h"

struct stream {
    struct shot shot, second;
    struct http_call *call;
    int pieces, stop_at; /* what the on_data does at its stop_at-th piece */
    enum { GO_ON, SAY_NO, CANCEL, SEND } act;
};

static bool take_piece(void *arg, const char *p, size_t n)
{
    struct stream *s = arg;
    struct http_request r = shot_request(&s->second, http_scene_url("/ok"));

    ck_assert(n > 0 && p[0] == 'd');
    if (++s->pieces != s->stop_at)
        return true;
    if (s->act == CANCEL)
        http_cancel(s->call);
    if (s->act == SEND)
        http_send(http.client, &r);
    return s->act != SAY_NO;
}

static void stream_done(void *arg, const struct http_reply *reply)
{
    shot_done(&((struct stream *)arg)->shot, reply);
}

START_TEST(a_stream_comes_in_pieces_and_can_be_stopped)
{
    struct stream s = {.act = _i, .stop_at = 2};
    struct http_request r = shot_request(&s.shot, http_scene_url("/drip"));
    bool stopped = s.act == SAY_NO || s.act == CANCEL;

    r.on_data = take_piece;
    r.on_done = stream_done;
    r.arg = &s;
    s.call = http_send(http.client, &r);
    shot_wait(http.loop, &s.shot);
    ck_assert_int_eq(s.shot.reply.outcome, stopped ? HTTP_CANCELLED : HTTP_ANSWERED);
    ck_assert_int_eq(s.shot.reply.status, 200);
    ck_assert_uint_eq(s.shot.body_n, 0);
    ck_assert(stopped ? s.pieces == 2 : s.pieces > 2);
    if (s.act == SEND)
        ck_assert_int_eq(s.second.reply.outcome, HTTP_ANSWERED);
}
END_TEST

struct choice {
    struct shot shot;
    bool streams;
    int heads, status;
    size_t pieces_n;
};

static bool choose(void *arg, const struct http_reply *head)
{
    struct choice *c = arg;

    c->heads++;
    c->status = head->status;
    ck_assert(head->headers.n > 0);
    return c->streams;
}

static bool count_piece(void *arg, const char *p, size_t n)
{
    ck_assert(p[0] == 'd');
    ((struct choice *)arg)->pieces_n += n;
    return true;
}

static void choice_done(void *arg, const struct http_reply *reply)
{
    shot_done(&((struct choice *)arg)->shot, reply);
}

/* The ten bytes of "/drip" are over the limit of one of the two ways. */
START_TEST(the_head_decides_whether_a_body_is_streamed_or_collected)
{
    struct choice c = {.streams = _i & 1};
    struct http_request r = shot_request(&c.shot, http_scene_url("/drip"));
    bool fits = _i < 2;

    r.max_answer_bytes = c.streams == fits ? 5 : 10;
    r.max_stream_bytes = c.streams == fits ? 10 : 5;
    r.on_head = choose;
    r.on_data = count_piece;
    r.on_done = choice_done;
    r.arg = &c;
    http_send(http.client, &r);
    shot_wait(http.loop, &c.shot);
    ck_assert_int_eq(c.shot.reply.outcome, fits ? HTTP_ANSWERED : HTTP_TOO_LARGE);
    ck_assert_int_eq(c.heads, 1);
    ck_assert_int_eq(c.status, 200);
    if (fits)
        ck_assert_uint_eq(c.shot.body_n, c.streams ? 0 : 10);
    ck_assert_uint_le(c.pieces_n, c.streams ? 10 : 0);
}
END_TEST

Suite *test_http_stream(void);
Suite *test_http_stream(void)
{
    Suite *s = suite_create("http_stream");
    TCase *tc = tcase_create("streams");

    tcase_add_checked_fixture(tc, http_scene_open, http_scene_close);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, the_head_decides_whether_a_body_is_streamed_or_collected, 0, 4);
    tcase_add_loop_test(tc, a_stream_comes_in_pieces_and_can_be_stopped, 0, 4);
    suite_add_tcase(s, tc);
    return s;
}
