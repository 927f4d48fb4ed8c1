/* test_redis_url.c - which texts say where a Redis is. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "common/io/redis.h"

static const struct good {
    const char *text;
    const char *host, *user, *password;
    const char *redacted;
    int port, database;
    bool tls, is_unix;
} good[] = {
    {"redis://localhost", "localhost", NULL, NULL, "redis://localhost:6379", 6379, 0, false, false},
    {"REDIS://h:7000/", "h", NULL, NULL, "redis://h:7000", 7000, 0, false, false},
    {"redis://h/3", "h", NULL, NULL, "redis://h:6379/3", 6379, 3, false, false},
    {"redis://h?db=4", "h", NULL, NULL, "redis://h:6379/4", 6379, 4, false, false},
    {"redis://:pw@h:1", "h", NULL, "pw", "redis://:***@h:1", 1, 0, false, false},
    {"redis://@h", "h", NULL, NULL, "redis://h:6379", 6379, 0, false, false},
    {"rediss://u:p@h/1", "h", "u", "p", "rediss://u:***@h:6379/1", 6379, 1, true, false},
    {"redis://u:a%40%3A%2f%25b@h", "h", "u", "a@:/%b", "redis://u:***@h:6379", 6379, 0, false,
     false},
    {"redis://u:a@b:c@h", "h", "u", "a@b:c", "redis://u:***@h:6379", 6379, 0, false, false},
    {"redis://[::1]", "::1", NULL, NULL, "redis://[::1]:6379", 6379, 0, false, false},
    {"rediss://[fe80::2]:6380/2", "fe80::2", NULL, NULL, "rediss://[fe80::2]:6380/2", 6380, 2, true,
     false},
    {"unix:///run/redis.sock", "/run/redis.sock", NULL, NULL, "unix:///run/redis.sock", 6379, 0,
     false, true},
    {"unix:///a%20b?db=9", "/a b", NULL, NULL, "unix:///a b?db=9", 6379, 9, false, true},
    {"unix://u:p@/s/x@y", "/s/x@y", "u", "p", "unix://u:***@/s/x@y", 6379, 0, false, true},
};

static void same_text(const char *got, const char *wanted)
{
    if (wanted)
        ck_assert_str_eq(got, wanted);
    else
        ck_assert_ptr_null(got);
}

START_TEST(reads_a_good_url)
{
    const struct good *g = &good[_i];
    struct redis_url u;
    struct err err = {0};
    char *redacted;

    ck_assert_msg(redis_url_parse(g->text, &u, &err), "%s: %s", g->text, err.msg);
    ck_assert_int_eq(u.tls, g->tls);
    ck_assert_int_eq(u.is_unix, g->is_unix);
    ck_assert_str_eq(u.host, g->host);
    ck_assert_int_eq(u.port, g->port);
    ck_assert_int_eq(u.database, g->database);
    same_text(u.user, g->user);
    same_text(u.password, g->password);
    redacted = redis_url_redacted(&u);
    ck_assert_str_eq(redacted, g->redacted);
    free(redacted);
    redis_url_done(&u);
}
END_TEST

static const struct bad {
    const char *text, *says;
} bad[] = {
    {"", "must begin with redis://"},
    {"localhost:6379", "must begin with redis://"},
    {"http://h", "must begin with redis://"},
    {"redis:/h", "must begin with redis://"},
    {"redis+sentinel://h", "redis+sentinel:// is not supported yet"},
    {"redis+cluster://h", "redis+cluster:// is not supported yet"},
    {"redis://", "the host is missing"},
    {"redis://:6379", "the host is missing"},
    {"redis://:s3cret@", "the host is missing"},
    {"redis://s3cret@h", "a user without a password"},
    {"redis://u:@h", "the password is empty"},
    {"redis://:s3cret%@h", "the password has %00 or a '%' without two hex digits"},
    {"redis://:s3cret%4@h", "the password has %00 or a '%'"},
    {"redis://:s3cret%00@h", "the password has %00 or a '%'"},
    {"redis://:s3/cret@h", "in a password '/' must be written %2F"},
    {"redis://:s3#cret@h", "'#' must be written %23"},
    {"redis://h:0", "the port must be a number from 1 to 65535"},
    {"redis://h:65536", "the port must be a number from 1 to 65535"},
    {"redis://h:", "the port must be"},
    {"redis://h:12x", "the port must be"},
    {"redis://a b", "the host is not a name or address"},
    {"redis://h%20", "the host is not a name or address"},
    {"redis://[::1", "'[' without ']'"},
    {"redis://[::1]6379", "after ']' only :port may follow"},
    {"redis://[]", "the host is missing"},
    {"redis://[h]", "the host is not an IPv6 address"},
    {"redis://h/x", "the database must be a number from 0 to"},
    {"redis://h/-1", "the database must be"},
    {"redis://h/1/2", "the database must be"},
    {"redis://h?db=", "the database must be"},
    {"redis://h?timeout=5", "after '?' only db=N is known"},
    {"redis://h?db=1&x=2", "after '?' only db=N is known"},
    {"unix://run/redis.sock", "must be absolute"},
    {"unix://", "the path of the unix socket is missing"},
    {"unix:///", "the path of the unix socket is missing"},
    {"unix:///a%zz", "the path has %00 or a '%'"},
    {"unix:///0123456789012345678901234567890123456789012345678901234567890123456789012345678901234"
     "56789012345678901234567",
     "over 107 bytes"},
};

START_TEST(refuses_a_bad_url_and_says_why_without_the_password)
{
    struct redis_url u;
    struct err err = {0};

    ck_assert_msg(!redis_url_parse(bad[_i].text, &u, &err), "%s was read", bad[_i].text);
    ck_assert_int_eq(err.kind, ERR_CONFIG);
    ck_assert_msg(strstr(err.msg, bad[_i].says), "'%s' said: %s", bad[_i].text, err.msg);
    ck_assert_ptr_null(strstr(err.msg, "cret"));
}
END_TEST

Suite *test_redis_url(void);
Suite *test_redis_url(void)
{
    Suite *s = suite_create("test_redis_url");
    TCase *tc = tcase_create("url");

    tcase_add_loop_test(tc, reads_a_good_url, 0, (int)ARRAY_LEN(good));
    tcase_add_loop_test(tc, refuses_a_bad_url_and_says_why_without_the_password, 0,
                        (int)ARRAY_LEN(bad));
    suite_add_tcase(s, tc);
    return s;
}
