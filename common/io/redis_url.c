/* redis_url.c - where a Redis is, as one text.
 *
 *     redis://[user[:password]@]host[:port][/db]      rediss:// the same over TLS
 *     unix://[user:password@]/path[?db=N]
 *
 *     scheme://  userinfo  @  place  /db  ?query
 *                -------------------
 *                up to the first / ? or #, so these must be percent-encoded in a password
 *
 * Messages name the part that is wrong and never repeat a part that may hold
 * the password.  A new form of URL is a row in `schemes` and a reader of its
 * place. */
#include "common/io/redis.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "common/core/parse.h"
#include "common/core/xalloc.h"

#define HOST_CHARACTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

enum { DEFAULT_PORT = 6379, MAX_DATABASE = 1000000, MAX_HOST = 253 };

static const struct scheme {
    const char *prefix;
    bool supported, tls, is_unix;
} schemes[] = {
    {"redis://", true, false, false},
    {"rediss://", true, true, false},
    {"unix://", true, false, true},
    {"redis+sentinel://", false, false, false},
    {"redis+cluster://", false, false, false},
};

static bool read_scheme(const char **text, struct redis_url *u, struct err *err);
static bool read_userinfo(struct span s, struct redis_url *u, struct err *err);
static bool read_place(struct span s, struct redis_url *u, struct err *err);
static bool read_path(struct span s, struct redis_url *u, struct err *err);
static bool read_query(struct span s, struct redis_url *u, struct err *err);

static bool read_parts(const char *text, struct redis_url *u, struct err *err)
{
    size_t authority_n, path_n;
    const char *path, *query;
    struct span place;
    const char *at;

    if (!read_scheme(&text, u, err))
        return false;
    authority_n = strcspn(text, "/?#");
    path = text + authority_n;
    path_n = strcspn(path, "?#");
    query = path + path_n;
    if (*query == '#' || strchr(query, '#'))
        return err_set(err, ERR_CONFIG, "Redis URL: '#' must be written %%23");
    if (memchr(path, '@', path_n) && !u->is_unix)
        return err_set(err, ERR_CONFIG,
                       "Redis URL: '@' after a '/'; in a password '/' must be written %%2F");
    at = memrchr(text, '@', authority_n);
    if (at && !read_userinfo((struct span){text, (size_t)(at - text)}, u, err))
        return false;
    place.p = at ? at + 1 : text;
    place.n = (size_t)(path - place.p);
    return read_place(place, u, err) && read_path((struct span){path, path_n}, u, err) &&
           (!*query || read_query((struct span){query + 1, strlen(query + 1)}, u, err));
}

bool redis_url_parse(const char *text, struct redis_url *ret, struct err *err)
{
    struct redis_url u = {.port = DEFAULT_PORT};

    if (!read_parts(text, &u, err)) {
        redis_url_done(&u);
        return false;
    }
    *ret = u;
    return true;
}

void redis_url_done(struct redis_url *u)
{
    free(u->host);
    free(u->user);
    if (u->password)
        explicit_bzero(u->password, strlen(u->password));
    free(u->password);
    *u = (struct redis_url){0};
}

char *redis_url_redacted(const struct redis_url *u)
{
    struct buf b = BUF(4096);
    bool is_v6 = !u->is_unix && strchr(u->host, ':');

    buf_puts(&b, u->is_unix ? "unix://" : u->tls ? "rediss://" : "redis://");
    if (u->password)
        buf_printf(&b, "%s:***@", u->user ? u->user : "");
    buf_printf(&b, is_v6 ? "[%s]" : "%s", u->host);
    if (!u->is_unix)
        buf_printf(&b, ":%d", u->port);
    if (u->database)
        buf_printf(&b, u->is_unix ? "?db=%d" : "/%d", u->database);
    return buf_take(&b);
}

/* ---- parts ---- */

static bool read_scheme(const char **text, struct redis_url *u, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t n = strlen(schemes[i].prefix);

        if (strncasecmp(*text, schemes[i].prefix, n) != 0)
            continue;
        if (!schemes[i].supported)
            return err_set(err, ERR_CONFIG, "Redis URL: %s is not supported yet",
                           schemes[i].prefix);
        *text += n;
        u->tls = schemes[i].tls;
        u->is_unix = schemes[i].is_unix;
        return true;
    }
    return err_set(err, ERR_CONFIG, "Redis URL: it must begin with redis://, rediss:// or unix://");
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The percent-decoded text of s; NULL with err when it is malformed. */
static char *decode(struct span s, const char *what, struct err *err)
{
    char *text = xmalloc(s.n + 1), *end = text;

    for (size_t i = 0; i < s.n; i++) {
        int high, low;

        if (s.p[i] != '%') {
            *end++ = s.p[i];
            continue;
        }
        high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;
        if (high < 0 || low < 0 || (high == 0 && low == 0)) {
            err_set(
                err, ERR_CONFIG,
                "Redis URL: %s has %%00 or a '%%' without two hex digits ('%%' is written %%25)",
                what);
            free(text);
            return NULL;
        }
        *end++ = (char)(high * 16 + low);
        i += 2;
    }
    *end = '\0';
    return text;
}

