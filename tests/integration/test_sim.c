/* test_sim.c - the simulator on real sockets: what only bytes and time can show. */
#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/core/buf.h"
#include "tests/support/world.h"

#define BODY \
    "{\"model\":\"Qwen/Qwen3.5-9B\",\"messages\":[{\"role\":\"user\",\"content\":\"Hi there\"}]}"
#define STREAM                                                                         \
    "{\"stream\":true,\"model\":\"Qwen/Qwen3.5-9B\",\"messages\":[{\"role\":\"user\"," \
    "\"content\":\"Hi there\"}]}"
#define PATIENCE_MS 10000

/* ---- a client that sees every byte ---- */

static int dial(const struct world *w)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    to.sin_port = htons((uint16_t)strtol(strrchr(w->sim_url, ':') + 1, NULL, 10));
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

static void put(int fd, const char *text, size_t n)
{
    while (n) {
        ssize_t done = send(fd, text, n, MSG_NOSIGNAL);
        ck_assert_int_gt(done, 0);
        text += done;
        n -= (size_t)done;
    }
}

static void post(int fd, const char *body)
{
    char head[256];
    int n = snprintf(head, sizeof(head),
                     "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n",
                     strlen(body));

    put(fd, head, (size_t)n);
    put(fd, body, strlen(body));
}

/* One read into b; false at the end of the connection. */
static bool get_more(int fd, struct buf *b)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char *at = buf_reserve(b, 65536);
    ssize_t n;

    ck_assert_msg(poll(&p, 1, patience_ms(PATIENCE_MS)) == 1, "nothing came after: %s",
                  b->p ? b->p : "");
    n = recv(fd, at, 65535, 0);
    if (n <= 0)
        return false;
    b->n += (size_t)n;
    b->p[b->n] = '\0';
    return true;
}

/* Where the first answer in b ends; 0 while it is not whole. */
static size_t answer_end(const struct buf *b)
{
    const char *end = b->p ? strstr(b->p, "\r\n\r\n") : NULL, *length, *last;

    if (!end)
        return 0;
    length = strstr(b->p, "Content-Length: ");
    if (length && length < end) {
        size_t total = (size_t)(end + 4 - b->p) + strtoul(length + 16, NULL, 10);
        return total <= b->n ? total : 0;
    }
    last = strstr(end, "\r\n0\r\n\r\n");
    return last ? (size_t)(last + 7 - b->p) : 0;
}

/* Read one whole answer; false when the connection ends before. */
static bool get_answer(int fd, struct buf *b)
{
    buf_clear(b);
    while (!answer_end(b))
        if (!get_more(fd, b))
            return false;
    return true;
}

static bool ends(int fd)
{
    struct buf b = BUF(100000);
    bool more = get_more(fd, &b);

    buf_done(&b);
    return !more;
}

static int64_t requests(struct world *w) { return world_int_at(world_sim_ledger(w), "requests"); }

static json_t *item(struct world *w, size_t i) { return json_array_get(world_sim_items(w), i); }

/* ---- requests ---- */

START_TEST(requests_sent_ahead_are_answered_in_order)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w), found = 0;

    post(fd, BODY);
    post(fd, "{}");
    post(fd, BODY);
    while (found < 3) {
        size_t end = answer_end(&b);
        if (!end) {
            ck_assert(get_more(fd, &b));
            continue;
        }
        ck_assert(!strncmp(b.p, found == 1 ? "HTTP/1.1 400" : "HTTP/1.1 200", 12));
        memmove(b.p, b.p + end, b.n - end + 1);
        b.n -= end;
        found++;
    }
    ck_assert_uint_eq(b.n, 0);
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

