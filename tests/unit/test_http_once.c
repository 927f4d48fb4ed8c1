/* test_http_once.c - no request arrives twice, over plain HTTP and TLS.
 *
 * The server counts every body that arrived whole; these counts, not the
 * client's own, are what is compared.
 */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/io/http_client.h"
#include "common/io/loop.h"
#include "tests/support/certificate.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/http_shot.h"

static struct fake_http server;
static struct loop *loop;
static struct http_client *client;
static char dir[64];
static struct certificate pem;

static void make_certificates(void)
{
    snprintf(dir, sizeof dir, "/tmp/http-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    certificate_make(&pem, dir, "DNS:localhost");
}

static void remove_certificates(void)
{
    const char *const files[] = {pem.ca, pem.ca_key, pem.cert, pem.key};

    for (size_t i = 0; i < ARRAY_LEN(files); i++)
        unlink(files[i]);
    rmdir(dir);
}

static void start(const char *ca_file, bool tls)
{
    struct http_client_options opt = {.ca_file = ca_file};

    fake_http_start(&server, tls ? pem.cert : NULL, tls ? pem.key : NULL);
    loop = loop_new();
    client = http_client_new(loop, &opt);
}

static void tear_down(void)
{
    http_client_free(client);
    loop_free(loop);
    fake_http_stop(&server);
}

static const char *url(bool tls, const char *path)
{
    return shot_url(tls ? "https" : "http", "localhost", server.port, path);
}

/* ---- the kept connection that dies ---- */

enum { LARGE_BYTES = 200000 };
static const struct {
    const char *path, *method, *body; /* body "large": LARGE_BYTES */
    bool tls, body_arrives;
} deaths[] = {
    {"/dies-second", "POST", "large", false, true},
    {"/resets-second", "POST", "large", false, true},
    {"/dies-second", "POST", "large", true, true},
    {"/dies-second", "POST", "id=2", false, true},
    {"/resets-second", "POST", "id=2", false, true},
    {"/dies-second-head", "POST", "id=2", false, false},
    {"/dies-second", "POST", "", false, false},
    {"/resets-second", "POST", "", false, false},
    {"/dies-second", "GET", "", false, false},
    {"/dies-second", "DELETE", "", false, false},
    {"/dies-second", "PUT", "id=2", false, true},
    {"/dies-second", "POST", "id=2", true, true},
    {"/resets-second", "POST", "id=2", true, true},
    {"/dies-second-head", "POST", "id=2", true, false},
    {"/dies-second", "POST", "", true, false},
    {"/dies-second", "GET", "", true, false},
};

static char large[LARGE_BYTES];

/* _i's last bit: another idle connection is there, which a second try could use. */
START_TEST(a_request_on_a_connection_that_dies_is_not_sent_again)
{
    bool tls = deaths[_i / 2].tls, spare = _i & 1;
    struct shot first, other = {0}, second;
    struct http_request r;

    start(pem.ca, tls);
    r = shot_request(&first, url(tls, "/ok"));
    if (spare) {
        struct http_request r2 = shot_request(&other, r.url);

        http_send(client, &r2);
    }
    shot_fire(loop, client, &first, &r);
    if (spare && !other.reports)
        shot_wait(loop, &other);
    r = shot_request(&second, url(tls, deaths[_i / 2].path));
    r.method = deaths[_i / 2].method;
    r.body = (struct span){deaths[_i / 2].body, strlen(deaths[_i / 2].body)};
    if (r.body.n == 5)
        r.body = (struct span){large, LARGE_BYTES};
    shot_fire(loop, client, &second, &r);
    ck_assert_msg(second.reply.outcome == HTTP_SENT_UNKNOWN, "row %d: outcome %d: %s", _i / 2,
                  (int)second.reply.outcome, second.detail);
    ck_assert(second.reply.reused && second.reply.sent);
    ck_assert_str_ne(second.detail, ""); /* about the connection, not about our lock */
    ck_assert_ptr_null(strstr(second.detail, "callback"));
    ck_assert_ptr_null(strstr(second.detail, "connect to"));
    ck_assert_int_eq(server.seen->heads, spare ? 3 : 2);
    ck_assert_int_eq(server.seen->connections, spare ? 2 : 1);
    ck_assert_int_eq(server.seen->bodies, deaths[_i / 2].body_arrives);
    tear_down();
}
END_TEST

/* ---- many at once ---- */

enum { MANY = 1500, AT_ONCE = 40 };
static const char *const mixed[] = {"/ok", "/dies-second", "/dies-third", "/resets-second",
                                    "/ok", "/half-body",   "/close",      "/dies-second-head"};
struct one {
    struct many *many;
    struct shot shot;
};
struct many {
    struct one ones[MANY];
    int sent, reported;
};

static void many_send(struct many *m);

static void one_done(void *arg, const struct http_reply *reply)
{
    struct one *o = arg;

    shot_done(&o->shot, reply);
    o->many->reported++;
    many_send(o->many);
}

static void many_send(struct many *m)
{
    struct one *o = &m->ones[m->sent];
    char body[32];
    struct http_request r;

    if (m->sent == MANY)
        return;
    r = shot_request(&o->shot, shot_url("http", "127.0.0.1", server.port,
                                        mixed[(size_t)m->sent * 7 % ARRAY_LEN(mixed)]));
    o->many = m;
    snprintf(body, sizeof body, "id=%d", ++m->sent);
    r.body = (struct span){body, strlen(body)};
    r.on_done = one_done;
    r.arg = o;
    http_send(client, &r);
}

/* What the outcome says about one body, against how often it arrived. */
static void agrees(const struct shot *shot, int arrived)
{
    enum http_outcome outcome = shot->reply.outcome;

    ck_assert_int_eq(shot->reports, 1);
    ck_assert_msg(arrived <= 1, "a body arrived %d times", arrived);
    if (outcome == HTTP_ANSWERED || outcome == HTTP_CUT)
        ck_assert_int_eq(arrived, 1);
    else if (outcome == HTTP_NOT_SENT)
        ck_assert(arrived == 0 && !shot->reply.sent);
    else
        ck_assert(outcome == HTTP_SENT_UNKNOWN && shot->reply.sent);
}

START_TEST(of_many_requests_none_arrives_twice)
{
    static struct many m;
    int unknown = 0, reused = 0;

    start(NULL, false);
    for (int i = 0; i < AT_ONCE; i++)
        many_send(&m);
    while (m.reported < MANY)
        loop_turn(loop, 100);
    for (int i = 0; i < MANY; i++) {
        const struct http_reply *r = &m.ones[i].shot.reply;

        agrees(&m.ones[i].shot, server.seen->by_id[i + 1]);
        unknown += r->outcome == HTTP_SENT_UNKNOWN;
        reused += r->reused;
    }
    ck_assert_int_gt(unknown, MANY / 10); /* the test did meet what it is for */
    ck_assert_int_gt(reused, MANY / 10);
    tear_down();
}
END_TEST

/* ---- whom TLS trusts ---- */

static const struct {
    const char *host;
    bool with_ca;
    enum http_outcome outcome;
    const char *says;
} trust[] = {
    {"localhost", true, HTTP_ANSWERED, ""},
    {"127.0.0.1", true, HTTP_NOT_SENT, "SSL"},
    {"localhost", false, HTTP_NOT_SENT, "SSL"},
};

START_TEST(a_certificate_must_be_trusted_and_name_the_host)
{
    struct shot s;
    struct http_request r;

    start(trust[_i].with_ca ? pem.ca : NULL, true);
    r = shot_request(&s, shot_url("https", trust[_i].host, server.port, "/ok"));
    r.body = (struct span){"id=5", 4};
    r.plain_http_allowed = false;
    shot_fire(loop, client, &s, &r);
    ck_assert_msg(s.reply.outcome == trust[_i].outcome && strstr(s.detail, trust[_i].says),
                  "outcome %d: %s", (int)s.reply.outcome, s.detail);
    ck_assert_int_eq(s.reply.sent, trust[_i].outcome == HTTP_ANSWERED);
    ck_assert_int_eq(server.seen->by_id[5], trust[_i].outcome == HTTP_ANSWERED);
    tear_down();
}
END_TEST

Suite *test_http_once(void);
Suite *test_http_once(void)
{
    Suite *s = suite_create("test_http_once");
    TCase *tc = tcase_create("once");

    tcase_add_unchecked_fixture(tc, make_certificates, remove_certificates);
    tcase_set_timeout(tc, 60);
    tcase_add_loop_test(tc, a_request_on_a_connection_that_dies_is_not_sent_again, 0,
                        (int)ARRAY_LEN(deaths) * 2);
    tcase_add_test(tc, of_many_requests_none_arrives_twice);
    tcase_add_loop_test(tc, a_certificate_must_be_trusted_and_name_the_host, 0,
                        (int)ARRAY_LEN(trust));
    suite_add_tcase(s, tc);
    return s;
}
