/* test_http_dns.c - a name look-up that takes long holds up nothing but its own call.
 *
 * This file's getaddrinfo stands in front of the C library's for the whole test
 * program, libcurl included: the name "slow.test" hangs until the test says so,
 * then fails; "private.test" is 127.0.0.1; "two.test" is 127.0.0.2, where nobody listens, and
 * 127.0.0.1; all others go to the C library.
 */
#include <check.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/core/clock.h"
#include "common/io/http_client.h"
#include "common/io/loop.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/http_shot.h"

enum { GIVE_UP_MS = 200, HANG_MS = 60000 };

static atomic_bool hanging, go_on;
typedef int look_up(const char *name, const char *service, const struct addrinfo *hints,
                    struct addrinfo **ret);

static int hang(void)
{
    int64_t end_ms = clock_mono_ms() + HANG_MS;

    hanging = true;
    while (!go_on && clock_mono_ms() < end_ms)
        usleep(5000);
    hanging = false;
    return EAI_NONAME;
}

static int two(look_up *real, const char *service, const struct addrinfo *hints,
               struct addrinfo **ret)
{
    struct addrinfo *last;
    int why = real("127.0.0.2", service, hints, ret);

    if (why)
        return why;
    for (last = *ret; last->ai_next; last = last->ai_next)
        ;
    return real("127.0.0.1", service, hints, &last->ai_next);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **ret)
{
    void *symbol = dlsym(RTLD_NEXT, "getaddrinfo");
    look_up *real;

    memcpy(&real, &symbol, sizeof real);
    if (name && strcmp(name, "slow.test") == 0)
        return hang();
    if (name && strcmp(name, "two.test") == 0)
        return two(real, service, hints, ret);
    return real(name && strcmp(name, "private.test") == 0 ? "127.0.0.1" : name, service, hints,
                ret);
}

static struct fake_http server;
static struct loop *loop;
static struct http_client *client;

static void set_up(void)
{
    go_on = false;
    fake_http_start(&server, NULL, NULL);
    loop = loop_new();
    client = http_client_new(loop, NULL);
}

static void tear_down(void)
{
    http_client_free(client);
    for (go_on = true; hanging;)
        usleep(1000);
    loop_free(loop);
    fake_http_stop(&server);
}

/* _i: the look-up ends by itself, by the connect time-out, by cancelling, by freeing the client. */
START_TEST(a_slow_look_up_does_not_stop_the_loop)
{
    struct shot slow = {0}, quick = {0};
    struct http_request r = shot_request(&slow, "http://slow.test/ok");
    struct http_call *call;

    r.connect_timeout_ms = _i == 1 ? GIVE_UP_MS : HANG_MS;
    r.timeout_ms = HANG_MS;
    call = http_send(client, &r);
    while (!hanging)
        loop_turn(loop, 10);
    r = shot_request(&quick, shot_url("http", "127.0.0.1", server.port, "/ok"));
    shot_fire(loop, client, &quick, &r);
    ck_assert_int_eq(quick.reply.outcome, HTTP_ANSWERED);
    ck_assert(hanging);
    if (_i == 0)
        go_on = true;
    if (_i == 2)
        http_cancel(call);
    if (_i == 3)
        http_client_free(TAKE(client));
    shot_wait(loop, &slow);
    ck_assert_int_eq(slow.reply.outcome, _i < 2 ? HTTP_NOT_SENT : HTTP_CANCELLED);
    ck_assert(!slow.reply.sent);
    ck_assert_int_eq(hanging, _i != 0);
}
END_TEST

START_TEST(a_name_of_a_private_address_is_refused_by_its_address)
{
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "private.test", server.port, "/ok"));

    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_ANSWERED);
    r.refuse_private = true;
    shot_fire(loop, client, &s, &r); /* the kept connection must not serve it */
    ck_assert_int_eq(s.reply.outcome, HTTP_REFUSED);
    ck_assert_ptr_nonnull(strstr(s.detail, "127.0.0.1"));
    ck_assert_int_eq(server.seen->heads, 1);
}
END_TEST

START_TEST(the_next_address_of_a_name_is_tried_when_one_refuses)
{
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "two.test", server.port, "/ok"));

    shot_fire(loop, client, &s, &r);
    ck_assert_msg(s.reply.outcome == HTTP_ANSWERED, "%s", s.detail);
    ck_assert_int_eq(server.seen->heads, 1);
}
END_TEST

START_TEST(the_addresses_that_were_tried_are_named)
{
    struct shot s;
    struct http_request r = shot_request(&s, shot_url("http", "two.test", 1, "/ok"));

    shot_fire(loop, client, &s, &r);
    ck_assert_int_eq(s.reply.outcome, HTTP_NOT_SENT);
    ck_assert_msg(strstr(s.detail, "; tried 127.0.0.2, 127.0.0.1"), "%s", s.detail);
    r.url = shot_url("http", "127.0.0.2", 1, "/ok"); /* it is named already */
    shot_fire(loop, client, &s, &r);
    ck_assert_msg(!strstr(s.detail, "tried"), "%s", s.detail);
}
END_TEST

Suite *test_http_dns(void);
Suite *test_http_dns(void)
{
    Suite *s = suite_create("test_http_dns");
    TCase *tc = tcase_create("names");

    tcase_add_checked_fixture(tc, set_up, tear_down);
    tcase_set_timeout(tc, 30);
    tcase_add_loop_test(tc, a_slow_look_up_does_not_stop_the_loop, 0, 4);
    tcase_add_test(tc, a_name_of_a_private_address_is_refused_by_its_address);
    tcase_add_test(tc, the_next_address_of_a_name_is_tried_when_one_refuses);
    tcase_add_test(tc, the_addresses_that_were_tried_are_named);
    suite_add_tcase(s, tc);
    return s;
}