START_TEST(a_chunked_request_after_100_continue_is_understood)
{
    static const char head[] = "POST /chat/completions HTTP/1.1\r\nHost: x\r\n"
                               "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    char chunk[32];
    int fd = dial(w);

    put(fd, head, strlen(head));
    ck_assert(get_more(fd, &b));
    ck_assert_str_eq(b.p, "HTTP/1.1 100 Continue\r\n\r\n");
    for (const char *p = BODY; *p; p++) {
        snprintf(chunk, sizeof(chunk), "1\r\n%c\r\n", *p);
        put(fd, chunk, 6);
    }
    put(fd, "0\r\n\r\n", 5);
    ck_assert(get_answer(fd, &b));
    ck_assert(!strncmp(b.p, "HTTP/1.1 200", 12));
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

static const struct {
    const char *text, *status;
} bad[] = {
    {"nonsense\r\n\r\n", "HTTP/1.1 400"},
    {"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400"},
    {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 67108865\r\n\r\n", "HTTP/1.1 413"},
};

START_TEST(what_is_not_http_is_refused_and_the_connection_closed)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w);

    put(fd, bad[_i].text, strlen(bad[_i].text));
    ck_assert(get_answer(fd, &b));
    ck_assert(!strncmp(b.p, bad[_i].status, 12));
    ck_assert(ends(fd));
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

/* ---- cuts ---- */

static const struct {
    const char *body, *close;
    bool any, whole;
} cuts[] = {
    {BODY, "before", false, false},  {BODY, "middle", true, false},
    {BODY, "after", true, true},     {STREAM, "before", false, false},
    {STREAM, "middle", true, false}, {STREAM, "after", true, true},
};

START_TEST(a_cut_comes_where_it_was_asked_for_and_only_whole_answers_are_billed)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w);
    json_t *row;

    world_sim_faults(w, "{'close':'%s'}", cuts[_i].close);
    post(fd, cuts[_i].body);
    ck_assert_int_eq(get_answer(fd, &b), cuts[_i].whole);
    ck_assert_int_eq(b.n > 0, cuts[_i].any);
    if (cuts[_i].whole) {
        ck_assert_ptr_null(strstr(b.p, "Connection: close"));
        ck_assert(ends(fd));
    }
    row = item(w, 0);
    ck_assert_int_eq(world_int_at(row, "billed_nanousd") > 0, cuts[_i].whole);
    ck_assert_int_eq(json_is_true(world_at(row, "aborted")), !cuts[_i].whole);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "in_flight"), 0);
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

START_TEST(a_cut_stream_has_chunks_but_no_end)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w), chunks = 0;

    world_sim_faults(w, "{'fixture':'cut_stream'}");
    post(fd, STREAM);
    ck_assert(!get_answer(fd, &b));
    for (const char *p = b.p; (p = strstr(p, "data: ")); p++)
        chunks++;
    ck_assert_int_eq(chunks, 3);
    ck_assert_ptr_null(strstr(b.p, "[DONE]"));
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

/* ---- clients that go ---- */

static const char *const sparing[] = {NULL}, *const strict[] = {"--bill-aborted", NULL};

START_TEST(a_client_that_leaves_while_it_waits_is_billed_only_with_bill_aborted)
{
    struct world *w = world_new(.simulator = true, .simulator_args = _i ? strict : sparing);
    int fd = dial(w);

    world_sim_latency(w, 60000);
    post(fd, BODY);
    WAIT_UNTIL(w, PATIENCE_MS, requests(w) == 1);
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "in_flight"), 1);
    close(fd);
    WAIT_UNTIL(w, PATIENCE_MS, world_int_at(world_sim_ledger(w), "in_flight") == 0);
    ck_assert(json_is_true(world_at(item(w, 0), "aborted")));
    ck_assert_int_eq(world_int_at(item(w, 0), "billed_nanousd") > 0, _i);
    world_free(w);
}
END_TEST

/* ---- time ---- */

START_TEST(an_answer_takes_the_latency_of_its_model)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w);
    int64_t began;

    world_sim(w, "POST", "/_sim/latency", "{'model':'Qwen/Qwen3.5-9B','ms':150}");
    began = now_ms();
    post(fd, BODY);
    ck_assert(get_answer(fd, &b));
    ck_assert_int_ge(now_ms() - began, 149);
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

START_TEST(a_dripping_answer_comes_in_many_reads_and_is_whole)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fd = dial(w), reads = 0;

    world_sim_faults(w, "{'piece_bytes':64,'piece_ms':5}");
    post(fd, BODY);
    while (!answer_end(&b)) {
        ck_assert(get_more(fd, &b));
        reads++;
    }
    ck_assert_int_ge(reads, 4);
    ck_assert_ptr_nonnull(strstr(b.p, "\"total_tokens\""));
    close(fd);
    buf_done(&b);
    world_free(w);
}
END_TEST

START_TEST(five_hundred_connections_wait_at_the_same_time)
{
    struct world *w = world_new(.simulator = true);
    struct buf b = BUF(1000000);
    int fds[500];

    world_sim_latency(w, 300);
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        fds[i] = dial(w);
        post(fds[i], BODY);
    }
    for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
        ck_assert(get_answer(fds[i], &b));
        close(fds[i]);
    }
    ck_assert_int_eq(requests(w), ARRAY_LEN(fds));
    ck_assert_int_eq(world_int_at(world_sim_ledger(w), "billed_nanousd"),
                     world_int_at(item(w, 0), "billed_nanousd") * (int64_t)ARRAY_LEN(fds));
    buf_done(&b);
    world_free(w);
}
END_TEST

