/* config_text.c - the syntax of texts in a configuration.
 *
 * Pure functions: text in, true or "expected ..." out.  The caller adds where
 * it was and what it was, unless it is a secret.  Nothing is resolved or
 * opened here; the modules that use a value read it again for themselves.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "common/config/config_parts.h"
#include "common/core/parse.h"

#define SCHEDULE_MAX    32
#define SCHEDULE_MAX_MS INT64_C(2592000000) /* 30 days */

static bool expected(struct err *err, const char *what)
{
    return err_set(err, ERR_CONFIG, "expected %s", what);
}

/* ---- words ---- */

static bool all_of(const char *p, size_t n, const char *more)
{
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)p[i]) && !(p[i] && strchr(more, p[i])))
            return false;
    return true;
}

bool check_name(const char *text, size_t max)
{
    size_t n = strlen(text);

    return n >= 1 && n <= max && all_of(text, n, "._-");
}

bool check_prefix(const char *text, struct err *err)
{
    return check_name(text, 32) || expected(err, "1 to 32 of [A-Za-z0-9._-]");
}

bool check_scheduler_name(const char *text, struct err *err)
{
    return *text == 0 || check_name(text, 64) ||
           expected(err, "nothing, or 1 to 64 of [A-Za-z0-9._-]");
}

bool check_key(const char *text, struct err *err)
{
    for (const char *p = text; *p; p++)
        if (!isgraph((unsigned char)*p))
            return expected(err, "visible ASCII characters without blanks");
    return true;
}

bool check_absolute_path(const char *text, struct err *err)
{
    return *text == '/' || expected(err, "an absolute path");
}

/* ---- hosts and addresses ---- */