static bool read_userinfo(struct span s, struct redis_url *u, struct err *err)
{
    const char *colon = memchr(s.p, ':', s.n);
    size_t user_n = colon ? (size_t)(colon - s.p) : s.n;

    if (!s.n)
        return true; /* redis://@host */
    if (!colon)
        return err_set(err, ERR_CONFIG,
                       "Redis URL: there is a user without a password (a password "
                       "alone is written redis://:password@host)");
    if (user_n && !(u->user = decode((struct span){s.p, user_n}, "the user", err)))
        return false;
    s = (struct span){colon + 1, s.n - user_n - 1};
    if (!s.n)
        return err_set(err, ERR_CONFIG, "Redis URL: the password is empty");
    return (u->password = decode(s, "the password", err));
}

static bool read_port(struct span s, struct redis_url *u, struct err *err)
{
    int64_t port;

    if (!parse_int64(s.p, s.n, 1, 65535, &port))
        return err_set(err, ERR_CONFIG, "Redis URL: the port must be a number from 1 to 65535");
    u->port = (int)port;
    return true;
}

/* host, host:port or [address]:port */
static bool read_place(struct span s, struct redis_url *u, struct err *err)
{
    bool bracketed = s.n && s.p[0] == '[';
    const char *end = s.p + s.n, *host = s.p + bracketed, *host_end;
    struct in6_addr address;

    if (u->is_unix)
        return !s.n ||
               err_set(err, ERR_CONFIG,
                       "Redis URL: the path of a unix socket must be absolute: unix:///path");
    host_end = memchr(host, bracketed ? ']' : ':', (size_t)(end - host));
    if (bracketed && !host_end)
        return err_set(err, ERR_CONFIG, "Redis URL: '[' without ']' around the address");
    if (!host_end)
        host_end = end;
    if (host_end == host)
        return err_set(err, ERR_CONFIG, "Redis URL: the host is missing");
    if (host_end - host > MAX_HOST)
        return err_set(err, ERR_CONFIG, "Redis URL: the host is over %d characters", MAX_HOST);
    u->host = xstrndup(host, (size_t)(host_end - host));
    if (bracketed ? inet_pton(AF_INET6, u->host, &address) != 1
                  : strspn(u->host, HOST_CHARACTERS) != (size_t)(host_end - host))
        return err_set(err, ERR_CONFIG, "Redis URL: the host is not %s",
                       bracketed ? "an IPv6 address" : "a name or address");
    host_end += bracketed;
    if (host_end == end)
        return true;
    if (*host_end != ':')
        return err_set(err, ERR_CONFIG, "Redis URL: after ']' only :port may follow");
    return read_port((struct span){host_end + 1, (size_t)(end - host_end - 1)}, u, err);
}

static bool read_database(struct span s, struct redis_url *u, struct err *err)
{
    int64_t database;

    if (!parse_int64(s.p, s.n, 0, MAX_DATABASE, &database))
        return err_set(err, ERR_CONFIG, "Redis URL: the database must be a number from 0 to %d",
                       MAX_DATABASE);
    u->database = (int)database;
    return true;
}

static bool read_path(struct span s, struct redis_url *u, struct err *err)
{
    const size_t max = sizeof(((struct sockaddr_un *)0)->sun_path) - 1;

    if (!u->is_unix)
        return s.n <= 1 || read_database((struct span){s.p + 1, s.n - 1}, u, err);
    if (s.n <= 1)
        return err_set(err, ERR_CONFIG, "Redis URL: the path of the unix socket is missing");
    if (!(u->host = decode(s, "the path", err)))
        return false;
    return strlen(u->host) <= max ||
           err_set(err, ERR_CONFIG, "Redis URL: the path of the unix socket is over %zu bytes",
                   max);
}

static bool read_query(struct span s, struct redis_url *u, struct err *err)
{
    if (s.n >= 3 && !memcmp(s.p, "db=", 3) && !memchr(s.p, '&', s.n))
        return read_database((struct span){s.p + 3, s.n - 3}, u, err);
    return err_set(err, ERR_CONFIG, "Redis URL: after '?' only db=N is known");
}