/* ---- webhooks, reset, end ---- */

START_TEST(the_receiver_of_webhooks_answers_as_told_and_keeps_what_came)
{
    struct world *w = world_new(.simulator = true);
    const char *url = world_text(w, "%s/_sim/hook/a", w->sim_url);
    struct web_answer first, second;
    json_t *hooks;

    world_sim(w, "POST", "/_sim/hooks", "{'status':503,'headers':{'Retry-After':'1'}}");
    first = web_request("POST", url, "{\"n\":1}", "webhook-id: msg_1");
    second = web_request("POST", url, "{\"n\":2}", "webhook-id: msg_1");
    ck_assert_int_eq(first.status, 503);
    ck_assert_int_eq(second.status, 200);
    hooks = world_sim(w, "GET", "/_sim/hooks", NULL);
    ck_assert_int_eq(world_int_at(hooks, "count"), 2);
    ck_assert_str_eq(world_string_at(hooks, "hooks.0.id"), "msg_1");
    ck_assert_int_eq(world_int_at(hooks, "hooks.0.status"), 503);
    ck_assert_str_eq(world_string_at(hooks, "hooks.1.body"), "{\"n\":2}");
    web_answer_done(&first);
    web_answer_done(&second);
    ck_assert_int_eq(requests(w), 0); /* not the provider's business */
    world_sim_reset(w);               /* these are no documents to collect */
    world_free(w);
}
END_TEST

START_TEST(a_script_holds_from_the_start_and_after_a_reset)
{
    static const char text[] = "{\"models\":{\"*\":{\"answer\":\"scripted\"}},"
                               "\"faults\":[{\"status\":503}]}";
    const char *const args[] = {"--script", "script.json", NULL};
    struct world *w = world_new();
    struct buf b = BUF(1000000);
    int fd;

    world_file(w, "script.json", text);
    world_start_simulator(w, args);
    for (int i = 0; i < 2; i++) {
        fd = dial(w);
        post(fd, BODY);
        ck_assert(get_answer(fd, &b));
        ck_assert(!strncmp(b.p, "HTTP/1.1 503", 12));
        post(fd, BODY);
        ck_assert(get_answer(fd, &b));
        ck_assert_ptr_nonnull(strstr(b.p, "\"scripted\""));
        close(fd);
        world_sim_reset(w);
    }
    buf_done(&b);
    world_free(w);
}
END_TEST

START_TEST(term_ends_it_with_0_even_while_clients_wait)
{
    struct world *w = world_new(.simulator = true);
    int fd = dial(w);

    world_sim_latency(w, 60000);
    post(fd, BODY);
    WAIT_UNTIL(w, PATIENCE_MS, requests(w) == 1);
    ck_assert_int_eq(program_stop(w->sim, 5000), 0);
    ck_assert(ends(fd));
    close(fd);
    world_free(w);
}
END_TEST

Suite *test_sim(void);
Suite *test_sim(void)
{
    Suite *s = suite_create("test_sim");
    TCase *tc = tcase_create("sim");

    tcase_set_timeout(tc, 30);
    tcase_add_test(tc, requests_sent_ahead_are_answered_in_order);
    tcase_add_test(tc, a_chunked_request_after_100_continue_is_understood);
    tcase_add_loop_test(tc, what_is_not_http_is_refused_and_the_connection_closed, 0,
                        (int)ARRAY_LEN(bad));
    tcase_add_loop_test(tc, a_cut_comes_where_it_was_asked_for_and_only_whole_answers_are_billed, 0,
                        (int)ARRAY_LEN(cuts));
    tcase_add_test(tc, a_cut_stream_has_chunks_but_no_end);
    tcase_add_loop_test(tc, a_client_that_leaves_while_it_waits_is_billed_only_with_bill_aborted, 0,
                        2);
    tcase_add_test(tc, an_answer_takes_the_latency_of_its_model);
    tcase_add_test(tc, a_dripping_answer_comes_in_many_reads_and_is_whole);
    tcase_add_test(tc, five_hundred_connections_wait_at_the_same_time);
    tcase_add_test(tc, the_receiver_of_webhooks_answers_as_told_and_keeps_what_came);
    tcase_add_test(tc, a_script_holds_from_the_start_and_after_a_reset);
    tcase_add_test(tc, term_ends_it_with_0_even_while_clients_wait);
    suite_add_tcase(s, tc);
    return s;
}