static bool is_loopback(const char *host)
{
    struct in_addr v4;
    struct in6_addr v6;

    if (inet_pton(AF_INET, host, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    if (inet_pton(AF_INET6, host, &v6) == 1)
        return IN6_IS_ADDR_LOOPBACK(&v6);
    return strcasecmp(host, "localhost") == 0;
}

static bool is_address(const char *host)
{
    unsigned char any[16];

    return inet_pton(AF_INET, host, any) == 1 || inet_pton(AF_INET6, host, any) == 1;
}

/* Split "host", "host:port" or "[v6]:port"; *ret_port is -1 when there is none. */
static bool split_host(const char *p, size_t n, char host[256], int64_t *ret_port)
{
    const char *end = p + n;
    const char *close = n && *p == '[' ? memchr(p, ']', n) : NULL;
    const char *from = close ? p + 1 : p;
    const char *rest = close ? close + 1 : memchr(p, ':', n);
    const char *to = close ? close : rest ? rest : end;
    size_t len = (size_t)(to - from);

    *ret_port = -1;
    if (len == 0 || len > 255)
        return false;
    memcpy(host, from, len);
    host[len] = 0;
    if (close ? !is_address(host) || !strchr(host, ':') : !all_of(host, len, "._-"))
        return false;
    if (!rest || rest == end)
        return true;
    return *rest == ':' && parse_int64(rest + 1, (size_t)(end - rest - 1), 0, 65535, ret_port);
}

bool text_is_loopback(const char *text)
{
    const char *scheme = strstr(text, "://");
    const char *p = scheme ? scheme + 3 : text;
    char host[256];
    int64_t port;

    return split_host(p, strcspn(p, "/"), host, &port) && is_loopback(host);
}

bool check_listen(const char *text, struct err *err)
{
    char host[256];
    int64_t port;

    if (*text == 0 || (split_host(text, strlen(text), host, &port) && port >= 0 &&
                       (is_address(host) || is_loopback(host))))
        return true;
    return expected(err, "ADDRESS:PORT like 127.0.0.1:8420 or [::1]:8420, or nothing");
}

static bool is_network(struct span s)
{
    const char *slash = memchr(s.p, '/', s.n);
    char address[64];
    size_t n = slash ? (size_t)(slash - s.p) : 0;
    int64_t bits;

    if (n == 0 || n >= sizeof(address))
        return false;
    memcpy(address, s.p, n);
    address[n] = 0;
    return is_address(address) &&
           parse_int64(slash + 1, s.n - n - 1, 0, strchr(address, ':') ? 128 : 32, &bits);
}

/* ---- URLs ---- */

static bool starts(const char *text, const char *prefix)
{
    return strncasecmp(text, prefix, strlen(prefix)) == 0;
}

bool check_redis_url(const char *text, struct err *err)
{
    const char *rest = strstr(text, "://");

    if (rest && rest[3] &&
        (starts(text, "redis://") || starts(text, "rediss://") || starts(text, "unix://")))
        return true;
    return expected(err, "redis://HOST:PORT, rediss://HOST:PORT or unix:///PATH");
}

bool check_base_url(const char *text, struct err *err)
{
    const char *p = text + (starts(text, "https://") ? 8 : 7);
    char host[256];
    int64_t port;
    size_t n;

    if (!starts(text, "https://") && !starts(text, "http://"))
        return expected(err, "a URL that starts with https:// or http://");
    n = strcspn(p, "/");
    if (memchr(p, '@', n))
        return expected(err, "a URL without user and password");
    for (const char *q = p; *q; q++)
        if (!isgraph((unsigned char)*q) || *q == '?' || *q == '#')
            return expected(err, "a URL without blanks, query and fragment");
    if (!split_host(p, n, host, &port) || port == 0)
        return expected(err, "a URL like https://HOST/v1 or https://HOST:PORT/v1");
    return true;
}

bool check_url_is_safe(const char *text, bool allow_http, struct err *err)
{
    return allow_http || !starts(text, "http://") || text_is_loopback(text) ||
           expected(err, "https://, as http:// goes only to loopback unless providers.allow_http "
                         "is true");
}

/* ---- webhooks ---- */

bool check_webhook_url(const char *text, struct err *err)
{
    const char *p = text + (starts(text, "https://") ? 8 : 7);
    char host[256];
    int64_t port;

    if (*text == 0)
        return true;
    if (!starts(text, "https://") && !starts(text, "http://"))
        return expected(err, "a URL that starts with https:// or http://, or nothing");
    for (const char *q = p; *q; q++)
        if (!isgraph((unsigned char)*q) || strchr("\\\"<>^`{|}", *q))
            return expected(err, "a URL of visible ASCII characters, the others percent-encoded");
    if (!split_host(p, strcspn(p, "/?#"), host, &port) || port == 0)
        return expected(err, "a URL like https://HOST/PATH");
    return true;
}

bool check_webhook_secret(const char *text, struct err *err)
{
    const char *p = text + 6;
    size_t n;
    size_t pad = 0;
    size_t bytes;

    if (*text == 0)
        return true;
    if (strncmp(text, "whsec_", 6) == 0 && (n = strlen(p)) >= 4 && n % 4 == 0) {
        while (pad < 2 && p[n - 1 - pad] == '=')
            pad++;
        bytes = n / 4 * 3 - pad;
        if (all_of(p, n - pad, "+/") && bytes >= 16 && bytes <= 256)
            return true;
    }
    return expected(err, "whsec_ and the base64 of 16 to 256 bytes");
}

/* The next item of a comma-separated list, without blanks around it; false after the last.
 * *p becomes NULL behind the last item. */
static bool next_item(const char **p, struct span *ret)
{
    size_t n;

    if (!*p)
        return false;
    *p += strspn(*p, " ");
    n = strcspn(*p, ",");
    *ret = (struct span){*p, n};
    *p = (*p)[n] ? *p + n + 1 : NULL;
    while (ret->n > 0 && ret->p[ret->n - 1] == ' ')
        ret->n--;
    return true;
}

bool check_networks(const char *text, struct err *err)
{
    const char *p = *text ? text : NULL;
    struct span item;

    while (next_item(&p, &item))
        if (!is_network(item))
            return expected(err, "networks as ADDRESS/BITS, comma-separated");
    return true;
}

/* How many numbers text lists, the first max of them in ret; 0 when one is bad. */
static size_t read_schedule(const char *text, int64_t *ret, size_t max)
{
    const char *p = text;
    struct span item;
    size_t n = 0;
    int64_t ms;

    for (; next_item(&p, &item); n++) {
        if (!parse_int64(item.p, item.n, 0, SCHEDULE_MAX_MS, &ms))
            return 0;
        if (n < max)
            ret[n] = ms;
    }
    return n;
}

bool check_schedule(const char *text, struct err *err)
{
    size_t n = read_schedule(text, NULL, 0);

    return (n >= 1 && n <= SCHEDULE_MAX) ||
           err_set(err, ERR_CONFIG,
                   "expected 1 to %d numbers of milliseconds up to %" PRId64 ", comma-separated",
                   SCHEDULE_MAX, SCHEDULE_MAX_MS);
}

size_t config_webhook_schedule(const struct config *c, int64_t *ret, size_t max)
{
    size_t n = read_schedule(c->webhooks_schedule_ms, ret, max);

    return n < max ? n : max;
}
